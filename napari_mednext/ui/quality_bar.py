"""What speaks against trusting a result, on a tinted ground over its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from napari_mednext.ui.controls import NOTICE_COLORS, IconButton
from napari_mednext.ui.icons import pixmap
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from napari_mednext.volume import Quality

__all__ = ["QualityBar", "level_of"]

#: How strongly the ground is tinted, of 255: text keeps the contrast of the theme.
_TINT = 38
_STRIPE_PX = 3


def level_of(quality: Quality) -> str:
    """Return ``warning``, ``info`` for notices alone, or "" for nothing to say."""
    if quality.warnings:
        return "warning"
    return "info" if quality.findings else ""


class QualityBar(QWidget):
    """One sentence for each finding; can be selected, and dismissed until the next run.

    Amber when the labels should be doubted, blue when there is only something to know.
    It is part of the dock and stops nothing.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.level = ""
        self._icon = QLabel(self)
        self._icon.setFixedWidth(20)
        self._icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        # Names of labels may hold angle brackets.
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._text.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum
        )
        self._text.setToolTip("What is unlike the scans that the model knows")
        self._text.setAccessibleName("Quality of the result")
        self.dismiss = IconButton("close", "Dismiss until the next segmentation", self)
        self.dismiss.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(_STRIPE_PX + 7, 7, 4, 7)
        layout.setSpacing(6)
        layout.addWidget(self._icon)
        layout.addWidget(self._text, 1)
        layout.addWidget(self.dismiss, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def tell(self, quality: Quality) -> None:
        """Show what was found, one sentence a line; nothing found hides the bar."""
        self.level = level_of(quality)
        lines = [sentence(each.sentence) for each in quality.findings]
        self._text.setText("\n".join(lines))
        if self.level:
            self._icon.setPixmap(pixmap(self.level, NOTICE_COLORS[self.level]))
        self.setVisible(bool(self.level))
        self.update()

    def clear(self) -> None:
        """Forget what was found: another run begins."""
        self.level = ""
        self._text.clear()
        self.hide()

    def text(self) -> str:
        """Return the sentences, one a line."""
        return str(self._text.text())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the tinted ground with a stripe of the full colour at its left."""
        del event
        if not self.level:
            return
        color = QColor(NOTICE_COLORS[self.level])
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        box = QRectF(self.rect())
        ground = QColor(color)
        ground.setAlpha(_TINT)
        painter.setBrush(ground)
        painter.drawRoundedRect(box, 4, 4)
        painter.fillRect(QRectF(0, 3, _STRIPE_PX, box.height() - 6), color)
