"""What an evaluation found: numbers per label and case, their means, a comparison.

Everything here is frozen and goes to JSON and back without loss. No number is ever NaN
or infinite: a value that is not defined is None, and ``LabelResult.state`` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from napari_mednext.errors import InputError
from napari_mednext.evaluation.fields import (
    checked_fields,
    finite_number,
    items_of,
    name_and_sentence,
    plain_fields,
    refuse,
    tuple_of,
)

__all__ = [
    "SCHEMA",
    "CaseResult",
    "Comparison",
    "Evaluation",
    "LabelResult",
    "State",
    "Summary",
    "metric_keys",
    "metric_title",
    "surface_dice_key",
]

#: The schema number that this version writes.
SCHEMA = 1

State = Literal["both", "missing", "extra", "absent"]

_TITLES = {
    "dice": "Dice",
    "hd95_mm": "HD95 (mm)",
    "volume_error_ml": "volume error (mL)",
    "volume_error_percent": "volume error (%)",
    "absolute_volume_error_ml": "absolute volume error (mL)",
}


@dataclass(frozen=True)
class LabelResult:
    """How one label, or a region of several, came out in one case.

    ============ ======================== ==== ============ ========= ==================
    state        where the label occurs   Dice surface Dice HD95      volume error in %
    ============ ======================== ==== ============ ========= ==================
    ``both``     in both                  d    s            h         v
    ``missing``  in the reference only    0    0            diagonal  -100
    ``extra``    in the prediction only   0    0            diagonal  None
    ``absent``   in neither               None None         None      None
    ============ ======================== ==== ============ ========= ==================

    *diagonal* is that of the field of view, the largest distance that there can be.
    What is None is not counted in means.
    """

    name: str
    """Of the label or region."""
    value: int | None
    """The label value; None for a region that is made of several."""
    state: State
    """Where the label occurs, see the table."""
    dice: float | None
    """0 to 1."""
    surface_dice: Mapping[float, float | None]
    """Tolerance in mm -> 0 to 1."""
    hd95_mm: float | None
    """Symmetric 95th percentile of the distances between the surfaces."""
    volume_ml: float
    """Of the prediction."""
    reference_ml: float
    """Of the reference."""
    volume_error_ml: float
    """Prediction minus reference."""
    volume_error_percent: float | None
    """The same in percent of the reference."""

    @property
    def absolute_volume_error_ml(self) -> float:
        """How far the volume is off, either way."""
        return abs(self.volume_error_ml)

    def metric(self, key: str) -> float | None:
        """Return a value by its key, as ``dice`` or ``surface_dice_2mm``.

        None where it does not count: for every metric where the label is absent.

        Raises
        ------
        InputError
            If there is no such metric here.
        """
        if key in _TITLES:
            if self.state == "absent":
                return None
            return cast("float | None", getattr(self, key))
        for tolerance_mm, value in self.surface_dice.items():
            if key == surface_dice_key(tolerance_mm):
                return value
        known = ", ".join(metric_keys(tuple(self.surface_dice)))
        msg = f"a metric must be one of {known}, got {key!r}: choose one of them"
        raise InputError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values = plain_fields(self)
        values["surface_dice"] = {
            repr(tolerance): value for tolerance, value in self.surface_dice.items()
        }
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LabelResult:
        """Make it from what :meth:`to_dict` returned.

        Raises
        ------
        InputError
            If a key is missing or unknown, or a value has another type.
        """
        given = checked_fields(cls, values)
        if given["state"] not in ("both", "missing", "extra", "absent"):
            refuse("a state", "both, missing, extra or absent", given["state"])
        given["surface_dice"] = {
            float(tolerance): finite_number("surface Dice", value)
            for tolerance, value in items_of("surface_dice", given["surface_dice"])
        }
        for key in set(_TITLES) & set(given) | {"volume_ml", "reference_ml"}:
            given[key] = finite_number(key, given[key])
        return cls(**given)


@dataclass(frozen=True)
class CaseResult:
    """One pair of masks."""

    case: str
    """The name that both files share."""
    group: str
    """The folder of the case below the predictions, empty where there is none."""
    prediction: Path
    """File of the mask that is judged."""
    reference: Path
    """File of the mask that is taken as true."""
    image: Path | None
    """The scan, for pictures."""
    labels: tuple[LabelResult, ...]
    """In the order of the regions, or of the label values."""
    seconds: float | None = None
    """How long the evaluation took."""
    notes: tuple[str, ...] = ()
    """Sentences about choices, as resampling."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values = plain_fields(self)
        for key in ("prediction", "reference", "image"):
            values[key] = None if values[key] is None else str(values[key])
        values["labels"] = [label.to_dict() for label in self.labels]
        values["notes"] = list(self.notes)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CaseResult:
        """Make it from what :meth:`to_dict` returned.

        Raises
        ------
        InputError
            If a key is missing or unknown, or a value has another type.
        """
        given = checked_fields(cls, values)
        for key in ("prediction", "reference", "image"):
            given[key] = None if given[key] is None else Path(given[key])
        given["labels"] = tuple_of("labels", given["labels"], LabelResult.from_dict)
        given["notes"] = tuple_of("notes", given["notes"], str)
        return cls(**given)


