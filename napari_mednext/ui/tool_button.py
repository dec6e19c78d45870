"""Buttons of tools, and the boxes for their sizes."""

from __future__ import annotations

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QDoubleSpinBox, QSizePolicy, QToolButton, QWidget

from napari_mednext.ui.controls import ACCENT, text_color
from napari_mednext.ui.icons import pixmap

__all__ = ["ToolButton", "size_box"]

ICON, MARGIN = 16, 6


class ToolButton(QToolButton):
    """An icon and a short word; filled with the accent colour while it is checked.

    Parameters
    ----------
    text : str
        The word on it.
    icon_name : str
        Of :mod:`napari_mednext.ui.icons`.
    tooltip : str
        What it does, and its key.
    parent : QWidget
    """

    def __init__(
        self, text: str, icon_name: str, tooltip: str, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._icon_name = icon_name
        self.setText(text)
        self.setToolTip(tooltip)
        self.setAccessibleName(tooltip.split(".")[0])
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the size of icon and text."""
        width = self.fontMetrics().horizontalAdvance(self.text())
        return QSize(width + ICON + 3 * MARGIN + 2, 28)

    def minimumSizeHint(self) -> QSize:
        """Return a size that leaves room for a few letters."""
        return QSize(ICON + 3 * MARGIN + 24, 28)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint icon and text on a tint, or on the accent colour."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = QColor("#ffffff") if self.isChecked() else text_color(self)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._surface())
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.setOpacity(1.0 if self.isEnabled() else 0.35)
        top = (self.height() - ICON) // 2
        painter.drawPixmap(MARGIN, top, pixmap(self._icon_name, color, ICON))
        area = self.rect().adjusted(ICON + 2 * MARGIN, 0, -MARGIN // 2, 0)
        text = self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideRight, area.width()
        )
        painter.setPen(color)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter), text)

    def _surface(self) -> QColor:
        """Return the colour behind the text in the button's state."""
        if self.isChecked():
            return ACCENT.lighter(112) if self.underMouse() else ACCENT
        surface = QColor(text_color(self))
        is_hot = self.isEnabled() and (self.underMouse() or self.hasFocus())
        surface.setAlpha(70 if self.isDown() else 40 if is_hot else 18)
        return surface


def size_box(
    value: float,
    unit: str,
    tooltip: str,
    parent: QWidget,
    *,
    step: float = 0.5,
    least: float = 0.1,
    most: float = 100.0,
    before: str = "",
    digits: int = 1,
) -> QDoubleSpinBox:
    """Return a box for a size.

    Parameters
    ----------
    value : float
        What it holds at first.
    unit : str
        Stands after the number.
    tooltip : str
        What the size is; also its spoken name.
    parent : QWidget
        Whose box it is.
    step, least, most : float
        Of the values.
    before : str
        Stands before the number.
    digits : int
        After the point.
    """
    box = QDoubleSpinBox(parent)
    box.setDecimals(digits)
    box.setRange(least, most)
    box.setSingleStep(step)
    box.setValue(value)
    box.setPrefix(f"{before} " if before else "")
    box.setSuffix(f" {unit}")
    box.setToolTip(tooltip)
    box.setAccessibleName(tooltip)
    box.setMinimumWidth(60)
    return box
