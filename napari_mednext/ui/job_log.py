"""What the process of a job wrote, for those who want to know exactly."""

from __future__ import annotations

from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QPlainTextEdit, QWidget

__all__ = ["JobLog"]


class JobLog(QPlainTextEdit):
    """The end of a log; it follows while its last line is in sight."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = ""
        self.setReadOnly(True)
        self.setAccessibleName("Log of the job")
        self.setToolTip("The last lines of the job's log")
        self.setPlaceholderText("The process has written nothing yet.")
        self.setTabChangesFocus(True)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        fixed = QFontDatabase.SystemFont.FixedFont
        self.setFont(QFontDatabase.systemFont(fixed))

    def show_log(self, text: str) -> None:
        """Show the lines; who has scrolled up keeps the place."""
        if text == self._shown:
            return
        bar = self.verticalScrollBar()
        is_at_end, place = bar.value() >= bar.maximum(), bar.value()
        if text.startswith(self._shown) and self._shown:
            cursor = self.textCursor()
            cursor.movePosition(cursor.MoveOperation.End)
            cursor.insertText(text[len(self._shown) :])
        else:
            self.setPlainText(text)
        self._shown = text
        bar.setValue(bar.maximum() if is_at_end else place)
