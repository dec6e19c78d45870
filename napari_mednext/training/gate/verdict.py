"""Better, same, worse or unproven: what may be done with a new model.

The rules lean to the side of the model that is in use: a fall weighs more than a rise,
and what cannot be judged is not promoted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.training.gate.paired import Paired

__all__ = [
    "GroupChange",
    "LabelChange",
    "Outcome",
    "Suspicion",
    "UnitKind",
    "Verdict",
    "judge",
]

Outcome = Literal["better", "same", "worse", "unproven"]
UnitKind = Literal["cases", "parts", "slices"]

#: Dice that the mean over labels may fall by, on corrected and on old cases each.
MEAN_FALL = 0.005
#: Dice that one label may fall by, and the reference voxels from which it counts.
LABEL_FALL, LABEL_VOXELS = 0.02, 100
#: From so many units on, a fall of a label must show in the interval, unless it is
#: this large.
FEWEST_UNITS, LARGE_FALL = 3, 0.05
#: A label of which a person drew less than this share was only let stand.
DRAWN_SHARE = 0.02
#: Dice that the mean must rise by, and that its interval may reach below zero.
RISE, SLACK = 0.002, 0.002
#: Judged voxels below which nothing is said.
FEWEST_VOXELS = 1000
#: Sums of the same numbers in another order differ in the last digits.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Suspicion:
    """Something about the corrections themselves that looks like a mistake.

    Parameters
    ----------
    kind : str
        "swapped", "shifted" or "emptied".
    sentence : str
        For the user, as the sentences of errors: no capital, no full stop.
    case : str
        "" where it is about several.
    """

    kind: str
    sentence: str
    case: str = ""


@dataclass(frozen=True)
class LabelChange:
    """One label over all units; a row of the window's table.

    Parameters
    ----------
    value, name : int, str
        Of the label.
    is_new : bool
        Whether the model before did not know it; it then counts from a Dice of 0.
    voxels : int
        Of the references, judged.
    units : int
        That it was compared in.
    before, after, change : float or None
        Mean Dice; None where no model and no reference has the label.
    low, high : float or None
        95 % interval of the change; None for a single unit.
    surface_before, surface_after, surface_change : float or None
        Mean surface Dice; None where it cannot be measured.
    surface_low, surface_high : float or None
        Its interval.
    drawn : int or None
        Judged voxels that a person gave this label, or took it away from; the rest of
        the reference is what a model said and a person let stand. None where nobody
        knows.
    """

    value: int
    name: str
    is_new: bool
    voxels: int
    units: int
    before: float | None = None
    after: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    surface_before: float | None = None
    surface_after: float | None = None
    surface_change: float | None = None
    surface_low: float | None = None
    surface_high: float | None = None
    drawn: int | None = None


@dataclass(frozen=True)
class GroupChange:
    """The mean over labels that the model before knew, on corrected or on old cases."""

    group: str
    units: int
    before: float
    after: float
    change: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Verdict:
    """What the gate says about a new model.

    Parameters
    ----------
    outcome : "better", "same", "worse" or "unproven"
    reason : str
        One sentence for people.
    units, unit_kind : int, str
        What the intervals are over.
    before, after, change, low, high : float or None
        Mean Dice over labels, and its 95 % interval; None where nothing was compared.
    per_label : tuple of LabelChange
        In order of value.
    groups : tuple of GroupChange
        Corrected and old cases, where there are any.
    suspicions : tuple of Suspicion
        About the corrections.
    """

    outcome: Outcome
    reason: str
    units: int = 0
    unit_kind: UnitKind = "cases"
    before: float | None = None
    after: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    per_label: tuple[LabelChange, ...] = ()
    groups: tuple[GroupChange, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()

    @property
    def may_promote(self) -> bool:
        """Whether the model may be offered."""
        return self.outcome in ("better", "same") and not self.suspicions

    @property
    def may_promote_alone(self) -> bool:
        """Whether it may be promoted without a person who looks at it."""
        return self.outcome == "better" and not self.suspicions

    def without_cases(self) -> Verdict:
        """Return the same without names of cases, for what leaves the study."""
        if not self.suspicions:
            return self
        kinds = sorted({each.kind for each in self.suspicions})
        sentence = f"the corrections seem to be {' and '.join(kinds)}"
        return dataclasses.replace(
            self,
            reason=f"Worse: {sentence}.",
            suspicions=tuple(Suspicion(kind, sentence) for kind in kinds),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """Make it from what :meth:`to_dict` returned.

        Raises
        ------
        InputError
            If a key is missing or unknown, or the outcome is.
        """
        given = _fields(cls, values)
        if given["outcome"] not in ("better", "same", "worse", "unproven"):
            msg = (
                "an outcome must be better, same, worse or unproven, got "
                f"{given['outcome']!r}: compare again"
            )
            raise InputError(msg)
        for key, kind in (
            ("per_label", LabelChange),
            ("groups", GroupChange),
            ("suspicions", Suspicion),
        ):
            given[key] = tuple(kind(**_fields(kind, each)) for each in given[key])
        return cls(**given)


def judge(
    overall: Paired | None,
    groups: Sequence[GroupChange],
    per_label: Sequence[LabelChange],
    suspicions: Sequence[Suspicion],
    *,
    known: int,
    units: int,
    unit_kind: UnitKind,
) -> Verdict:
    """Return the verdict on numbers that were measured.

    Parameters
    ----------
    overall : Paired or None
        Mean Dice over labels, new ones from 0; None where nothing was compared.
    groups : sequence of GroupChange
        Without new labels.
    per_label : sequence of LabelChange
        With new labels.
    suspicions : sequence of Suspicion
        Any makes the new model worse.
    known : int
        Judged voxels.
    units, unit_kind : int, str
        What the numbers are over.
    """
    outcome, reason = _rule(
        overall, groups, per_label, suspicions, known, _on(units, unit_kind)
    )
    numbers = {} if overall is None else dataclasses.asdict(overall)
    numbers["units"] = units
    return Verdict(
        outcome,
        reason,
        unit_kind=unit_kind,
        per_label=tuple(per_label),
        groups=tuple(groups),
        suspicions=tuple(suspicions),
        **numbers,
    )


def _rule(
    overall: Paired | None,
    groups: Sequence[GroupChange],
    per_label: Sequence[LabelChange],
    suspicions: Sequence[Suspicion],
    known: int,
    on: str,
) -> tuple[Outcome, str]:
    """Return the outcome and the sentence for it."""
    if suspicions:
        more = len(suspicions) - 1
        rest = f" (and {more} more)" if more else ""
        return "worse", f"Worse: {suspicions[0].sentence}{rest}."
    if overall is None or known < FEWEST_VOXELS:
        got = f"{known} voxels were" if overall is not None else "no label was"
        return "unproven", (
            f"Unproven: {got} judged, and at least {FEWEST_VOXELS} voxels with a label "
            "among them are needed; review more slices or a second patient."
        )
    fallen = _fallen(groups, per_label, on)
    if fallen:
        return "worse", f"Worse: {fallen}."
    mean = f"mean Dice {_pair(overall.before, overall.after)} on {on}"
    best = max(per_label, key=lambda each: each.change or 0.0)
    few = overall.units < FEWEST_UNITS
    sure = few or overall.low is None or overall.low > -SLACK
    if overall.change > RISE + _ROUNDING and sure:
        gain = "is new" if best.is_new else "gains most"
        shown = _pair(best.before or 0.0, best.after or 0.0)
        gains = f"; {best.name} {gain} ({shown})" if len(per_label) > 1 else ""
        return "better", f"Better: {mean}{gains}."
    why = ", but not in all of them" if overall.change > RISE + _ROUNDING else ""
    return "same", f"Same: {mean}{why}."


def _fallen(
    groups: Sequence[GroupChange], per_label: Sequence[LabelChange], on: str
) -> str:
    """Return what became worse, "" if nothing did."""
    for group in groups:
        if group.change < -MEAN_FALL - _ROUNDING:
            shown = _pair(group.before, group.after)
            return f"mean Dice falls on {group.group} cases ({shown})"
    falls = [each for each in per_label if _has_fallen(each)]
    if not falls:
        return ""
    worst = min(falls, key=lambda each: each.change or 0.0)
    shown = _pair(worst.before or 0.0, worst.after or 0.0)
    return f"{worst.name} falls ({shown}) on {on}"


def _has_fallen(label: LabelChange) -> bool:
    """Whether a label fell by more than chance and its limit allow.

    Where a person only let stand what the old model had said, the old model is held
    against itself and the new one against the old one's borders. People who let a label
    stand say that its borders are right to within what they would have mended: there a
    label has fallen if its surface Dice has as well.
    """
    if label.change is None or label.is_new or label.voxels < LABEL_VOXELS:
        return False
    has_fallen = _is_fall(label.change, label.high, label.units)
    drawn = label.voxels if label.drawn is None else label.drawn
    is_let_stand = drawn < DRAWN_SHARE * label.voxels
    if not (has_fallen and is_let_stand) or label.surface_change is None:
        return has_fallen
    return _is_fall(label.surface_change, label.surface_high, label.units)


def _is_fall(change: float, high: float | None, units: int) -> bool:
    """Whether a mean fell by more than its limit, and surely or by much."""
    is_sure = units < FEWEST_UNITS or high is None or high < 0
    return change < -LABEL_FALL - _ROUNDING and (is_sure or change < -LARGE_FALL)


def _pair(before: float, after: float) -> str:
    """Return two numbers with as many digits as show their difference."""
    digits = 2 if abs(after - before) >= 0.01 else 3
    return f"{before:.{digits}f} -> {after:.{digits}f}"


def _on(units: int, kind: UnitKind) -> str:
    """Return what was judged, for people."""
    many = "" if units == 1 else "s"
    if kind == "parts":
        return f"{units} held-out part{many} of cases"
    if kind == "slices":
        return f"{units} run{many} of slices of 1 held-out case"
    return f"{units} held-out case{many}"


def _fields(kind: type[Any], values: Any) -> dict[str, Any]:
    """Return the values if their keys are the fields of a dataclass.

    Raises
    ------
    InputError
        If they are not.
    """
    known = {each.name for each in dataclasses.fields(kind)}
    given = dict(values) if isinstance(values, Mapping) else {}
    wrong = sorted(set(given) ^ known)
    if wrong:
        msg = (
            f"a {kind.__name__} must have the keys that this version writes, but "
            f"{wrong[0]!r} is {'unknown' if wrong[0] in given else 'missing'}: compare "
            "again"
        )
        raise InputError(msg)
    return given
