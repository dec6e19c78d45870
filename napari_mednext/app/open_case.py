"""A case of a study in hand: its scan, its labels, and what a model says of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.correction.annotation import Annotation
from napari_mednext.labels import LabelSet
from napari_mednext.labels.labelset import label_key
from napari_mednext.study import ActivityClock, Case, CaseLock, ModelVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_mednext.correction.editing import Editing
    from napari_mednext.volume import Volume

__all__ = ["Answer", "OpenCase", "dice_by_label", "renumbered"]


@dataclass(frozen=True)
class Answer:
    """What a model said of a case.

    Parameters
    ----------
    version : ModelVersion
    labels : (z, y, x) uint8 or uint16
        In the study's label values, on the grid of the turned scan.
    doubt : (z, y, x) uint8 or None
        Entropy of the prediction, 255 where every label is as likely.
    """

    version: ModelVersion
    labels: NDArray[Any]
    doubt: NDArray[np.uint8] | None = None


@dataclass(eq=False)
class OpenCase:
    """A case that is open in this window.

    Parameters
    ----------
    case : Case
        As it was when it was opened.
    annotation : Annotation
        Its labels, on the grid of the scan turned to LPS.
    labels : LabelSet
        Of the study.
    clock : ActivityClock
        Counts the time of work; whoever shows the case tells it of events.
    answer : Answer, optional
        Of the study's model, or the last one that saw the case.
    lock : CaseLock, optional
        None where another window has the case: then it is read-only.
    holder : str
        Who has it then.
    notes : tuple of str
        What was noticed while opening.
    opening : (z, y, x) uint8 or uint16, optional
        The labels when it was opened.
    is_worked_on : bool
        Whether somebody changed it in this sitting; whoever shows the case says so.
    unbooked_s : float
        Active seconds that could not be written to the ledger yet.
    keeping : lock
        Held while the case is saved, accepted or closed: one at a time.
    """

    case: Case
    annotation: Annotation
    labels: LabelSet
    clock: ActivityClock
    answer: Answer | None = None
    lock: CaseLock | None = None
    holder: str = ""
    notes: tuple[str, ...] = ()
    opening: NDArray[Any] | None = field(default=None, repr=False)
    is_worked_on: bool = False
    unbooked_s: float = 0.0
    keeping: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _is_closed: bool = field(default=False, init=False)

    @property
    def name(self) -> str:
        """Name of the case."""
        return self.case.name

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be changed here."""
        return self.annotation.is_read_only

    @property
    def is_closed(self) -> bool:
        """Whether others may have the case."""
        return self._is_closed

    @property
    def volume(self) -> Volume:
        """The scan, turned to LPS."""
        return self.annotation.volume

    @property
    def editing(self) -> Editing:
        """The labels and their history."""
        return self.annotation.editing

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Of the labels, (z, y, x) in mm."""
        return self.annotation.volume.grid.spacing

    @property
    def code(self) -> int:
        """The number of the model that was corrected, 0 without one."""
        return self.answer.version.code if self.answer is not None else 0

    def close(self) -> None:
        """Write what waits, and let others have the case.

        ``StorageError`` when steps could not be written; the case is let go all the
        same.
        """
        with self.keeping:
            self._is_closed = True
            try:
                self.annotation.close()
            finally:
                if self.lock is not None:
                    self.lock.release()


def dice_by_label(
    first: NDArray[Any], second: NDArray[Any], labels: LabelSet
) -> dict[int, float]:
    """Return the Dice coefficient of every label, NaN where it is in neither.

    Parameters
    ----------
    first, second : (z, y, x) unsigned integers
        Of one shape.
    labels : LabelSet
        Which labels.
    """
    size = max([label.value for label in labels], default=0) + 1
    counts = [
        np.bincount(np.minimum(array, size).ravel(), minlength=size + 1)
        for array in (first, second)
    ]
    same = np.minimum(first[first == second], size)
    both = np.bincount(same, minlength=size + 1)
    dice = {}
    for label in labels:
        total = int(counts[0][label.value] + counts[1][label.value])
        dice[label.value] = 2 * int(both[label.value]) / total if total else np.nan
    return dice


def renumbered(
    array: NDArray[Any], names: Mapping[int, str], labels: LabelSet
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return a model's labels in the numbers of a study, matched by name.

    Parameters
    ----------
    array : (z, y, x) unsigned integers
        In the model's values.
    names : mapping of value to name
        Of the model's labels; without a name, values are taken as they are.
    labels : LabelSet
        Of the study.

    Returns
    -------
    (z, y, x) uint8 or uint16
        The same array when nothing changes.
    tuple of str
        Names that the study does not have; they became background.
    """
    wanted = {label_key(label.name): label.value for label in labels}
    table = {
        value: wanted.get(label_key(name), 0) for value, name in names.items() if value
    }
    missing = tuple(names[value] for value, to in table.items() if to == 0)
    if all(value == to for value, to in table.items()):
        return array, missing
    highest = max(int(array.max(initial=0)), *table)
    lookup = np.arange(highest + 1)
    for value, to in table.items():
        lookup[value] = to
    kind = np.uint8 if lookup.max() <= np.iinfo(np.uint8).max else np.uint16
    return lookup.astype(kind)[array], missing
