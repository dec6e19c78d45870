"""Memory that runs out at chosen moments: the result is the same, and told."""

import numpy as np
import pytest
import torch

from napari_mednext.errors import ResourceError
from napari_mednext.inference import model as model_module
from napari_mednext.inference import sliding
from napari_mednext.inference.accumulate import Accumulator
from napari_mednext.inference.devices import is_out_of_memory
from napari_mednext.inference.engines import Engine
from napari_mednext.inference.ladder import Ladder, Placement, placements
from napari_mednext.network import MedNeXt
from napari_mednext.settings import InferenceSettings
from tests.inference.standins import Context, Headless, make_model, make_volume

#: The steps of a GPU run, with the processor standing in for the GPU.
STEPS = (
    Placement("cpu", "cpu"),
    Placement("cpu", "cpu", "sums went to main memory"),
    Placement("cpu", "cpu", "the network went to the processor"),
)


class Faults:
    """Runs out of memory at chosen calls of a function, counted from 0."""

    def __init__(self, *at, error=None):
        self.at = set(at)
        self.calls = 0
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB")

    def before(self, function):
        def wrapped(*args, **kwargs):
            call, self.calls = self.calls, self.calls + 1
            if call in self.at:
                raise self.error
            return function(*args, **kwargs)

        return wrapped


@pytest.fixture
def gpu(monkeypatch):
    """Let the processor stand in for a GPU and record what is moved."""
    moves = []
    monkeypatch.setattr(model_module, "placements", lambda *_, **__: STEPS)
    monkeypatch.setattr(Accumulator, "move", lambda self, to: moves.append(to))
    return moves


def segment(model, volume, **options):
    settings = InferenceSettings(device="cpu")
    return model.segment(volume, settings=settings, **options)


@pytest.mark.parametrize("focus", [None, (2, 2, 2)])
@pytest.mark.parametrize("failing", [(0,), (5,), (3, 9), (7, 8)])
def test_a_tile_that_does_not_fit_runs_again_with_less(
    gpu, monkeypatch, failing, focus
):
    network = Headless(Context(1, 5, 3))
    model, volume = make_model(network, heads=5), make_volume()
    before = segment(model, volume, focus=focus)
    tiles = []
    segment(model, volume, focus=focus, on_progress=tiles.append)
    faults = Faults(*failing)
    monkeypatch.setattr(Engine, "run", faults.before(Engine.run))
    after = segment(model, volume, focus=focus)
    assert np.array_equal(after.array, before.array)
    assert after.source.notes == tuple(s.note for s in STEPS[1 : len(failing) + 1])
    # No finished tile ran twice.
    assert faults.calls == tiles[0].total + len(failing)
    assert gpu == ["cpu"] * len(failing)


def test_sums_that_do_not_fit_are_made_elsewhere(gpu, monkeypatch):
    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume()
    before = segment(model, volume)
    faults = Faults(0)
    monkeypatch.setattr(sliding, "Accumulator", faults.before(Accumulator))
    after = segment(model, volume)
    assert np.array_equal(after.array, before.array)
    assert after.source.notes == (STEPS[1].note,)


@pytest.mark.parametrize("failing", [(0,), (3,), (4, 11)])
def test_planes_that_do_not_fit_are_decided_again(gpu, monkeypatch, failing):
    model, volume = make_model(Context(1, 9, 3), heads=9), make_volume()
    before = segment(model, volume)
    faults = Faults(*failing)
    monkeypatch.setattr(Engine, "logits", faults.before(Engine.logits))
    after = segment(model, volume)
    assert np.array_equal(after.array, before.array)
    assert after.source.notes == tuple(s.note for s in STEPS[1 : len(failing) + 1])


def test_previews_that_do_not_fit_are_left_out(gpu, monkeypatch):
    model, volume = make_model(Context(1, 9, 3), heads=9), make_volume()
    before = segment(model, volume)
    faults = Faults(0)
    monkeypatch.setattr(Engine, "logits", faults.before(Engine.logits))
    seen = []
    after = segment(model, volume, focus=(0, 0, 0), on_preview=seen.append)
    assert np.array_equal(after.array, before.array)
    assert seen == []
    assert after.source.notes == ()


def test_the_last_step_refuses_with_a_sentence(gpu, monkeypatch):
    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume()
    faults = Faults(*range(2, 99))
    monkeypatch.setattr(Engine, "run", faults.before(Engine.run))
    with pytest.raises(
        ResourceError, match=r"fit into the memory of cpu, .*CUDA out of memory.*close"
    ):
        segment(model, volume)
    assert faults.calls == 2 + len(STEPS)


def test_other_errors_are_not_swallowed(gpu, monkeypatch):
    model, volume = make_model(Context(1, 5, 3), heads=5), make_volume()
    faults = Faults(3, error=RuntimeError("a bug in the network"))
    monkeypatch.setattr(Engine, "run", faults.before(Engine.run))
    with pytest.raises(RuntimeError, match="a bug in the network"):
        segment(model, volume)


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_memory(error, is_memory):
    assert is_out_of_memory(error) == is_memory


def test_steps_of_a_gpu_and_of_the_processor():
    first, second, third = placements("cuda:1", sums_on_device=True)
    assert (first.network, first.sums) == ("cuda:1", "cuda:1")
    assert (second.network, second.sums) == ("cuda:1", "cpu")
    assert (third.network, third.sums) == ("cpu", "cpu")
    assert "cuda:1 ran out of memory" in second.note
    assert placements("cuda:0", sums_on_device=False)[0].sums == "cpu"
    assert len(placements("cuda:0", sums_on_device=False)) == 2
    assert placements("cpu", sums_on_device=True) == (Placement("cpu", "cpu"),)


def test_a_network_that_can_works_in_pieces_before_it_moves():
    steps = placements("cuda:0", sums_on_device=True, can_work_in_pieces=True)
    assert [step.in_pieces for step in steps] == [False, False, True, False]
    assert steps[2].network == "cuda:0"
    assert "went on with the network in pieces" in steps[2].note


def test_pieces_give_the_same_labels(monkeypatch):
    torch.manual_seed(0)
    network = MedNeXt(1, 4, width=2, blocks=(1,) * 9, ratios=(2,) * 9)
    for name, value in network.named_parameters():
        if "grn_" in name:
            value.data.normal_()
    model = make_model(network, heads=4)
    volume = make_volume()
    expected = segment(model, volume).array
    assert len(np.unique(expected)) > 1
    steps = (STEPS[0], Placement("cpu", "cpu", "in pieces", in_pieces=True), STEPS[2])
    monkeypatch.setattr(model_module, "placements", lambda *_, **__: steps)
    switched = []
    switch = network.work_in_pieces
    monkeypatch.setattr(
        network, "work_in_pieces", lambda *, on: (switched.append(on), switch(on=on))
    )
    faults = Faults(1)
    monkeypatch.setattr(Engine, "run", faults.before(Engine.run))
    result = segment(model, volume)
    assert switched == [False, True]
    assert "in pieces" in result.source.notes
    np.testing.assert_array_equal(result.array, expected)
    monkeypatch.undo()
    segment(model, volume)
    assert network.enc_block_0[0].piece_values is None


def test_a_network_that_cannot_be_moved_takes_the_next_step():
    class Picky:
        def move(self, device):
            if device != "cpu":
                msg = "no room"
                raise torch.OutOfMemoryError(msg)

    ladder = Ladder(placements("cuda:0", sums_on_device=True), Picky())
    assert ladder.placement.network == "cpu"
    assert len(ladder.notes) == 2
