"""The labels of a case while somebody corrects them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.correction.change import Box, Change, bounding_box, whole_box
from napari_mednext.correction.edits import Blocks, Edit, edit_head, slabs
from napari_mednext.correction.history import History
from napari_mednext.correction.provenance import (
    HUMAN,
    REVIEWED,
    SOURCE_BITS,
    is_reviewed,
)
from napari_mednext.errors import GeometryError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.correction.journal import Journal

__all__ = ["Editing"]

ChangeCallback = Callable[[Box], None]


class Editing:
    """A label array, who made it, and every step since.

    The array is written in place, so that a layer on screen can share it. Whatever
    paints into it from outside is handed in with :meth:`take` afterwards; all other
    changes go through the methods here. Each of them is one step of one history, and is
    appended to the journal. A stroke that has not been handed in is no part of any
    other step. Not for several threads at once.

    Parameters
    ----------
    labels : (z, y, x) uint8 or uint16
        Shared, not copied.
    provenance : (z, y, x) uint8, optional
        As :mod:`napari_mednext.correction.provenance` says; shared. Zeros by default.
    journal : Journal, optional
        Without one, the history lives in memory only.
    history : History, optional
        From an earlier time.
    next_number : int
        What the next step is called; above all numbers of ``history``.

    Raises
    ------
    GeometryError
        If the labels are not a volume of uint8 or uint16, or the provenance differs.
    """

    def __init__(
        self,
        labels: NDArray[Any],
        provenance: NDArray[np.uint8] | None = None,
        *,
        journal: Journal | None = None,
        history: History | None = None,
        next_number: int = 1,
    ) -> None:
        if labels.ndim != 3 or labels.dtype not in (np.uint8, np.uint16):
            msg = (
                "labels must be a (z, y, x) array of uint8 or uint16, "
                f"got {labels.dtype} of shape {labels.shape}"
            )
            raise GeometryError(msg)
        if provenance is None:
            provenance = np.zeros(labels.shape, dtype=np.uint8)
        if provenance.shape != labels.shape or provenance.dtype != np.uint8:
            msg = (
                f"the provenance must be uint8 of shape {labels.shape}, "
                f"got {provenance.dtype} of shape {provenance.shape}"
            )
            raise GeometryError(msg)
        self.labels = labels
        self.provenance = provenance
        self.journal = journal
        self.history = History() if history is None else history
        #: Called with the box after each change that came through this object.
        self.on_change: list[ChangeCallback] = []
        #: Steps of a person that changed labels, and voxels, for the effort ledger.
        self.strokes = 0
        self.voxels_changed = 0
        self._known = labels.copy()
        # Held from the first voxel of a step until its record is in the journal.
        self._is_stepping = threading.Lock()
        self._next_number = next_number

    def take(self, box: Box, title: str) -> Edit | None:
        """Make a step of what was painted into the labels since the last step.

        Parameters
        ----------
        box : three slices
            Where; voxels outside it are not looked at.
        title : str
            What it is called in the history.

        Returns
        -------
        Edit or None
            None when no label differs.
        """
        known, now = self._known[box], self.labels[box]
        inner = bounding_box(known != now)
        if inner is None:
            return None
        z, y, x = (
            slice(outer.start + part.start, outer.start + part.stop)
            for outer, part in zip(self._placed(box), inner, strict=True)
        )
        return self._step((z, y, x), self.labels[z, y, x], title, HUMAN)

    def take_all(self, title: str) -> Edit | None:
        """Make a step of every difference, wherever it is: other plugins write too."""
        return self.take(whole_box(self.labels.shape), title)

    def apply(self, change: Change | None, title: str) -> Edit | None:
        """Do what a tool wants, as a person's step; None when there is nothing to do.

        Raises
        ------
        GeometryError
            If the change does not lie in the labels.
        """
        if change is None:
            return None
        self._check(change)
        return self._step(change.box, change.labels, title, HUMAN)

    def predict(
        self,
        labels: NDArray[Any],
        code: int,
        *,
        box: Box | None = None,
        keep_reviewed: bool = True,
        title: str = "segment",
    ) -> Edit | None:
        """Write what a model says, as one step.

        Parameters
        ----------
        labels : (z, y, x)
            Of the shape of the box.
        code : int
            The model's number in the provenance, 2..127.
        box : three slices, optional
            The whole volume by default.
        keep_reviewed : bool
            Whether voxels that a person painted or confirmed stay as they are.
        title : str
            What it is called in the history.

        Raises
        ------
        GeometryError
            If the answer does not lie in the labels.
        InputError
            If the number is none of a model.
        """
        if not 2 <= code <= SOURCE_BITS:
            msg = f"a model must have a number from 2 to {SOURCE_BITS}, got {code}"
            raise InputError(msg)
        box = whole_box(self.labels.shape) if box is None else box
        self._check(Change(box, labels))
        after = labels.astype(self.labels.dtype)
        provenance = np.full(after.shape, code, dtype=np.uint8)
        if keep_reviewed:
            known, sources = self._known[box], self.provenance[box]
            for part in slabs(after.shape):
                kept = is_reviewed(sources[part])
                np.copyto(after[part], known[part], where=kept)
                np.copyto(provenance[part], sources[part], where=kept)
        return self._write(box, after, provenance, title, is_human=False)

    def replace(
        self, labels: NDArray[Any], source: int, title: str, *, box: Box | None = None
    ) -> Edit | None:
        """Write labels whose makers are known, as one step: an imported mask.

        Parameters
        ----------
        labels : (z, y, x)
            Of the shape of the box.
        source : int
            What the provenance becomes, also where labels stay the same.
        title : str
            What it is called in the history.
        box : three slices, optional
            The whole volume by default.

        Raises
        ------
        GeometryError
            If the labels do not lie in those of the case.
        """
        box = whole_box(self.labels.shape) if box is None else box
        self._check(Change(box, labels))
        provenance = np.full(labels.shape, source, dtype=np.uint8)
        after = labels.astype(self.labels.dtype)
        return self._write(box, after, provenance, title, is_human=False)

    def recorded(self) -> tuple[int, NDArray[Any], NDArray[np.uint8]]:
        """Return copies of labels and provenance, and where in the journal they stand.

        May be called from another thread while steps are made: steps from the returned
        position on may be in the copies in part, and replaying them makes them whole.

        Returns
        -------
        int
            Number of the first record that may be missing.
        (z, y, x) unsigned integers, (z, y, x) uint8
        """
        with self._is_stepping:
            position = self.journal.position if self.journal is not None else 0
        labels, provenance = self._known.copy(), self.provenance.copy()
        # A step that began meanwhile may be in the copies: its record comes first.
        with self._is_stepping:
            return position, labels, provenance

    def accept_answer(
        self, labels: NDArray[Any], code: int, box: Box, title: str = "model's answer"
    ) -> Edit | None:
        """Take a model's answer back in a box, confirmed: a person asked for it.

        Parameters
        ----------
        labels : (z, y, x)
            The whole answer, of the shape of the label array.
        code : int
            The model's number in the provenance, 2..127.
        box : three slices
            Where.
        title : str
            What it is called in the history.

        Raises
        ------
        GeometryError
            If the answer has another shape.
        """
        if labels.shape != self.labels.shape:
            msg = (
                f"the model's answer must have the shape {self.labels.shape}, "
                f"got {labels.shape}: segment the case again"
            )
            raise GeometryError(msg)
        after = labels[box].astype(self.labels.dtype)
        provenance = self.provenance[box].copy()
        provenance[after != self._known[box]] = code | REVIEWED
        return self._write(box, after, provenance, title, is_human=True)

    def review(
        self, box: Box | None = None, *, is_reviewed: bool = True, title: str = "review"
    ) -> Edit | None:
        """Tick a box as reviewed, or take that back; labels stay.

        What a person painted is always reviewed. None when nothing changes.
        """
        box = whole_box(self.labels.shape) if box is None else box
        here = self.provenance[box]
        if is_reviewed:
            provenance = here | np.uint8(REVIEWED)
        else:
            painted = here == HUMAN
            provenance = np.where(painted, here, here & np.uint8(SOURCE_BITS))
        return self._write(box, None, provenance, title, is_human=True)

    def undo(self) -> Edit | None:
        """Take the last step back; None when there is none.

        ``StorageError`` when it cannot be read: it stays the last step.
        """
        edit = self.history.last_done
        if edit is not None:
            blocks = edit.blocks()
            self.history.undo()
            head = {"kind": "undo", "number": edit.number}
            self._do(edit.box, blocks.labels_before, blocks.provenance_before, head)
        return edit

    def redo(self) -> Edit | None:
        """Do the step again that was taken back last; None when there is none.

        ``StorageError`` when it cannot be read: it stays undone.
        """
        edit = self.history.last_undone
        if edit is not None:
            blocks = edit.blocks()
            self.history.redo()
            head = {"kind": "redo", "number": edit.number}
            self._do(edit.box, blocks.labels_after, blocks.provenance_after, head)
        return edit

    def _step(
        self, box: Box, labels: NDArray[Any], title: str, source: int
    ) -> Edit | None:
        """Write labels of a person into a box."""
        provenance = self.provenance[box].copy()
        provenance[labels != self._known[box]] = source
        return self._write(box, labels.copy(), provenance, title, is_human=True)

    def _write(
        self,
        box: Box,
        labels: NDArray[Any] | None,
        provenance: NDArray[np.uint8],
        title: str,
        *,
        is_human: bool,
    ) -> Edit | None:
        """Write both arrays and make it a step, unless it changes nothing."""
        before = self._known[box].copy()
        labels = before if labels is None else labels
        voxels = _differing(before, labels)
        if not voxels and not _differing(self.provenance[box], provenance):
            return None
        provenance_before = self.provenance[box].copy()
        place = self._placed(box)
        edit = Edit(self._next_number, place, title, time.time(), voxels, is_human)
        self._next_number += 1
        edit.hold(Blocks(before, labels, provenance_before, provenance))
        self.history.add(edit)
        if is_human and voxels:  # a tick is no stroke
            self.strokes += 1
            self.voxels_changed += voxels
        self._do(box, labels, provenance, edit_head(edit, labels.dtype), edit)
        return edit

    def _do(
        self,
        box: Box,
        labels: NDArray[Any],
        provenance: NDArray[np.uint8],
        head: dict[str, Any],
        edit: Edit | None = None,
    ) -> None:
        """Write both arrays, tell the journal, and tell whoever shows the labels."""
        with self._is_stepping:
            shown, known = self.labels[box], self._known[box]
            # Only what changes: a stroke that is being drawn stays on screen.
            for part in slabs(labels.shape):
                is_changed = known[part] != labels[part]
                np.copyto(shown[part], labels[part], where=is_changed)
                known[part] = labels[part]
            self.provenance[box] = provenance
            if self.journal is not None:
                self.journal.append(head, edit)
        for tell in tuple(self.on_change):
            tell(box)

    def _placed(self, box: Box) -> Box:
        """Return a box with plain numbers as starts and stops."""
        z, y, x = (
            slice(*part.indices(size)[:2])
            for part, size in zip(box, self.labels.shape, strict=True)
        )
        return z, y, x

    def _check(self, change: Change) -> None:
        """Refuse a change that does not lie in the labels.

        Raises
        ------
        GeometryError
            If it does not.
        """
        if self.labels[change.box].shape != change.labels.shape:
            ranges = ", ".join(f"{part.start}:{part.stop}" for part in change.box)
            msg = (
                f"a change must have the shape of its box, got {change.labels.shape} "
                f"for {ranges} in labels of shape {self.labels.shape}"
            )
            raise GeometryError(msg)
        widest = int(change.labels.max(initial=0))
        if widest > np.iinfo(self.labels.dtype).max:
            msg = (
                f"labels of this case must be at most {np.iinfo(self.labels.dtype).max}"
                f", got {widest}: add the label to the study and open the case again"
            )
            raise GeometryError(msg)


def _differing(first: NDArray[Any], second: NDArray[Any]) -> int:
    """Return how many voxels differ."""
    parts = slabs(first.shape)
    return sum(int(np.count_nonzero(first[p] != second[p])) for p in parts)
