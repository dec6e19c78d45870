"""A case on its way to disk, whoever brings it there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_mednext.app.desk import Desk
    from napari_mednext.app.open_case import OpenCase

__all__ = ["Leaving"]


class Leaving:
    """Saves or accepts a case and lets it go: once, and again until it succeeds.

    A worker does it, or whoever needs it done before the worker came to it; others
    wait meanwhile.

    Parameters
    ----------
    desk : Desk
        Which opened the case.
    case : OpenCase
        Nobody changes it any more.
    accept : bool
        Whether it counts as done.
    """

    def __init__(self, desk: Desk, case: OpenCase, *, accept: bool) -> None:
        self.case = case
        self.accept = accept
        self._desk = desk
        self._guard = threading.Lock()
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do."""
        return self._is_over

    @property
    def is_in_journal(self) -> bool:
        """Whether no step of it is in memory only."""
        journal = self.case.editing.journal
        return journal is None or journal.pending == 0

    def finish(self) -> None:
        """Bring the case to disk; does nothing when it is there, or was taken back.

        ``StorageError`` when that fails: the case is kept, and this can be called
        again.
        """
        with self._guard:
            if not self._is_over:
                self._desk.put_away(self.case, accept=self.accept)
                self._is_over = True

    def take_back(self) -> OpenCase | None:
        """Return the case to go on with it, None when it is on disk and let go."""
        with self._guard:
            if self._is_over:
                return None
            self._is_over = True
            return self.case

    def give_up(self) -> None:
        """Let others have the case as the journal has it.

        ``StorageError`` when steps are not even there; they are lost.
        """
        with self._guard:
            if not self._is_over:
                self._is_over = True
                self.case.close()
