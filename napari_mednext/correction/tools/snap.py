"""Snap the border of a label to the edges of the image nearby.

Two fronts run towards each other, one from inside of the label and one from outside,
both slowed down by edges; the border is drawn where they meet. Where the image has no
edge they meet halfway, which is where the border stood already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK
from scipy import ndimage

from napari_mednext.correction.change import Box, Change, grown
from napari_mednext.correction.tools.arguments import check_length
from napari_mednext.correction.tools.edges import edge_price, local_contrast
from napari_mednext.correction.tools.extent import label_box, overlap, within
from napari_mednext.correction.tools.geodesic import geodesic_distances
from napari_mednext.correction.tools.guidance import checked_box, needed_image
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction.scope import Scope

__all__ = ["snap"]

#: An edge of full contrast costs so many times what running across the band costs, so
#: that an edge at the far end of the band still stops the nearer front.
_EDGE_REACHES = 100.0
#: The fronts start so many finest voxels outside of the band: an edge at its very end
#: is smoothed to about this width and must lie between them whole.
_EDGE_VOXELS = 2.0


def snap(
    labels: NDArray[Any],
    scope: Scope,
    *,
    reach_mm: float = 3.0,
    box: Sequence[slice] | None = None,
) -> Change | None:
    """Move the border of the label to the strongest edges within reach.

    Only voxels change whose centre lies at most ``reach_mm`` from the nearest centre on
    the other side of the border. The innermost voxels of a part too thin for that stay,
    so no part vanishes. A label already at an edge, or far from any, hardly changes.

    Parameters
    ----------
    labels : (z, y, x) unsigned integers
        Not modified.
    scope : Scope
        Its label snaps to the edges of its image.
    reach_mm : float
        More than 0.
    box : three slices, optional
        Only voxels in it change; anywhere by default.

    Returns
    -------
    Change or None
        None when nothing changes, or the label does not stand there.

    Raises
    ------
    InputError
        If there is no image, or the reach or the box cannot be used.
    GeometryError
        If the image does not have the shape of the labels.
    """
    image = needed_image(labels, scope)
    check_length(reach_mm, "reach")
    if reach_mm == 0:
        msg = "the reach must be more than 0 mm, got 0 mm: give the width of the search"
        raise InputError(msg)
    wanted = None if box is None else checked_box(box, labels.shape)
    depth_mm = reach_mm + _EDGE_VOXELS * min(scope.spacing)
    margin = [int(np.ceil(n)) + 1 for n in scope.voxels(depth_mm)]
    where = label_box(labels, scope.label)
    around = None if where is None else grown(where, margin, labels.shape)
    if around is not None and wanted is not None:
        around = overlap(around, grown(wanted, margin, labels.shape))
    if around is None:
        return None
    before = labels[around] == scope.label
    if not before.any():
        return None
    contrast = local_contrast(image, around)
    price = edge_price(contrast, scope.spacing, _EDGE_REACHES * reach_mm)
    snapped = _snapped(before, price, scope.spacing, reach_mm, depth_mm)
    return _within(labels, scope, snapped, around, wanted)


def _within(
    labels: NDArray[Any],
    scope: Scope,
    mask: NDArray[np.bool_],
    around: Box,
    wanted: Box | None,
) -> Change | None:
    """Return the change to a mask, in the wanted part only."""
    if wanted is None:
        return scope.change(labels, mask, around)
    part = overlap(around, wanted)
    if part is None:
        return None
    return scope.change(labels, mask[within(part, around)], part)


def _snapped(
    before: NDArray[np.bool_],
    price: NDArray[np.float32],
    spacing: Sequence[float],
    reach_mm: float,
    depth_mm: float,
) -> NDArray[np.bool_]:
    """Return the label after the two fronts have met."""
    inside = _distance(~before, spacing)
    outside = _distance(before, spacing)
    core = before & (inside >= _core_depth(before, inside, spacing, depth_mm))
    starts = np.full((2, *before.shape), np.inf, np.float32)
    # A front that starts nearer to the border starts later, so that without an edge
    # they still meet at the border.
    starts[0][core] = np.maximum(depth_mm - inside[core], 0)
    starts[1][outside > depth_mm] = 0
    ours, others = geodesic_distances(price, starts, spacing)
    band = (inside <= reach_mm) & (outside <= reach_mm)
    return np.asarray(np.where(band, ours < others, before) | core)


def _distance(mask: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.float32]:
    """Return the distance in mm to the nearest true voxel; infinite without any."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing([float(mm) for mm in reversed(spacing)])
    found = SimpleITK.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    distances = SimpleITK.GetArrayViewFromImage(found)
    return np.asarray(np.where(mask, 0, np.maximum(distances, 0)), dtype=np.float32)


def _core_depth(
    before: NDArray[np.bool_],
    inside: NDArray[np.float32],
    spacing: Sequence[float],
    depth_mm: float,
) -> NDArray[np.float32]:
    """Return from which depth on a voxel is sure to stay: less where it is thin.

    That is half of the greatest depth round about, and at most ``depth_mm``; and never
    more than the greatest depth of its part, even beside a thicker one.
    """
    size = [2 * int(np.ceil(2 * depth_mm / mm)) + 1 for mm in spacing]
    held = np.minimum(inside, np.float32(2 * depth_mm))
    around = ndimage.maximum_filter(held, size=size)
    parts, count = ndimage.label(before)
    deepest = np.asarray(ndimage.maximum(held, parts, np.arange(1, count + 1)))
    limit = np.concatenate([[np.inf], deepest]).astype(np.float32)
    depth = np.minimum(around / 2, np.float32(depth_mm))
    return np.asarray(np.minimum(depth, limit[parts]), dtype=np.float32)
