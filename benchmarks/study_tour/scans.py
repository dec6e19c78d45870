"""The scans of the tour: the shipped head, and twice recorded otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.brain_mr.changes import CHANGES
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.study import CaseEntry
from napari_mednext.ui.samples import sample_path
from napari_mednext.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_scans"]

#: Name of the case -> what is done to the head.
RECORDED = {
    "head_a": None,
    "head_b_bias_and_noise": "bias and noise",
    "head_c_thick_slices": "5 mm slices feet-head",
}


def make_scans(folder: Path) -> list[CaseEntry]:
    """Write the scans into a folder and return them as cases."""
    folder.mkdir(parents=True)
    head = open_volume(sample_path("colin27_t1.nii.gz"))
    entries = []
    for name, what in RECORDED.items():
        scan = head if what is None else _changed(head, what)
        path = folder / f"{name}.nii.gz"
        array = np.asarray(scan.array, dtype=np.float32).round().astype(np.int16)
        save_volume(Volume(array, scan.grid, name), path)
        entries.append(CaseEntry(name, (path,), patient="Colin"))
    return entries


def _changed(head: Volume, what: str) -> Volume:
    """Return the head recorded otherwise."""
    empty = Volume(np.zeros(head.grid.shape, np.uint8), head.grid)
    return CHANGES[what](head, empty)[0]
