"""A case that is made ready before anybody asks for it."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from napari_mednext.errors import MednextError
from napari_mednext.progress import check_cancelled

if TYPE_CHECKING:
    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.progress import CancelFlag

__all__ = ["Ahead"]

_LOG = logging.getLogger(__name__)
#: How often somebody who waits for a case looks at the cancel flag, in seconds.
_POLL_S = 0.05


class Ahead:
    """A case that is being made ready, or is.

    Parameters
    ----------
    name : str
        Of the case.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.cancel = threading.Event()
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._case: OpenCase | None = None
        self._is_unwanted = False

    @property
    def is_over(self) -> bool:
        """Whether it is ready, or will not be and holds nothing."""
        return self._over.is_set()

    @property
    def is_ready(self) -> bool:
        """Whether it can be taken."""
        return self._case is not None

    def finish(self, case: OpenCase | None) -> None:
        """Hand the case over; it is closed when nobody wants it any more."""
        with self._guard:
            if not self._is_unwanted:
                self._case, case = case, None
        try:
            _let_go(case)
        finally:
            self._over.set()

    def wait(self, cancel: CancelFlag | None) -> None:
        """Wait until it is over; ``Cancelled`` when nobody waits any more."""
        while not self._over.wait(_POLL_S):
            check_cancelled(cancel)

    def take(self, cancel: CancelFlag | None) -> OpenCase | None:
        """Wait for the case and return it, None when it could not be made ready.

        ``Cancelled`` when nobody waits any more; then it is stopped, too.
        """
        try:
            self.wait(cancel)
        except BaseException:
            self.discard()
            raise
        with self._guard:
            case, self._case = self._case, None
        return case

    def discard(self) -> None:
        """Stop, and close the case when it is there."""
        self.cancel.set()
        with self._guard:
            self._is_unwanted = True
            case, self._case = self._case, None
        _let_go(case)


def _let_go(case: OpenCase | None) -> None:
    """Close a case that nobody has seen: no person's work is in it."""
    if case is None:
        return
    try:
        case.close()
    except MednextError:
        _LOG.info("%s was made ready for nothing", case.name, exc_info=True)
