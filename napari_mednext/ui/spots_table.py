"""The doubtful spots of a case as a table: seen, number, label, size and doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QFontMetrics, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_mednext.ui.controls import text_color
from napari_mednext.ui.study_labels_table import swatch
from napari_mednext.ui.wording import millilitres

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_mednext.correction.spots import Spot
    from napari_mednext.labels import LabelSet

__all__ = ["SpotsModel", "SpotsTable"]

ROW_HEIGHT = 24
FEWEST_VISIBLE_ROWS = 6
SEEN, NUMBER, LABEL, VOLUME, DOUBT = range(5)
_TITLES = ("", "#", "Label", "mL", "Doubt")
_TOOLTIPS = (
    "Whether somebody has looked at it",
    "Place in the list, the biggest first",
    "The most frequent label in it",
    "Volume",
    "Mean doubt: 0 % certain, 100 % undecided between all labels",
)
#: How much of the text's colour is left of spots that are done, of 255.
FADED = 130
UNLABELLED = "no label"


class SpotsModel(QAbstractTableModel):
    """Spots as rows; a tick is only asked for, not taken.

    Parameters
    ----------
    parent : QWidget
        Its colour of text is used.
    """

    seenWanted = Signal(int, bool)  # noqa: N815 - Qt's way of writing signals

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        self._spots: tuple[Spot, ...] = ()
        self._seen: frozenset[int] = frozenset()
        self._reviewed: frozenset[int] = frozenset()
        self._names: dict[int, str] = {}
        self._swatches: dict[int, QPixmap] = {}

    @property
    def spots(self) -> tuple[Spot, ...]:
        """The spots that are shown, in order of their numbers."""
        return self._spots

    def set_spots(self, spots: Sequence[Spot], labels: LabelSet) -> None:
        """Show other spots; none of them is seen."""
        self.beginResetModel()
        self._spots = tuple(spots)
        self._seen = self._reviewed = frozenset()
        self._take_labels(labels)
        self.endResetModel()

    def set_done(self, seen: Collection[int], reviewed: Collection[int]) -> None:
        """Show by number which spots were seen, and which are wholly reviewed."""
        self._seen, self._reviewed = frozenset(seen), frozenset(reviewed)
        self._tell()

    def set_labels(self, labels: LabelSet) -> None:
        """Show other names and colours."""
        self._take_labels(labels)
        self._tell()

    def is_done(self, number: int) -> bool:
        """Whether a spot was seen, or nothing of it is left to look at."""
        return number in self._seen or number in self._reviewed

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of spots."""
        return 0 if parent is not None and parent.isValid() else len(self._spots)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return five: seen, number, label, volume and doubt."""
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
            return _TOOLTIPS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(section)
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Say that ticks can be set, but for what is reviewed."""
        flags = super().flags(index)
        if not index.isValid() or index.column() != SEEN:
            return flags
        if self._spots[index.row()].number in self._reviewed:
            return flags & ~Qt.ItemFlag.ItemIsEnabled
        return flags | Qt.ItemFlag.ItemIsUserCheckable

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        spot, column = self._spots[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(spot, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == SEEN:
            is_done = self.is_done(spot.number)
            return Qt.CheckState.Checked if is_done else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DecorationRole and column == LABEL:
            return self._swatches.get(spot.label)
        if role == Qt.ItemDataRole.ForegroundRole and self.is_done(spot.number):
            return self._faded()
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tooltip(spot, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(column)
        return None

    def setData(
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Ask for a spot to be seen, or to be seen again."""
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != SEEN:
            return False
        is_seen = Qt.CheckState(value) == Qt.CheckState.Checked
        self.seenWanted.emit(self._spots[index.row()].number, is_seen)
        return True

    def _text(self, spot: Spot, column: int) -> str | None:
        """Return the text of a cell."""
        return (
            None,
            str(spot.number),
            self._names.get(spot.label, f"label {spot.label}"),
            millilitres(spot.volume_ml),
            f"{100 * spot.mean_doubt:.0f} %",
        )[column]

    def _tooltip(self, spot: Spot, column: int) -> str:
        """Return what a cell tells under the mouse."""
        if column == SEEN:
            if spot.number in self._reviewed:
                return "All that is doubtful here is reviewed"
            if spot.number in self._seen:
                return "Somebody has seen it; untick it to be led here again"
            return "Nobody has seen it"
        return f"Spot {spot.number}: {self._text(spot, LABEL)}. A click goes there"

    def _faded(self) -> QColor:
        color = text_color(self._widget)
        color.setAlpha(FADED)
        return color

    def _take_labels(self, labels: LabelSet) -> None:
        """Keep names and swatches by label value."""
        self._names = {0: UNLABELLED} | labels.names
        self._swatches = {label.value: swatch(label.color) for label in labels}

    def _tell(self) -> None:
        """Have everything drawn again."""
        if self._spots:
            last = self.index(len(self._spots) - 1, DOUBT)
            self.dataChanged.emit(self.index(0, 0), last)


class SpotsTable(QTableView):
    """Shows a :class:`SpotsModel`.

    ``placeWanted`` tells the number of a spot that somebody wants to go to.
    """

    placeWanted = Signal(int)  # noqa: N815 - Qt's way of writing signals

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spots = SpotsModel(self)
        self.setModel(self.spots)
        self.setToolTip("Doubtful spots: a click goes there")
        self.setAccessibleName("Doubtful spots")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self._size_columns()
        head = self.horizontalHeader().sizeHint().height()
        self.setMinimumHeight(FEWEST_VISIBLE_ROWS * ROW_HEIGHT + head + 4)
        self.clicked.connect(self._on_clicked)
        self.activated.connect(self._on_clicked)

    def choose(self, number: int) -> None:
        """Show which spot is looked at, and tell nobody."""
        numbers = [spot.number for spot in self.spots.spots]
        if number in numbers:
            self.setCurrentIndex(self.spots.index(numbers.index(number), LABEL))

    def _size_columns(self) -> None:
        """Give the labels what the others leave."""
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(ROW_HEIGHT)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(ROW_HEIGHT)
        header.setSectionsClickable(False)
        header.setHighlightSections(False)
        metrics = QFontMetrics(self.font())
        for column, text in (
            (SEEN, ""),
            (NUMBER, "200"),
            (VOLUME, "99.99"),
            (DOUBT, "100 %"),
        ):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            width = max(metrics.horizontalAdvance(t) for t in (text, _TITLES[column]))
            header.resizeSection(column, max(width + 16, 30))
        header.setSectionResizeMode(LABEL, QHeaderView.ResizeMode.Stretch)

    def _on_clicked(self, index: QModelIndex) -> None:
        if index.isValid() and index.column() != SEEN:
            self.placeWanted.emit(self.spots.spots[index.row()].number)


def _side(column: int) -> int:
    """Return names to the left, numbers to the right."""
    side = (
        Qt.AlignmentFlag.AlignLeft
        if column in (SEEN, LABEL)
        else Qt.AlignmentFlag.AlignRight
    )
    return int(side | Qt.AlignmentFlag.AlignVCenter)
