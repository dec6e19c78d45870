"""What correcting has cost: per model version, and per case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.errors import MednextError
from napari_mednext.study import effort_csv, summarise_effort
from napari_mednext.ui.controls import Heading, Notice, allow
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.wording import short_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.study import EffortRow, EffortSummary, Study

__all__ = ["EffortDialog", "save_effort"]

_SUMMARY = ("Model", "Cases", "Minutes", "Strokes", "Voxels", "Dice")
_CASES = ("Case", "Model", "Minutes", "Strokes", "Voxels", "Dice", "Accepted")
_HINTS = {
    "Model": "Name of the model whose labels were corrected, and its version",
    "Minutes": "Time of work; pauses of more than a minute do not count",
    "Strokes": "Strokes and steps of tools",
    "Voxels": "Voxels that were changed, counted each time",
    "Dice": "Between what the model said and what was accepted, mean over the labels",
    "Cases": "How many cases were accepted; the other columns are means over them",
}
#: What stands for a case that was drawn from nothing, and for what is not known.
_BY_HAND = "no model"
_NOTHING = "\u2013"
_NAMED = 8
_TEXTS = ("Case", "Model")
_ROW_HEIGHT = 24


class EffortDialog(QDialog):
    """Two tables: what a case costs with each model, and what each case has cost.

    Parameters
    ----------
    study : Study
        Open; its ledger is read once.
    parent : QWidget, optional
        As for any dialog.
    """

    def __init__(self, study: Study, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Effort in {study.name}")
        self.resize(640, 480)
        self._rows = study.effort()
        self._names = study.labels.names
        self.summary = _table(_SUMMARY, "Effort by model", self)
        self.cases = _table(_CASES, "Effort by case", self)
        self.notice = Notice(self)
        self.save = QPushButton("&Save CSV…", self)
        self.save.setToolTip("Write the lower table to a file, with the Dice by label")
        self.shut = QPushButton("&Close", self)
        self.shut.setToolTip("Close the table (Escape)")
        self._build()
        _fill(self.summary, [_summary(each) for each in summarise_effort(self._rows)])
        _fill(self.cases, [_case(row) for row in self._rows])
        allow(self.save, None if self._rows else "nobody has worked on a case yet")
        self.save.clicked.connect(self._on_save)
        self.shut.clicked.connect(self.close)

    def _build(self) -> None:
        """Lay the parts out."""
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addStretch(1)
        buttons.addWidget(self.save)
        buttons.addWidget(self.shut)
        note = QLabel("Means over accepted cases, by model version.", self)
        note.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setSpacing(6)
        layout.addWidget(Heading("By model"))
        layout.addWidget(note)
        layout.addWidget(self.summary, 1)
        layout.addWidget(Heading("By case"))
        layout.addWidget(self.cases, 3)
        layout.addWidget(self.notice)
        layout.addLayout(buttons)

    def save_to(self, path: Path) -> None:
        """Write the ledger to a CSV file, and say how it went."""
        try:
            save_effort(path, self._rows, self._names)
        except MednextError as error:
            self.notice.say(explain(error), "error")
        else:
            self.notice.say(f"Saved {short_path(path)}.", "done")

    def _on_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save the effort", "effort.csv", "Tables (*.csv)"
        )
        if chosen:
            path = Path(chosen)
            self.save_to(path if path.suffix else path.with_suffix(".csv"))


def save_effort(path: Path, rows: Sequence[EffortRow], names: dict[int, str]) -> None:
    """Write a ledger as CSV; an older file is replaced.

    Raises
    ------
    StorageError
        If it cannot be written.
    """  # noqa: DOC501 - by placed
    from napari_mednext.formats.placing import placed

    with placed(path) as draft:
        draft.write_text(effort_csv(rows, names), encoding="utf-8", newline="")


def _table(titles: Sequence[str], name: str, parent: QWidget) -> QTableWidget:
    """Return an empty table that is only looked at."""
    table = QTableWidget(0, len(titles), parent)
    for column, title in enumerate(titles):
        item = QTableWidgetItem(title)
        item.setToolTip(_HINTS.get(title, title))
        item.setTextAlignment(_side(title))
        table.setHorizontalHeaderItem(column, item)
    table.setAccessibleName(name)
    table.setToolTip(name)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setTabKeyNavigation(False)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    header.setDefaultSectionSize(70)
    for column, title in enumerate(titles):
        if title in _TEXTS:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        elif title == "Accepted":
            header.resizeSection(column, 90)
    return table


def _fill(table: QTableWidget, rows: Sequence[Sequence[str]]) -> None:
    """Show rows of texts; all but names stand to the right."""
    table.setRowCount(len(rows))
    for number, texts in enumerate(rows):
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(text)
            title = table.horizontalHeaderItem(column).text()
            item.setTextAlignment(_side(title))
            table.setItem(number, column, item)


def _side(title: str) -> Qt.AlignmentFlag:
    """Return texts to the left, figures to the right."""
    left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
    return (left if title in _TEXTS else right) | Qt.AlignmentFlag.AlignVCenter


def _summary(each: EffortSummary) -> tuple[str, ...]:
    """Return the texts of a row of the upper table."""
    return (
        _model(each.model, each.version),
        str(each.cases),
        f"{each.mean_minutes:.1f}",
        f"{each.mean_strokes:.1f}",
        f"{each.mean_voxels_changed:,.0f}",
        _NOTHING if each.mean_dice is None else f"{each.mean_dice:.3f}",
    )


def _case(row: EffortRow) -> tuple[str, ...]:
    """Return the texts of a row of the lower table."""
    accepted = row.accepted_at
    return (
        row.case,
        _model(row.model, row.version),
        f"{row.seconds / 60.0:.1f}",
        str(row.strokes),
        f"{row.voxels_changed:,}",
        _NOTHING if row.mean_dice is None else f"{row.mean_dice:.3f}",
        _NOTHING if accepted is None else f"{accepted.astimezone():%Y-%m-%d}",
    )


def _model(name: str, version: str) -> str:
    """Return a model version as people tell it from others."""
    return f"{name} {version[:_NAMED]}".strip() or _BY_HAND
