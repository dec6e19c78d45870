"""The scans of the tour: three people with lesions, which the shipped model ignores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.loop.preparing import labels_of, prepare_case
from benchmarks.loop.tasks import TASKS
from napari_mednext.app.chosen_model import remember_model
from napari_mednext.formats import open_volume, save_segmentation, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.models import find_model
from napari_mednext.study import CaseEntry, Study
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LESION", "PEOPLE", "Heads", "make_heads"]

#: Three different people, whose scans nothing else of this repository learns from or
#: reports about but the development of ``benchmarks.loop``.
PEOPLE = ("m07", "m08", "m09")
LESION = 11
_RED = (220, 40, 60)
_TASK = "lesion"
#: Voxels of 1.6 mm: the cerebrum. Whole heads take four times as long to segment.
_SHAPE = (64, 112, 88)


@dataclass(frozen=True)
class Heads:
    """A study of the three people, and the masks of what is true of them."""

    study: Path
    references: dict[str, Path]


def make_heads(folder: Path, data: Path) -> Heads:
    """Write the scans, their references, and a study that segments with the model.

    Parameters
    ----------
    folder : Path
        New.
    data : Path
        With the label maps, as ``benchmarks.loop`` takes it.
    """
    task = TASKS[_TASK]
    own = labels_of(task)
    labels = LabelSet.from_names(own.names, own.colors | {LESION: _RED})
    scans = folder / "scans"
    scans.mkdir(parents=True)
    entries, references = [], {}
    for person in PEOPLE:
        whole = prepare_case(task, person, data=data, work=folder / "whole")
        scan, mask = open_volume(whole.image), open_volume(whole.reference)
        truth = mask.array[0].astype(np.uint8)
        box = _cerebrum(truth)
        grid = _inside(scan.grid, box)
        image = scans / f"{person}.nii.gz"
        references[person] = folder / f"{person}.reference.nii.gz"
        save_volume(
            Volume(np.ascontiguousarray(scan.array[0][box]), grid, person), image
        )
        save_segmentation(
            Segmentation(
                np.ascontiguousarray(truth[box]), grid, labels.names, labels.colors
            ),
            references[person],
        )
        entries.append(CaseEntry(person, (image,), patient=person))
    study = folder / "study"
    Study.create(study, entries=entries, labels=labels).close()
    model = find_model("brain_mr")
    remember_model(study, name=model.name, path=model.path)
    return Heads(study, references)


def _cerebrum(truth: NDArray[np.uint8]) -> tuple[slice, slice, slice]:
    """Return the box: the middle of each plane, at the height of most lesion."""
    box = []
    for axis, wanted in enumerate(_SHAPE):
        size = min(wanted, truth.shape[axis])
        start = (truth.shape[axis] - size) // 2
        if axis == 0:
            heights = (truth == LESION).sum((1, 2))
            sums = np.convolve(heights, np.ones(size, int), "valid")
            best = np.flatnonzero(sums == sums.max())
            start = int(best[np.abs(best - best.mean()).argmin()])
        box.append(slice(start, start + size))
    return box[0], box[1], box[2]


def _inside(grid: VoxelGrid, box: tuple[slice, slice, slice]) -> VoxelGrid:
    """Return the grid of a box."""
    starts = np.array([part.start for part in box])
    z, y, x = (part.stop - part.start for part in box)
    return VoxelGrid(
        (z, y, x),
        grid.spacing,
        origin=tuple(grid.to_world(starts[None])[0]),
        direction=grid.direction,
    )
