"""A study whose scans a small network can learn within seconds."""

from __future__ import annotations

import numpy as np

from napari_mednext.app.desk import Desk
from napari_mednext.correction.provenance import HUMAN
from napari_mednext.formats import save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.models import Card, make_dataset, make_plans, write_model_folder
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.study import CaseEntry, Study
from napari_mednext.volume import Volume, VoxelGrid
from tests.app.desk_parts import DeskSession

LABELS = LabelSet.from_names({1: "dark", 2: "bright"})
C, S = np.cos(0.2), np.sin(0.2)
#: Anisotropic, odd-sized, turned.
GRID = VoxelGrid(
    (11, 26, 23),
    (2.5, 0.9, 1.1),
    (5.0, -8.0, 11.0),
    ((-1.0, 0.0, 0.0), (0.0, C, S), (0.0, S, -C)),
)
ARCHITECTURE = {
    "width": 4,
    "blocks": [1] * 9,
    "ratios": [2] * 9,
    "kernel_size": 3,
    "grn": "mean",
}
#: Few steps, and nothing random but what the seed decides.
FAST = ImproveSettings(
    steps=12, augment=False, learning_rate=5e-3, patch_share=1.0, device="cpu"
)


def scan(seed: int) -> Volume:
    """Blobs of two brightnesses on noise."""
    rng = np.random.default_rng(seed)
    array = rng.normal(20, 8, GRID.shape)
    z, y, x = np.ogrid[tuple(slice(n) for n in GRID.shape)]
    for level in (85, 150, 85, 150):
        centre = [rng.uniform(0.2 * n, 0.8 * n) for n in GRID.shape]
        far = (
            ((z - centre[0]) / 3) ** 2
            + ((y - centre[1]) / 6) ** 2
            + ((x - centre[2]) / 6) ** 2
        )
        array = np.where(far < 1, level + rng.normal(0, 8, GRID.shape), array)
    return Volume(array.astype(np.int16), GRID, f"case{seed}")


def write_model(path, labels=("dark", "bright"), channels=("scan",), seed=3):
    """Write a small model of random weights; imports torch."""
    import torch

    from napari_mednext.network import build

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(
            "MedNeXt",
            input_channels=len(channels),
            num_classes=len(labels) + 1,
            arch_kwargs=ARCHITECTURE,
        )
    return write_model_folder(
        path,
        plans=make_plans(
            dataset_name="Dataset001_Small",
            spacing=(2.5, 1.2, 1.2),
            patch_size=(16, 32, 32),
            normalization_schemes=["ZScoreNormalization"] * len(channels),
            arch_kwargs=ARCHITECTURE,
        ),
        dataset=make_dataset(
            name="Dataset001_Small",
            channel_names=list(channels),
            labels={"background": 0, **{n: i for i, n in enumerate(labels, start=1)}},
        ),
        card=Card(name="small", title="Small test model", modality="MR"),
        weights={"0": network.state_dict()},
    )


def make_study(folder, count=3, *, accepted=None, slices=None, labels=LABELS):
    """Make a study, and have some cases corrected by a perfect annotator.

    ``slices`` are reviewed only, where they are given; else whole cases are accepted.
    """
    (folder / "scans").mkdir(parents=True)
    entries = []
    for seed in range(count):
        path = save_volume(scan(seed), folder / "scans" / f"case{seed}.nii.gz")
        entries.append(CaseEntry(f"case{seed}", (path,)))
    study = Study.create(folder / "study", entries=entries, labels=labels)
    correct(study, range(count if accepted is None else accepted), slices=slices)
    return study


def correct(study, seeds, *, slices=None):
    """Label cases by their brightness, as a person would, and save them."""
    desk = Desk(DeskSession(), study)
    for seed in seeds:
        case = desk.open(f"case{seed}")
        truth = np.digitize(case.volume.array[0], (52, 118)).astype(np.uint8)
        if slices is None:
            case.editing.replace(truth, HUMAN, "draw")
            desk.accept(case)
        else:
            for index in slices:
                box = (slice(index, index + 1), slice(None), slice(None))
                case.editing.replace(truth[box], HUMAN, "draw", box=box)
            desk.save(case)
        case.close()
    desk.close()
