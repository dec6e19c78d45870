"""Boxes and points between a volume's own axes and the turned axes of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import InputError
from napari_mednext.volume.orientation import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.inference.tiles import Region

__all__ = ["after", "block_back", "box_back", "box_there", "checked_roi", "point_there"]

Slices = tuple[slice, slice, slice]
Shape = tuple[int, int, int]


def after(turn: Turn, transpose: Sequence[int]) -> Turn:
    """Return the turn that is ``turn`` followed by a transposition."""
    z, y, x = (int(axis) for axis in transpose)
    return Turn(
        (turn.axes[z], turn.axes[y], turn.axes[x]),
        (turn.flips[z], turn.flips[y], turn.flips[x]),
    )


def checked_roi(roi: Sequence[slice], shape: Shape) -> Slices:
    """Return a region of interest with plain bounds inside the volume.

    Parameters
    ----------
    roi : three slices
        Of the axes (z, y, x), in voxels; open and negative bounds as in Python.
    shape : (z, y, x) voxels
        Shape of the volume.

    Returns
    -------
    three slices
        With start and stop.

    Raises
    ------
    InputError
        If there are not three slices of step 1, or they hold no voxel.
    """
    if len(roi) != 3 or any(part.step not in (None, 1) for part in roi):
        msg = (
            "a region of interest must be three ranges (z, y, x) without steps, "
            f"got {roi!r}"
        )
        raise InputError(msg)
    limits = [part.indices(size)[:2] for part, size in zip(roi, shape, strict=True)]
    if any(stop <= start for start, stop in limits):
        msg = (
            "a region of interest must hold at least one voxel of the volume "
            f"{shape}, got {limits}: choose another"
        )
        raise InputError(msg)
    z, y, x = (slice(start, stop) for start, stop in limits)
    return z, y, x


def box_there(turn: Turn, shape: Shape, box: Sequence[slice]) -> Region:
    """Return where a box of the volume, of that shape, lies after the turn."""
    ranges = []
    for axis, flip in zip(turn.axes, turn.flips, strict=True):
        start, stop, size = box[axis].start, box[axis].stop, shape[axis]
        ranges.append((size - stop, size - start) if flip else (start, stop))
    z, y, x = ranges
    return z, y, x


def box_back(turn: Turn, shape: Shape, region: Region) -> Slices:
    """Return where a turned box lies in the volume of that shape."""
    slices = [slice(0, 0)] * 3
    for axis, flip, (start, stop) in zip(turn.axes, turn.flips, region, strict=True):
        size = shape[axis]
        slices[axis] = slice(size - stop, size - start) if flip else slice(start, stop)
    z, y, x = slices
    return z, y, x


def point_there(
    turn: Turn, shape: Shape, point: Sequence[float]
) -> tuple[float, float, float]:
    """Return where a voxel position of the volume lies after the turn."""
    z, y, x = (
        shape[axis] - 1 - point[axis] if flip else float(point[axis])
        for axis, flip in zip(turn.axes, turn.flips, strict=True)
    )
    return z, y, x


def block_back(turn: Turn, block: NDArray[Any]) -> NDArray[Any]:
    """Return a turned (z, y, x) block in the volume's own axes, contiguous."""
    steps = tuple(slice(None, None, -1 if flip else 1) for flip in turn.flips)
    unflipped = block[steps]
    return np.ascontiguousarray(unflipped.transpose(np.argsort(turn.axes)))
