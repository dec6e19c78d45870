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
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.wording import RESEARCH_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        self._study: Path | None = None
        self._of_study: set[str] = set()
        self._reading = SingleJob(self)
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

    def set_study(self, folder: Path | None) -> None:
        """Offer the versions that a study has of its model, read in a worker.

        To be called again when there are others; None takes those away that are there.
        """
        if folder != self._study:
            self._study = folder
            self._offer(())
        self._reading.drop()
        if folder is not None:
            self._reading.start(
                lambda _: _versions_in(folder), "MedNeXt: reading versions", self._offer
            )

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
        try:
            self._add(_info(folder))
        except MednextError as error:
            self.refused.emit(f"{folder.name}: {explain(error)}")
            return False
        return True

    def _offer(self, infos: Sequence[ModelInfo]) -> None:
        """List the versions of the study; the chosen model stays."""
        now = {str(info.path) for info in infos}
        for key in self._of_study - now - {str(self.models.currentData())}:
            del self._models[key]
            self.models.removeItem(self.models.findData(key))
        for info in infos:
            self._add(info)
        self._of_study = now | (self._of_study & set(self._models))

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


def _info(folder: Path) -> ModelInfo:
    """Return what the list shows of a model folder; ``ModelError`` for a bad one."""
    from napari_mednext.models import ModelFolder, ModelInfo

    opened = ModelFolder.open(folder)
    return ModelInfo(
        name=opened.name,
        title=opened.title,
        path=folder,
        modality=opened.modality,
        labels=opened.labels,
        description=opened.card.description,
        sides=opened.sides,
    )


def _versions_in(study: Path) -> tuple[ModelInfo, ...]:
    """Return the sound versions in the folder of a study."""
    from napari_mednext.app.versions import versions

    return tuple(
        _info(version.path)
        for version in versions(study)
        if version.kind == "version" and not version.problem
    )
