"""The small controls that the docks are put together from.

Everything is painted with the colours of napari's theme as the palette gives them;
no style sheet is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_mednext.ui.icons import pixmap

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ACCENT",
    "DropArea",
    "Glyph",
    "Heading",
    "IconButton",
    "Notice",
    "PrimaryButton",
    "Rule",
    "allow",
    "collapsible",
    "labelled",
    "pressing",
    "scrolled",
    "text_color",
    "why_not",
]

#: The one strong colour; white text on it has a contrast of 5.2.
ACCENT = QColor("#2a6fdb")
_NOT_NOW = "\nNot now: "
NOTICE_COLORS = {
    "info": QColor("#5aa9e6"),
    "done": QColor("#4cb782"),
    "warning": QColor("#e3b617"),
    "error": QColor("#ef6a6a"),
}


def text_color(widget: QWidget) -> QColor:
    """Return the colour that a widget's text has in the current theme."""
    return widget.palette().color(QPalette.ColorRole.WindowText)


def allow(widget: QWidget, reason: str | None) -> None:
    """Enable a control, or disable it and say why in its tooltip.

    Parameters
    ----------
    widget : QWidget
        Its own tooltip is kept and shown again when it is enabled.
    reason : str, optional
        Why it cannot be used now; None enables it.
    """
    usual = widget.property("usualToolTip")
    if usual is None:
        usual = widget.toolTip()
        widget.setProperty("usualToolTip", usual)
    widget.setEnabled(reason is None)
    widget.setToolTip(usual if reason is None else f"{usual}{_NOT_NOW}{reason}")


def why_not(widget: QWidget) -> str:
    """Return why a control that :func:`allow` disabled cannot be used; else nothing."""
    return "" if widget.isEnabled() else str(widget.toolTip()).rpartition(_NOT_NOW)[2]


def pressing(
    button: QAbstractButton, title: str, say: Callable[[str, str], object]
) -> Callable[[], None]:
    """Return what the key of a button does: a click, or why that is not possible.

    Parameters
    ----------
    button : QAbstractButton
        Enabled and disabled by :func:`allow`.
    title : str
        What the sentence calls it.
    say : callable
        Gets the sentence and its level.
    """

    def press() -> None:
        if button.isEnabled():
            button.click()
        else:
            say(f"{title} is not possible: {why_not(button)}.", "warning")

    return press


class PrimaryButton(QPushButton):
    """The button of the main action: filled with the accent colour."""

    def __init__(
        self, text: str, icon_name: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(text, parent)
        self._picture = pixmap(icon_name, "#ffffff")
        self.setMinimumHeight(38)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        font = self.font()
        font.setBold(True)
        self.setFont(font)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a filled round rectangle, the icon and the text."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._fill())
        painter.drawRoundedRect(box, 5, 5)
        if self.hasFocus():
            painter.setPen(QPen(QColor(255, 255, 255, 160), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(2, 2, -2, -2), 4, 4)
        self._paint_content(painter)

    def _fill(self) -> QColor:
        """Return the colour of the surface in the button's state."""
        if not self.isEnabled():
            faded = QColor(ACCENT)
            faded.setAlpha(70)
            return faded
        if self.isDown():
            return ACCENT.darker(120)
        return ACCENT.lighter(112) if self.underMouse() else ACCENT

    def _paint_content(self, painter: QPainter) -> None:
        """Paint icon and text in the middle."""
        opacity = 1.0 if self.isEnabled() else 0.45
        painter.setOpacity(opacity)
        font = self.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() + 1 if font.pointSizeF() > 0 else 11)
        painter.setFont(font)
        # Two ampersands are one, one marks the key of the button.
        text = "&".join(part.replace("&", "") for part in self.text().split("&&"))
        width = painter.fontMetrics().horizontalAdvance(text)
        left = (self.width() - width - 24) // 2
        painter.drawPixmap(left, (self.height() - 16) // 2, self._picture)
        painter.setPen(QColor("#ffffff"))
        area = self.rect().adjusted(left + 24, 0, 0, 0)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter), text)


