"""Where the user looks, in voxels of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["looked_at", "shows"]


def looked_at(viewer: Any, layer: Any) -> tuple[int, int, int]:
    """Return the (z, y, x) voxel of a layer nearest to the centre of the view.

    On the axes that are shown it is the centre of the picture, on the others the
    chosen slice.
    """
    dims = viewer.dims
    point = np.asarray(dims.point, dtype=np.float64)
    center = np.asarray(viewer.scene.camera.center, dtype=np.float64)
    for axis, value in zip(dims.displayed, center[-dims.ndisplay :], strict=True):
        point[axis] = value
    voxel = np.asarray(layer.world_to_data(point[-layer.ndim :]))[-3:]
    limits = np.asarray(layer.data.shape[-3:]) - 1
    z, y, x = (int(v) for v in np.clip(np.rint(voxel), 0, limits))
    return z, y, x


def shows(viewer: Any, layer: Any, slices: tuple[slice, slice, slice]) -> bool:
    """Whether a block of a layer crosses what is on screen."""
    dims = viewer.dims
    if dims.ndisplay == 3:
        return True
    point = layer.world_to_data(dims.point[-3:])
    hidden = [axis - (dims.ndim - 3) for axis in dims.not_displayed]
    return all(
        slices[axis].start - 1 <= point[axis] <= slices[axis].stop
        for axis in hidden
        if axis >= 0
    )
