"""Grow a label from scribbles, as far as the edges of the image let it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_mednext.correction.change import Box, Change, grown
from napari_mednext.correction.tools.arguments import check_length, check_value
from napari_mednext.correction.tools.edges import edge_price, local_contrast, smoothed
from napari_mednext.correction.tools.geodesic import geodesic_distances
from napari_mednext.correction.tools.guidance import checked_box, needed_image
from napari_mednext.correction.tools.walker import walker_probability
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.correction.scope import Scope

__all__ = ["grow"]

#: An edge of full contrast holds growing back like so many mm of flat tissue.
_EDGE_MM = 300.0

#: A mask of the labels' shape, or (n, 3) voxels in the order z, y, x.
Seeds = NDArray[Any] | list[tuple[int, int, int]]


def grow(
    labels: NDArray[Any],
    scope: Scope,
    seeds: Seeds,
    *,
    box: Sequence[slice] | None = None,
    method: Literal["geodesic", "walker"] = "geodesic",
    background_seeds: Seeds | None = None,
    margin_mm: float = 20.0,
) -> Change | None:
    """Give the label the voxels that belong to its scribbles rather than to the others.

    With scribbles of both kinds each voxel of the box is decided: the label is also
    taken away where "not the label" is nearer. Without background scribbles the label
    only grows; then all other labels, and the border of the box where it does not
    coincide with that of the volume, count as background. Growing never passes through
    a voxel that the scope closes.

    Parameters
    ----------
    labels : (z, y, x) unsigned integers
        Not modified.
    scope : Scope
        Its image guides the growing.
    seeds : (z, y, x) bool, or (n, 3) voxels
        Scribbles of the label. Those outside of the box do not count.
    box : three slices, optional
        Where to grow; that of all scribbles, grown by ``margin_mm``, by default.
    method : {"geodesic", "walker"}
        To the scribble on the cheapest path, where edges cost most; or to the one that
        a random walk, which shuns edges, meets first: smoother, and steadier where
        edges have gaps.
    background_seeds : as seeds, optional
        Scribbles of what is not the label.
    margin_mm : float
        0 or more.

    Returns
    -------
    Change or None
        None when nothing changes.

    Raises
    ------
    InputError
        If there is no image, no scribble in the box, a scribble lies outside of the
        volume or counts for both kinds, the labels cannot hold the label, or the box,
        the method or the margin cannot be used.
    GeometryError
        If the image does not have the shape of the labels.
    """
    image = needed_image(labels, scope)
    check_value(scope.label, labels)
    if method not in ("geodesic", "walker"):
        msg = f'a method must be "geodesic" or "walker", got {method!r}'
        raise InputError(msg)
    label_seeds = _voxels(seeds, labels.shape)
    other_seeds = _voxels(
        [] if background_seeds is None else background_seeds, labels.shape
    )
    both = np.concatenate([label_seeds, other_seeds])
    where = _scribbled(both, labels.shape, margin_mm, scope) if box is None else box
    place = checked_box(where, labels.shape)
    kinds = _kinds(labels, scope, place, label_seeds, other_seeds)
    contrast = local_contrast(image, place)
    belongs = _by_walk if method == "walker" else _by_distance
    mask = belongs(contrast, kinds, scope.spacing)
    return scope.change(labels, mask, place, remove=len(other_seeds) > 0)


def _voxels(seeds: Seeds, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return scribbles as (n, 3) voxels."""
    given = np.asarray(seeds)
    if given.dtype == np.bool_:
        if given.shape != shape:
            msg = (
                f"a mask of scribbles must have the shape of the labels {shape}, got "
                f"{given.shape}: draw on the same volume"
            )
            raise InputError(msg)
        return np.argwhere(given)
    if given.size == 0:
        return np.empty((0, 3), np.intp)
    if given.ndim != 2 or given.shape[1] != 3 or given.dtype.kind not in "iu":
        msg = (
            "scribbles must be a mask or whole voxels (n, 3), got an array "
            f"{given.shape} of {given.dtype}: round the positions first"
        )
        raise InputError(msg)
    outside = ((given < 0) | (given >= np.array(shape))).any(axis=1)
    if outside.any():
        msg = (
            f"scribbles must lie in the volume {shape}, got voxel "
            f"{tuple(given[outside][0].tolist())}: draw inside of it"
        )
        raise InputError(msg)
    return given.astype(np.intp)


