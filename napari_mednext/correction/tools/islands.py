"""The islands of a label: keep, remove or rename its connected parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_mednext.correction.change import Box, Change
from napari_mednext.correction.tools.arguments import check_value, check_voxel
from napari_mednext.correction.tools.extent import label_box
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.correction.scope import Scope

__all__ = [
    "Connectivity",
    "keep_largest",
    "keep_one",
    "remove_one",
    "remove_smaller",
    "split",
]

#: Whether voxels are neighbours when they share a face (6), or also an edge or a
#: corner (26).
Connectivity = Literal[6, 26]

#: Volumes that differ by less than this part are the same volume.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Islands:
    """The islands of a label in the box around it, numbered from 1."""

    box: Box
    numbers: NDArray[np.int32]
    voxels: NDArray[np.intp]
    """How many each island has, in the order of their numbers."""

    def keep(
        self, labels: NDArray[Any], scope: Scope, kept: NDArray[np.bool_]
    ) -> Change | None:
        """Return the change that removes the islands that are not to be kept."""
        mask = np.concatenate([[False], kept])[self.numbers]
        return scope.change(labels, mask, self.box)

    def at(self, voxel: Sequence[int]) -> int:
        """Return the number of the island at a voxel of the array, 0 for none."""
        place = [v - part.start for v, part in zip(voxel, self.box, strict=True)]
        if any(not 0 <= p < n for p, n in zip(place, self.numbers.shape, strict=True)):
            return 0
        return int(self.numbers[tuple(place)])


def keep_largest(
    labels: NDArray[Any], scope: Scope, *, connectivity: Connectivity = 26
) -> Change | None:
    """Remove all islands of the selected label but the largest.

    Of several largest ones, the first in the order of the array is kept.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    connectivity : 6 or 26
        Whether parts are connected by faces only, or by edges and corners, too.

    Raises
    ------
    InputError
        If the connectivity is neither 6 nor 26.
    """
    islands = _find(labels, scope, connectivity)
    if islands is None:
        return None
    largest = int(islands.voxels.argmax())
    return islands.keep(labels, scope, np.arange(len(islands.voxels)) == largest)


def remove_smaller(
    labels: NDArray[Any],
    scope: Scope,
    *,
    volume_ml: float,
    connectivity: Connectivity = 26,
) -> Change | None:
    """Remove the islands of the selected label that are smaller than a volume.

    That may be all of them. An island of just that volume is kept.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    volume_ml : float
        0 or more.
    connectivity : 6 or 26
        Whether parts are connected by faces only, or by edges and corners, too.

    Raises
    ------
    InputError
        If the volume is negative, or the connectivity neither 6 nor 26.
    """
    if not 0 <= volume_ml < np.inf:
        msg = f"the volume of an island must be 0 mL or more, got {volume_ml} mL"
        raise InputError(msg)
    islands = _find(labels, scope, connectivity)
    if islands is None:
        return None
    volumes_ml = islands.voxels * (np.prod(scope.spacing) / 1000)
    return islands.keep(labels, scope, volumes_ml >= volume_ml * (1 - _ROUNDING))


def keep_one(
    labels: NDArray[Any],
    scope: Scope,
    *,
    at: Sequence[float],
    connectivity: Connectivity = 26,
) -> Change | None:
    """Keep the island of the selected label under a point, and remove the others.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    at : (z, y, x) voxels
        A point on the island; rounded to the nearest voxel.
    connectivity : 6 or 26
        Whether parts are connected by faces only, or by edges and corners, too.

    Raises
    ------
    InputError
        If the point lies outside the volume or not on the selected label, or the
        connectivity is neither 6 nor 26.
    """
    islands, number = _picked(labels, scope, at, connectivity)
    return islands.keep(labels, scope, np.arange(len(islands.voxels)) == number - 1)


def remove_one(
    labels: NDArray[Any],
    scope: Scope,
    *,
    at: Sequence[float],
    connectivity: Connectivity = 26,
) -> Change | None:
    """Remove the island of the selected label under a point.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    at : (z, y, x) voxels
        A point on the island; rounded to the nearest voxel.
    connectivity : 6 or 26
        Whether parts are connected by faces only, or by edges and corners, too.

    Raises
    ------
    InputError
        If the point lies outside the volume or not on the selected label, or the
        connectivity is neither 6 nor 26.
    """
    islands, number = _picked(labels, scope, at, connectivity)
    return islands.keep(labels, scope, np.arange(len(islands.voxels)) != number - 1)


def split(
    labels: NDArray[Any],
    scope: Scope,
    *,
    new_labels: Sequence[int],
    connectivity: Connectivity = 26,
) -> Change | None:
    """Give the islands of the selected label values of their own, biggest first.

    The biggest keeps the selected label, the next ones get the new labels in turn, and
    islands for which there is none keep the selected label. Of islands of one size, the
    first in the order of the array comes first.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    new_labels : numbers
        For the second biggest island, the third, and so on.
    connectivity : 6 or 26
        Whether parts are connected by faces only, or by edges and corners, too.

    Raises
    ------
    InputError
        If a new label does not fit the array, or the connectivity is neither 6 nor 26.
    """
    for value in new_labels:
        check_value(value, labels)
    islands = _find(labels, scope, connectivity)
    if islands is None:
        return None
    order = np.argsort(-islands.voxels, kind="stable") + 1
    values = np.full(len(order) + 1, scope.label)
    named = order[1 : 1 + len(new_labels)]
    values[named] = new_labels[: len(named)]
    before = labels[islands.box]
    free = (islands.numbers > 0) & scope.open(labels, islands.box)
    after = before.copy()
    after[free] = values[islands.numbers[free]]
    return Change.between(before, after, [part.start for part in islands.box])


def _find(
    labels: NDArray[Any], scope: Scope, connectivity: Connectivity
) -> _Islands | None:
    """Return the islands of the selected label, None when there are none."""
    if connectivity not in (6, 26):
        msg = f"islands must be connected by 6 or 26 neighbours, got {connectivity!r}"
        raise InputError(msg)
    box = label_box(labels, scope.label)
    if box is None:
        return None
    neighbours = ndimage.generate_binary_structure(3, 1 if connectivity == 6 else 3)
    numbers, _ = ndimage.label(labels[box] == scope.label, neighbours)
    return _Islands(box, numbers, np.bincount(numbers.ravel())[1:])


def _picked(
    labels: NDArray[Any],
    scope: Scope,
    at: Sequence[float],
    connectivity: Connectivity,
) -> tuple[_Islands, int]:
    """Return the islands, and the number of the one under a point."""
    voxel = check_voxel(at, labels.shape)
    islands = _find(labels, scope, connectivity)
    number = 0 if islands is None else islands.at(voxel)
    if islands is None or number == 0:
        msg = (
            f"the point must lie on an island of label {scope.label}, but voxel "
            f"{voxel} holds {labels[voxel]}: choose a point on the island"
        )
        raise InputError(msg)
    return islands, number
