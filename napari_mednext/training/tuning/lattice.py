"""The points of a training patch in a scan, and what lies there.

A network's voxels are seldom those of the scan: it is resampled before. Labels are not:
resampled labels blur, and a single reviewed slice may be lost between two planes.
Instead the target of a patch's voxel is the label of the nearest voxel *of the scan*,
at a point that lies a little beside the patch's voxel, the same little for the whole
patch. The loss reads the logits there too. So a slice of 1 mm teaches a network of
2 mm planes, at its own place.

The little is chosen so that the voxel which the patch was drawn around is met in its
middle; as inference reads logits at the middles of the scan's voxels, this is also what
will be asked of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Lattice", "place_lattice", "read_image", "read_target"]

Triple = tuple[int, int, int]

#: How far from the patch's middle the voxel may lie that it is drawn around, as a share
#: of the patch: a network must know things wherever a tile shows them.
_OFF_CENTRE = 0.25


@dataclass(frozen=True)
class Lattice:
    """Where a patch's voxels lie among the network's voxels of a whole scan.

    Voxel p lies at ``centre + matrix @ (p - (patch - 1) / 2)``.

    Parameters
    ----------
    patch : (z, y, x) voxels
        Of the patch.
    centre : (3,) float64
        Of the patch, in voxels of the scan on the network's grid.
    matrix : (3, 3) float64
        Turning, scaling and mirroring, in voxels.
    offset : (3,) float32
        Where targets are read, voxels of the patch from each of its voxels.
    """

    patch: Triple
    centre: NDArray[np.float64]
    matrix: NDArray[np.float64]
    offset: NDArray[np.float32]

    @property
    def is_plain(self) -> bool:
        """Whether the patch's voxels are voxels of the scan, mirrored or not."""
        return bool((np.abs(self.matrix) == np.eye(3)).all())

    @property
    def first(self) -> NDArray[np.float64]:
        """Where voxel (0, 0, 0) lies."""
        middle = (np.array(self.patch) - 1) / 2
        return np.asarray(self.centre - self.matrix @ middle)

    @property
    def first_target(self) -> NDArray[np.float64]:
        """Where the target of voxel (0, 0, 0) is read."""
        return np.asarray(self.first + self.matrix @ self.offset.astype(np.float64))


