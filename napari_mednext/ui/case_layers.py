"""A case on screen: the scan, its labels, and what a model doubts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_mednext.ui.bridge import (
    METADATA_KEY,
    image_layers,
    label_colormap,
    labels_layer,
)

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.labels import LabelSet
    from napari_mednext.ui.corrected_layer import Labels

__all__ = ["CaseLayers"]

#: The doubt is shown over the scan and below the labels.
DOUBT, REVIEWED = "doubt", "reviewed"


class CaseLayers:
    """The layers of one case, in a viewer until :meth:`remove`.

    Parameters
    ----------
    viewer : napari viewer
        Other layers in it stay as they are.
    case : OpenCase
        What is shown; its editing gets the strokes.
    """

    def __init__(self, viewer: Any, case: OpenCase) -> None:
        from napari_mednext.ui.corrected_layer import Labels

        self._viewer = viewer
        self._case = case
        self.scans: list[Image] = []
        for array, options, _ in image_layers(case.volume):
            self.scans.append(viewer.add_image(array, **options))
        segmentation = case.annotation.shared(case.labels)
        array, options, _ = labels_layer(segmentation, f"{case.name} labels")
        self.labels: Labels = Labels(array, **options)
        self._choose_first_label()
        viewer.add_layer(self.labels)
        self.labels.follow(case.editing)
        if case.is_read_only:
            self.labels.editable = False
        self._doubt: Any = None
        self._reviewed: Any = None
        viewer.layers.selection = {self.labels}

    @property
    def scan(self) -> Image:
        """The layer of the first channel."""
        return self.scans[0]

    @property
    def are_there(self) -> bool:
        """Whether scan and labels are still in the viewer."""
        layers = self._viewer.layers
        return self.labels in layers and self.scan in layers

    def set_labels(self, labels: LabelSet) -> None:
        """Show other names and colours."""
        chosen, is_solo = self.labels.selected_label, self.labels.show_selected_label
        self.labels.colormap = label_colormap(labels)
        self.labels.show_selected_label = is_solo
        origin = self.labels.metadata[METADATA_KEY]
        self.labels.metadata[METADATA_KEY] = replace(origin, labels=labels)
        self.labels.features = {
            "index": [0, *(label.value for label in labels)],
            "name": ["background", *(label.name for label in labels)],
        }
        self.labels.selected_label = chosen

    def show_doubt(self, *, is_shown: bool) -> bool:
        """Show or hide where the model is in doubt; False where that is not known."""
        answer = self._case.answer
        if answer is None or answer.doubt is None:
            return False
        if self._doubt is None or self._doubt not in self._viewer.layers:
            if not is_shown:
                return True
            self._doubt = self._below_labels(answer.doubt, DOUBT, "inferno")
            self._doubt.contrast_limits = (0, 255)
        elif self._doubt.data is not answer.doubt:
            self._doubt.data = answer.doubt
        self._doubt.visible = is_shown
        return True

    @property
    def shows_doubt(self) -> bool:
        """Whether the doubt is on screen."""
        return self._doubt in self._viewer.layers and bool(self._doubt.visible)

    def show_reviewed(self, reviewed: NDArray[np.uint8] | None) -> None:
        """Tint what a person painted or confirmed; None hides it."""
        if reviewed is None:
            if self._reviewed in self._viewer.layers:
                self._reviewed.visible = False
            return
        if self._reviewed is None or self._reviewed not in self._viewer.layers:
            self._reviewed = self._below_labels(reviewed, REVIEWED, "green")
            self._reviewed.contrast_limits = (0, 2)
            self._reviewed.opacity = 0.3
        else:
            self._reviewed.data = reviewed
        self._reviewed.visible = True

    def remove(self) -> None:
        """Take the layers out of the viewer."""
        self.labels.unfollow()
        for layer in (self._reviewed, self._doubt, self.labels, *self.scans):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _below_labels(self, array: NDArray[Any], name: str, colormap: str) -> Any:
        """Add an image layer over the scan and below the labels."""
        selection = set(self._viewer.layers.selection)
        layer = self._viewer.add_image(
            array,
            name=name,
            colormap=colormap,
            blending="additive",
            opacity=0.6,
            scale=self.labels.scale,
            translate=self.labels.translate,
            units=self.labels.units,
            axis_labels=self.labels.axis_labels,
        )
        self._viewer.layers.move(
            self._viewer.layers.index(layer), self._viewer.layers.index(self.labels)
        )
        self._viewer.layers.selection = selection
        return layer

    def _choose_first_label(self) -> None:
        """Paint with the first label of the study."""
        for label in self._case.labels:
            self.labels.selected_label = label.value
            return
