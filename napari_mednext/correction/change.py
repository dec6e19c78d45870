"""What a tool wants to change: new labels in a box, everything else as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Box", "Change", "bounding_box", "grown", "whole_box"]

#: Half-open ranges of the array axes (z, y, x); start and stop are plain numbers.
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Change:
    """Labels that shall stand in a box.

    Parameters
    ----------
    box : three slices
        Inside the label array, with start and stop.
    labels : (z, y, x) unsigned integers
        Of the shape of the box and the type of the label array. Voxels of the box that
        do not change hold what they held.
    """

    box: Box
    labels: NDArray[np.unsignedinteger[Any]]

    @classmethod
    def between(
        cls,
        before: NDArray[Any],
        after: NDArray[Any],
        offset: Sequence[int] = (0, 0, 0),
    ) -> Change | None:
        """Return what differs, in the smallest box; None when nothing does.

        Parameters
        ----------
        before, after : (z, y, x)
            Of one shape: a part of the label array as it is, and as it shall be.
        offset : (z, y, x) voxels
            Where that part begins in the label array.
        """
        box = bounding_box(before != after)
        if box is None:
            return None
        placed = tuple(
            slice(part.start + start, part.stop + start)
            for part, start in zip(box, offset, strict=True)
        )
        labels = np.ascontiguousarray(after[box], dtype=before.dtype)
        return cls((placed[0], placed[1], placed[2]), labels)


def whole_box(shape: Sequence[int]) -> Box:
    """Return the box of a whole array."""
    z, y, x = (slice(0, int(n)) for n in shape)
    return z, y, x


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around the true voxels, None when there are none."""
    if mask.size == 0 or not mask.any():
        return None
    ranges = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(mask.any(axis=others))
        ranges.append(slice(int(found[0]), int(found[-1]) + 1))
    return ranges[0], ranges[1], ranges[2]


def grown(box: Box, margin: Sequence[int], shape: Sequence[int]) -> Box:
    """Return a box that reaches further on every side, cut at the array's borders.

    Parameters
    ----------
    box : three slices
        With start and stop.
    margin : (z, y, x) voxels
        How much further, on both sides.
    shape : (z, y, x) voxels
        Of the array.
    """
    z, y, x = (
        slice(max(0, part.start - int(more)), min(int(size), part.stop + int(more)))
        for part, more, size in zip(box, margin, shape, strict=True)
    )
    return z, y, x
