"""One session for all docks of an application, closed with the last of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    from napari_mednext.app import Session

__all__ = ["shared_session"]


class _SharedSession(QObject):
    """A child of the application that holds the session while a dock uses it."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._users = 0

    def enter(self) -> Session:
        """Return the session, made for the first dock."""
        if self._session is None:
            from napari_mednext.app import Session

            self._session = Session()
        self._users += 1
        return self._session

    def leave(self, *_: object) -> None:
        """Close the session after its last dock."""
        self._users -= 1
        if self._users == 0 and self._session is not None:
            session, self._session = self._session, None
            session.close()


def shared_session(dock: QWidget) -> Session:
    """Return the session of this application for as long as a dock exists.

    Its segmentation process ends when the last dock is closed, also when that happens
    because the window was closed.

    Raises
    ------
    RuntimeError
        If there is no application.
    """
    application = QApplication.instance()
    if application is None:
        msg = "a dock needs a running application, there is none"
        raise RuntimeError(msg)
    holder = application.findChild(_SharedSession)
    if holder is None:
        holder = _SharedSession(application)
        application.aboutToQuit.connect(holder.deleteLater)
    session: Session = holder.enter()
    dock.destroyed.connect(holder.leave)
    return session
