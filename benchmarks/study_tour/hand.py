"""A hand on mouse and keyboard: events on the canvas and the docks of a window."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODIFIERS = {
    "Ctrl": Qt.KeyboardModifier.ControlModifier,
    "Alt": Qt.KeyboardModifier.AltModifier,
    "Shift": Qt.KeyboardModifier.ShiftModifier,
}
PATIENCE_S = 300.0


class Hand:
    """Sends events to a viewer's window and waits for what they cause."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.canvas = viewer.window._qt_viewer.canvas.native  # noqa: SLF001 - events go there

    def settle(self, seconds: float = 0.05) -> None:
        """Let the window work."""
        end_s = time.monotonic() + seconds
        while True:
            QApplication.processEvents()
            if time.monotonic() >= end_s:
                return
            time.sleep(0.002)

    def until(
        self,
        condition: Callable[[], object],
        what: str,
        patience_s: float = PATIENCE_S,
    ) -> float:
        """Let the window work until a condition holds; return the seconds it took."""
        start_s = time.monotonic()
        while not condition():
            if time.monotonic() - start_s > patience_s:
                msg = f"waited {patience_s:g} s in vain for {what}"
                raise TimeoutError(msg)
            QApplication.processEvents()
            time.sleep(0.002)
        return time.monotonic() - start_s

    def key(self, text: str) -> None:
        """Press a key such as ``"Shift+N"`` with the focus on the canvas."""
        *names, letter = text.split("+")
        modifiers = Qt.KeyboardModifier.NoModifier
        for name in names:
            modifiers |= MODIFIERS[name]
        code = getattr(Qt.Key, f"Key_{letter.upper()}")
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, code, modifiers)
        self.settle()

    def click(self, widget: Any) -> None:
        """Click the left button on a widget."""
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
        self.settle()

    def drag(self, voxels: Sequence[Sequence[float]], layer: Any) -> None:
        """Draw on the canvas through voxels (z, y, x) of a layer."""
        points = [self._point(voxel, layer) for voxel in voxels]
        button = Qt.MouseButton.LeftButton
        QTest.mouseMove(self.canvas, points[0])
        self.settle(0.03)
        QTest.mousePress(self.canvas, button, pos=points[0])
        for point in points[1:]:
            self._move(point)
        QTest.mouseRelease(self.canvas, button, pos=points[-1])
        self.settle()

    def _move(self, point: QPoint) -> None:
        """Move with the left button down: QTest's own moves say that none is."""
        from qtpy.QtCore import QEvent, QPointF
        from qtpy.QtGui import QMouseEvent

        place = QPointF(point)
        event = QMouseEvent(
            QEvent.Type.MouseMove,
            place,
            QPointF(self.canvas.mapToGlobal(point)),
            Qt.MouseButton.NoButton,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self.canvas, event)
        self.settle(0.02)

    def _point(self, voxel: Sequence[float], layer: Any) -> QPoint:
        """Return where a voxel is on the canvas."""
        world = np.asarray(layer.data_to_world(voxel))
        shown = list(self.viewer.dims.displayed)
        camera = self.viewer.scene.camera
        center = np.asarray(camera.center)[-2:]
        offset = (world[shown] - center) * camera.zoom
        vertical, horizontal = (str(side) for side in camera.orientation2d)
        y = offset[0] if vertical == "down" else -offset[0]
        x = offset[1] if horizontal == "right" else -offset[1]
        size = self.canvas.size()
        return QPoint(round(size.width() / 2 + x), round(size.height() / 2 + y))

    def picture(self, path: Any) -> None:
        """Save a picture of the window."""
        self.settle(0.6)
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
