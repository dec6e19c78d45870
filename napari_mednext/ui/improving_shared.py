"""What the docks of one window share about improving, while one of them exists."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication, QWidget

from napari_mednext.ui.improving import Improving

__all__ = ["shared_improving"]


class _Shared(QObject):
    """What the docks of one window share, for as long as one of them exists."""

    def __init__(self, parent: QObject, viewer: Any) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.improving = Improving(self)
        self._users = 0

    def enter(self, dock: QWidget) -> Improving:
        """Count a dock."""
        self._users += 1
        dock.destroyed.connect(self.leave)
        return self.improving

    def leave(self, *_: object) -> None:
        """End with the last dock; jobs go on, they are processes of their own."""
        self._users -= 1
        if self._users == 0:
            self.viewer = None
            self.improving.end()
            self.improving.busyChanged.connect(self._go)
            self._go()

    def _go(self) -> None:
        """Go when nothing is being done any more."""
        if not self.improving.is_busy:
            self.deleteLater()


def shared_improving(viewer: Any, dock: QWidget) -> Improving:
    """Return what the docks of a viewer share, for as long as one of them exists.

    Raises
    ------
    RuntimeError
        If there is no application.
    """
    application = QApplication.instance()
    if application is None:
        msg = "a dock needs a running application, there is none"
        raise RuntimeError(msg)
    # Docks that napari makes are handed a proxy, a new one each.
    viewer = getattr(viewer, "__wrapped__", viewer)
    for holder in application.findChildren(_Shared):
        if holder.viewer is viewer:
            return holder.enter(dock)  # type: ignore[no-any-return]  # Qt has no types
    return _Shared(application, viewer).enter(dock)
