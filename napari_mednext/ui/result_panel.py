"""What a segmentation found: labels, their volumes, and the way to disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.bridge import segmentation_of
from napari_mednext.ui.controls import Heading, IconButton, allow
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.labels_table import LabelsTable
from napari_mednext.ui.quality_bar import QualityBar
from napari_mednext.ui.wording import millilitres

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_mednext.app import Session
    from napari_mednext.labels import LabelSet
    from napari_mednext.ui.live_labels import LiveLabels
    from napari_mednext.volume import Segmentation, SourceHeader

__all__ = ["ResultPanel", "default_mask_path"]

#: Volumes are measured again this long after the last stroke, in ms.
MEASURE_MS = 700
MASK_FILTERS = "NIfTI (*.nii.gz *.nii);;NRRD (*.nrrd);;MetaImage (*.mha *.mhd)"


class ResultPanel(QWidget):
    """The table of labels with their volumes, and the button that saves them.

    The volumes follow the user's corrections.
    """

    savingStarted = Signal()  # noqa: N815 - Qt's way of writing signals
    savingEnded = Signal()  # noqa: N815
    saved = Signal(Path)
    failed = Signal(str)

    def __init__(
        self, viewer: Any, session: Session, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._session = session
        self._live: LiveLabels | None = None
        self._job: Job | None = None
        self.quality = QualityBar(self)
        self.table = LabelsTable(self)
        self.total = QLabel(self)
        self.save = QPushButton("Sa&ve mask…", self)
        self.save.setToolTip("Write the labels on the grid of the scanner (Ctrl+S)")
        self.save.setMinimumHeight(30)
        self.copy = IconButton("copy", "Copy the table as tab-separated text")
        self._timer = QTimer(self)
        self._timer.setInterval(MEASURE_MS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_measure)
        self.save.clicked.connect(self._on_save)
        self.copy.clicked.connect(self.table.copy)
        self.table.labelChosen.connect(self._on_label_chosen)
        self._build()

    def _build(self) -> None:
        """Lay the controls out."""
        head = QHBoxLayout()
        head.addWidget(Heading("Labels"))
        head.addStretch(1)
        head.addWidget(self.total)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.save, 1)
        buttons.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.quality)
        layout.addLayout(head)
        layout.addWidget(self.table)
        layout.addLayout(buttons)

    @property
    def live(self) -> LiveLabels | None:
        """The labels that are shown, None before the first segmentation."""
        return self._live

    def set_labels(self, labels: LabelSet) -> None:
        """Show labels whose volumes are not known yet."""
        self._live = None
        self.quality.clear()
        self.table.set_labels(labels)
        self.total.clear()

    def set_volumes(self, volumes_ml: Mapping[int, float]) -> None:
        """Show the volumes and their sum."""
        self.table.labels.set_volumes(volumes_ml)
        self.total.setText(f"{millilitres(sum(volumes_ml.values()))} mL in all")

    def follow(self, live: LiveLabels) -> None:
        """Belong to a labels layer from now on: measure, choose and save there."""
        self._live = live
        live.layer.events.paint.connect(self._on_painted)
        live.layer.events.set_data.connect(self._on_painted)

    def allow_save(self, busy: str | None) -> None:
        """Enable saving, or say why it is not possible now."""
        reason = busy
        if reason is None and self._live is None:
            reason = "nothing is segmented yet"
        if reason is None and not self._is_there():
            reason = "the labels layer was removed"
        allow(self.save, reason)

    def segmentation(self) -> Segmentation | None:
        """Return a copy of the labels as they are now, corrections and all."""
        if self._live is None or not self._is_there():
            return None
        layer = self._live.layer
        return segmentation_of(np.array(layer.data), layer)

    def save_to(self, path: Path) -> None:
        """Save the labels, replacing a file that is there; a signal tells the end.

        Parameters
        ----------
        path : Path
            A name without a known ending becomes ``.nii.gz``.
        """
        from napari_mednext.formats import WRITABLE_ENDINGS

        segmentation = self.segmentation()
        if segmentation is None:
            self.failed.emit("There is no labels layer to save: press Segment first.")
            return
        if not path.name.lower().endswith(WRITABLE_ENDINGS) and not path.suffix:
            path = path.with_name(f"{path.name}.nii.gz")
        self._job = Job(
            lambda _: self._session.save_mask(segmentation, path, overwrite=True),
            f"MedNeXt: saving {path.name}",
        )
        self._job.succeeded.connect(self.saved.emit)
        self._job.failed.connect(lambda error: self.failed.emit(explain(error)))
        self._job.ended.connect(self.savingEnded.emit)
        self.savingStarted.emit()
        self._job.start()

    def default_path(self) -> Path:
        """Return where the mask is saved unless the user says otherwise."""
        segmentation = self.segmentation()
        if segmentation is None or self._live is None:
            return Path.home() / "mask.nii.gz"
        return default_mask_path(segmentation.source, self._live.layer.name)

    def _is_there(self) -> bool:
        """Whether the labels layer is in the viewer."""
        return self._live is not None and self._live.layer in self._viewer.layers

    def _on_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save mask", str(self.default_path()), MASK_FILTERS
        )
        if chosen:
            self.save_to(Path(chosen))

    def _on_label_chosen(self, value: int) -> None:
        if self._live is not None and self._is_there():
            self._live.layer.selected_label = value

    def _on_painted(self, event: Any = None) -> None:
        del event
        if self._live is not None and self._live.is_edited:
            self._timer.start()

    def _on_measure(self) -> None:
        """Measure the labels again after they were corrected."""
        segmentation = self.segmentation()
        if segmentation is None:
            return
        job = Job(lambda _: segmentation.volumes_ml(), "MedNeXt: measuring labels")
        job.succeeded.connect(self.set_volumes)
        self._job = job
        job.start()


def default_mask_path(source: SourceHeader, name: str) -> Path:
    """Return the path of a mask: beside its scan, in the home folder when read-only.

    Parameters
    ----------
    source : SourceHeader
        Of the scan.
    name : str
        What the labels are called, for scans that come from no file.
    """
    from napari_mednext.formats import mask_name

    if source.path is None:
        return Path.home() / f"{name.replace('/', '-')}.nii.gz"
    folder = source.path.parent
    if not os.access(folder, os.W_OK) or "site-packages" in folder.parts:
        folder = Path.home()
    return folder / f"{mask_name(source.path.name)}_mask.nii.gz"
