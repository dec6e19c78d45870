"""What the commands about jobs say: JSON content, text, and how following ended."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from napari_mednext.cli.columns import aligned
from napari_mednext.cli.following import doing
from napari_mednext.cli.outcome import ExitCode, Outcome
from napari_mednext.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_mednext.cli.job_choice import StudyJob
    from napari_mednext.jobs import JobView

__all__ = ["followed_outcome", "job_facts", "job_sheet", "job_table", "steering"]

_SECONDS = len("2026-01-02T03:04:05")


def job_facts(each: StudyJob, view: JobView) -> dict[str, Any]:
    """Return where a job stands as JSON content."""
    return {
        "id": view.id,
        "study": str(each.study),
        "folder": str(each.job.path),
        "kind": view.kind,
        "title": view.title,
        "state": view.state.value,
        "waiting_for": view.waiting_for or None,
        "phase": view.phase,
        "step": view.step,
        "total": view.total,
        "remaining_s": view.remaining_s,
        "message": view.message or None,
        "created": view.created,
        "updated": view.updated,
        "attempts": view.attempts,
        "pid": view.pid,
        "result": dict(view.result),
    }


def job_table(jobs: Sequence[tuple[StudyJob, JobView]]) -> str:
    """Return jobs as lines, below the study that they belong to."""
    lines: list[str] = []
    for study in dict.fromkeys(each.study for each, _ in jobs):
        rows = [
            (view.id, view.state.value, _time(view.created), view.title, _told(view))
            for each, view in jobs
            if each.study == study
        ]
        lines += [str(study), *_indented(aligned(rows, left=range(5)))]
    return "\n".join(lines)


def job_sheet(each: StudyJob, view: JobView) -> str:
    """Return all that a job's state says, as text for people."""
    facts = {
        "job": f"{view.id}, {view.title}",
        "study": str(each.study),
        "state": view.state.value,
        "doing": doing(view),
        "message": view.message,
        "made": _time(view.created),
        "changed": _time(view.updated),
        "processes": str(view.attempts) if view.attempts > 1 else "",
        "folder": str(each.job.path),
    }
    lines = [f"{key:<9}  {value}" for key, value in facts.items() if value]
    if view.state is JobState.INTERRUPTED:
        lines += ["", _lost(each)]
    return "\n".join(lines)


def steering(command: str, each: StudyJob) -> str:
    """Return the command line for a job, as a terminal takes it."""
    place = shlex.quote(str(each.study))
    return f"napari-mednext jobs {command} {each.job.id} --study {place}"


def followed_outcome(
    each: StudyJob,
    view: JobView,
    document: Mapping[str, Any],
    text: str,
    *,
    was_interrupted: bool,
) -> Outcome:
    """Return how a command ends that has followed a job.

    Parameters
    ----------
    each, view : StudyJob, JobView
        The job, and where it stood last.
    document, text : mapping, str
        What there is to say of a job that ended well.
    was_interrupted : bool
        Whether the user stopped following before the job was over.
    """
    content = dict(document)
    if was_interrupted and not view.is_over:
        error = (
            f"the job {view.id!r} goes on in the background: follow it with "
            f"{steering('follow', each)!r}, end it with {steering('cancel', each)!r}"
        )
        return Outcome(ExitCode.INTERRUPTED, content, "", error)
    if view.state in (JobState.DONE, JobState.STOPPED):
        return Outcome(ExitCode.DONE, content, text)
    why = {
        JobState.CANCELLED: "it was cancelled",
        JobState.INTERRUPTED: _lost(each),
    }.get(view.state, view.message or f"it {view.state.value}")
    return Outcome(ExitCode.SOME_FAILED, content, "", f"{view.id}: {why}")


def _lost(each: StudyJob) -> str:
    """Return the sentence for a job whose process is gone."""
    return (
        "the process of the job is gone, its last checkpoint is not: go on with "
        f"{steering('resume', each)!r}"
    )


def _told(view: JobView) -> str:
    """Return what a list says of a job beside its state."""
    return doing(view) or view.message or str(view.result.get("verdict", ""))


def _time(iso: str) -> str:
    """Return a time to the second, with a blank before the hour."""
    return iso[:_SECONDS].replace("T", " ")


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
