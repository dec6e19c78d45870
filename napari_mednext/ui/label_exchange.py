"""Label tables of other programs for the labels of a study, both ways.

What reads and writes them is imported when it is needed: that takes a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_mednext.errors import InputError
from napari_mednext.labels import LabelSet
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.study import Study
    from napari_mednext.ui.jobs import Job

__all__ = ["ImportedLabels", "LabelExchange", "counted", "imported_labels"]

FILTERS = (
    "Label tables (*.txt *.label *.ctbl *.csv *.json *.nii *.nii.gz);;All files (*)"
)
#: Kinds whose file is changed, not replaced.
_INTO_FILE = {"NIfTI": "Header of a NIfTI mask", "nnU-Net": "nnU-Net dataset.json"}


@dataclass(frozen=True)
class ImportedLabels:
    """Labels for a study after a table was read.

    Parameters
    ----------
    labels : LabelSet
        Those of the table, and those that were kept.
    count : int
        How many the table has.
    kept : tuple of str
        Names of labels that the table lacks, but which are or may be in use.
    notes : tuple of str
        What the file says and this does not.
    """

    labels: LabelSet
    count: int
    kept: tuple[str, ...]
    notes: tuple[str, ...]


def imported_labels(path: Path, study: Study, case: OpenCase | None) -> ImportedLabels:
    """Read a label table for a study, so that no voxel loses its label.

    A label that the table lacks is kept while voxels of the case in hand or a
    prediction have it; all of them are while other cases have masks, which are not
    read.

    Parameters
    ----------
    path : Path
        The table.
    study : Study
        Only read.
    case : OpenCase, optional
        The case in hand.

    Raises
    ------
    InputError
        If the table names no label.
    FormatError
        If it cannot be read.
    StorageError
        If the study cannot be read.
    """  # noqa: DOC501 - the latter two by what is called
    from napari_mednext.formats.tables import read_table

    table = read_table(path)
    if not len(table.labels):
        msg = (
            f"a label table must name a label besides the background, {path.name!r} "
            "names none: choose another file"
        )
        raise InputError(msg)
    others = [label for label in study.labels if label.value not in table.labels.names]
    if others and not _has_other_masks(study, case):
        used = _used(study, case)
        others = [label for label in others if label.value in used]
    return ImportedLabels(
        LabelSet((*table.labels, *others)),
        len(table.labels),
        tuple(label.name for label in others),
        table.notes,
    )


class LabelExchange(QObject):
    """Asks for files, reads and writes them in a thread, and says what became of it.

    ``imported`` brings the labels for the study, ``said`` a sentence and its level.

    Parameters
    ----------
    parent : QWidget
        The dialogs belong to it.
    """

    imported = Signal(object)
    said = Signal(str, str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._job = SingleJob(self)
        self._job.failed.connect(lambda text: self.said.emit(text, "error"))

    def drop(self) -> None:
        """Stop waiting for a file: the study was closed."""
        self._job.drop()

    def read(self, study: Study, case: OpenCase | None) -> None:
        """Ask for a label table and read it."""
        name, _ = QFileDialog.getOpenFileName(
            self._parent, "Import labels", str(study.path.parent), FILTERS
        )
        if name:
            path = Path(name)
            self._job.start(
                lambda _: imported_labels(path, study, case),
                f"MedNeXt: reading {path.name}",
                self.imported.emit,
            )

    def write(self, study: Study, kind: str) -> None:
        """Ask for a file and write the labels into it.

        Parameters
        ----------
        study : Study
            Whose labels.
        kind : str
            One of `TABLE_KINDS`.
        """
        path = self._ask_target(study, kind)
        if path is None:
            return
        labels = study.labels

        def work(_: Job) -> tuple[str, ...]:
            from napari_mednext.formats.tables import write_table

            return write_table(labels, path, kind)

        def done(notes: tuple[str, ...]) -> None:
            text = f"Wrote {counted(len(labels))} to {path.name}."
            lines = [text, *(sentence(note) for note in notes)]
            self.said.emit("\n".join(lines), "warning" if notes else "done")

        self._job.start(work, f"MedNeXt: writing {path.name}", done)

    def menu(self) -> QMenu:
        """Return a menu with the kinds of tables; its actions carry them as data."""
        menu = QMenu(self._parent)
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(lambda: _fill(menu))
        return menu

    def _ask_target(self, study: Study, kind: str) -> Path | None:
        """Ask where to write; None when the user would rather not."""
        from napari_mednext.formats.tables import TABLE_KINDS

        folder, ending = study.path.parent, TABLE_KINDS[kind]
        if kind == "NIfTI":
            name, _ = QFileDialog.getOpenFileName(
                self._parent,
                "Mask whose header gets the labels",
                str(folder),
                "NIfTI (*.nii *.nii.gz)",
            )
            return Path(name) if name else None
        usual = ending if kind == "nnU-Net" else f"labels{ending}"
        name, _ = QFileDialog.getSaveFileName(
            self._parent,
            f"Export labels for {kind}",
            str(folder / usual),
            f"{kind} (*{ending})",
        )
        if not name:
            return None
        path = Path(name)
        return path if path.suffix else path.with_name(path.name + Path(usual).suffix)


def _fill(menu: QMenu) -> None:
    """Put the kinds of tables into a menu, unless they are there."""
    from napari_mednext.formats.tables import TABLE_KINDS

    for kind, ending in TABLE_KINDS.items() if menu.isEmpty() else ():
        action = menu.addAction(_INTO_FILE.get(kind, f"{kind} (*{ending})") + "…")
        action.setData(kind)
        what = "Put into a file that is there" if kind == "NIfTI" else "Write"
        action.setToolTip(f"{what}: names, values and colours")


def counted(count: int) -> str:
    """Return ``"1 label"`` or ``"7 labels"``."""
    return f"{count:,} label" if count == 1 else f"{count:,} labels"


def _has_other_masks(study: Study, case: OpenCase | None) -> bool:
    """Whether cases that are not in hand have labels that somebody made."""
    for other in study.cases():
        if case is not None and other.name == case.name:
            continue
        paths = study.folder.case(other.name)
        if other.labels is not None or any(
            path.exists() for path in (paths.annotation, paths.journal)
        ):
            return True
    return False


def _used(study: Study, case: OpenCase | None) -> set[int]:
    """Return the values in the labels in hand and in what models predicted."""
    used = {
        value
        for figures in study.figures().values()
        for value, ml in figures.ml.items()
        if ml > 0
    }
    if case is not None:
        labels = case.editing.labels
        is_there = np.zeros(np.iinfo(labels.dtype).max + 1, dtype=bool)
        # Plane by plane: numpy's own counting makes a copy of eight bytes a voxel.
        for plane in labels:
            is_there[plane] = True
        used.update(int(value) for value in np.flatnonzero(is_there))
    return used
