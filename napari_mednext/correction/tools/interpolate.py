"""Fill the slices between drawn ones.

Shapes are interpolated as signed distances to their outlines [1]_. Unlike there, the
two shapes are first laid on each other, centre on centre, and what comes out is moved
along the straight line between their places: a tilted vessel stays a tilted vessel
instead of thinning out, or breaking, halfway. Distances are in mm in the slice.

References
----------
.. [1] S. P. Raya, J. K. Udupa, Shape-based interpolation of multidimensional objects,
   IEEE TMI 9 (1), 1990.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_mednext.correction.tools.arguments import PLANES, check_axis, check_index
from napari_mednext.correction.tools.extent import label_box
from napari_mednext.correction.tools.shapes import (
    Shape,
    matched_shapes,
    signed_distance,
)
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.correction.change import Box, Change
    from napari_mednext.correction.scope import Scope

__all__ = ["interpolate"]

#: Voxels around both shapes: moved by up to one voxel, they stay in the frame.
_FRAME = 2
#: An outline this near to a voxel's centre leaves it out, whichever way sums round.
_ROUNDING_MM = 1e-6

#: A mask of part of a slice, and the row and column where it begins.
_Patch = tuple[NDArray[np.bool_], tuple[int, int]]


@dataclass(frozen=True)
class _Passage:
    """A shape that turns into another one on the way between two slices.

    Both distances are (rows, columns) in frames of one size, laid so that the centres
    of the shapes coincide but for ``rest``, less than a voxel.
    """

    here: NDArray[np.float64]
    there: NDArray[np.float64]
    start: tuple[int, int]
    """Where the frame of the first shape begins in its slice."""
    shift: NDArray[np.float64]
    """From the first centre to the second, in (row, column) voxels."""
    rest: NDArray[np.float64]
    """What of the shift is left when it is rounded."""

    @classmethod
    def of(cls, first: Shape, second: Shape, spacing: Sequence[float]) -> _Passage:
        """Make the passage of two shapes."""
        # Sums of whole numbers: what should be whole is, but for the last digits.
        shift = np.round(second.center - first.center, 9)
        whole = np.round(shift).astype(int)
        begin = np.minimum(first.start, second.start - whole) - _FRAME
        end = np.maximum(first.stop, second.stop - whole) + _FRAME
        here = signed_distance(first.placed(begin, end - begin), spacing)
        there = signed_distance(second.placed(begin + whole, end - begin), spacing)
        return cls(here, there, (int(begin[0]), int(begin[1])), shift, shift - whole)

    def at(self, way: float) -> _Patch:
        """Return the shape at a part of the way, 0..1."""
        move = np.round(way * self.shift, 9)
        whole = np.round(move).astype(int)
        left = move - whole
        height = (1 - way) * _moved(self.here, left)
        height += way * _moved(self.there, left - self.rest)
        return height > _ROUNDING_MM, (
            self.start[0] + int(whole[0]),
            self.start[1] + int(whole[1]),
        )


@dataclass(frozen=True)
class _End:
    """A shape with no continuation: it shrinks and is gone halfway."""

    distance: NDArray[np.float64]
    start: tuple[int, int]
    comes: bool
    """Whether it stands in the second slice instead of the first."""

    @classmethod
    def of(cls, shape: Shape, spacing: Sequence[float], *, comes: bool) -> _End:
        """Make the end of a shape."""
        begin = np.array(shape.start) - _FRAME
        size = np.array(shape.mask.shape) + 2 * _FRAME
        distance = signed_distance(shape.placed(begin, size), spacing)
        return cls(distance, (int(begin[0]), int(begin[1])), comes)

    def at(self, way: float) -> _Patch:
        """Return what is left at a part of the way, 0..1."""
        lost = 2 * (1 - way if self.comes else way) * self.distance.max()
        return self.distance > lost + _ROUNDING_MM, self.start


def interpolate(
    labels: NDArray[Any],
    scope: Scope,
    *,
    axis: int = 0,
    drawn: Sequence[int] | None = None,
    contours: bool = False,
) -> Change | None:
    """Fill the slices between drawn slices of the label.

    A cylinder comes back voxel by voxel, upright or tilted by whole voxels a slice;
    other tilts, and cones, to within half a voxel of their surface. Parts of a slice
    that continue each other are interpolated by themselves, see
    :func:`~napari_mednext.correction.tools.shapes.matched_shapes`; a part with no
    continuation shrinks evenly and is gone halfway.

    Parameters
    ----------
    labels : (z, y, x) unsigned integers
        Not modified.
    scope : Scope
        Its label is interpolated.
    axis : int
        Which axis the slices are perpendicular to.
    drawn : sequence of int, optional
        The slices that count as drawn, in any order; those between them are replaced.
        By default all slices where the label stands; then only empty ones are filled.
    contours : bool
        Whether drawn slices hold outlines: they are filled first, and stay filled. An
        outline with a gap stays a line.

    Returns
    -------
    Change or None
        None when nothing changes.

    Raises
    ------
    InputError
        If fewer than two slices are drawn, or a drawn one does not hold the label, or
        the axis or a slice does not exist.
    """
    check_axis(axis)
    box, numbers = _drawn(labels, scope.label, axis, drawn)
    stack = np.moveaxis(labels[box] == scope.label, axis, 0)  # (slices, rows, columns)
    spacing = [mm for across, mm in enumerate(scope.spacing) if across != axis]
    if contours:
        for number in numbers:
            stack[number] = ndimage.binary_fill_holes(stack[number])
    patches: list[tuple[int, _Patch]] = []
    for first, last in pairwise(numbers):
        if last - first == 1:
            continue
        apart_mm = (last - first) * scope.spacing[axis]
        pairs = matched_shapes(stack[first], stack[last], spacing, apart_mm)
        changes = _passages(pairs, spacing)
        stack[first + 1 : last] = False
        for number in range(first + 1, last):
            way = (number - first) / (last - first)
            patches.extend((number, change.at(way)) for change in changes)
    return _changed(labels, scope, stack, patches, (box, axis))


def _drawn(
    labels: NDArray[Any], label: int, axis: int, drawn: Sequence[int] | None
) -> tuple[Box, list[int]]:
    """Return the box of the drawn slices, and their numbers in it."""
    box = label_box(labels, label)
    if drawn is not None:
        for number in drawn:
            check_index(number, axis, labels.shape)
    if box is None:
        found = np.empty(0, np.intp)
    else:
        others = tuple(across for across in range(3) if across != axis)
        held = (labels[box] == label).any(axis=others)
        found = np.flatnonzero(held) + box[axis].start
    numbers = found.tolist() if drawn is None else sorted({int(n) for n in drawn})
    empty = sorted(set(numbers).difference(found.tolist()))
    if box is None or len(numbers) < 2 or empty:
        msg = (
            f"the label {label} must be drawn on two {PLANES[axis]} slices or more, "
            f"got {numbers or 'none'}"
            + (f" of which {empty} do not hold it" if empty else "")
            + ": draw it on another one"
        )
        raise InputError(msg)
    parts = list(box)
    parts[axis] = slice(numbers[0], numbers[-1] + 1)
    return (parts[0], parts[1], parts[2]), [n - numbers[0] for n in numbers]


def _passages(
    pairs: Sequence[tuple[Shape | None, Shape | None]], spacing: Sequence[float]
) -> list[_Passage | _End]:
    """Return how the shapes of one slice turn into those of another."""
    found: list[_Passage | _End] = []
    for first, second in pairs:
        if first is not None and second is not None:
            found.append(_Passage.of(first, second, spacing))
        elif first is not None:
            found.append(_End.of(first, spacing, comes=False))
        elif second is not None:
            found.append(_End.of(second, spacing, comes=True))
    return found


def _moved(
    distance: NDArray[np.float64], move: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return distances moved by parts of a voxel, exact for whole ones and slopes."""
    if not move.any():
        return distance
    return np.asarray(ndimage.shift(distance, move, order=1, mode="nearest"))


