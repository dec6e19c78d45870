"""How a volume and its labels look, changed by one press each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_mednext.ui.planes import PLANES, Planes, plane_of
from napari_mednext.ui.upright import Upright
from napari_mednext.ui.windows import AUTOMATIC, Windows, scan_layers

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OPACITIES", "Look"]

#: The steps of the opacity of labels; 0 shows the scan alone.
OPACITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
#: Width of outlines, in voxels.
OUTLINE_VOXELS = 1


class Look(QObject):
    """What is on screen: plane, CT window, outlines, opacity, 3D, hidden layers.

    Parameters
    ----------
    viewer : napari viewer
        Its last three axes are (z, y, x).
    parent : QObject, optional

    Notes
    -----
    ``changed`` is sent when anything of this changed, by whomever.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._planes = Planes(viewer)
        self._upright = Upright(viewer)
        self._depth = str(viewer.scene.camera.orientation[0])
        # napari's own direction of depth mirrors the 3D view of scans in LPS order:
        # with x to the right and y down, z runs away from the viewer.
        self._turn_depth("away")
        self._windows = Windows()
        self._before_3d: tuple[str, float] | None = None
        self._hidden: list[Any] = []
        self._outlined: list[tuple[Any, int]] = []
        self._watched: list[Any] = []
        self._events = (
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
            viewer.dims.events.ndim,
            viewer.layers.events.inserted,
            viewer.layers.events.removed,
        )
        for event in self._events:
            event.connect(self._on_changed)
        self._on_changed()

    def actions(self) -> dict[str, Callable[[], object]]:
        """Return what the keys do, by the names of the table of keys."""
        return {
            "next_plane": self.next_plane,
            "next_window": self.next_window,
            "outline": self.toggle_outline,
            "opacity": self.step_opacity,
            "view_3d": self.toggle_3d,
            "toggle_doubt": lambda: self.toggle_layer("doubt"),
        }

    @property
    def plane(self) -> str | None:
        """The plane that is shown; None in 3D and where there is no volume."""
        return plane_of(self._viewer)

    @property
    def is_3d(self) -> bool:
        """Whether the volume is shown in 3D."""
        return bool(self._viewer.dims.ndisplay == 3)

    @property
    def window(self) -> str | None:
        """The window of the first scan; None if there is none, or another one."""
        scans = scan_layers(self._viewer)
        return self._windows.current(scans[0]) if scans else None

    @property
    def windows(self) -> list[str]:
        """The windows that make sense for the scans; none where there is no scan."""
        scans = scan_layers(self._viewer)
        return self._windows.names(scans) if scans else []

    @property
    def is_outline(self) -> bool:
        """Whether labels are shown as outlines."""
        return any(layer.contour > 0 for layer in self.label_layers())

    @property
    def opacity(self) -> float | None:
        """The opacity of labels, 0..1; None where there are none."""
        labels = self.label_layers()
        return float(labels[-1].opacity) if labels else None

    def label_layers(self) -> list[Any]:
        """Return the labels layers, from below."""
        from napari.layers import Labels

        return [layer for layer in self._viewer.layers if isinstance(layer, Labels)]

    def set_plane(self, plane: str) -> None:
        """Show a plane through the point that is looked at.

        Parameters
        ----------
        plane : str
            ``"axial"``, ``"coronal"`` or ``"sagittal"``.

        Raises
        ------
        SettingsError
            If there is no such plane.
        """
        if self.is_3d and plane in PLANES:
            self._leave_3d()
        self._planes.show(plane)

    def next_plane(self) -> None:
        """Show the plane after this one: axial, coronal, sagittal."""
        if self.is_3d:
            self._leave_3d()
        else:
            self._planes.show_next()

    def window_preset(self, name: str) -> None:
        """Show the scans with a window; only automatically where they are no CT.

        Parameters
        ----------
        name : str
            ``"automatic"``, ``"soft tissue"``, ``"liver"``, ``"lung"``, ``"bone"`` or
            ``"brain"``.

        Raises
        ------
        SettingsError
            If there is no such window.
        """
        self._windows.apply(scan_layers(self._viewer), name)
        self.changed.emit()

    def next_window(self) -> None:
        """Show the scans with the window after this one."""
        names = self.windows or [AUTOMATIC]
        current = self.window
        following = names.index(current) + 1 if current in names else 0
        self.window_preset(names[following % len(names)])

    def toggle_outline(self) -> None:
        """Show all labels as outlines, or filled again; not in 3D, which has none."""
        if self.is_3d:
            return
        width = 0 if self.is_outline else OUTLINE_VOXELS
        for layer in self.label_layers():
            layer.contour = width

    def set_opacity(self, opacity: float) -> None:
        """Show all labels with an opacity, 0..1."""
        for layer in self.label_layers():
            layer.opacity = min(1.0, max(0.0, opacity))

    def step_opacity(self) -> None:
        """Show labels one step stronger; after the strongest they are not shown."""
        current = self.opacity
        if current is not None:
            # A slider leaves values such as 0.6000000238.
            stronger = [step for step in OPACITIES if step > current + 1e-3]
            self.set_opacity(stronger[0] if stronger else OPACITIES[0])

    def toggle_3d(self) -> None:
        """Show labels in 3D from the front, without the scan around them, and back.

        Where nothing is labelled it is the scan that is shown. The way back leads to
        the plane, the point and the zoom of before.
        """
        if self.is_3d:
            self._leave_3d()
        elif self._viewer.dims.ndim >= 3:
            self._enter_3d()

    def toggle_layer(self, name: str) -> bool | None:
        """Show or hide the layers of a name, or whose name ends with it as a word.

        Returns
        -------
        bool or None
            Whether they are visible now; None where there is no such layer.
        """
        layers = [
            layer
            for layer in self._viewer.layers
            if layer.name == name or layer.name.endswith(f" {name}")
        ]
        if not layers:
            return None
        is_visible = not any(layer.visible for layer in layers)
        for layer in layers:
            layer.visible = is_visible
        return is_visible

    def stop(self) -> None:
        """Stop following the viewer."""
        self._upright.stop()
        self._planes.stop()
        self._turn_depth(self._depth)
        for event in self._events:
            event.disconnect(self._on_changed)
        self._watch([])

    def _turn_depth(self, depth: str) -> None:
        """Have the depth axis run away from the viewer, or towards."""
        camera = self._viewer.scene.camera
        camera.orientation = (depth, *camera.orientation2d)

    def _enter_3d(self) -> None:
        """Show the whole of what is labelled from the front, head up."""
        viewer = self._viewer
        point, plane = self._planes.point(), self.plane or "axial"
        self._before_3d = plane, viewer.scene.camera.zoom
        viewer.dims.set_point(range(viewer.dims.ndim), point)
        has_labels = any(layer.visible for layer in self.label_layers())
        self._hidden = scan_layers(viewer) if has_labels else []
        for layer in self._hidden:
            layer.visible = False
        # napari warns of each outline that it does not show in 3D.
        self._outlined = [(x, x.contour) for x in self.label_layers() if x.contour]
        for layer, _ in self._outlined:
            layer.contour = 0
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        viewer.dims.ndisplay = 3
        # napari turns the slider of the slice that the 3D view replaces.
        viewer.dims.set_point(range(viewer.dims.ndim), point)
        viewer.reset_view()
        viewer.scene.camera.set_view_direction((0, 1, 0), (1, 0, 0))

    def _leave_3d(self) -> None:
        """Go back to what was shown before 3D."""
        for layer in self._hidden:
            if layer in self._viewer.layers:
                layer.visible = True
        plane, zoom = self._before_3d or ("axial", None)
        self._hidden, self._before_3d = [], None
        point = self._planes.point()
        self._planes.show(plane)
        for layer, width in self._outlined:
            layer.contour = width
        self._outlined = []
        if zoom is not None:
            self._viewer.scene.camera.zoom = zoom
            self._planes.center_on(point)

    def _on_changed(self, *_: object) -> None:
        self._watch(list(self._viewer.layers))
        self.changed.emit()

    def _on_layer_changed(self, *_: object) -> None:
        self.changed.emit()

    def _watch(self, layers: list[Any]) -> None:
        """Follow how these layers look, and no others."""
        for old in self._watched:
            for event in _appearance(old):
                event.disconnect(self._on_layer_changed)
        for layer in layers:
            for event in _appearance(layer):
                event.connect(self._on_layer_changed)
        self._watched = layers


def _appearance(layer: Any) -> list[Any]:
    """Return the events of a layer that this module tells about."""
    names = ("visible", "opacity", "contour", "contrast_limits", "colormap")
    return [getattr(layer.events, name) for name in names if name in layer.events]
