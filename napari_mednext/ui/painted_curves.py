"""Curves over steps, painted without any library of plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_mednext.ui.controls import text_color

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.ui.job_reading import Curve

__all__ = ["HEIGHT", "Line", "PaintedCurves", "nice_ticks"]

#: Curves are at least so high, in pixels.
HEIGHT = 150
_MARGIN_LEFT, _MARGIN_BELOW, _MARGIN = 44, 20, 8
_TICKS = 4

#: Name, colour, curve, width in pixels.
Line = tuple[str, QColor, "Curve", float]


class PaintedCurves(QWidget):
    """Curves with two axes, painted without any further library.

    Parameters
    ----------
    title : str
        What is shown; also the spoken name.
    limits : (low, high), optional
        Of the upright axis; what is there decides otherwise.
    parent : QWidget, optional
        As for any widget.
    """

    def __init__(
        self,
        title: str,
        limits: tuple[float, float] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._limits = limits
        self._lines: tuple[Line, ...] = ()
        self._last_step = 1
        self.setAccessibleName(title)
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_lines(self, lines: Sequence[Line], *, last_step: int) -> None:
        """Draw these curves and no others."""
        self._lines = tuple(lines)
        steps = [line[2].steps[-1] for line in lines if len(line[2].steps)]
        self._last_step = max([1, last_step, *map(int, steps)])
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the frame, the ticks and the curves."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(
            _MARGIN_LEFT, _MARGIN, -_MARGIN, -_MARGIN_BELOW
        )
        low, high = self.span()
        color = text_color(self)
        faint = QColor(color)
        faint.setAlpha(40)
        color.setAlpha(190)
        for value in nice_ticks(low, high):
            y = box.bottom() - (value - low) / (high - low) * box.height()
            painter.setPen(QPen(faint, 1))
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
            painter.setPen(color)
            place = QRectF(0, y - 8, _MARGIN_LEFT - 6, 16)
            side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(place, int(side), f"{value:.3g}")
        for value in nice_ticks(0, self._last_step):
            x = box.left() + value / self._last_step * box.width()
            place = QRectF(x - 30, box.bottom() + 3, 60, 16)
            # The last number would stand beyond the edge.
            place.moveRight(min(place.right(), float(self.width())))
            painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter), f"{value:g}")
        painter.setClipRect(box.adjusted(-2, -2, 2, 2))
        for _, line_color, curve, width in self._lines:
            painter.setPen(QPen(line_color, width))
            painter.drawPolyline(self._polygon(curve, box, low, high))
            if len(curve.steps) == 1:
                painter.setBrush(line_color)
                painter.drawEllipse(self._polygon(curve, box, low, high)[0], 2, 2)

    def span(self) -> tuple[float, float]:
        """Return the ends of the upright axis."""
        if self._limits is not None:
            return self._limits
        values = [line[2].values for line in self._lines if len(line[2].values)]
        if not values:
            return 0.0, 1.0
        low = min(float(each.min()) for each in values)
        high = max(float(each.max()) for each in values)
        room = 0.05 * (high - low) or max(abs(high) * 0.1, 0.1)
        return low - room, high + room

    def _polygon(self, curve: Curve, box: QRectF, low: float, high: float) -> QPolygonF:
        """Return a curve in pixels."""
        x = box.left() + curve.steps / self._last_step * box.width()
        y = box.bottom() - (curve.values - low) / (high - low) * box.height()
        return QPolygonF([QPointF(a, b) for a, b in zip(x, y, strict=True)])


def nice_ticks(low: float, high: float, count: int = _TICKS) -> list[float]:
    """Return round numbers within a range: multiples of 1, 2 or 5 times a power of 10.

    Parameters
    ----------
    low, high : float
        Finite, low < high.
    count : int
        About so many.
    """
    rough = (high - low) / count
    power = 10.0 ** _floor_log10(rough)
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = -(-low // step), high // step
    return [n * step for n in range(int(first), int(last) + 1)]


def _floor_log10(value: float) -> int:
    """Return the exponent of a positive number."""
    return int(f"{value:e}".partition("e")[2])
