"""What lies over a small canvas: a crosshair, the plane's name and the directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QLineF, QPointF, QRect, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QWidget

from napari_mednext.ui.planes import plane_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtCore import QObject
    from qtpy.QtGui import QPaintEvent

__all__ = ["Crosshair"]

#: Yellow stands out from greys and from most labels.
LINE_COLOR = QColor(255, 214, 64, 190)
TEXT_COLOR = QColor(255, 255, 255, 200)
#: What is left free about the point, in pixels, so that it can be seen.
GAP = 7
MARGIN = 5
#: Letters of DICOM for the low and the high end of the axes (z, y, x) in LPS order.
DIRECTIONS = (("F", "H"), ("A", "P"), ("R", "L"))


class Crosshair(QWidget):
    """Lies over a canvas, shows a point of the volume and lets the mouse through.

    Parameters
    ----------
    model : napari viewer
        What the canvas shows, in 2D.
    canvas : QWidget
        The widget that it is drawn on.
    """

    def __init__(self, model: Any, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._model = model
        self._point: NDArray[np.float64] | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setGeometry(canvas.rect())
        canvas.installEventFilter(self)
        camera = model.scene.camera.events
        for event in (camera.center, camera.zoom, camera.orientation):
            event.connect(self._on_moved)

    def eventFilter(self, canvas: QObject, event: QEvent) -> bool:
        """Stay as large as the canvas."""
        if event.type() == QEvent.Type.Resize:
            self.setGeometry(canvas.rect())
        return False

    def set_point(self, point: NDArray[np.float64]) -> None:
        """Show a point: (ndim,) in world coordinates, mm."""
        self._point = np.array(point, dtype=np.float64)
        self.update()

    def position(self) -> QPointF | None:
        """Return where the point is on the canvas, in pixels; None without a point."""
        camera, dims = self._model.scene.camera, self._model.dims
        if self._point is None or len(self._point) < dims.ndim:
            return None
        row, column = (
            (self._point[-dims.ndim :][list(dims.displayed)] - camera.center[-2:])
            * camera.zoom
            * self._signs()
        )
        return QPointF(self.width() / 2 + column, self.height() / 2 + row)

    def directions(self) -> tuple[str, str, str, str]:
        """Return the letters at the top, the bottom, the left and the right."""
        dims = self._model.dims
        axes = [axis - (dims.ndim - 3) for axis in dims.displayed]
        ends = [DIRECTIONS[axis] for axis in axes]
        (top, bottom), (left, right) = (
            pair if sign > 0 else pair[::-1]
            for pair, sign in zip(ends, self._signs(), strict=True)
        )
        return top, bottom, left, right

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the lines and the letters."""
        del event
        plane = plane_of(self._model)
        if plane is None or not self._model.layers:
            return
        painter = QPainter(self)
        position = self.position()
        if position is not None:
            painter.setPen(QPen(LINE_COLOR, 1))
            painter.drawLines(self._lines(position))
        painter.setPen(TEXT_COLOR)
        area = self.rect().adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        side, middle = Qt.AlignmentFlag, Qt.AlignmentFlag.AlignCenter
        painter.drawText(area, side.AlignTop | side.AlignLeft, plane.capitalize())
        for letter, box in zip(self.directions(), _edges(area), strict=True):
            painter.drawText(box, middle, letter)

    def _lines(self, position: QPointF) -> list[QLineF]:
        """Return the four arms of the crosshair."""
        x, y = position.x(), position.y()
        return [
            QLineF(0, y, x - GAP, y),
            QLineF(x + GAP, y, self.width(), y),
            QLineF(x, 0, x, y - GAP),
            QLineF(x, y + GAP, x, self.height()),
        ]

    def _signs(self) -> tuple[int, int]:
        """Return 1 where an axis runs down or right, -1 where it runs up or left."""
        down, right = self._model.scene.camera.orientation2d
        return (1 if str(down) == "down" else -1, 1 if str(right) == "right" else -1)

    def _on_moved(self, *_: object) -> None:
        self.update()


def _edges(area: QRect) -> tuple[QRect, QRect, QRect, QRect]:
    """Return boxes in the middle of the top, the bottom, the left and the right."""
    size = 16
    x, y = area.center().x() - size // 2, area.center().y() - size // 2
    return (
        QRect(x, area.top(), size, size),
        QRect(x, area.bottom() - size, size, size),
        QRect(area.left(), y, size, size),
        QRect(area.right() - size, y, size, size),
    )
