"""Which voxels a training patch is drawn around.

Where a person changed the model there is most to learn, and a rare class must not wait
for chance. What differs from nnU-Net, which takes a foreground class in a third of the
draws: changed voxels come first, and a few patches lie anywhere, so that the new model
is compared with the old one also where nobody looked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Index of the first voxel, and the voxels in one row.
    _Slabs = Iterator[tuple[int, NDArray[np.unsignedinteger]]]

__all__ = ["MOST_VOXELS", "Places", "find_places"]

#: Voxels that are remembered of a class: enough for any training, 160 kB.
MOST_VOXELS = 20_000
#: Share of the patches that lie anywhere in the scan.
ANYWHERE = 0.1
#: Share of the patches around a class, of those that are neither changed nor anywhere.
FOREGROUND = 1 / 3
#: Voxels that are looked at in one go; with their order in memory some 20 MB.
_SLAB_VOXELS = 1_000_000


@dataclass(frozen=True)
class ClassVoxels:
    """Some voxels of each class.

    Parameters
    ----------
    classes : (k,) int64
        Ascending.
    counts : (k,) int64
        How many voxels each class has, remembered or not.
    voxels : k arrays (n,) int64
        Flat indices, ascending; at most `MOST_VOXELS` a class.
    """

    classes: NDArray[np.int64]
    counts: NDArray[np.int64]
    voxels: tuple[NDArray[np.int64], ...]

    def draw(self, rng: np.random.Generator, weights: NDArray[Any]) -> int | None:
        """Return a voxel of a class drawn by weights (k,), None where all are zero."""
        total = float(weights.sum())
        if total == 0:
            return None
        which = int(rng.choice(len(weights), p=weights / total))
        voxels = self.voxels[which]
        return int(voxels[rng.integers(len(voxels))])


@dataclass(frozen=True)
class Places:
    """What there is to draw patches around in one scan.

    Parameters
    ----------
    shape : (z, y, x) voxels
        Of the scan's own grid.
    known : ClassVoxels
        Where somebody looked.
    changed : ClassVoxels
        Where somebody changed the model's answer.
    """

    shape: tuple[int, int, int]
    known: ClassVoxels
    changed: ClassVoxels

    def draw(
        self, rng: np.random.Generator, *, changed_share: float
    ) -> tuple[int, int, int]:
        """Return a voxel to draw a patch around.

        With ``changed_share`` it is a changed voxel, each class as often as the others;
        with `ANYWHERE` any voxel; else, one time in three, a voxel of a foreground
        class, each class as often as the others, and otherwise any known voxel. Where
        one kind is empty, the next takes its share; where nothing is known, all are
        voxels from anywhere.

        Parameters
        ----------
        rng : numpy.random.Generator
            Decides.
        changed_share : float
            0..1.

        Returns
        -------
        (z, y, x) voxel indices
        """
        if not len(self.changed.classes):
            changed_share = 0.0
        luck = rng.random()
        flat: int | None = None
        if luck < changed_share:
            flat = self.changed.draw(rng, np.ones(len(self.changed.classes)))
        elif luck < 1 - ANYWHERE:
            if rng.random() < FOREGROUND:
                flat = self.known.draw(rng, self.known.classes > 0)
            if flat is None:
                flat = self.known.draw(rng, self.known.counts)
        if flat is None:
            z, y, x = (int(i) for i in rng.integers(self.shape))
        else:
            z, y, x = (int(i) for i in np.unravel_index(flat, self.shape))
        return z, y, x


def find_places(
    target: NDArray[np.unsignedinteger],
    changed: NDArray[np.integer],
    *,
    ignore: int,
    seed: int,
) -> Places:
    """Look for what patches can be drawn around.

    Parameters
    ----------
    target : (z, y, x)
        Class values. Not copied.
    changed : (n, 3)
        Indices of changed voxels; those that are not known are left out.
    ignore : int
        Value in ``target`` where nobody looked.
    seed : int
        Decides which voxels of large classes are remembered.

    Returns
    -------
    Places

    Notes
    -----
    Beside the result, a slab of the target and its order are in memory, whatever the
    size of the scan.
    """
    rng = np.random.default_rng(seed)
    z, y, x = (int(n) for n in target.shape)
    known = _of_classes(lambda: _slabs(target), ignore, rng)
    index = np.ravel_multi_index(tuple(changed.T), (z, y, x)).astype(np.int64)
    values = target[tuple(changed.T)]
    by_place = _of_classes(lambda: iter([(0, values)]), ignore, rng)
    voxels = tuple(np.sort(index[each]) for each in by_place.voxels)
    there = ClassVoxels(by_place.classes, by_place.counts, voxels)
    return Places((z, y, x), known, there)


def _slabs(target: NDArray[np.unsignedinteger]) -> _Slabs:
    """Yield flat slabs and the flat index at which each begins."""
    plane = max(1, target[0].size)
    step = max(1, _SLAB_VOXELS // plane)
    for start in range(0, target.shape[0], step):
        yield start * plane, target[start : start + step].reshape(-1)


def _of_classes(
    slabs: Callable[[], _Slabs], ignore: int, rng: np.random.Generator
) -> ClassVoxels:
    """Return the voxels of each class; ``slabs()`` goes through all of them.

    Two passes: how many there are decides which ones are remembered.
    """
    counts = np.zeros(ignore + 1, np.int64)
    for _, slab in slabs():
        counts += np.bincount(slab, minlength=ignore + 1)
    counts[ignore] = 0
    classes = np.flatnonzero(counts)
    ranks = {
        int(k): np.sort(
            rng.choice(counts[k], MOST_VOXELS, replace=False, shuffle=False)
        )
        if counts[k] > MOST_VOXELS
        else np.arange(counts[k])
        for k in classes
    }
    found: dict[int, list[NDArray[np.int64]]] = {k: [] for k in ranks}
    seen = dict.fromkeys(ranks, 0)
    for base, slab in slabs():
        here = np.bincount(slab, minlength=ignore + 1)
        if here[ignore] == slab.size:
            continue
        # The order of equal values is kept, so ranks within a slab are ascending too.
        order = np.argsort(slab, kind="stable")
        starts = np.cumsum(here) - here
        for k, rank in ranks.items():
            low, high = np.searchsorted(rank, [seen[k], seen[k] + here[k]])
            found[k].append(base + order[starts[k] + rank[low:high] - seen[k]])
            seen[k] += int(here[k])
    voxels = tuple(np.concatenate(found[int(k)]) for k in classes)
    return ClassVoxels(classes, counts[classes], voxels)
