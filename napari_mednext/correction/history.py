"""Which steps can be undone and redone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_mednext.correction.edits import Edit

__all__ = ["History"]


class History:
    """Two stacks: steps that are done, and steps that were undone.

    A step after an undo makes the undone ones unreachable, as everywhere.

    Parameters
    ----------
    done, undone : iterable of Edit
        The oldest first; the last one is the next to be undone or redone.
    """

    def __init__(self, done: Iterable[Edit] = (), undone: Iterable[Edit] = ()) -> None:
        self._done = list(done)
        self._undone = list(undone)

    @property
    def done(self) -> tuple[Edit, ...]:
        """Steps that can be undone, the oldest first."""
        return tuple(self._done)

    @property
    def undone(self) -> tuple[Edit, ...]:
        """Steps that can be redone, the next one last."""
        return tuple(self._undone)

    @property
    def last_done(self) -> Edit | None:
        """The step that :meth:`undo` would return."""
        return self._done[-1] if self._done else None

    @property
    def last_undone(self) -> Edit | None:
        """The step that :meth:`redo` would return."""
        return self._undone[-1] if self._undone else None

    def add(self, edit: Edit) -> None:
        """Take a step that was just done."""
        self._done.append(edit)
        self._undone.clear()

    def undo(self) -> Edit | None:
        """Return the last step and count it as undone, None when there is none."""
        if not self._done:
            return None
        edit = self._done.pop()
        self._undone.append(edit)
        return edit

    def redo(self) -> Edit | None:
        """Return the step undone last and count it as done, None when there is none."""
        if not self._undone:
            return None
        edit = self._undone.pop()
        self._done.append(edit)
        return edit
