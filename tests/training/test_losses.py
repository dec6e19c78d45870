import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_mednext.training.losses import (
    _class_sums,
    deep_supervision_loss,
    dice_cross_entropy,
    moved,
)


def slow_loss(logits, target, ignore):
    """Compute the same voxel by voxel, from the definitions."""
    classes = logits.shape[1]
    entropy, known = 0.0, 0
    overlap, predicted, present = ([0.0] * classes for _ in range(3))
    for place in torch.cartesian_prod(*[torch.arange(n) for n in target.shape]):
        n, z, y, x = place.tolist()
        value = int(target[n, z, y, x])
        if value == ignore:
            continue
        exps = [math.exp(v) for v in logits[n, :, z, y, x].tolist()]
        p = [e / sum(exps) for e in exps]
        entropy -= math.log(p[value])
        known += 1
        overlap[value] += p[value]
        present[value] += 1
        predicted = [a + b for a, b in zip(predicted, p, strict=True)]
    dice = [
        (2 * overlap[k] + 1e-5) / (predicted[k] + present[k] + 1e-5)
        for k in range(1, classes)
    ]
    return entropy / known + 1 - sum(dice) / len(dice)


def test_loss_equals_its_definition():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 3, 5, 2)
    target = torch.randint(0, 4, (2, 3, 5, 2))
    target[0, 1] = 255
    got = float(dice_cross_entropy(logits, target))
    assert got == pytest.approx(slow_loss(logits, target, 255), rel=1e-5)


def test_a_certain_right_answer_costs_nothing():
    target = torch.tensor([0, 1, 2, 1]).reshape(1, 1, 2, 2)
    logits = 50.0 * torch.nn.functional.one_hot(target, 3).permute(0, 4, 1, 2, 3)
    assert float(dice_cross_entropy(logits, target)) == pytest.approx(0, abs=1e-5)


def test_ignored_voxels_have_no_gradient():
    logits = torch.randn(1, 3, 2, 3, 4, requires_grad=True)
    target = torch.randint(0, 3, (1, 2, 3, 4))
    target[0, 1, 2] = 255
    dice_cross_entropy(logits, target).backward()
    assert torch.count_nonzero(logits.grad[0, :, 1, 2]) == 0
    assert torch.count_nonzero(logits.grad) > 0


def test_resolutions_are_weighted_by_halves():
    torch.manual_seed(1)
    target = torch.randint(0, 3, (1, 4, 8, 4))
    outputs = [torch.randn(1, 3, 4 >> k, 8 >> k, 4 >> k) for k in range(3)]
    parts = [
        float(dice_cross_entropy(o, target[:, :: 2**k, :: 2**k, :: 2**k]))
        for k, o in enumerate(outputs)
    ]
    expected = (4 * parts[0] + 2 * parts[1] + parts[2]) / 7
    assert float(deep_supervision_loss(outputs, target)) == pytest.approx(expected)
    alone = float(deep_supervision_loss(outputs[0], target))
    assert alone == pytest.approx(parts[0])


def test_moved_equals_scipy():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 5, 7, 4))
    offsets = np.array([[0.5, -0.25, 0.0], [-1.0, 0.75, 0.3]])
    got = moved(torch.from_numpy(logits), torch.from_numpy(offsets)).numpy()
    grid = np.indices(logits.shape[2:]).astype(float)
    for n, offset in enumerate(offsets):
        places = grid + offset[:, None, None, None]
        for k in range(3):
            expected = ndimage.map_coordinates(
                logits[n, k], places, order=1, mode="nearest"
            )
            np.testing.assert_allclose(got[n, k], expected, atol=1e-12)


def test_moved_by_nothing_is_the_same():
    logits = torch.randn(1, 2, 3, 4, 5)
    assert moved(logits, torch.zeros(1, 3)) is logits


def test_gradients_of_moved():
    logits = torch.randn(2, 2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    offset = torch.tensor([[0.5, 0.0, -0.5], [-0.25, 0.5, 0.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: moved(x, offset), logits)


def test_sums_for_gpus_are_those_for_cpus():
    generator = torch.Generator().manual_seed(3)
    rows = torch.rand(500, generator=generator, dtype=torch.float64)
    values = torch.randint(0, 5, (500,), generator=generator)
    expected = torch.zeros(6, dtype=torch.float64).index_add(0, values, rows)
    torch.testing.assert_close(_class_sums(rows, values, 6), expected)
