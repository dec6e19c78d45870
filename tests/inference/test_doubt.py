"""The doubt against entropies by hand, by scipy, and resized slowly."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit, softmax
from skimage.transform import resize
from torch import nn

from napari_mednext.inference import (
    SegmentationWithDoubt,
    SegmentationWithDoubtAndProbabilities,
    SegmentationWithProbabilities,
    doubt,
)
from napari_mednext.inference.decide import Decision, PlaneDecider
from napari_mednext.inference.doubt import as_bytes, entropy
from napari_mednext.inference.memory import Workload
from napari_mednext.models import Resampling
from napari_mednext.preprocessing import sample_axis
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import Segmentation, Volume, VoxelGrid
from tests.inference.reference import _resample, reference_logits
from tests.inference.standins import (
    Context,
    Headless,
    NearestClass,
    make_model,
    make_volume,
)

SPACING = (3.0, 0.9, 1.1)
ONE_TO_ONE = {
    "spacing": SPACING,
    "normalization_schemes": ("NoNormalization",),
    "resampling_data": Resampling(1, 0, None),
}


def planes(heads=5, shape=(7, 9, 12), seed=0):
    values = np.random.default_rng(seed).normal(0, 2, (heads, *shape))
    return values.astype(np.float32)


def slow_classes(logits):
    """By scipy, 0..1."""
    chances = softmax(logits.astype(float), axis=0)
    return stats.entropy(chances, axis=0) / np.log(len(logits))


def slow_regions(logits):
    chances = expit(logits.astype(float))
    both = np.stack([chances, 1 - chances])
    return stats.entropy(both, axis=0, base=2).mean(axis=0)


def segment(model, volume, *, step=0.5, mirror=True, **options):
    settings = InferenceSettings(device="cpu", step=step, mirror=mirror)
    return model.segment(volume, settings=settings, **options)


def by_hand(logits, **options):
    tensor = torch.tensor(logits, dtype=torch.float32).reshape(-1, 1, 1)
    return float(entropy(tensor, Decision(**options)).squeeze())


def test_doubts_that_are_known_by_hand():
    assert by_hand([3.0, 3.0, 3.0, 3.0]) == pytest.approx(1)
    assert by_hand([500.0, -500.0, 0.0]) == 0
    assert by_hand([9.0, 9.0, -80.0, -80.0]) == pytest.approx(0.5)
    quarter = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert by_hand([0.0, np.log(3)]) == pytest.approx(quarter, rel=1e-6)
    assert by_hand([7.0]) == 0


def test_doubts_of_regions_that_are_known_by_hand():
    regions = {"region_values": (1, 2)}
    assert by_hand([0.0, 0.0], **regions) == pytest.approx(1)
    assert by_hand([0.0, -300.0], **regions) == pytest.approx(0.5)
    assert by_hand([300.0, -300.0], **regions) == 0
    quarter = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    both = by_hand([np.log(3), -np.log(3)], **regions)
    assert both == pytest.approx(quarter, rel=1e-6)
    assert by_hand([0.0], region_values=(4,)) == pytest.approx(1)


@pytest.mark.parametrize("values", [None, (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("piece", [1, 100, 10**6])
def test_a_plane_is_looked_at_in_pieces(monkeypatch, values, piece):
    monkeypatch.setattr(doubt, "PIECE_VALUES", piece)
    logits = planes()[:, 0]
    wanted = slow_classes(logits) if values is None else slow_regions(logits)
    before = logits.copy()
    got = entropy(torch.from_numpy(logits), Decision(values))
    np.testing.assert_allclose(got.numpy(), wanted, atol=1e-6)
    assert np.array_equal(logits, before)


def test_bytes_are_the_nearest():
    given = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 0.5, 254.6 / 255, 1.0, 1.00001])
    assert as_bytes(given).tolist() == [0, 0, 1, 128, 255, 255, 255]
    assert as_bytes(given).dtype == torch.uint8


def decided(logits, shape, orders, **options):
    samplings = [
        sample_axis(n, m, order)
        for n, m, order in zip(logits.shape[1:], shape, orders, strict=True)
    ]
    labels, doubts = (np.full(shape, 99, np.uint8) for _ in range(2))
    decider = PlaneDecider(
        labels,
        samplings,
        lambda z: torch.from_numpy(logits[:, z]),
        options.pop("decision", Decision()),
        doubt=doubts,
        **options,
    )
    for final in range(logits.shape[1] + 1):
        decider.advance(final)
        decider.forget()
    return labels, doubts


@pytest.mark.parametrize("shape", [(7, 9, 12), (13, 9, 12), (4, 21, 17), (15, 5, 30)])
@pytest.mark.parametrize("values", [None, (1, 2, 3, 4, 5)])
def test_doubts_of_input_planes_are_interpolated(shape, values):
    logits = planes()
    slow = slow_classes(logits) if values is None else slow_regions(logits)
    wanted = resize(slow, shape, 1, mode="edge", anti_aliasing=False) * 255
    _, got = decided(logits, shape, (1, 1, 1), decision=Decision(values))
    assert np.abs(got - wanted).max() <= 0.51


def test_a_separate_axis_takes_the_nearest_plane():
    logits = planes()
    slow = slow_classes(logits)
    fine = resize(slow, (7, 20, 19), 1, mode="edge", anti_aliasing=False)
    nearest = np.floor((np.arange(16) + 0.5) * 7 / 16).astype(int)
    _, got = decided(logits, (16, 20, 19), (0, 1, 1))
    assert np.abs(got - fine[nearest] * 255).max() <= 0.51


def whole_numbers(shape=(9, 14, 17), top=4, seed=3):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 4 * top + 1, shape).astype(np.float32) / 4
    array[0, 0, 0] = array[-1, -1, -1] = 1  # nothing to crop
    return Volume(array, VoxelGrid(shape, SPACING))


def test_logits_that_are_known_give_the_entropy_that_follows():
    volume = whole_numbers()
    model = make_model(NearestClass(5), heads=5, mirror_axes=(0, 1, 2), **ONE_TO_ONE)
    found = segment(model, volume, doubt=True)
    logits = -((volume.array[0] - np.arange(5).reshape(-1, 1, 1, 1)) ** 2)
    wanted = slow_classes(logits) * 255
    assert isinstance(found, SegmentationWithDoubt)
    assert found.doubt.dtype == np.uint8
    assert np.abs(found.doubt - wanted).max() <= 0.51


class Times(nn.Module):
    def __init__(self, network, factor):
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x):
        return self.network(x) * self.factor


@pytest.mark.parametrize(("factor", "wanted"), [(0, 255), (1e4, 0)])
def test_no_knowledge_is_255_certainty_is_0_and_the_crop_is_0(factor, wanted):
    volume = whole_numbers()
    array = np.zeros((1, 14, 20, 25), np.float32)
    inside = (slice(2, 11), slice(3, 17), slice(5, 22))
    array[0][inside] = np.round(volume.array[0]) + 0.25
    volume = Volume(array, VoxelGrid(array.shape[1:], SPACING))
    model = make_model(Times(NearestClass(6), factor), heads=6, **ONE_TO_ONE)
    found = segment(model, volume, doubt=True)
    assert (found.doubt[inside] == wanted).all()
    rest = np.ones(found.doubt.shape, bool)
    rest[inside] = False
    assert not found.doubt[rest].any()


class Halves(nn.Module):
    """Certain of class 1 in the first half of a tile's columns, of 0 in the other."""

    def forward(self, x):
        side = torch.where(torch.arange(x.shape[-1]) < x.shape[-1] / 2, 9.0, -9.0)
        ones = torch.ones_like(x[:, :1]) * side
        return torch.cat([-ones, ones], dim=1)


