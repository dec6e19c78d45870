"""The labels of a study: which one is painted with, their names and colours."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.errors import MednextError
from napari_mednext.labels import LabelSet
from napari_mednext.ui.controls import Heading, IconButton, allow
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.label_exchange import (
    ImportedLabels,
    LabelExchange,
    counted,
)
from napari_mednext.ui.study_labels_table import StudyLabelsTable
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QAction

    from napari_mednext.study import Study
    from napari_mednext.ui.keys import KeyBinder
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["StudyLabelsPanel"]

NO_STUDY = "no study is open"
NO_CASE = "no case is open"


class StudyLabelsPanel(QWidget):
    """Chooses the label to paint with, and changes the labels of the study.

    Every change is in the study at once, and on screen.

    Parameters
    ----------
    flow : StudyFlow
        Whose study and case.
    parent : QWidget
        The dock.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self._layer: Any = None
        self._exchange = LabelExchange(self)
        self.table = StudyLabelsTable(self)
        self.only = QCheckBox("Only the c&hosen label", self)
        self.add = IconButton("plus", "Add a label", self)
        self.read = QPushButton("&Import…", self)
        self.write = QPushButton("&Export", self)
        self.kinds = self._exchange.menu()
        self._build()
        self._connect()
        self._refresh()

    def bind_keys(self, binder: KeyBinder) -> None:
        """Bind the keys of the first nine labels."""
        for number in range(1, 10):
            binder.bind(f"label_{number}", partial(self._choose_nth, number))
        binder.let_through(self.table)

    def _build(self) -> None:
        """Lay the controls out."""
        self.only.setToolTip("Hide all other labels on screen; nothing is deleted")
        self.only.setAccessibleName("Show only the chosen label")
        self.read.setToolTip("Take names and colours from a file of another program")
        self.write.setToolTip("Write names and colours for another program")
        self.write.setMenu(self.kinds)
        head = QHBoxLayout()
        head.setSpacing(6)
        head.addWidget(Heading("Labels"))
        head.addStretch(1)
        head.addWidget(self.only)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.add)
        for button in (self.read, self.write):
            button.setMinimumHeight(28)
            buttons.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addWidget(self.table)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        """Wire the controls."""
        flow = self._flow
        flow.studyChanged.connect(self._on_study)
        flow.caseOpened.connect(self._on_opened)
        flow.caseClosed.connect(self._on_closed)
        self.table.chosen.connect(self._on_chosen)
        self.table.colorWanted.connect(self._on_color)
        # The cell is still being written when the model asks.
        self.table.labels.renameWanted.connect(
            self._on_renamed, Qt.ConnectionType.QueuedConnection
        )
        self.only.clicked.connect(self._on_only)
        self.add.clicked.connect(self._on_add)
        self.read.clicked.connect(self._on_import)
        self.kinds.triggered.connect(self._on_export)
        self._exchange.imported.connect(self._on_imported)
        self._exchange.said.connect(flow.said)

    # ---- choosing ----

    def _choose_nth(self, number: int) -> None:
        """Paint with the n-th label of the table."""
        if not self.table.choose_nth(number):
            self._flow.said.emit(f"There is no label {number} in the table.", "info")

    def _on_chosen(self, value: int) -> None:
        """Paint with a label, where the voxels can hold it."""
        layer = self._flow.layer
        if layer is None:
            return
        if value > np.iinfo(layer.data.dtype).max:
            self._say_too_wide()
            self.table.choose(layer.selected_label)
        else:
            layer.selected_label = value

    def _on_layer_label(self, *_: object) -> None:
        self.table.choose(self._layer.selected_label)

    def _on_only(self, is_checked: bool) -> None:  # noqa: FBT001 - a Qt slot
        if self._flow.layer is not None:
            self._flow.layer.show_selected_label = is_checked

    def _on_layer_only(self, *_: object) -> None:
        self.only.setChecked(self._layer.show_selected_label)

    # ---- changing ----

    def _on_renamed(self, value: int, name: str) -> None:
        name = name.strip()
        if not name:
            self._flow.said.emit("A label must have a name: the old one stays.", "info")
            self._refresh()
        elif self._change(lambda study: study.rename_label(value, name)):
            alike = [x for x in self.table.labels.labels if x.name == name]
            if len(alike) > 1:
                text = f"{len(alike)} labels are called {name} now."
                self._flow.said.emit(text, "warning")

    def _on_color(self, value: int) -> None:
        """Ask for another colour of a label."""
        if self._flow.study is None:
            return
        label = self.table.labels.labels[self.table.labels.row_of(value)]
        color = QColorDialog.getColor(
            QColor(*label.color), self, f"Colour of {label.name}"
        )
        if color.isValid():
            rgb = (color.red(), color.green(), color.blue())
            self._change(lambda study: study.recolor_label(value, rgb))

    def _on_add(self) -> None:
        """Add a label, choose it, and let its name be typed."""
        highest = max((label.value for label in self.table.labels.labels), default=0)
        if not self._change(lambda study: study.add_label(f"label {highest + 1}")):
            return
        value = max(label.value for label in self.table.labels.labels)
        layer = self._flow.layer
        if layer is not None and value > np.iinfo(layer.data.dtype).max:
            self._say_too_wide()
            return
        self.table.edit_name(value)

    def _on_import(self) -> None:
        if self._flow.study is not None:
            self._exchange.read(self._flow.study, self._flow.case)

    def _on_imported(self, found: ImportedLabels) -> None:
        """Put imported labels into the study, and say what was kept."""
        if not self._change(lambda study: study.set_labels(found.labels)):
            return
        lines = [f"Imported {counted(found.count)}."]
        if found.kept:
            names = ", ".join(found.kept[:5]) + (", …" if len(found.kept) > 5 else "")
            lines.append(
                f"Kept {counted(len(found.kept))} that the file does not name, since "
                f"masks have or may have them: {names}."
            )
        lines += [sentence(note) for note in found.notes]
        if self._is_too_wide(found.labels):
            lines.append(self._too_wide())
        self._flow.said.emit("\n".join(lines), "warning" if lines[1:] else "done")

    def _on_export(self, action: QAction) -> None:
        if self._flow.study is not None:
            self._exchange.write(self._flow.study, action.data())

    def _change(self, change: Callable[[Study], object]) -> bool:
        """Change the labels of the study, and show what they are then."""
        study = self._flow.study
        if study is None:
            return False
        try:
            change(study)
        except MednextError as error:
            self._flow.said.emit(explain(error), "error")
            self._refresh()
            return False
        self._refresh()
        return True

    # ---- following ----

    def _on_study(self) -> None:
        self._exchange.drop()
        self._refresh()

    def _on_opened(self, _: object) -> None:
        """Follow the layer of the case that was opened."""
        self._unfollow()
        self._layer = layer = self._flow.layer
        if layer is not None:
            layer.show_selected_label = self.only.isChecked()
            layer.events.selected_label.connect(self._on_layer_label)
            layer.events.show_selected_label.connect(self._on_layer_only)
        self._refresh()

    def _on_closed(self, _: object) -> None:
        self._unfollow()
        self._refresh()

    def _unfollow(self) -> None:
        """Let go of the layer that was followed."""
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.events.selected_label.disconnect(self._on_layer_label)
            layer.events.show_selected_label.disconnect(self._on_layer_only)

    def _refresh(self) -> None:
        """Show the labels of the study, here and on screen; enable what fits."""
        study = self._flow.study
        reason = NO_STUDY if study is None else None
        for control in (self.table, self.add, self.read, self.write):
            allow(control, reason)
        allow(self.only, None if self._layer is not None else reason or NO_CASE)
        try:
            labels = study.labels if study is not None else LabelSet()
        except MednextError as error:
            self._flow.said.emit(explain(error), "error")
            return
        self.table.set_labels(labels)
        self._show_on_screen(labels)
        if self._layer is not None:
            self.table.choose(self._layer.selected_label)

    def _show_on_screen(self, labels: LabelSet) -> None:
        """Give the case in hand the labels: one made ready ahead has older ones."""
        case, layers = self._flow.case, self._flow.layers
        if case is None or layers is None or case.labels == labels:
            return
        case.labels = labels
        layers.set_labels(labels)
        # Other colours do not know what is hidden (napari 0.9.2).
        layers.labels.show_selected_label = self.only.isChecked()

    def _is_too_wide(self, labels: LabelSet) -> bool:
        """Whether the voxels in hand cannot hold some label."""
        layer = self._flow.layer
        highest = max((label.value for label in labels), default=0)
        return layer is not None and highest > np.iinfo(layer.data.dtype).max

    def _too_wide(self) -> str:
        """Return what is said of such a label."""
        name = self._flow.case.name if self._flow.case is not None else "the case"
        return (
            f"Labels above 255 can be painted when {name} is opened again: go to "
            "another case and back."
        )

    def _say_too_wide(self) -> None:
        self._flow.said.emit(self._too_wide(), "warning")
