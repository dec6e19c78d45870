"""The segmentation process with the real engine, from a process without torch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_mednext.app.engine import Engine
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import Volume, VoxelGrid
from tests.app.tiny_model import write_tiny_model

ROOT = str(Path(__file__).resolve().parents[2])
GRID = VoxelGrid((9, 21, 18), spacing=(3.0, 0.9, 1.1), origin=(1.0, 2.0, 3.0))
CLIENT = """
import sys
import numpy as np
from napari_mednext.app import SegmentService
from napari_mednext.errors import ModelError
from napari_mednext.formats import open_volume
from napari_mednext.settings import InferenceSettings

scan, model, out = sys.argv[1:]
volume, progress, previews = open_volume(scan), [], []
with SegmentService() as service:
    service.start(model=model, device="cpu")
    result = service.segment(
        volume,
        model=model,
        settings=InferenceSettings(device="cpu", step=1.0),
        probabilities=True,
        doubt=True,
        on_progress=progress.append,
        on_preview=previews.append,
    )
    assert service.devices[0] == "cpu"
    try:
        service.segment(volume, model="no such model")
    except ModelError as error:
        assert "no such model" in str(error)
    else:
        sys.exit("a missing model was not refused")
assert progress[-1].done == progress[-1].total
assert "torch" not in sys.modules, "the parent imported torch"
seen = np.full(volume.grid.shape, 255, np.uint8)
for preview in previews:
    seen[preview.slices] = preview.labels
found = {"labels": result.array, "doubt": result.doubt, "seen": seen}
np.savez(out, scores=result.probabilities, **found)
"""


@pytest.mark.slow
def test_result_equals_that_of_the_engine_in_this_process(tmp_path):
    model = write_tiny_model(tmp_path / "tiny")
    array = np.random.default_rng(5).normal(size=(1, *GRID.shape)).astype(np.float32)
    scan = save_volume(Volume(array, GRID), tmp_path / "scan.nii.gz")
    expected = Engine().segment(
        open_volume(scan),
        model=model.path,
        settings=InferenceSettings(device="cpu", step=1.0),
        probabilities=True,
        doubt=True,
    )
    out = tmp_path / "result.npz"
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, scan, model.path, out],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": ROOT,
            "OMP_NUM_THREADS": "1",
        },
    )
    assert done.returncode == 0, done.stderr
    with np.load(out) as result:
        np.testing.assert_array_equal(result["labels"], expected.array)
        np.testing.assert_allclose(result["scores"], expected.probabilities, atol=1e-5)
        doubts = result["doubt"].astype(int), expected.doubt.astype(int)
        np.testing.assert_allclose(*doubts, atol=1)
        assert expected.doubt.any()
        assert (result["seen"] != 255).any(), "no preview came"
