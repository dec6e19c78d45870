"""How hard the image makes it to pass each voxel: the price that edges ask.

Flat tissue costs 1 a mm. An edge costs what the grey values rise or fall across it, as
a part of the range of the grey values round about: however thick the edge is, and
however the scan is spaced, crossing one of full contrast costs ``edge_mm`` more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction.change import Box

__all__ = ["edge_price", "local_contrast", "smoothed"]

#: The grey values in between are the local range; a few bright voxels do not count.
_RANGE_PERCENT = (2.0, 98.0)
#: So many voxels are enough for a percentile.
_SAMPLES = 200_000
#: Width of the smoothing (standard deviation), in finest voxels.
_SMOOTHING = 1.0
#: Slopes below this multiple of the middle one of their axis are noise. On balls with
#: noise of 10 % and 30 % of their contrast less lets the noise move a border where
#: there is no edge, more lets a border pass through weak edges.
_NOISE = 2.5


def local_contrast(image: NDArray[Any], box: Box) -> NDArray[np.float32]:
    """Return the grey values of a box, 0..1 over their local range and not beyond.

    Parameters
    ----------
    image : (z, y, x)
        The whole image; not modified. Values that are not finite count as the lowest.
    box : three slices
        Where to look.

    Returns
    -------
    (z, y, x) float32
        Of the shape of the box. All 0 where the box is of one value.
    """
    grey = image[box].astype(np.float32)
    finite = np.isfinite(grey)
    if not finite.all():
        grey[~finite] = grey[finite].min() if finite.any() else 0
    low, high = np.percentile(_sample(grey), _RANGE_PERCENT)
    if not high > low:
        low, high = float(grey.min()), float(grey.max())
    if not high > low:
        return np.zeros_like(grey)
    scaled = (grey - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, 0, 1, out=scaled)


def smoothed(
    contrast: NDArray[np.float32], spacing: Sequence[float]
) -> NDArray[np.float32]:
    """Return the contrast without the noise of single voxels.

    Parameters
    ----------
    contrast : (z, y, x) float32
        As :func:`local_contrast` returns it; not modified.
    spacing : (z, y, x) mm
        The smoothing reaches equally far, in mm, along all axes.

    Returns
    -------
    (z, y, x) float32
    """
    width_mm = _SMOOTHING * min(spacing)
    widths = [width_mm / mm for mm in spacing]
    return np.asarray(ndimage.gaussian_filter(contrast, widths), dtype=np.float32)


def edge_price(
    contrast: NDArray[np.float32], spacing: Sequence[float], edge_mm: float
) -> NDArray[np.float32]:
    """Return what a mm costs at each voxel.

    Parameters
    ----------
    contrast : (z, y, x) float32
        As :func:`local_contrast` returns it.
    spacing : (z, y, x) mm
        Of the contrast.
    edge_mm : float
        How many mm of flat tissue cost as much as an edge of full contrast.

    Returns
    -------
    (z, y, x) float32
        1 and more.
    """
    smooth = smoothed(contrast, spacing)
    squared = np.zeros_like(smooth)
    for axis, mm in enumerate(spacing):
        if smooth.shape[axis] == 1:
            continue
        slope = np.gradient(smooth, np.float32(mm), axis=axis)
        slope *= slope
        # Each axis by itself: across thick slices both edges and noise are less steep.
        slope -= np.float32(_NOISE**2 * np.median(_sample(slope)))
        squared += np.maximum(slope, 0, out=slope)
    price = np.sqrt(squared, out=squared)
    price *= np.float32(edge_mm)
    price += 1
    return price


def _sample(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return evenly picked values of a large array."""
    return values.reshape(-1)[:: max(1, values.size // _SAMPLES)]
