"""The table of a batch: one scan a row, with its state and time left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QRectF, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_mednext.ui.controls import ACCENT, NOTICE_COLORS
from napari_mednext.ui.icons import pixmap
from napari_mednext.ui.quality_bar import level_of
from napari_mednext.ui.wording import duration, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.app import BatchEvent
    from napari_mednext.app.batch import FileResult

__all__ = ["BatchModel", "BatchTable"]

#: State -> what people read.
STATES = {
    "queued": "Waiting",
    "reading": "Reading",
    "segmenting": "Segmenting",
    "writing": "Saving",
    "saved": "Saved",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
ICONS = {"saved": "done", "failed": "error", "cancelled": "warning"}
PERCENT_ROLE = int(Qt.ItemDataRole.UserRole)


@dataclass
class _Line:
    """What one row shows."""

    name: str
    state: str = "queued"
    percent: float = 0.0
    detail: str = ""
    hint: str = ""
    doubt: str = ""


class BatchModel(QAbstractTableModel):
    """Scans as rows; scan, state and detail as columns."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[_Line] = []
        self._rows: dict[str, int] = {}

    def set_names(self, names: Sequence[str]) -> None:
        """Show scans that wait."""
        self.beginResetModel()
        self._lines = [_Line(name) for name in names]
        self._rows = {name: row for row, name in enumerate(names)}
        self.endResetModel()

    def apply(self, event: BatchEvent) -> int:
        """Show what happened to a scan and return its row."""
        row = self._rows[event.item.name]
        line = self._lines[row]
        line.state = str(event.state)
        line.detail = line.doubt = ""
        if event.progress is not None and event.progress.total > 0:
            line.percent = event.progress.done / event.progress.total
            if event.progress.remaining_s is not None:
                line.detail = f"{duration(event.progress.remaining_s)} left"
        result = event.result
        if result is not None:
            line.percent = float(line.state == "saved")
            _show_end(line, result)
        self.dataChanged.emit(self.index(row, 0), self.index(row, 2))
        return row

    def state(self, row: int) -> str:
        """Return the state of a row."""
        return self._lines[row].state

    def detail(self, row: int) -> str:
        """Return the sentence or the time of a row."""
        return self._lines[row].detail

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of scans."""
        return 0 if parent is not None and parent.isValid() else len(self._lines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return three: scan, state, detail."""
        return 0 if parent is not None and parent.isValid() else 3

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return ("Scan", "State", "Time or reason")[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        line = self._lines[index.row()]
        if role == PERCENT_ROLE:
            return line.percent if line.state == "segmenting" else None
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(t for t in (line.name, line.detail, line.hint) if t)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 1:
            level = line.doubt or ICONS.get(line.state)
            return pixmap(level, NOTICE_COLORS[level]) if level else None
        if role == Qt.ItemDataRole.DisplayRole:
            return (line.name, STATES.get(line.state, line.state), line.detail)[
                index.column()
            ]
        return None


def _show_end(line: _Line, result: FileResult) -> None:
    """Show how a scan ended, and what speaks against trusting its mask."""
    findings = result.quality.findings
    if result.sentence:
        line.detail = sentence(result.sentence)
    else:
        line.detail = duration(result.elapsed_s)
        line.doubt = level_of(result.quality)
        if findings:
            line.detail += f" · {sentence(findings[0].sentence)}"
    told = [sentence(each.sentence) for each in findings]
    notes = [sentence(note) for note in result.notes]
    line.hint = "\n".join([str(result.item.output), *told, *notes])


class _StateDelegate(QStyledItemDelegate):
    """Paints how much of a scan is done behind its state."""

    def paint(
        self,
        painter: QPainter | None,
        option: QStyleOptionViewItem,
        index: QModelIndex,
    ) -> None:
        """Paint the bar, then the text."""
        percent = index.data(PERCENT_ROLE)
        if painter is not None and percent is not None:
            color = QColor(ACCENT)
            color.setAlpha(110)
            box = QRectF(option.rect).adjusted(1, 3, -1, -3)
            box.setWidth(box.width() * percent)
            painter.fillRect(box, color)
        super().paint(painter, option, index)


class BatchTable(QTableView):
    """Shows a :class:`BatchModel`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scans = BatchModel()
        self.setModel(self.scans)
        self.setItemDelegateForColumn(1, _StateDelegate(self))
        self.setAccessibleName("Scans of the batch")
        self.setToolTip("The scans found in the folder; point at one for its mask")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.resizeSection(0, 120)
        header.resizeSection(1, 96)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header.setSectionsClickable(False)
