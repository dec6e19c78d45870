"""``study init``, ``study add``, ``study status`` and ``study export``."""

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
from napari_mednext.cli.study_outcomes import (
    added_outcome,
    export_outcome,
    failure_line,
    status_outcome,
    study_facts,
    tell,
)
from napari_mednext.errors import Cancelled, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.app.exporting import Exported
    from napari_mednext.study import Study

__all__ = ["study"]

study = typer.Typer(
    help="Studies: folders of cases that are corrected in napari.",
    no_args_is_help=True,
)

FolderArgument = Annotated[
    Path, typer.Argument(help="Folder of the study.", metavar="FOLDER")
]


@study.command("init")
def init(
    folder: FolderArgument,
    *,
    source: Annotated[
        Path,
        typer.Option(
            "--from",
            help="Folder of scans, nnU-Net dataset, MONAI Label folder, or a list of "
            "cases of 3D Slicer (CSV) or MITK (JSON).",
            metavar="SOURCE",
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Label table; those of the list or of the model when left out.",
            metavar="TABLE",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of the model that segments the cases.", metavar="MODEL"
        ),
    ] = None,
    copy_images: Annotated[
        bool, typer.Option("--copy-images", help="Copy the images into the study.")
    ] = False,
    name: Annotated[
        str, typer.Option(help="Name of the study; its folder's when left out.")
    ] = "",
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Make a study of scans or of another program's list of cases."""
    del as_json, device, verbose
    from napari_mednext.app.recent_studies import remember
    from napari_mednext.app.studies import make_study, read_source
    from napari_mednext.cli.display import step_display
    from napari_mednext.cli.interrupts import cancel_on_interrupt
    from napari_mednext.formats.tables import read_table

    table = None if labels is None else read_table(labels)
    cases = read_source(source)
    with cancel_on_interrupt() as cancel, step_display() as show:
        made = make_study(
            folder,
            cases,
            labels=None if table is None else table.labels,
            model=model,
            name=name,
            copy_images=copy_images,
            on_progress=show,
            cancel=cancel,
        )
    with made.study as new:
        remember(new.path)
        facts = study_facts(new)
        count = len(new.cases())
    notes = [*cases.notes, *(() if table is None else table.notes)]
    document = {
        "command": "study init",
        "study": facts,
        "kind": cases.kind,
        "cases": count,
        "notes": notes,
        "not_copied": [{"case": c, "error": why} for c, why in made.not_copied.items()],
    }
    tell([f"note: {note}" for note in notes])
    text = f"{facts['path']}: {count} {'case' if count == 1 else 'cases'}"
    if not made.not_copied:
        return Outcome(document=document, text=text)
    error = f"images were not copied: {failure_line(made.not_copied, count)}"
    return Outcome(ExitCode.SOME_FAILED, document, text, error)


@study.command("add")
def add(
    folder: FolderArgument,
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Scans, folders of scans, or lists of cases.", metavar="SOURCE"
        ),
    ],
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Add cases to a study; those that it has already are left out."""
    del as_json, device, verbose
    return _add(folder, sources)


@study.command("status")
def status(
    folder: FolderArgument,
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Show how far a study is: its cases, their states, and what they cost."""
    del as_json, device, verbose
    from napari_mednext.study import summarise_effort

    with _opened(folder) as opened:
        facts, cases = study_facts(opened), opened.cases()
        counts = {state.value: n for state, n in opened.counts().items()}
        effort = summarise_effort(opened.effort())
    return status_outcome(facts, counts, cases, effort)


