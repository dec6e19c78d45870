"""How good a model is on the cases of a task that it never learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.loop.annotator import allowed_planes
from napari_mednext.app.case_keeping import read_mask
from napari_mednext.app.open_case import renumbered
from napari_mednext.formats import open_volume
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import reorient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.loop.preparing import CaseFiles
    from benchmarks.loop.tasks import Task
    from napari_mednext.app.engine import Engine
    from napari_mednext.labels import LabelSet

__all__ = ["FAST", "dice_of", "judge_model", "mean_by_label", "old_and_new"]

#: One pass of tiles that overlap by a quarter, on the CPU: the same for all methods.
FAST = InferenceSettings(step=0.75, mirror=False, device="cpu")
#: Planes beside a corrected slab that are not judged: they are nearly the same.
_GUARD = 2


def judge_model(
    engine: Engine,
    model: str | Path,
    cases: Sequence[CaseFiles],
    task: Task,
    labels: LabelSet,
) -> dict[str, dict[str, float]]:
    """Return case -> label name -> Dice; labels that are nowhere are left out."""
    groups = old_and_new(task, labels)
    found = {}
    for case in cases:
        volume = reorient(open_volume(case.image), "LPS")
        reference = read_mask(case.reference, volume)
        result = engine.segment(volume, model=model, settings=FAST)
        prediction, _ = renumbered(result.array, result.names, labels)
        planes = _judged_planes(len(reference), task.slab)
        found[case.name] = dice_of(prediction[planes], reference[planes], groups)
    return found


def old_and_new(task: Task, labels: LabelSet) -> dict[str, tuple[int, ...]]:
    """Return label name -> values that belong to it, new labels and old ones.

    An old class whose part got a new label is judged as what it was.
    """
    return {
        label.name: task.old.get(label.value, (label.value,))
        for label in labels
        if label.value in task.new or task.judges_old
    }


def dice_of(
    prediction: NDArray[np.unsignedinteger],
    reference: NDArray[np.unsignedinteger],
    groups: Mapping[str, Collection[int]],
) -> dict[str, float]:
    """Return the Dice of groups of labels; one that is in neither is left out."""
    dice = {}
    for name, values in groups.items():
        first, second = (np.isin(a, list(values)) for a in (prediction, reference))
        total = int(first.sum()) + int(second.sum())
        if total:
            dice[name] = round(2 * int((first & second).sum()) / total, 5)
    return dice


def mean_by_label(dice: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over the cases that have a label."""
    names = {name: None for each in dice.values() for name in each}
    means = {}
    for name in names:
        values = [each[name] for each in dice.values() if name in each]
        means[name] = float(np.mean(values))
    return means


def _judged_planes(planes: int, slab: int) -> NDArray[np.bool_]:
    """Return the planes that are judged: all, or those well off corrected slabs."""
    if not slab:
        return np.ones(planes, bool)
    corrected = np.flatnonzero(allowed_planes(planes, slab))
    away = np.abs(np.arange(planes)[:, None] - corrected[None]).min(axis=1)
    judged: NDArray[np.bool_] = away > _GUARD
    return judged
