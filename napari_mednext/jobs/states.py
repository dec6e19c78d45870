"""What a job can be in, what it can be told, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["OVER", "Command", "JobState", "JobView"]


class JobState(StrEnum):
    """Where a job stands.

    ``STOPPED`` was ended early by the user and kept its best; ``INTERRUPTED`` has lost
    its process, which no file says: it follows from the lock that nobody holds.
    """

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


#: A job in one of these does nothing any more.
OVER = frozenset({JobState.DONE, JobState.STOPPED, JobState.CANCELLED, JobState.FAILED})


class Command(StrEnum):
    """What the user wants of a running job; the later one here wins."""

    NONE = "none"
    PAUSE = "pause"
    STOP = "stop"
    CANCEL = "cancel"


@dataclass(frozen=True)
class JobView:
    """A job at one moment, for lists and windows.

    Parameters
    ----------
    id, kind, title : str
        The id begins with a number that grows from job to job.
    state : JobState
    phase : str
        What the job does now, in its own words.
    step, total : int
        How far it is in that phase.
    remaining_s : float or None
        Seconds until the end; None where nobody can know.
    message : str
        One sentence about how it ended, or empty.
    created, updated : str
        Local times as ISO 8601, for showing only: clocks are set back.
    attempts : int
        How often a process began to work on it.
    result : mapping
        What the work returned.
    pid : int or None
        Process number; None where no process works on it.
    waiting_for : str
        Why it waits ("another job", "segmentation"), or empty.
    """

    id: str
    kind: str
    title: str
    state: JobState
    phase: str
    step: int
    total: int
    remaining_s: float | None
    message: str
    created: str
    updated: str
    attempts: int
    result: Mapping[str, Any]
    pid: int | None
    waiting_for: str

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen unless the user starts it again."""
        return self.state in OVER
