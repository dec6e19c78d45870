"""How both models answer one judged case, label by label.

Only known voxels count. A case that is known as a whole gets exactly the numbers of
`napari_mednext.evaluation`. In others Dice is counted over the known voxels, and
surface Dice in the plane, over slices that were reviewed as a whole; where there is
none, there is no surface Dice, since the border of what was reviewed is not that of a
structure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.evaluation import Regions, evaluate_arrays
from napari_mednext.training.gate.blocks import whole_planes
from napari_mednext.training.gate.contours import contour_dice
from napari_mednext.training.gate.scores import CaseScores, LabelScore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_mednext.training.gate.cases import GateCase

__all__ = ["LEAST_TOLERANCE_MM", "measure", "tolerance_mm"]

#: Borders that are nearer than this are one, and those nearer than the largest
#: spacing, since nothing finer can be drawn.
LEAST_TOLERANCE_MM = 2.0


def tolerance_mm(spacing: Sequence[float]) -> float:
    """Return the tolerance for a case: 2 mm, or its largest spacing if that is more."""
    return max(LEAST_TOLERANCE_MM, *(float(mm) for mm in spacing))


def measure(
    case: GateCase, values: Iterable[int], *, surfaces: bool = True
) -> CaseScores:
    """Measure both answers of a case.

    Parameters
    ----------
    case : GateCase
        Not modified.
    values : iterable of int
        Label values to measure, without the background.
    surfaces : bool
        Whether surface Dice is measured too.

    Returns
    -------
    CaseScores
    """
    values = sorted(set(values) - {0})
    measured = _surfaces_of_whole if case.known.all() else _surfaces_of_slices
    known = case.known
    reference, before, after = (
        each[known] for each in (case.reference, case.before, case.after)
    )
    size = 1 + max([0, *values, *(int(e.max(initial=0)) for e in (before, after))])
    size = max(size, 1 + int(reference.max(initial=0)))
    true = np.bincount(reference, minlength=size)
    drawn = _drawn(case, size)
    sides = [(_counts(each, reference, size)) for each in (before, after)]
    found = measured(case, values) if surfaces else {}
    labels = {}
    for value in values:
        dice: list[float | None] = []
        extra: list[int] = []
        for voxels, equal in sides:
            whole = int(voxels[value] + true[value])
            dice.append(2.0 * int(equal[value]) / whole if whole else None)
            extra.append(int(voxels[value] - equal[value]))
        near = found.get(value, (None, None))
        labels[value] = LabelScore(
            voxels=int(true[value]),
            before=dice[0],
            after=dice[1],
            surface_before=near[0],
            surface_after=near[1],
            extra_before=extra[0],
            extra_after=extra[1],
            drawn=int(drawn[value]),
        )
    return CaseScores(
        case.name,
        case.part,
        case.group,
        int(np.count_nonzero(known)),
        tolerance_mm(case.spacing),
        labels,
    )


def _drawn(case: GateCase, size: int) -> NDArray[np.intp]:
    """Return how many known voxels of every label a person made or took away."""
    drawn = case.known if case.drawn is None else case.known & case.drawn
    now, then = case.reference[drawn], case.before[drawn]
    taken = np.bincount(then[then != now], minlength=size)
    return np.bincount(now, minlength=size) + taken


_Surfaces = dict[int, tuple[float | None, float | None]]


def _counts(
    answer: NDArray[Any], reference: NDArray[Any], size: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return how many voxels an answer gives every label, and how many rightly."""
    equal = answer[answer == reference]
    return np.bincount(answer, minlength=size), np.bincount(equal, minlength=size)


def _surfaces_of_whole(case: GateCase, values: Sequence[int]) -> _Surfaces:
    """Return surface Dice of both models in a case that is known as a whole."""
    if not values:
        return {}
    within = tolerance_mm(case.spacing)
    sides = [
        {
            result.value: result.surface_dice[within]
            for result in evaluate_arrays(
                answer,
                case.reference,
                case.spacing,
                Regions.of_labels(values),
                tolerances_mm=(within,),
            )
        }
        for answer in (case.before, case.after)
    ]
    return {value: (sides[0][value], sides[1][value]) for value in values}


def _surfaces_of_slices(case: GateCase, values: Sequence[int]) -> _Surfaces:
    """Return surface Dice over the slices that were reviewed as a whole."""
    found = [whole_planes(case.known, axis) for axis in range(3)]
    axis = int(np.argmax([planes.size for planes in found]))
    planes = found[axis]
    if not planes.size:
        return dict.fromkeys(values, (None, None))
    reference, before, after, known = (
        np.moveaxis(np.take(each, planes, axis=axis), axis, 0)
        for each in (case.reference, case.before, case.after, case.known)
    )
    spacing = [mm for each, mm in enumerate(case.spacing) if each != axis]
    within = tolerance_mm(case.spacing)
    result: _Surfaces = {}
    for value in values:
        true = (reference == value) & known
        first, second = (
            contour_dice((answer == value) & known, true, spacing, within)
            for answer in (before, after)
        )
        result[value] = first, second
    return result
