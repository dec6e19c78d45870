"""A volume in coarse cells: enough to find places, and a tenth of the work."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import GeometryError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.correction.change import Box

__all__ = ["CELL_MM", "Cells", "check_doubt", "offsets_within", "shifted"]

Spacing = tuple[float, float, float]

#: Edges of cells are at least this long; a voxel that is longer is a cell by itself.
CELL_MM = 2.0


@dataclass(frozen=True)
class Cells:
    """Sums of values over blocks of voxels.

    The last cells of an axis hold fewer voxels where the shape is no multiple.

    Parameters
    ----------
    edges : (z, y, x) voxels
        Of a full cell.
    shape : (z, y, x) voxels
        Of the volume.
    spacing : (z, y, x) mm
        Of a voxel.
    sums : (z, y, x) uint32
        Sum of the values in each cell.
    """

    edges: tuple[int, int, int]
    shape: tuple[int, int, int]
    spacing: Spacing
    sums: NDArray[np.uint32]

    @classmethod
    def of(cls, values: NDArray[np.uint8], spacing: Spacing) -> Cells:
        """Return the cells of a volume.

        Parameters
        ----------
        values : (z, y, x) uint8
            In any layout. Not modified.
        spacing : (z, y, x) mm
            Edges of a voxel.
        """
        z, y, x = (max(1, math.ceil(CELL_MM / mm - 1e-9)) for mm in spacing)
        rows = np.arange(0, values.shape[1], y)
        columns = np.arange(0, values.shape[2], x)
        planes = range(0, values.shape[0], z)
        sums = np.zeros((len(planes), rows.size, columns.size), dtype=np.uint32)
        for index, start in enumerate(planes):
            slab = values[start : start + z].sum(axis=0, dtype=np.uint32)
            slab = np.add.reduceat(slab, rows, axis=0)
            sums[index] = np.add.reduceat(slab, columns, axis=1)
        depth, height, width = values.shape
        return cls((z, y, x), (depth, height, width), spacing, sums)

    @property
    def cell_mm(self) -> Spacing:
        """Edges of a full cell in mm."""
        z, y, x = (n * mm for n, mm in zip(self.edges, self.spacing, strict=True))
        return z, y, x

    @cached_property
    def counts(self) -> NDArray[np.int32]:
        """Voxels in each cell."""
        z, y, x = (
            np.minimum(edge, np.arange(size, 0, -edge)).astype(np.int32)
            for size, edge in zip(self.shape, self.edges, strict=True)
        )
        counts: NDArray[np.int32] = z[:, None, None] * y[:, None] * x
        return counts

    def local_means(self, radius_mm: float) -> NDArray[np.float32]:
        """Return the mean of the values in a ball around each cell.

        Parameters
        ----------
        radius_mm : float
            Cells whose middle is at most so far away count; those outside the volume
            do not.
        """
        total = np.zeros(self.sums.shape, dtype=np.float32)
        voxels = np.zeros(self.sums.shape, dtype=np.float32)
        values, counts = self.sums.astype(np.float32), self.counts.astype(np.float32)
        for offset in offsets_within(radius_mm, self.cell_mm):
            here, there = shifted(offset, self.sums.shape)
            total[here] += values[there]
            voxels[here] += counts[there]
        total /= voxels
        return total

    def voxels(self, box: Box) -> Box:
        """Return the voxels of a box of cells."""
        z, y, x = (
            slice(part.start * edge, min(part.stop * edge, size))
            for part, edge, size in zip(box, self.edges, self.shape, strict=True)
        )
        return z, y, x


def offsets_within(
    radius_mm: float, steps_mm: Sequence[float]
) -> list[tuple[int, int, int]]:
    """Return the steps of a grid that lead no further than a radius, nearest first.

    Parameters
    ----------
    radius_mm : float
        The longest way, itself included.
    steps_mm : (z, y, x) mm
        Distances of the grid.
    """
    reach = [int(radius_mm / mm + 1e-9) for mm in steps_mm]
    found = []
    for z, y, x in itertools.product(*(range(-n, n + 1) for n in reach)):
        far_mm = math.hypot(z * steps_mm[0], y * steps_mm[1], x * steps_mm[2])
        if far_mm <= radius_mm + 1e-9:
            found.append((round(far_mm, 6), (z, y, x)))
    return [offset for _, offset in sorted(found)]


def shifted(offset: Sequence[int], shape: Sequence[int]) -> tuple[Box, Box]:
    """Return the boxes such that ``a[here]`` lies an offset before ``a[there]``."""
    return _overlap(offset, shape), _overlap([-n for n in offset], shape)


def _overlap(offset: Sequence[int], shape: Sequence[int]) -> Box:
    """Return where an array still has values an offset further on."""
    z, y, x = (
        slice(min(max(0, -n), size), max(0, min(size, size - n)))
        for n, size in zip(offset, shape, strict=True)
    )
    return z, y, x


def check_doubt(
    doubt: NDArray[Any], labels: NDArray[Any], spacing: Sequence[float]
) -> None:
    """Refuse a doubt that does not belong to labels.

    Parameters
    ----------
    doubt : (z, y, x) uint8
        Of the shape of the labels.
    labels : (z, y, x) unsigned integers
        Whatever they are.
    spacing : (z, y, x) mm
        Positive.

    Raises
    ------
    GeometryError
        If the shapes differ.
    InputError
        If the doubt is not uint8, or a spacing is not positive.
    """
    if doubt.shape != labels.shape or doubt.ndim != 3:
        msg = (
            f"the doubt {doubt.shape} must have the shape of the labels "
            f"{labels.shape}: choose the case that it belongs to"
        )
        raise GeometryError(msg)
    if doubt.dtype != np.uint8:
        msg = f"the doubt must be uint8, 0 to 255, got {doubt.dtype}: segment again"
        raise InputError(msg)
    if len(spacing) != 3 or not all(0 < mm < np.inf for mm in spacing):
        msg = f"a spacing must be three positive lengths in mm, got {tuple(spacing)}"
        raise InputError(msg)
