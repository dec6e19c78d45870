"""The labels of a case on disk: label file, provenance file, journal.

The two files are the state at some time, the journal every step since (and before, for
undoing). Saving writes a mark, then the files, then another mark; the marks hold
checksums of the files, so that on reopening it is known which steps a file has already.
Steps are whole blocks: doing one again that is in the file changes nothing. A file of
another program gets a mark of its own when it is found; the history begins there.
"""

from __future__ import annotations

import shutil
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.correction.editing import Editing
from napari_mednext.correction.edits import Edit
from napari_mednext.correction.history import History
from napari_mednext.correction.journal import Journal, payload_reader, read_journal
from napari_mednext.errors import FormatError, GeometryError
from napari_mednext.formats import open_volume, save_segmentation
from napari_mednext.volume import Segmentation, Volume, reorient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction.records import Found
    from napari_mednext.labels import LabelSet

__all__ = ["Annotation", "AnnotationFiles", "open_annotation"]

#: What a save that was killed leaves beside the masks.
_DRAFTS = ".saving-*"
#: Records that hold checksums of the files.
_MARKS = ("folding", "folded", "found")
_CHANGED = (
    "the labels were changed by another program since they were saved here: its labels "
    "were taken, and earlier steps can no longer be undone"
)


@dataclass(frozen=True)
class AnnotationFiles:
    """Where the labels of a case lie.

    Parameters
    ----------
    labels, provenance : Path
        Masks on the grid of the scan; missing until the first save.
    journal : Path
    """

    labels: Path
    provenance: Path
    journal: Path


@dataclass
class Annotation:
    """An opened case: its labels in hand, and the way to disk.

    Parameters
    ----------
    editing : Editing
    volume : Volume
        The scan, turned to LPS: on its grid the labels lie.
    files : AnnotationFiles
    notes : tuple of str
        What was noticed while opening.
    is_read_only : bool
        Whether nothing of it is written: another window has the case.
    """

    editing: Editing
    volume: Volume
    files: AnnotationFiles
    notes: tuple[str, ...] = ()
    is_read_only: bool = False

    def segmentation(self, labels: LabelSet) -> Segmentation:
        """Return a copy of the labels as recorded, with names and colours."""
        _, array, _ = self.editing.recorded()
        return self._on_grid(array, labels)

    def shared(self, labels: LabelSet) -> Segmentation:
        """Return the labels in hand, not a copy, with names and colours."""
        return self._on_grid(self.editing.labels, labels)

    def save(self, labels: LabelSet) -> None:
        """Fold the steps into the files; may run beside further steps.

        Parameters
        ----------
        labels : LabelSet
            Names and colours of the mask.

        Raises
        ------
        StorageError
            If something cannot be written: the steps are in memory, or in the journal.
        """
        journal = self.editing.journal
        if self.is_read_only or journal is None:
            return
        position, array, provenance = self.editing.recorded()
        mark = {
            "from": position,
            "labels": _checksum(array),
            "provenance": _checksum(provenance),
        }
        journal.append({"kind": "folding"} | mark)
        journal.flush()
        for data, path in (
            (array, self.files.labels),
            (provenance, self.files.provenance),
        ):
            save_segmentation(self._on_grid(data, labels), path, overwrite=True)
        journal.append({"kind": "folded"} | mark)
        journal.flush()

    def close(self) -> None:
        """Close the journal.

        Raises
        ------
        StorageError
            If steps could not be written.
        """
        if self.editing.journal is not None:
            self.editing.journal.close()

    def _on_grid(self, array: NDArray[Any], labels: LabelSet) -> Segmentation:
        """Return an array as a mask of the scan."""
        return Segmentation(
            array, self.volume.grid, labels.names, labels.colors, self.volume.source
        )


def open_annotation(
    volume: Volume,
    files: AnnotationFiles,
    *,
    dtype: type[np.unsignedinteger[Any]] = np.uint8,
    read_only: bool = False,
    on_problem: Callable[[str | None], None] | None = None,
) -> Annotation:
    """Open the labels of a case as they were when it was left, history included.

    Parameters
    ----------
    volume : Volume
        The scan, turned to LPS.
    files : AnnotationFiles
        What is missing is made; the folders exist.
    dtype : type
        uint8 or uint16, wide enough for every label that may come.
    read_only : bool
        Whether nothing may be written.
    on_problem : callable, optional
        As for :class:`Journal`.

    Raises
    ------
    FormatError
        If a file is damaged, or the journal belongs to another volume.
    GeometryError
        If a mask does not lie on the scan's grid.
    StorageError
        If the journal cannot be written or read.
    """
    shape = volume.grid.shape
    journal = None
    if not read_only:
        journal = Journal(files.journal, on_problem=on_problem)
        _remove_drafts(files)
    try:
        labels = _read_mask(files.labels, volume, np.dtype(dtype))
        provenance = _read_mask(files.provenance, volume, np.dtype(np.uint8))
        # Whoever has the case may be saving it: of the files that were just read, the
        # journal tells afterwards which steps they have.
        records = journal.records if journal else read_journal(files.journal)[0]
        _check_shape(records, shape, files.journal)
        start, found = _replay_start(records, labels, provenance)
        # np.zeros would leave it to the first answer to ask the system for the memory.
        labels = np.full(shape, 0, dtype) if labels is None else labels
        provenance = np.full(shape, 0, np.uint8) if provenance is None else provenance
        edits = _edits(records, files.journal)
        _replay(records, edits, start, labels, provenance)
    except BaseException:
        if journal is not None:
            journal.close()
        raise
    if journal is not None and not records:
        journal.append({"kind": "case", "shape": list(shape)})
    if journal is not None and found is not None:
        journal.append(found)
    editing = Editing(
        labels,
        provenance,
        journal=journal,
        history=_history(records, edits) if found is None else History(),
        next_number=1 + max(edits, default=0),
    )
    notes = (_CHANGED,) if found is not None and edits else ()
    return Annotation(editing, volume, files, notes, read_only)