@dataclass(frozen=True)
class Summary:
    """One metric of one label over the cases."""

    name: str
    """Of the label or region."""
    metric: str
    """Key of the metric, see :func:`metric_keys`."""
    counted: int
    """Cases with a value."""
    left_out: int
    """Cases without one: the label is in neither mask, or has no reference volume."""
    mean: float | None
    """None where no case counts."""
    median: float | None
    """None where no case counts."""
    low: float | None
    """Lower end of the interval of the mean; None for fewer than two cases."""
    high: float | None
    """Upper end of the interval of the mean."""
    missing: int = 0
    """Counted cases whose prediction lacks the label."""
    extra: int = 0
    """Counted cases whose reference lacks the label."""
    note: str = ""
    """Why there is no interval, or that it rests on few cases."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Summary:
        """Make it from what :meth:`to_dict` returned.

        Raises
        ------
        InputError
            If a key is missing or unknown, or a value has another type.
        """
        given = checked_fields(cls, values)
        for key in ("mean", "median", "low", "high"):
            given[key] = finite_number(key, given[key])
        return cls(**given)


@dataclass(frozen=True)
class Comparison:
    """The other model minus this one, over the cases that both have."""

    name: str
    """Of the label or region."""
    metric: str
    """Key of the metric."""
    pairs: int
    """Cases with a value from both."""
    difference: float | None
    """Mean of other minus this; None without a pair."""
    low: float | None
    """Lower end of the interval of the difference; None for fewer than two pairs."""
    high: float | None
    """Upper end of the interval of the difference."""
    p_value: float | None
    """Two-sided; None where no p below 0.05 is possible, see ``note``."""
    test: str
    """Which test."""
    note: str = ""
    """Why there is no p value."""
    p_adjusted: float | None = None
    """Corrected for the number of labels that were tested on this metric (Holm)."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Comparison:
        """Make it from what :meth:`to_dict` returned.

        Raises
        ------
        InputError
            If a key is missing or unknown, or a value has another type.
        """
        given = checked_fields(cls, values)
        for key in ("difference", "low", "high", "p_value", "p_adjusted"):
            given[key] = finite_number(key, given[key])
        return cls(**given)


@dataclass(frozen=True)
class Evaluation:
    """All that was found about the masks of one model, and of a second one."""

    title: str
    """What was evaluated, for people."""
    cases: tuple[CaseResult, ...]
    """Those that could be evaluated."""
    summaries: tuple[Summary, ...]
    """Every metric of every label over the cases."""
    other: Evaluation | None = None
    """The second model; has no ``other`` itself."""
    comparisons: tuple[Comparison, ...] = ()
    """``other`` against this, paired."""
    failures: tuple[tuple[str, str], ...] = ()
    """Name of the case, and the sentence why it is not among the cases."""
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What was asked for; under ``labels`` the values behind every name."""
    created: str = ""
    """When, as ISO 8601."""
    software: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Program -> version."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values with the schema number."""
        values = plain_fields(self)
        for key in ("cases", "summaries", "comparisons"):
            values[key] = [each.to_dict() for each in values[key]]
        values["other"] = None if self.other is None else self.other.to_dict()
        values["failures"] = [list(each) for each in self.failures]
        values["settings"] = dict(self.settings)
        values["software"] = dict(self.software)
        return {"schema": SCHEMA, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Evaluation:
        """Make it from what :meth:`to_dict` returned.

        Raises
        ------
        InputError
            If the schema is newer than this version knows, a key is missing or
            unknown, or a value has another type.
        """
        schema = dict(items_of("an evaluation", values)).get("schema")
        if schema != SCHEMA:
            msg = (
                f"the schema of an evaluation must be {SCHEMA}, got {schema!r}: "
                "evaluate again, or update napari-mednext"
            )
            raise InputError(msg)
        rest = {key: value for key, value in values.items() if key != "schema"}
        given = checked_fields(cls, rest)
        given["cases"] = tuple_of("cases", given["cases"], CaseResult.from_dict)
        given["summaries"] = tuple_of(
            "summaries", given["summaries"], Summary.from_dict
        )
        given["comparisons"] = tuple_of(
            "comparisons", given["comparisons"], Comparison.from_dict
        )
        given["failures"] = tuple_of("failures", given["failures"], name_and_sentence)
        if given["other"] is not None:
            given["other"] = cls.from_dict(given["other"])
        for key in ("settings", "software"):
            given[key] = dict(items_of(key, given[key]))
        return cls(**given)


def surface_dice_key(tolerance_mm: float) -> str:
    """Return the key of the surface Dice at a tolerance, as ``surface_dice_2mm``."""
    return f"surface_dice_{tolerance_mm:g}mm"


def metric_keys(tolerances_mm: tuple[float, ...]) -> tuple[str, ...]:
    """Return the keys of all metrics, in the order of tables."""
    surface = [surface_dice_key(tolerance) for tolerance in tolerances_mm]
    return ("dice", *surface, "hd95_mm", "volume_error_ml", "volume_error_percent")


def metric_title(key: str) -> str:
    """Return what people call a metric."""
    if key.startswith("surface_dice_"):
        tolerance = key.removeprefix("surface_dice_").removesuffix("mm")
        return f"surface Dice, {tolerance} mm"
    return _TITLES.get(key, key)
