"""What an improvement of a study takes, before it starts and without torch."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from napari_mednext.errors import MednextError, ResourceError
from napari_mednext.models.network_shape import NetworkShape
from napari_mednext.models.training_cost import (
    CaseSize,
    TrainingWork,
    calibrated,
    training_cost,
)
from napari_mednext.models.training_fit import fit
from napari_mednext.models.training_memory import Update

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_mednext.jobs import JobStore
    from napari_mednext.models import ModelFolder
    from napari_mednext.settings.improve import ImproveSettings

__all__ = ["Cost", "improvement_cost"]

#: Seconds of a tile's pass at inference, as a share of an update; what reading,
#: preparing and comparing a case takes; and what starting takes.
_TILE_SHARE, _CASE_S, _START_S = 0.25, 8.0, 15.0
#: Asking the old model and fitting new heads before the first update, in updates.
_BEGIN_UPDATES = 7
#: What a training may take of the memory that is free.
_SHARE = 0.9
_FINAL_WEIGHT = 2


@dataclass(frozen=True)
class Cost:
    """What an improvement takes.

    Parameters
    ----------
    steps : int
        Updates of the final training.
    seconds : float
        In all.
    ram_bytes, gpu_bytes, disk_bytes : int
        At most; ``gpu_bytes`` is None without a GPU.
    device : str
        "cpu" or "cuda".
    patch : tuple of int
        Of the training, voxels.
    checkpointing : str
        "none" or "expansion".
    planned_step_s : float
        Seconds of an update on the machine of the measurements.
    problems, warnings : tuple of str
        Sentences.
    """

    steps: int = 0
    seconds: float = 0.0
    ram_bytes: int = 0
    gpu_bytes: int | None = None
    disk_bytes: int = 0
    device: str = "cpu"
    patch: tuple[int, ...] = ()
    checkpointing: str = "none"
    planned_step_s: float = 0.0
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def improvement_cost(
    model: ModelFolder,
    settings: ImproveSettings,
    *,
    channels: int,
    classes: int,
    shapes: Mapping[str, tuple[int, ...]],
    spacings: Mapping[str, tuple[float, float, float]],
    judged: Sequence[str],
    folds: int,
    store: JobStore,
) -> Cost:
    """Return what an improvement takes.

    Parameters
    ----------
    model : ModelFolder
        The version that is improved.
    settings : ImproveSettings
        How.
    channels, classes : int
        Of the study, and of the new model with the background.
    shapes, spacings : mapping
        Case -> voxels and mm along (z, y, x), or its other orders.
    judged : sequence of str
        Cases that both models answer.
    folds : int
        Trainings that stand in for the final one.
    store : JobStore
        Whose last jobs tell how fast this machine is.

    Returns
    -------
    Cost
        With problems where memory is not enough.
    """
    gpu = _free_gpu_bytes(settings.device)
    device = "cpu" if gpu is None else "cuda"
    kwargs = dict(model.plan.arch_kwargs)
    if settings.kernel_size is not None:
        kwargs["kernel_size"] = settings.kernel_size
    patch = settings.patch_of(model.plan.patch_size, 16)
    try:
        shape = NetworkShape.from_kwargs(kwargs, channels=channels, heads=classes)
    except MednextError:
        # A network of another package: nobody knows what it takes, nor of what its
        # patches must be a multiple, before torch has built it.
        return Cost(
            steps=settings.steps or 0,
            seconds=60 * settings.training_minutes(device),
            device=device,
            warnings=(
                "time and memory of this network are not known before it has run",
            ),
        )
    z, y, x = patch
    work = TrainingWork(
        Update(
            shape,
            (z, y, x),
            batch_size=settings.batch_size,
            part=settings.train,
            checkpointing=(
                "expansion" if settings.checkpointing == "expansion" else "none"
            ),
            deep_supervision=settings.deep_supervision,
            teacher_heads=model.num_heads if settings.distill_weight > 0 else 0,
        ),
        tuple(
            _case_size(model, shapes[name], spacings[name], channels) for name in shapes
        ),
        folds,
        tile=model.plan.patch_size,
        device="cpu" if gpu is None else "gpu",
        threads=psutil.cpu_count(logical=False) or os.cpu_count() or 1,
    )
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    free = psutil.virtual_memory().available
    if settings.checkpointing == "auto":
        try:
            fitted = fit(work, available_ram=free, available_gpu=gpu)
        except ResourceError as error:
            problems, fitted = (str(error),), work
        if fitted != work:
            edges = " x ".join(map(str, fitted.update.patch))
            warnings = (f"memory is short: the training takes patches of {edges}",)
        work = fitted
    slowness = _slowness(store, device)
    cost = training_cost(work, slowness=slowness)
    if cost.ram_bytes > _SHARE * free and not problems:
        problems = (
            f"an improvement must have {cost.ram_bytes / 1e9:.1f} GB of memory, "
            f"{free / 1e9:.1f} GB are free: close other programs, or set "
            "checkpointing to auto",
        )
    steps, seconds = _time(settings, cost.seconds_per_step, folds, device)
    seconds += (1 + folds) * _BEGIN_UPDATES * cost.seconds_per_step
    seconds += _judging_s(model, work, cost.seconds_per_step, len(judged))
    return Cost(
        steps,
        seconds,
        cost.ram_bytes,
        cost.gpu_bytes,
        cost.disk_bytes,
        device,
        work.update.patch,
        work.update.checkpointing,
        cost.seconds_per_step / slowness,
        problems,
        warnings,
    )


def _case_size(
    model: ModelFolder,
    shape: Sequence[int],
    spacing: Sequence[float],
    channels: int,
) -> CaseSize:
    native = math.prod(shape)
    mm3 = math.prod(spacing) / math.prod(model.plan.spacing)
    return CaseSize(native, round(native * mm3), channels)


def _time(
    settings: ImproveSettings, step_s: float, folds: int, device: str
) -> tuple[int, float]:
    """Return the updates of the final training, and the seconds of all."""
    shares = _FINAL_WEIGHT + folds
    if settings.steps is not None:
        return settings.steps, settings.steps * shares / _FINAL_WEIGHT * step_s
    seconds = 60 * settings.training_minutes(device)
    return max(1, int(_FINAL_WEIGHT * seconds / shares / max(step_s, 1e-6))), seconds


def _judging_s(
    model: ModelFolder, work: TrainingWork, step_s: float, judged: int
) -> float:
    """Return the seconds that reading, answering and comparing take, about."""
    tile = math.prod(model.plan.patch_size)
    tile_s = _TILE_SHARE * step_s * tile / math.prod(work.update.patch)
    voxels = max((case.network_voxels for case in work.cases), default=0)
    tiles = 8 * max(1.0, voxels / tile)  # half overlap along three axes
    answers = 2 * judged * tiles * tile_s
    return _START_S + _CASE_S * len(work.cases) + answers


def _slowness(store: JobStore, device: str) -> float:
    """Return how slow this machine was in the last jobs of the study."""
    measured = []
    for job in reversed(store.jobs()):
        said = job.view().result
        if said.get("device") == device and said.get("planned_step_s"):
            measured.append(
                (float(said["planned_step_s"]), float(said["seconds_per_step"]))
            )
    return calibrated(measured)


def _free_gpu_bytes(device: str) -> int | None:
    """Return the free memory of the GPU that will be used, None for the CPU."""
    if device == "cpu" or shutil.which("nvidia-smi") is None:
        return None
    import subprocess

    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        ).stdout.split()
        index = int(device.partition(":")[2] or 0)
        return int(said[index]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
