"""The dock with the two planes that the main canvas does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

import numpy as np
from qtpy.QtCore import QEvent, QSize, QTimer, Signal
from qtpy.QtWidgets import QBoxLayout, QWidget

from napari_mednext.ui.pane import Pane
from napari_mednext.ui.planes import PLANES, plane_of, reveal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from qtpy.QtGui import QResizeEvent, QShowEvent

__all__ = ["Panes"]

#: How long the panes wait for more of the same before they follow a point, in ms.
POINT_MS = 15
#: How often they show what is being painted, at most, in ms.
PAINT_MS = 200


class Panes(QWidget):
    """Two planes beside the main one, linked by a point.

    A click or a drag in a pane brings the main viewer to that point; a click, or the
    end of a stroke, in the main canvas brings the panes there. They show what is
    painted while they are visible. Keys pressed over them go to the main window.

    Parameters
    ----------
    napari_viewer : napari viewer
        Its last three axes are (z, y, x).

    Notes
    -----
    ``ended`` is sent when the dock was closed.
    """

    ended = Signal()
    _was_docked = False

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.panes = [Pane(napari_viewer, self) for _ in range(2)]
        self._seen = np.array(napari_viewer.dims.point, dtype=np.float64)
        self._point = self._seen.copy()
        self._slices: dict[Any, object] = {}
        self._stale: list[Any] = []
        self._watched: list[Any] = []
        self._has_ended = False
        self._press = _held_weakly(self._on_pressed)
        self._layout = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._point_timer = self._timer(POINT_MS, self._show_point)
        self._paint_timer = self._timer(PAINT_MS, self._show_paint)
        dims, layers = napari_viewer.dims.events, napari_viewer.layers.events
        self._events = {
            "point": [dims.point],
            "turned": [dims.order, dims.ndisplay],
            "layers": [layers.inserted, layers.removed, layers.reordered],
            "theme": [napari_viewer.events.theme],
        }
        self._connect()

    def _timer(self, interval: int, then: Any) -> QTimer:
        """Return a timer that is started by hand and fires once."""
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(then)
        return timer

    def _connect(self) -> None:
        """Wire the panes and the main viewer."""
        for pane in self.panes:
            self._layout.addWidget(pane, 1)
            pane.pointed.connect(self._on_pointed)
        for name, events in self._events.items():
            for event in events:
                event.connect(getattr(self, f"_on_{name}"))
        self._viewer.mouse_drag_callbacks.append(self._press)

    @property
    def point(self) -> NDArray[np.float64]:
        """The point that links the views: (ndim,) in world coordinates, mm."""
        return self._point.copy()

    def end(self) -> None:
        """Give both canvases back; napari does not when a dock is taken away."""
        if self._has_ended:
            return
        self._has_ended = True
        for timer in (self._point_timer, self._paint_timer):
            timer.stop()
        for name, events in self._events.items():
            for event in events:
                event.disconnect(getattr(self, f"_on_{name}"))
        self._viewer.mouse_drag_callbacks.remove(self._press)
        self._watch([])
        for pane in self.panes:
            pane.end()
        self.ended.emit()

    def event(self, event: QEvent) -> bool:
        """End with the dock: napari only takes its parent away when it is closed."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.end()
                self.deleteLater()
            self._was_docked = self.parent() is not None
        return bool(super().event(event))

    def sizeHint(self) -> QSize:
        """Take a column beside the main canvas, and no more."""
        return QSize(300, 600)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while the panes were hidden."""
        super().showEvent(event)
        self._on_theme()
        self._on_layers()
        self._stale = list(self._watched)
        self._show_paint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the panes side by side where the dock is wide."""
        super().resizeEvent(event)
        is_wide = self.width() > self.height()
        direction = QBoxLayout.Direction
        self._layout.setDirection(
            direction.LeftToRight if is_wide else direction.TopToBottom
        )

    def _on_layers(self, *_: object) -> None:
        """Show the layers that there are."""
        if not self.isVisible():
            return
        for pane in self.panes:
            pane.follow_layers()
        self._watch([mirror.original for mirror in self.panes[0].mirrors])
        self._on_turned()

    def _on_turned(self, *_: object) -> None:
        """Show the two planes that the main canvas does not show."""
        if not self.isVisible():
            return
        shown = plane_of(self._viewer)
        if shown is not None:
            rest = [plane for plane in PLANES if plane != shown]
            for pane, plane in zip(self.panes, rest, strict=True):
                pane.show_plane(plane)
        elif self.panes[0].plane == self.panes[1].plane:
            self.panes[0].show_plane("axial")
            self.panes[1].show_plane("coronal")
        self._on_point()

    def _on_point(self, *_: object) -> None:
        """Take over what changed of the main viewer's point."""
        now = np.array(self._viewer.dims.point, dtype=np.float64)
        if len(now) != len(self._point):
            self._point = now.copy()
        else:
            self._point = np.where(now != self._seen, now, self._point)
        self._seen = now
        self._start(self._point_timer)

    def _on_theme(self, *_: object) -> None:
        for pane in self.panes:
            pane.model.theme = self._viewer.theme

    def _on_pointed(self, coordinates: dict[int, float]) -> None:
        """Bring the main viewer to what was pointed at in a pane."""
        point = self._point.copy()
        for axis, value in coordinates.items():
            point[axis] = value
        self._point = self._on_voxels(point)
        self._viewer.dims.set_point(range(len(point)), self._point)
        reveal(self._viewer, self._point)
        self._start(self._point_timer)

    def _on_voxels(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the nearest centre of a voxel."""
        low, high, step = np.transpose(self._viewer.dims.range)
        steps = np.rint((point - low) / np.where(step > 0, step, 1))
        return np.asarray(np.clip(low + steps * step, low, high), dtype=np.float64)

    def _on_pressed(self, viewer: Any, event: Any) -> Iterator[None]:
        """Follow a click, or the end of a stroke, in the main canvas."""
        if event.button != 1 or viewer.dims.ndisplay != 2:
            return
        yield
        was_dragged = False
        while event.type == "mouse_move":
            was_dragged = True
            yield
        layer = viewer.layers.selection.active
        pans = layer is None or str(layer.mode) == "pan_zoom"
        if not (was_dragged and pans) and len(event.position) == len(self._point):
            self._point = self._on_voxels(np.array(event.position, dtype=np.float64))
            self._start(self._point_timer)

    def _on_painted(self, event: Any) -> None:
        """Show soon what was painted on a layer.

        A layer also says that it has data to draw when another slice is shown, which
        is none of the panes' business.
        """
        layer = event.source
        if event.type == "set_data":
            before, now = self._slices.get(layer.unique_id), self._slice()
            self._slices[layer.unique_id] = now
            if before != now:
                return
        if layer not in self._stale:
            self._stale.append(layer)
        self._start(self._paint_timer)

    def _start(self, timer: QTimer) -> None:
        """Start a timer that is not running; nothing is due while all is hidden."""
        if self.isVisible() and not timer.isActive():
            timer.start()

    def _on_shown(self, *_: object) -> None:
        self._start(self._point_timer)

    def _show_point(self) -> None:
        """Show the point, and the layers that the main viewer shows.

        What is hidden while that is in 3D, is hidden for the sake of 3D.
        """
        is_flat = self._viewer.dims.ndisplay == 2
        for pane in self.panes:
            for mirror in pane.mirrors if is_flat else ():
                mirror.follow_visible()
            pane.show_point(self._point)

    def _show_paint(self) -> None:
        stale, self._stale = self._stale, []
        for pane in self.panes:
            pane.refresh(stale)

    def _watch(self, layers: list[Any]) -> None:
        """Follow what is painted on these layers, and on no others."""
        for old in self._watched:
            old.events.visible.disconnect(self._on_shown)
            for event in _paint_events(old):
                event.disconnect(self._on_painted)
        for layer in layers:
            layer.events.visible.connect(self._on_shown)
            for event in _paint_events(layer):
                event.connect(self._on_painted)
        self._watched = layers
        self._slices = {layer.unique_id: self._slice() for layer in layers}

    def _slice(self) -> object:
        """Return what differs whenever the main canvas shows another slice."""
        dims = self._viewer.dims
        return tuple(dims.point), tuple(dims.order), dims.ndisplay


def _held_weakly(method: Callable[[Any, Any], Iterator[None]]) -> Any:
    """Return a callback for napari's list, which would keep its canvases for good."""
    weak = WeakMethod(method)

    def callback(viewer: Any, event: Any) -> Iterator[None]:
        alive = weak()
        if alive is not None:
            yield from alive(viewer, event)

    return callback


def _paint_events(layer: Any) -> list[Any]:
    """Return the events of a layer that tell of changed voxels."""
    names = ("paint", "labels_update", "set_data")
    return [layer.events[name] for name in names if name in layer.events]
