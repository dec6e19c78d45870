"""Work and drawing in two turns of the event loop instead of one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["drawn_later"]


@contextmanager
def drawn_later(widget: Any) -> Iterator[None]:
    """Let a window draw what happens in here in the next turn, not in this one.

    Qt draws at the end of the turn that changed something. Where the change and the
    drawing take long, the window answers once more in between.

    Parameters
    ----------
    widget : QWidget or anything else
        Any part of the window; without a window nothing is put off.
    """
    window = widget.window() if isinstance(widget, QWidget) else None
    if window is None or not window.updatesEnabled():
        yield
        return
    window.setUpdatesEnabled(False)
    try:
        yield
    finally:
        timer = QTimer(window)  # goes with the window
        timer.setSingleShot(True)
        timer.timeout.connect(lambda: _draw_again(window, timer))
        timer.start(0)


def _draw_again(window: QWidget, timer: QTimer) -> None:
    """Let the window draw itself again."""
    timer.deleteLater()
    window.setUpdatesEnabled(True)
