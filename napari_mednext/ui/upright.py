"""Coronal and sagittal slices with the head up.

Scans are shown in LPS order: downwards is to the back on axial slices, and would be to
the head on the others, since napari has one orientation for all planes.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Upright"]

_HEAD_DOWN = ("down", "right")
_HEAD_UP = ("up", "right")


class Upright:
    """Turns the picture over when the axis from feet to head runs down the window.

    Follows a viewer until :meth:`stop`. An orientation that the user has chosen stays.

    Parameters
    ----------
    viewer : napari viewer
        Its last three axes are (z, y, x) of scans in LPS order.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._events = (viewer.dims.events.order, viewer.dims.events.ndisplay)
        for event in self._events:
            event.connect(self._on_turned)
        self._on_turned()

    def stop(self) -> None:
        """Stop following the viewer."""
        for event in self._events:
            event.disconnect(self._on_turned)

    def _on_turned(self, *_: object) -> None:
        """Set the orientation of the plane that is shown now."""
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        current = tuple(str(side) for side in camera.orientation2d)
        if current not in (_HEAD_DOWN, _HEAD_UP):
            return
        feet_to_head = dims.ndim - 3
        stands = dims.ndisplay == 2 and dims.displayed[0] == feet_to_head >= 0
        wanted = _HEAD_UP if stands else _HEAD_DOWN
        if current != wanted:
            camera.orientation2d = wanted
