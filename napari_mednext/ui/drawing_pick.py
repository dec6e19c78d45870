"""Clicks on the labels: one or more points are picked, then something is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.ui.drawing import LabelsMode
from napari_mednext.ui.drawing_brush import LEFT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["PickMode"]

Point = tuple[float, float, float]

#: A press that moves farther than this before the release pans, in pixels.
STILL = 4.0


class PickMode(LabelsMode):
    """Clicks pick points; dragging moves the picture, as without the mode.

    Parameters
    ----------
    flow : StudyFlow
    name : str
        The button that it belongs to.
    words : tuple of str
        What is said before each click; as many as there are clicks.
    done : callable
        Called once with the points in voxels (z, y, x); the mode is over by then.
    """

    def __init__(
        self,
        flow: StudyFlow,
        name: str,
        words: tuple[str, ...],
        done: Callable[[list[Point]], object],
    ) -> None:
        super().__init__(flow, name, words[0])
        self._more = list(words[1:])
        self._done = done
        self._points: list[Point] = []

    def _on_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Pick where a press is released without having moved."""
        start = np.asarray(event.pos, dtype=np.float64)
        is_still = event.button == LEFT
        z, y, x = (float(v) for v in layer.world_to_data(event.position))
        yield
        while event.type == "mouse_move":
            is_still &= bool(np.linalg.norm(np.asarray(event.pos) - start) <= STILL)
            yield
        if is_still:
            self._picked((z, y, x))

    def _picked(self, point: Point) -> None:
        """Take a point; the last one ends the mode."""
        self._points.append(point)
        if self._more:
            self.flow.said.emit(self._more.pop(0), "info")
            return
        points = self._points

        def done() -> None:
            if not self.is_over:
                self._on_end()
                self._done(points)

        self.soon(done)
