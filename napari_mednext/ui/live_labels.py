"""The labels layer that fills up while a volume is segmented."""

from __future__ import annotations

import time
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import Cancelled
from napari_mednext.labels import LabelSet
from napari_mednext.ui.bridge import (
    METADATA_KEY,
    LayerOrigin,
    empty_segmentation,
    labels_layer,
)
from napari_mednext.ui.view import shows

if TYPE_CHECKING:
    from collections import deque

    from napari.layers import Labels

    from napari_mednext.volume import Segmentation, Volume

__all__ = ["LiveLabels", "load_what_labels_need", "new_layer"]

#: Previews are written for so long at a time, in seconds.
BUDGET_S = 0.01
#: Added to the name of a layer whose segmentation did not end.
UNFINISHED = " (unfinished)"


def load_what_labels_need() -> None:
    """Load what a process needs for its first labels layer; called in a thread.

    On the thread of the window it would stop it for 0.4 s: imports, and the dash
    patterns of vispy, which it computes once. The layer itself is not made here, that
    would race with the warning filters that napari sets and takes back.
    """
    for name in ("pandas", "scipy.linalg", "skimage.color.colorconv"):
        import_module(name)
    with suppress(ImportError):
        from vispy.visuals.line.dash_atlas import DashAtlas

        DashAtlas()


def new_layer(volume: Volume, labels: LabelSet, name: str) -> Labels:
    """Return an empty labels layer for a volume, in no viewer yet."""
    from napari.layers import Labels

    array, options, _ = labels_layer(empty_segmentation(volume, labels), name)
    return Labels(array, **options)


class LiveLabels:
    """Writes previews and the result into one layer, and counts while it does.

    The layer cannot be painted on while this writes. Afterwards its undo history is
    empty: an undo across a segmentation would bring back voxels of another time.

    Parameters
    ----------
    viewer : napari viewer
    layer : Labels
        Added to the viewer when it is not there.
    volume : Volume
        What is segmented, on the layer's grid.
    labels : LabelSet
        Every label that may come.
    name : str
        What the layer is called when it is finished.
    """

    def __init__(
        self, viewer: Any, layer: Labels, volume: Volume, labels: LabelSet, name: str
    ) -> None:
        self._viewer = viewer
        self.layer = layer
        self._volume = volume
        self._labels = labels
        self._name = name
        size = max((label.value for label in labels), default=0) + 1
        self._counts = np.zeros(size, dtype=np.int64)
        self._is_edited = False
        self._is_hidden = False

    @property
    def is_edited(self) -> bool:
        """Whether somebody painted on the layer since it was finished."""
        return self._is_edited

    @property
    def is_there(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer in self._viewer.layers

    @property
    def is_reusable(self) -> bool:
        """Whether the next run may write over this layer: nobody painted on it."""
        return not self._is_edited and self.layer in self._viewer.layers

    def begin(self) -> None:
        """Put the layer into the viewer, empty and locked against painting.

        A fresh layer stays hidden until :meth:`reveal`, because adding it and drawing
        it first are better done in two turns of the event loop.
        """
        self.layer.name = self._name
        if self.layer in self._viewer.layers:
            self.layer.data[...] = 0
            self._refresh()
        else:
            self.layer.visible = False
            self._viewer.add_layer(self.layer)
            self._is_hidden = True
        self.layer.editable = False

    def reveal(self) -> bool:
        """Show a layer that :meth:`begin` left hidden; whether there was need to."""
        was_hidden, self._is_hidden = self._is_hidden, False
        if was_hidden:
            self.layer.visible = True
        return was_hidden

    def apply(self, previews: deque[Any]) -> None:
        """Write previews, and draw once if one of them is on screen.

        Those that do not fit into the time of one call are left for the next.
        """
        is_seen = False
        end_s = time.perf_counter() + BUDGET_S
        while previews and time.perf_counter() < end_s:
            preview = previews.popleft()
            block = self.layer.data[preview.slices]
            self._count(block, -1)
            block[...] = preview.labels
            self._count(block, +1)
            is_seen = is_seen or shows(self._viewer, self.layer, preview.slices)
        if is_seen:
            self._refresh()

    def finish(self, segmentation: Segmentation) -> None:
        """Write the exact result, free the layer for painting, without undo history.

        Raises
        ------
        Cancelled
            If the layer was removed meanwhile.
        """
        if self.layer not in self._viewer.layers:
            msg = "the labels layer was removed while it was being filled"
            raise Cancelled(msg)
        self.reveal()
        self.layer.data[...] = segmentation.array
        self.layer.metadata[METADATA_KEY] = LayerOrigin(
            segmentation.grid,
            self._name,
            segmentation.source,
            labels=LabelSet.from_names(segmentation.names, segmentation.colors),
        )
        self._free()

    def stop(self) -> None:
        """Free the layer after a run that did not end; it says so in its name."""
        if self.layer in self._viewer.layers:
            self.reveal()
            self.layer.name = self._name + UNFINISHED
            self._free()

    def volumes_ml(self) -> dict[int, float]:
        """Return the volume of every label so far in mL, as the previews show it."""
        per_voxel_ml = self._volume.grid.voxel_volume_mm3 / 1000.0
        return {
            label.value: float(self._counts[label.value]) * per_voxel_ml
            for label in self._labels
        }

    def _count(self, block: Any, sign: int) -> None:
        """Add or subtract the voxels of a block."""
        counts = np.bincount(block.reshape(-1), minlength=self._counts.size)
        self._counts += sign * counts[: self._counts.size]

    def _refresh(self) -> None:
        """Draw the slice again, and only that."""
        self.layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _free(self) -> None:
        """Allow painting; switching it on empties the undo history."""
        self.layer.editable = False
        self.layer.editable = True
        self.layer.refresh(highlight=False, extent=False)
        self._is_edited = False
        self.layer.events.paint.connect(self._on_edited)
        self.layer.events.data.connect(self._on_edited)

    def _on_edited(self) -> None:
        self._is_edited = True
        self.layer.events.paint.disconnect(self._on_edited)
        self.layer.events.data.disconnect(self._on_edited)
