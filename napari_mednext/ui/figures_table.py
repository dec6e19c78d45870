"""A table of figures a label, which a click on a heading sorts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QKeySequence, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QShortcut,
    QTableView,
    QWidget,
)

from napari_mednext.ui.frozen_names import FrozenNames

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NOTHING", "Column", "FiguresModel", "FiguresTable"]

ROW_HEIGHT = 24
#: The column of names is at least so wide; the others scroll.
NAME_PX = 116
#: Shown for what is not defined.
NOTHING = "\u2013"
_ORDER_ROLE = int(Qt.ItemDataRole.UserRole)


@dataclass(frozen=True)
class Column:
    """One figure: its heading, what it means, its text, and what rows are sorted by.

    ``order`` returns None where the figure is not defined: such rows come last.
    """

    title: str
    tooltip: str
    text: Callable[[Any], str]
    order: Callable[[Any], Any]


class FiguresModel(QAbstractTableModel):
    """Labels as rows: a name with its colour, then the figures.

    Rows are anything with ``value``, ``name`` and ``color``.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        name = Column(
            "Label", "Name of the label", lambda r: r.name, lambda r: r.name.casefold()
        )
        self._columns = (name, *columns)
        self._rows: tuple[Any, ...] = ()

    def set_rows(self, rows: Sequence[Any]) -> None:
        """Show other labels."""
        self.beginResetModel()
        self._rows = tuple(rows)
        self.endResetModel()

    def rows(self) -> tuple[Any, ...]:
        """Return the labels that are shown, as they were given."""
        return self._rows

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of labels."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of figures and one for the name."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

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
            return self._columns[section].title
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{self._columns[section].tooltip}; a click sorts"
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(section)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, or what its row is sorted by."""
        row, column = self._rows[index.row()], self._columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(row)
        if role == _ORDER_ROLE:
            return column.order(row)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            return QColor(*row.color)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._all_of(row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(index.column())
        return None

    def _all_of(self, row: Any) -> str:
        """Return all figures of a label: some of them may be scrolled out of sight."""
        lines = [f"{row.name}: label value {row.value}"]
        lines += [f"{each.title}: {each.text(row)}" for each in self._columns[1:]]
        return "\n".join(lines)


class FiguresTable(QTableView):
    """Shows a :class:`FiguresModel`.

    A click on a heading sorts, one more sorts the other way, a third one brings back
    the order of label values. Ctrl+C asks for a copy of the table.
    """

    labelChosen = Signal(int)  # noqa: N815 - Qt's way of writing signals
    placeWanted = Signal(int)  # noqa: N815
    copyWanted = Signal()  # noqa: N815

    def __init__(
        self, columns: Sequence[Column], name: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.figures = FiguresModel(columns)
        self._sorted = _Sorted(self)
        self._sorted.setSourceModel(self.figures)
        self.setModel(self._sorted)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        if hasattr(header, "setSortIndicatorClearable"):  # Qt 6.1
            header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.names = FrozenNames(self)
        self._fit()
        self.setMinimumHeight(5 * ROW_HEIGHT)
        self.selectionModel().currentRowChanged.connect(self._on_row_changed)
        self.activated.connect(self._on_activated)
        shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.copyWanted.emit)

    def set_rows(self, rows: Sequence[Any]) -> None:
        """Show other labels, in the order that was chosen before."""
        self.figures.set_rows(rows)
        self._fit()

    def shown(self) -> list[list[str]]:
        """Return the texts of the cells, row by row as they are sorted."""
        model = self.model()
        return [
            [model.index(r, c).data() for c in range(model.columnCount())]
            for r in range(model.rowCount())
        ]

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the names what the figures leave."""
        super().resizeEvent(event)
        self._widen_names()

    def _fit(self) -> None:
        """Make the figures as wide as their texts."""
        for column in range(1, self.model().columnCount()):
            self.resizeColumnToContents(column)
        self._widen_names()

    def _widen_names(self) -> None:
        """Give the names the width that is left, and never too little."""
        header = self.horizontalHeader()
        rest = sum(header.sectionSize(n) for n in range(1, header.count()))
        header.resizeSection(0, max(NAME_PX, self.viewport().width() - rest))

    def _value(self, index: QModelIndex) -> int:
        """Return the label value of a row as it is sorted."""
        row = self._sorted.mapToSource(index).row()
        return int(self.figures.rows()[row].value)

    def _on_row_changed(self, index: QModelIndex) -> None:
        if index.isValid():
            self.labelChosen.emit(self._value(index))

    def _on_activated(self, index: QModelIndex) -> None:
        self.placeWanted.emit(self._value(index))


class _Sorted(QSortFilterProxyModel):
    """Sorts by the figures themselves; what is not defined comes last either way."""

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Whether one row comes before another one when sorted upwards."""
        first, second = left.data(_ORDER_ROLE), right.data(_ORDER_ROLE)
        if first is None or second is None:
            # Sorted downwards, the row that is less is the later one.
            is_down = self.sortOrder() == Qt.SortOrder.DescendingOrder
            missing = first if is_down else second
            return missing is None and first is not second
        return bool(first < second)


def _side(column: int) -> int:
    """Return names to the left, figures to the right."""
    side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)
