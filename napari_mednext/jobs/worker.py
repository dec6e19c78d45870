"""The job as its own process sees it: orders, what to tell, and commands to obey."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.jobs.commands import clear_commands, read_command
from napari_mednext.jobs.event_log import EventLog
from napari_mednext.jobs.record import MOST_FRUITLESS, StateRecord
from napari_mednext.jobs.spec import JobSpec
from napari_mednext.jobs.states import OVER, Command, JobState
from napari_mednext.jobs.turns import is_segmenting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_mednext.jobs.turns import Turn

__all__ = ["JobWorker"]

#: Seconds between two looks at what a waiting job waits for.
POLL_S = 0.2
#: A wait that is shorter is not worth freeing memory for.
SHORT_S = 0.05
#: Progress is written at most once in so many seconds.
WRITE_EVERY_S = 0.5
#: Seconds in which the last word must reach the disk.
LAST_WORD_S = 30.0

_ENDING = (Command.STOP, Command.CANCEL)


class JobWorker:
    """Made in the process that works on a job; see :func:`.run_job`.

    Nothing here fails because a disk is full: what cannot be written is written with
    the next thing that can.

    Parameters
    ----------
    path : Path
        The job folder.

    Attributes
    ----------
    path : Path
    arguments : mapping
        What the job was given.
    cancel : CancelFlag
        Set when the user cancels; for calls that take one.
    turn : Turn or None
        The turn that is given back while the job is paused; see
        :func:`.compute_turn`.

    Raises
    ------
    InputError
        If the folder is no job, is damaged, or of a newer schema.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()
        self.arguments: Mapping[str, Any] = JobSpec.read(self.path).arguments
        self.cancel = _Cancelled(self.path)
        self.turn: Turn | None = None
        self._record = StateRecord.read(self.path)
        self._events = EventLog(self.path / "events.jsonl")
        self._is_written = True
        self._written_at = float("-inf")
        self._seen = Command.NONE

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self._record.is_over

    @property
    def attempts(self) -> int:
        """How many processes have begun to work on the job, this one included."""
        return self._record.attempts

    def begin(self) -> bool:
        """Count an attempt; return whether there is something to do.

        A job whose last attempts all died without getting further is failed instead.
        """
        if self._record.is_over:
            return False
        if self._record.fruitless >= MOST_FRUITLESS:
            self.finish(JobState.FAILED, fruitless_sentence(self._record))
            return False
        self._update(
            state=JobState.RUNNING,
            pid=os.getpid(),
            attempts=self._record.attempts + 1,
            fruitless=self._record.fruitless + 1,
            waiting_for="",
            message="",
        )
        command, is_first = self.command(), self._record.attempts == 1
        if command is Command.CANCEL:
            self.finish(JobState.CANCELLED)
        elif command is Command.STOP and is_first:  # there is no best to keep
            self.finish(JobState.STOPPED)
        return not self._record.is_over

    def tell(self, event: str, **content: Any) -> None:
        """Add an event of a kind to ``events.jsonl``."""
        self._events.add(event, content)

    def progress(
        self,
        step: int,
        total: int,
        *,
        phase: str | None = None,
        remaining_s: float | None = None,
    ) -> None:
        """Say how far the job is.

        Parameters
        ----------
        step, total : int
            Within the phase.
        phase : str, optional
            In words for people; by default the one before.
        remaining_s : float, optional
            Seconds until the end of the job, if it can be known.
        """
        phase = self._record.phase if phase is None else phase
        is_turning_point = phase != self._record.phase or step >= total
        self._record = replace(
            self._record.reached(phase, step), total=total, remaining_s=remaining_s
        )
        self._is_written = False
        self.flush(now=is_turning_point)

    def command(self) -> Command:
        """Return what the user wants now."""
        self.flush()
        command = read_command(self.path)
        if command in _ENDING:
            self._seen = command
        return command

    def checkpoint_gate(
        self,
        on_release: Callable[[], None] | None = None,
        on_return: Callable[[], None] | None = None,
    ) -> Command:
        """Wait while the job is paused or a segmentation needs the machine.

        Call it where the state of the work is whole, between two steps.

        Parameters
        ----------
        on_release : callable, optional
            Called once when waiting begins: free the device.
        on_return : callable, optional
            Called once when the work goes on after that, also to be stopped, then
            perhaps without the turn; not when it was cancelled.

        Returns
        -------
        Command
            NONE to go on, STOP to end with the best so far, CANCEL to end.
        """
        command, why = self._obstacle()
        if why is None:
            return command
        time.sleep(SHORT_S)
        command, why = self._obstacle()
        released = False
        while why is not None:
            if not released and on_release is not None:
                on_release()
            released = True
            if command is Command.PAUSE and self.turn is not None:
                self.turn.give_back()
            is_paused = command is Command.PAUSE
            self.wait(JobState.PAUSED if is_paused else JobState.RUNNING, why)
            time.sleep(POLL_S)
            command, why = self._obstacle()
            if why is None and command is Command.NONE and self.turn is not None:
                command = self.turn.take()
                if command is Command.NONE:
                    command, why = self._obstacle()
        if released:
            self.go_on()
            if on_return is not None and command is not Command.CANCEL:
                on_return()
        return command

    def _obstacle(self) -> tuple[Command, str | None]:
        """Return the command, and why the work may not go on; None where it may."""
        command = self.command()
        if command in _ENDING:
            return command, None
        if command is Command.PAUSE:
            return command, ""
        return command, "segmentation" if is_segmenting() else None

    def wait(self, state: JobState, waiting_for: str) -> None:
        """Show that the job waits, and why."""
        if (state, waiting_for) != (self._record.state, self._record.waiting_for):
            self._update(state=state, waiting_for=waiting_for)
        else:
            self.flush()

    def go_on(self) -> None:
        """Show that the job works again."""
        self.wait(JobState.RUNNING, "")

    def finish(self, state: JobState, message: str = "", **result: Any) -> None:
        """End the job, with what came out of it.

        Parameters
        ----------
        state : JobState
            DONE, STOPPED, CANCELLED or FAILED.
        message : str
            One sentence, or empty.
        **result
            JSON values.

        Raises
        ------
        ValueError
            If the job has ended already, or ``state`` is no end.
        """
        if self._record.is_over or state not in OVER:
            msg = f"a job must end once, got {state!r} in {self._record.state!r}"
            raise ValueError(msg)
        self._record = replace(self._record.ended(state, message), result=result)
        self._last_word()
        if self._is_written:
            clear_commands(self.path)

    def conclude(self, result: Mapping[str, Any]) -> None:
        """End the job as what was asked of it, unless the work itself did."""
        if self._record.is_over:
            return
        # A cancel that came after the last look still is what the user wants.
        cancelled = Command.CANCEL in (self._seen, read_command(self.path))
        state = JobState.STOPPED if self._seen is Command.STOP else JobState.DONE
        self.finish(JobState.CANCELLED if cancelled else state, **result)

    def interrupt(self) -> None:
        """Leave the job so that another process can go on: the system shuts down."""
        if self._record.is_over:
            if not self._is_written:
                self._last_word()
            return
        if read_command(self.path) is Command.CANCEL:
            self.finish(JobState.CANCELLED)
            return
        self._record = replace(
            self._record,
            state=JobState.RUNNING,
            waiting_for="",
            pid=None,
            fruitless=max(0, self._record.fruitless - 1),
        )
        with contextlib.suppress(OSError):
            self._record.write(self.path, last_resort=True)
        self._events.flush()

    def flush(self, *, now: bool = False) -> None:
        """Write what has not been written, if it is time to."""
        if not self._events.is_written:
            self._events.flush()
        late = time.monotonic() - self._written_at >= WRITE_EVERY_S
        if self._is_written or not (now or late):
            return
        self._written_at = time.monotonic()
        with contextlib.suppress(OSError):
            self._record.write(self.path)
            self._is_written = True

    def _update(self, **changes: Any) -> None:
        self._record = replace(self._record, **changes)
        self._is_written = False
        self.flush(now=True)

    def _last_word(self) -> None:
        """Write the end; a full disk is given some time to get room."""
        end = time.monotonic() + LAST_WORD_S
        self._is_written = False
        while True:
            self._events.flush()
            with contextlib.suppress(OSError):
                self._record.write(self.path, last_resort=True)
                self._is_written = True
            if self._is_written or time.monotonic() >= end:
                return
            time.sleep(POLL_S)


class _Cancelled:
    """Whether the user cancelled a job; a :class:`.CancelFlag`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_set(self) -> bool:
        """Whether the user cancelled."""
        return read_command(self._folder) is Command.CANCEL


def fruitless_sentence(record: StateRecord) -> str:
    """Return why a job is not revived again."""
    step = record.furthest.get(record.phase, 0)
    where = f"step {step} of {record.phase!r}" if record.phase else "its start"
    return (
        f"a job must get further with each start, it died {record.fruitless} times in "
        f"a row without getting beyond {where}: look into its log, then start it again"
    )