def _scribbled(
    voxels: NDArray[np.intp], shape: tuple[int, ...], margin_mm: float, scope: Scope
) -> Box:
    """Return the box of all scribbles with a margin."""
    check_length(margin_mm, "margin")
    if len(voxels) == 0:
        msg = "growing needs a scribble of the label, got none: draw one"
        raise InputError(msg)
    first, last = voxels.min(axis=0), voxels.max(axis=0)
    z, y, x = (slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    margin = [int(np.ceil(n)) for n in scope.voxels(margin_mm)]
    return grown((z, y, x), margin, shape)


def _kinds(
    labels: NDArray[Any],
    scope: Scope,
    box: Box,
    label_seeds: NDArray[np.intp],
    other_seeds: NDArray[np.intp],
) -> NDArray[np.int8]:
    """Return 1 on seeds of the label, 2 on others, -1 where closed, 0 in between."""
    here = labels[box]
    foreign = (here != 0) & (here != scope.label)
    kinds = np.zeros(here.shape, np.int8)
    kinds[~scope.open(labels, box)] = -1
    if len(other_seeds) == 0:
        kinds[_border(box, labels.shape)] = 2
        kinds[foreign] = 2
    ours, others = (_placed(seeds, box) for seeds in (label_seeds, other_seeds))
    shared = int((ours & others).sum())
    if shared:
        msg = (
            "a voxel must not be scribbled on as the label and as something else, got "
            f"{shared} such voxels: erase one of the scribbles there"
        )
        raise InputError(msg)
    if not ours.any():
        msg = "growing needs a scribble of the label in its box, got none: draw one"
        raise InputError(msg)
    kinds[others] = 2
    kinds[ours] = 1
    return kinds


def _border(box: Box, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the outermost voxels of a box on the sides where the volume goes on."""
    border = np.zeros([part.stop - part.start for part in box], np.bool_)
    for axis, (part, size) in enumerate(zip(box, shape, strict=True)):
        faces = np.moveaxis(border, axis, 0)
        if part.start > 0:
            faces[0] = True
        if part.stop < size:
            faces[-1] = True
    return border


def _placed(voxels: NDArray[np.intp], box: Box) -> NDArray[np.bool_]:
    """Return the mask of the voxels that lie in a box."""
    mask = np.zeros([part.stop - part.start for part in box], np.bool_)
    local = voxels - np.array([part.start for part in box])
    inside = ((local >= 0) & (local < np.array(mask.shape))).all(axis=1)
    mask[tuple(local[inside].T)] = True
    return mask


def _by_distance(
    contrast: NDArray[np.float32], kinds: NDArray[np.int8], spacing: Sequence[float]
) -> NDArray[np.bool_]:
    """Return where the seeds of the label are nearer than the others."""
    price = edge_price(contrast, spacing, _EDGE_MM)
    price[kinds == -1] = np.inf
    starts = np.where([kinds == 1, kinds == 2], 0, np.inf).astype(np.float32)
    ours, others = geodesic_distances(price, starts, spacing)
    return np.asarray(ours < others)


def _by_walk(
    contrast: NDArray[np.float32], kinds: NDArray[np.int8], spacing: Sequence[float]
) -> NDArray[np.bool_]:
    """Return where a walk rather meets the seeds of the label."""
    if not (kinds == 2).any():
        # Without a rival every walk that can reach the label ends there.
        return _by_distance(contrast, kinds, spacing)
    return walker_probability(smoothed(contrast, spacing), kinds, spacing) > 0.5
