"""A case that is made ready before anybody asks for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_mednext.errors import Cancelled

if TYPE_CHECKING:
    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.progress import CancelFlag

__all__ = ["Ahead"]

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
        """Whether it is ready, or will not be."""
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
            self._over.set()
        if case is not None:
            case.close()

    def take(self, cancel: CancelFlag | None) -> OpenCase | None:
        """Wait for the case and return it, None when it could not be made ready.

        Raises
        ------
        Cancelled
            If nobody waits any more.
        """
        while not self._over.wait(_POLL_S):
            if cancel is not None and cancel.is_set():
                self.discard()
                msg = "the work was cancelled"
                raise Cancelled(msg)
        with self._guard:
            case, self._case = self._case, None
        return case

    def discard(self) -> None:
        """Stop, and close the case when it is there."""
        self.cancel.set()
        with self._guard:
            self._is_unwanted = True
            case, self._case = self._case, None
        if case is not None:
            case.close()
