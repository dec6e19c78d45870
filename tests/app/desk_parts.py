"""A study of small scans, and an engine that needs no process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np

from napari_mednext.formats import save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.progress import check_cancelled
from napari_mednext.study import CaseEntry, Study
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

LABELS = LabelSet.from_names({1: "dark", 2: "bright"})
C, S = np.cos(0.2), np.sin(0.2)
GRID = VoxelGrid(
    (7, 12, 9),
    (3.0, 0.9, 1.1),
    (5.0, -8.0, 11.0),
    ((-1.0, 0.0, 0.0), (0.0, C, S), (0.0, S, -C)),
)


@dataclass(frozen=True)
class Doubtful(Segmentation):
    doubt: np.ndarray | None = None


class Engine:
    """Labels grey values above 50 with 1 and above 120 with 2."""

    def __init__(self):
        self.runs = []
        self.hold = threading.Event()
        self.hold.set()
        self.names = {1: "dark", 2: "bright"}

    def segment(self, volume, *, cancel=None, on_progress=None, roi=None, **options):
        self.runs.append(volume.name)
        while not self.hold.wait(0.01):
            check_cancelled(cancel)
        array = np.digitize(volume.array[0], (50, 120)).astype(np.uint8)
        if roi is not None:
            outside = np.ones(array.shape, bool)
            outside[roi] = False
            array[outside] = 0
        doubt = np.where(array == 1, 200, 10).astype(np.uint8)
        return Doubtful(array, volume.grid, self.names, {}, volume.source, doubt=doubt)


class DeskSession:
    def __init__(self):
        self.service = Engine()


def scan(seed):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 160, GRID.shape).astype(np.int16)
    return Volume(array, GRID, f"case{seed}")


def make_study(folder, count=3, **of_entry):
    scans = folder / "scans"
    scans.mkdir()
    entries = []
    for seed in range(count):
        path = save_volume(scan(seed), scans / f"case{seed}.nii.gz")
        entries.append(CaseEntry(f"case{seed}", (path,)))
    entries[0] = replace(entries[0], **of_entry)
    return Study.create(folder / "study", entries=entries, labels=LABELS)
