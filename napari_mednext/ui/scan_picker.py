"""Choosing the scan: a layer of the viewer, or one more from disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.errors import MednextError
from napari_mednext.ui import samples
from napari_mednext.ui.bridge import layer_grid, layer_origin
from napari_mednext.ui.controls import DropArea, IconButton, Notice, labelled
from napari_mednext.ui.upright import Upright
from napari_mednext.ui.wording import grid_lines, grid_notes, sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image
    from qtpy.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent

__all__ = ["ScanPicker"]

#: Title -> what opens it.
SAMPLES: dict[str, Callable[[], list[Any]]] = {
    "Head MR (Colin27)": samples.head_mr,
    "Head MR with reference labels": samples.head_mr_with_reference,
    "Abdomen CT, small": samples.abdomen_ct,
    "Abdomen MR, small": samples.abdomen_mr,
}


class ScanPicker(QWidget):
    """A list of the image layers, buttons to open more, and facts about the chosen one.

    With no image in the viewer it shows where to drop a scan instead.
    """

    scanChanged = Signal()  # noqa: N815 - Qt's way of writing signals
    openRequested = Signal(list)  # noqa: N815
    sampleRequested = Signal(object)  # noqa: N815

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.layers = QComboBox(self)
        self.layers.setToolTip("The image layer that is segmented")
        self.layers.setAccessibleName("Scan")
        self.layers.setMinimumContentsLength(8)
        self.layers.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.open_file = IconButton("file", "Open files: NIfTI, NRRD, MHA, DICOM, ...")
        self.open_folder = IconButton("folder", "Open a DICOM folder")
        self.facts = QLabel(self)
        self.facts.setWordWrap(True)
        self.notes = Notice(self)
        self.drop = self._drop_area()
        self._build()
        self._connect()
        self.refresh()

    def layer(self) -> Image | None:
        """Return the chosen image layer, None when the viewer has none."""
        key = self.layers.currentData()
        return next((la for la in self._images() if str(la.unique_id) == key), None)

    def choose(self, layer: Any) -> None:
        """Choose a layer of the viewer."""
        index = self.layers.findData(str(layer.unique_id))
        if index >= 0:
            self.layers.setCurrentIndex(index)

    def problem(self) -> str | None:
        """Return why the chosen layer cannot be segmented, None when it can."""
        layer = self.layer()
        if layer is None:
            return "there is no scan: drop one here or open a sample"
        if getattr(layer, "rgb", False):
            return f"{layer.name!r} shows colours, a scan has grey values"
        try:
            layer_grid(layer)
        except MednextError as error:
            return str(error)
        return None

    def refresh(self) -> None:
        """List the image layers again, keeping the chosen one."""
        key = self.layers.currentData()
        images = list(self._images())
        self.layers.blockSignals(True)
        self.layers.clear()
        for layer in reversed(images):
            self.layers.addItem(layer.name, str(layer.unique_id))
        index = self.layers.findData(key)
        self.layers.setCurrentIndex(max(index, 0) if images else -1)
        self.layers.blockSignals(False)
        self.drop.setVisible(not images)
        for widget in self._filled:
            widget.setVisible(bool(images))
        self._on_chosen()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept local files and folders."""
        if _local_paths(event):
            event.acceptProposedAction()
            self.drop.set_hot(is_hot=True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Stop showing that something would be taken."""
        del event
        self.drop.set_hot(is_hot=False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        self.drop.set_hot(is_hot=False)
        paths = _local_paths(event)
        if paths:
            event.acceptProposedAction()
            self.openRequested.emit(paths)

    def _drop_area(self) -> DropArea:
        """Return the empty state with its three buttons."""
        area = DropArea(
            "Drop a scan here",
            "CT or MR as NIfTI, NRRD, MHA or DICOM.<br>"
            "New here? Open a sample, press Segment.",
            self,
        )
        self.drop_file = QPushButton("Open &file…")
        self.drop_file.setToolTip("Choose a file on disk")
        self.drop_folder = QPushButton("&DICOM folder…")
        self.drop_folder.setToolTip("Choose a folder that holds a DICOM series")
        self.drop_sample = QPushButton("Open sam&ple")
        self.drop_sample.setToolTip("Scans that come with this plugin")
        menu = QMenu(self.drop_sample)
        for title, read in SAMPLES.items():
            action = menu.addAction(title)
            action.triggered.connect(lambda *_, r=read: self.sampleRequested.emit(r))
        self.drop_sample.setMenu(menu)
        for button in (self.drop_file, self.drop_folder, self.drop_sample):
            area.buttons.addWidget(button)
        return area

    def _build(self) -> None:
        """Lay the controls out."""
        self._filled: list[QWidget] = []
        row = labelled("S&can", self.layers, self.open_file, self.open_folder)
        self._filled += [row.itemAt(i).widget() for i in range(row.count())]
        self._filled += [self.facts]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.drop)
        layout.addLayout(row)
        layout.addWidget(self.facts)
        layout.addWidget(self.notes)

    def _connect(self) -> None:
        """Follow the viewer's layers and the buttons."""
        self._upright = Upright(self._viewer)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self._on_layers_changed)
        self.layers.currentIndexChanged.connect(self._on_chosen)
        for button in (self.open_file, self.drop_file):
            button.clicked.connect(self._on_open_file)
        for button in (self.open_folder, self.drop_folder):
            button.clicked.connect(self._on_open_folder)

    def disconnect_viewer(self) -> None:
        """Stop following the viewer's layers."""
        self._upright.stop()
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self._on_layers_changed)

    def _images(self) -> list[Any]:
        """Return the image layers that stand for a volume, the lowest first."""
        from napari.layers import Image

        found = []
        for layer in self._viewer.layers:
            if isinstance(layer, Image):
                origin = layer_origin(layer)
                if origin is None or origin.channel == 0:
                    found.append(layer)
        return found

    def _on_layers_changed(self, event: Any = None) -> None:
        del event
        self.refresh()

    def _on_chosen(self, index: int = 0) -> None:
        del index
        layer = self.layer()
        if layer is not None:
            self._describe(layer)
        else:
            self.facts.clear()
            self.notes.say("")
        self.scanChanged.emit()

    def _describe(self, layer: Any) -> None:
        """Show the size of a scan and what is special about it."""
        problem = self.problem()
        if problem is not None:
            self.facts.clear()
            self.notes.say(sentence(problem), "warning")
            return
        grid, origin = layer_grid(layer), layer_origin(layer)
        lines = grid_lines(grid)
        if origin is not None and origin.channels > 1:
            lines += f" · {origin.channels} channels"
        self.facts.setText(lines)
        notes: list[str] = []
        if origin is not None:
            notes = grid_notes(grid, origin.source)
            if origin.source.path is not None:
                self.facts.setToolTip(str(origin.source.path))
        self.notes.say("\n".join(notes))

    def _on_open_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Open scans")
        if chosen:
            self.openRequested.emit([Path(name) for name in chosen])

    def _on_open_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Open a DICOM folder")
        if chosen:
            self.openRequested.emit([Path(chosen)])


def _local_paths(event: Any) -> list[Path]:
    """Return the local files and folders of a drag."""
    urls = event.mimeData().urls()
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
