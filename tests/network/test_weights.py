import pytest
import torch

from napari_mednext.errors import ModelError
from napari_mednext.network import MedNeXt, build, load_weights

SMALL = {"width": 2, "blocks": (1,) * 9, "ratios": (2,) * 9}


def test_official_and_wrapped_names_load(perturb):
    source = perturb(MedNeXt(1, 3, deep_supervision=True, **SMALL))
    weights = {f"module._orig_mod.{n}": v for n, v in source.state_dict().items()}
    weights["module._orig_mod.dummy_tensor"] = torch.ones(1)
    target = MedNeXt(1, 3, **SMALL)
    load_weights(target, weights)
    for name, value in target.state_dict().items():
        torch.testing.assert_close(value, source.state_dict()[name])


def test_missing_grn_in_the_first_down_block_is_the_identity(perturb):
    source = perturb(MedNeXt(1, 3, **SMALL))
    weights = source.state_dict()
    del weights["down_0.grn_gamma"], weights["down_0.grn_beta"]
    target = perturb(MedNeXt(1, 3, **SMALL), seed=9)
    load_weights(target, weights)
    assert torch.count_nonzero(target.down_0.grn_gamma) == 0
    assert torch.count_nonzero(target.down_0.grn_beta) == 0


def test_missing_and_unknown_names_are_counted():
    network = MedNeXt(1, 3, **SMALL)
    weights = network.state_dict()
    weights["stranger"] = weights.pop("stem.bias")
    with pytest.raises(
        ModelError, match=r"1 missing .*stem\.bias.*1 unknown.*stranger"
    ):
        load_weights(network, weights)


def test_other_shapes_are_named():
    weights = MedNeXt(1, 4, **SMALL).state_dict()
    with pytest.raises(ModelError, match=r"out_0.* shape \(2, 3, .* got \(2, 4, "):
        load_weights(MedNeXt(1, 3, **SMALL), weights)


def test_a_plan_names_a_known_class_only():
    with pytest.raises(ModelError, match=r"one of \[.*MedNeXt.*got 'os\.system'"):
        build("os.system", input_channels=1, num_classes=2)


def test_a_plan_with_wrong_arguments_is_refused():
    with pytest.raises(ModelError, match=r"must fit MedNeXt, got \{'depth': 3\}"):
        build("MedNeXt", input_channels=1, num_classes=2, arch_kwargs={"depth": 3})


def test_a_plan_builds_the_network():
    network = build(
        "napari_mednext.network.mednext.MedNeXt",
        input_channels=2,
        num_classes=3,
        arch_kwargs={
            k: list(v) if isinstance(v, tuple) else v for k, v in SMALL.items()
        },
    )
    assert network.stem.weight.shape == (2, 2, 1, 1, 1)
