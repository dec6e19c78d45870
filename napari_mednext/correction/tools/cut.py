"""Cut a label with a plane, or with a lasso through all slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_mednext.correction.change import Box, Change
from napari_mednext.correction.tools.arguments import check_axis, check_value
from napari_mednext.correction.tools.extent import label_box
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction.scope import Scope

__all__ = ["cut_lasso", "cut_plane"]

#: A voxel centre this near to a plane, in mm, lies on it.
_ROUNDING_MM = 1e-6


def cut_plane(
    labels: NDArray[Any],
    scope: Scope,
    *,
    points: Sequence[Sequence[float]] | NDArray[Any],
    normal: Sequence[float] | None = None,
    axis: int = 0,
    keep: Literal["positive", "negative", "larger"] = "positive",
    to_label: int = 0,
) -> Change | None:
    """Cut the label along a plane and take one side away, or give it another label.

    Either two points of a line drawn in a slice: the plane stands on that slice and
    runs through all others. Its positive side is to the right of who walks from the
    first point to the second, seen with the slice's first axis downwards and its second
    to the right. Or one point and a normal, which points to the positive side. Voxels
    whose centre lies on the plane belong to the positive side.

    Parameters
    ----------
    labels : (z, y, x) unsigned integers
        Not modified.
    scope : Scope
        Its label is cut.
    points : (2, 3), or with a normal (1, 3), voxels in the order z, y, x
        Of the line, or of the plane. They need not be whole, nor inside the volume.
    normal : (z, y, x), optional
        In mm, not in voxels; of any length but 0.
    axis : int
        Which axis the slice of the line is perpendicular to; unused with a normal.
    keep : {"positive", "negative", "larger"}
        The side that stays as it is; "larger" is that with more voxels of the label.
    to_label : int
        What the other side becomes; 0 removes it.

    Returns
    -------
    Change or None
        None when nothing is cut off.

    Raises
    ------
    InputError
        If the points, normal, axis, side or label cannot be used.
    """
    if keep not in ("positive", "negative", "larger"):
        msg = f'the side kept must be "positive", "negative" or "larger", got {keep!r}'
        raise InputError(msg)
    _check_target(labels, scope, to_label)
    point, direction = _plane(points, normal, axis, scope.spacing)
    box = label_box(labels, scope.label)
    if box is None:
        return None
    heights = sum(
        _along(
            direction[a] * scope.spacing[a] * (np.arange(r.start, r.stop) - point[a]), a
        )
        for a, r in enumerate(box)
    )
    positive = np.asarray(heights >= -_ROUNDING_MM)
    own = labels[box] == scope.label
    if keep == "larger":
        above = int((own & positive).sum())
        keep = "positive" if 2 * above >= int(own.sum()) else "negative"
    lost = own & (~positive if keep == "positive" else positive)
    return _relabelled(labels, scope, lost, box, to_label)


def cut_lasso(
    labels: NDArray[Any],
    scope: Scope,
    *,
    polygon: Sequence[Sequence[float]] | NDArray[Any],
    axis: int = 0,
    inside: bool = True,
    slices: slice | None = None,
    to_label: int = 0,
) -> Change | None:
    """Cut away what lies inside, or outside, of a closed line drawn on a slice.

    The line is a prism through all slices. A voxel lies inside when its centre does, by
    the even-odd rule where the line crosses itself; of two lassos that share a side
    each voxel lies in exactly one.

    Parameters
    ----------
    labels : (z, y, x) unsigned integers
        Not modified.
    scope : Scope
        Its label is cut.
    polygon : (n, 2) voxels
        Corners on the two other axes, in the order of the array; closed by itself.
    axis : int
        Which axis the slice is perpendicular to.
    inside : bool
        Whether what lies inside is cut away, or else what lies outside.
    slices : slice, optional
        Where along the axis to cut, the stop not included; everywhere by default.
    to_label : int
        What is cut away becomes this; 0 removes it.

    Returns
    -------
    Change or None
        None when nothing is cut away.

    Raises
    ------
    InputError
        If the polygon, axis, slices or label cannot be used.
    """
    check_axis(axis)
    _check_target(labels, scope, to_label)
    corners = _corners(polygon)
    first, stop = _range(slices, labels.shape[axis])
    box = label_box(labels, scope.label)
    if box is None:
        return None
    ranges = list(box)
    ranges[axis] = slice(max(first, box[axis].start), min(stop, box[axis].stop))
    if ranges[axis].start >= ranges[axis].stop:
        return None
    box = (ranges[0], ranges[1], ranges[2])
    rows, columns = (part for a, part in enumerate(box) if a != axis)
    within = _inside(corners, rows, columns)
    cut = np.expand_dims(within if inside else ~within, axis)
    return _relabelled(labels, scope, (labels[box] == scope.label) & cut, box, to_label)


def _relabelled(
    labels: NDArray[Any],
    scope: Scope,
    mask: NDArray[np.bool_],
    box: Box,
    to_label: int,
) -> Change | None:
    """Return the change of a mask of the label's voxels to another label."""
    before = labels[box]
    after = before.copy()
    after[mask & scope.open(labels, box)] = to_label
    z, y, x = (part.start for part in box)
    return Change.between(before, after, (z, y, x))


