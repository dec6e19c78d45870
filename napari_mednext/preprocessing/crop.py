"""Crop to the part of an image that is not zero, and put labels back.

The rule is nnU-Net's (Isensee et al., Nature Methods 18, 2021; nnunetv2 2.8.1,
Apache-2.0, ``preprocessing/cropping``), written anew. What differs: the box is found
plane by plane without a mask of the whole image, because filling holes never moves a
bounding box; the filled mask is made only for normalisations that ask for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Box", "filled_mask", "nonzero_box", "uncrop"]

#: Half-open (start, stop) voxels of the three axes.
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def nonzero_box(array: NDArray[Any]) -> Box:
    """Return the smallest box that holds every voxel where any channel is not zero.

    An image that is zero everywhere gets the box of the whole image. NaN counts as
    not zero.

    Parameters
    ----------
    array : (c, z, y, x)
        Any real dtype. Not modified.

    Returns
    -------
    Box
        Half-open ranges for the three axes.
    """
    planes, rows, columns = array.shape[1:]
    has_plane = np.zeros(planes, dtype=bool)
    has_row = np.zeros(rows, dtype=bool)
    has_column = np.zeros(columns, dtype=bool)
    for index in range(planes):
        mask = (array[:, index] != 0).any(axis=0)
        has_plane[index] = mask.any()
        has_row |= mask.any(axis=1)
        has_column |= mask.any(axis=0)
    return _extent(has_plane), _extent(has_row), _extent(has_column)


def _extent(occupied: NDArray[np.bool_]) -> tuple[int, int]:
    """First and one past the last True; everything when there is none."""
    indices = np.flatnonzero(occupied)
    if indices.size == 0:
        return 0, occupied.size
    return int(indices[0]), int(indices[-1]) + 1


def filled_mask(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where any channel is not zero, with enclosed holes filled.

    Parameters
    ----------
    array : (c, z, y, x)
        Cropped or not: the mask inside the box of :func:`nonzero_box` is the same.

    Returns
    -------
    (z, y, x) bool
        Holes are zeros that no path of face neighbours leads out of.
    """
    mask = np.zeros(array.shape[1:], dtype=bool)
    for channel in array:
        mask |= channel != 0
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(mask)
    return filled


def uncrop(
    cropped: NDArray[Any], box: Box, shape: tuple[int, int, int]
) -> NDArray[Any]:
    """Return zeros of the full shape with the cropped array in its box.

    Parameters
    ----------
    cropped : (z, y, x)
        Array with the shape of the box.
    box : Box
        What :func:`nonzero_box` returned.
    shape : (z, y, x) voxels
        Shape before cropping.

    Returns
    -------
    (z, y, x)
        The inverse of cropping, 0 outside the box.
    """
    full = np.zeros(shape, dtype=cropped.dtype)
    full[tuple(slice(*limits) for limits in box)] = cropped
    return full
