"""Cutting a run into passes, so that what is held at once fits into memory.

A pass is a set of tiles, the window that they cover, and the part of the output whose
labels are final when they are done. One pass is the rule. When even the slab of a
streamed run is too large, the volume is cut along its second axis, and the tiles at the
seams run in both passes: time for memory, at the same labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.inference.tiles import Index, Region, TileGrid
from napari_mednext.preprocessing import AxisSampling

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Pass", "Target", "cut_passes", "whole_pass"]

#: Half-open ranges of output voxels along the three axes.
Range = tuple[int, int]


@dataclass(frozen=True)
class Target:
    """What is wanted, in output voxels, and how it reads the padded input.

    Parameters
    ----------
    region : three ranges
        Output voxels to decide, in the cropped volume's own voxels.
    samplings : three AxisSampling
        For all output voxels of the cropped volume; indices count the padded input.
    """

    region: Region
    samplings: tuple[AxisSampling, AxisSampling, AxisSampling]

    @property
    def source(self) -> Region:
        """Input voxels that the region reads."""
        ranges = []
        for (start, stop), sampling in zip(self.region, self.samplings, strict=True):
            low, high = sampling.low[start:stop], sampling.high[start:stop]
            ranges.append((int(low.min()), int(high.max()) + 1))
        z, y, x = ranges
        return z, y, x


@dataclass(frozen=True)
class Pass:
    """Tiles that run together.

    Parameters
    ----------
    tiles : tuple of (z, y, x)
        Starts in the padded input, z outermost.
    window : Region
        The padded input that they cover.
    region : Region
        Output voxels that are final after them.
    """

    tiles: tuple[Index, ...]
    window: Region
    region: Region

    @property
    def window_shape(self) -> Index:
        """Voxels of the window."""
        z, y, x = (stop - start for start, stop in self.window)
        return z, y, x


def _window(tiles: Sequence[Index], tile: Index) -> Region:
    """Smallest box around tiles."""
    starts = np.asarray(tiles)
    low, high = starts.min(axis=0), starts.max(axis=0) + np.asarray(tile)
    z, y, x = ((int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def whole_pass(grid: TileGrid, target: Target) -> Pass:
    """Return the one pass with every tile that touches what the target reads."""
    tiles = tuple(grid.tiles(target.source))
    return Pass(tiles, _window(tiles, grid.tile), target.region)


def cut_passes(grid: TileGrid, target: Target, rows: int) -> list[Pass] | None:
    """Return passes of at most ``rows`` rows of tiles along the second axis.

    Parameters
    ----------
    grid : TileGrid
        All tiles.
    target : Target
        What is wanted.
    rows : int
        Largest number of different starts along the second axis in a pass.

    Returns
    -------
    list of Pass or None
        None when so few rows never make an output voxel final.
    """
    everything = whole_pass(grid, target)
    starts = sorted({tile[1] for tile in everything.tiles})
    if rows >= len(starts):
        return [everything]
    edge = grid.tile[1]
    sampling = target.samplings[1]
    position, stop = target.region[1]
    passes = []
    while position < stop:
        need = int(sampling.low[position])
        # Input rows before this are final without the rows of tiles left out below.
        first = max(
            (i for i in range(len(starts)) if i == 0 or starts[i - 1] + edge <= need),
        )
        first = min(first, len(starts) - rows)
        last = first + rows
        final = starts[last] if last < len(starts) else starts[-1] + edge
        reached = position
        while reached < stop and int(sampling.high[reached]) < final:
            reached += 1
        if reached == position:
            return None
        chosen = set(starts[first:last])
        tiles = tuple(tile for tile in everything.tiles if tile[1] in chosen)
        z, _, x = target.region
        passes.append(
            Pass(tiles, _window(tiles, grid.tile), (z, (position, reached), x))
        )
        position = reached
    return passes
