"""The button that starts, the one that cancels, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QShortcut,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.controls import Notice, PrimaryButton, allow
from napari_mednext.ui.wording import progress_line

if TYPE_CHECKING:
    from napari_mednext.progress import Progress

__all__ = ["RunPanel"]


class RunPanel(QWidget):
    """Start, cancel, progress bar, and a sentence about how it went.

    Parameters
    ----------
    title : str
        What the start button says; an ampersand marks its key.
    hint : str
        Its tooltip.
    scope : QWidget
        Where Ctrl+Return starts and Escape cancels.
    """

    def __init__(self, title: str, hint: str, scope: QWidget) -> None:
        super().__init__(scope)
        self.start = PrimaryButton(title, "play", self)
        self.start.setToolTip(f"{hint} (Ctrl+Return)")
        self.cancel = QPushButton("&Cancel", self)
        self.cancel.setToolTip("Stop within a tile; what is saved stays (Escape)")
        self.cancel.setMinimumHeight(38)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setToolTip("How much is done")
        self.bar.setAccessibleName("Progress")
        self.line = QLabel(self)
        self.notice = Notice(self)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.start, 3)
        buttons.addWidget(self.cancel, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.line)
        layout.addWidget(self.notice)
        self._shortcut("Ctrl+Return", self.start, scope)
        self._shortcut("Escape", self.cancel, scope)
        self.set_busy(is_busy=False)

    def set_busy(self, *, is_busy: bool, text: str = "") -> None:
        """Show the bar, moving without a goal until progress comes, or hide it."""
        self.bar.setVisible(is_busy)
        self.line.setVisible(is_busy)
        self.line.setText(text)
        if is_busy:
            self.bar.setRange(0, 0)
            self.notice.say("")

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is and the time left."""
        if progress.total > 0:
            self.bar.setRange(0, progress.total)
            self.bar.setValue(progress.done)
        self.line.setText(progress_line(progress))

    def allow_start(self, reason: str | None) -> None:
        """Enable the start button, or say why it cannot be pressed."""
        allow(self.start, reason)

    def allow_cancel(self, reason: str | None) -> None:
        """Enable the cancel button, or say why it cannot be pressed."""
        allow(self.cancel, reason)

    def _shortcut(self, keys: str, button: QPushButton, scope: QWidget) -> None:
        """Press a button by keys while the focus is in the dock."""
        shortcut = QShortcut(QKeySequence(keys), scope)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(button.click)
