"""Shapes in one slice: how far their outline is, which ones continue each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["Shape", "matched_shapes", "signed_distance"]

#: Voxels that share an edge or a corner belong to one part.
_TOUCHING = np.ones((3, 3), np.bool_)
#: Parts that do not overlap continue each other when their centres lie apart by at most
#: so many times the way between the slices, or so many times the sum of their radii.
_STEEPEST, _RADII = 4.0, 2.0


@dataclass(frozen=True)
class Shape:
    """Some voxels of a slice.

    Parameters
    ----------
    mask : (rows, columns) bool
        Without empty rows and columns around; at least one voxel is true.
    start : (row, column)
        Where the mask begins in the slice.
    """

    mask: NDArray[np.bool_]
    start: tuple[int, int]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Shape:
        """Make a shape of the true voxels of a slice; there must be one."""
        rows = np.flatnonzero(mask.any(axis=1))
        columns = np.flatnonzero(mask.any(axis=0))
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cls(part, (int(rows[0]), int(columns[0])))

    @property
    def stop(self) -> tuple[int, int]:
        """Where the mask ends in the slice."""
        rows, columns = self.mask.shape
        return self.start[0] + rows, self.start[1] + columns

    @property
    def center(self) -> NDArray[np.float64]:
        """The mean position (row, column) of the voxels in the slice."""
        return np.asarray(np.argwhere(self.mask).mean(axis=0) + self.start)

    def placed(
        self, start: NDArray[np.intp], size: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Return the mask in a larger frame that begins elsewhere in the slice."""
        frame = np.zeros(tuple(size), np.bool_)
        row, column = (
            own - begin for own, begin in zip(self.start, start, strict=True)
        )
        rows, columns = self.mask.shape
        frame[row : row + rows, column : column + columns] = self.mask
        return frame


def signed_distance(
    mask: NDArray[np.bool_], spacing: Sequence[float]
) -> NDArray[np.float64]:
    """Return the distance of voxel centres to the outline, positive inside.

    The outline runs halfway between neighbours of which one is inside, so that no
    centre lies on it, and so that neither side is favoured when distances are averaged.

    Parameters
    ----------
    mask : (rows, columns) bool
        With true voxels and false ones. What lies beyond is not looked at.
    spacing : (row, column) mm
        In the slice.

    Returns
    -------
    (rows, columns) float64
        In mm.
    """
    rows, columns = mask.shape
    away = np.ones((2 * rows - 1, 2 * columns - 1), np.bool_)
    away[1::2, ::2] = mask[1:] == mask[:-1]
    away[::2, 1::2] = mask[:, 1:] == mask[:, :-1]
    halves = [mm / 2 for mm in spacing]
    distance = ndimage.distance_transform_edt(away, sampling=halves)[::2, ::2]
    return np.asarray(np.where(mask, distance, -distance))


def matched_shapes(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    spacing: Sequence[float],
    between_mm: float,
) -> list[tuple[Shape | None, Shape | None]]:
    """Return which parts of two slices continue each other.

    Parts that overlap most belong together; so one part may continue as two. The slices
    are compared as they lie and with their centres laid on each other, whichever makes
    them overlap more. What overlaps nothing goes with the nearest such part of the
    other slice, if there is one near enough; else it ends.

    Parameters
    ----------
    first, second : (rows, columns) bool
        Both with true voxels.
    spacing : (row, column) mm
        In the slices.
    between_mm : float
        How far apart the slices are.

    Returns
    -------
    list of pairs
        Of the first and the second slice; None where a part has no continuation.
    """
    parts, n = ndimage.label(first, _TOUCHING)
    others, m = ndimage.label(second, _TOUCHING)
    if n == m == 1:
        return [(Shape.of(first), Shape.of(second))]
    links = _links(_overlaps(parts, others, n, m))
    _add_nearest(links, parts, others, spacing, between_mm)
    _, groups = connected_components(
        coo_array(np.block([[np.zeros((n, n)), links], [links.T, np.zeros((m, m))]])),
        directed=False,
    )
    own = np.concatenate([[-1], groups[:n]])[parts]
    other = np.concatenate([[-1], groups[n:]])[others]
    return [
        (_shape(own == group), _shape(other == group))
        for group in range(groups.max() + 1)
    ]


def _shape(mask: NDArray[np.bool_]) -> Shape | None:
    """Return the shape of a mask, None without a true voxel."""
    return Shape.of(mask) if mask.any() else None


def _overlaps(
    parts: NDArray[np.int32], others: NDArray[np.int32], n: int, m: int
) -> NDArray[np.intp]:
    """Return how many voxels each part shares with each other one."""
    centers = [np.argwhere(numbers > 0).mean(axis=0) for numbers in (parts, others)]
    row, column = (int(shift) for shift in np.round(centers[1] - centers[0]))
    found = []
    for shift in ((0, 0), (row, column)):
        here, there = _laid_over(parts, others, shift)
        both = (here > 0) & (there > 0)
        pairs = (here[both] - 1) * m + there[both] - 1
        found.append(np.bincount(pairs, minlength=n * m).reshape(n, m))
    return found[0] if found[0].sum() >= found[1].sum() else found[1]


def _laid_over(
    parts: NDArray[np.int32], others: NDArray[np.int32], shift: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return what two slices share when the second is moved back by a shift."""
    rows, columns = parts.shape
    row, column = shift
    here = parts[
        max(0, -row) : rows - max(0, row), max(0, -column) : columns - max(0, column)
    ]
    there = others[
        max(0, row) : rows - max(0, -row), max(0, column) : columns - max(0, -column)
    ]
    return here, there


def _links(overlaps: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return each part's link to the one that it overlaps most, from both sides."""
    rows, columns = overlaps.shape
    links = np.zeros((rows, columns), np.bool_)
    links[np.arange(rows), overlaps.argmax(axis=1)] = True
    links[overlaps.argmax(axis=0), np.arange(columns)] = True
    return links & (overlaps > 0)


def _add_nearest(
    links: NDArray[np.bool_],
    parts: NDArray[np.int32],
    others: NDArray[np.int32],
    spacing: Sequence[float],
    between_mm: float,
) -> None:
    """Link parts that overlap nothing with the nearest ones, in place."""
    single = np.flatnonzero(~links.any(axis=1))
    lonely = np.flatnonzero(~links.any(axis=0))
    if not (len(single) and len(lonely)):
        return
    here, here_mm = _middles(parts, single + 1, spacing)
    there, there_mm = _middles(others, lonely + 1, spacing)
    apart = np.linalg.norm(here[:, None] - there[None], axis=2)
    limit = np.maximum(
        _STEEPEST * between_mm, _RADII * (here_mm[:, None] + there_mm[None])
    )
    # A pair that is too far apart must cost more than all that are not.
    cost = np.where(apart <= limit, apart, 1 + apart.size * limit.max())
    for i, j in zip(*linear_sum_assignment(cost), strict=True):
        links[single[i], lonely[j]] = apart[i, j] <= limit[i, j]


def _middles(
    parts: NDArray[np.int32], numbers: NDArray[np.intp], spacing: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres of parts and the radii of discs of their areas, in mm."""
    ones = np.ones(parts.shape)
    centers = np.array(ndimage.center_of_mass(ones, parts, numbers)) * spacing
    areas = np.bincount(parts.ravel())[numbers] * np.prod(spacing)
    return centers, np.sqrt(areas / np.pi)