def test_mirrored_runs_that_contradict_are_doubt():
    volume = whole_numbers()
    model = make_model(Halves(), heads=2, mirror_axes=(2,), **ONE_TO_ONE)
    assert (segment(model, volume, doubt=True).doubt == 255).all()
    alone = segment(model, volume, doubt=True, mirror=False, step=1.0)
    assert np.median(alone.doubt) == 0


def test_shifted_tiles_that_contradict_are_doubt():
    volume = whole_numbers(shape=(6, 8, 50))
    model = make_model(Times(Halves(), 1 / 9), heads=2, **ONE_TO_ONE)
    halves = segment(model, volume, doubt=True, step=0.5).doubt
    alone = segment(model, volume, doubt=True, step=1.0).doubt
    logits = reference_logits(
        model.networks, volume.array, model.folder.plan, step=0.5, heads=2
    )
    assert np.abs(halves - slow_classes(logits) * 255).max() <= 0.6
    assert np.unique(alone).size == 1
    assert (halves >= alone).all()
    assert halves.max() > alone.max() + 40


def test_anisotropic_scans_against_a_slow_version():
    volume = make_volume((7, 19, 23), SPACING)
    model = make_model(
        Context(1, 5, 4),
        heads=5,
        mirror_axes=(1, 2),
        spacing=(2.0, 1.5, 1.25),
        normalization_schemes=("NoNormalization",),
    )
    model.networks = (Times(Headless(Context(1, 5, 4)), 0.7),)
    volume = replace(volume, array=(volume.array - 300) / 100)
    plan = model.folder.plan
    new = [
        round(n * s / t)
        for n, s, t in zip((7, 19, 23), SPACING, plan.spacing, strict=True)
    ]
    data = _resample(volume.array, new, SPACING, plan.spacing, plan.resampling_data)
    logits = reference_logits(
        model.networks, data.astype(np.float32), plan, mirror_axes=(1, 2), heads=5
    )
    slow = slow_classes(logits)[None]
    rule = plan.resampling_probabilities
    wanted = _resample(slow, (7, 19, 23), plan.spacing, SPACING, rule)[0] * 255
    found = segment(model, volume, doubt=True)
    assert wanted.std() > 20
    assert np.abs(found.doubt - wanted).max() <= 0.6
    whole = segment(model, volume, doubt=True, focus=(3, 4, 5))
    assert np.array_equal(whole.doubt, found.doubt)


