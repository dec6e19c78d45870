"""The cut between the hemispheres where they touch.

The fissure between the halves of a brain is not plane: the back of one half reaches
across. So the plane only decides far from itself. From there both sides grow towards
it through the labels, and meet where they are equally far. Going from one label into
another costs extra, and going through white matter little, so a fold of it that reaches
across the plane is taken by the side that it hangs on, and the cortex between two folds
is divided in its middle.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["left_of_fissure"]

#: Half the width of the band in which the plane does not decide, in mm.
BAND_MM = 12.0
#: At least so many voxels of that width, for thick slices.
BAND_VOXELS = 3.0
#: What crossing into another label costs, as a way in mm.
CROSSING_MM = 5.0
#: What a millimetre through inner labels costs: little, since the cortex belongs to the
#: white matter that is nearest to it, however far that reaches.
INNER_PACE = 0.25
#: How much further a millimetre is beyond the plane than before it: where nothing but
#: the plane divides the sides, as in the corpus callosum, they shall meet at it.
BEYOND = 1.5
#: Ways are rounded to this part of the finest spacing.
ROUNDING = 0.25


def left_of_fissure(
    paired: NDArray[np.uint8],
    distances: Sequence[NDArray[np.float64]],
    spacing: Sequence[float],
    *,
    inner: Sequence[int] = (),
) -> NDArray[np.bool_]:
    """Return which voxels belong to the left side.

    Parameters
    ----------
    paired : (z, y, x) uint8
        Labels that have sides, 0 elsewhere.
    distances : three arrays
        Their sum is a voxel's distance from the plane in mm, positive on the left.
    spacing : (3,) mm, order (z, y, x)
        Of the voxels.
    inner : sequence of int
        Labels that lie below the others, as white matter below the cortex.

    Returns
    -------
    (z, y, x) bool
        Outside the labels as the plane says.
    """
    z, y, x = distances
    far_mm = (z + y + x).astype(np.float32)
    is_left: NDArray[np.bool_] = far_mm > 0
    # How far the plane's distance changes over one voxel, along the fastest axis.
    steps = [abs(float(d.ravel()[1] - d.ravel()[0])) for d in distances if d.size > 1]
    rim_mm = 1.01 * max(steps, default=0.0)
    band_mm = max(BAND_MM, BAND_VOXELS * rim_mm)
    near = (paired > 0) & (np.abs(far_mm) <= band_mm)
    if near.any():
        graph = _Band(paired, near, spacing, inner)
        is_left[near] = graph.grow(far_mm[near], band_mm - rim_mm)
    return is_left


class _Band:
    """The labelled voxels near the plane, and who is whose neighbour.

    Parameters
    ----------
    paired, near : (z, y, x)
        Labels, and the voxels that count.
    spacing : (3,) mm
    inner : sequence of int
    """

    def __init__(
        self,
        paired: NDArray[np.uint8],
        near: NDArray[np.bool_],
        spacing: Sequence[float],
        inner: Sequence[int],
    ) -> None:
        # An empty rim of voxels, so that neighbours never wrap around an edge.
        labels = np.pad(np.where(near, paired, 0), 1)
        self._places = np.flatnonzero(labels)
        self._labels = labels.reshape(-1)[self._places]
        self._nodes = np.full(labels.size, -1, dtype=np.int32)
        self._nodes[self._places] = np.arange(len(self._places), dtype=np.int32)
        self._is_inner = np.isin(self._labels, np.asarray(inner, dtype=np.uint8))
        strides = (labels.shape[1] * labels.shape[2], labels.shape[2], 1)
        self._moves = np.array([s * sign for s in strides for sign in (-1, 1)])
        unit = ROUNDING * min(spacing)
        self._crossing = _whole(CROSSING_MM / unit)
        # Move, whether the way leads into an inner label, whether beyond the plane.
        self._ways = np.array(
            [
                [
                    [_whole(edge * pace * far / unit) for far in (1.0, BEYOND)]
                    for pace in (1.0, INNER_PACE)
                ]
                for edge in np.repeat(spacing, 2)
            ]
        )

    def grow(self, far_mm: NDArray[np.float32], rim_mm: float) -> NDArray[np.bool_]:
        """Return which nodes the left side reaches first.

        Parameters
        ----------
        far_mm : (n,)
            Distance of the nodes from the plane, positive on the left.
        rim_mm : float
            The sides start from the nodes that are further from the plane.

        Returns
        -------
        (n,) bool
            A tie, and what nobody reaches, is as the plane says.
        """
        plane = np.where(far_mm > 0, 1, -1).astype(np.int8)
        owner = np.zeros(len(plane), dtype=np.int8)
        starts = np.flatnonzero(np.abs(far_mm) > rim_mm)
        # Dijkstra's algorithm with whole numbers: all nodes of one length at once.
        waiting = defaultdict(list, {0: [(starts, plane[starts])]})
        while waiting:
            length = min(waiting)
            nodes, sides = _joined(waiting.pop(length))
            is_open = owner[nodes] == 0
            nodes, sides = nodes[is_open], sides[is_open]
            owner[nodes] = sides
            at_home = sides == plane[nodes]
            owner[nodes[at_home]] = sides[at_home]  # ties
            nodes = np.unique(nodes)
            for way, reached, by in self._reached(nodes, owner, plane):
                waiting[length + way].append((reached, by))
        return np.where(owner == 0, plane, owner) > 0

    def _reached(
        self,
        nodes: NDArray[np.int64],
        owner: NDArray[np.int8],
        plane: NDArray[np.int8],
    ) -> list[tuple[int, NDArray[np.int64], NDArray[np.int8]]]:
        """Return what one step leads to: its way, the nodes, and by which side."""
        others = self._nodes[self._places[nodes][:, None] + self._moves]
        is_open = (others >= 0) & (owner[others] == 0)
        rows, moves = np.nonzero(is_open)
        others, sides = others[is_open], owner[nodes[rows]]
        is_beyond = sides != plane[others]
        ways = self._ways[
            moves, self._is_inner[others].astype(int), is_beyond.astype(int)
        ]
        ways += self._crossing * (self._labels[others] != self._labels[nodes[rows]])
        found = []
        for way in np.unique(ways):
            chosen = ways == way
            found.append((int(way), others[chosen], sides[chosen]))
        return found


def _whole(way: float) -> int:
    """Return a way as a whole number of units, at least one."""
    return max(1, round(way))


def _joined(
    parts: list[tuple[NDArray[np.int64], NDArray[np.int8]]],
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Return all nodes and sides as two arrays."""
    nodes, sides = zip(*parts, strict=True)
    return np.concatenate(nodes), np.concatenate(sides)