def _check_target(labels: NDArray[Any], scope: Scope, to_label: int) -> None:
    """Refuse to cut off what would stay as it is, or could not be stored."""
    if to_label == scope.label:
        msg = (
            f"what is cut off must become another label than {scope.label}, got the "
            "same: choose another, or 0 to remove it"
        )
        raise InputError(msg)
    if to_label != 0:
        check_value(to_label, labels)


def _plane(
    points: Sequence[Sequence[float]] | NDArray[Any],
    normal: Sequence[float] | None,
    axis: int,
    spacing: Sequence[float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a point in voxels and the unit normal in mm."""
    given = np.asarray(points, dtype=np.float64)
    given = given[None] if given.ndim == 1 else given
    count = 2 if normal is None else 1
    if given.shape != (count, 3) or not np.isfinite(given).all():
        msg = (
            "a plane must be given by two points (2, 3) of a line, or by one point and "
            f"a normal, got points {given.tolist()}"
        )
        raise InputError(msg)
    if normal is not None:
        direction = np.asarray(normal, dtype=np.float64)
    else:
        check_axis(axis)
        row, column = (a for a in range(3) if a != axis)
        run = (given[1] - given[0]) * np.array(spacing)
        direction = np.zeros(3)
        direction[row], direction[column] = run[column], -run[row]
    if direction.shape != (3,) or not 0 < np.linalg.norm(direction) < np.inf:
        given_as = (
            f"normal {normal}" if normal is not None else f"line {given.tolist()}"
        )
        msg = (
            f"a plane must have a direction, got the {given_as}: draw a line of some "
            "length in its slice"
        )
        raise InputError(msg)
    return given[0], direction / np.linalg.norm(direction)


def _along(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return values of one axis, ready to be added to those of others."""
    shape = [1, 1, 1]
    shape[axis] = -1
    return values.reshape(shape)


def _corners(polygon: Sequence[Sequence[float]] | NDArray[Any]) -> NDArray[np.float64]:
    """Return the corners of a lasso."""
    corners = np.asarray(polygon, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[0] < 3 or corners.shape[1] != 2:
        msg = (
            "a lasso must have at least three corners of two coordinates (n, 2), got "
            f"an array {corners.shape}: draw around an area"
        )
        raise InputError(msg)
    if not np.isfinite(corners).all():
        msg = f"the corners of a lasso must be finite, got {corners.tolist()}"
        raise InputError(msg)
    return corners


def _range(slices: slice | None, size: int) -> tuple[int, int]:
    """Return the first slice and the one after the last."""
    if slices is None:
        return 0, size
    first = 0 if slices.start is None else int(slices.start)
    stop = size if slices.stop is None else int(slices.stop)
    if slices.step not in (None, 1) or not 0 <= first < stop <= size:
        msg = (
            f"the slices of a cut must be a range in 0..{size} without steps, got "
            f"{slices}"
        )
        raise InputError(msg)
    return first, stop


def _inside(
    corners: NDArray[np.float64], rows: slice, columns: slice
) -> NDArray[np.bool_]:
    """Return which voxel centres of a plane lie inside of a polygon, even-odd."""
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    down = np.arange(rows.start, rows.stop)
    right = np.arange(columns.start, columns.stop)
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        # From top to bottom, whichever way it is walked: two lassos that share a side
        # then round its crossings alike.
        (top, start), (bottom, end) = sorted((tuple(one), tuple(other)))
        crossed = np.flatnonzero((down >= top) & (down < bottom))
        if len(crossed):
            slope = (end - start) / (bottom - top)
            crossings = start + (down[crossed] - top) * slope
            inside[crossed] ^= right >= crossings[:, None]
    return inside
