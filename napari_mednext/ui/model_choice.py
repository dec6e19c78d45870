"""Choosing one of the installed models, another folder, or none, in one line."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QWidget

from napari_mednext.errors import MednextError
from napari_mednext.ui.controls import IconButton, allow
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.wording import RESEARCH_ONLY

if TYPE_CHECKING:
    from napari_mednext.app import Session
    from napari_mednext.models import ModelInfo

__all__ = ["ModelChoice"]

_NONE = "No model"
_TOOLTIP = int(Qt.ItemDataRole.ToolTipRole)
_HINT = "The model that segments a case when it is opened for the first time"


class ModelChoice(QWidget):
    """A list of models with a button for a folder that is not among them.

    ``modelChosen`` follows what a person does, not what the program sets;
    ``refused`` brings a sentence about a folder that cannot be used.

    Parameters
    ----------
    session : Session
        Whose installed models are offered.
    parent : QWidget, optional
        As for any widget.
    """

    modelChosen = Signal()  # noqa: N815 - Qt's way of writing signals
    refused = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._models: dict[str, ModelInfo] = {}
        self.models = QComboBox(self)
        self.models.setToolTip(_HINT)
        self.models.setAccessibleName("Model")
        self.models.setMinimumContentsLength(8)
        self.models.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.open_folder = IconButton(
            "folder", "Use a model folder from disk (nnU-Net's layout)", self
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.models, 1)
        layout.addWidget(self.open_folder)
        self.setFocusProxy(self.models)
        self.models.addItem(_NONE, "")
        self.models.setItemData(0, "Cases are opened without labels", _TOOLTIP)
        for info in session.models():
            self._add(info)
        self.models.activated.connect(lambda _: self.modelChosen.emit())
        self.open_folder.clicked.connect(self._on_open_folder)

    def chosen(self) -> ModelInfo | None:
        """Return the chosen model, None for none."""
        return self._models.get(str(self.models.currentData()))

    def path(self) -> Path | None:
        """Return the folder of the chosen model, None for none."""
        model = self.chosen()
        return model.path if model is not None else None

    def set_path(self, path: str | Path | None) -> None:
        """Show the model of a folder or a name as chosen; one that is gone is none."""
        wanted = "" if path is None else str(path)
        by_name = {info.name: key for key, info in self._models.items()}
        wanted = by_name.get(wanted, wanted)
        if wanted and wanted not in self._models:
            self._read(Path(wanted))
        self.models.setCurrentIndex(max(self.models.findData(wanted), 0))

    def use_folder(self, folder: Path) -> None:
        """Choose a model folder that is not installed; a bad one is refused."""
        if self._read(folder):
            self.models.setCurrentIndex(self.models.findData(str(folder)))
            self.modelChosen.emit()

    def allow(self, reason: str | None) -> None:
        """Enable both controls, or say why they cannot be used now."""
        allow(self.models, reason)
        allow(self.open_folder, reason)

    def _read(self, folder: Path) -> bool:
        """Add the model of a folder, and say whether it can be used."""
        from napari_mednext.models import ModelFolder, ModelInfo

        try:
            opened = ModelFolder.open(folder)
        except MednextError as error:
            self.refused.emit(f"{folder.name}: {explain(error)}")
            return False
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
        return True

    def _add(self, info: ModelInfo) -> None:
        """Add a model to the list."""
        key = str(info.path)
        if key in self._models:
            return
        self._models[key] = info
        self.models.addItem(info.title or info.name, key)
        names = ", ".join(label.name for label in info.labels)
        lines = [info.description, names, RESEARCH_ONLY]
        text = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
        self.models.setItemData(self.models.count() - 1, text, _TOOLTIP)

    def _on_open_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Use a model folder")
        if chosen:
            self.use_folder(Path(chosen))
