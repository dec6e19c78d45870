"""Surface Dice in the plane, for cases of which only single slices were reviewed.

The same as :mod:`napari_mednext.evaluation.surfaces` with one axis less: an element of
a contour lies where four pixel centres form a box that is partly inside, and has the
length that marching squares give it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["contour_dice"]

#: Distances may exceed a tolerance by so much of it: headers in single precision.
_SPACING_NOISE = 1e-4


def contour_dice(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float],
    tolerance_mm: float,
) -> float | None:
    """Return the share of the contours of two masks within a distance of the other.

    Parameters
    ----------
    prediction, reference : (planes, rows, columns) bool
        Same shape; planes are compared one by one and counted by contour length.
    spacing : (rows, columns) mm
        Of the pixels.
    tolerance_mm : float
        At least 0. A distance that equals it counts as within.

    Returns
    -------
    float or None
        None where both are empty; in a plane where only one is, none of it is within.
    """
    within = whole = 0.0
    lengths = _lengths(*spacing)
    limit = tolerance_mm * (1.0 + _SPACING_NOISE)
    for one, other in zip(prediction, reference, strict=True):
        codes = _codes(one), _codes(other)
        points = [
            np.argwhere((code > 0) & (code < 15)) * np.asarray(spacing)
            for code in codes
        ]
        sizes = [lengths[code[(code > 0) & (code < 15)]] for code in codes]
        whole += float(sizes[0].sum() + sizes[1].sum())
        if not (len(points[0]) and len(points[1])):
            continue
        for mine, size, theirs in (
            (points[0], sizes[0], points[1]),
            (points[1], sizes[1], points[0]),
        ):
            distances = KDTree(theirs).query(mine)[0]
            within += float(size[distances <= limit].sum())
    return min(within / whole, 1.0) if whole else None


def _codes(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the code of every box of four pixels, with background around."""
    padded = np.pad(mask, 1).view(np.uint8)
    codes: NDArray[np.uint8] = (
        padded[:-1, :-1]
        | padded[:-1, 1:] << np.uint8(1)
        | padded[1:, :-1] << np.uint8(2)
        | padded[1:, 1:] << np.uint8(3)
    )
    return codes


def _lengths(down: float, across: float) -> NDArray[np.float64]:
    """Return the length of the contour in a box, by its code."""
    corner = math.hypot(down, across) / 2
    lengths = np.full(16, corner)
    lengths[[0, 15]] = 0.0
    lengths[[3, 12]] = across  # a row is inside
    lengths[[5, 10]] = down  # a column is inside
    lengths[[6, 9]] = 2 * corner  # diagonal corners
    return lengths
