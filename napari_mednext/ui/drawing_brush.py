"""The ball and the disc brush on the canvas: what is dragged over is painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.correction import Box, Scope
from napari_mednext.correction.tools.brush import stamp
from napari_mednext.correction.tools.extent import hull
from napari_mednext.errors import MednextError
from napari_mednext.ui.corrected_layer import REFRESHED
from napari_mednext.ui.drawing import LabelsMode
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.tool_place import slice_on_screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtpy.QtWidgets import QDoubleSpinBox

    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["BrushMode"]

LEFT, RIGHT, MIDDLE = 1, 2, 3
#: With one key held the left button erases, with the other napari draws a box to zoom.
ERASING, ZOOMING = "Control", "Alt"


@dataclass
class _Stroke:
    """A stroke in the hand."""

    scope: Scope
    is_erasing: bool
    radius_mm: float
    last: NDArray[np.float64]
    """Where the mouse was, (z, y, x) voxels."""
    box: Box | None = None
    """What was touched so far."""


class BrushMode(LabelsMode):
    """Dragging paints with a ball or a disc of a size in mm.

    Each piece of a stroke is written into the labels at once; at the release, the
    stroke becomes one step. Keys of napari that change its brush change this one.

    Parameters
    ----------
    flow : StudyFlow
    is_ball : bool
        Whether it is a ball, else a disc in the slice.
    radius : QDoubleSpinBox
        In mm.
    scope : callable
        Returns what may be touched; asked at every press.
    """

    cursor = "circle"
    is_panning = False

    def __init__(
        self,
        flow: StudyFlow,
        *,
        is_ball: bool,
        radius: QDoubleSpinBox,
        scope: Callable[[], Scope],
    ) -> None:
        name = "ball" if is_ball else "disc"
        words = f"Drag to paint with the {name}; the right button or Ctrl erases."
        super().__init__(flow, name, words)
        self._is_ball = is_ball
        self._radius = radius
        self._scope = scope
        self._stroke: _Stroke | None = None

    def begin(self, end: Callable[[], None]) -> None:
        """Take the mouse over; napari's brush gets the same size for the time."""
        self._size_before = self.labels.brush_size
        super().begin(end)
        self.labels.events.brush_size.connect(self._on_brush_size)
        self._radius.valueChanged.connect(self._show_size)
        self._show_size()

    def finish(self) -> None:
        """Give the mouse back; a stroke in the hand becomes a step."""
        self._release()
        self._radius.valueChanged.disconnect(self._show_size)
        self.labels.events.brush_size.disconnect(self._on_brush_size)
        self.labels.brush_size = self._size_before
        super().finish()

    def _show_size(self, *_: object) -> None:
        """Give napari's brush, and the circle under the mouse, the size of this one."""
        width = 2 * self._radius.value()
        with self.labels.events.brush_size.blocker(self._on_brush_size):
            self.labels.brush_size = 1
            finest = self.labels.cursor_size  # of a voxel on screen, in mm
            self.labels.brush_size = max(1, round(width / finest))
        self._size = self.labels.brush_size
        self.labels.cursor_size = width

    def _on_brush_size(self, _: Any) -> None:
        """Take over by how much the keys of napari's brush have changed its size."""
        size = self.labels.brush_size
        voxel_mm = self.labels.cursor_size / size
        change_mm = (size - self._size) * voxel_mm / 2
        self._radius.setValue(self._radius.value() + change_mm)
        self._show_size()

    def _on_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Paint while a button is down, or move the picture with the middle one."""
        del layer
        if event.button == MIDDLE:
            yield from self._pan(event)
            return
        if ZOOMING in event.modifiers:
            return
        self._press(event)
        yield
        while event.type == "mouse_move":
            self._extend(event)
            yield
        self._release()

    def _press(self, event: Any) -> None:
        """Begin a stroke, unless nothing can be painted."""
        said = self.flow.said
        if reason := self.flow.why_not_editable():
            said.emit(f"Painting is not possible: {reason}.", "warning")
            return
        try:
            point = self._point(event)
            scope = self._scope()
        except MednextError as error:
            said.emit(explain(error), "warning")
            return
        erases = event.button == RIGHT or ERASING in event.modifiers
        self._stroke = _Stroke(scope, erases, self._radius.value(), point)
        self._extend(event)

    def _extend(self, event: Any) -> None:
        """Paint from where the mouse was to where it is."""
        stroke = self._stroke
        if stroke is None:
            return
        try:
            point = self._point(event)
        except MednextError:
            return  # the slice was changed meanwhile to one outside of the scan
        labels = self.case.editing.labels
        change = stamp(
            labels,
            stroke.scope,
            [stroke.last, point],
            radius_mm=stroke.radius_mm,
            sphere=self._is_ball,
            axis=self._axis,
            erase=stroke.is_erasing,
        )
        stroke.last = point
        if change is not None:
            labels[change.box] = change.labels
            stroke.box = hull(change.box, stroke.box)
            self.labels.refresh(**REFRESHED)

    def _release(self) -> None:
        """Make a step of the stroke."""
        stroke, self._stroke = self._stroke, None
        if stroke is None or stroke.box is None:
            return
        shape = "ball" if self._is_ball else "disc"
        tool = "eraser" if stroke.is_erasing else "brush"
        self.case.editing.take(stroke.box, f"{shape} {tool}")

    def _point(self, event: Any) -> NDArray[np.float64]:
        """Return where the mouse is on the slice, (z, y, x) voxels.

        Raises
        ------
        InputError
            If no slice is on screen.
        """
        self._axis, number = slice_on_screen(self.viewer, self.labels)
        point = np.array(self.labels.world_to_data(event.position), dtype=np.float64)
        point[self._axis] = number
        return point

    def _pan(self, event: Any) -> Iterator[None]:
        """Keep what was under the mouse at the press under it."""
        camera, shown = self.viewer.scene.camera, list(event.dims_displayed)
        held = np.asarray(event.position, dtype=np.float64)[shown]
        yield
        while event.type == "mouse_move":
            now = np.asarray(event.position, dtype=np.float64)[shown]
            center = np.array(camera.center, dtype=np.float64)
            center[-len(shown) :] += held - now
            camera.center = tuple(center)
            yield
