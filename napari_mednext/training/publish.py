"""From label maps to a model folder: the command behind the shipped model."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

import torch

from napari_mednext.errors import StorageError
from napari_mednext.models import Card, make_dataset, make_plans, write_model_folder
from napari_mednext.network import preset
from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training.from_labels import TrainingRun
from napari_mednext.training.label_maps import LabelMaps, MappingTable

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.models import ModelFolder
    from napari_mednext.progress import CancelFlag, ProgressCallback

__all__ = ["recommended_settings", "train_from_labels", "write_model"]


def recommended_settings(
    table: MappingTable, device: str = "auto"
) -> FromLabelsSettings:
    """Return the table's settings for a device, or the defaults where it has none.

    Parameters
    ----------
    table : MappingTable
        May hold settings for "cpu" and "cuda".
    device : str
        "auto" is the GPU when there is one.

    Returns
    -------
    FromLabelsSettings

    Raises
    ------
    SettingsError
        If the table's settings are outside their domain.
    """
    on_gpu = device.startswith("cuda") or (
        device == "auto" and torch.cuda.is_available()
    )
    values = table.settings.get("cuda" if on_gpu else "cpu")
    settings = FromLabelsSettings.from_dict(values) if values else FromLabelsSettings()
    return dataclasses.replace(settings, device=device)


def train_from_labels(
    maps: Path,
    out: Path,
    *,
    table: Path,
    settings: FromLabelsSettings | None = None,
    work_folder: Path | None = None,
    overwrite: bool = False,
    on_progress: ProgressCallback | None = None,
    cancel: CancelFlag | None = None,
) -> ModelFolder:
    """Train a model from label maps and write its folder.

    An interrupted training is gone on with when it is called again with the same
    arguments.

    Parameters
    ----------
    maps : Path
        A ``.npz`` of maps or a folder of label images.
    out : Path
        The new model folder.
    table : Path
        Mapping table, JSON.
    settings : FromLabelsSettings, optional
        Those of the table for this machine by default.
    work_folder : Path, optional
        For checkpoints and the log; ``OUT.training`` by default.
    overwrite : bool
        Replace a model that is there.
    on_progress : callable, optional
        Called after each step.
    cancel : flag, optional
        When set, a checkpoint is written and the training stops.

    Returns
    -------
    ModelFolder

    Raises
    ------
    FormatError
        If maps or table cannot be read.
    ModelError
        If the work folder belongs to other settings, or the loss is not finite.
    StorageError
        If the model is there already, said before the training, or cannot be
        written.
    Cancelled
        If ``cancel`` was set.
    """
    if out.exists() and not overwrite:
        msg = (
            f"the model must be a new folder, got {str(out)!r}, which is there: choose "
            "another one or allow to replace it"
        )
        raise StorageError(msg)
    mapping = MappingTable.load(table)
    settings = settings or recommended_settings(mapping)
    label_maps = LabelMaps.load(maps)
    work = work_folder or out.with_name(out.name + ".training")
    run = TrainingRun(work, label_maps, mapping, settings)
    run.run(on_progress=on_progress, cancel=cancel)
    return write_model(run, mapping, out, overwrite=overwrite)


def write_model(
    run: TrainingRun,
    table: MappingTable,
    out: Path,
    *,
    metrics: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> ModelFolder:
    """Write the averaged weights of a run as a model folder.

    Parameters
    ----------
    run : TrainingRun
        Finished or not; the card says how many steps were done.
    table : MappingTable
        Its card's fields are used.
    out : Path
        The new folder.
    metrics : dict, optional
        What was measured, for the card.
    overwrite : bool
        Replace what is there.

    Returns
    -------
    ModelFolder

    Raises
    ------
    ModelError
        If the table's card holds a field that cards do not have.
    StorageError
        If the folder cannot be written.
    """
    settings = run.settings
    arch = preset(settings.preset)
    name = f"Dataset001_{table.card.get('name', 'labels')}"
    plans = make_plans(
        dataset_name=name,
        spacing=(settings.spacing_mm,) * 3,
        patch_size=settings.patch,
        normalization_schemes=("ZScoreNormalization",),
        arch_kwargs=arch,
        batch_size=settings.batch_size,
    )
    dataset = make_dataset(
        name=name,
        channel_names=(str(table.card.get("modality") or "image"),),
        labels={label: value for value, label in table.labels.names.items()},
    )
    steps = {"steps_done": run.steps_done, "trained_on": run.device.type}
    card = Card(
        **{
            **table.card,
            "created": datetime.datetime.now(datetime.UTC).isoformat(
                timespec="seconds"
            ),
            "lineage": {"started_from": run.started_from} if run.started_from else {},
            "software": {"torch": torch.__version__},
            "recipe": {"command": "train-from-labels", **settings.to_dict(), **steps},
            "seed": settings.seed,
            "metrics": metrics or {},
            # Left and right are alike in the classes; training mirrors this axis.
            "mirror_axes": (2,),
            "colors": table.labels.colors,
        }
    )
    weights = {"0": run.averaged_weights()}
    return write_model_folder(
        out,
        plans=plans,
        dataset=dataset,
        card=card,
        weights=weights,
        overwrite=overwrite,
    )
