import numpy as np
import pytest
import torch
from skimage.transform import resize

from napari_mednext.inference import decide
from napari_mednext.inference.decide import Decision, PlaneDecider
from napari_mednext.preprocessing import sample_axis


def blobs(heads, shape, seed=0):
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(heads, *shape))
    logits = ndimage.gaussian_filter(noise, (0, 1.5, 2, 2.5))
    return (logits / logits.std() * 3).astype(np.float32)


def decided(logits, shape, orders=(1, 1, 1), *, decision=None, probabilities=None):
    samplings = [
        sample_axis(n, m, order)
        for n, m, order in zip(logits.shape[1:], shape, orders, strict=True)
    ]
    labels = np.full(shape, 99, dtype=np.uint8)
    decider = PlaneDecider(
        labels,
        samplings,
        lambda z: torch.from_numpy(logits[:, z]),
        decision or Decision(),
        probabilities=probabilities,
    )
    for final in range(logits.shape[1] + 1):
        decider.advance(final)
    assert decider.done == shape[0]
    return labels


SHAPES = [(23, 31, 9), (5, 8, 29), (9, 13, 17), (9, 26, 17), (3, 13, 17)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("heads", [2, 7])
def test_labels_are_the_argmax_of_resized_logits(shape, heads):
    logits = blobs(heads, (9, 13, 17))
    fine = np.stack(
        [
            resize(h.astype(float), shape, 1, mode="edge", anti_aliasing=False)
            for h in logits
        ]
    )
    labels = decided(logits, shape)
    wanted = fine.argmax(axis=0)
    best = np.sort(fine, axis=0)
    clear = best[-1] - best[-2] > 1e-5
    assert clear.mean() > 0.999
    assert np.array_equal(labels[clear], wanted[clear])


@pytest.mark.parametrize("axis", range(3))
def test_a_separate_axis_takes_the_nearest(axis):
    shape = (14, 20, 23)
    logits = blobs(5, (9, 13, 17))
    orders = [1, 1, 1]
    orders[axis] = 0
    middle = list(shape)
    middle[axis] = logits.shape[axis + 1]
    fine = np.stack(
        [
            resize(h.astype(float), middle, 1, mode="edge", anti_aliasing=False)
            for h in logits
        ]
    )
    nearest = np.floor((np.arange(shape[axis]) + 0.5) * middle[axis] / shape[axis])
    fine = fine.take(nearest.astype(int), axis=axis + 1)
    assert (decided(logits, shape, orders) != fine.argmax(axis=0)).sum() == 0


def test_borders_in_small_pieces_are_the_same(monkeypatch):
    logits = blobs(6, (5, 9, 11), seed=3)
    whole = decided(logits, (8, 21, 25))
    monkeypatch.setattr(decide, "GATHER_VALUES", 50)
    assert np.array_equal(decided(logits, (8, 21, 25)), whole)


def test_first_of_equal_logits_wins():
    logits = np.zeros((4, 2, 3, 3), np.float32)
    logits[2:] = 1
    assert (decided(logits, (4, 5, 6)) == 2).all()


def test_later_regions_write_over_earlier_ones():
    logits = blobs(3, (6, 7, 8))
    decision = Decision((5, 1, 9))
    fine = np.stack(
        [
            resize(h.astype(float), (11, 9, 5), 1, mode="edge", anti_aliasing=False)
            for h in logits
        ]
    )
    wanted = np.zeros((11, 9, 5), int)
    for head, value in zip(fine, (5, 1, 9), strict=True):
        wanted[head > 0] = value
    labels = decided(logits, (11, 9, 5), decision=decision)
    clear = np.abs(fine).min(axis=0) > 1e-5
    assert np.array_equal(labels[clear], wanted[clear])


@pytest.mark.parametrize("regions", [None, (3, 1, 2, 4)])
def test_probabilities_belong_to_the_labels(regions):
    logits = blobs(4, (6, 7, 8))
    shape = (9, 9, 5)
    scores = np.zeros((4, *shape), np.float32)
    decision = Decision(regions)
    labels = decided(logits, shape, decision=decision, probabilities=scores)
    assert np.array_equal(labels, decided(logits, shape, decision=decision))
    fine = np.stack(
        [
            resize(h.astype(float), shape, 1, mode="edge", anti_aliasing=False)
            for h in logits
        ]
    )
    if regions is None:
        wanted = np.exp(fine) / np.exp(fine).sum(axis=0)
    else:
        wanted = 1 / (1 + np.exp(-fine))
    assert np.abs(scores - wanted).max() < 1e-5


def test_only_planes_that_are_read_are_asked_for_once_each():
    logits = blobs(3, (30, 4, 4))
    asked = []

    def source(z):
        asked.append(z)
        return torch.from_numpy(logits[:, z])

    samplings = [sample_axis(n, m, 1) for n, m in ((30, 7), (4, 4), (4, 4))]
    labels = np.zeros((7, 4, 4), np.uint8)
    decider = PlaneDecider(labels, samplings, source, Decision())
    decider.advance(3)
    assert decider.done == 1
    decider.advance(30)
    assert decider.done == 7
    assert len(asked) == len(set(asked)) <= 14


def test_forgetting_asks_again():
    logits = blobs(3, (4, 4, 4))
    asked = []

    def source(z):
        asked.append(z)
        return torch.from_numpy(logits[:, z])

    samplings = [sample_axis(4, n, 1) for n in (8, 4, 4)]
    decider = PlaneDecider(np.zeros((8, 4, 4), np.uint8), samplings, source, Decision())
    decider.advance(2)
    decider.forget()
    decider.advance(4)
    assert asked.count(1) == 2