REGIONS = {
    "heads": 3,
    "regions": ((1, 2, 3), (2, 3), (3,)),
    "region_class_order": (1, 2, 3),
}
TURNED = [[0, -1, 0], [0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("case", [{"heads": 5}, REGIONS])
def test_what_is_asked_for_together_is_what_it_is_alone(case):
    model = make_model(
        Context(1, case["heads"], 3),
        spacing=(1.1, 2.5, 0.9),
        transpose_forward=(2, 0, 1),
        image_reader_writer="NibabelIOWithReorient",
        **case,
    )
    volume = make_volume((9, 15, 17), (2.5, 0.9, 1.1), code=TURNED, border=2)
    plain = segment(model, volume)
    scored = segment(model, volume, probabilities=True)
    doubted = segment(model, volume, doubt=True)
    both = segment(model, volume, doubt=True, probabilities=True)
    assert type(plain) is Segmentation
    assert type(scored) is SegmentationWithProbabilities
    assert type(doubted) is SegmentationWithDoubt
    assert type(both) is SegmentationWithDoubtAndProbabilities
    for other in (scored, doubted, both):
        assert np.array_equal(other.array, plain.array)
        assert (other.names, other.colors) == (plain.names, plain.colors)
        assert (other.source, other.quality) == (plain.source, plain.quality)
    assert np.array_equal(both.doubt, doubted.doubt)
    assert np.array_equal(both.probabilities, scored.probabilities)
    assert doubted.doubt.any()
    assert both.doubt.shape == volume.grid.shape


def test_doubt_of_a_turned_and_cropped_scan_is_that_of_its_probabilities():
    model = make_model(
        Context(1, 5, 3),
        heads=5,
        spacing=(0.9, 2.5, 1.1),
        transpose_forward=(1, 0, 2),
    )
    volume = make_volume((9, 15, 17), (2.5, 0.9, 1.1), border=2)
    found = segment(model, volume, doubt=True, probabilities=True)
    wanted = stats.entropy(found.probabilities, axis=0) / np.log(5) * 255
    assert np.abs(found.doubt - wanted).max() <= 0.6
    assert not found.doubt[:2].any()


def test_doubt_of_a_region_is_that_of_the_whole_and_zero_outside():
    model = make_model(Context(1, 5, 3), heads=5, mirror_axes=(0,))
    volume = make_volume((11, 27, 33), SPACING)
    full = segment(model, volume, doubt=True)
    roi = (slice(3, 8), slice(14, None), slice(4, 15))
    part = segment(model, volume, doubt=True, roi=roi)
    assert np.array_equal(part.doubt[roi], full.doubt[roi])
    outside = np.ones(part.doubt.shape, bool)
    outside[roi] = False
    assert full.doubt[outside].any()
    assert not part.doubt[outside].any()
    nothing = segment(model, make_volume(border=3), doubt=True, roi=(slice(0, 2),) * 3)
    assert not nothing.doubt.any()


def test_memory_that_is_short_changes_no_doubt():
    model = make_model(
        Context(1, 40, 32), heads=40, patch_size=(8, 8, 8), spacing=(1.0, 1.0, 1.0)
    )
    volume = make_volume(shape=(10, 60, 20), spacing=(1.0, 1.1, 1.0))
    plan = model.plan_memory(volume, doubt=True)
    less = InferenceSettings(device="cpu")
    object.__setattr__(less, "max_ram_gb", (plan.ram_bytes - 500_000) / 1e9)
    assert model.plan_memory(volume, settings=less, doubt=True).layout.rows is not None
    short = model.segment(volume, settings=less, doubt=True)
    assert np.array_equal(short.doubt, segment(model, volume, doubt=True).doubt)


def test_a_byte_a_voxel_is_planned():
    work = Workload(
        image_channels=1,
        volume_voxels=1000,
        cropped_shape=(10, 10, 10),
        new_shape=(10, 10, 10),
        padded_shape=(10, 10, 10),
        tile=(8, 8, 8),
        carried=4,
        heads=4,
    )
    doubted = replace(work, doubt=True)
    assert doubted.output() - work.output() == 1000
    assert doubted.planes((10, 10, 10)) > work.planes((10, 10, 10))


def test_only_a_piece_and_two_planes_of_doubt_exist(monkeypatch):
    sizes = []
    monkeypatch.setattr(doubt, "PIECE_VALUES", 2000)
    real = doubt._of_classes

    def watched(logits):
        sizes.append(logits.numel())
        return real(logits)

    monkeypatch.setattr(doubt, "_of_classes", watched)
    logits = planes(heads=30, shape=(12, 20, 21))
    samplings = [
        sample_axis(n, m, 1) for n, m in zip((12, 20, 21), (40, 20, 21), strict=True)
    ]
    shape = (40, 20, 21)
    decider = PlaneDecider(
        np.zeros(shape, np.uint8),
        samplings,
        lambda z: torch.from_numpy(logits[:, z]),
        Decision(),
        doubt=np.zeros(shape, np.uint8),
    )
    for final in range(13):
        decider.advance(final)
        assert len(decider._cache) <= 2
    assert sum(sizes) == logits.size, "each input plane is looked at once"
    assert max(sizes) <= 2000


PEAKS = """
import json, sys, threading
import numpy as np, psutil, torch
sys.path.insert(0, sys.argv[1])
from tests.inference.standins import Context, make_model, make_volume
from napari_mednext.settings import InferenceSettings

torch.set_num_threads(1)
model = make_model(
    Context(1, 60, 2), heads=60, patch_size=(32, 32, 32), spacing=(3.0, 1.0, 1.0)
)
volume = make_volume((80, 60, 61), (3.0, 0.9, 1.1))
settings = InferenceSettings(device="cpu", step=1.0)
process, peak, stop = psutil.Process(), 0, threading.Event()

def watch():
    global peak
    while not stop.wait(0.002):
        peak = max(peak, process.memory_info().rss)

watcher = threading.Thread(target=watch)
watcher.start()
peaks = []
for doubt in (False, True):
    model.segment(volume, settings=settings, doubt=doubt)
    peaks.append(peak)
stop.set()
watcher.join()
print(json.dumps(peaks))
"""


@pytest.mark.slow
def test_the_peak_of_memory_is_not_multiplied():
    """All logits of the volume would be 70 MB."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PEAKS, str(root)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        cwd=root,
    )
    plain, doubted = json.loads(done.stdout.splitlines()[-1])
    assert doubted - plain < 25_000_000
