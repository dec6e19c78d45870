"""From judged cases to a report."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.errors import InputError
from napari_mednext.training.gate.blocks import runs_of_planes
from napari_mednext.training.gate.measuring import measure
from napari_mednext.training.gate.paired import (
    paired_label,
    paired_surface,
    paired_units,
)
from napari_mednext.training.gate.report import GateReport
from napari_mednext.training.gate.verdict import GroupChange, LabelChange, judge

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_mednext.labels import LabelSet
    from napari_mednext.training.gate.cases import GateCase
    from napari_mednext.training.gate.paired import Paired
    from napari_mednext.training.gate.scores import CaseScores
    from napari_mednext.training.gate.verdict import Suspicion, UnitKind

__all__ = ["compare_gate"]

#: Runs of slices that the only case is cut into for an interval.
_RUNS = 5


def compare_gate(
    cases: Sequence[GateCase],
    labels: LabelSet,
    *,
    new_labels: Collection[int] = frozenset(),
    suspicions: Sequence[Suspicion] = (),
) -> GateReport:
    """Compare a new model with the one before on judged cases.

    Parameters
    ----------
    cases : sequence of GateCase
        Every case, or part of one, once. Not modified.
    labels : LabelSet
        Of the new model; what is measured.
    new_labels : collection of int
        Values that the model before did not know: they count from a Dice of 0 and
        cannot fall.
    suspicions : sequence of Suspicion
        About the corrections that the new model learnt from.

    Returns
    -------
    GateReport
        With the verdict.

    Raises
    ------
    InputError
        If a case, or a part of one, comes twice.

    Notes
    -----
    Time is that of surface Dice, about 0.5 s a label and model for a head of 7 million
    voxels.
    """
    titles = [case.title for case in cases]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if twice:
        msg = f"every judged case must come once, got {twice[0]!r} twice: name parts"
        raise InputError(msg)
    values = [label.value for label in labels]
    old = [value for value in values if value not in new_labels]
    scores = [measure(case, values) for case in cases]
    units, kind = scores, _kind(cases)
    if kind == "slices":
        units = _runs(cases[0], values) or scores
    rows = tuple(
        _label_row(scores, units, label.value, label.name, label.value in new_labels)
        for label in labels
    )
    groups = []
    for group in ("corrected", "old"):
        members = [score for score in scores if score.group == group]
        parts = [unit for unit in units if unit.group == group]
        found = _with_interval(
            paired_units(members, old, scores), paired_units(parts, old, units)
        )
        if found is not None:
            groups.append(_group(group, found))
    overall = _with_interval(paired_units(scores, values), paired_units(units, values))
    verdict = judge(
        overall,
        groups,
        rows,
        suspicions,
        known=sum(score.known for score in scores),
        units=len(units) if overall is not None else 0,
        unit_kind=kind,
    )
    now = datetime.datetime.now(datetime.UTC)
    return GateReport(
        verdict, tuple(scores), now.isoformat(timespec="seconds"), _notes(scores, kind)
    )


def _kind(cases: Sequence[GateCase]) -> UnitKind:
    """Return what differences are taken over."""
    if len(cases) == 1:
        return "slices"
    return "parts" if any(case.part for case in cases) else "cases"


def _runs(case: GateCase, values: Sequence[int]) -> list[CaseScores]:
    """Return the scores of runs of slices of the only case, without surfaces."""
    axis, runs = runs_of_planes(case.known, case.reference, _RUNS)
    units = []
    for planes in runs:
        parts = [
            np.take(each, planes, axis=axis)
            for each in (case.reference, case.known, case.before, case.after)
        ]
        drawn = case.drawn
        if drawn is not None:
            drawn = np.take(drawn, planes, axis=axis)
        part = f"slices {planes[0] + 1} to {planes[-1] + 1}"
        cut = replace(
            case,
            part=part,
            scan=None,
            drawn=drawn,
            reference=parts[0],
            known=parts[1],
            before=parts[2],
            after=parts[3],
        )
        units.append(measure(cut, values, surfaces=False))
    return units


def _label_row(
    scores: Sequence[CaseScores],
    units: Sequence[CaseScores],
    value: int,
    name: str,
    is_new: bool,  # noqa: FBT001 - private, one caller
) -> LabelChange:
    """Return a label over all units."""
    voxels = sum(score.labels[value].voxels for score in scores)
    dice = _with_interval(paired_label(scores, value), paired_label(units, value))
    surface = paired_surface(scores, value)
    drawn = sum(score.labels[value].drawn for score in scores)
    count = dice.units if dice else 0
    row = LabelChange(value, name, is_new, voxels, count, drawn=drawn)
    if dice is not None:
        row = replace(
            row,
            before=dice.before,
            after=dice.after,
            change=dice.change,
            low=dice.low,
            high=dice.high,
        )
    if surface is not None:
        row = replace(
            row,
            surface_before=surface.before,
            surface_after=surface.after,
            surface_change=surface.change,
            surface_low=surface.low,
            surface_high=surface.high,
        )
    return row


def _with_interval(whole: Paired | None, cut: Paired | None) -> Paired | None:
    """Return the means of whole cases with the interval over what they are cut into."""
    if whole is None or cut is None:
        return whole
    return replace(whole, low=cut.low, high=cut.high, units=cut.units)


def _group(name: str, paired: Paired) -> GroupChange:
    """Return a row of a group."""
    return GroupChange(
        name,
        paired.units,
        paired.before,
        paired.after,
        paired.change,
        paired.low,
        paired.high,
    )


def _notes(scores: Sequence[CaseScores], kind: UnitKind) -> tuple[str, ...]:
    """Return what must be known to read the numbers."""
    within = sorted({score.tolerance_mm for score in scores})
    notes = []
    if within:
        listed = " and ".join(f"{mm:g}" for mm in within)
        notes.append(
            f"surface Dice counts borders within {listed} mm as equal (2 mm, or the "
            "largest spacing of a case)"
        )
    if kind == "slices":
        notes.append(
            "there is one case, so intervals are over runs of its slices, which are "
            "alike: they are narrower than those of cases would be"
        )
    if kind == "parts":
        notes.append(
            "intervals are over parts of cases, which are alike: they are narrower "
            "than those of cases would be"
        )
    if kind == "cases" and 0 < len(scores) < 10:
        notes.append(f"{len(scores)} cases: intervals are narrower than they should be")
    return tuple(notes)
