"""From label maps to a model folder: the command behind the shipped model."""

from __future__ import annotations

import dataclasses
import datetime
import time
from typing import TYPE_CHECKING, Any

import torch

from napari_mednext.errors import InputError, StorageError
from napari_mednext.inference.devices import resolve_device
from napari_mednext.models import Card, make_dataset, make_plans, write_model_folder
from napari_mednext.network import preset
from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training.expectations import with_expectations
from napari_mednext.training.from_labels import TrainingRun
from napari_mednext.training.label_maps import LabelMaps
from napari_mednext.training.mapping_table import MappingTable
from napari_mednext.training.run_folder import RunFolder
from napari_mednext.training.schedule import fitted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.models import ModelFolder
    from napari_mednext.progress import CancelFlag, ProgressCallback
    from napari_mednext.training.history import Event

__all__ = ["recommended_settings", "train_from_labels", "work_folder_of", "write_model"]

#: Part of the time that may be spent on measuring the speed.
_FOR_MEASURING = 0.03
#: What a time decides; a training that goes on keeps what was decided at first.
_DECIDED = ("steps", "warmup_steps")


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
    minutes: float | None = None,
    work_folder: Path | None = None,
    overwrite: bool = False,
    on_progress: ProgressCallback | None = None,
    on_event: Callable[[Event], None] | None = None,
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
    minutes : float, optional
        The number of steps is chosen so that the training ends in this time on this
        machine, as long as that does not get slower. What was chosen stands in
        ``settings.json`` of the work folder; a training that goes on keeps it.
    work_folder : Path, optional
        For checkpoints, the log and the page; ``OUT.training`` by default.
    overwrite : bool
        Replace a model that is there.
    on_progress : callable, optional
        Called after each step.
    on_event : callable, optional
        Called with each event; see :mod:`.history`.
    cancel : flag, optional
        When set, a checkpoint is written and the training stops.

    Returns
    -------
    ModelFolder

    Raises
    ------
    FormatError
        If maps or table cannot be read.
    InputError
        If they cannot be learned, or the time is not enough for a few updates.
    ModelError
        If the work folder belongs to other settings, or the loss is not finite.
    ResourceError
        If the device is not there, or memory runs out.
    StorageError
        If the model is there already, said before the training, or cannot be
        written.
    Cancelled
        If ``cancel`` was set.
    """
    started = time.monotonic()
    if out.exists() and not overwrite:
        msg = (
            f"the model must be a new folder, got {str(out)!r}, which is there: choose "
            "another one or allow to replace it"
        )
        raise StorageError(msg)
    mapping = MappingTable.load(table)
    settings = settings or recommended_settings(mapping)
    label_maps = LabelMaps.load(maps)
    work = work_folder or work_folder_of(out)

    def new_run(settings: FromLabelsSettings, folder: Path) -> TrainingRun:
        return TrainingRun(folder, label_maps, mapping, settings, on_event=on_event)

    if minutes is not None:
        end = started + 60 * _at_least_a_moment(minutes)
        settings = _begun_with(work, settings) or _measured(
            new_run(settings, work), end=end, cancel=cancel
        )
    run = new_run(settings, work)
    run.run(on_progress=on_progress, cancel=cancel)
    model = write_model(run, mapping, out, metrics=_last_dice(run), overwrite=overwrite)
    return with_expectations(
        model, label_maps, mapping, device=settings.device, cancel=cancel
    )


def work_folder_of(out: Path) -> Path:
    """Return where a training works by default, beside the model it will be."""
    return out.with_name(out.name + ".training")


def _at_least_a_moment(minutes: float) -> float:
    """Return the minutes if a training can have so many."""
    if not 0 < minutes < float("inf"):
        msg = f"the minutes must be more than 0, got {minutes}: choose a number"
        raise InputError(msg)
    return minutes


def _begun_with(work: Path, settings: FromLabelsSettings) -> FromLabelsSettings | None:
    """Return the folder's settings if it was begun with these and a time."""
    known = RunFolder(work).read_settings()
    if known is None:
        return None
    device = torch.device(resolve_device(settings.device)).type
    wanted = {**settings.to_dict(), "device": device}
    wanted |= {name: known.to_dict()[name] for name in _DECIDED}
    return known if known.to_dict() == wanted else None


def _measured(
    run: TrainingRun, *, end: float, cancel: CancelFlag | None
) -> FromLabelsSettings:
    """Return the run's settings with as many steps as end in time.

    The run is of no use afterwards: it has learned from the measurement.
    """
    left = end - time.monotonic()
    speed = run.measure(seconds=_FOR_MEASURING * left, cancel=cancel)
    return fitted(run.settings, speed, end - time.monotonic())


def _last_dice(run: TrainingRun) -> dict[str, Any]:
    """Return the last validation for the card."""
    dice = {name: value for name, (value, _) in run.history.last_dice().items()}
    return {"synthetic scans of held-out maps": dice} if dice else {}


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
    steps = {
        "steps_done": run.steps_done,
        "trained_on": run.device.type,
        "threads": torch.get_num_threads(),
        "data_sha256": run.data_sha256,
    }
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
            "mirror_axes": (2,) if table.mirror else (),
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
