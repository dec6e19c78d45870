"""How long work tells where it stands, and how it is stopped.

Qt-free and torch-free, so that every layer can use it. A cancel flag is anything with
``is_set()``; :class:`threading.Event` is the usual one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from napari_mednext.errors import Cancelled

__all__ = ["CancelFlag", "Progress", "ProgressCallback", "Stopwatch", "check_cancelled"]


class CancelFlag(Protocol):
    """Anything that can say that the work should stop."""

    def is_set(self) -> bool:
        """Whether the work should stop."""
        ...


@dataclass(frozen=True)
class Progress:
    """A moment of long work: ``done`` of ``total`` steps, and the time it takes.

    ``remaining_s`` is None until at least one step is done.
    """

    done: int
    total: int
    text: str
    elapsed_s: float = 0.0
    remaining_s: float | None = None


ProgressCallback = Callable[[Progress], None]


@dataclass
class Stopwatch:
    """Makes :class:`Progress` values with the time left, from a constant total."""

    total: int
    text: str
    started_s: float = field(default_factory=time.monotonic)

    def at(self, done: int, text: str | None = None) -> Progress:
        """Return the progress after ``done`` steps."""
        elapsed = time.monotonic() - self.started_s
        remaining = elapsed / done * (self.total - done) if done else None
        return Progress(done, self.total, text or self.text, elapsed, remaining)


def check_cancelled(cancel: CancelFlag | None) -> None:
    """Raise :class:`Cancelled` when the flag is set.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    if cancel is not None and cancel.is_set():
        msg = "the work was cancelled"
        raise Cancelled(msg)
