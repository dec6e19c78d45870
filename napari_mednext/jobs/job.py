"""A job as everybody else sees it: look at it, start it, tell it what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import InputError, StorageError
from napari_mednext.jobs.commands import (
    read_command,
    withdraw_command,
    write_command,
)
from napari_mednext.jobs.event_log import read_events
from napari_mednext.jobs.launching import has_process, launch, look, settle
from napari_mednext.jobs.record import MOST_FRUITLESS, StateRecord
from napari_mednext.jobs.spawning import LOG, find_process, kill_tree
from napari_mednext.jobs.spec import MODULE_PREFIXES, JobSpec, check_module
from napari_mednext.jobs.states import Command, JobState, JobView
from napari_mednext.jobs.worker import fruitless_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CANDIDATE", "Job"]

#: The folder in a job folder that holds the model it made.
CANDIDATE = "model"

_POLL_S = 0.05
_LOG_LINE_BYTES = 400


class Job:
    """A folder, and the process that works on it while there is one.

    Every window and script may have its own object of the same job. Nothing is held
    open, and nothing is remembered but the order.

    Parameters
    ----------
    path : Path
        The job folder.
    module_prefixes : sequence of str
        The job may run modules that begin with one of these.

    Raises
    ------
    InputError
        If the folder is no job, is damaged, or of a newer schema.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        module_prefixes: Sequence[str] = MODULE_PREFIXES,
    ) -> None:
        self.path = Path(path).resolve()
        self._spec = JobSpec.read(self.path)
        self._prefixes = tuple(module_prefixes)

    @property
    def id(self) -> str:
        """The name of the folder: a number that grows, and the kind."""
        return self.path.name

    @property
    def spec(self) -> dict[str, Any]:
        """What the job is asked to do: kind, title, module, arguments, created."""
        return dict(vars(self._spec))

    @property
    def is_alive(self) -> bool:
        """Whether a process works on the job."""
        return has_process(self.path)

    def view(self) -> JobView:
        """Return where the job stands.

        Raises
        ------
        InputError
            If its state is damaged or of a newer schema.
        """
        record, alive = look(self.path)
        state = _state(record, read_command(self.path), alive=alive)
        return JobView(
            id=self.id,
            kind=self._spec.kind,
            title=self._spec.title,
            state=state,
            phase=record.phase,
            step=record.step,
            total=record.total,
            remaining_s=record.remaining_s if alive else None,
            message=record.message,
            created=self._spec.created,
            updated=record.updated or self._spec.created,
            attempts=record.attempts,
            result=record.result,
            pid=record.pid if alive else None,
            waiting_for=record.waiting_for if alive else "",
        )

    def events(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return the events from a byte on, and the byte to go on from."""
        return read_events(self.path / "events.jsonl", offset)

    def log_tail(self, lines: int = 200) -> str:
        """Return the last lines that its processes printed."""
        try:
            with (self.path / LOG).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - lines * _LOG_LINE_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def start(self) -> None:
        """Start a process unless one works on the job; it outlives this one.

        A failed job is tried again, from its last checkpoint.

        Raises
        ------
        InputError
            If the job is over otherwise, or would run foreign code.
        StorageError
            If the disk is full.
        ResourceError
            If the system starts no process.
        """
        self._launch(by_hand=True)

    def revive(self) -> bool:
        """Start the job again if its process is gone; return whether it was started.

        What the user told it last takes effect instead: a cancelled job ends, a paused
        one waits for :meth:`resume`. A job that died too often without getting further
        is failed.

        Raises
        ------
        InputError, StorageError, ResourceError
            As for :meth:`start`.
        """
        record, alive = look(self.path)
        command = read_command(self.path)
        if alive or record.is_over:
            return False
        if command is Command.CANCEL:
            settle(self.path, JobState.CANCELLED)
            return False
        if command is Command.PAUSE or not record.was_started:
            return False
        if record.fruitless >= MOST_FRUITLESS:
            settle(self.path, JobState.FAILED, fruitless_sentence(record))
            return False
        return self._launch(by_hand=False)

    def pause(self) -> None:
        """Let the job wait at its next checkpoint; one that stops already does not.

        Raises
        ------
        StorageError
            If the disk is full.
        """
        if not self.view().is_over and read_command(self.path) is Command.NONE:
            write_command(self.path, Command.PAUSE)

    def resume(self) -> None:
        """Let a paused job go on; one whose process is gone gets a new one.

        Raises
        ------
        InputError, StorageError, ResourceError
            As for :meth:`start`.
        """
        withdraw_command(self.path, Command.PAUSE)
        if self.view().state is JobState.INTERRUPTED:
            self._launch(by_hand=True)

    def stop(self) -> None:
        """End the job early and keep its best.

        A job that has not made a step yet and has no process is over at once. One that
        has gets a process to keep its best.

        Raises
        ------
        InputError, StorageError, ResourceError
            As for :meth:`start`.
        """
        record, _ = look(self.path)
        if record.is_over:
            return
        write_command(self.path, Command.STOP)
        withdraw_command(self.path, Command.PAUSE)
        if record.attempts == 0 and settle(self.path, JobState.STOPPED):
            return
        if not self.is_alive:
            self._launch(by_hand=True)

    def cancel(self) -> None:
        """End the job and keep nothing; see :meth:`kill_after`.

        Raises
        ------
        StorageError
            If the disk is full.
        """
        record, _ = look(self.path)
        if not record.is_over:
            write_command(self.path, Command.CANCEL)
            with contextlib.suppress(StorageError):  # the file alone says it too
                settle(self.path, JobState.CANCELLED)

    def wait(self, timeout_s: float | None = None) -> JobView:
        """Block until the job is over or has no process; return where it stands then.

        A process that was started a moment ago is waited for.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            record, alive = look(self.path)
            if record.is_over or not (alive or record.is_starting):
                return self.view()
            if end is not None and time.monotonic() >= end:
                return self.view()
            time.sleep(_POLL_S)

    def kill_after(self, seconds: float) -> bool:
        """Give the process so many seconds to end, then end it and its children.

        Blocks; call it after :meth:`cancel`, in a worker.

        Returns
        -------
        bool
            Whether the process is gone.
        """
        end = time.monotonic() + seconds
        while self.is_alive and time.monotonic() < end:
            time.sleep(_POLL_S)
        if self.is_alive:
            process = find_process(StateRecord.read(self.path).pid, self.path)
            if process is not None:
                kill_tree(process)
        if read_command(self.path) is Command.CANCEL:
            settle(self.path, JobState.CANCELLED)
        return not self.is_alive

    def delete(self, *, also_model: bool = False) -> None:
        """Remove the folder of a job that is over.

        Parameters
        ----------
        also_model : bool
            Whether the model that it made may go too.

        Raises
        ------
        InputError
            If the job is not over, or holds a model that must not go.
        StorageError
            If the system does not let the folder be removed.
        """
        view = self.view()
        if not view.is_over or self.is_alive:
            msg = (
                f"only a job that is over can be deleted, {self.id!r} is "
                f"{view.state}: cancel it first"
            )
            raise InputError(msg)
        if not also_model and (self.path / CANDIDATE).exists():
            msg = (
                f"the job {self.id!r} holds the model that it made: keep or discard "
                "that first, or delete both"
            )
            raise InputError(msg)
        gone = self.path.with_name(f".deleting-{self.id}")
        try:
            # In one move, so that no window ever lists half a job.
            self.path.rename(gone)
            shutil.rmtree(gone)
        except OSError as error:
            msg = (
                f"the folder {str(self.path)!r} must be removed, but the system "
                f"refuses it ({error.strerror or error}): close what has its files open"
            )
            raise StorageError(msg) from error

    def _launch(self, *, by_hand: bool) -> bool:
        """Start a process unless there is one, and unless its module is foreign."""
        check_module(self._spec.module, self._prefixes)
        return launch(self.path, self._prefixes, by_hand=by_hand)


def _state(record: StateRecord, command: Command, *, alive: bool) -> JobState:
    """Return the state of a job: what its record says, seen with its process."""
    if record.is_over or alive:
        return record.state
    if command is Command.CANCEL:
        return JobState.CANCELLED
    if command is Command.PAUSE:
        return JobState.PAUSED
    if record.was_started and not record.is_starting:
        return JobState.INTERRUPTED
    return JobState.QUEUED
