"""What came of an improvement, as a table and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Comparison", "LabelChange", "comparison_from"]


@dataclass(frozen=True)
class LabelChange:
    """How good a label was before and after, on one group of cases.

    Parameters
    ----------
    name : str
        Of the label.
    value : int
        In the study.
    group : str
        "corrected" or "old".
    measure : str
        "Dice" or "surface Dice".
    cases : int
        In how many it could be measured.
    before, after : float or None
        Means over the cases; None where there is nothing to measure.
    change, low, high : float or None
        Mean change, and the ends of its 95 % interval.
    """

    name: str
    value: int
    group: str
    measure: str
    cases: int
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """What the gate found out about the model of a job.

    Parameters
    ----------
    job : str
        Its identity.
    outcome : str
        "better", "same", "worse" or "unproven".
    reason : str
        One sentence.
    rows : tuple of LabelChange
    pictures : tuple of Path
        Of the largest changes, the largest first.
    decision : str
        "open", "promoted", "kept" or "discarded".
    notes : tuple of str
        Suspicions, one sentence each.
    """

    job: str
    outcome: str
    reason: str
    rows: tuple[LabelChange, ...] = ()
    pictures: tuple[Path, ...] = ()
    decision: str = "open"
    notes: tuple[str, ...] = ()


def comparison_from(
    identity: str, report: Any, folder: Path, decision: str
) -> Comparison:
    """Return a report of the gate as people read it.

    Parameters
    ----------
    identity : str
        Of the job.
    report : GateReport
        As the gate wrote it.
    folder : Path
        Of the job; its pictures are in there.
    decision : str
        As in `Comparison`.
    """
    verdict = report.verdict
    pictures = sorted((folder / "pictures").glob("*.png"))
    return Comparison(
        identity,
        str(verdict.outcome),
        str(verdict.reason),
        pictures=tuple(pictures),
        decision=decision,
    )
