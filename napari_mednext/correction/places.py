"""Places of doubt: connected cells, and how an area that is too large falls apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_mednext.correction.change import Box, whole_box

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Place", "find_places"]

#: By how much a threshold is raised, again and again, to make a large area fall apart.
RAISE = 1.08


@dataclass(frozen=True)
class Place:
    """Connected cells.

    Parameters
    ----------
    box : three slices
        Around them, in cells.
    mask : (z, y, x) bool
        Of the shape of the box.
    voxels : int
        That they hold.
    """

    box: Box
    mask: NDArray[np.bool_]
    voxels: int


def find_places(
    means: NDArray[np.float32],
    counts: NDArray[np.int32],
    threshold: float,
    *,
    smallest: float,
    largest: float,
) -> list[Place]:
    """Return connected cells at or above a threshold.

    In a place with more than ``largest`` voxels the threshold is raised until it falls
    apart: what is left are the parts that stand out of it. A place that would rather
    vanish than fall apart stays whole, so no place is lost.

    Parameters
    ----------
    means : (z, y, x) float32
        A value for each cell.
    counts : (z, y, x) integers
        Voxels in each cell.
    threshold : float
        In units of ``means``, positive.
    smallest, largest : float
        Voxels of a place; smaller ones are left out.
    """
    found = []
    whole = whole_box(means.shape)
    todo = list(_pieces(whole, means >= threshold, counts, smallest))
    level = threshold
    while todo:
        level *= RAISE
        larger = []
        for place in todo:
            parts = []
            if place.voxels > largest:
                inside = place.mask & (means[place.box] >= level)
                parts = list(_pieces(place.box, inside, counts, smallest))
            if parts:
                larger += parts
            else:
                found.append(place)
        todo = larger
    return found


def _pieces(
    box: Box, mask: NDArray[np.bool_], counts: NDArray[np.int32], smallest: float
) -> Iterator[Place]:
    """Yield the connected pieces of a mask that are large enough."""
    numbers, _ = ndimage.label(mask)
    sizes = np.bincount(numbers.ravel(), weights=counts[box].ravel())
    for number, part in enumerate(ndimage.find_objects(numbers), start=1):
        if part is not None and sizes[number] >= smallest:
            z, y, x = (
                slice(inner.start + outer.start, inner.stop + outer.start)
                for inner, outer in zip(part, box, strict=True)
            )
            yield Place((z, y, x), numbers[part] == number, int(sizes[number]))
