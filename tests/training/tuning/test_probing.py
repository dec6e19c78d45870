"""Heads that are fitted before the network learns."""

import copy

import numpy as np
import pytest
import torch
from scipy import optimize, special

from napari_mednext.labels import LabelSet
from napari_mednext.network import build
from napari_mednext.training.losses import moved
from napari_mednext.training.tuning.classes import IGNORE_HEAD, class_map
from napari_mednext.training.tuning.losses import cost_of_rows
from napari_mednext.training.tuning.probing import (
    Known,
    fit_head,
    fit_heads,
    gather_known,
)
from napari_mednext.training.tuning.tuner import Batch

TINY = {"width": 4, "blocks": [1] * 9, "ratios": [2] * 9}


def classes_of(old, study):
    names = LabelSet.from_names
    return class_map(
        names(dict(enumerate(old, start=1))), names(dict(enumerate(study, start=1)))
    )


def batch(seed=0, shape=(32, 48, 32), heads=4, offset=(0.2, -0.3, 0.0)):
    """A random image of which three planes are known."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(1, 1, *shape)).astype(np.float32)
    target = np.full((1, *shape), IGNORE_HEAD, np.uint8)
    for plane in (5, 12, 20):
        target[:, plane] = rng.integers(0, heads, shape[1:])
    return Batch(
        torch.from_numpy(image), torch.from_numpy(target), torch.tensor([offset])
    )


def cost_by_hand(rows, values, background, foreground):
    """Dice and cross entropy in numpy, voxel by voxel."""
    p = special.softmax(rows, axis=1)
    right = [
        p[i, list(background)].sum() if value == 0 else p[i, value]
        for i, value in enumerate(values)
    ]
    dice = []
    for head in foreground:
        is_head = values == head
        overlap = 2 * p[is_head, head].sum() + 1e-5
        dice.append(overlap / (p[:, head].sum() + is_head.sum() + 1e-5))
    return -np.mean(np.log(right)) + 1 - np.mean(dice)


def test_features_are_those_of_the_known_voxels():
    each = batch()
    head = torch.nn.Conv3d(3, 2, 1)
    features = torch.randn(1, 3, *each.image.shape[2:])
    known, _ = gather_known(lambda _: [features, features[..., ::2, ::2, ::2]], [each])
    logits = moved(head(features), each.offset).permute(0, 2, 3, 4, 1)
    expected = logits[each.target != IGNORE_HEAD]
    found = known.features @ head.weight[:, :, 0, 0, 0].T + head.bias
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(known.values, each.target[each.target != IGNORE_HEAD].long())


def test_a_large_batch_is_thinned_evenly(monkeypatch):
    monkeypatch.setattr("napari_mednext.training.tuning.probing._MOST_ROWS", 100)
    each = batch()
    features = torch.randn(1, 3, *each.image.shape[2:])
    (known,) = gather_known(lambda _: [features], [each, each])
    rows = int((each.target != IGNORE_HEAD).sum())
    assert known.features.shape == (2 * len(range(0, rows, -(-rows // 100))), 3)


@pytest.mark.parametrize("seed", range(3))
def test_a_fit_costs_as_little_as_another_solver_finds(seed):
    classes = classes_of(["a", "b", "unlabelled"], ["a", "b", "new"])
    rng = np.random.default_rng(seed)
    values = rng.choice([0, 1, 2, 4], 300)
    centres = rng.normal(size=(5, 3)) * 2
    features = centres[values] + rng.normal(size=(300, 3))
    weight, bias = rng.normal(size=(3, 5)), rng.normal(size=5)
    free = [1, 4]
    known = Known(torch.tensor(features).float(), torch.tensor(values))
    new_weight, new_bias = fit_head(
        torch.tensor(weight).float(), torch.tensor(bias).float(), known, classes,
        free=free,
    )  # fmt: skip
    kept = [0, 2, 3]
    assert np.array_equal(new_weight[:, kept].numpy(), weight[:, kept].astype("f4"))
    assert np.array_equal(new_bias[kept].numpy(), bias[kept].astype("f4"))

    spread = features.std(0, ddof=1)

    def cost(flat):
        w, b = weight.copy(), bias.copy()
        change = flat[:6].reshape(3, 2)
        w[:, free], b[free] = w[:, free] + change, b[free] + flat[6:]
        far = 1e-3 * np.square(change * spread[:, None]).sum()
        logits = features @ w + b
        return far + cost_by_hand(logits, values, classes.background, classes.learned)

    ours = np.concatenate(
        [
            (new_weight.numpy() - weight)[:, free].ravel(),
            (new_bias.numpy() - bias)[free],
        ]
    )
    best = optimize.minimize(cost, np.zeros(8), method="BFGS").fun
    assert cost(ours) < cost(np.zeros(8))
    assert cost(ours) <= best + 2e-3


def test_two_new_classes_that_begin_alike_are_told_apart():
    """Without it they answer the same until gradients have pulled them apart."""
    classes = classes_of(["grey"], ["grey", "thalamus", "putamen"])
    rng = np.random.default_rng(1)
    values = torch.tensor(rng.integers(0, 4, 2000))
    features = torch.nn.functional.one_hot(values, 4).float()
    features = features + 0.1 * torch.tensor(rng.normal(size=(2000, 4))).float()
    weight, bias = torch.zeros(4, 4), torch.zeros(4)
    weight, bias = fit_head(
        weight, bias, Known(features, values), classes, free=[1, 2, 3]
    )
    said = (features @ weight + bias).argmax(1)
    assert float((said == values).float().mean()) > 0.99


def test_features_that_are_no_numbers_leave_the_head_as_it_was():
    features = torch.full((200, 3), torch.nan)
    known = Known(features, torch.zeros(200, dtype=torch.long))
    weight, bias = torch.randn(3, 2), torch.randn(2)
    classes = classes_of(["a"], ["a"])
    found = fit_head(weight, bias, known, classes, free=[0, 1])
    assert torch.equal(found[0], weight)
    assert torch.equal(found[1], bias)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = build(
        "MedNeXt", input_channels=1, num_classes=4, deep_supervision=True,
        arch_kwargs=TINY,
    )  # fmt: skip
    with torch.no_grad():
        for k in range(1, 5):
            for parameter in getattr(made, f"out_{k}").parameters():
                parameter.zero_()
    return made.train()


def test_only_what_is_new_of_a_network_changes(network):
    classes = classes_of(["a", "b"], ["a", "b", "new"])
    before = copy.deepcopy(network.state_dict())
    batches = [batch(seed) for seed in range(3)]
    fit_heads(network, classes, batches, new=[3], origins={3: {0: 0.5, 2: 0.5}})
    after = network.state_dict()
    assert network.training
    for name, value in before.items():
        if not name.startswith("out_"):
            assert torch.equal(value, after[name]), name
    weight = "out_0.conv_out.weight"
    same = (before[weight] == after[weight]).all(0).flatten()
    assert same.tolist() == [True, True, False, False]
    for k in range(1, 4):
        assert after[f"out_{k}.conv_out.weight"].any()


def test_the_loss_of_every_resolution_is_lower_after_a_fit(network):
    classes = classes_of(["a", "b"], ["a", "b", "new"])
    batches = [batch(seed) for seed in range(3)]

    @torch.no_grad()
    def costs():
        network.eval()
        return [
            float(
                cost_of_rows(
                    known.features @ head.conv_out.weight[:, :, 0, 0, 0]
                    + head.conv_out.bias,
                    known.values,
                    background=classes.background,
                    foreground=classes.learned,
                )
            )
            for known, head in zip(
                gather_known(network.levels, batches),
                [getattr(network, f"out_{k}") for k in range(5)],
                strict=True,
            )
        ]

    before = costs()
    fit_heads(network, classes, batches, new=[3], origins={})
    after = costs()
    assert all(new < old for new, old in zip(after[:4], before[:4], strict=True))


def test_other_networks_are_left_alone():
    other = torch.nn.Conv3d(1, 3, 1)
    before = copy.deepcopy(other.state_dict())
    fit_heads(
        other, classes_of(["a"], ["a", "b"]), [batch(heads=3)], new=[2], origins={}
    )
    after = other.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_nothing_known_changes_nothing(network):
    blind = batch()
    blind.target.fill_(IGNORE_HEAD)
    before = copy.deepcopy(network.state_dict())
    fit_heads(
        network, classes_of(["a", "b"], ["a", "b", "new"]), [blind], new=[3], origins={}
    )
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
