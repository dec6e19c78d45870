"""Growing, shrinking and smoothing a label by lengths in mm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_mednext.correction.change import grown, whole_box
from napari_mednext.correction.tools.arguments import check_length
from napari_mednext.correction.tools.ball import ball_reach, grow_by_ball
from napari_mednext.correction.tools.extent import label_box, overlap, within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.correction.change import Box, Change
    from napari_mednext.correction.scope import Scope

__all__ = ["dilate", "erode", "smooth"]

#: Where the Gaussian is cut, in widths.
_TRUNCATE = 3.0
#: The weight of the first blur; the second has the rest.
_ONCE = np.float32(2 + 2**0.5)


def dilate(
    labels: NDArray[Any], scope: Scope, *, mm: float, box: Box | None = None
) -> Change | None:
    """Grow the selected label by a length on all sides.

    Every voxel whose centre is at most so far from that of a voxel of the label joins
    it: less than a voxel changes nothing.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
        Without protection, the label grows over its neighbours.
    mm : float
        0 or more.
    box : three slices, optional
        Inside the array. Nothing changes outside it, and inside it everything changes
        as it would without it.

    Raises
    ------
    InputError
        If the length is negative.
    """
    check_length(mm, "length to grow by")
    reach = ball_reach(mm, scope.spacing)
    boxes = _boxes(labels, scope, reach, box)
    if boxes is None:
        return None
    held, target = boxes
    reached = grown(held, reach, labels.shape)
    around = _around(target, reach, reached, labels.shape)
    larger = grow_by_ball(labels[around] == scope.label, mm, scope.spacing)
    return scope.change(labels, larger[within(target, around)], target, remove=False)


def erode(
    labels: NDArray[Any], scope: Scope, *, mm: float, box: Box | None = None
) -> Change | None:
    """Shrink the selected label by a length on all sides.

    Only voxels whose centre is farther than that from those of all voxels outside the
    label stay: less than a voxel changes nothing. At the borders of the volume the
    label counts as going on, so it does not shrink there.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    mm : float
        0 or more.
    box : three slices, optional
        Inside the array. Nothing changes outside it, and inside it everything changes
        as it would without it.

    Raises
    ------
    InputError
        If the length is negative.
    """
    check_length(mm, "length to shrink by")
    boxes = _boxes(labels, scope, (0, 0, 0), box)
    if boxes is None:
        return None
    held, target = boxes
    # The nearest voxel outside a label is never farther than the layer around its box.
    layer = grown(held, (1, 1, 1), labels.shape)
    around = _around(target, ball_reach(mm, scope.spacing), layer, labels.shape)
    form = labels[around] == scope.label
    form &= ~grow_by_ball(~form, mm, scope.spacing)
    return scope.change(labels, form[within(target, around)], target)


def smooth(
    labels: NDArray[Any], scope: Scope, *, mm: float, box: Box | None = None
) -> Change | None:
    """Smooth the surface of the selected label.

    A flat surface stays where it is, and a body that is wide compared with the length
    keeps its volume; what is thinner than three quarters of the length goes. At the
    borders of the volume the label counts as going on.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    mm : float
        Width (sigma) of the Gaussian, 0 or more.
    box : three slices, optional
        Inside the array. Nothing changes outside it, and inside it everything changes
        as it would without it.

    Raises
    ------
    InputError
        If the length is negative.

    Notes
    -----
    A blurred form that is cut at one half draws a ball of radius R in by sigma^2 / R.
    At its surface it is lower than one half by s / R times a constant, s the width of
    the blur. So widths of sigma and of sigma times the root of two, which is sigma
    twice, are weighed such that s cancels. Waves of the surface become 2g - g^2 times
    as high, g being what the Gaussian leaves of them, and none becomes higher.
    """
    check_length(mm, "length to smooth by")
    widths = scope.voxels(mm)
    # As SciPy counts how far its kernel reaches.
    z, y, x = (int(_TRUNCATE * width + 0.5) for width in widths)
    boxes = _boxes(labels, scope, (z, y, x), box)
    if boxes is None:
        return None
    held, target = boxes
    around = _around(
        target,
        (2 * z, 2 * y, 2 * x),
        grown(held, (z, y, x), labels.shape),
        labels.shape,
    )
    form = (labels[around] == scope.label).astype(np.float32)
    once = _blurred(form, widths)
    level = _ONCE * once + (1 - _ONCE) * _blurred(once, widths)
    return scope.change(labels, level[within(target, around)] > 0.5, target)


def _boxes(
    labels: NDArray[Any], scope: Scope, reach: tuple[int, int, int], box: Box | None
) -> tuple[Box, Box] | None:
    """Return where the label lies and where a tool may change it, None for nowhere."""
    held = label_box(labels, scope.label)
    if held is None:
        return None
    asked = whole_box(labels.shape) if box is None else box
    target = overlap(grown(held, reach, labels.shape), asked)
    return None if target is None else (held, target)


def _around(
    target: Box, reach: tuple[int, int, int], limit: Box, shape: tuple[int, ...]
) -> Box:
    """Return what has to be seen to change a box; beyond the limit all is empty."""
    return overlap(grown(target, reach, shape), limit) or target


def _blurred(
    values: NDArray[np.float32], widths: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return values after a Gaussian that sees the border go on."""
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(
        values, widths, mode="nearest", truncate=_TRUNCATE
    )
    return blurred