def _changed(
    labels: NDArray[Any],
    scope: Scope,
    stack: NDArray[np.bool_],
    patches: list[tuple[int, _Patch]],
    where: tuple[Box, int],
) -> Change | None:
    """Return the change that adds patches to a stack; they may stick out of its box."""
    box, axis = where
    around = np.array([[part.start, part.stop] for part in box])
    across = [other for other in range(3) if other != axis]
    origin = around[across, 0]
    sizes = np.array([labels.shape[other] for other in across])
    for _, (mask, start) in patches:
        first = np.array(start) + origin
        around[across, 0] = np.minimum(around[across, 0], np.maximum(first, 0))
        last = np.minimum(first + mask.shape, sizes)
        around[across, 1] = np.maximum(around[across, 1], last)
    before, after = origin - around[across, 0], around[across, 1] - origin
    beyond = [(0, 0), *zip(before, after - stack.shape[1:], strict=True)]
    full = np.pad(stack, beyond)
    for number, (mask, start) in patches:
        _add(full[number], mask, start + before)
    z, y, x = (slice(int(first), int(last)) for first, last in around)
    return scope.change(labels, np.moveaxis(full, 0, axis), (z, y, x))


def _add(
    plane: NDArray[np.bool_], mask: NDArray[np.bool_], start: NDArray[np.intp]
) -> None:
    """Add what lies inside of a plane of a mask that begins somewhere, in place."""
    stop = np.minimum(start + mask.shape, plane.shape)
    first = np.maximum(start, 0)
    if (first >= stop).any():
        return
    (row, column), (last_row, last_column) = first, stop
    up, left = start
    plane[row:last_row, column:last_column] |= mask[
        row - up : last_row - up, column - left : last_column - left
    ]
