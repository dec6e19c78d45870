"""The table of labels: colour, name, volume in mL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QRect, Qt, Signal
from qtpy.QtGui import QColor, QKeySequence, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QShortcut,
    QTableView,
    QWidget,
)

from napari_mednext.labels import LabelSet
from napari_mednext.ui.wording import millilitres

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["LabelsModel", "LabelsTable"]

ROW_HEIGHT = 24
MOST_VISIBLE_ROWS = 10


class LabelsModel(QAbstractTableModel):
    """Labels as rows, name and volume as columns."""

    def __init__(self) -> None:
        super().__init__()
        self._labels: tuple[Any, ...] = ()
        self._volumes_ml: dict[int, float] = {}
        self._swatches: list[QPixmap] = []

    def set_labels(self, labels: LabelSet) -> None:
        """Show other labels, their volumes unknown."""
        self.beginResetModel()
        self._labels = tuple(labels)
        self._swatches = [_swatch(QColor(*label.color)) for label in self._labels]
        self._volumes_ml = {}
        self.endResetModel()

    def set_volumes(self, volumes_ml: Mapping[int, float]) -> None:
        """Show the volumes of the labels."""
        self._volumes_ml = dict(volumes_ml)
        if self._labels:
            top, bottom = self.index(0, 1), self.index(len(self._labels) - 1, 1)
            self.dataChanged.emit(top, bottom)

    def labels(self) -> LabelSet:
        """Return the labels that are shown."""
        return LabelSet(self._labels)

    def label_value(self, row: int) -> int:
        """Return the label value of a row."""
        return int(self._labels[row].value)

    def volumes_ml(self) -> dict[int, float]:
        """Return label value -> volume in mL, as shown."""
        return dict(self._volumes_ml)

    def as_text(self) -> str:
        """Return the table as tab-separated lines with a heading."""
        lines = ["value\tname\tvolume_ml"]
        for label in self._labels:
            volume = self._volumes_ml.get(label.value)
            text = "" if volume is None else f"{volume:.4f}"
            lines.append(f"{label.value}\t{label.name}\t{text}")
        return "\n".join(lines) + "\n"

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of labels."""
        return 0 if parent is not None and parent.isValid() else len(self._labels)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return two: name and volume."""
        return 0 if parent is not None and parent.isValid() else 2

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
            return ("Label", "Volume (mL)")[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = (
                Qt.AlignmentFlag.AlignRight if section else Qt.AlignmentFlag.AlignLeft
            )
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        label = self._labels[index.row()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            return self._swatches[index.row()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{label.name}: label value {label.value}"
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == 1:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if index.column() == 0:
            return label.name
        volume = self._volumes_ml.get(label.value)
        return "" if volume is None else millilitres(volume)


class LabelsTable(QTableView):
    """Shows a :class:`LabelsModel`; choosing a row chooses the label to paint with.

    Ctrl+C copies the table as tab-separated text.
    """

    labelChosen = Signal(int)  # noqa: N815 - Qt's way of writing signals

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.labels = LabelsModel()
        self.setModel(self.labels)
        self.setToolTip(
            "Labels found, with their volumes; a click chooses the label to paint "
            "with, Ctrl+C copies the table"
        )
        self.setAccessibleName("Labels and volumes")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionsClickable(False)
        self.selectionModel().currentRowChanged.connect(self._on_row_changed)
        shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.copy)

    def set_labels(self, labels: LabelSet) -> None:
        """Show other labels, and be as high as they need, up to ten."""
        self.labels.set_labels(labels)
        rows = min(max(len(labels), 1), MOST_VISIBLE_ROWS)
        self.setFixedHeight(
            rows * ROW_HEIGHT + self.horizontalHeader().sizeHint().height() + 6
        )

    def copy(self) -> None:
        """Put the table on the clipboard."""
        QApplication.clipboard().setText(self.labels.as_text())

    def _on_row_changed(self, index: QModelIndex) -> None:
        if index.isValid():
            self.labelChosen.emit(self.labels.label_value(index.row()))


def _swatch(color: QColor) -> QPixmap:
    """Return a small round square of one colour."""
    picture = QPixmap(28, 28)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    painter.drawRoundedRect(QRect(1, 1, 26, 26), 6, 6)
    painter.end()
    picture.setDevicePixelRatio(2.0)
    return picture