@study.command("export")
def export(
    folder: FolderArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for masks.", metavar="OUT")
    ],
    cases: Annotated[
        list[str] | None,
        typer.Option(
            "--case", help="Only this case; may be given several times.", metavar="NAME"
        ),
    ] = None,
    states: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            help="new, predicted, in-progress, accepted, flagged or all; may be given "
            "several times (accepted when left out).",
            metavar="STATE",
        ),
    ] = None,
    pattern: Annotated[
        str,
        typer.Option(
            help="File name, with {case}, {patient}, {number}, {state}, {study}.",
            metavar="PATTERN",
        ),
    ] = "{case}",
    file_format: Annotated[
        str,
        typer.Option("--format", help="nii.gz, nii, nrrd, mha, mhd.", metavar="FORMAT"),
    ] = "nii.gz",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
    no_provenance: Annotated[
        bool,
        typer.Option("--no-provenance", help="Do not write who made each voxel."),
    ] = False,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Write masks of a study, each on the grid of its scan."""
    del as_json, device, verbose
    return _export(
        folder,
        output,
        cases or [],
        states or [],
        pattern=pattern,
        file_format=file_format,
        overwrite=overwrite,
        provenance=not no_provenance,
    )


def _opened(folder: Path) -> Study:
    """Open a study, and remember that it was used."""
    from napari_mednext.app.recent_studies import remember
    from napari_mednext.study import Study

    opened = Study.open(folder)
    remember(opened.path)
    return opened


def _add(folder: Path, sources: Sequence[Path]) -> Outcome:
    """Add cases, and return how that ended."""
    from napari_mednext.app.studies import add_cases, read_sources
    from napari_mednext.cli.display import step_display
    from napari_mednext.cli.interrupts import cancel_on_interrupt

    added = []
    was_cancelled = False
    with _opened(folder) as opened:
        before = {case.name for case in opened.cases()}
        found, refused = read_sources(sources)
        try:
            with cancel_on_interrupt() as cancel, step_display() as show:
                for cases in found:
                    added.append(  # noqa: PERF401 - an interrupt keeps those before
                        add_cases(opened, cases, on_progress=show, cancel=cancel)
                    )
        except (Cancelled, KeyboardInterrupt):
            was_cancelled = True
        names = [case.name for case in opened.cases() if case.name not in before]
    failures = {str(path): why for path, why in refused.items()}
    return added_outcome(
        names, added, failures, len(sources), was_cancelled=was_cancelled
    )


def _export(
    folder: Path,
    output: Path,
    cases: Sequence[str],
    states: Sequence[str],
    **options: Any,
) -> Outcome:
    """Export masks, and return how that ended."""
    from napari_mednext.app.exporting import export_study
    from napari_mednext.cli.display import step_display
    from napari_mednext.cli.interrupts import cancel_on_interrupt

    results: list[Exported] = []
    was_cancelled = False
    with _opened(folder) as opened:
        names = _wanted(opened, cases, states)
        try:
            with cancel_on_interrupt() as cancel, step_display() as show:
                report = export_study(
                    opened,
                    output,
                    cases=names,
                    on_progress=show,
                    on_result=results.append,
                    cancel=cancel,
                    **options,
                )
                was_cancelled = report.was_cancelled
        except KeyboardInterrupt:  # a second signal does not wait for the case
            was_cancelled = True
    return export_outcome(results, was_cancelled=was_cancelled)


def _wanted(
    opened: Study, names: Sequence[str], states: Sequence[str]
) -> list[str] | None:
    """Return the cases to export, None for all that are accepted.

    Raises
    ------
    InputError
        If a state is unknown, no case has it, or cases and states are both given.
    """
    from napari_mednext.study import CaseState

    if names and states:
        msg = "cases must be chosen by --case or by --state, got both: leave one out"
        raise InputError(msg)
    if names:
        return list(dict.fromkeys(names))
    if not states:
        return None
    given = [state.replace("-", " ").replace("_", " ") for state in states]
    known = [state.value for state in CaseState]
    unknown = [state for state in given if state not in (*known, "all")]
    if unknown:
        msg = (
            f"a state must be one of {', '.join(map(repr, known))} or 'all', got "
            f"{unknown[0]!r}: choose one of them"
        )
        raise InputError(msg)
    chosen = opened.cases(state=None if "all" in given else given)
    if not chosen:
        msg = (
            f"the study must have a case to export, none is {' or '.join(given)}: "
            "choose another --state"
        )
        raise InputError(msg)
    return [case.name for case in chosen]