class IconButton(QToolButton):
    """A flat square button with an icon; its tooltip is also its spoken name."""

    def __init__(
        self, icon_name: str, tooltip: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._icon_name = icon_name
        self.setFixedSize(28, 28)
        self.setToolTip(tooltip)
        self.setAccessibleName(tooltip)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the icon in the colour of text, on a tint while it can be pressed."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = text_color(self)
        surface = QColor(color)
        is_hot = self.isEnabled() and (self.underMouse() or self.hasFocus())
        surface.setAlpha(70 if self.isDown() else 40 if is_hot else 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(surface)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.setOpacity(1.0 if self.isEnabled() else 0.35)
        painter.drawPixmap(6, 6, pixmap(self._icon_name, color))


class Glyph(QWidget):
    """An icon in the colour of text, for looking at."""

    def __init__(self, name: str, size: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self.setFixedSize(size, size)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the icon."""
        del event
        painter = QPainter(self)
        painter.setOpacity(0.8)
        painter.drawPixmap(0, 0, pixmap(self._name, text_color(self), self.width()))


class Heading(QLabel):
    """The title of a section."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(f"<b>{text}</b>", parent)


class Rule(QFrame):
    """A thin line between two sections."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(1)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint one line in a faint text colour."""
        del event
        color = text_color(self)
        color.setAlpha(40)
        QPainter(self).fillRect(self.rect(), color)


class Notice(QWidget):
    """An icon and a sentence; hidden while there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.level = ""
        self._icon = QLabel(self)
        self._icon.setFixedWidth(20)
        self._icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        # File names and errors may hold angle brackets.
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(6)
        layout.addWidget(self._icon)
        layout.addWidget(self._text, 1)
        self.hide()

    def say(self, text: str, level: str = "info") -> None:
        """Show sentences, one a line, as info, done, warning or error.

        An empty text hides the notice.
        """
        self.level = level if text else ""
        self._text.setText(text)
        if text:
            self._icon.setPixmap(pixmap(level, NOTICE_COLORS[level]))
        self.setVisible(bool(text))

    def text(self) -> str:
        """Return the sentence."""
        return str(self._text.text())


class DropArea(QFrame):
    """The empty state: a dashed frame that says what to drop, over some buttons."""

    def __init__(self, title: str, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_hot = False
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(6)
        heading = QLabel(f"<b>{title}</b>")
        explanation = QLabel(hint)
        explanation.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 18, 16, 14)
        layout.setSpacing(8)
        layout.addWidget(Glyph("drop", 32), 0, Qt.AlignmentFlag.AlignHCenter)
        for label in (heading, explanation):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        layout.addLayout(self.buttons)

    def set_hot(self, *, is_hot: bool) -> None:
        """Highlight the frame while something is dragged over it."""
        self._is_hot = is_hot
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the dashed frame."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = QColor(ACCENT) if self._is_hot else text_color(self)
        color.setAlpha(220 if self._is_hot else 90)
        painter.setPen(QPen(color, 1.5, Qt.PenStyle.DashLine))
        if self._is_hot:
            surface = QColor(ACCENT)
            surface.setAlpha(30)
            painter.setBrush(surface)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)


def collapsible(title: str, tooltip: str, parent: QWidget) -> QCollapsible:
    """Return a section that is closed until its title is clicked."""
    section = QCollapsible(title, parent, expandedIcon="▾", collapsedIcon="▸")
    section.setToolTip(tooltip)
    section.toggleButton().setToolTip(tooltip)
    section.setDuration(120)
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.content().layout().setContentsMargins(0, 6, 0, 0)
    return section


def labelled(text: str, control: QWidget, *extra: QWidget) -> QHBoxLayout:
    """Return a row: a label with the key of its control, the control, and more."""
    label = QLabel(text)
    label.setBuddy(control)
    label.setMinimumWidth(56)
    row = QHBoxLayout()
    row.setSpacing(6)
    row.addWidget(label)
    row.addWidget(control, 1)
    for widget in extra:
        row.addWidget(widget)
    return row


def scrolled(parts: tuple[QWidget, ...]) -> QScrollArea:
    """Return parts in a column that scrolls."""
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(2, 6, 2, 2)
    layout.setSpacing(8)
    for part in parts:
        layout.addWidget(part)
    if len(parts) > 1:
        layout.addStretch(1)
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(column)
    return scroll
