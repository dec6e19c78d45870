"""A small canvas that shows one more plane of what the main window shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mednext.ui.crosshair import Crosshair
from napari_mednext.ui.mirrors import Mirror, can_mirror
from napari_mednext.ui.planes import PLANES, plane_of, reveal
from napari_mednext.ui.upright import Upright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Pane"]

#: Width and height that a pane needs, in pixels.
LEAST = (180, 130)


class Pane(QWidget):
    """One plane through a point; a click or a drag on it asks for another point.

    Parameters
    ----------
    viewer : napari viewer
        The main one: whose layers are shown.
    parent : QWidget

    Notes
    -----
    ``pointed`` is sent with the world coordinates in mm that were pointed at, by axis,
    counted from the last one: -1 is x.
    """

    pointed = Signal(dict)

    def __init__(self, viewer: Any, parent: QWidget) -> None:
        super().__init__(parent)
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        self._viewer = viewer
        self.model = ViewerModel()
        self.view = QtViewer(self.model)
        self.mirrors: list[Mirror] = []
        self._point = np.zeros(3)
        self._is_following = False
        self._fitted_zoom = 0.0
        self._upright = Upright(self.model)
        self._keys = _KeysGoOn(self)
        self._build()
        self.crosshair = Crosshair(self.model, self.view.canvas.native)
        self.model.dims.events.point.connect(self._on_stepped)
        self.model.canvas.events.size.connect(self._on_resized)

    def _build(self) -> None:
        """Show nothing but the canvas, which is there to look and to point."""
        self.view.dims.hide()
        self.view.setAcceptDrops(False)
        self.view.setMinimumSize(*LEAST)
        for widget in (self.view, self.view.canvas.native):
            widget.installEventFilter(self._keys)
        self.model.mouse_drag_callbacks.append(self._on_dragged)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)

    @property
    def plane(self) -> str | None:
        """The plane that is shown."""
        return plane_of(self.model)

    def follow_layers(self) -> None:
        """Show the layers of the main viewer, in their order."""
        wanted = [layer for layer in self._viewer.layers if can_mirror(layer)]
        if [mirror.original for mirror in self.mirrors] == wanted:
            return
        was_empty = not self.mirrors
        plane = self.plane
        self._is_following = True
        self._match(wanted)
        self._is_following = False
        if was_empty or plane is None:
            self.fit()
        self.show_point(self._point)

    def _match(self, wanted: list[Any]) -> None:
        """Have one mirror of each layer, in this order; those that fit are kept."""
        kept = {mirror.original.unique_id: mirror for mirror in self.mirrors}
        mirrors = []
        for layer in wanted:
            mirror = kept.pop(layer.unique_id, None)
            mirrors.append(mirror or Mirror(layer))
        layers = self.model.layers
        for mirror in kept.values():
            mirror.stop()
            layers.remove(mirror.layer)
        for place, mirror in enumerate(mirrors):
            if mirror.layer not in layers:
                layers.insert(place, mirror.layer)
            elif layers[place] is not mirror.layer:
                layers.move(layers.index(mirror.layer), place)
        layers.selection.clear()
        self.mirrors = mirrors

    def show_plane(self, plane: str) -> None:
        """Show another plane, as a whole."""
        leading = self.model.dims.ndim - 3
        if leading < 0 or plane == self.plane:
            return
        order = tuple(leading + axis for axis in PLANES[plane])
        self._is_following = True
        self.model.dims.order = (*range(leading), *order)
        self._is_following = False
        self.fit()

    def show_point(self, point: NDArray[np.float64]) -> None:
        """Show the slice through a point: (ndim,) in world coordinates, mm."""
        self._point = np.array(point, dtype=np.float64)
        dims = self.model.dims
        if len(self._point) < dims.ndim:
            return
        own = self._point[-dims.ndim :]
        self._is_following = True
        hidden = list(dims.not_displayed)
        dims.set_point(hidden, own[hidden])
        self._is_following = False
        reveal(self.model, own)
        self.crosshair.set_point(self._point)

    def fit(self) -> None:
        """Show the whole slice."""
        self.model.fit_to_view()
        self._fitted_zoom = self.model.scene.camera.zoom

    def refresh(self, layers: list[Any]) -> None:
        """Show the voxels of some layers of the main viewer as they are now."""
        for mirror in self.mirrors:
            if mirror.original in layers:
                mirror.refresh()

    def end(self) -> None:
        """Give the canvas back; the pane cannot be used after that."""
        self._upright.stop()
        for mirror in self.mirrors:
            mirror.stop()
        self.mirrors = []
        self.view.close()

    def _on_dragged(self, _: Any, event: Any) -> Iterator[None]:
        """Ask for the point under the mouse, while its left button is down."""
        if event.button != 1:
            return
        # What is handled does not move the picture as well.
        event.handled = True
        self._ask(event.position)
        yield
        while event.type == "mouse_move":
            event.handled = True
            self._ask(event.position)
            yield

    def _ask(self, position: tuple[float, ...]) -> None:
        """Ask for a point of the slice that is shown."""
        dims = self.model.dims
        self.pointed.emit(
            {axis - dims.ndim: float(position[axis]) for axis in dims.displayed}
        )

    def _on_stepped(self, *_: object) -> None:
        """Ask for the slice that the mouse wheel has turned to."""
        dims = self.model.dims
        if not self._is_following:
            hidden = dims.not_displayed
            self.pointed.emit({axis - dims.ndim: dims.point[axis] for axis in hidden})

    def _on_resized(self, *_: object) -> None:
        if self.model.scene.camera.zoom == self._fitted_zoom:
            self.fit()


class _KeysGoOn(QObject):
    """Turns keys away from a canvas, so that they go on to the main window."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Refuse keys in the name of the canvas."""
        del watched
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            return False
        event.ignore()
        return True
