"""``train-from-labels``: the recipe that made the shipped model."""

from __future__ import annotations

import dataclasses
import importlib.resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_mednext.cli.outcome import (
    DeviceOption,
    JsonOption,
    Outcome,
    VerboseOption,
)

if TYPE_CHECKING:
    from napari_mednext.settings.from_labels import FromLabelsSettings

__all__ = ["train_from_labels"]

#: The recipe of the shipped model.
_RECIPE = "brain_mr.json"


def train_from_labels(
    maps: Annotated[
        Path,
        typer.Argument(
            help="A .npz of label maps, or a folder of label images.", metavar="MAPS"
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The model folder.", metavar="MODEL"),
    ],
    table: Annotated[
        Path | None,
        typer.Option(
            help="What the values of the maps mean; the table of the shipped model "
            "when left out.",
            metavar="FILE",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            help="Settings as JSON; those of the table for the device when left out.",
            metavar="FILE",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of weights and scans.", metavar="N")
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--start-from",
            help="Model whose weights are the first ones: same preset and classes.",
            metavar="MODEL",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="As many steps as end in this time.", metavar="N"),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder for checkpoints, log and page; MODEL.training when left out.",
            metavar="FOLDER",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is there.")
    ] = False,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Train a model on images synthesised from label maps; goes on where it stopped."""
    del as_json, verbose
    from napari_mednext.cli.interrupts import cancel_on_interrupt
    from napari_mednext.cli.training_display import training_display
    from napari_mednext.training import History
    from napari_mednext.training import train_from_labels as train
    from napari_mednext.training.publish import work_folder_of
    from napari_mednext.training.run_folder import RunFolder

    recipe = table if table is not None else _shipped_recipe()
    work = work if work is not None else work_folder_of(output)
    with cancel_on_interrupt() as cancel, training_display() as show:
        model = train(
            maps,
            output,
            table=recipe,
            settings=_settings(
                recipe, settings, device=device, seed=seed, start_from=start_from
            ),
            minutes=minutes,
            work_folder=work,
            overwrite=overwrite,
            on_event=show,
            cancel=cancel,
        )
    files = RunFolder(work)
    history = History.of(files.read_events())
    document = {
        "model": str(model.path),
        "name": model.name,
        "steps": history.step,
        "device": history.device,
        "dice": {name: dice for name, (dice, _) in history.last_dice().items()},
        "notes": list(history.notes),
        "settings": str(files.settings),
        "page": str(files.page),
    }
    text = f"model     {model.path}\npage      {files.page}\nsettings  {files.settings}"
    return Outcome(document=document, text=text)


def _settings(
    recipe: Path,
    file: Path | None,
    *,
    device: str,
    seed: int | None,
    start_from: str | None,
) -> FromLabelsSettings:
    """Return the settings of the file, or of the table, with what was said besides."""
    from napari_mednext.settings.from_labels import FromLabelsSettings
    from napari_mednext.training import recommended_settings
    from napari_mednext.training.mapping_table import MappingTable

    if file is not None:
        settings = FromLabelsSettings.load(file)
    else:
        settings = recommended_settings(MappingTable.load(recipe), device)
    said = {
        "device": None if device == "auto" else device,
        "seed": seed,
        "start_from": start_from,
    }
    given = {name: value for name, value in said.items() if value is not None}
    return dataclasses.replace(settings, **given)  # type: ignore[arg-type]  # checked by the settings


def _shipped_recipe() -> Path:
    """Return the recipe of the shipped model."""
    root = Path(str(importlib.resources.files("napari_mednext")))
    return root / "resources" / "recipes" / _RECIPE
