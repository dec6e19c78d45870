"""Before and after on the same units, and how sure their difference is.

A unit is a case, a part of one, or a run of its slices. Where the reference lacks a
label there is no Dice to compare, but a model that puts the label there is wrong all
the same: what it adds there is set against the size that the label has elsewhere, and
taken from the mean. So a voxel that becomes right never makes the numbers worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mednext.evaluation.statistics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_mednext.training.gate.scores import CaseScores

__all__ = ["Paired", "paired_label", "paired_surface", "paired_units"]


@dataclass(frozen=True)
class Paired:
    """Means before and after, and the mean difference.

    Parameters
    ----------
    before, after, change : float
        Means over the units; change is after minus before.
    low, high : float or None
        95 % bootstrap interval of the change; None for a single unit.
    units : int
        That the label, or any label, was compared in.
    """

    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    units: int


_Pair = tuple[float, float]


def paired_label(units: Sequence[CaseScores], value: int) -> Paired | None:
    """Return Dice of one label before and after, None where nobody has it."""
    size = _size(units, value)
    present, added = [], []
    for unit in units:
        score = unit.labels[value]
        if score.voxels:
            present.append((score.before or 0.0, score.after or 0.0))
        else:
            added.append(_added(score.extra_before, score.extra_after, size))
    return _paired(present, added)


def paired_surface(units: Sequence[CaseScores], value: int) -> Paired | None:
    """Return surface Dice of one label before and after, None where it is unknown."""
    pairs = []
    for unit in units:
        score = unit.labels[value]
        if score.voxels and None not in (score.surface_before, score.surface_after):
            pairs.append((score.surface_before or 0.0, score.surface_after or 0.0))
    return _paired(pairs, [])


def paired_units(
    units: Sequence[CaseScores],
    values: Collection[int],
    sizes_from: Sequence[CaseScores] | None = None,
) -> Paired | None:
    """Return the mean Dice over labels, before and after.

    Every unit counts equally, and in it every label that its reference has.

    Parameters
    ----------
    units : sequence of CaseScores
        What is averaged.
    values : collection of int
        Labels that count.
    sizes_from : sequence of CaseScores, optional
        Where the sizes of labels are taken from, if not from the units.

    Returns
    -------
    Paired or None
        None where no unit has any of the labels on any side.
    """
    sizes = {value: _size(sizes_from or units, value) for value in values}
    present, added = [], []
    for unit in units:
        pairs, wrong = [], []
        for value in values:
            score = unit.labels[value]
            if score.voxels:
                pairs.append((score.before or 0.0, score.after or 0.0))
            else:
                both = score.extra_before, score.extra_after
                wrong.append(_added(*both, sizes[value]))
        if pairs:
            present.append(_mean(pairs, wrong))
        else:
            before, after = (sum(pair[side] for pair in wrong) for side in (0, 1))
            added.append((before, after))
    return _paired(present, added)


def _size(units: Sequence[CaseScores], value: int) -> float:
    """Return the mean size of a label where the reference has it, in voxels."""
    found = [unit.labels[value].voxels for unit in units if unit.labels[value].voxels]
    if found:
        return sum(found) / len(found)
    extra = [
        max(unit.labels[value].extra_before, unit.labels[value].extra_after)
        for unit in units
    ]
    return float(max([1, *extra]))


def _added(before: int, after: int, size: float) -> _Pair:
    """Return how wrong added voxels are, from 0 to 1."""
    return before / (before + size), after / (after + size)


def _mean(pairs: Sequence[_Pair], wrong: Sequence[_Pair]) -> _Pair:
    """Return the mean of pairs, less what was wrongly added."""
    count = len(pairs)
    before, after = (
        (sum(pair[side] for pair in pairs) - sum(pair[side] for pair in wrong)) / count
        for side in (0, 1)
    )
    return before, after


def _paired(present: Sequence[_Pair], added: Sequence[_Pair]) -> Paired | None:
    """Return means and interval of pairs, less what was wrongly added elsewhere."""
    if not present:
        if not any(before or after for before, after in added):
            return None
        present, added = [(1.0 - before, 1.0 - after) for before, after in added], []
    lost = [sum(pair[side] for pair in added) / len(present) for side in (0, 1)]
    before, after = (
        sum(pair[side] for pair in present) / len(present) - lost[side]
        for side in (0, 1)
    )
    changes = [a - lost[1] - (b - lost[0]) for b, a in present]
    low, high = bootstrap_interval(changes) or (None, None)
    return Paired(before, after, after - before, low, high, len(present))
