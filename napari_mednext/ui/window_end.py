"""The end of napari's window, while all that is in it still works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

__all__ = ["WindowEnd"]


class WindowEnd(QObject):
    """Calls back once, when the main window of a widget was closed.

    A dock hears nothing of that by itself: it is deleted with the window, its children
    before it.

    Parameters
    ----------
    widget : QWidget
        In a dock, now or later.
    tell : callable
        What to do then.
    """

    def __init__(self, widget: QWidget, tell: Callable[[], None]) -> None:
        super().__init__(widget)
        self._widget = widget
        self._tell = tell
        self._window: QMainWindow | None = None
        self._is_closing = False
        self._was_told = False

    def watch(self) -> None:
        """Find the window; call it when the widget may have been docked."""
        if self._window is not None:
            return
        parent = self._widget.parentWidget()
        while parent is not None and not _is_outermost(parent):
            parent = parent.parentWidget()
        if isinstance(parent, QMainWindow):
            self._window = parent
            parent.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the window; it may refuse to be closed, then it is not hidden."""
        kind = event.type()
        if kind == QEvent.Type.Close:
            self._is_closing = True
        elif kind == QEvent.Type.Show:
            self._is_closing = False
        is_hidden = kind == QEvent.Type.Hide and self._is_closing
        # A window that was never shown is not hidden either.
        is_over = is_hidden or kind == QEvent.Type.DeferredDelete
        if is_over and not self._was_told:
            self._was_told = True
            self._tell()
        return bool(super().eventFilter(watched, event))


def _is_outermost(widget: QWidget) -> bool:
    """Whether a widget is napari's window, and not one of the docks in it."""
    return isinstance(widget, QMainWindow) and widget.parentWidget() is None
