"""Who may compute: one training at a time on a device, segmentations before it.

All processes of a user meet in one folder, whatever study they work on. There are no
clocks and no process numbers in it that decide: a file counts as long as the system
says that somebody holds its lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import Cancelled, StorageError
from napari_mednext.jobs.states import Command, JobState
from napari_mednext.locking import FileLock, is_locked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_mednext.jobs.worker import JobWorker

__all__ = ["Turn", "compute_turn", "is_segmenting", "segmenting", "state_folder"]

_LOG = logging.getLogger(__name__)

#: Seconds between two looks at the queue, and that a look may wait for another's.
_LOOK_S, _LOOK_WAIT_S = 0.2, 5.0
_WHAT = "the queue of jobs"
_TRIES = 10


def state_folder() -> Path:
    """Return the folder in which the processes of a user meet; it may be missing."""
    named = os.environ.get("NAPARI_MEDNEXT_STATE")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_state_path("napari-mednext", appauthor=False)


@contextmanager
def compute_turn(device: object, worker: JobWorker | None = None) -> Iterator[Command]:
    """Wait until no earlier job computes on a device; give the turn back at the end.

    Who asks first is first. While it waits, the job is shown as queued; a paused job
    is not in the queue.

    Parameters
    ----------
    device : object
        Its text names it: ``"cpu"``, ``"cuda:0"``; a number is added where it lacks.
    worker : JobWorker, optional
        Shows the waiting and obeys; it gives the turn back while it is paused.

    Yields
    ------
    Command
        NONE with the turn. STOP without it: the user ended the job while it waited, so
        nothing but keeping the best may be done.

    Raises
    ------
    Cancelled
        If the job was cancelled while it waited.
    """
    turn = Turn(device, worker)
    try:
        command = turn.take()
        if command is Command.CANCEL:
            msg = "the job was cancelled while it waited for another"
            raise Cancelled(msg)
        if worker is not None:
            worker.turn = turn
        yield command
    finally:
        if worker is not None:
            worker.turn = None
        turn.give_back()


class Turn:
    """A place in the queue of a device.

    Parameters
    ----------
    device, worker
        As in :func:`compute_turn`.
    """

    def __init__(self, device: object, worker: JobWorker | None = None) -> None:
        name = str(device).lower()
        if name in ("cuda", "xpu"):
            name += ":0"
        self._name = re.sub(r"[^a-z0-9]+", "-", name)
        self._worker = worker
        self._folder = state_folder() / "turns"
        self._ticket: FileLock | None = None

    def take(self) -> Command:
        """Wait for the turn; return NONE with it, STOP or CANCEL without.

        Where the system offers no folder or no locks there is no queue, and the turn
        comes at once: a job must not fail for that.
        """
        worker, waited = self._worker, False
        while True:
            command = worker.command() if worker is not None else Command.NONE
            if command in (Command.STOP, Command.CANCEL):
                self.give_back()
                return command
            if command is Command.PAUSE:
                self.give_back()
            elif self._has_come():
                if waited and worker is not None:
                    worker.go_on()
                return Command.NONE
            if worker is not None:
                paused = command is Command.PAUSE
                worker.wait(
                    JobState.PAUSED if paused else JobState.QUEUED,
                    "" if paused else "another job",
                )
                waited = True
            time.sleep(_LOOK_S)

    def give_back(self) -> None:
        """Leave the queue; a second time does nothing."""
        if self._ticket is not None:
            ticket, self._ticket = self._ticket, None
            _remove(ticket)

    def _has_come(self) -> bool:
        """Whether nobody alive is before us; joins the queue if need be."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / f"{self._name}.queue", what=_WHAT) as queue:
                if not queue.take(wait_s=_LOOK_WAIT_S):
                    return False
                return self._is_first()
        except OSError as error:  # a StorageError is one
            _LOG.warning("jobs run without a queue: %s", error)
            return True

    def _is_first(self) -> bool:
        """Look at the tickets; the caller holds the lock of the queue."""
        tickets = self._tickets()
        if self._ticket is None or not self._ticket.is_in_place():
            number = max(tickets, default=0) + 1
            # Numbers come again when the queue is empty, names do not.
            name = f"{self._name}.{number:08}.{uuid.uuid4().hex}.ticket"
            self.give_back()
            self._ticket = FileLock(self._folder / name, what=_WHAT)
            self._ticket.take(wait_s=_LOOK_S)
        mine = self._ticket.path
        for _, path in sorted(tickets.items()):
            if path == mine:
                break
            if is_locked(path, what=_WHAT):
                return False
            path.unlink(missing_ok=True)
        return True

    def _tickets(self) -> dict[int, Path]:
        """Return number -> ticket of this device."""
        return {
            int(path.name.split(".")[1]): path
            for path in self._folder.glob(f"{self._name}.*.ticket")
        }


@contextmanager
def segmenting() -> Iterator[None]:
    """Tell all trainings of this user to make way while the block runs.

    Blocks may overlap, in one thread or many. Where the system offers no folder or no
    locks, trainings do not hear of it, and the block runs all the same.
    """
    mark = _mark()
    try:
        yield
    finally:
        if mark is not None:
            _remove(mark)


def is_segmenting() -> bool:
    """Whether another process of this user segments now. Quick enough for each step."""
    folder, own = state_folder() / "segmenting", f"{os.getpid()}-"
    busy = False
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(own):
                continue
            path = Path(entry.path)
            with contextlib.suppress(OSError):
                if is_locked(path, what=_WHAT):
                    busy = True
                else:
                    _remove_stale(path)
    return busy


def _mark() -> FileLock | None:
    """Return a new locked file, None where the system refuses."""
    folder = state_folder() / "segmenting"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES):
            path = folder / f"{os.getpid()}-{uuid.uuid4().hex}"
            mark = FileLock(path, what=_WHAT)
            # Between making and locking a file, another process may take it for a
            # stale one and remove it.
            if mark.take() and mark.is_in_place():
                return mark
            mark.release()
    return None


def _remove(lock: FileLock) -> None:
    """Remove a file that we hold, and end the lock."""
    # Linux removes open files, so nobody sees the file without its lock; Windows does
    # not, and there the file is in the way of nobody as it is not locked.
    with contextlib.suppress(OSError):
        lock.path.unlink(missing_ok=True)
    lock.release()
    with contextlib.suppress(OSError):
        lock.path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    """Remove the file of a process that is gone."""
    stale = FileLock(path, what=_WHAT)
    with contextlib.suppress(StorageError):
        if stale.take():
            _remove(stale)
