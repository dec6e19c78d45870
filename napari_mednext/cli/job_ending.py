"""What came of a job: the comparison of its model, and what can be done with it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from napari_mednext.cli.job_outcomes import job_facts

if TYPE_CHECKING:
    from napari_mednext.app.versions import Candidate
    from napari_mednext.cli.job_choice import StudyJob
    from napari_mednext.jobs import JobView
    from napari_mednext.training.gate import GateReport

__all__ = ["ending", "read_comparison"]

_COMPARISON = "comparison.json"


def read_comparison(each: StudyJob) -> GateReport | None:
    """Return how the model of a job compares, None as long as nobody knows.

    Raises
    ------
    InputError
        If the report is damaged.
    """  # noqa: DOC501 - by read_report
    from napari_mednext.training.gate import read_report

    path = each.job.path / _COMPARISON
    return read_report(path) if path.exists() else None


def ending(each: StudyJob, view: JobView) -> tuple[dict[str, Any], str]:
    """Return what came of a job, as JSON content and as text for people."""
    from napari_mednext.app.candidates import candidate_of
    from napari_mednext.cli.improve_outcomes import comparison_text

    report = read_comparison(each)
    candidate = candidate_of(each.study, each.job.path)
    document = {
        "job": job_facts(each, view),
        "model": {
            "state": candidate.state.value,
            "path": None if candidate.path is None else str(candidate.path),
        },
        "comparison": None if report is None else report.to_dict(),
    }
    parts = [] if report is None else [comparison_text(report)]
    if view.is_over and (next_ := _next(each, candidate, report)):
        parts.append(next_)
    return document, "\n\n".join(parts)


def _next(each: StudyJob, candidate: Candidate, report: GateReport | None) -> str:
    """Return what can be done now."""
    place = shlex.quote(str(each.study))
    pictures = each.job.path / "pictures"
    lines = {}
    if any(pictures.glob("*.png")):
        lines["pictures"] = str(pictures)
    if candidate.state.value == "open":
        may = report is not None and report.verdict.may_promote
        word = "use it" if may else "use it nevertheless"
        lines[word] = f"napari-mednext models promote {place} {each.job.id}"
        lines["delete it"] = (
            f"napari-mednext jobs remove {each.job.id} --study {place} --with-model"
        )
    elif candidate.state.value == "kept":
        lines["kept as"] = str(candidate.path or "a version that is gone")
        lines["versions"] = f"napari-mednext models tree {place}"
    width = max(map(len, lines), default=0)
    return "\n".join(f"{key:<{width}}  {value}" for key, value in lines.items())
