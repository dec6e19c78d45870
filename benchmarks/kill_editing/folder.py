"""The study that the sessions work in: one case, small enough to be quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.correction.annotation import AnnotationFiles
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.study import CaseEntry, Study
from napari_mednext.volume import Volume, VoxelGrid, reorient

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CASE", "NAMES", "case_files", "make_study", "open_scan"]

CASE = "case"
NAMES = LabelSet.from_names({n: f"label {n}" for n in range(1, 6)})
SHAPE = (33, 136, 120)
#: Stored with x to the right and slices downwards.
GRID = VoxelGrid(SHAPE, (3.0, 0.9, 1.1), direction=((-1, 0, 0), (0, 1, 0), (0, 0, -1)))


def make_study(folder: Path) -> None:
    """Make a study with a scan of nothing in particular."""
    folder.mkdir(parents=True)
    ramp = np.arange(SHAPE[2], dtype=np.int16)
    scan = Volume(np.broadcast_to(ramp, SHAPE).copy(), GRID, CASE)
    image = save_volume(scan, folder / "scan.nii.gz")
    entry = CaseEntry(CASE, (image,))
    Study.create(folder / "study", entries=[entry], labels=NAMES).close()


def open_scan(folder: Path) -> Volume:
    """Return the scan as it is shown."""
    return reorient(open_volume(folder / "scan.nii.gz"), "LPS")


def case_files(study: Study) -> AnnotationFiles:
    """Return where the labels of the case lie."""
    paths = study.paths(CASE)
    return AnnotationFiles(paths.annotation, paths.provenance, paths.journal)
