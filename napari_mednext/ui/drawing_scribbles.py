"""Scribbles on what belongs to a label and on what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.correction.tools.extent import label_box
from napari_mednext.ui.drawing import Mode
from napari_mednext.ui.tool_place import placement

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["INSIDE", "OUTSIDE", "ScribbleMode"]

INSIDE, OUTSIDE = 1, 2
#: Blue and orange: colour-blind people can tell them apart.
COLORS: dict[int | None, str] = {INSIDE: "#2f9bff", OUTSIDE: "#ff8c1a"}
#: Of napari's brush, in voxels.
BRUSH = 3


class ScribbleMode(Mode):
    """A labels layer to scribble on; it is there for this only.

    Parameters
    ----------
    flow : StudyFlow
    value : int
        What is scribbled first: 1 inside, 2 outside.
    """

    # Who looks at another layer for a moment wants the scribbles back.
    ends_when_left = False

    def __init__(self, flow: StudyFlow, value: int) -> None:
        words = "Scribble inside, and outside where it must not go; then press Grow."
        super().__init__(flow, "inside" if value == INSIDE else "outside", words)
        self._value = value

    def begin(self, end: Callable[[], None]) -> None:
        """Add the layer."""
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        colors: dict[int | None, str] = {
            0: "transparent",
            None: "transparent",
            **COLORS,
        }
        self.layer = Labels(
            np.zeros(self.labels.data.shape, dtype=np.uint8),
            name="scribbles",
            colormap=DirectLabelColormap(color_dict=colors),
            opacity=0.9,
            **placement(self.labels),
        )
        self.viewer.add_layer(self.layer)
        self.layer.brush_size = BRUSH
        super().begin(end)
        self.choose(self._value)

    def choose(self, value: int) -> None:
        """Go on inside or outside."""
        self.name = "inside" if value == INSIDE else "outside"
        self.layer.selected_label = value
        self.layer.mode = "paint"
        self.viewer.layers.selection = {self.layer}

    def finish(self) -> None:
        """Take the layer away."""
        super().finish()
        if self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)

    def voxels(self, value: int) -> NDArray[np.intp]:
        """Return the voxels (n, 3) of one kind of scribble."""
        box = label_box(self.layer.data, value)
        if box is None:
            return np.empty((0, 3), dtype=np.intp)
        found: NDArray[np.intp] = np.argwhere(self.layer.data[box] == value)
        found += [part.start for part in box]
        return found
