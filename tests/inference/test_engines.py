import threading

import numpy as np
import pytest
import torch

from napari_mednext.errors import Cancelled
from napari_mednext.inference import engines
from napari_mednext.inference.engines import CompiledEngine, Engine, make_engine
from tests.inference.standins import Context, Headless, NearestClass

SIZE = (6, 8, 10)


@pytest.fixture
def tile():
    return torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(0))


def engine_of(*networks, heads, width=None, mirror_axes=()):
    return Engine(
        networks, heads=heads, device="cpu", mirror_axes=mirror_axes, width=width
    )


@pytest.mark.parametrize("mirror_axes", [(), (1,), (0, 2), (0, 1, 2)])
def test_features_and_logits_lead_to_the_same(tile, mirror_axes):
    networks = (Context(1, 9, 3), Context(1, 9, 3, seed=1))
    carried = make_engine(
        "eager", networks, heads=9, device="cpu", mirror_axes=mirror_axes
    )
    plain = engine_of(*networks, heads=9, mirror_axes=mirror_axes)
    assert (carried.carries, carried.channels) == ("features", 6)
    assert (plain.carries, plain.channels) == ("logits", 9)
    features, logits = carried.run(tile), plain.run(tile)
    assert features.shape == (6, *SIZE)
    for z in range(SIZE[0]):
        gap = (carried.logits(features[:, z]) - plain.logits(logits[:, z])).abs()
        assert gap.max() < 1e-5


def test_features_are_carried_only_where_they_are_fewer():
    many, few = Context(1, 9, 3), Context(1, 3, 3)
    assert make_engine("auto", [many], heads=9, device="cpu").carries == "features"
    assert make_engine("auto", [few], heads=3, device="cpu").carries == "logits"
    folds = [many, many, many]
    assert make_engine("auto", folds, heads=9, device="cpu").carries == "logits"
    foreign = [Headless(many)]
    assert make_engine("auto", foreign, heads=9, device="cpu").carries == "logits"
    mixed = [many, Context(1, 9, 4)]
    assert make_engine("auto", mixed, heads=9, device="cpu").carries == "logits"


@pytest.mark.parametrize("axes", [(0,), (0, 1), (0, 1, 2)])
def test_mirroring_is_the_mean_over_all_flips(tile, axes):
    network = Headless(Context(1, 4, 3))
    engine = engine_of(network, heads=4, mirror_axes=axes)
    assert len(engine.flips) == 2 ** len(axes)
    total = 0
    with torch.inference_mode():
        for flips in engine.flips:
            dims = [a + 2 for a in flips]
            total = total + network(tile[None].flip(dims)).flip(dims)
    wanted = total[0] / len(engine.flips)
    assert torch.allclose(engine.run(tile), wanted, atol=1e-6)


def test_sizes_that_the_network_refuses_are_padded():
    tile = torch.randn(1, 5, 7, 9)
    engine = engine_of(Context(1, 4, 3), heads=4)
    padded = torch.zeros(1, 6, 8, 10)
    padded[:, :5, :7, :9] = tile
    wanted = engine.run(padded)[:, :5, :7, :9]
    assert torch.equal(engine.run(tile), wanted)


def test_a_network_that_returns_its_input_does_not_spoil_it(tile):
    before = tile.clone()
    engine = engine_of(torch.nn.Identity(), heads=1, mirror_axes=(0, 1))
    assert torch.equal(engine.run(tile), before)
    assert torch.equal(tile, before)


def test_cancel_is_seen_between_flips(tile):
    engine = engine_of(NearestClass(3), heads=3, mirror_axes=(0, 1, 2))
    flag = threading.Event()
    runs = []

    def count(*_):
        runs.append(1)
        if len(runs) == 3:
            flag.set()

    engine.networks[0].register_forward_hook(count)
    with pytest.raises(Cancelled, match="cancelled"):
        engine.run(tile, cancel=flag)
    assert len(runs) == 3


def test_fused_is_told_to_be_missing():
    engine = make_engine("fused", [NearestClass(3)], heads=3, device="cpu")
    assert engine.name == "eager"
    assert engine.notes == [
        "the fused engine is not part of this version: went on with the plain one"
    ]


def test_compiled_runs_what_torch_compile_returns(tile, monkeypatch):
    compiled = []

    def compile_(function):
        def run(fold, x):
            compiled.append(fold)
            return function(fold, x)

        return run

    monkeypatch.setattr(engines.torch, "compile", compile_)
    network = Context(1, 4, 3)
    engine = make_engine("compiled", [network], heads=4, device="cpu")
    assert isinstance(engine, CompiledEngine)
    wanted = engine_of(network, heads=4, width=3).run(tile)
    assert torch.equal(engine.run(tile), wanted)
    assert compiled == [0]
    assert engine.notes == []


def test_what_cannot_be_compiled_runs_eagerly_and_is_told(tile, monkeypatch):
    def compile_(function):
        def run(fold, x):
            msg = "no C++ compiler"
            raise RuntimeError(msg)

        return run

    monkeypatch.setattr(engines.torch, "compile", compile_)
    network = Context(1, 4, 3)
    engine = make_engine("compiled", [network], heads=4, device="cpu")
    wanted = engine_of(network, heads=4, width=3).run(tile)
    for _ in range(2):
        assert torch.equal(engine.run(tile), wanted)
    assert engine.notes == [
        "this machine cannot compile the network: went on with the plain engine"
    ]


def test_memory_that_runs_out_while_compiled_is_for_the_ladder(tile, monkeypatch):
    def compile_(function):
        def run(fold, x):
            msg = "CUDA out of memory"
            raise torch.OutOfMemoryError(msg)

        return run

    monkeypatch.setattr(engines.torch, "compile", compile_)
    engine = make_engine("compiled", [Context(1, 4, 3)], heads=4, device="cpu")
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        engine.run(tile)
    assert engine.notes == []


def test_networks_that_do_not_fit_run_on_the_processor(monkeypatch):
    network = NearestClass(3)

    def to(device):
        if torch.device(device).type == "meta":
            msg = "no room"
            raise torch.OutOfMemoryError(msg)
        return network

    monkeypatch.setattr(network, "to", to)
    engine = Engine([network], heads=3, device="meta")
    assert engine.device.type == "cpu"
    assert "does not fit into the memory of meta" in engine.notes[0]


def test_weights_are_counted():
    network = Context(1, 4, 3)
    wanted = sum(p.numel() * 4 for p in network.parameters())
    assert engine_of(network, network, heads=4).weight_bytes == 2 * wanted
    assert np.isclose(wanted, 4 * (3 * 27 + 3 + 9 * 27 + 3 + 12 + 4))
