"""Axial, coronal and sagittal slices through the point that the user looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PLANES", "Planes", "plane_of", "reveal"]

#: Planes by name, each as the order of the axes (z, y, x): the first is not shown.
PLANES = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}


def plane_of(viewer: Any) -> str | None:
    """Return the plane that a viewer shows; None in 3D and where there is no volume."""
    dims = viewer.dims
    if dims.ndim < 3 or dims.ndisplay != 2:
        return None
    hidden = dims.order[-3] - (dims.ndim - 3)
    names = [name for name, order in PLANES.items() if order[0] == hidden]
    return names[0] if names else None


def reveal(viewer: Any, point: NDArray[np.float64]) -> None:
    """Move the picture so far that a point is on screen; not at all where it is.

    Parameters
    ----------
    viewer : napari viewer
        In 2D; in 3D nothing happens.
    point : (ndim,) mm
        World coordinates; only those of the axes on screen count.
    """
    dims, camera = viewer.dims, viewer.scene.camera
    if dims.ndisplay != 2:
        return
    center = np.asarray(camera.center[-2:], dtype=np.float64)
    wanted = np.asarray(point, dtype=np.float64)[list(dims.displayed)]
    half = np.asarray(viewer.canvas.size, dtype=np.float64) / (2 * camera.zoom)
    is_out = np.abs(wanted - center) > half
    if is_out.any():
        row, column = np.where(is_out, wanted, center)
        camera.center = (0.0, float(row), float(column))


class Planes:
    """Turns a viewer from plane to plane about the point that is looked at.

    That point is where the mouse is while it is over the canvas, else the centre of
    the view. It moves to the centre, and a millimetre keeps its size on screen. It is
    also left in ``viewer.dims.point``, where linked views find it.

    Parameters
    ----------
    viewer : napari viewer
        Its last three axes are (z, y, x).
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        # After a turn, and until the mouse moves, napari says what was under it before.
        self._has_mouse_moved = False
        viewer.mouse_move_callbacks.append(self._on_mouse_moved)

    def stop(self) -> None:
        """Stop following the mouse."""
        if self._on_mouse_moved in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self._on_mouse_moved)

    def point(self) -> NDArray[np.float64]:
        """Return the point that is looked at: (ndim,) in world coordinates, mm."""
        viewer = self._viewer
        dims, camera = viewer.dims, viewer.scene.camera
        point = np.asarray(dims.point, dtype=np.float64)
        if dims.ndisplay == 3:
            return point
        displayed = list(dims.displayed)
        low, high, _ = np.transpose(dims.range)
        point[displayed] = camera.center[-2:]
        point = np.clip(point, low, high)
        if viewer.mouse_over_canvas and self._has_mouse_moved:
            under = np.asarray(viewer.cursor.position)[displayed]
            if np.all((under >= low[displayed]) & (under <= high[displayed])):
                point[displayed] = under
        return point

    def show(self, plane: str) -> None:
        """Show a plane, also out of the 3D view; nothing happens without a volume.

        Parameters
        ----------
        plane : str
            ``"axial"``, ``"coronal"`` or ``"sagittal"``.

        Raises
        ------
        SettingsError
            If there is no such plane.
        """
        if plane not in PLANES:
            msg = (
                f"a plane must be one of {', '.join(PLANES)}, not {plane!r}: choose one"
            )
            raise SettingsError(msg)
        viewer = self._viewer
        dims, camera = viewer.dims, viewer.scene.camera
        if dims.ndim < 3:
            return
        point, zoom, was_flat = self.point(), camera.zoom, dims.ndisplay == 2
        self._has_mouse_moved = False
        leading = dims.ndim - 3
        order = (*range(leading), *(leading + axis for axis in PLANES[plane]))
        # napari fits the view to the scan at both of these changes.
        dims.ndisplay = 2
        dims.order = order
        dims.set_point(range(dims.ndim), point)
        if was_flat:
            camera.zoom = zoom
        else:
            viewer.fit_to_view()
            return
        row, column = point[list(dims.displayed)]
        camera.center = (0.0, float(row), float(column))

    def show_next(self) -> str | None:
        """Show the plane after this one, out of 3D the axial one; return its name."""
        names = list(PLANES)
        current = plane_of(self._viewer)
        following = (names.index(current) + 1) % len(names) if current else 0
        self.show(names[following])
        return plane_of(self._viewer)

    def center_on(self, point: NDArray[np.float64]) -> None:
        """Bring a point to the centre of the view, on its slice.

        Parameters
        ----------
        point : (ndim,) mm
            World coordinates.
        """
        viewer = self._viewer
        viewer.dims.set_point(range(viewer.dims.ndim), point)
        if viewer.dims.ndisplay == 2:
            row, column = np.asarray(point)[list(viewer.dims.displayed)]
            viewer.scene.camera.center = (0.0, float(row), float(column))

    def _on_mouse_moved(self, *_: object) -> None:
        self._has_mouse_moved = True
