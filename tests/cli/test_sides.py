"""``segment --sides``."""

import json

import numpy as np
import pytest

from napari_mednext.cli.entry import run
from napari_mednext.formats import save_volume
from napari_mednext.volume import Segmentation, Volume, VoxelGrid
from tests.app.tiny_model import write_tiny_model


@pytest.fixture
def scan(tmp_path):
    grid = VoxelGrid((9, 12, 15), (2.0, 1.0, 1.0))
    array = np.random.default_rng(0).normal(size=(1, *grid.shape))
    return save_volume(Volume(array.astype(np.float32), grid), tmp_path / "a.nii.gz")


def test_a_model_whose_card_lists_no_sides_is_refused(capfd, scan, tmp_path):
    write_tiny_model(tmp_path / "tiny")
    out = tmp_path / "masks"
    model = str(tmp_path / "tiny")
    code = run(
        ["segment", str(scan), "-o", str(out), "--model", model, "--sides", "--json"]
    )
    document = json.loads(capfd.readouterr().out)
    assert code == 2
    assert "the card of 'tiny' lists none: leave sides out" in document["error"]
    assert not out.exists()


@pytest.mark.parametrize("options", [[], ["--sides"]])
def test_the_wish_reaches_the_engine(monkeypatch, capfd, scan, tmp_path, options):
    asked = []

    class Engine:
        def segment(self, volume, *, sides, **rest):
            asked.append(sides)
            array = np.zeros(volume.grid.shape, np.uint8)
            return Segmentation(array, volume.grid, source=volume.source)

    monkeypatch.setattr("napari_mednext.app.batch.Engine", Engine)
    out = str(tmp_path / "masks")
    assert run(["segment", str(scan), "-o", out, *options, "--json"]) == 0
    capfd.readouterr()
    assert asked == [bool(options)]
