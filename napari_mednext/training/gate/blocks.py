"""Cutting the reviewed voxels of one case into parts that judge in turn.

With one patient there is nobody else to judge by, but a model that was trained without
one part of the case can be judged on that part. Neighbouring planes show nearly the
same, so planes next to a judged part are kept from training as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "GAP_PLANES",
    "LEAST_VOXELS",
    "Block",
    "cut_blocks",
    "runs_of_planes",
    "whole_planes",
]

#: Reviewed voxels that a judged case or part must have, and that must be left to
#: train with. A tenth of one slice of 100 x 100.
LEAST_VOXELS = 1000
#: Planes on either side of a judged part that are neither trained on nor judged with
#: it, at least, and as a share of all reviewed planes.
GAP_PLANES, _GAP_SHARE = 2, 0.02
#: A plane counts as reviewed as a whole from this share of its voxels.
WHOLE = 0.9


@dataclass(frozen=True)
class Block:
    """One part of the reviewed voxels of a case: whole planes along an axis.

    Parameters
    ----------
    axis : int
        Of (z, y, x), that the planes are perpendicular to.
    judged : tuple of int
        Planes whose known voxels are judged.
    hidden : tuple of int
        Planes that a model which judges this part must not be trained on: the judged
        ones and the gap around them.
    """

    axis: int
    judged: tuple[int, ...]
    hidden: tuple[int, ...]

    def judged_mask(self, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the known voxels of the part, (z, y, x) bool."""
        return known & self._mask(known.shape, self.judged)

    def hidden_mask(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return the voxels to keep from training, (z, y, x) bool."""
        return self._mask(shape, self.hidden)

    def _mask(self, shape: tuple[int, ...], planes: Sequence[int]) -> NDArray[np.bool_]:
        """Return a mask of whole planes."""
        mask = np.zeros(shape, dtype=bool)
        np.moveaxis(mask, self.axis, 0)[list(planes)] = True
        return mask

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "axis": self.axis,
            "judged": list(self.judged),
            "hidden": list(self.hidden),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Block:
        """Make it from what :meth:`to_dict` returned."""
        return cls(
            int(values["axis"]),
            tuple(int(plane) for plane in values["judged"]),
            tuple(int(plane) for plane in values["hidden"]),
        )


def cut_blocks(
    known: NDArray[np.bool_],
    labels: NDArray[Any] | None = None,
    *,
    parts: int = 3,
    gap: int | None = None,
    least_voxels: int = LEAST_VOXELS,
) -> tuple[Block, ...]:
    """Cut the reviewed voxels of a case into disjoint parts.

    Along the axis with the most planes that were reviewed as a whole. Slices that lie
    apart are dealt out in turn; a dense review is cut into slabs with equal amounts of
    labelled voxels. Fewer parts are made where that many would be too small.

    Parameters
    ----------
    known : (z, y, x) bool
        What was reviewed. Not modified.
    labels : (z, y, x) whole numbers, optional
        The labels, so that every part gets its share of them.
    parts : int
        At most; at least 2.
    gap : int, optional
        Planes to hide on either side of a judged part.
    least_voxels : int
        Of every part, and of what is left to train with.

    Returns
    -------
    tuple of Block
        Two or more, every known voxel of the axis' planes in exactly one; or empty
        where no two parts can be separated.

    Raises
    ------
    InputError
        If fewer than two parts are asked for.
    """
    if parts < 2:
        msg = f"a case must be cut into at least 2 parts, got {parts}: ask for 2 or 3"
        raise InputError(msg)
    if not known.any():
        return ()
    axis = _axis(known)
    counts, weights = _weights(known, labels, axis)
    planes = np.flatnonzero(counts)
    width = max(GAP_PLANES, int(_GAP_SHARE * planes.size)) if gap is None else gap
    for number in range(parts, 1, -1):
        for groups in (
            _dealt_out(planes, number, width),
            _slabs(planes, weights[planes], number),
        ):
            blocks = tuple(_block(axis, group, width, counts.size) for group in groups)
            if len(blocks) == number and _is_enough(blocks, counts, least_voxels):
                return blocks
    return ()


def runs_of_planes(
    known: NDArray[np.bool_], labels: NDArray[Any], number: int
) -> tuple[int, list[NDArray[np.intp]]]:
    """Return an axis, and its reviewed planes in runs with equal amounts of labels.

    Parameters
    ----------
    known : (z, y, x) bool
        What was reviewed.
    labels : (z, y, x) whole numbers
        The labels.
    number : int
        Of runs, at most.

    Returns
    -------
    axis : int
        Of (z, y, x), as `cut_blocks` chooses it.
    runs : list of (n,) int
        Indices of planes, in order; empty where nothing is known.
    """
    if not known.any():
        return 0, []
    axis = _axis(known)
    counts, weights = _weights(known, labels, axis)
    planes = np.flatnonzero(counts)
    return axis, _slabs(planes, weights[planes], number)


def whole_planes(known: NDArray[np.bool_], axis: int) -> NDArray[np.intp]:
    """Return the planes along an axis that were reviewed nearly as a whole.

    Parameters
    ----------
    known : (z, y, x) bool
        What was reviewed.
    axis : int
        Of (z, y, x).

    Returns
    -------
    (n,) int
        Indices of planes, in order.
    """
    others = tuple(each for each in range(3) if each != axis)
    area = known.size // known.shape[axis]
    return np.flatnonzero(np.count_nonzero(known, axis=others) >= WHOLE * area)


def _axis(known: NDArray[np.bool_]) -> int:
    """Return the axis with the most planes that are whole within what is known."""
    boxed = known[_box(known)]
    whole = [whole_planes(boxed, axis).size for axis in range(3)]
    if max(whole) == 0:  # scribbles
        whole = [
            int(boxed.any(axis=tuple(a for a in range(3) if a != axis)).sum())
            for axis in range(3)
        ]
    return int(np.argmax(whole))


def _weights(
    known: NDArray[np.bool_], labels: NDArray[Any] | None, axis: int
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the known voxels of every plane, and what it weighs when parts are cut."""
    others = tuple(each for each in range(3) if each != axis)
    counts = np.count_nonzero(known, axis=others)
    if labels is None:
        return counts, counts
    labelled = np.count_nonzero(known & (labels > 0), axis=others)
    # A little of everything, so that planes without labels are dealt out too.
    return counts, labelled + 0.01 * counts if labelled.any() else counts


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box around a mask that is not empty."""
    box = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(int(there[0]), int(there[-1]) + 1))
    return tuple(box)


def _dealt_out(
    planes: NDArray[np.intp], number: int, gap: int
) -> list[NDArray[np.intp]]:
    """Return runs of planes that lie apart, dealt out in turn."""
    runs = np.split(planes, np.flatnonzero(np.diff(planes) > gap) + 1)
    if len(runs) < number:
        return []
    return [np.concatenate(runs[start::number]) for start in range(number)]


def _slabs(
    planes: NDArray[np.intp], weights: NDArray[Any], number: int
) -> list[NDArray[np.intp]]:
    """Return neighbouring planes in groups of about equal weight."""
    middle = np.cumsum(weights) - weights / 2
    group = np.minimum((middle / weights.sum() * number).astype(int), number - 1)
    groups = [planes[group == each] for each in range(number)]
    return [each for each in groups if each.size]


def _block(axis: int, judged: NDArray[np.intp], gap: int, size: int) -> Block:
    """Return a part with the planes that must be hidden for it."""
    near = (judged[:, None] + np.arange(-gap, gap + 1)).reshape(-1)
    hidden = np.unique(near[(near >= 0) & (near < size)])
    return Block(axis, tuple(judged.tolist()), tuple(hidden.tolist()))


def _is_enough(
    blocks: Sequence[Block], counts: NDArray[np.intp], least_voxels: int
) -> bool:
    """Whether every part can judge, and leaves enough to train with."""
    whole = int(counts.sum())
    return all(
        counts[list(block.judged)].sum() >= least_voxels
        and whole - counts[list(block.hidden)].sum() >= least_voxels
        for block in blocks
    )
