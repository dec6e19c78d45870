"""Scans, labels and provenance that lie in files in different orders of axes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from napari_mednext.formats import open_volume, save_segmentation, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.training.tuning.classes import class_map
from napari_mednext.training.tuning.judging import Judge
from napari_mednext.training.tuning.loading import load_case
from napari_mednext.training.tuning.order import FrozenCase, ImproveOrder
from napari_mednext.training.tuning.sampling import PatchSampler
from napari_mednext.volume import Segmentation, Volume, VoxelGrid, reorient
from tests.app.improve_parts import write_model

LABELS = LabelSet.from_names({3: "dark", 500: "bright"})
BRIGHTNESS = {0: 20, 3: 85, 500: 150}
C, S = np.cos(0.2), np.sin(0.2)
GRID = VoxelGrid(
    (17, 26, 21),
    (2.5, 0.9, 1.1),
    (5.0, -8.0, 11.0),
    ((C, -S, 0.0), (S, C, 0.0), (0.0, 0.0, 1.0)),
)
UNKNOWN_X = 10


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "m").plan


def truth():
    """Three boxes without any symmetry."""
    labels = np.zeros(GRID.shape, np.uint16)
    labels[2:6, 3:20, 4:9] = 3
    labels[10:14, 14:24, 2:18] = 500
    labels[2:4, 16:22, 12:20] = 3
    return labels


def write_case(folder, code, other):
    """Write a scan in one order of axes, and what people said of it in another."""
    labels = truth()
    array = np.select([labels == v for v in BRIGHTNESS], list(BRIGHTNESS.values()))
    array[:, :2], array[15:] = 0, 0  # is cropped away
    scan = Volume(array.astype(np.int16), GRID, "scan")
    path = save_volume(reorient(scan, code), folder / "scan.nii.gz")
    provenance = np.full(GRID.shape, 0x81, np.uint8)
    provenance[:, :, UNKNOWN_X] = 0
    for name, values in (("labels", labels), ("provenance", provenance)):
        mask = Segmentation(values, GRID, LABELS.names, LABELS.colors, scan.source)
        save_segmentation(reorient(mask, other), folder / f"{name}.nii.gz")
    return FrozenCase(
        "a", "", (path,), Path("labels.nii.gz"), Path("provenance.nii.gz"), False
    )


@pytest.mark.parametrize("is_ras", [True, False])
@pytest.mark.parametrize(
    ("code", "other", "transpose"),
    list(
        zip(
            ["LPS", "RAS", "SAR", "IPL", "ALS", "LPS"],
            ["PIR", "LPS", "RAS", "ASL", "LPS", "LPS"],
            [(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1), (2, 1, 0), (1, 2, 0)],
            strict=True,
        )
    ),
)
def test_scan_and_target_tell_of_the_same_tissue(
    tmp_path, plan, code, other, transpose, is_ras
):
    """With the scan's own spacing, brightness alone says which head is right."""
    frozen = write_case(tmp_path, code, other)
    turned = reorient(reorient(Volume(truth(), GRID, "t"), code), "RAS")
    grid = turned.grid if is_ras else reorient(Volume(truth(), GRID, "t"), code).grid
    plan = dataclasses.replace(
        plan,
        transpose_forward=transpose,
        transpose_backward=tuple(int(i) for i in np.argsort(transpose)),
        spacing=tuple(grid.spacing[axis] for axis in transpose),
    )
    case = load_case(frozen, tmp_path, plan, channels=1, to_ras=is_ras)
    classes = class_map(LabelSet.from_names({1: "bright", 2: "dark"}), LABELS)
    drawn = case.to_draw_from(classes, share=1.0)
    sampler = PatchSampler(
        [drawn], (32, 32, 32), augment=False, changed_share=0.5, mirror_axes=(), seed=0
    )
    levels = {head: set() for head in (0, 1, 2)}
    for index in range(3):
        patch = sampler.draw(0, index)
        image, target = patch.image[0].numpy(), patch.target.numpy()
        for head in (1, 2):
            levels[head] |= set(np.round(image[target == head], 3).tolist())
        assert (target == 255).any()
    assert len(levels[1]) == len(levels[2]) == 1
    assert max(levels[2]) < min(levels[1])
    # What is nowhere cropped is all there, as often as it was drawn.
    known = np.delete(truth(), UNKNOWN_X, axis=2)
    for value, head in ((500, 1), (3, 2)):
        assert (drawn.target == head).sum() == (known == value).sum()
    at_changed = drawn.target[tuple(drawn.changed.T)]
    assert (at_changed != 255).all()
    assert len(at_changed) == (drawn.target != 255).sum()


def test_scans_wait_on_the_disk(tmp_path, plan):
    frozen = write_case(tmp_path, "LPS", "LPS")
    case = load_case(frozen, tmp_path, plan, channels=1, to_ras=True)
    assert isinstance(case.data, np.memmap)
    assert isinstance(case.volume.array.base, np.memmap)
    np.testing.assert_array_equal(case.volume.array, open_volume(frozen.images).array)


def test_an_answer_may_hold_values_that_the_case_lacks(tmp_path, plan):
    frozen = write_case(tmp_path, "LPS", "LPS")
    case = load_case(frozen, tmp_path, plan, channels=1, to_ras=True)
    few = dataclasses.replace(
        case.looked, labels=np.zeros(case.volume.grid.shape, np.uint8)
    )
    case = dataclasses.replace(case, looked=few)
    judge = Judge(order(frozen), tmp_path, "cpu", lambda: None)
    read = judge._read(tmp_path / "labels.nii.gz", case)
    np.testing.assert_array_equal(read, truth())


def order(frozen):
    return ImproveOrder(
        study="s",
        study_seed="0",
        labels=LABELS,
        channels=("scan",),
        model=Path("m"),
        base=Path("m"),
        model_sha256="",
        name="m-v1",
        title="M",
        round=1,
        cases=(frozen,),
        locked=(),
        settings=ImproveSettings(),
    )
