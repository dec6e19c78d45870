"""Everything that a comparison found, as JSON, and as rows for tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import InputError
from napari_mednext.formats import check_output
from napari_mednext.formats.placing import placed
from napari_mednext.training.gate.scores import CaseScores
from napari_mednext.training.gate.verdict import Verdict

if TYPE_CHECKING:
    from napari_mednext.training.gate.verdict import LabelChange

__all__ = ["SCHEMA", "CaseRow", "GateReport", "read_report", "write_report"]

#: The schema number that this version writes.
SCHEMA = 1


@dataclass(frozen=True)
class CaseRow:
    """One label of one judged case; a row of the window's table."""

    case: str
    part: str
    group: str
    label: str
    voxels: int
    before: float | None
    after: float | None
    change: float | None
    surface_before: float | None
    surface_after: float | None


@dataclass(frozen=True)
class GateReport:
    """What the comparison of two models found.

    Parameters
    ----------
    verdict : Verdict
        With a row for every label, and both groups of cases.
    cases : tuple of CaseScores
        Every judged case or part.
    created : str
        ISO 8601, UTC.
    notes : tuple of str
        What must be known to read the numbers.
    """

    verdict: Verdict
    cases: tuple[CaseScores, ...]
    created: str
    notes: tuple[str, ...] = ()

    def label_rows(self) -> tuple[LabelChange, ...]:
        """Return a row for every label that was compared."""
        return tuple(row for row in self.verdict.per_label if row.change is not None)

    def case_rows(self) -> tuple[CaseRow, ...]:
        """Return a row for every label of every case that somebody has there."""
        names = {row.value: row.name for row in self.verdict.per_label}
        rows = []
        for case in self.cases:
            for value, score in case.labels.items():
                if score.before is None and score.after is None:
                    continue
                both = score.before is not None and score.after is not None
                rows.append(
                    CaseRow(
                        case.name,
                        case.part,
                        case.group,
                        names.get(value, f"label {value}"),
                        score.voxels,
                        score.before,
                        score.after,
                        (score.after or 0.0) - (score.before or 0.0) if both else None,
                        score.surface_before,
                        score.surface_after,
                    )
                )
        return tuple(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "schema": SCHEMA,
            "created": self.created,
            "verdict": self.verdict.to_dict(),
            "cases": [case.to_dict() for case in self.cases],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: Any) -> GateReport:
        """Make it from what :meth:`to_dict` returned.

        Raises
        ------
        InputError
            If it was written by a newer version, or something is missing or unknown.
        """  # noqa: DOC501 - the others are caught here
        schema = values.get("schema") if isinstance(values, Mapping) else None
        if schema != SCHEMA:
            msg = (
                f"a comparison must have schema {SCHEMA}, got {schema!r}: open it with "
                "the version that wrote it, or compare again"
            )
            raise InputError(msg)
        try:
            return cls(
                Verdict.from_dict(values["verdict"]),
                tuple(CaseScores.from_dict(case) for case in values["cases"]),
                str(values["created"]),
                tuple(map(str, values["notes"])),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            msg = f"a comparison must be whole, got {error!r}: compare again"
            raise InputError(msg) from error


def write_report(report: GateReport, path: str | Path) -> Path:
    """Write a report as JSON; the file appears when it is whole.

    Parameters
    ----------
    report : GateReport
        What was found.
    path : path
        Its folder exists; an older report is replaced.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    path = check_output(path, overwrite=True)
    # Strict JSON: NaN would be an error here, not a word that other programs refuse.
    text = json.dumps(report.to_dict(), indent=1, allow_nan=False)
    with placed(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
    return path


def read_report(path: str | Path) -> GateReport:
    """Read what :func:`write_report` wrote.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{str(path)!r} must be a comparison in JSON, got {error}: compare again"
        raise InputError(msg) from error
    return GateReport.from_dict(values)
