"""What is predicted before a run against what it takes, and which way is chosen."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_mednext.errors import ResourceError
from napari_mednext.inference import memory
from napari_mednext.inference.footprint import forward_bytes
from napari_mednext.inference.memory import (
    Layout,
    Workload,
    available_ram,
    choose_layout,
    slab_depth,
)
from napari_mednext.network import build, preset
from napari_mednext.settings import InferenceSettings
from tests.inference.standins import Context, Headless, make_model, make_volume

GB = 1_000_000_000
CT = (600, 512, 512)


def workload(classes, *, native, width=32, patch=(128, 128, 128)):
    """A body CT of 512 x 512 x 600 voxels, at its own spacing or at 1.5 mm."""
    grid = CT if native else (400, 273, 273)
    return Workload(
        image_channels=1,
        volume_voxels=CT[0] * CT[1] * CT[2],
        cropped_shape=CT,
        new_shape=grid,
        padded_shape=grid,
        tile=patch,
        carried=min(classes, width),
        heads=classes,
    )


def layouts(work):
    whole = Layout("whole", work.padded_shape, None, 400)
    z, y, x = work.padded_shape
    parts = [
        Layout("streamed", (z, min(y, 64 * (rows + 1)), x), rows, 500)
        for rows in (6, 5, 4, 3)
    ]
    return [whole, Layout("streamed", (z, y, x), None, 400), *parts]


@pytest.mark.parametrize("classes", [44, 118, 500])
def test_any_number_of_classes_at_1_5_mm_stays_below_3_gb(classes):
    work = workload(classes, native=False)
    plan = choose_layout(work, layouts(work)[1:], ram_limit=3 * GB)
    assert plan.mode == "streamed"
    assert plan.layout.rows is None
    assert plan.ram_bytes < 3 * GB


@pytest.mark.parametrize("classes", [44, 118, 300])
def test_any_number_of_classes_at_its_own_spacing_stays_below_4_gb(classes):
    work = workload(classes, native=True)
    plan = choose_layout(work, layouts(work), ram_limit=4 * GB)
    assert plan.mode == "streamed"
    assert plan.layout.rows is not None
    assert plan.ram_bytes < 4 * GB


def test_whole_sums_are_taken_where_half_the_memory_suffices():
    work = workload(4, native=False)
    whole = layouts(work)[:1]
    need = choose_layout(work, whole, ram_limit=999 * GB).ram_bytes
    assert choose_layout(work, layouts(work), ram_limit=2 * need).mode == "whole"
    just_less = choose_layout(work, layouts(work), ram_limit=2 * need - 2)
    assert just_less.mode == "streamed"


def test_what_fits_nowhere_is_refused_with_both_numbers():
    work = workload(118, native=True)
    with pytest.raises(
        ResourceError, match=r"at least [34]\.\d GB of memory, 1\.0 GB may be used"
    ):
        choose_layout(work, layouts(work), ram_limit=GB)


def test_sums_lie_beside_the_network_where_the_device_has_room():
    work = replace(workload(32, native=False), network_bytes=GB, weight_bytes=GB // 4)
    ways = layouts(work)[1:]
    roomy = choose_layout(work, ways, ram_limit=64 * GB, device_limit=80 * GB)
    tight = choose_layout(work, ways, ram_limit=64 * GB, device_limit=5 * GB // 2)
    processor = choose_layout(work, ways, ram_limit=64 * GB)
    assert roomy.sums_on_device
    assert not tight.sums_on_device
    assert 0 < tight.device_bytes < roomy.device_bytes
    assert roomy.ram_bytes < tight.ram_bytes < processor.ram_bytes
    assert processor.device_bytes == 0


def test_main_memory_must_hold_the_sums_even_when_the_device_can():
    """When the device turns out too small, the sums come to main memory."""
    work = workload(32, native=True)
    with pytest.raises(ResourceError, match=r"2\.5 GB may be used"):
        choose_layout(
            work, layouts(work)[:2], ram_limit=5 * GB // 2, device_limit=80 * GB
        )


def test_probabilities_are_counted():
    work = workload(5, native=False)
    scored = replace(work, probabilities=True)
    voxels = CT[0] * CT[1] * CT[2]
    assert scored.output() - work.output() == 5 * 4 * voxels


def test_a_slab_is_a_tile_and_one_finished_plane():
    assert slab_depth((128, 96, 64)) == 129


def test_a_container_has_less_memory_than_its_host(monkeypatch, tmp_path):
    host = available_ram()
    files = {
        "/sys/fs/cgroup/memory.max": tmp_path / "max",
        "/sys/fs/cgroup/memory.current": tmp_path / "current",
    }
    monkeypatch.setattr(memory, "Path", lambda name: files[name])
    for limit, used, wanted in (
        ("3000000", "1000000", 2_000_000),
        ("1000", "2000", 0),
        ("nonsense", "1", None),
        ("max", "1", None),
    ):
        files["/sys/fs/cgroup/memory.max"].write_text(limit + "\n")
        files["/sys/fs/cgroup/memory.current"].write_text(used + "\n")
        got = available_ram()
        if wanted is None:
            assert got > 0.5 * host
        else:
            assert got == wanted


def test_footprint_of_a_network_counts_what_lives_at_once():
    """Input 1 channel; two maps of 4 and one of 2 channels at most at a time."""
    network = torch.nn.Sequential(
        torch.nn.Conv3d(1, 4, 1), torch.nn.Conv3d(4, 4, 1), torch.nn.Conv3d(4, 2, 1)
    )
    patch = (16, 32, 8)
    voxels = 16 * 32 * 8
    # While the second runs, the output of the first lives: 4 + 4 channels.
    assert forward_bytes(network, 1, patch, downsampling=2) == 8 * 4 * voxels
    assert forward_bytes(network, 1, patch) == 8 * 4 * voxels


def test_footprint_of_a_mednext_grows_with_its_width():
    arguments = {**preset("tiny"), "blocks": (1,) * 9}
    sizes = [
        forward_bytes(
            build(
                "MedNeXt",
                input_channels=1,
                num_classes=3,
                arch_kwargs={**arguments, "width": width},
            ).eval(),
            1,
            (64, 64, 64),
            downsampling=16,
        )
        for width in (4, 8)
    ]
    assert 1.6 < sizes[1] / sizes[0] < 2.2


def test_the_plan_of_a_model_is_that_of_its_run():
    model = make_model(Headless(Context(1, 60, 6)), heads=60)
    volume = make_volume(shape=(30, 60, 70), spacing=model.folder.plan.spacing)
    settings = InferenceSettings(device="cpu")
    streamed = model.plan_memory(volume, settings=settings)
    whole = model.plan_memory(volume, settings=settings, focus=(1, 1, 1))
    roi = (slice(0, 4), slice(0, 4), slice(0, 4))
    part = model.plan_memory(volume, settings=settings, roi=roi)
    scored = model.plan_memory(volume, settings=settings, probabilities=True)
    assert (streamed.mode, whole.mode) == ("streamed", "whole")
    assert part.ram_bytes < streamed.ram_bytes < whole.ram_bytes
    assert scored.ram_bytes > streamed.ram_bytes


MEASURE = """
import json, sys, threading
import numpy as np, psutil, torch
sys.path.insert(0, sys.argv[1])
from tests.inference.standins import Context, make_model
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import Volume, VoxelGrid

