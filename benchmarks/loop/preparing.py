"""The scans of a task as files, made once and kept in a work folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.loop.recording import draw_scan
from napari_mednext.formats import open_volume, save_segmentation, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.models import find_model
from napari_mednext.training.label_maps import LabelMaps
from napari_mednext.training.mapping_table import MappingTable
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.loop.tasks import Task

__all__ = ["SHIPPED", "CaseFiles", "labels_of", "prepare_case"]

SHIPPED = "brain_mr"
_RECIPE = Path(__file__).parents[2] / "resources" / "recipes" / "brain_mr.json"
_MAPS = "training/synthseg20_1mm_ras_uint8.npz"
_CT = "dev/ts_thorax_1p5mm_ct.nii.gz"
_HEART = "dev/ts_thorax_heart.nii.gz"
#: Of all scans, fixed: it is the same scanner in all runs.
_SEED = 20260501
#: Of the chest, so much around the heart is kept.
_AROUND_MM = 30.0


@dataclass(frozen=True)
class CaseFiles:
    """A scan with its reference, as files on one grid."""

    name: str
    image: Path
    reference: Path


def labels_of(task: Task) -> LabelSet:
    """Return the labels of a task's study: the new ones, and the model's own.

    Scans of another part of the body have no use for the model's own.
    """
    own = find_model(SHIPPED).labels
    if not task.judges_old:
        return LabelSet.from_names(task.new)
    return LabelSet.from_names({**own.names, **task.new}, own.colors)


def prepare_case(task: Task, name: str, *, data: Path, work: Path) -> CaseFiles:
    """Return a case of a task, and make it first where it is not there.

    Parameters
    ----------
    task : Task
    name : str
        A person, or the name of the task for a real scan.
    data : Path
        The folder of scans and label maps.
    work : Path
        Gets ``cases/TASK``.
    """
    folder = work / "cases" / task.name
    files = CaseFiles(
        name, folder / f"{name}.nii.gz", folder / f"{name}.reference.nii.gz"
    )
    if files.image.exists() and files.reference.exists():
        return files
    folder.mkdir(parents=True, exist_ok=True)
    scan, reference = (
        _heart(data) if task.recording is None else _drawn(task, name, data)
    )
    names = labels_of(task)
    mask = Segmentation(reference, scan.grid, names.names, names.colors)
    save_segmentation(mask, files.reference, overwrite=True)
    save_volume(scan, files.image, overwrite=True)
    return files


@lru_cache(maxsize=1)
def _maps(path: Path) -> LabelMaps:
    return LabelMaps.load(path)


def _drawn(task: Task, person: str, data: Path) -> tuple[Volume, NDArray[np.uint8]]:
    """Return the scan of a person."""
    assert task.recording is not None  # noqa: S101 - by the caller
    table = MappingTable.load(_RECIPE)
    drawn = draw_scan(
        _maps(data / _MAPS),
        table,
        person,
        task.recording,
        {**table.targets, **task.sources},
        seed=_SEED,
    )
    return drawn.scan, drawn.reference


def _heart(data: Path) -> tuple[Volume, NDArray[np.uint8]]:
    """Return the chest around the heart; the rest of it costs time only."""
    scan, mask = open_volume(data / _CT), open_volume(data / _HEART).array[0] > 0
    places, box = np.argwhere(mask), []
    for axis, spacing in enumerate(scan.grid.spacing):
        room = round(_AROUND_MM / spacing)
        low = max(int(places[:, axis].min()) - room, 0)
        box.append(slice(low, int(places[:, axis].max()) + room + 1))
    inside = tuple(box)
    array = np.ascontiguousarray(scan.array[0][inside])
    starts = np.array([part.start for part in box])
    grid = VoxelGrid(
        array.shape,
        scan.grid.spacing,
        origin=tuple(scan.grid.to_world(starts[None])[0]),
        direction=scan.grid.direction,
    )
    return Volume(array, grid, "heart"), np.where(mask[inside], 11, 0).astype(np.uint8)
