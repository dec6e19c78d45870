"""How long an update takes of late, pauses aside."""

from __future__ import annotations

import statistics
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pace"]

#: Updates that count: the machine may be busy now and idle in a minute.
_RECENT = 20
#: A single one may be anything: the first takes longer.
_FEWEST = 3


class Pace:
    """The median seconds between two of the last updates.

    A median leaves pauses out: validation, waiting for whoever segments.

    Parameters
    ----------
    first : float
        What counts before there are enough updates, in seconds; 0 where nobody knows.
    clock : callable
        Returns seconds; one that nobody sets back.
    """

    def __init__(
        self, first: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first = first
        self._clock = clock
        self._last: float | None = None
        self._took: deque[float] = deque(maxlen=_RECENT)

    def note(self) -> None:
        """Note that an update is done."""
        now = self._clock()
        if self._last is not None:
            self._took.append(now - self._last)
        self._last = now

    def seconds_for(self, updates: int) -> float | None:
        """Return how long so many updates take, None where nobody knows."""
        if len(self._took) < _FEWEST:
            return updates * self._first if self._first else None
        return updates * statistics.median(self._took)
