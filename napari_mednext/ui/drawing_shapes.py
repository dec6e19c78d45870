"""Lassos, lines and boxes: one shape is drawn on the slice, then something is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_mednext.errors import MednextError
from napari_mednext.ui.drawing import Mode
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.tool_place import placement, slice_on_screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["ShapeKind", "ShapeMode"]

ShapeKind = Literal["lasso", "line", "box"]

NAPARI_MODES = {
    "lasso": "add_polygon_lasso",
    "line": "add_line",
    "box": "add_rectangle",
}
#: Of the outline; seen on grey, on black and on most labels.
COLOR = "#ffd23f"
#: Width of the outline on screen, as the view is when it begins.
EDGE_PIXELS = 2.0
#: A line or box with a longest side below this, in voxels, is a click without a drag.
SHORTEST = 0.5


class ShapeMode(Mode):
    """A shape is drawn on a layer that is there for this only.

    Parameters
    ----------
    flow : StudyFlow
    name : str
        The button that it belongs to.
    words : str
        Said when it begins.
    kind : "lasso", "line" or "box"
    done : callable
        Called once with the corners (n, 3) in voxels of the labels, and with the axis
        and number of the slice; the mode is over by then.
    """

    def __init__(
        self,
        flow: StudyFlow,
        name: str,
        words: str,
        *,
        kind: ShapeKind,
        done: Callable[[NDArray[np.float64], tuple[int, int]], object],
    ) -> None:
        super().__init__(flow, name, words)
        self._kind = kind
        self._done = done

    def begin(self, end: Callable[[], None]) -> None:
        """Add the layer.

        Raises
        ------
        InputError
            If no slice is on screen.
        """
        from napari.layers import Shapes

        slice_on_screen(self.viewer, self.labels)
        self.layer = Shapes(
            ndim=3,
            name=self._kind,
            edge_color=COLOR,
            edge_width=self._edge(),
            face_color="transparent",
            **placement(self.labels),
        )
        self.viewer.add_layer(self.layer)
        self.layer.mode = NAPARI_MODES[self._kind]
        self.layer.events.data.connect(self._on_data)
        super().begin(end)

    def finish(self) -> None:
        """Take the layer away."""
        super().finish()
        self.layer.events.data.disconnect(self._on_data)
        if self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)

    def _edge(self) -> float:
        """Return the width of the outline in voxels."""
        pixels = self.viewer.scene.camera.zoom * min(self.case.spacing)
        return float(EDGE_PIXELS / max(pixels, 1e-6))

    def _on_data(self, event: Any) -> None:
        """Take a shape that is drawn to its end."""
        if str(event.action) != "added" or not len(self.layer.data):
            return
        corners = np.array(self.layer.data[-1], dtype=np.float64)
        if np.ptp(corners, axis=0).max() < SHORTEST:
            self.soon(self._clear)
            return
        try:
            place = slice_on_screen(self.viewer, self.labels)
        except MednextError as error:
            self.flow.said.emit(explain(error), "warning")
            return
        self.soon(lambda: self._take(corners, place))

    def _clear(self) -> None:
        """Forget a shape that is none."""
        if not self.is_over:
            self.layer.selected_data = set(range(len(self.layer.data)))
            self.layer.remove_selected()

    def _take(self, corners: NDArray[np.float64], place: tuple[int, int]) -> None:
        """End, and hand over what was drawn."""
        if not self.is_over:
            self._on_end()
            self._done(corners, place)
