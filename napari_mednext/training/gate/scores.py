"""The numbers of one judged case."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CaseScores", "LabelScore"]


@dataclass(frozen=True)
class LabelScore:
    """One label in one judged case, by both models.

    Parameters
    ----------
    voxels : int
        Known ones that the reference gives this label.
    before, after : float or None
        Dice; None where neither that model nor the reference has the label.
    surface_before, surface_after : float or None
        Surface Dice; None also where it cannot be measured.
    extra_before, extra_after : int
        Known voxels that only the model gives this label.
    drawn : int
        Known voxels that a person gave this label, or took it away from.
    """

    voxels: int
    before: float | None
    after: float | None
    surface_before: float | None
    surface_after: float | None
    extra_before: int
    extra_after: int
    drawn: int


@dataclass(frozen=True)
class CaseScores:
    """All labels of one judged case.

    Parameters
    ----------
    name, part, group : str
        As in `GateCase`.
    known : int
        Judged voxels.
    tolerance_mm : float
        Of the surface Dice.
    labels : mapping of label value to LabelScore
    """

    name: str
    part: str
    group: str
    known: int
    tolerance_mm: float
    labels: Mapping[int, LabelScore]

    @property
    def title(self) -> str:
        """The name, with the part if it is one."""
        return f"{self.name}, {self.part}" if self.part else self.name

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values = {
            each.name: getattr(self, each.name) for each in dataclasses.fields(self)
        }
        values["labels"] = {
            str(value): dataclasses.asdict(score)
            for value, score in self.labels.items()
        }
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CaseScores:
        """Make it from what :meth:`to_dict` returned; a `TypeError` if it differs."""
        labels = {
            int(value): LabelScore(**score) for value, score in values["labels"].items()
        }
        return cls(**{**values, "labels": labels})
