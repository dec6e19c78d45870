"""``improve``: the corrections of a study become a better model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_mednext.cli.outcome import (
    DeviceOption,
    ExitCode,
    JsonOption,
    Outcome,
    VerboseOption,
)
from napari_mednext.errors import InputError, SettingsError

if TYPE_CHECKING:
    from napari_mednext.app.improve import ImprovePlan
    from napari_mednext.cli.job_choice import StudyJob
    from napari_mednext.settings.improve import ImproveSettings

__all__ = ["improve"]


def improve(
    study: Annotated[Path, typer.Argument(help="Folder of the study.")],
    *,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of the model to improve; the study's when left out.",
            metavar="MODEL",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Of training; those of the effort when left out.", metavar="N"
        ),
    ] = None,
    background: Annotated[
        bool, typer.Option("--background", help="Start the job and return at once.")
    ] = False,
    effort: Annotated[
        str | None,
        typer.Option(help="quick, standard or thorough.", metavar="EFFORT"),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(help="What learns: full, decoder or head.", metavar="PART"),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Begin from the current version or from the base model.",
            metavar="current|base",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Updates, instead of minutes.", metavar="N"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of patches and new weights.", metavar="N")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="Settings as JSON; options count more.", metavar="FILE"),
    ] = None,
    promote: Annotated[
        str | None,
        typer.Option(
            help="ask, or when-better: use the new model at once if it is measurably "
            "better, never otherwise.",
            metavar="HOW",
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Only show what would be learned and what it takes."
        ),
    ] = False,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Improve the model of a study with what was corrected in it, in a job."""
    del as_json, verbose
    said = {
        "minutes": minutes,
        "effort": effort,
        "train": train,
        "start": start,
        "steps": steps,
        "seed": seed,
        "promote": None if promote is None else promote.replace("-", " "),
        "device": None if device == "auto" else device,
    }
    wanted = _settings(settings, said)
    planned, job = _started(study, wanted, model, only_plan=plan)
    if job is None:
        return _planned(planned)
    if background:
        return _begun(planned, job)
    try:
        return _followed(planned, job, wanted)
    except KeyboardInterrupt:  # before or after the watching, or a second time
        return _left(planned, job)


def _settings(file: Path | None, said: dict[str, Any]) -> ImproveSettings:
    """Return the settings of a file or the usual ones, with what was said besides."""
    from napari_mednext.settings.improve import ImproveSettings

    settings = ImproveSettings() if file is None else _read(file)
    given = {name: value for name, value in said.items() if value is not None}
    return dataclasses.replace(settings, **given)


def _read(file: Path) -> ImproveSettings:
    """Read a settings file.

    Raises
    ------
    SettingsError
        If it cannot be read, or a field is unknown or outside its domain.
    """
    from napari_mednext.settings.improve import ImproveSettings

    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = (
            f"a settings file must be a readable JSON file, got {str(file)!r} "
            f"({error}): correct it or choose another one"
        )
        raise SettingsError(msg) from error
    if not isinstance(values, dict):
        msg = (
            f"a settings file must hold one JSON object, got {str(file)!r} with "
            f"{type(values).__name__}: write the fields between braces"
        )
        raise SettingsError(msg)
    return ImproveSettings.from_dict(values)


def _started(
    study: Path, wanted: ImproveSettings, model: str | None, *, only_plan: bool
) -> tuple[ImprovePlan, StudyJob | None]:
    """Return the plan, and the job unless it must not or cannot start."""
    from napari_mednext.app.improve import plan_improve, start_improve
    from napari_mednext.app.recent_studies import remember
    from napari_mednext.cli.improve_outcomes import plan_line
    from napari_mednext.cli.job_choice import StudyJob
    from napari_mednext.cli.study_outcomes import tell
    from napari_mednext.study import Study

    with Study.open(study) as opened:
        remember(opened.path)
        planned = plan_improve(opened, wanted, model=model)
        if only_plan or planned.problems:
            return planned, None
        lines = [f"warning: {warning}" for warning in planned.warnings]
        tell([plan_line(planned), *lines])
        job = start_improve(opened, wanted, model=model)
        return planned, StudyJob(opened.path, job)


