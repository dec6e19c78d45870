"""Choosing where the labels of a new study come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QWidget,
)

from napari_mednext.errors import MednextError
from napari_mednext.labels import LabelSet
from napari_mednext.ui.controls import IconButton, allow
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from napari_mednext.models import ModelInfo

__all__ = ["LabelsChoice"]

#: So many names are shown below; the tooltip has them all.
_TOLD = 6
_LIST, _MODEL, _TABLE, _NONE = "list", "model", "table", "none"
_TABLE_HINT = "Read labels from a table (ITK-SNAP, 3D Slicer, nnU-Net, MITK)"


class LabelsChoice(QWidget):
    """Labels of the list, of the model, of a table file, or none yet.

    ``told`` brings what there is to say of a table, and its level.

    Parameters
    ----------
    parent : QWidget, optional
        As for any widget.
    """

    told = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sets: dict[str, LabelSet] = {}
        self._table_name = ""
        self._is_chosen = False
        self.where = QComboBox(self)
        self.where.setToolTip("Where the names, colours and values come from")
        self.where.setAccessibleName("Labels of the study")
        self.open_table = IconButton("file", _TABLE_HINT, self)
        #: Names the labels; whoever lays this out puts it where there is room.
        self.line = QLabel(parent)
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.where, 1)
        layout.addWidget(self.open_table)
        self.setFocusProxy(self.where)
        self.where.activated.connect(self._on_chosen)
        self.open_table.clicked.connect(self._on_open_table)
        self._fill("")

    def labels(self) -> LabelSet:
        """Return the chosen labels; empty for none yet."""
        return self._sets.get(str(self.where.currentData()), LabelSet())

    def offer(self, listed: LabelSet, model: ModelInfo | None) -> None:
        """Offer the labels of a list and of a model; what was chosen stays.

        Parameters
        ----------
        listed : LabelSet
            Those of the list of cases; may be empty.
        model : ModelInfo or None
            The model that segments the cases.
        """
        offers = {_LIST: listed, _MODEL: LabelSet() if model is None else model.labels}
        table = {k: v for k, v in self._sets.items() if k == _TABLE}
        self._sets = {k: v for k, v in offers.items() if len(v)} | table
        self._fill(str(self.where.currentData()) if self._is_chosen else "")

    def use_table(self, path: Path) -> None:
        """Take the labels of a table file; a bad one gets a sentence."""
        from napari_mednext.formats.tables import read_table

        try:
            table = read_table(path)
        except MednextError as error:
            self.told.emit(explain(error), "error")
            self._fill("")
            return
        self._sets[_TABLE], self._table_name = table.labels, path.name
        self._is_chosen = True
        self._fill(_TABLE)
        self.told.emit("\n".join(map(sentence, table.notes)), "warning")

    def allow(self, reason: str | None) -> None:
        """Enable the controls, or say why they cannot be used now."""
        allow(self.where, reason)
        allow(self.open_table, reason)

    def _fill(self, wanted: str) -> None:
        """List where labels can come from, and show the wanted or the first one."""
        titles = {
            _LIST: "Of the list",
            _MODEL: "Of the model",
            _TABLE: f"Of {self._table_name}",
        }
        self.where.clear()
        for key, title in titles.items():
            if key in self._sets:
                self.where.addItem(f"{title} ({len(self._sets[key])})", key)
        self.where.addItem("None yet", _NONE)
        if _TABLE not in self._sets:
            self.where.addItem("From a table…", _TABLE)
        self.where.setCurrentIndex(max(self.where.findData(wanted), 0))
        names = [label.name for label in self.labels()]
        text = ", ".join(names[:_TOLD])
        if len(names) > _TOLD:
            text += f" and {len(names) - _TOLD} more"
        self.line.setText(text or "Labels can be added in the study.")
        self.line.setToolTip(", ".join(names))

    def _on_chosen(self) -> None:
        key = str(self.where.currentData())
        if key == _TABLE and _TABLE not in self._sets:
            self._on_open_table()
            return
        self._is_chosen = True
        self._fill(key)

    def _on_open_table(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Label table")
        if chosen:
            self.use_table(Path(chosen))
        else:
            self._fill(str(self.where.currentData()) if self._is_chosen else "")
