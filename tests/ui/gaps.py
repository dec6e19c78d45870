"""How long the event loop stood still."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QObject, Qt, QTimer

#: What Linux counts of the thread that reads it.
SCHEDULER = Path("/proc/thread-self/schedstat")


def starved_s():
    """How long this thread has waited for a processor; 0 where no one counts it."""
    try:
        return int(SCHEDULER.read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


@dataclass(frozen=True)
class Gap:
    """A pause between two turns of the event loop.

    ``wall_ms`` is what a watch shows, ``starved_ms`` how long in it the thread of the
    window was ready to run and the machine gave its processors to others. The rest is
    ours: computing, or waiting for a lock, the interpreter's above all.
    """

    wall_ms: float
    starved_ms: float

    @property
    def ours_ms(self):
        return self.wall_ms - self.starved_ms


class GapMeter(QObject):
    """Counts the pauses of the event loop between start and stop."""

    def __init__(self):
        super().__init__()
        self.gaps = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._on_turn)

    def start(self):
        self.gaps = []
        self._last = time.perf_counter(), starved_s()
        self._timer.start()

    def stop(self):
        self._on_turn()
        self._timer.stop()

    @property
    def worst(self):
        return max(self.gaps, key=lambda gap: gap.ours_ms)

    def _on_turn(self):
        now = time.perf_counter(), starved_s()
        wall, starved = (1000 * (a - b) for a, b in zip(now, self._last, strict=True))
        self.gaps.append(Gap(wall, starved))
        self._last = now
