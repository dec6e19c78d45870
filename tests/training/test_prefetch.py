import torch

from napari_mednext.training.prefetch import Prefetcher
from napari_mednext.training.tuning.tuner import Batch


def draw(step):
    return Batch(torch.full((1, 1), float(step)), torch.zeros(1), torch.zeros(1, 3))


def test_batches_come_in_order_and_none_is_drawn_beyond_the_last():
    drawn = []

    def noting(step):
        drawn.append(step)
        return draw(step)

    with Prefetcher(noting, last=3, device=torch.device("cpu")) as batches:
        assert [float(batches.take(step).image) for step in range(3)] == [0, 1, 2]
    assert drawn == [0, 1, 2]


def test_beside_a_gpu_batches_may_be_drawn_on_the_cpu(monkeypatch):
    """A tensor on the CPU knows no streams: torch refuses to note one."""

    class Now:
        def wait_event(self, event):
            self.event = event

    now = Now()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: now)
    with Prefetcher(draw, last=2, device=torch.device("cpu")) as batches:
        monkeypatch.setattr(batches, "_make", lambda step: (draw(step), "ready"))
        assert float(batches.take(0).image) == 0
    assert now.event == "ready"
