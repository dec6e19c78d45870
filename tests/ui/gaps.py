"""How long the event loop stood still."""

from __future__ import annotations

import time
from dataclasses import dataclass

from qtpy.QtCore import QObject, Qt, QTimer


@dataclass(frozen=True)
class Gap:
    """A pause between two turns of the event loop.

    ``wall_ms`` is what a watch shows, ``busy_ms`` the processor time that this process
    took in it. On a machine that others use as well, a pause is ours as far as we were
    busy in it: ``ours_ms``.
    """

    wall_ms: float
    busy_ms: float

    @property
    def ours_ms(self):
        return min(self.wall_ms, self.busy_ms)


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
        self._last = time.perf_counter(), time.process_time()
        self._timer.start()

    def stop(self):
        self._on_turn()
        self._timer.stop()

    @property
    def worst(self):
        return max(self.gaps, key=lambda gap: gap.ours_ms)

    def _on_turn(self):
        now = time.perf_counter(), time.process_time()
        wall, busy = (1000 * (a - b) for a, b in zip(now, self._last, strict=True))
        self.gaps.append(Gap(wall, busy))
        self._last = now
