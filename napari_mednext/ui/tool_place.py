"""Where tools work: the slice on screen, and boxes that are drawn on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from napari_mednext.correction import Box

__all__ = ["drawn_box", "placement", "slice_box", "slice_on_screen"]

#: Spacings of files are rounded: a depth that is this near to a voxel reaches it.
ROUNDING = 1e-3


def slice_on_screen(viewer: Any, layer: Any) -> tuple[int, int]:
    """Return the axis across the slice on screen, 0..2, and its number.

    Parameters
    ----------
    viewer : napari viewer
        Its last three axes are (z, y, x).
    layer : layer of three dimensions
        Whose slice.

    Raises
    ------
    InputError
        If the view is in 3D, or no slice of the layer is on screen.
    """
    dims = viewer.dims
    hidden = [axis - (dims.ndim - 3) for axis in dims.not_displayed]
    hidden = [axis for axis in hidden if axis >= 0]
    if dims.ndisplay != 2 or len(hidden) != 1:
        msg = (
            "this tool must see one slice of the scan, the view shows "
            f"{dims.ndisplay} dimensions: leave the 3D view first"
        )
        raise InputError(msg)
    axis, size = hidden[0], int(layer.data.shape[hidden[0]])
    number = int(np.floor(layer.world_to_data(dims.point)[axis] + 0.5))
    if not 0 <= number < size:
        msg = (
            f"a slice from 0 to {size - 1} of the scan must be on screen, got "
            f"{number}: go back to the scan"
        )
        raise InputError(msg)
    return axis, number


def slice_box(axis: int, number: int, shape: Sequence[int]) -> Box:
    """Return a slice as a box."""
    z, y, x = (
        slice(number, number + 1) if other == axis else slice(0, int(size))
        for other, size in enumerate(shape)
    )
    return z, y, x


def drawn_box(
    corners: ArrayLike,
    place: tuple[int, int],
    depth_mm: float,
    spacing: Sequence[float],
    shape: Sequence[int],
) -> Box | None:
    """Return the box of a rectangle that was drawn on a slice.

    Parameters
    ----------
    corners : (n, 3) voxels, order (z, y, x)
        Of the rectangle; voxels whose centre lies in it count.
    place : (axis, number)
        The slice that it was drawn on.
    depth_mm : float
        How far the box reaches to both sides of the slice.
    spacing : (z, y, x) mm
        Of the voxels.
    shape : (z, y, x) voxels
        Of the array; the box is cut at its borders.

    Returns
    -------
    three slices, or None
        None where no voxel lies in the rectangle.
    """
    axis, number = place
    given = np.asarray(corners, dtype=np.float64)
    first = np.ceil(given.min(axis=0)).astype(int)
    last = np.floor(given.max(axis=0)).astype(int)
    depth = int(depth_mm / spacing[axis] + ROUNDING)
    first[axis], last[axis] = number - depth, number + depth
    first = np.maximum(first, 0)
    last = np.minimum(last, np.asarray(shape) - 1)
    if (first > last).any():
        return None
    z, y, x = (slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    return z, y, x


def placement(layer: Any) -> dict[str, Any]:
    """Return the options that put another layer where a layer is."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }
