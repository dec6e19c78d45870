"""Where a label lies, found in a few passes over a large array, and boxes of boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.correction.change import Box

__all__ = ["hull", "label_box", "overlap", "within"]


def label_box(labels: NDArray[Any], label: int) -> Box | None:
    """Return the smallest box around a label, None where there is none.

    Plane by plane in the order of memory, so that each plane is still in the cache when
    it is read again: several times faster than a mask of the whole array.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; any order in memory.
    label : int
        Its value.
    """
    order = sorted(range(3), key=lambda axis: -abs(labels.strides[axis]))
    planes = []
    seen = np.zeros([labels.shape[axis] for axis in order[1:]], dtype=np.bool_)
    for number, plane in enumerate(labels.transpose(order)):
        held = plane == label
        if held.any():
            planes.append(number)
            seen |= held
    if not planes:
        return None
    rows, columns = seen.any(axis=1), seen.any(axis=0)
    found = [np.array(planes), np.flatnonzero(rows), np.flatnonzero(columns)]
    ranges = {
        axis: slice(int(numbers[0]), int(numbers[-1]) + 1)
        for axis, numbers in zip(order, found, strict=True)
    }
    return ranges[0], ranges[1], ranges[2]


def overlap(first: Box, second: Box) -> Box | None:
    """Return the box that two boxes share, None when they share nothing."""
    z, y, x = (
        slice(max(one.start, other.start), min(one.stop, other.stop))
        for one, other in zip(first, second, strict=True)
    )
    shared = (z, y, x)
    return shared if all(part.start < part.stop for part in shared) else None


def hull(first: Box, second: Box | None) -> Box:
    """Return the smallest box that holds two boxes, or the first when it is alone."""
    if second is None:
        return first
    z, y, x = (
        slice(min(one.start, other.start), max(one.stop, other.stop))
        for one, other in zip(first, second, strict=True)
    )
    return z, y, x


def within(inner: Box, outer: Box) -> Box:
    """Return a box as it lies in an array that begins where another box does."""
    z, y, x = (
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(inner, outer, strict=True)
    )
    return z, y, x
