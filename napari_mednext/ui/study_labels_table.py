"""The labels of a study as a table: colour, name, value, and the key that chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QRect, Qt, Signal
from qtpy.QtGui import QAction, QColor, QFontMetrics, QPainter, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_mednext.labels import LabelSet
from napari_mednext.ui.keys import KEYS

if TYPE_CHECKING:
    from napari_mednext.labels import Label

__all__ = ["StudyLabelsModel", "StudyLabelsTable", "swatch"]

ROW_HEIGHT = 24
MOST_VISIBLE_ROWS = 8
SWATCH, NAME, VALUE, KEY = range(4)
_TITLES = ("", "Label", "Value", "Key")
_TOOLTIPS = (
    "A click changes the colour",
    "A double click changes the name",
    "What the label is in masks",
    "What chooses the label to paint with",
)


class StudyLabelsModel(QAbstractTableModel):
    """Labels as rows; a name that is typed is only asked for, not taken."""

    renameWanted = Signal(int, str)  # noqa: N815 - Qt's way of writing signals

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._labels: tuple[Label, ...] = ()
        self._swatches: list[QPixmap] = []

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels that are shown, in order of value."""
        return self._labels

    def set_labels(self, labels: LabelSet) -> None:
        """Show other labels."""
        self.beginResetModel()
        self._labels = tuple(labels)
        self._swatches = [swatch(label.color) for label in self._labels]
        self.endResetModel()

    def row_of(self, value: int) -> int:
        """Return the row of a label value, -1 without one."""
        values = [label.value for label in self._labels]
        return values.index(value) if value in values else -1

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of labels."""
        return 0 if parent is not None and parent.isValid() else len(self._labels)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return four: colour, name, value and key."""
        return 0 if parent is not None and parent.isValid() else len(_TITLES)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column, or what a click in it does."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TOOLTIPS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(section)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        label, column = self._labels[index.row()], index.column()
        if role == Qt.ItemDataRole.DecorationRole and column == SWATCH:
            return self._swatches[index.row()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{label.name}: label value {label.value}\n{_TOOLTIPS[column]}"
        if role == Qt.ItemDataRole.AccessibleTextRole and column == SWATCH:
            return f"colour of {label.name}"
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(column)
        if role == Qt.ItemDataRole.EditRole and column == NAME:
            return label.name
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        key = KEYS.get(f"label_{index.row() + 1}")
        return (None, label.name, str(label.value), key.text if key else "")[column]

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Say that names can be typed over."""
        flags = super().flags(index)
        return (
            flags | Qt.ItemFlag.ItemIsEditable
            if index.isValid() and index.column() == NAME
            else flags
        )

    def setData(
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Ask for another name; the study decides, and sets the labels again."""
        label = self._labels[index.row()]
        if role != Qt.ItemDataRole.EditRole or index.column() != NAME:
            return False
        if str(value).strip() == label.name:
            return False
        self.renameWanted.emit(label.value, str(value).strip())
        return True


class StudyLabelsTable(QTableView):
    """Shows a :class:`StudyLabelsModel`, at most eight rows high.

    ``chosen`` tells the label value of a row that was chosen, ``colorWanted`` the one
    whose colour is to be changed. Names are changed in their cells.
    """

    chosen = Signal(int)
    colorWanted = Signal(int)  # noqa: N815 - Qt's way of writing signals

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_told = False
        self.labels = StudyLabelsModel(self)
        self.setModel(self.labels)
        self.setToolTip("Labels of the study: a click chooses what is painted with")
        self.setAccessibleName("Labels of the study")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self._size_columns()
        self._add_actions()
        self.set_labels(LabelSet())
        self.selectionModel().currentRowChanged.connect(self._on_row)
        self.clicked.connect(self._on_clicked)

    def set_labels(self, labels: LabelSet) -> None:
        """Show other labels, and be as high as they need, up to eight."""
        value = self.current()
        self.labels.set_labels(labels)
        self.choose(value)
        rows = min(max(len(labels), 2), MOST_VISIBLE_ROWS)
        head = self.horizontalHeader().sizeHint().height()
        self.setFixedHeight(rows * ROW_HEIGHT + head + 4)

    def current(self) -> int | None:
        """Return the label value of the current row, None without one."""
        index = self.currentIndex()
        return self.labels.labels[index.row()].value if index.isValid() else None

    def choose(self, value: int | None) -> None:
        """Show which label is chosen, and tell nobody."""
        row = -1 if value is None else self.labels.row_of(value)
        if row == self.currentIndex().row():
            return
        self._is_told = True
        self.setCurrentIndex(self.labels.index(row, NAME))
        if row < 0:
            self.clearSelection()
        self._is_told = False

    def choose_nth(self, number: int) -> bool:
        """Choose the n-th label, counted from 1; False where there are fewer."""
        index = self.labels.index(number - 1, NAME)
        if index.isValid():
            self.setCurrentIndex(index)
        return bool(index.isValid())

    def edit_name(self, value: int) -> None:
        """Let a name be typed in its cell."""
        index = self.labels.index(self.labels.row_of(value), NAME)
        if index.isValid():
            self.setCurrentIndex(index)
            self.setFocus()
            self.edit(index)

    def _size_columns(self) -> None:
        """Give the names what the others leave."""
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(ROW_HEIGHT)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(ROW_HEIGHT)
        header.setSectionsClickable(False)
        header.setHighlightSections(False)
        metrics = QFontMetrics(self.font())
        for column, text in ((SWATCH, ""), (VALUE, "65535"), (KEY, "Alt+9")):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            width = max(metrics.horizontalAdvance(t) for t in (text, _TITLES[column]))
            header.resizeSection(column, max(width + 20, 32))
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)

    def _add_actions(self) -> None:
        """Offer by the context menu what clicks do."""
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        rename = QAction("Rename (F2)", self)
        rename.triggered.connect(lambda: self.edit_name(self.current() or 0))
        color = QAction("Change the colour…", self)
        color.triggered.connect(self._want_color)
        self.addActions([rename, color])

    def _want_color(self) -> None:
        value = self.current()
        if value is not None:
            self.colorWanted.emit(value)

    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid() and not self._is_told:
            self.chosen.emit(self.labels.labels[index.row()].value)

    def _on_clicked(self, index: QModelIndex) -> None:
        if index.column() == SWATCH:
            self.colorWanted.emit(self.labels.labels[index.row()].value)


def swatch(color: tuple[int, int, int]) -> QPixmap:
    """Return a small round square of one colour."""
    picture = QPixmap(28, 28)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(*color))
    painter.drawRoundedRect(QRect(1, 1, 26, 26), 6, 6)
    painter.end()
    picture.setDevicePixelRatio(2.0)
    return picture


def _side(column: int) -> int:
    """Return names to the left, values to the right, keys in the middle."""
    sides = {VALUE: Qt.AlignmentFlag.AlignRight, KEY: Qt.AlignmentFlag.AlignHCenter}
    side = sides.get(column, Qt.AlignmentFlag.AlignLeft)
    return int(side | Qt.AlignmentFlag.AlignVCenter)
