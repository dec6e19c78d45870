"""Copying the form of a label from one slice to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_mednext.correction.change import bounding_box
from napari_mednext.correction.tools.arguments import PLANES, check_axis, check_index
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction.change import Box, Change
    from napari_mednext.correction.scope import Scope

__all__ = ["copy_slice", "extend"]


def copy_slice(
    labels: NDArray[Any],
    scope: Scope,
    *,
    axis: int,
    index: int,
    to: Sequence[int],
    union: bool = False,
) -> Change | None:
    """Give the selected label the form in some slices that it has in another.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    axis : int
        Across the slices: 0, 1 or 2.
    index : int
        The slice that is copied.
    to : slice numbers
        In any order; the copied slice itself may be among them.
    union : bool
        Whether the form is added to what the label has there; else it replaces it.

    Raises
    ------
    InputError
        If the axis is none, a slice is not in the array, or the copied slice does not
        hold the label.
    """
    check_axis(axis)
    for number in (index, *to):
        check_index(number, axis, labels.shape)
    slices = np.moveaxis(labels, axis, 0)  # (slices, rows, columns)
    form = slices[index] == scope.label
    if not form.any():
        msg = (
            f"the slice to copy must hold label {scope.label}, but {PLANES[axis]} "
            f"slice {index} does not: draw it there, or choose another slice"
        )
        raise InputError(msg)
    numbers = sorted({int(number) for number in to} - {index})
    if not numbers:
        return None
    seen = form.copy()
    for number in numbers:
        seen |= slices[number] == scope.label
    box = _box(seen, numbers, axis)
    mask = labels[box] == scope.label
    drawn = np.moveaxis(mask, axis, 0)
    rows, columns = (part for across, part in enumerate(box) if across != axis)
    for number in numbers:
        plane = drawn[number - numbers[0]]
        plane[...] = form[rows, columns] | (plane & union)
    return scope.change(labels, mask, box)


def extend(
    labels: NDArray[Any],
    scope: Scope,
    *,
    axis: int,
    index: int,
    count: int,
    direction: Literal[-1, 1] = 1,
    union: bool = False,
) -> Change | None:
    """Copy the form of the selected label in a slice to the next ones on one side.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    axis : int
        Across the slices: 0, 1 or 2.
    index : int
        The slice that is copied.
    count : int
        To how many slices, 1 or more; fewer where the array ends before.
    direction : -1 or 1
        To lower or to higher slice numbers.
    union : bool
        Whether the form is added to what the label has there; else it replaces it.

    Raises
    ------
    InputError
        If the axis is none, the slice is not in the array or does not hold the label,
        the count is below 1, or the direction is neither -1 nor 1.
    """
    check_axis(axis)
    if count < 1 or direction not in (-1, 1):
        msg = (
            f"a slice must be copied to 1 or more slices in direction -1 or 1, got "
            f"{count} in direction {direction}"
        )
        raise InputError(msg)
    last = index + direction * count
    numbers = range(index + direction, last + direction, direction)
    to = [number for number in numbers if 0 <= number < labels.shape[axis]]
    return copy_slice(labels, scope, axis=axis, index=index, to=to, union=union)


def _box(seen: NDArray[np.bool_], numbers: Sequence[int], axis: int) -> Box:
    """Return the box of some slices around what is seen in any of them."""
    around = bounding_box(np.expand_dims(seen, axis)) or (slice(0, 0),) * 3
    z, y, x = (
        slice(numbers[0], numbers[-1] + 1) if across == axis else part
        for across, part in enumerate(around)
    )
    return z, y, x
