"""The layer that shows where two label maps differ, and what its colours mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_mednext.ui.bridge import labels_layer
from napari_mednext.volume import Segmentation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_mednext.volume import VoxelGrid

__all__ = ["COLORS", "NAME", "DifferenceLayer", "Legend", "meanings"]

NAME = "differences"
#: By value of the layer: sky blue, orange (Okabe and Ito) and purple. Under simulated
#: protanopia, deuteranopia and tritanopia each two are at least 30 apart in CIELAB.
COLORS = {1: (86, 180, 233), 2: (230, 159, 0), 3: (170, 51, 119)}
_OPACITY = 0.8
_SWATCH = QSize(14, 14)


def meanings(titles: tuple[str, str]) -> dict[int, str]:
    """Return what the values of the layer mean.

    Parameters
    ----------
    titles : (first, second)
        What the maps are called.
    """
    return {1: f"only in {titles[0]}", 2: f"only in {titles[1]}", 3: "another label"}


class DifferenceLayer(QObject):
    """Adds the layer to a viewer, and takes it away.

    ``removed`` tells that someone else took it away.
    """

    removed = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self._layer is not None

    def show(
        self, array: NDArray[np.uint8], grid: VoxelGrid, titles: tuple[str, str]
    ) -> None:
        """Add the layer in the place of an older one; the active layer stays so.

        Parameters
        ----------
        array : (z, y, x) uint8
            As :func:`~napari_mednext.correction.compare.difference_layer` makes it.
        grid : VoxelGrid
            Of the array as it lies on screen.
        titles : (first, second)
            What the maps are called.
        """
        self.hide()
        segmentation = Segmentation(array, grid, meanings(titles), COLORS)
        data, options, _ = labels_layer(segmentation, NAME)
        active = self._viewer.layers.selection.active
        layer = self._viewer.add_labels(data, **options | {"opacity": _OPACITY})
        layer.editable = False
        if active is not None:
            # Else the next stroke would go to the new layer.
            self._viewer.layers.selection.active = active
        self._layer = layer

    def hide(self) -> None:
        """Take the layer away if it is there."""
        layer, self._layer = self._layer, None
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        if self._layer is not None and event.value is self._layer:
            self._layer = None
            self.removed.emit()


class Legend(QWidget):
    """The colours of the layer and their meanings."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip("What the colours of the layer mean")
        self.setAccessibleName("Legend of the differences")
        self._texts: dict[int, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 0, 0, 0)
        layout.setSpacing(2)
        for value, color in COLORS.items():
            swatch, text = QLabel(self), QLabel(self)
            picture = QPixmap(_SWATCH)
            picture.fill(QColor(*color))
            swatch.setPixmap(picture)
            # Names of files may hold angle brackets.
            text.setTextFormat(Qt.TextFormat.PlainText)
            row = QHBoxLayout()
            row.setSpacing(8)
            row.addWidget(swatch)
            row.addWidget(text, 1)
            layout.addLayout(row)
            self._texts[value] = text

    def set_titles(self, titles: tuple[str, str]) -> None:
        """Say what the maps are called."""
        for value, text in meanings(titles).items():
            self._texts[value].setText(text)

    def texts(self) -> list[str]:
        """Return the meanings in the order of the values."""
        return [str(text.text()) for text in self._texts.values()]
