"""Second views of layers: the same voxels and the same look in another canvas."""

from __future__ import annotations

from typing import Any

__all__ = ["Mirror", "can_mirror"]

#: What a mirror copies, where its kind of layer has it.
ATTRIBUTES = (
    "data",
    "scale",
    "translate",
    "opacity",
    "blending",
    "colormap",
    "contrast_limits",
    "gamma",
    "interpolation2d",
    "contour",
    "selected_label",
    "show_selected_label",
)


def can_mirror(layer: Any) -> bool:
    """Whether a layer is a volume or labels of one."""
    from napari.layers import Image, Labels

    return isinstance(layer, Image | Labels) and layer.ndim >= 3


class Mirror:
    """A layer that looks as another one does, until :meth:`stop`.

    The array is shared, so nothing is copied; what is painted on the original shows
    once :meth:`refresh` is called. The mirror cannot be painted on. Whether it is
    visible is followed when :meth:`follow_visible` is called.

    Parameters
    ----------
    original : Image or Labels layer
    """

    def __init__(self, original: Any) -> None:
        from napari.layers import Layer

        self.original = original
        self.layer = Layer.create(*original.as_layer_data_tuple())
        self.layer.editable = False
        self._events = {
            name: original.events[name]
            for name in ATTRIBUTES
            if name in original.events and hasattr(original, name)
        }
        for event in self._events.values():
            event.connect(self._on_changed)

    def refresh(self) -> None:
        """Show the voxels as they are now."""
        if self.layer.visible:
            self.layer.refresh(extent=False, thumbnail=False)

    def follow_visible(self) -> None:
        """Be visible where the original is."""
        if self.layer.visible != self.original.visible:
            self.layer.visible = self.original.visible

    def stop(self) -> None:
        """Leave the original alone."""
        for event in self._events.values():
            event.disconnect(self._on_changed)

    def _on_changed(self, event: Any) -> None:
        if event.type in self._events:
            setattr(self.layer, event.type, getattr(self.original, event.type))
