"""The table of a study's cases: one a row, with its state, doubt and comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFont, QKeyEvent, QPainter, QPaintEvent, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_mednext.study import CaseState
from napari_mednext.ui.controls import NOTICE_COLORS, text_color
from napari_mednext.ui.icons import pixmap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.study import Case

__all__ = ["STATE_TITLES", "CaseModel", "CaseTable", "state_picture"]

#: State -> what people read.
STATE_TITLES = {
    CaseState.NEW: "New",
    CaseState.PREDICTED: "Predicted",
    CaseState.IN_PROGRESS: "In progress",
    CaseState.ACCEPTED: "Accepted",
    CaseState.FLAGGED: "Flagged",
}
#: Each state has a shape of its own too: colours alone do not reach everybody.
_PICTURES = {
    CaseState.NEW: ("state_new", QColor("#9aa0a6")),
    CaseState.PREDICTED: ("state_predicted", NOTICE_COLORS["info"]),
    CaseState.IN_PROGRESS: ("state_in_progress", NOTICE_COLORS["warning"]),
    CaseState.ACCEPTED: ("state_accepted", NOTICE_COLORS["done"]),
    CaseState.FLAGGED: ("state_flagged", NOTICE_COLORS["error"]),
}
_TITLES = ("Case", "State", "Doubt", "Comment")
_HINTS = (
    "Name of the case; bold is the one that is open",
    "Where the work on the case stands",
    "How doubtful the model is, on average over its labels; empty where none has run",
    "What somebody wrote about the case",
)
#: Widths of all columns but the last, which takes what is left.
_WIDTHS = (112, 100, 50)
_ROW_HEIGHT = 24
_DOUBT = 2


def state_picture(state: CaseState) -> QPixmap:
    """Return the small picture of a state."""
    name, color = _PICTURES[state]
    return pixmap(name, color, 14)


class CaseModel(QAbstractTableModel):
    """Cases as rows. Only what differs is told to the view when other cases come."""

    def __init__(self) -> None:
        super().__init__()
        self._cases: list[Case] = []
        self._open: str | None = None
        self._bold = QFont()
        self._bold.setBold(True)
        self._pictures = {state: state_picture(state) for state in CaseState}

    def set_cases(self, cases: Sequence[Case]) -> None:
        """Show other cases, or other states of the same ones."""
        old, new = list(self._cases), list(cases)
        head = _equal_names(old, new)
        tail = _equal_names(old[head:][::-1], new[head:][::-1])
        gone, come = len(old) - head - tail, len(new) - head - tail
        if gone:
            self.beginRemoveRows(QModelIndex(), head, head + gone - 1)
            del self._cases[head : head + gone]
            self.endRemoveRows()
        if come:
            self.beginInsertRows(QModelIndex(), head, head + come - 1)
            self._cases[head:head] = new[head : head + come]
            self.endInsertRows()
        before, self._cases = self._cases, new
        for row, case in enumerate(new):
            if before[row] != case:
                self._changed(row)

    def set_open(self, name: str | None) -> None:
        """Mark the case that is open."""
        if name == self._open:
            return
        rows = [self.row(self._open), self.row(name)]
        self._open = name
        for row in rows:
            if row >= 0:
                self._changed(row)

    def case(self, row: int) -> Case:
        """Return the case of a row."""
        return self._cases[row]

    def row(self, name: str | None) -> int:
        """Return the row of a case, -1 when it is not shown."""
        rows = (row for row, case in enumerate(self._cases) if case.name == name)
        return next(rows, -1)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of cases."""
        return 0 if parent is not None and parent.isValid() else len(self._cases)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return four: case, state, doubt, comment."""
        return 0 if parent is not None and parent.isValid() else len(_TITLES)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column, or what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _HINTS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(section)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        case, column = self._cases[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._texts(case)[column]
        if role == Qt.ItemDataRole.DecorationRole and column == 1:
            return self._pictures[case.state]
        if role == Qt.ItemDataRole.FontRole and case.name == self._open:
            return self._bold
        if role == Qt.ItemDataRole.ToolTipRole:
            return _all_of(case)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(column)
        return None

    def _texts(self, case: Case) -> tuple[str, str, str, str]:
        """Return the texts of a row."""
        doubt = "" if case.doubt is None else f"{case.doubt:.2f}"
        comment = " ".join(case.comment.split())
        return case.name, STATE_TITLES[case.state], doubt, comment

    def _changed(self, row: int) -> None:
        last = len(_TITLES) - 1
        self.dataChanged.emit(self.index(row, 0), self.index(row, last))


class CaseTable(QTableView):
    """Shows a :class:`CaseModel`; a double click or Return asks for a case."""

    caseWanted = Signal(str)  # noqa: N815 - Qt's way of writing signals

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cases = CaseModel()
        self.empty_text = ""
        self.setModel(self.cases)
        self.setAccessibleName("Cases of the study")
        self.setToolTip("A double click or Return opens a case")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMinimumHeight(6 * _ROW_HEIGHT)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(len(_WIDTHS), QHeaderView.ResizeMode.Stretch)
        header.setSectionsClickable(False)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(32)
        for column, width in enumerate(_WIDTHS):
            header.resizeSection(column, width)
        self.doubleClicked.connect(self._on_wanted)

    def chosen(self) -> str | None:
        """Return the name of the selected case."""
        index = self.currentIndex()
        return self.cases.case(index.row()).name if index.isValid() else None

    def set_cases(self, cases: Sequence[Case]) -> None:
        """Show other cases; the selection and what is in sight stay where they can."""
        chosen, place = self.chosen(), self.verticalScrollBar().value()
        self.cases.set_cases(cases)
        if chosen is not None and chosen != self.chosen():
            self.choose(chosen)
        self.verticalScrollBar().setValue(place)
        self.viewport().update()

    def choose(self, name: str) -> None:
        """Select a case, without scrolling; none when it is not shown."""
        row = self.cases.row(name)
        if row < 0:
            self.selectionModel().clear()
            return
        # Setting the current index would scroll to it.
        has_scroll = self.hasAutoScroll()
        self.setAutoScroll(False)
        self.selectRow(row)
        self.setAutoScroll(has_scroll)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open the chosen case by Return, on every platform."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
            self._on_wanted(self.currentIndex())
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows, or why there are none."""
        super().paintEvent(event)
        if self.cases.rowCount() or not self.empty_text:
            return
        painter = QPainter(self.viewport())
        color = text_color(self)
        color.setAlpha(160)
        painter.setPen(color)
        box = QRectF(self.viewport().rect()).adjusted(16, 12, -16, -12)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(box, int(flags), self.empty_text)

    def _on_wanted(self, index: QModelIndex) -> None:
        if index.isValid():
            self.caseWanted.emit(self.cases.case(index.row()).name)


def _equal_names(one: Sequence[Case], other: Sequence[Case]) -> int:
    """Return in how many cases two lists begin alike."""
    pairs = enumerate(zip(one, other, strict=False))
    differ = (i for i, (first, second) in pairs if first.name != second.name)
    return next(differ, min(len(one), len(other)))


def _all_of(case: Case) -> str:
    """Return everything that is known of a case."""
    lines = [case.name, f"State: {STATE_TITLES[case.state]}"]
    if case.patient:
        lines.append(f"Patient: {case.patient}")
    if case.model is not None:
        lines.append(f"Predicted by: {case.model.name}")
    if case.doubt is not None:
        lines.append(f"Doubt: {case.doubt:.3f}")
    if case.comment:
        lines.append(f"Comment: {case.comment}")
    changed = case.changed.astimezone()
    return "\n".join([*lines, f"Changed: {changed:%Y-%m-%d %H:%M}"])


def _side(column: int) -> int:
    """Return texts to the left, figures in the middle."""
    middle, left = Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignLeft
    side = middle if column == _DOUBT else left
    return int(side | Qt.AlignmentFlag.AlignVCenter)
