"""What came of an improvement, as a table and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_mednext.training.gate import GateReport
    from napari_mednext.training.gate.verdict import Verdict

__all__ = ["ChangeRow", "Comparison", "comparison_from"]


@dataclass(frozen=True)
class ChangeRow:
    """How good something was before and after.

    Parameters
    ----------
    section : str
        "Mean Dice", "Dice" or "Surface Dice".
    name : str
        Of the label, or of the group of cases.
    units : int
        Over how many cases, or parts of them.
    before, after : float or None
        Means; None where there is nothing to measure.
    change, low, high : float or None
        Mean change, and the ends of its 95 % interval.
    is_new : bool
        Whether the model before did not know the label.
    """

    section: str
    name: str
    units: int
    before: float | None = None
    after: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    is_new: bool = False


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
    rows : tuple of ChangeRow
        Those of a section stand together.
    pictures : tuple of Path
        Of the largest changes, the largest first.
    decision : str
        "open", "promoted", "kept" or "discarded".
    notes : tuple of str
        What must be known to read it, one sentence each.
    warnings : tuple of str
        What looks wrong with the corrections, besides the reason, one sentence each.
    """

    job: str
    outcome: str
    reason: str
    rows: tuple[ChangeRow, ...] = ()
    pictures: tuple[Path, ...] = ()
    decision: str = "open"
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def comparison_from(
    identity: str, report: GateReport, folder: Path, decision: str
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
    # The first suspicion is the reason already.
    pictures = (folder / "pictures").glob("*.png")
    suspected = tuple(each.sentence for each in verdict.suspicions[1:])
    return Comparison(
        identity,
        str(verdict.outcome),
        _plain(verdict),
        _rows(report),
        # The tenth comes after the second.
        tuple(sorted(pictures, key=lambda path: (len(path.name), path.name))),
        decision,
        tuple(report.notes),
        suspected,
    )


def _plain(verdict: Verdict) -> str:
    """Return the reason without the outcome, which is the headline."""
    prefix = f"{verdict.outcome}: "
    reason = verdict.reason
    if reason.casefold().startswith(prefix):
        reason = reason[len(prefix) :]
    return reason.replace(" -> ", " \u2192 ")


def _rows(report: GateReport) -> tuple[ChangeRow, ...]:
    """Return means over labels, then every label by Dice and by surface Dice."""
    rows = [
        ChangeRow(
            "Mean Dice",
            str(each.group),
            each.units,
            each.before,
            each.after,
            each.change,
            each.low,
            each.high,
        )
        for each in report.verdict.groups
    ]
    labels = report.label_rows()
    rows += [
        ChangeRow(
            "Dice",
            each.name,
            each.units,
            each.before,
            each.after,
            each.change,
            each.low,
            each.high,
            each.is_new,
        )
        for each in labels
    ]
    rows += [
        ChangeRow(
            "Surface Dice",
            each.name,
            each.units,
            each.surface_before,
            each.surface_after,
            each.surface_change,
            each.surface_low,
            each.surface_high,
            each.is_new,
        )
        for each in labels
        if each.surface_after is not None
    ]
    return tuple(rows)
