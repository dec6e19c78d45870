"""What ``state.json`` says; written only by who holds the lock of the job."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from napari_mednext.jobs.documents import (
    as_json,
    damaged,
    local_time,
    read_document,
    replace_document,
    write_all,
)
from napari_mednext.jobs.states import OVER, JobState

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MOST_FRUITLESS", "StateRecord"]

#: A job is not revived again after so many attempts in a row that died without getting
#: further than those before.
MOST_FRUITLESS = 3

_FILE = "state.json"
#: Room that is kept for the last word of a job on a full disk.
_SPARE, _SPARE_BYTES = "state.spare", 16 * 1024

#: Field -> its type in the file.
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("phase", "message", "updated", "waiting_for"), str),
    **dict.fromkeys(("step", "total", "attempts", "launches", "fruitless"), int),
    **dict.fromkeys(("result", "furthest"), dict),
    "state": JobState,
    "remaining_s": float | int | None,
    "pid": int | None,
}


@dataclass(frozen=True)
class StateRecord:
    """Where a job stands, as its process says.

    Parameters
    ----------
    state, phase, step, total, remaining_s, message, updated, attempts, result, pid, \
waiting_for
        As in :class:`.JobView`.
    launches : int
        How often somebody asked for a process.
    fruitless : int
        Attempts begun since one got further than those before.
    furthest : mapping
        Phase -> the highest step that was ever reached in it.
    """

    state: JobState = JobState.QUEUED
    phase: str = ""
    step: int = 0
    total: int = 0
    remaining_s: float | None = None
    message: str = ""
    updated: str = ""
    attempts: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)
    pid: int | None = None
    waiting_for: str = ""
    launches: int = 0
    fruitless: int = 0
    furthest: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the record of a job; a job without one was never started.

        Raises
        ------
        InputError
            If the file is damaged or of a newer schema.
        """  # noqa: DOC501 - made by damaged
        path = folder / _FILE
        content = read_document(path)
        if content is None:
            return cls()
        del content["schema"]
        with contextlib.suppress(KeyError, TypeError, ValueError):
            content["state"] = JobState(content["state"])
            if all(isinstance(v, _TYPES[key]) for key, v in content.items()):
                return cls(**content)
        raise damaged(path, "missing or wrong fields")

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.state in OVER

    @property
    def was_started(self) -> bool:
        """Whether a process ever was to work on the job."""
        return self.launches > 0 or self.attempts > 0

    @property
    def is_starting(self) -> bool:
        """Whether a process was asked for and has not said a word yet."""
        return self.was_started and self.state is JobState.QUEUED and self.pid is None

    def reached(self, phase: str, step: int) -> Self:
        """Return the record after a step; a new highest one makes the attempt count."""
        if step <= self.furthest.get(phase, -1):
            return replace(self, phase=phase, step=step)
        furthest = {**self.furthest, phase: step}
        return replace(self, phase=phase, step=step, furthest=furthest, fruitless=0)

    def ended(self, state: JobState, message: str = "") -> Self:
        """Return the record of the job when it is over."""
        return replace(
            self,
            state=state,
            message=message,
            pid=None,
            remaining_s=None,
            waiting_for="",
        )

    def write(self, folder: Path, *, last_resort: bool = False) -> None:
        """Replace the file; ``last_resort`` uses the room that is kept for it.

        Raises
        ------
        OSError
            If there is no room, or no right; the older file stays as it was.
        """
        content = {**asdict(self), "updated": local_time()}
        try:
            replace_document(folder / _FILE, content)
        except OSError:
            if not last_resort or not (folder / _SPARE).exists():
                raise
            _replace_with_spare(folder, as_json(content))
        else:
            _keep_spare(folder)


def _keep_spare(folder: Path) -> None:
    """Reserve the room for the last word; without it only a full disk is worse."""
    spare = folder / _SPARE
    if spare.exists():
        return
    beside = folder / f"{_SPARE}.tmp"
    with contextlib.suppress(OSError):
        try:
            beside.write_bytes(b" " * _SPARE_BYTES)
            beside.replace(spare)
        except OSError:
            beside.unlink(missing_ok=True)


def _replace_with_spare(folder: Path, data: bytes) -> None:
    """Write into blocks that the disk has given already, and move them into place."""
    spare = folder / _SPARE
    file = os.open(spare, os.O_WRONLY)
    try:
        write_all(file, data)
        os.ftruncate(file, len(data))
        os.fsync(file)
    finally:
        os.close(file)
    spare.replace(folder / _FILE)
