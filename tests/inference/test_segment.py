"""Segmenting against an independent float64 version, in every way that is offered."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_mednext.errors import (
    Cancelled,
    ChannelError,
    GeometryError,
    InputError,
    ResourceError,
)
from napari_mednext.inference import SegmentationWithProbabilities
from napari_mednext.labels import LabelSet
from napari_mednext.models import Resampling
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import SourceHeader, Volume, VoxelGrid
from napari_mednext.volume.orientation import reorient
from tests.inference.reference import reference_logits, reference_segmentation
from tests.inference.standins import (
    Context,
    Headless,
    NearestClass,
    make_model,
    make_volume,
)

TURNED = [[0, -1, 0], [0, 0, 1], [1, 0, 0]]
COS, SIN = np.cos(0.3), np.sin(0.3)
OBLIQUE = [[COS, -SIN, 0], [SIN, COS, 0], [0, 0, -1]]

CASES = {
    "logits": ({"networks": Headless(Context(1, 4, 6)), "heads": 4}, {}),
    "features": ({"networks": Context(1, 9, 3), "heads": 9}, {}),
    "mirroring": (
        {"networks": Context(1, 9, 3), "heads": 9, "mirror_axes": (0, 1, 2)},
        {},
    ),
    "mirroring two axes of logits": (
        {"networks": Context(1, 3, 5), "heads": 3, "mirror_axes": (0, 2)},
        {},
    ),
    "folds of features": (
        {"networks": (Context(1, 9, 3), Context(1, 9, 3, seed=1)), "heads": 9},
        {},
    ),
    "folds of logits": (
        {"networks": (Context(1, 4, 3), Context(1, 4, 3, seed=1)), "heads": 4},
        {},
    ),
    "turned by the plan": (
        {"networks": Context(1, 5, 3), "heads": 5, "transpose_forward": (2, 0, 1)},
        {},
    ),
    "turned to RAS": (
        {
            "networks": Context(1, 5, 3),
            "heads": 5,
            "transpose_forward": (1, 0, 2),
            "image_reader_writer": "NibabelIOWithReorient",
        },
        {"code": TURNED},
    ),
    "oblique to RAS": (
        {
            "networks": Context(1, 5, 3),
            "heads": 5,
            "image_reader_writer": "SimpleITKIOWithReorient",
        },
        {"code": OBLIQUE},
    ),
    "cropped and masked": (
        {"networks": Context(1, 5, 3), "heads": 5, "use_mask_for_norm": (True,)},
        {"border": 3},
    ),
    "thick slices": (
        {"networks": Context(1, 5, 3), "heads": 5},
        {"spacing": (6.5, 1.2, 1.0)},
    ),
    "thick columns, linear": (
        {
            "networks": Context(1, 5, 3),
            "heads": 5,
            "resampling_data": Resampling(1, 1, None),
            "resampling_probabilities": Resampling(1, 1, None),
        },
        {"spacing": (1.0, 1.2, 5.0)},
    ),
    "never separate": (
        {
            "networks": Context(1, 5, 3),
            "heads": 5,
            "resampling_data": Resampling(3, 0, False),
            "resampling_probabilities": Resampling(1, 0, False),
        },
        {"spacing": (6.5, 1.2, 1.0)},
    ),
    "smaller than a tile": (
        {"networks": Context(1, 5, 3), "heads": 5},
        {"shape": (3, 4, 5), "spacing": (2.0, 1.5, 1.2)},
    ),
    "one voxel an axis": (
        {"networks": Context(1, 5, 3), "heads": 5},
        {"shape": (1, 9, 1)},
    ),
    "its own spacing": (
        {"networks": Context(1, 5, 3), "heads": 5},
        {"spacing": (2.0, 1.5, 1.25)},
    ),
    "regions": (
        {
            "networks": Context(1, 3, 2),
            "heads": 3,
            "regions": ((1, 2, 3), (2, 3), (3,)),
            "region_class_order": (1, 2, 3),
        },
        {},
    ),
    "two channels": (
        {"networks": Context(2, 5, 3), "heads": 5, "channel_names": ("T1", "T2")},
        {"channels": 2},
    ),
    "odd tiles": (
        {"networks": Headless(NearestClass(4)), "heads": 4, "patch_size": (5, 7, 9)},
        {},
    ),
}


def segment(model, volume, **options):
    settings = InferenceSettings(
        device="cpu",
        step=options.pop("step", 0.5),
        max_ram_gb=options.pop("max_ram_gb", None),
        mirror=options.pop("mirror", True),
    )
    return model.segment(volume, settings=settings, **options)


@pytest.mark.parametrize("case", CASES)
def test_every_way_gives_the_reference(case):
    model_options, volume_options = CASES[case]
    model = make_model(**model_options)
    volume = make_volume(**volume_options)
    before = volume.array.copy()
    truth, margin = reference_segmentation(model, volume)
    streamed = segment(model, volume)
    whole = segment(model, volume, focus=tuple(n / 3 for n in volume.grid.shape))
    scored = segment(model, volume, probabilities=True)
    clear = margin > 1e-4
    assert clear.mean() > 0.97
    for result in (streamed, whole, scored):
        assert result.array.dtype == np.uint8
        assert result.grid == volume.grid
        assert np.array_equal(result.array[clear], truth[clear])
    assert np.array_equal(scored.array, streamed.array)
    assert np.array_equal(volume.array, before)


@pytest.mark.parametrize("step", [0.3, 0.8, 1.0])
def test_other_steps(step):
    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume()
    truth, margin = reference_segmentation(model, volume, step=step)
    result = segment(model, volume, step=step).array
    assert np.array_equal(result[margin > 1e-4], truth[margin > 1e-4])


def test_mirroring_can_be_left_out():
    model = make_model(Context(1, 5, 3), heads=5, mirror_axes=(0, 1))
    volume = make_volume()
    truth, margin = reference_segmentation(model, volume, mirror=False)
    result = segment(model, volume, mirror=False).array
    assert np.array_equal(result[margin > 1e-4], truth[margin > 1e-4])


@pytest.mark.parametrize("code", [None, TURNED])
@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1)])
def test_a_network_that_repeats_its_input_gives_it_back(code, transpose):
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, size=(11, 9, 13)).astype(np.int16)
    values[:2] = 0  # cropped away, and put back
    direction = np.eye(3) if code is None else np.asarray(code, float)
    grid = VoxelGrid(
        values.shape, (2.0, 1.5, 1.25), direction=tuple(map(tuple, direction))
    )
    volume = Volume(values, grid)
    spacing = reorient(volume, "RAS").grid.spacing if code else grid.spacing
    model = make_model(
        Headless(NearestClass(6)),
        heads=6,
        normalization_schemes=("NoNormalization",),
        image_reader_writer="NibabelIOWithReorient" if code else "SimpleITKIO",
        transpose_forward=transpose,
        spacing=tuple(spacing[axis] for axis in transpose),
    )
    for options in ({}, {"focus": (5, 5, 5)}):
        assert np.array_equal(segment(model, volume, **options).array, values)


def test_region_of_interest_equals_the_full_run_inside_and_is_zero_outside():
    model = make_model(Context(1, 5, 3), heads=5, transpose_forward=(1, 2, 0))
    volume = make_volume(shape=(15, 27, 33), border=2)
    full = segment(model, volume).array
    roi = (slice(4, 9), slice(20, None), slice(3, 11))
    seen = []
    for options in ({}, {"focus": (6, 22, 7)}):
        part = segment(model, volume, roi=roi, on_progress=seen.append, **options).array
        outside = np.ones(part.shape, bool)
        outside[roi] = False
        assert np.array_equal(part[roi], full[roi])
        assert not part[outside].any()
    everything = []
    segment(model, volume, on_progress=everything.append)
    assert seen[-1].total < everything[-1].total / 2


def test_region_of_interest_in_the_cropped_border_is_background():
    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume(border=3)
    part = segment(model, volume, roi=(slice(0, 2), slice(0, 5), slice(0, 5)))
    assert not part.array.any()


def test_memory_that_is_short_costs_time_but_no_voxel():
    model = make_model(
        Context(1, 40, 32), heads=40, patch_size=(8, 8, 8), spacing=(1.0, 1.0, 1.0)
    )
    volume = make_volume(shape=(20, 120, 30), spacing=(1.0, 1.1, 1.0))
    plan = model.plan_memory(volume)
    assert plan.mode == "streamed"
    assert plan.layout.rows is None
    less = replace(InferenceSettings(device="cpu"), max_ram_gb=0.25)
    limit = plan.ram_bytes - 2_000_000
    object.__setattr__(less, "max_ram_gb", limit / 1e9)
    smaller = model.plan_memory(volume, settings=less)
    assert smaller.layout.rows is not None
    assert smaller.ram_bytes <= limit
    result = model.segment(volume, settings=less)
    assert np.array_equal(result.array, segment(model, volume).array)
    assert any("memory is short: the volume is" in note for note in result.source.notes)


def test_what_fits_nowhere_is_refused_before_it_starts():
    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume()
    settings = InferenceSettings(device="cpu")
    object.__setattr__(settings, "max_ram_gb", 0.01)
    seen = []
    with pytest.raises(ResourceError, match=r"at least 0\.\d GB .*, 0\.0 GB may be"):
        model.segment(volume, settings=settings, on_progress=seen.append)
    assert seen == []


def test_probabilities_are_those_of_the_reference():
    model = make_model(Context(1, 4, 3), heads=4, transpose_forward=(2, 1, 0))
    volume = make_volume(border=2)
    _, _, logits = reference_segmentation(model, volume, with_logits=True)
    result = segment(model, volume, probabilities=True)
    assert isinstance(result, SegmentationWithProbabilities)
    assert result.probabilities.dtype == np.float32
    inside = np.isfinite(logits[0])
    wanted = np.exp(logits - logits.max(axis=0))
    wanted /= wanted.sum(axis=0)
    assert np.abs(result.probabilities - wanted)[:, inside].max() < 1e-4
    assert (result.probabilities[0][~inside] == 1).all()
    assert (result.probabilities[1:, ~inside] == 0).all()
    assert np.allclose(result.probabilities.sum(axis=0), 1, atol=1e-5)


def test_probabilities_of_regions_are_zero_outside_the_crop():
    model = make_model(
        Context(1, 2, 3),
        heads=2,
        regions=((1, 2), (2,)),
        region_class_order=(1, 2),
    )
    result = segment(model, make_volume(border=3), probabilities=True)
    assert not result.probabilities[:, 0].any()


def test_progress_has_a_true_total_and_ends_at_it():
    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume()
    seen = []
    segment(model, volume, on_progress=seen.append)
    total = seen[0].total
    assert {each.total for each in seen} == {total}
    assert seen[0].text == "preparing the volume"
    assert [each.done for each in seen[1:-1]] == list(range(1, total + 1))
    assert seen[-1].done == total
    assert seen[-1].text == "writing labels"
    assert all(each.remaining_s is not None for each in seen[1:])
    assert seen[-1].remaining_s == 0


class CancelAt:
    """A flag that is set once a network has run a number of times."""

    def __init__(self, network, runs):
        self.runs = 0
        self.limit = runs
        network.register_forward_hook(self._count)

    def _count(self, *_):
        self.runs += 1

    def is_set(self):
        return self.runs >= self.limit


@pytest.mark.parametrize("focus", [None, (3, 3, 3)])
def test_cancel_takes_effect_before_the_next_pass_of_the_network(focus):
    network = Headless(Context(1, 5, 3))
    model = make_model(network, heads=5, mirror_axes=(0, 1, 2))
    volume = make_volume()
    model.plan_memory(volume)  # runs the network once, to see what it takes
    flag = CancelAt(network, 11)
    with pytest.raises(Cancelled, match="cancelled"):
        segment(model, volume, focus=focus, cancel=flag)
    assert flag.runs == 11
    again = segment(model, volume).array
    truth, margin = reference_segmentation(model, volume)
    assert np.array_equal(again[margin > 1e-4], truth[margin > 1e-4])


def test_cancel_before_the_start_runs_nothing():
    flag = threading.Event()
    flag.set()
    model = make_model(Context(1, 5, 3), heads=5)
    with pytest.raises(Cancelled, match="cancelled"):
        segment(model, make_volume(), cancel=flag)


def test_wrong_channels_are_named():
    model = make_model(Context(2, 5, 3), heads=5, channel_names=("T1", "FLAIR"))
    with pytest.raises(
        ChannelError, match=r"channels as .* 2 \(0: T1, 1: FLAIR\), it has 1: choose"
    ):
        segment(model, make_volume())


@pytest.mark.parametrize("focus", [(1, 2), (np.nan, 0, 0)])
def test_a_focus_that_is_no_point_is_refused(focus):
    with pytest.raises(InputError, match="focus must be a voxel"):
        segment(make_model(Context(1, 5, 3), heads=5), make_volume(), focus=focus)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_constant_images_work(value):
    volume = make_volume()
    volume = replace(volume, array=np.full_like(volume.array, value))
    model = make_model(Context(1, 5, 3), heads=5)
    assert segment(model, volume).array.shape == volume.grid.shape


def test_notes_of_reading_come_before_those_of_the_run():
    volume = make_volume(notes=("the direction was repaired",))
    spoilt = volume.array.copy()
    spoilt[0, 5, 5, 5] = np.nan
    result = segment(
        make_model(Context(1, 5, 3), heads=5), replace(volume, array=spoilt)
    )
    assert result.source.notes[0] == "the direction was repaired"
    assert "1 voxels of channel 0 were not finite" in result.source.notes[1]
    assert volume.source == SourceHeader(notes=("the direction was repaired",))


def test_names_and_colours_come_with_the_labels():
    labels = LabelSet.from_names({1: "liver", 2: "spleen"})
    model = make_model(Context(1, 3, 2), heads=3, labels=labels)
    result = segment(model, make_volume())
    assert result.names == {1: "liver", 2: "spleen"}
    assert result.colors == labels.colors


def test_many_labels_are_16_bit():
    labels = LabelSet.numbered(range(1, 300))
    model = make_model(Context(1, 300, 4), heads=300, labels=labels)
    result = segment(model, make_volume(shape=(7, 8, 9)))
    assert result.array.dtype == np.uint16


def test_reference_visits_the_same_tiles():
    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume()
    visited = []
    data = np.zeros((1, 14, 14, 18), np.float32)
    reference_logits(model.networks, data, model.folder.plan, heads=5, collect=visited)
    from napari_mednext.inference.tiles import TileGrid

    assert TileGrid((14, 14, 18), model.folder.plan.patch_size, 0.5).tiles() == visited
    assert torch.get_num_threads() == 1
    assert volume.channels == 1


def test_memory_that_is_refused_by_the_system_is_told(monkeypatch):
    def refuse(*_, **__):
        raise MemoryError

    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume()
    monkeypatch.setattr("napari_mednext.inference.model.preprocess", refuse)
    with pytest.raises(ResourceError, match="'case' needs more memory than there is"):
        segment(model, volume)


def test_a_grid_that_cannot_be_turned_is_refused(monkeypatch):
    model = make_model(
        Context(1, 5, 3), heads=5, image_reader_writer="NibabelIOWithReorient"
    )
    monkeypatch.setattr("napari_mednext.inference.case.turn_between", lambda *_: None)
    with pytest.raises(GeometryError, match=r"'case' must allow turning to RAS, got"):
        segment(model, make_volume())
