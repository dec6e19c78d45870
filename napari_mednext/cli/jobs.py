"""``jobs list``, ``show``, ``follow``, ``log`` and what tells jobs what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_mednext.cli.outcome import (
    DeviceOption,
    ExitCode,
    JsonOption,
    Outcome,
    VerboseOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.cli.job_choice import StudyJob

__all__ = ["jobs"]

#: A cancelled job may end by itself for so long; then its process is ended.
_GRACE_S = 10.0

jobs = typer.Typer(
    help="Work in the background: improvements of models.", no_args_is_help=True
)

IdArgument = Annotated[
    str, typer.Argument(help="Id of a job, its number, or its beginning.", metavar="ID")
]
StudyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--study",
        help="Folder of a study; may be given several times. The current folder if it "
        "is a study, else all that were used here, when left out.",
        metavar="FOLDER",
    ),
]


@jobs.command("list")
def list_jobs(
    *,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """List the jobs of studies, the newest first."""
    del as_json, device, verbose
    from napari_mednext.cli.job_choice import jobs_of, known_studies
    from napari_mednext.cli.job_outcomes import job_facts, job_table
    from napari_mednext.cli.study_outcomes import tell

    studies = known_studies(study or [])
    found, problems = jobs_of(studies)
    seen = [(each, each.job.view()) for each in found]
    document = {
        "command": "jobs list",
        "studies": [str(place) for place in studies],
        "jobs": [job_facts(each, view) for each, view in seen],
        "damaged": problems,
    }
    text = job_table(seen) or (
        "there are no jobs" if studies else "no study was used here: name it by --study"
    )
    if not problems:
        return Outcome(document=document, text=text)
    tell(problems[:-1])
    return Outcome(ExitCode.SOME_FAILED, document, text, problems[-1])


@jobs.command("show")
def show(
    job: IdArgument,
    *,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Show where a job stands, and what came of it."""
    del as_json, device, verbose
    from napari_mednext.cli.job_ending import ending
    from napari_mednext.cli.job_outcomes import job_sheet

    each = _chosen(job, study)
    view = each.job.view()
    document, text = ending(each, view)
    sheet = job_sheet(each, view)
    if text:
        sheet += f"\n\n{text}"
    return Outcome(document={"command": "jobs show", **document}, text=sheet)


@jobs.command("follow")
def follow(
    job: IdArgument,
    *,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Watch a job until it is over; Ctrl-C ends the watching, not the job."""
    del as_json, device, verbose
    from napari_mednext.cli.following import follow_job
    from napari_mednext.cli.interrupts import cancel_on_interrupt
    from napari_mednext.cli.job_ending import ending
    from napari_mednext.cli.job_outcomes import followed_outcome

    each = _chosen(job, study)
    with cancel_on_interrupt() as cancel:
        view = follow_job(each.job, cancel)
    document, text = ending(each, view)
    return followed_outcome(
        each,
        view,
        {"command": "jobs follow", **document},
        text,
        was_interrupted=cancel.is_set(),
    )


@jobs.command("log")
def log(
    job: IdArgument,
    *,
    lines: Annotated[
        int, typer.Option("--lines", help="So many of the last ones.", min=1)
    ] = 200,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Show what the processes of a job wrote."""
    del as_json, device, verbose
    each = _chosen(job, study)
    text = each.job.log_tail(lines)
    document = {
        "command": "jobs log",
        "id": each.job.id,
        "study": str(each.study),
        "log": text.splitlines(),
    }
    return Outcome(document=document, text=text)


@jobs.command("pause")
def pause(
    job: IdArgument,
    *,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Let a job wait at its next step."""
    del as_json, device, verbose
    from napari_mednext.cli import job_steering

    return _steered("pause", job, study, job_steering.pause)


@jobs.command("resume")
def resume(
    job: IdArgument,
    *,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Let a job go on that is paused, lost its process, or failed."""
    del as_json, device, verbose
    from napari_mednext.cli import job_steering

    return _steered("resume", job, study, job_steering.resume)


@jobs.command("stop")
def stop(
    job: IdArgument,
    *,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """End a job early and keep the best it has."""
    del as_json, device, verbose
    from napari_mednext.cli import job_steering

    return _steered("stop", job, study, job_steering.stop)


@jobs.command("cancel")
def cancel(
    job: IdArgument,
    *,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """End a job and keep nothing."""
    del as_json, device, verbose
    from napari_mednext.cli import job_steering

    return _steered(
        "cancel", job, study, lambda each: job_steering.cancel(each, grace_s=_GRACE_S)
    )


@jobs.command("remove")
def remove(
    job: IdArgument,
    *,
    with_model: Annotated[
        bool,
        typer.Option(
            "--with-model", help="Also delete the model that waits for a decision."
        ),
    ] = False,
    study: StudyOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Delete the folder of a job that is over."""
    del as_json, device, verbose
    from napari_mednext.cli import job_steering

    each = _chosen(job, study)
    text = job_steering.remove(each, with_model=with_model)
    document: dict[str, Any] = {
        "command": "jobs remove",
        "removed": each.job.id,
        "study": str(each.study),
    }
    return Outcome(document=document, text=text)


def _chosen(said: str, studies: list[Path] | None) -> StudyJob:
    """Return the job that is meant."""
    from napari_mednext.cli.job_choice import chosen_job, known_studies

    return chosen_job(said, known_studies(studies or []))


def _steered(
    command: str,
    said: str,
    studies: list[Path] | None,
    act: Callable[[StudyJob], str],
) -> Outcome:
    """Tell a job what to do, and return what it does now."""
    from napari_mednext.cli.job_outcomes import job_facts

    each = _chosen(said, studies)
    text = act(each)
    facts = job_facts(each, each.job.view())
    return Outcome(document={"command": f"jobs {command}", "job": facts}, text=text)