def place_lattice(
    voxel: Sequence[int],
    shape: Triple,
    *,
    grid: Triple,
    patch: Triple,
    matrix: NDArray[np.float64],
    rng: np.random.Generator,
) -> Lattice:
    """Lay a patch around a voxel of the scan.

    The patch does not leave the scan, but for what turning and scaling do; a scan that
    is smaller than the patch is in its middle, where inference puts it.

    Parameters
    ----------
    voxel : (z, y, x)
        Index on the scan's own grid. A target is read exactly in its middle.
    shape : (z, y, x) voxels
        Of the scan's own grid.
    grid : (z, y, x) voxels
        Of the scan on the network's grid, which covers the same extent.
    patch : (z, y, x) voxels
        Of the patch.
    matrix : (3, 3)
        Turning, scaling and mirroring, in voxels of the network.
    rng : numpy.random.Generator
        Decides how far from the patch's middle the voxel lies.

    Returns
    -------
    Lattice
    """
    size = np.array(patch)
    place = (np.array(voxel) + 0.5) * np.array(grid) / np.array(shape) - 0.5
    reach = (size * _OFF_CENTRE).astype(int)
    start = np.round(place).astype(int) - size // 2 + rng.integers(-reach, reach + 1)
    room = np.array(grid) - size
    start = np.where(room < 0, -(-room // 2), np.clip(start, 0, np.maximum(room, 0)))
    middle = (size - 1) / 2
    centre = start + middle
    inside = np.linalg.solve(matrix, place - centre) + middle  # in voxels of the patch
    # A voxel that was turned out of the patch takes the patch with it.
    is_out = (inside < -0.5) | (inside > size - 0.5)
    kept = np.where(is_out, np.clip(inside, 0, size - 1), inside)
    if is_out.any():
        centre = place - matrix @ (kept - middle)
    nearest = np.clip(np.floor(kept + 0.5), 0, size - 1)
    return Lattice(patch, centre, matrix, (kept - nearest).astype(np.float32))


def read_image(data: NDArray[np.float32], lattice: Lattice) -> NDArray[np.float32]:
    """Return the patch's image.

    Interpolated linearly, with the outermost voxels repeated to the scan's border, and
    zero outside: that is what inference and nnU-Net put around a scan that is smaller
    than a tile, after normalisation. A repeated border would show streaks that no scan
    has, and the minimum depends on single voxels.

    Parameters
    ----------
    data : (c, z, y, x) float32
        On the network's grid.
    lattice : Lattice
        Where.

    Returns
    -------
    (c, z, y, x) float32
        A copy, of the size of the patch.
    """
    if lattice.is_plain:
        return _cut(data, lattice)
    grid = np.array(data.shape[1:])
    # Only the part of the scan that is needed: float32 is finer on small numbers.
    low, high = _bounds(lattice.first, lattice)
    begin = np.clip(np.floor(low), 0, grid - 1).astype(int)
    end = np.clip(np.ceil(high) + 1, begin + 1, grid).astype(int)
    part = data[(slice(None), *map(slice, begin, end))]
    if not part.flags.writeable:  # torch warns of those
        part = part.copy()
    scale = 2 / np.maximum(end - begin - 1, 1)
    slope = lattice.matrix * scale[:, None]
    first = (lattice.first - begin) * scale - 1
    points = np.empty((*lattice.patch, 3), np.float32)
    for axis in range(3):
        _positions(slope[axis], first[axis], lattice.patch, out=points[..., 2 - axis])
    result: NDArray[np.float32] = F.grid_sample(
        torch.from_numpy(part)[None],
        torch.from_numpy(points)[None],
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )[0].numpy()
    if (low < -0.5).any() or (high >= grid - 0.5).any():
        for axis in range(3):
            edges = (np.array([-0.5, grid[axis] - 0.5]) - begin[axis]) * scale[axis] - 1
            place = points[..., 2 - axis]
            result[:, (place < edges[0]) | (place >= edges[1])] = 0
    return result


def read_target(
    target: NDArray[np.unsignedinteger], grid: Triple, lattice: Lattice, *, ignore: int
) -> NDArray[np.unsignedinteger]:
    """Return the patch's target: labels of the nearest voxels of the scan.

    Parameters
    ----------
    target : (z, y, x)
        Class values on the scan's own grid.
    grid : (z, y, x) voxels
        Of the scan on the network's grid, which covers the same extent.
    lattice : Lattice
        Where.
    ignore : int
        Value of points outside the scan.

    Returns
    -------
    (z, y, x)
        A copy, of the size of the patch and the type of ``target``.
    """
    ratio = np.array(target.shape) / np.array(grid)
    # Half a voxel is added for rounding, and half comes from counting at the middles.
    first = (lattice.first_target + 0.5) * ratio
    slope = lattice.matrix * ratio[:, None]
    if lattice.is_plain:
        return _pick(target, lattice.patch, first, slope.diagonal(), ignore)
    flat = np.zeros(lattice.patch, np.int32 if target.size < 2**31 else np.int64)
    outside: NDArray[np.bool_] | None = None
    low, high = _bounds(lattice.first_target, lattice)
    for axis, extent in enumerate(target.shape):
        place = _positions(slope[axis], first[axis], lattice.patch)
        # A hair beyond the bounds: the positions are float32, the bounds are not.
        if low[axis] < -0.499 or high[axis] > grid[axis] - 0.501:
            beyond = (place < 0) | (place >= extent)
            outside = beyond if outside is None else outside | beyond
            np.clip(place, 0, extent - 1, out=place)
        flat *= extent
        flat += place.astype(flat.dtype)  # towards zero, and nothing is below
    result = np.take(target.reshape(-1), flat)
    if outside is not None:
        result[outside] = ignore
    return result


def _bounds(
    first: NDArray[np.float64], lattice: Lattice
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest place on each axis, when voxel 0 is at first."""
    spread = lattice.matrix * (np.array(lattice.patch) - 1)
    low = first + np.minimum(spread, 0).sum(1)
    return low, first + np.maximum(spread, 0).sum(1)


def _positions(
    slope: NDArray[np.float64],
    first: float,
    patch: Triple,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return ``first + slope @ p`` for all voxels p, (z, y, x) float32."""
    z, y, x = (s * np.arange(n) for s, n in zip(slope, patch, strict=True))
    plane = (first + z[:, None] + y).astype(np.float32)
    rows = x.astype(np.float32)
    result: NDArray[np.float32] = np.add(plane[:, :, None], rows, out=out)
    return result


def _cut(data: NDArray[np.float32], lattice: Lattice) -> NDArray[np.float32]:
    """Return the patch where its voxels are the scan's."""
    result = np.zeros((data.shape[0], *lattice.patch), np.float32)
    start = np.round(lattice.centre - (np.array(lattice.patch) - 1) / 2).astype(int)
    stop = np.minimum(start + lattice.patch, data.shape[1:])
    begin = np.maximum(start, 0)
    part = data[(slice(None), *map(slice, begin, stop))]
    result[(slice(None), *map(slice, begin - start, stop - start))] = part
    mirrored = tuple(axis + 1 for axis in range(3) if lattice.matrix[axis, axis] < 0)
    return np.ascontiguousarray(np.flip(result, mirrored))


def _pick(
    target: NDArray[np.unsignedinteger],
    patch: Triple,
    first: NDArray[np.float64],
    slope: NDArray[np.float64],
    ignore: int,
) -> NDArray[np.unsignedinteger]:
    """Return the target where each axis has its own places."""
    index, outside = [], []
    for axis, extent in enumerate(target.shape):
        place = np.floor(first[axis] + slope[axis] * np.arange(patch[axis])).astype(int)
        outside.append((place < 0) | (place >= extent))
        index.append(np.clip(place, 0, extent - 1))
    result = target[np.ix_(*index)]
    z, y, x = outside
    result[z], result[:, y], result[:, :, x] = ignore, ignore, ignore
    return result
