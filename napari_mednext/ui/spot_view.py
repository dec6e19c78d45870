"""Bringing a voxel to the middle of the picture."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["show_voxel"]


def show_voxel(
    viewer: Any, layer: Any, voxel: tuple[int, int, int], field_mm: float
) -> None:
    """Show the slices through a voxel, with the voxel in the middle.

    The picture is enlarged until its shorter side is a given length; a picture that
    shows less keeps its size. In 3D the camera turns about the voxel and keeps its
    distance.

    Parameters
    ----------
    viewer : napari viewer
        The last three axes are those of the layer.
    layer : layer
        With the axes (z, y, x).
    voxel : (z, y, x) voxels
        Of the layer.
    field_mm : float
        Wanted length of the shorter side, above 0.
    """
    dims, camera = viewer.dims, viewer.scene.camera
    point = np.array(dims.point, dtype=np.float64)
    point[-3:] = layer.data_to_world(voxel)[-3:]
    dims.set_point(range(dims.ndim), point)
    middle = [float(point[axis]) for axis in dims.displayed]
    camera.center = (0.0, *middle) if dims.ndisplay == 2 else tuple(middle)
    if dims.ndisplay == 2:
        camera.zoom = max(camera.zoom, min(viewer.canvas.size) / field_mm)
