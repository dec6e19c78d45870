"""Looking at the state of a job, and changing it while no process does."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError, StorageError
from napari_mednext.jobs.commands import clear_commands, read_command
from napari_mednext.jobs.record import StateRecord
from napari_mednext.jobs.running import LOCK
from napari_mednext.jobs.spawning import spawn
from napari_mednext.jobs.states import Command, JobState
from napari_mednext.locking import FileLock, is_locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["has_process", "launch", "look", "settle"]

#: Seconds to wait for who looks at the lock in this moment.
_LOCK_WAIT_S = 0.2
#: Looks at a job that ends and starts between two of them.
_LOOKS = 10


def has_process(folder: Path) -> bool:
    """Whether a process works on a job."""
    return is_locked(folder / LOCK, what="a job")


def look(folder: Path) -> tuple[StateRecord, bool]:
    """Return the record and whether a process works, both of the same moment.

    Raises
    ------
    InputError
        If the state is damaged or of a newer schema.
    """
    before = StateRecord.read(folder)
    for _ in range(_LOOKS):
        alive = has_process(folder)
        record = StateRecord.read(folder)
        # Without a process nothing can have changed, unless one began or ended.
        if alive or record == before:
            break
        before = record
    return record, alive


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the lock of a job; gives False where a process has it."""
    with FileLock(folder / LOCK, what="a job") as lock:
        yield lock.take(wait_s=_LOCK_WAIT_S)


def settle(folder: Path, state: JobState, message: str = "") -> bool:
    """End a job that has no process; return whether it is over by that.

    Raises
    ------
    StorageError
        If the disk is full.
    """
    with _alone(folder) as held:
        if not held:
            return False
        record = StateRecord.read(folder)
        if not record.is_over:
            _write(folder, record.ended(state, message))
        clear_commands(folder)
    return True


def launch(folder: Path, prefixes: Sequence[str], *, by_hand: bool) -> bool:
    """Start a process for a job unless there is one; return whether it was started.

    Parameters
    ----------
    folder : Path
        The job.
    prefixes : sequence of str
        See :func:`.check_module`.
    by_hand : bool
        Whether a person asks, who may try a failed job again.

    Raises
    ------
    InputError
        If the job is over otherwise.
    StorageError
        If the disk is full.
    ResourceError
        If the system starts no process.
    """
    with _alone(folder) as held:
        if not held:
            return False
        record = StateRecord.read(folder)
        if not record.is_over and read_command(folder) is Command.CANCEL:
            record = record.ended(JobState.CANCELLED)
            _write(folder, record)
            clear_commands(folder)
        if record.is_over and not (by_hand and record.state is JobState.FAILED):
            msg = (
                f"a job that is over cannot be started, {folder.name!r} is "
                f"{record.state}: start a new one"
            )
            raise InputError(msg)
        if record.is_over:
            clear_commands(folder)
        record = replace(
            record,
            state=JobState.QUEUED,
            launches=record.launches + 1,
            pid=None,
            message="",
            waiting_for="",
            fruitless=0 if by_hand else record.fruitless,
        )
        _write(folder, record)
    spawn(folder, prefixes, lambda: _note_end(folder, record.launches))
    return True


def _note_end(folder: Path, launch: int) -> None:
    """Say that a process ended before its first word."""
    with contextlib.suppress(OSError, InputError), _alone(folder) as held:
        if not held:
            return
        record = StateRecord.read(folder)
        if record.is_starting and record.launches == launch:
            fruitless = record.fruitless + 1
            lost = replace(record, state=JobState.RUNNING, fruitless=fruitless)
            _write(folder, lost)


def _write(folder: Path, record: StateRecord) -> None:
    """Write a record; the caller holds the lock.

    Raises
    ------
    StorageError
        If the disk is full.
    """
    try:
        record.write(folder, last_resort=record.is_over)
    except OSError as error:
        msg = (
            f"the state of a job must be written to {str(folder)!r} "
            f"({error.strerror or error}): make room, then try again"
        )
        raise StorageError(msg) from error
