"""Choosing the model and where it runs."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.errors import MednextError
from napari_mednext.ui.controls import IconButton, Notice, labelled
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.remembering import recall, remember
from napari_mednext.ui.wording import RESEARCH_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.app import Session
    from napari_mednext.labels import LabelSet
    from napari_mednext.models import ModelInfo

__all__ = ["DEVICE_TITLES", "ModelPicker"]

#: Device name -> what people call it.
DEVICE_TITLES = {
    "auto": "Automatic",
    "cpu": "Processor (CPU)",
    "mps": "Apple GPU",
    "cuda": "NVIDIA GPU",
}
#: So many label names are listed on the card.
NAMED_LABELS = 4
SIDES_HINT = (
    "Give the left and right parts of paired labels names, colours and values of "
    "their own (100 and 200 more); the middle is found by symmetry"
)


class ModelPicker(QWidget):
    """The installed models with a short card, sides where there are, and devices."""

    modelChanged = Signal()  # noqa: N815 - Qt's way of writing signals

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._models: dict[str, ModelInfo] = {}
        self.models = QComboBox(self)
        self.models.setToolTip("The model that does the segmentation")
        self.models.setAccessibleName("Model")
        self.models.setMinimumContentsLength(8)
        self.models.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.open_folder = IconButton(
            "folder", "Use a model folder from disk (nnU-Net's layout)"
        )
        self.devices = QComboBox(self)
        self.devices.setToolTip(
            "Where the model runs; Automatic takes a GPU when there is one"
        )
        self.devices.setAccessibleName("Device")
        self.card = QLabel(self)
        self.card.setWordWrap(True)
        self.problem_notice = Notice(self)
        self.sides = QCheckBox("&Left and right", self)
        self.sides.setToolTip(SIDES_HINT)
        self.sides.setChecked(recall("sides"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(labelled("&Model", self.models, self.open_folder))
        layout.addWidget(self.card)
        layout.addWidget(self.problem_notice)
        layout.addWidget(self.sides)
        layout.addLayout(labelled("D&evice", self.devices))
        self.models.currentIndexChanged.connect(self._on_chosen)
        self.open_folder.clicked.connect(self._on_open_folder)
        self.sides.clicked.connect(lambda is_on: remember("sides", value=is_on))
        self.set_devices(("cpu",))
        self.refresh()

    def model(self) -> ModelInfo | None:
        """Return the chosen model, None when none is installed."""
        return self._models.get(str(self.models.currentData()))

    def labels(self) -> LabelSet:
        """Return the labels of the chosen model."""
        from napari_mednext.labels import LabelSet

        model = self.model()
        return model.labels if model is not None else LabelSet()

    def tells_sides(self) -> bool:
        """Whether left and right are to be told apart, and the model can."""
        model = self.model()
        return model is not None and model.sides is not None and self.sides.isChecked()

    def device(self) -> str:
        """Return the chosen device."""
        return str(self.devices.currentData())

    def problem(self) -> str | None:
        """Return why there is no model to run, None when there is one."""
        if self.model() is None:
            return "no model is installed: choose a model folder"
        return None

    def set_devices(self, names: Sequence[str]) -> None:
        """Offer the devices of this machine, besides Automatic."""
        offered = ["auto", *names]
        if offered == [self.devices.itemData(i) for i in range(self.devices.count())]:
            return
        chosen = self.devices.currentData()
        self.devices.clear()
        for name in offered:
            kind, _, number = name.partition(":")
            title = DEVICE_TITLES.get(kind, name) + (f" {number}" if number else "")
            self.devices.addItem(title, name)
        self.devices.setCurrentIndex(max(self.devices.findData(chosen), 0))

    def refresh(self) -> None:
        """List the installed models again."""
        for info in self._session.models():
            self._add(info)
        self._on_chosen()

    def use_folder(self, folder: Path) -> None:
        """Choose a model folder that is not installed; a bad one gets a sentence."""
        from napari_mednext.models import ModelFolder, ModelInfo

        try:
            opened = ModelFolder.open(folder)
        except MednextError as error:
            self.problem_notice.say(f"{folder.name}: {explain(error)}", "error")
            return
        self._add(
            ModelInfo(
                name=opened.name,
                title=opened.title,
                path=folder,
                modality=opened.modality,
                labels=opened.labels,
                description=opened.card.description,
                sides=opened.sides,
            )
        )
        self.models.setCurrentIndex(self.models.findData(str(folder)))

    def _add(self, info: ModelInfo) -> None:
        """Add a model to the list."""
        key = str(info.path)
        if key not in self._models:
            self._models[key] = info
            self.models.addItem(info.title or info.name, key)

    def _on_chosen(self, index: int = 0) -> None:
        del index
        model = self.model()
        problem = self.problem()
        self.problem_notice.say("")
        self.sides.setVisible(model is not None and model.sides is not None)
        if model is None:
            self.card.clear()
            self.problem_notice.say(f"{problem}.".capitalize(), "warning")
        else:
            self.card.setText(_card(model))
            names = ", ".join(label.name for label in model.labels)
            text = f"<p>{escape(model.description)}</p><p>{escape(names)}</p>"
            self.card.setToolTip(text)
        self.modelChanged.emit()

    def _on_open_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Use a model folder")
        if chosen:
            self.use_folder(Path(chosen))


def _card(model: ModelInfo) -> str:
    """Return what a model is in a few lines."""
    names = [label.name for label in model.labels]
    listed = ", ".join(names[:NAMED_LABELS])
    if len(names) > NAMED_LABELS:
        listed += f" and {len(names) - NAMED_LABELS} more"
    head = " · ".join(p for p in (model.modality, f"{len(names)} labels") if p)
    return f"{escape(head)}: {escape(listed)}.<br><i>{RESEARCH_ONLY}</i>"
