"""Painting and erasing with a disc or a ball of a size in mm."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_mednext.correction.tools.arguments import check_axis, check_length
from napari_mednext.correction.tools.ball import ROUNDING
from napari_mednext.correction.tools.extent import within
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_mednext.correction.change import Box, Change
    from napari_mednext.correction.scope import Scope

__all__ = ["footprint", "stamp"]

_Points = NDArray[np.float64]


def stamp(
    labels: NDArray[Any],
    scope: Scope,
    points: ArrayLike,
    *,
    radius_mm: float,
    sphere: bool = True,
    axis: int = 0,
    erase: bool = False,
) -> Change | None:
    """Paint the selected label along a stroke, or take it away there.

    A voxel is touched when its centre lies within the radius of the stroke, which runs
    straight from point to point, and always when it lies under the stroke: a brush that
    is thinner than a voxel still draws a line without gaps. What lies outside the array
    is left out.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        With a window, the brush is one with a threshold.
    points : (n, 3) voxels, order (z, y, x)
        Of the stroke, need not be whole numbers. No point gives no change.
    radius_mm : float
        0 or more.
    sphere : bool
        Whether the brush is a ball. Else it is a disc in the slice of each point, and
        points in different slices are not joined.
    axis : int
        Across the slices of a disc: 0, 1 or 2.
    erase : bool
        Whether the selected label is set to 0 under the stroke. Other labels stay.

    Raises
    ------
    InputError
        If the radius is negative, the axis is none, or the points are not (n, 3) finite
        numbers.
    """
    check_length(radius_mm, "radius of the brush")
    check_axis(axis)
    path = _path(points)
    reach = _reach(scope.spacing, radius_mm, sphere=sphere, axis=axis)
    if not sphere:
        path[:, axis] = np.floor(path[:, axis] + 0.5)
    box = None if len(path) == 0 else _box_around(path, reach, labels.shape)
    if box is None:
        return None
    touched = np.zeros([part.stop - part.start for part in box], dtype=np.bool_)
    for piece in _pieces(path, None if sphere else axis):
        near = _box_around(piece, reach, labels.shape)
        if near is not None:
            touched[within(near, box)] |= _capsule(piece, near, radius_mm, scope)
            _draw_line(touched, piece, box)
    if erase:
        held = labels[box] == scope.label
        return scope.change(labels, held & ~touched, box)
    return scope.change(labels, touched, box, remove=False)


def footprint(
    spacing: Sequence[float], radius_mm: float, *, sphere: bool = True, axis: int = 0
) -> NDArray[np.bool_]:
    """Return the voxels that the brush touches around a voxel's centre.

    Parameters
    ----------
    spacing : (z, y, x) mm
        Of the voxels.
    radius_mm : float
        0 or more.
    sphere, axis
        As for :func:`stamp`.

    Returns
    -------
    (z, y, x) bool
        Odd in size, the voxel under the brush in the middle; one slice for a disc.

    Raises
    ------
    InputError
        If the radius is negative or the axis is none.
    """
    check_length(radius_mm, "radius of the brush")
    check_axis(axis)
    reach = _reach(spacing, radius_mm, sphere=sphere, axis=axis)
    squared: NDArray[np.float64] = np.zeros((1, 1, 1))
    for across, far in enumerate(reach.astype(int).tolist()):
        offsets = np.arange(-far, far + 1) * spacing[across]
        squared = squared + _along(offsets**2, across)
    return squared <= (radius_mm * (1 + ROUNDING)) ** 2


def _path(points: ArrayLike) -> _Points:
    """Return the points of a stroke as an own array (n, 3)."""
    path = np.array(points, dtype=np.float64)
    if path.size == 0:
        return path.reshape(0, 3)
    if path.ndim != 2 or path.shape[1] != 3 or not np.isfinite(path).all():
        msg = (
            f"the points of a stroke must be (n, 3) finite numbers (z, y, x), "
            f"got an array of shape {path.shape}"
        )
        raise InputError(msg)
    return path


def _reach(
    spacing: Sequence[float], radius_mm: float, *, sphere: bool, axis: int
) -> NDArray[np.float64]:
    """Return how many voxels the brush reaches from a point, (z, y, x)."""
    reach = radius_mm * (1 + ROUNDING) / np.asarray(spacing, dtype=np.float64)
    if not sphere:
        reach[axis] = 0
    return reach


def _pieces(path: _Points, axis: int | None) -> Iterator[_Points]:
    """Yield the straight pieces (2, 3) of a stroke; points in other slices alone."""
    if len(path) == 1:
        yield path[[0, 0]]
    for start, end in pairwise(path):
        if axis is None or start[axis] == end[axis]:
            yield np.stack([start, end])
        else:
            yield np.stack([start, start])
            yield np.stack([end, end])


def _box_around(
    path: _Points, reach: NDArray[np.float64], shape: Sequence[int]
) -> Box | None:
    """Return the box that a brush may touch, None when it is outside the array."""
    low, high = path.min(axis=0), path.max(axis=0)
    # A thin brush does not reach the centres of the voxels under the ends.
    first = np.minimum(np.ceil(low - reach), np.floor(low + 0.5))
    last = np.maximum(np.floor(high + reach), np.floor(high + 0.5))
    first = np.clip(first, 0, shape).astype(int)
    last = np.clip(last, -1, np.asarray(shape) - 1).astype(int)
    if (first > last).any():
        return None
    z, y, x = (
        slice(start, stop + 1)
        for start, stop in zip(first.tolist(), last.tolist(), strict=True)
    )
    return z, y, x


def _capsule(
    piece: _Points, box: Box, radius_mm: float, scope: Scope
) -> NDArray[np.bool_]:
    """Return which voxels of a box have their centre near a straight piece."""
    start, end = piece * scope.spacing
    way = end - start
    offsets = [
        _along(np.arange(part.start, part.stop) * mm - begin, axis)
        for axis, (part, mm, begin) in enumerate(
            zip(box, scope.spacing, start, strict=True)
        )
    ]
    length = float(way @ way)
    share: Any = 0.0
    if length > 0:
        share = sum(offset * step for offset, step in zip(offsets, way, strict=True))
        share = np.clip(share / length, 0, 1)
    squared = sum(
        (offset - share * step) ** 2 for offset, step in zip(offsets, way, strict=True)
    )
    near: NDArray[np.bool_] = squared <= (radius_mm * (1 + ROUNDING)) ** 2
    return near


def _draw_line(touched: NDArray[np.bool_], piece: _Points, box: Box) -> None:
    """Touch the voxels under a straight piece, in place."""
    start, end = piece
    steps = int(np.ceil(np.abs(end - start).max()))
    line = np.floor(np.linspace(start, end, steps + 1) + 0.5).astype(int)
    line -= [part.start for part in box]
    inside = ((line >= 0) & (line < touched.shape)).all(axis=1)
    touched[tuple(line[inside].T)] = True


def _along(numbers: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return numbers as an array of three axes that runs along one of them."""
    shape = [1, 1, 1]
    shape[axis] = -1
    return numbers.reshape(shape)
