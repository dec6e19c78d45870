"""What the ``study`` commands say: JSON documents, text, and what failed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from napari_mednext.cli.outcome import ExitCode, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_mednext.app.exporting import Exported
    from napari_mednext.app.studies import Added
    from napari_mednext.study import Case, EffortSummary, Study

__all__ = [
    "added_outcome",
    "export_outcome",
    "failure_line",
    "status_outcome",
    "study_facts",
    "tell",
]

#: The last line names at most so many that failed.
_NAMED = 5
#: So much of a digest tells versions of a model apart.
_DIGEST = 8


def status_outcome(
    facts: Mapping[str, Any],
    counts: Mapping[str, int],
    cases: Sequence[Case],
    effort: Sequence[EffortSummary],
) -> Outcome:
    """Return how far a study is."""
    document = {
        "command": "study status",
        "study": facts,
        "counts": counts,
        "cases": [
            {
                "name": case.name,
                "state": case.state.value,
                "doubt": case.doubt,
                "comment": case.comment,
                "patient": case.patient,
                "model": None if case.model is None else case.model.name,
                "changed": case.changed.isoformat(timespec="seconds"),
            }
            for case in cases
        ],
        "effort": [_effort_document(each) for each in effort],
    }
    told = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    lines = [f"{facts['name']}: {len(cases)} cases{': ' if told else ''}{told}"]
    lines += [_effort_line(each) for each in effort]
    width = max((len(case.name) for case in cases), default=0)
    for case in cases:
        doubt = "    " if case.doubt is None else f"{case.doubt:.2f}"
        line = f"{case.name:<{width}}  {case.state.value:<11}  {doubt}  {case.comment}"
        lines.append(" ".join(line.splitlines()).rstrip())
    return Outcome(document=document, text="\n".join(lines))


def added_outcome(
    names: Sequence[str],
    added: Sequence[Added],
    refused: Mapping[str, str],
    whole: int,
    *,
    was_cancelled: bool,
) -> Outcome:
    """Return how adding ended."""
    known = sum(each.known for each in added)
    notes = [note for each in added for note in each.notes]
    document = {
        "command": "study add",
        "added": list(names),
        "known": known,
        "notes": notes,
        "refused": [{"source": path, "error": why} for path, why in refused.items()],
    }
    tell([f"note: {note}" for note in notes])
    text = f"{len(names)} added" + (f", {known} were there already" if known else "")
    if was_cancelled:
        error = f"interrupted, {len(names)} cases were added"
        return Outcome(ExitCode.INTERRUPTED, document, text, error)
    if not refused:
        return Outcome(document=document, text=text)
    code = ExitCode.SOME_FAILED if added else ExitCode.REFUSED
    return Outcome(code, document, text if added else "", failure_line(refused, whole))


def export_outcome(results: Sequence[Exported], *, was_cancelled: bool) -> Outcome:
    """Return how an export ended."""
    saved = [each for each in results if each.path is not None]
    failed = {each.case: each.sentence for each in results if each.path is None}
    document = {
        "command": "study export",
        "results": [
            {
                "case": each.case,
                "state": "failed" if each.path is None else "saved",
                "output": None if each.path is None else str(each.path),
                "error": each.sentence or None,
            }
            for each in results
        ],
    }
    text = "\n".join(str(each.path) for each in saved)
    if was_cancelled:
        error = f"interrupted, {len(saved)} masks were saved"
        return Outcome(ExitCode.INTERRUPTED, document, text, error)
    if not failed:
        return Outcome(document=document, text=text)
    code = ExitCode.SOME_FAILED if saved else ExitCode.REFUSED
    return Outcome(code, document, text, failure_line(failed, len(results)))


def failure_line(failed: Mapping[str, str], whole: int) -> str:
    """Return one line about what failed; several are told one by one before."""
    if len(failed) == 1:
        ((name, why),) = failed.items()
        return f"{name}: {why}"
    tell([f"{name}: failed: {why}" for name, why in failed.items()])
    names = ", ".join(list(failed)[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return f"{len(failed)} of {whole} failed: {names}{more}"


def tell(lines: Sequence[str]) -> None:
    """Write lines for people."""
    for line in lines:
        sys.stderr.write(f"{line}\n")


def study_facts(opened: Study) -> dict[str, Any]:
    """Return what a study is, as JSON content."""
    from napari_mednext.app.chosen_model import remembered_model
    from napari_mednext.models import installed_models

    model = remembered_model(opened.path, installed_models())
    return {
        "name": opened.name,
        "path": str(opened.path),
        "channels": list(opened.channel_names),
        "labels": {str(value): name for value, name in opened.labels.names.items()},
        "model": None if model is None else str(model),
    }


def _effort_document(each: EffortSummary) -> dict[str, Any]:
    """Return what cases of one model version cost, as JSON content."""
    return {
        "model": each.model or None,
        "version": each.version or None,
        "cases": each.cases,
        "mean_minutes": round(each.mean_minutes, 3),
        "median_minutes": round(each.median_minutes, 3),
        "mean_strokes": round(each.mean_strokes, 2),
        "mean_voxels_changed": round(each.mean_voxels_changed, 1),
        "mean_dice": None if each.mean_dice is None else round(each.mean_dice, 4),
    }


def _effort_line(each: EffortSummary) -> str:
    """Return the same as text for people."""
    model = f"{each.model} {each.version[:_DIGEST]}".strip() or "without a model"
    dice = "" if each.mean_dice is None else f", Dice {each.mean_dice:.3f}"
    return (
        f"accepted after {model}: {each.cases} cases, "
        f"{each.mean_minutes:.1f} min and {each.mean_strokes:.1f} strokes a case{dice}"
    )
