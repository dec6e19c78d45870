"""Filling what a label encloses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_mednext.correction.tools.arguments import check_axis
from napari_mednext.correction.tools.extent import label_box
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.correction.change import Change
    from napari_mednext.correction.scope import Scope

__all__ = ["fill_holes"]

#: Volumes that differ by less than this part are the same volume.
_ROUNDING = 1e-9


def fill_holes(
    labels: NDArray[Any],
    scope: Scope,
    *,
    axis: int | None = None,
    max_ml: float | None = None,
) -> Change | None:
    """Fill the holes of the selected label.

    A hole is a region outside the label that the label alone closes in: no way over
    the faces of voxels leads from it to the border of the volume. Only voxels of a hole
    that are 0 are filled. Other labels in it, a tumour in an organ, keep theirs,
    protected or not.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    axis : 0, 1 or 2, optional
        Fills what is closed in within each slice across this axis, too, such as a bowl
        that is open above. By default, only what is closed in on all sides.
    max_ml : float, optional
        Larger holes stay; in slices, those whose area times the thickness of the slice
        is larger. Other labels in a hole count as a part of it.

    Raises
    ------
    InputError
        If the axis is none, or the volume is negative.
    """
    if axis is not None:
        check_axis(axis)
    if max_ml is not None and not max_ml >= 0:
        msg = f"the largest hole to fill must be 0 mL or more, got {max_ml} mL"
        raise InputError(msg)
    box = label_box(labels, scope.label)
    if box is None:
        return None
    here = labels[box]
    regions, count = ndimage.label(here != scope.label, _neighbours(axis))
    hole = _closed(regions, count, axis)
    if max_ml is not None:
        voxels = np.bincount(regions.ravel(), minlength=count + 1)
        volumes_ml = voxels * (np.prod(scope.spacing) / 1000)
        hole &= volumes_ml <= max_ml * (1 + _ROUNDING)
    if not hole.any():
        return None
    return scope.change(labels, hole[regions] & (here == 0), box, remove=False)


def _neighbours(axis: int | None) -> NDArray[np.bool_]:
    """Return which neighbours are connected: by faces, not across slices."""
    neighbours: NDArray[np.bool_] = ndimage.generate_binary_structure(3, 1)
    if axis is not None:
        across = np.moveaxis(neighbours, axis, 0)
        across[0] = across[2] = False
    return neighbours


def _closed(
    regions: NDArray[np.int32], count: int, axis: int | None
) -> NDArray[np.bool_]:
    """Return which regions do not reach the sides of the box; the label is none."""
    closed = np.ones(count + 1, dtype=np.bool_)
    closed[0] = False
    for side in range(3):
        if side != axis:
            planes = np.moveaxis(regions, side, 0)
            closed[planes[0]] = closed[planes[-1]] = False
    return closed
