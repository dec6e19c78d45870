"""``train-from-labels``: the recipe that made the shipped model."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Annotated

import typer

from napari_mednext.cli.outcome import (
    DeviceOption,
    JsonOption,
    Outcome,
    VerboseOption,
)

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
        typer.Option(help="Recipe; that of the shipped model when left out."),
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
    from napari_mednext.cli.display import step_display
    from napari_mednext.cli.interrupts import cancel_on_interrupt
    from napari_mednext.training import recommended_settings
    from napari_mednext.training import train_from_labels as train
    from napari_mednext.training.label_maps import MappingTable

    recipe = table if table is not None else _shipped_recipe()
    settings = recommended_settings(MappingTable.load(recipe), device)
    with cancel_on_interrupt() as cancel, step_display() as show:
        model = train(
            maps,
            output,
            table=recipe,
            settings=settings,
            overwrite=overwrite,
            on_progress=show,
            cancel=cancel,
        )
    document = {"model": str(model.path), "name": model.name}
    return Outcome(document=document, text=f"model  {model.path}")


def _shipped_recipe() -> Path:
    """Return the recipe of the shipped model."""
    root = Path(str(importlib.resources.files("napari_mednext")))
    return root / "resources" / "recipes" / _RECIPE
