"""What a GPU asks for, checked without one.

Tensors on the "meta" device have shapes and a device but no values: an operation that
looks at a value, or mixes devices, is refused. So what runs there would neither wait
for a GPU nor copy from it.
"""

import copy
import dataclasses

import pytest
import torch

from napari_mednext.training.device import autocast, fast_convolutions
from napari_mednext.training.from_labels import TrainingRun
from napari_mednext.training.learner import Learner
from napari_mednext.training.prefetch import Prefetcher
from napari_mednext.training.synthesis import Sample, Synthesizer

META = torch.device("meta")


class NoGenerator:
    """Stands in for a generator, which the device without values has not."""

    def __init__(self, device):
        pass

    def manual_seed(self, seed):
        return None


def test_drawing_looks_at_no_value(maps, table, monkeypatch):
    synthesizer = Synthesizer(
        maps,
        table,
        names=["a", "b"],
        patch=(16, 32, 16),
        spacing_mm=8.0,
        oversampling=2,
        device=META,
    )
    monkeypatch.setattr(torch, "Generator", NoGenerator)
    for seed in range(20):  # all branches
        sample = synthesizer.draw(seed)
        assert {part.device for part in sample} == {META}
        assert sample.scan.shape == (1, 16, 32, 16)
        assert sample.target.dtype == torch.uint8


def test_an_update_looks_at_no_value(settings):
    learner = Learner(settings, 4, META)
    # Counts of updates lie on the CPU as on a GPU; nothing else does.
    batch = Sample(
        torch.zeros(2, 1, 16, 32, 16, device=META),
        torch.zeros(2, 16, 32, 16, dtype=torch.uint8, device=META),
        torch.zeros(2, 3, device=META),
    )
    loss = learner.update(batch)
    assert (loss.device, loss.shape, learner.step) == (META, (), 1)


def test_only_cuda_halves_and_only_the_network(monkeypatch):
    with torch.autocast("cpu", torch.bfloat16), autocast(torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")
    asked = []
    monkeypatch.setattr(torch, "autocast", lambda *a, **k: asked.append((a, k)))
    autocast(torch.device("cuda:1"))
    assert asked == [(("cuda", torch.bfloat16), {})]


def test_recomputing_changes_no_weight(tmp_path, maps, table, settings):
    runs = []
    for checkpointing in ("none", "expansion"):
        changed = dataclasses.replace(settings, checkpointing=checkpointing, steps=2)
        run = TrainingRun(tmp_path / checkpointing, maps, table, changed)
        run.run()
        runs.append(run.averaged_weights())
    for name, value in runs[0].items():
        torch.testing.assert_close(value, runs[1][name])


def test_switches_of_cudnn_are_put_back():
    before = torch.backends.cudnn.benchmark
    with fast_convolutions(torch.device("cuda")):
        assert torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark == before
    with fast_convolutions(torch.device("cpu")):
        assert torch.backends.cudnn.benchmark == before


def test_batches_come_in_order_and_none_is_drawn_in_vain():
    drawn = []

    def draw(step):
        drawn.append((step, torch.get_num_threads()))
        return Sample(*[torch.tensor(step)] * 3)

    threads = torch.get_num_threads()
    with Prefetcher(draw, last=5, device=torch.device("cpu")) as batches:
        got = [int(batches.take(step).scan) for step in (2, 3, 4)]
    assert got == [2, 3, 4]
    assert drawn == [(2, threads), (3, threads), (4, threads)]


def test_a_failed_draw_is_told():
    def draw(step):
        msg = f"no step {step}"
        raise ValueError(msg)

    with (
        Prefetcher(draw, last=5, device=torch.device("cpu")) as batches,
        pytest.raises(ValueError, match="no step 1"),
    ):
        batches.take(1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_learning_on_a_gpu(tmp_path, maps, table, settings):
    settings = dataclasses.replace(settings, device="cuda", oversampling=2, steps=20)
    run = TrainingRun(tmp_path, maps, table, settings)
    before = copy.deepcopy(run.averaged_weights())
    run.run()
    assert run.history.state == "done"
    assert any(not torch.equal(v, before[k]) for k, v in run.averaged_weights().items())
