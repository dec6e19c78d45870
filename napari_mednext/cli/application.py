"""The commands of ``napari-mednext``, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_mednext.cli.demo import demo, open_napari
from napari_mednext.cli.doctor import doctor
from napari_mednext.cli.evaluate import evaluate
from napari_mednext.cli.improve import improve
from napari_mednext.cli.jobs import jobs
from napari_mednext.cli.models import models
from napari_mednext.cli.outcome import (
    DeviceOption,
    JsonOption,
    Outcome,
    VerboseOption,
)
from napari_mednext.cli.segment import segment
from napari_mednext.cli.study import study
from napari_mednext.cli.train import train_from_labels

__all__ = ["application"]

application = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Segment CT and MR volumes with MedNeXt-v2. Without a command, napari opens.",
)
application.command("segment")(segment)
application.command("demo")(demo)
application.add_typer(models, name="models")
application.add_typer(study, name="study")
application.command("improve")(improve)
application.add_typer(jobs, name="jobs")
application.command("train-from-labels")(train_from_labels)
application.command("evaluate")(evaluate)
application.command("doctor")(doctor)


@application.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.")
    ] = False,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome | None:
    """Segment CT and MR volumes with MedNeXt-v2; without a command, open napari."""
    del as_json, device, verbose
    if version:
        from napari_mednext import __version__

        return Outcome(text=f"napari-mednext {__version__}")
    if context.invoked_subcommand is not None:
        return None
    return open_napari()
