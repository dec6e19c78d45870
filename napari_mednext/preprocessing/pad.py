"""Pad an image that is smaller than a tile, and take the padding away again.

As nnU-Net: zeros after normalisation, the image in the middle, and the extra voxel of
an odd difference at the high end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["pad_to", "padding"]

Slices = tuple[slice, slice, slice]


def padding(
    shape: tuple[int, int, int], minimum: tuple[int, int, int]
) -> tuple[tuple[int, int, int], Slices]:
    """Return the padded shape and where the image lies in it.

    Parameters
    ----------
    shape : (z, y, x) voxels
        Before padding.
    minimum : (z, y, x) voxels
        Axes that are at least this long stay as they are.

    Returns
    -------
    padded : (z, y, x) voxels
    inside : three slices
        Indexing the padded array with them is the inverse of padding.
    """
    padded = tuple(max(size, least) for size, least in zip(shape, minimum, strict=True))
    low = [(new - size) // 2 for new, size in zip(padded, shape, strict=True)]
    inside = tuple(
        slice(start, start + size) for start, size in zip(low, shape, strict=True)
    )
    return padded, inside  # type: ignore[return-value]  # three entries by the zip


def pad_to(
    array: NDArray[np.float32], minimum: tuple[int, int, int]
) -> tuple[NDArray[np.float32], Slices]:
    """Return the array with zeros around it, at least ``minimum`` voxels an axis.

    Parameters
    ----------
    array : (c, z, y, x) float32
        Returned itself, not a copy, when it is large enough.
    minimum : (z, y, x) voxels
        Smallest padded shape.

    Returns
    -------
    padded : (c, z, y, x) float32
    inside : three slices
        The place of the image: ``padded[:, *inside]`` equals ``array``.
    """
    shape = array.shape[1:]
    padded, inside = padding(shape, minimum)
    if padded == shape:
        return array, inside
    result = np.zeros((array.shape[0], *padded), dtype=array.dtype)
    result[(slice(None), *inside)] = array
    return result, inside
