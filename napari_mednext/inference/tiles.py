"""Where tiles lie, how much each of their voxels counts, and in which order they run.

Starts and weights are nnU-Net's (nnunetv2 2.8.1, Apache-2.0,
``inference/sliding_window_prediction.py``), written anew.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TileGrid", "importance", "tile_starts"]

Index = tuple[int, int, int]
#: Half-open voxel ranges of the three axes.
Region = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

#: The Gaussian's deviation as a fraction of the tile's edge.
SIGMA = 1 / 8
#: The weight in the middle of a tile.
PEAK = 10.0


def tile_starts(size: int, tile: int, step: float) -> tuple[int, ...]:
    """Return where tiles start along one axis.

    The first starts at 0, the last ends at ``size``, and neighbours are at most
    ``step * tile`` apart, as evenly as whole voxels allow.

    Parameters
    ----------
    size : int
        Voxels of the axis, at least ``tile``.
    tile : int
        Edge of a tile in voxels.
    step : float
        Largest distance of starts as a fraction of the edge, above 0 and at most 1.

    Returns
    -------
    tuple of int
        Ascending.

    Raises
    ------
    ValueError
        If the axis is shorter than a tile or the step lies outside its domain.
    """
    if size < tile:
        msg = f"an axis must hold a whole tile of {tile} voxels, got {size}: pad it"
        raise ValueError(msg)
    if not 0 < step <= 1:
        msg = f"step must lie above 0 and be at most 1, got {step!r}"
        raise ValueError(msg)
    room = size - tile
    steps = math.ceil(room / (tile * step))
    if steps == 0:
        return (0,)
    # numpy rounds halves to even; so does Python's round on floats.
    return tuple(round(room / steps * k) for k in range(steps + 1))


@lru_cache(maxsize=4)
def importance(tile: Index) -> NDArray[np.float32]:
    """Return how much each voxel of a tile counts: a Gaussian, 10 in the middle.

    Parameters
    ----------
    tile : (z, y, x) voxels
        Shape of the tile.

    Returns
    -------
    (z, y, x) float32
        Positive everywhere. The values are nnU-Net's, which are half-precision
        numbers: rounding weights costs no accuracy, sums of them are exact in float32.
        Shared between callers, so not writeable.
    """
    profiles = []
    for size in tile:
        impulse = np.zeros(size)
        impulse[size // 2] = 1
        profiles.append(ndimage.gaussian_filter(impulse, size * SIGMA, mode="constant"))
    z, y, x = profiles
    weights = z[:, None, None] * y[:, None] * x
    half = (weights * (PEAK / weights.max())).astype(np.float16)
    half[half == 0] = half[half > 0].min()
    result: NDArray[np.float32] = half.astype(np.float32)
    result.flags.writeable = False
    return result


@dataclass(frozen=True)
class TileGrid:
    """All tiles of a volume.

    Parameters
    ----------
    shape : (z, y, x) voxels
        Shape of the padded volume, at least one tile.
    tile : (z, y, x) voxels
        Shape of a tile.
    step : float
        Distance of starts as a fraction of the tile's edge.
    """

    shape: Index
    tile: Index
    step: float = 0.5

    @property
    def starts(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Starts along z, y and x."""
        z, y, x = (
            tile_starts(size, tile, self.step)
            for size, tile in zip(self.shape, self.tile, strict=True)
        )
        return z, y, x

    def tiles(self, region: Region | None = None) -> list[Index]:
        """Return the starts of the tiles that touch a region, z outermost.

        Parameters
        ----------
        region : Region, optional
            Everything when not given.

        Returns
        -------
        list of (z, y, x)
        """
        chosen = self.starts
        if region is not None:
            z, y, x = (
                tuple(s for s in starts if s < stop and s + size > start)
                for starts, size, (start, stop) in zip(
                    self.starts, self.tile, region, strict=True
                )
            )
            chosen = (z, y, x)
        return list(itertools.product(*chosen))

    def nearest_first(
        self, tiles: Sequence[Index], focus: Sequence[float], spacing: Sequence[float]
    ) -> list[Index]:
        """Return the tiles in order of the distance of their middle from a point.

        Parameters
        ----------
        tiles : sequence of (z, y, x)
            Starts.
        focus : (z, y, x) voxels
            The point, in voxels of the padded volume; may lie outside it.
        spacing : (z, y, x) mm
            Spacing of the padded volume.

        Returns
        -------
        list of (z, y, x)
            Ties keep their order.
        """

        def distance(start: Index) -> float:
            return sum(
                ((s + (size - 1) / 2 - f) * edge) ** 2
                for s, size, f, edge in zip(
                    start, self.tile, focus, spacing, strict=True
                )
            )

        return sorted(tiles, key=distance)