def _read_mask(path: Path, volume: Volume, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return a mask turned as the scan is, None where there is none.

    Raises
    ------
    GeometryError
        If it does not lie on the scan's grid, or its values do not fit.
    """
    if not path.exists():
        return None
    mask = open_volume(path)
    turned = reorient(replace(mask, source=volume.source), "LPS")
    if not turned.grid.is_close(volume.grid, tolerance_mm=1e-2):
        msg = (
            f"the labels {path.name!r} must lie on the grid of the scan "
            f"{volume.grid.shape}, got {turned.grid.shape}: put the right scan back"
        )
        raise GeometryError(msg)
    array = turned.array[0]
    if int(array.max(initial=0)) > np.iinfo(dtype).max or array.min(initial=0) < 0:
        msg = (
            f"the labels {path.name!r} must be whole numbers up to "
            f"{np.iinfo(dtype).max}, got {array.min()} to {array.max()}"
        )
        raise GeometryError(msg)
    return np.array(array, dtype=dtype, order="C")


def _check_shape(
    records: Sequence[Found], shape: tuple[int, int, int], path: Path
) -> None:
    """Refuse a journal that belongs to another volume.

    Raises
    ------
    FormatError
        If it does.
    """
    for record in records:
        if record.head["kind"] == "case" and tuple(record.head["shape"]) != shape:
            msg = (
                f"the journal {path.name!r} must belong to a scan of shape {shape}, "
                f"got one of {tuple(record.head['shape'])}: put the right scan back"
            )
            raise FormatError(msg)


def _remove_drafts(files: AnnotationFiles) -> None:
    """Remove unfinished masks of this case; whoever has the case may do that."""
    for path in (files.labels, files.provenance):
        for draft in path.parent.glob(f"{_DRAFTS}/{path.name}"):
            shutil.rmtree(draft.parent, ignore_errors=True)


def _replay_start(
    records: Sequence[Found],
    labels: NDArray[Any] | None,
    provenance: NDArray[np.uint8] | None,
) -> tuple[int, dict[str, Any] | None]:
    """Return from which record on the files lack steps, and a mark if they need one."""
    if labels is None:
        return 0, None
    marks = [r.head for r in records if r.head["kind"] in _MARKS]
    found: dict[str, Any] = {"kind": "found"}
    starts = []
    for key, array in (("labels", labels), ("provenance", provenance)):
        check = found[key] = None if array is None else _checksum(array)
        same = [mark["from"] for mark in marks if mark[key] == check]
        starts.append(int(same[-1]) if same else None)
    if starts[0] is None:
        start = int(marks[-1]["from"]) if marks else 0
        return start, found | {"from": start}
    # A kill between the two files leaves an older provenance, or none.
    return min(start or 0 for start in starts), None


def _edits(records: Sequence[Found], path: Path) -> dict[int, Edit]:
    """Return the edits of a journal by number; their blocks stay on disk."""
    edits = {}
    for record in records:
        head = record.head
        if head["kind"] != "edit":
            continue
        z, y, x = (slice(start, stop) for start, stop in head["box"])
        edit = Edit(
            head["number"],
            (z, y, x),
            head["title"],
            head["time"],
            head["voxels"],
            head["human"],
        )
        edits[edit.number] = edit.leave_to(
            payload_reader(path, record), np.dtype(head["dtype"])
        )
    return edits


def _replay(
    records: Sequence[Found],
    edits: dict[int, Edit],
    start: int,
    labels: NDArray[Any],
    provenance: NDArray[np.uint8],
) -> None:
    """Do every step from a record on again."""
    for record in records:
        head = record.head
        edit = edits.get(head.get("number", 0))
        if head["seq"] < start or edit is None:
            continue
        blocks = edit.blocks()
        is_undo = head["kind"] == "undo"
        labels[edit.box] = blocks.labels_before if is_undo else blocks.labels_after
        provenance[edit.box] = (
            blocks.provenance_before if is_undo else blocks.provenance_after
        )


def _history(records: Sequence[Found], edits: dict[int, Edit]) -> History:
    """Return what could be undone and redone when the case was left."""
    history = History()
    for record in records:
        kind = record.head["kind"]
        if kind == "found":
            history = History()
        if record.head.get("number") not in edits:
            continue
        if kind == "edit":
            history.add(edits[record.head["number"]])
        elif kind == "undo":
            history.undo()
        elif kind == "redo":
            history.redo()
    return history


def _checksum(array: NDArray[Any]) -> int:
    """Return a checksum of labels that does not depend on how wide they are stored."""
    wide = np.ascontiguousarray(array)
    if wide.dtype != np.uint8 and int(wide.max(initial=0)) <= np.iinfo(np.uint8).max:
        wide = wide.astype(np.uint8)
    return zlib.crc32(wide.data)