torch.set_num_threads(1)
classes, focus, scores = json.loads(sys.argv[2])
model = make_model(
    Context(1, classes, 8), heads=classes, patch_size=(32, 32, 32),
    spacing=(1.5, 1.5, 1.5),
)
rng = np.random.default_rng(0)
array = np.repeat(rng.integers(1, 900, (1, 120, 1, 128), dtype=np.int16), 144, axis=2)
volume = Volume(array, VoxelGrid(array.shape[1:], (1.2, 1.0, 1.0)))
settings = InferenceSettings(device="cpu", step=1.0)
options = {"settings": settings, "probabilities": scores}
options["focus"] = (60, 60, 60) if focus else None
plan = model.plan_memory(volume, **options)
process = psutil.Process()
base = peak = process.memory_info().rss
stop = threading.Event()

def watch():
    global peak
    while not stop.wait(0.005):
        peak = max(peak, process.memory_info().rss)

watcher = threading.Thread(target=watch)
watcher.start()
result = model.segment(volume, **options)
stop.set()
watcher.join()
print(json.dumps([plan.ram_bytes, peak - base, plan.mode]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "focus", "scores"),
    [(60, False, False), (60, True, False), (6, False, True)],
)
def test_a_run_takes_what_was_predicted(classes, focus, scores):
    """Measured between a third of the prediction and all of it."""
    root = Path(__file__).resolve().parents[2]
    request = json.dumps([classes, focus, scores])
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE, str(root), request],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        cwd=root,
    )
    predicted, measured, mode = json.loads(answer.stdout.splitlines()[-1])
    assert mode == ("whole" if focus else "streamed")
    assert measured <= predicted
    assert measured >= predicted / 3