def _planned(planned: ImprovePlan) -> Outcome:
    """Return a plan that is not carried out."""
    from napari_mednext.cli.improve_outcomes import plan_facts, plan_text
    from napari_mednext.cli.study_outcomes import tell

    document = {"command": "improve", "plan": plan_facts(planned)}
    text = plan_text(planned)
    if not planned.problems:
        return Outcome(document=document, text=text)
    tell([f"also: {problem}" for problem in planned.problems[1:]])
    return Outcome(ExitCode.REFUSED, document, text, planned.problems[0])


def _begun(planned: ImprovePlan, each: StudyJob) -> Outcome:
    """Return a job that goes on by itself."""
    from napari_mednext.cli.improve_outcomes import plan_facts
    from napari_mednext.cli.job_outcomes import job_facts, steering

    document = {
        "command": "improve",
        "plan": plan_facts(planned),
        "job": job_facts(each, each.job.view()),
    }
    text = f"{each.job.id}\nfollow it  {steering('follow', each)}"
    return Outcome(document=document, text=text)


def _followed(planned: ImprovePlan, each: StudyJob, wanted: ImproveSettings) -> Outcome:
    """Follow a job to its end, and return what came of it."""
    from napari_mednext.cli.following import follow_job
    from napari_mednext.cli.improve_outcomes import plan_facts
    from napari_mednext.cli.interrupts import cancel_on_interrupt
    from napari_mednext.cli.job_ending import ending
    from napari_mednext.cli.job_outcomes import followed_outcome

    with cancel_on_interrupt() as cancel:
        view = follow_job(each.job, cancel)
    promoted = _promoted(each, wanted) if view.is_over else None
    document, text = ending(each, view)
    document = {
        "command": "improve",
        "plan": plan_facts(planned),
        **document,
        "promoted": None if promoted is None else str(promoted),
    }
    if promoted is not None:
        text += "\nit segments the study's cases from now on"
    return followed_outcome(each, view, document, text, was_interrupted=cancel.is_set())


def _left(planned: ImprovePlan, each: StudyJob) -> Outcome:
    """Return a job that is no longer followed.

    Raises
    ------
    KeyboardInterrupt
        If it is over.
    """
    from napari_mednext.cli.improve_outcomes import plan_facts
    from napari_mednext.cli.job_outcomes import followed_outcome, job_facts

    view = each.job.view()
    if view.is_over:
        raise KeyboardInterrupt
    document = {
        "command": "improve",
        "plan": plan_facts(planned),
        "job": job_facts(each, view),
    }
    return followed_outcome(each, view, document, "", was_interrupted=True)


def _promoted(each: StudyJob, wanted: ImproveSettings) -> Path | None:
    """Use the new model if that was asked for and nothing speaks against it.

    Returns
    -------
    Path or None
        The model, if it is the study's now.
    """
    from napari_mednext.app.chosen_model import remembered_model
    from napari_mednext.app.versions import CandidateState, candidate_of
    from napari_mednext.cli.job_ending import read_comparison

    if wanted.promote != "when better":
        return None
    found, report = candidate_of(each.study, each.job.path), read_comparison(each)
    may = report is not None and report.verdict.may_promote_alone
    if found.state is CandidateState.OPEN and may:
        return _promoted_instead(each)
    if found.state is CandidateState.KEPT and found.path is not None:
        return found.path if remembered_model(each.study) == found.path else None
    return None


def _promoted_instead(each: StudyJob) -> Path | None:
    """Use the new model, unless it was compared with another one than is in use."""
    from napari_mednext.app.versions import promote

    digest = each.job.spec["arguments"].get("model_sha256")
    try:
        return promote(each.study, each.job.path, instead_of=digest)
    except InputError:
        return None
