"""Which of several sets of voxels is nearest, where every step has its price.

The distance between two voxels is that of the cheapest path over the 26 neighbours of
each voxel; a step costs its length in mm times the mean price of its two ends. Planes
are swept to and fro along each axis in turn, whole planes at once, until nothing gets
cheaper: the same answer as Dijkstra's queue gives, several times faster in numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["geodesic_distances"]

#: Gains below this part of a distance are rounding, not a cheaper path.
_ROUNDING = np.float32(1e-5)


def geodesic_distances(
    price: NDArray[np.float32],
    starts: NDArray[np.float32],
    spacing: Sequence[float],
) -> NDArray[np.float32]:
    """Return the distances of all voxels to several classes of voxels.

    Parameters
    ----------
    price : (z, y, x) float32
        Of a mm at each voxel, 0 or more; infinite where no path may go.
    starts : (c, z, y, x) float32
        The distance that each class begins with at a voxel: 0 on its seeds, infinite
        where it has none. Not modified.
    spacing : (z, y, x) mm
        Of the voxels.

    Returns
    -------
    (c, z, y, x) float32
        Exact for the nearest class of each voxel. Those of the other classes may be too
        long: nobody asks for them, and they would take more sweeps. Infinite where no
        path leads.
    """
    half = price * np.float32(0.5)
    axes = [_turned(axis) for axis in range(3)]
    prices = [_walled(half.transpose(order), 0.0) for order in axes]
    distances = np.array(starts, np.float32)
    quiet = turn = 0
    while quiet < 3:
        order = axes[turn]
        planes = distances.transpose(1 + order[0], 0, 1 + order[1], 1 + order[2])
        walled = _walled(planes, np.inf)
        steps = _step_lengths([spacing[axis] for axis in order])
        quiet = 0 if _sweep(walled, prices[turn], steps) else quiet + 1
        inside = walled[:, :, 1:-1, 1:-1]
        back = np.argsort(order)
        distances = inside.transpose(1, *((0, 2, 3)[place] for place in back))
        turn = (turn + 1) % 3
    return np.ascontiguousarray(distances)


def _turned(axis: int) -> tuple[int, int, int]:
    """Return the axes with one of them in front."""
    others = [other for other in range(3) if other != axis]
    return axis, others[0], others[1]


def _walled(planes: NDArray[np.float32], value: float) -> NDArray[np.float32]:
    """Copy planes into new memory with a wall of one voxel around each."""
    rows, columns = planes.shape[-2:]
    walled = np.full((*planes.shape[:-2], rows + 2, columns + 2), value, np.float32)
    walled[..., 1:-1, 1:-1] = planes
    return walled


def _step_lengths(spacing: Sequence[float]) -> NDArray[np.float32]:
    """Return the steps to the next plane: straight, a row, a column, both aside."""
    along, row, column = spacing
    aside = np.array([0.0, row, column, np.hypot(row, column)])
    steps: NDArray[np.float32] = np.hypot(along, aside).astype(np.float32)
    return steps


def _sweep(
    planes: NDArray[np.float32],
    prices: NDArray[np.float32],
    steps: NDArray[np.float32],
) -> bool:
    """Sweep forth and back in place; return whether a nearest distance shrank.

    ``planes`` is (n, c, rows + 2, columns + 2), ``prices`` (n, rows + 2, columns + 2).
    """
    shrank = False
    last = len(planes) - 1
    for forth in (True, False):
        for step in range(last):
            here, there = (step, step + 1) if forth else (last - step, last - step - 1)
            found = _arriving(planes[here], prices[here], prices[there], steps)
            held = planes[there][:, 1:-1, 1:-1]
            if not shrank:
                nearest = held.min(axis=0)
                shrank = bool((found.min(axis=0) * (1 + _ROUNDING) < nearest).any())
            np.minimum(held, found, out=held)
    return shrank


def _arriving(
    distances: NDArray[np.float32],
    leaving: NDArray[np.float32],
    entering: NDArray[np.float32],
    steps: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the distances at the next plane over the nine steps that lead there."""
    enter = entering[1:-1, 1:-1]
    ways = [distances + leaving * step for step in steps]
    straight, row, column, both = ways
    found: NDArray[np.float32] = straight[:, 1:-1, 1:-1] + enter * steps[0]
    aside = np.minimum(row[:, :-2, 1:-1], row[:, 2:, 1:-1])
    np.minimum(found, aside + enter * steps[1], out=found)
    aside = np.minimum(column[:, 1:-1, :-2], column[:, 1:-1, 2:])
    np.minimum(found, aside + enter * steps[2], out=found)
    pair = np.minimum(both[:, :-2], both[:, 2:])
    aside = np.minimum(pair[:, :, :-2], pair[:, :, 2:])
    np.minimum(found, aside + enter * steps[3], out=found)
    return found
