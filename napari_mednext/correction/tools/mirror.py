"""Copying a label to the other side of a plane, as in a mirror."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_mednext.correction.change import whole_box
from napari_mednext.correction.tools.arguments import check_axis, check_value
from napari_mednext.correction.tools.extent import hull, label_box, overlap, within
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.correction.change import Box, Change
    from napari_mednext.correction.scope import Scope

__all__ = ["Side", "mirror"]

#: Which side of the plane is copied: the one of the low or of the high voxel numbers.
Side = Literal["low", "high"]

_OPPOSITE: dict[Side, Side] = {"low": "high", "high": "low"}


def mirror(
    labels: NDArray[Any],
    scope: Scope,
    *,
    axis: int = 2,
    plane: float | None = None,
    side: Side | None = None,
    to_label: int | None = None,
    union: bool = True,
) -> Change | None:
    """Add the mirror image of the selected label to it, or to another label.

    With both sides, the label becomes symmetric. What would lie outside the array is
    left out, and nothing is replaced when that is all of it. An image that is given to
    another label never covers the selected one.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        Its rules hold for the label that gets the image.
    axis : int
        Across the plane: 0, 1 or 2. In volumes that are turned to LPS, 2 runs from
        right to left.
    plane : float, optional
        Where the plane lies along the axis: at a voxel, or halfway between two. By
        default in the middle of the array.
    side : "low" or "high", optional
        Only what the label has on this side of the plane is copied to the other side.
        By default each side is copied to the other.
    to_label : int, optional
        The label that gets the image, such as the right kidney for the left; the
        selected label by default.
    union : bool
        Whether the image is added to what that label has. Else it replaces it on the
        side that the image is for; with each side copied to the other, everywhere.

    Raises
    ------
    InputError
        If the axis or the side is none, the plane is not in the array or neither at a
        voxel nor halfway between two, or the other label does not fit the array.
    """
    check_axis(axis)
    if side not in (None, "low", "high"):
        msg = f"the side to copy must be 'low', 'high' or None for both, got {side!r}"
        raise InputError(msg)
    size = labels.shape[axis]
    twice = _twice_the_plane(plane, size)
    target = scope.label if to_label is None else to_label
    check_value(target, labels)
    shown = label_box(labels, scope.label)
    shown = shown and overlap(shown, _half(labels.shape, axis, twice, side))
    image = shown and _mirrored(shown, axis, twice, size)
    if image is None:
        return None
    box = image
    if not union:
        other = None if side is None else _OPPOSITE[side]
        held = label_box(labels, target)
        box = hull(
            image, held and overlap(held, _half(labels.shape, axis, twice, other))
        )
    source = _mirrored(image, axis, twice, size) or image
    mask = np.zeros([part.stop - part.start for part in box], dtype=np.bool_)
    mask[within(image, box)] = np.flip(labels[source] == scope.label, axis)
    if not mask.any():
        return None
    if target != scope.label:
        mask &= labels[box] != scope.label
    return replace(scope, label=target).change(labels, mask, box, remove=not union)


def _twice_the_plane(plane: float | None, size: int) -> int:
    """Return the sum of the numbers of a voxel and its mirror image."""
    if plane is None:
        return size - 1
    twice = 2 * plane
    if not 0 <= plane <= size - 1 or twice != int(twice):
        msg = (
            f"a mirror must lie at a voxel from 0 to {size - 1} or halfway between "
            f"two, got {plane}"
        )
        raise InputError(msg)
    return int(twice)


def _half(shape: tuple[int, ...], axis: int, twice: int, side: Side | None) -> Box:
    """Return the part of the array on a side of the plane, its own voxels included."""
    box = list(whole_box(shape))
    if side == "low":
        box[axis] = slice(0, twice // 2 + 1)
    elif side == "high":
        box[axis] = slice((twice + 1) // 2, shape[axis])
    z, y, x = box
    return z, y, x


def _mirrored(box: Box, axis: int, twice: int, size: int) -> Box | None:
    """Return a box on the other side of the plane, cut at the borders of the array."""
    start = max(0, twice - box[axis].stop + 1)
    stop = min(size, twice - box[axis].start + 1)
    if start >= stop:
        return None
    z, y, x = (
        slice(start, stop) if across == axis else part
        for across, part in enumerate(box)
    )
    return z, y, x
