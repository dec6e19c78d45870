"""The demonstration writes a mask, a picture and a table."""

import csv

import numpy as np
import pytest
from PIL import Image

from napari_mednext.app.demo import run_demo, sample_path
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

GRID = VoxelGrid((9, 8, 7), spacing=(3.0, 1.0, 2.0), origin=(1.0, 2.0, 3.0))


class Threshold:
    def segment(self, volume, **rest):
        assert set(rest) == {"model", "settings", "on_progress", "cancel"}
        labels = (volume.array[0] > 0.5).astype(np.uint8)
        return Segmentation(labels, volume.grid, {1: "bright"}, source=volume.source)


@pytest.fixture
def scan(tmp_path):
    array = np.random.default_rng(1).random((1, *GRID.shape)).astype(np.float32)
    return save_volume(Volume(array, GRID), tmp_path / "scan.nii.gz")


def test_files_are_whole_and_agree(scan, tmp_path):
    out = tmp_path / "new" / "demo-output"
    result = run_demo(out, sample=scan, model="m", segmenter=Threshold())
    mask, volume = open_volume(result.mask), open_volume(scan)
    assert mask.grid.is_close(volume.grid)
    np.testing.assert_array_equal(mask.array[0], volume.array[0] > 0.5)
    with result.table_file.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["name"] == "bright"
    assert int(row["voxels"]) == np.count_nonzero(mask.array)
    assert float(row["volume_ml"]) == pytest.approx(
        int(row["voxels"]) * 0.006, abs=1e-3
    )
    with Image.open(result.picture) as page:
        assert page.width > 900
    assert sorted(path.name for path in out.iterdir()) == [
        "scan_mask.nii.gz",
        "scan_picture.png",
        "scan_volumes.csv",
    ]
    assert all(p.is_absolute() for p in (result.mask, result.picture))


def test_it_can_be_run_again(scan, tmp_path):
    first = run_demo(tmp_path / "out", sample=scan, segmenter=Threshold())
    again = run_demo(tmp_path / "out", sample=scan, segmenter=Threshold())
    assert again.mask == first.mask


def test_the_sample_is_shipped():
    volume = open_volume(sample_path())
    assert volume.grid.shape == (181, 217, 181)
