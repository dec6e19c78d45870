"""The first column of a table, kept in sight while the others are scrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHeaderView, QTableView

if TYPE_CHECKING:
    from qtpy.QtCore import QEvent, QObject

__all__ = ["FrozenNames"]


class FrozenNames(QTableView):
    """Lies over the first column of a table and shows the same.

    Selection, sorting and the vertical place are those of the table. Make it when the
    table has its model and is sorted by clicks on its headings.

    Parameters
    ----------
    table : QTableView
        Which it belongs to.
    """

    def __init__(self, table: QTableView) -> None:
        super().__init__(table)
        self._table = table
        self.setModel(table.model())
        # One model of selections for both; the one that Qt made for this is not needed.
        own = self.selectionModel()
        self.setSelectionModel(table.selectionModel())
        own.deleteLater()
        for column in range(1, table.model().columnCount()):
            self.setColumnHidden(column, True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setToolTip(table.toolTip())
        for settle in (
            self.setHorizontalScrollBarPolicy,
            self.setVerticalScrollBarPolicy,
        ):
            settle(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionBehavior(table.selectionBehavior())
        self.setSelectionMode(table.selectionMode())
        self.setVerticalScrollMode(table.verticalScrollMode())
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(
            table.verticalHeader().defaultSectionSize()
        )
        self._share_header(table.horizontalHeader())
        self._share_scrolling()
        self.activated.connect(table.activated.emit)
        for part in (table.viewport(), self.viewport()):
            part.installEventFilter(self)
        self.place()

    def place(self) -> None:
        """Lie over the first column, as wide as that is."""
        table, header = self._table, self._table.horizontalHeader()
        width = table.columnWidth(0)
        self.setColumnWidth(0, width)
        self.horizontalHeader().setFixedHeight(header.height())
        # A theme may give this a border of its own, which lies outside then.
        left, top = self.viewport().x(), self.horizontalHeader().y()
        self.setGeometry(
            table.viewport().x() - left,
            header.y() - top,
            width + 2 * left,
            header.height() + table.viewport().height() + 2 * top,
        )

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the table, and of the border that a theme gives this."""
        if event.type() in (event.Type.Resize, event.Type.Move, event.Type.Show):
            self.place()
        return bool(super().eventFilter(watched, event))

    def _share_header(self, theirs: QHeaderView) -> None:
        """Sort with the table; each header has an arrow of its own."""
        ours = self.horizontalHeader()
        ours.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        ours.setSectionsClickable(True)
        ours.setSortIndicatorShown(True)
        if hasattr(ours, "setSortIndicatorClearable"):  # Qt 6.1
            ours.setSortIndicatorClearable(True)
        ours.setSortIndicator(
            theirs.sortIndicatorSection(), theirs.sortIndicatorOrder()
        )
        ours.sortIndicatorChanged.connect(theirs.setSortIndicator)
        theirs.sortIndicatorChanged.connect(ours.setSortIndicator)
        theirs.sectionResized.connect(lambda *_: self.place())

    def _share_scrolling(self) -> None:
        """Stand at the same row as the table."""
        ours, theirs = self.verticalScrollBar(), self._table.verticalScrollBar()
        theirs.valueChanged.connect(ours.setValue)
        ours.valueChanged.connect(theirs.setValue)
