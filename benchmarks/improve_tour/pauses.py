"""How long the window stood still, and how much of that was software drawing."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer
from vispy.gloo import gl

from tests.ui.gaps import starved_s

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LIMIT_MS", "Pauses"]

#: A pause that people feel.
LIMIT_MS = 100.0


class _Drawing:
    """The seconds that a canvas was drawn for; it waits for the end of each drawing.

    Where software draws, that is what a graphics card would take off the window.
    """

    def __init__(self, canvas: Any) -> None:
        self.seconds = 0.0
        self._began = 0.0
        canvas.events.draw.connect(self._on_begin, position="first")
        canvas.events.draw.connect(self._on_end, position="last")

    def _on_begin(self, _: object) -> None:
        self._began = time.perf_counter() - starved_s()

    def _on_end(self, _: object) -> None:
        gl.glFinish()
        self.seconds += time.perf_counter() - starved_s() - self._began


class _Meter(QObject):
    """Notes the pauses of the event loop: by the clock, starved, and drawing."""

    def __init__(self, drawing: _Drawing) -> None:
        super().__init__()
        self.gaps: list[tuple[float, ...]] = []
        self._drawing = drawing
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._on_turn)
        self._last = self._now()
        self._timer.start()

    def stop(self) -> None:
        """Note the last pause."""
        self._on_turn()
        self._timer.stop()

    def _now(self) -> tuple[float, ...]:
        return time.perf_counter(), starved_s(), self._drawing.seconds

    def _on_turn(self) -> None:
        now = self._now()
        self.gaps.append(
            tuple(1000 * (a - b) for a, b in zip(now, self._last, strict=True))
        )
        self._last = now


class Pauses:
    """The pauses of the event loop by what was done.

    "ours" is the clock without the time for which the machine gave its processors to
    others; "not drawing" is that without the drawing of the canvas.

    Parameters
    ----------
    viewer : napari viewer
    """

    def __init__(self, viewer: Any) -> None:
        canvas = viewer.window._qt_viewer.canvas._scene_canvas  # noqa: SLF001 - is timed
        self._drawing = _Drawing(canvas)
        self.found: dict[str, dict[str, Any]] = {}

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Watch the event loop while something is done."""
        meter = _Meter(self._drawing)
        yield
        meter.stop()
        ours = [clock - starved for clock, starved, _ in meter.gaps]
        rest = [clock - starved - drawn for clock, starved, drawn in meter.gaps]
        self.found[name] = {
            "seconds": round(sum(clock for clock, *_ in meter.gaps) / 1000, 1),
            "longest, clock": round(max(gap[0] for gap in meter.gaps)),
            "longest, ours": round(max(ours)),
            "longest, not drawing": round(max(rest)),
            f"over {LIMIT_MS:g} ms, ours": sum(gap > LIMIT_MS for gap in ours),
            f"over {LIMIT_MS:g} ms, not drawing": sorted(
                (round(gap) for gap in rest if gap > LIMIT_MS), reverse=True
            ),
        }
