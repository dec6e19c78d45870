import pytest
import torch

from napari_mednext.errors import InputError
from napari_mednext.network import PRESETS, MedNeXt, blocks, mednext, preset
from tests.network.reference import ReferenceNetwork

SMALL = {
    "width": 4,
    "blocks": (1, 2, 1, 1, 1, 1, 1, 1, 2),
    "ratios": (2, 3, 4, 2, 3, 2, 4, 3, 2),
}
#: Not a cube: equal sizes would hide a swapped axis.
SIZE = (16, 48, 32)


def count(**kwargs):
    with torch.device("meta"):
        network = MedNeXt(1, 3, **kwargs)
    return sum(p.numel() for p in network.parameters())


# reference/models.md of the design, section 1.1: counted on the official code, whose
# figures hold one dummy scalar and no GRN in down_0 (two times 128 and 256 values).
@pytest.mark.parametrize(
    ("name", "plain", "supervised", "official"),
    [
        ("base", 61_969_507, 61_969_507 + 2_892, 61_969_252),
        ("wide", 246_536_387, 246_536_387 + 5_772, 246_535_876),
    ],
)
def test_parameter_counts_are_the_published_ones(name, plain, supervised, official):
    assert count(**preset(name)) == plain
    assert count(deep_supervision=True, **preset(name)) == supervised
    width, ratio = PRESETS[name]["width"], PRESETS[name]["ratios"][1]
    assert plain - 2 * width * ratio + 1 == official


def test_v1_counts_are_the_published_ones():
    v1 = {"width": 32, "grn": "none"}
    two = (2,) * 9
    assert count(blocks=two, ratios=two, **v1) == 5_550_948 - 1
    ratios_b = (2, 3, 4, 4, 4, 4, 4, 3, 2)
    assert count(blocks=two, ratios=ratios_b, **v1) == 10_526_340 - 1
    blocks_m = (3, 4, 4, 4, 4, 4, 4, 4, 3)
    assert count(blocks=blocks_m, ratios=ratios_b, **v1) == 17_548_996 - 1
    large = preset("base") | {"grn": "none"}
    assert count(**large) == 61_779_300 - 1
    assert count(kernel_size=5, **large) == 62_992_932 - 1


def test_names_and_shapes_are_the_official_ones():
    with torch.device("meta"):
        network = MedNeXt(1, 3, width=32, blocks=(2,) * 9, ratios=(2,) * 9)
    weights = {name: tuple(v.shape) for name, v in network.state_dict().items()}
    assert len(weights) == 279 - 1 + 2  # no dummy, but GRN in down_0
    assert weights["stem.weight"] == (32, 1, 1, 1, 1)
    assert weights["enc_block_0.0.conv1.weight"] == (32, 1, 3, 3, 3)
    assert weights["enc_block_0.1.grn_gamma"] == (1, 64, 1, 1, 1)
    assert weights["down_0.conv3.weight"] == (64, 64, 1, 1, 1)
    assert weights["down_0.res_conv.weight"] == (64, 32, 1, 1, 1)
    assert weights["bottleneck.1.conv3.weight"] == (512, 1024, 1, 1, 1)
    assert weights["up_3.res_conv.weight"] == (512, 256, 1, 1, 1)
    assert weights["up_0.conv3.weight"] == (32, 128, 1, 1, 1)
    assert weights["out_0.conv_out.weight"] == (32, 3, 1, 1, 1)


@pytest.mark.parametrize("form", ["mean", "sum", "none"])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_outputs_equal_an_independent_network(perturb, form, kernel_size):
    torch.manual_seed(3)
    network = MedNeXt(
        2, 3, grn=form, kernel_size=kernel_size, deep_supervision=True, **SMALL
    )
    perturb(network.double()).train()
    x = torch.randn(2, 2, *SIZE, dtype=torch.float64)
    with torch.no_grad():
        got = network(x)
    expected = ReferenceNetwork(network.state_dict(), form=form).outputs(x)
    assert [tuple(o.shape[2:]) for o in got] == [
        tuple(n >> k for n in SIZE) for k in range(5)
    ]
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_single_precision_stays_close_to_double(perturb):
    torch.manual_seed(4)
    network = perturb(MedNeXt(1, 3, **SMALL)).eval()
    x = torch.randn(1, 1, *SIZE)
    with torch.no_grad():
        single = network(x)
        double = network.double()(x.double())
    assert (single - double).norm() / double.norm() < 1e-5


def test_head_of_features_is_the_output(perturb):
    network = perturb(MedNeXt(1, 3, **SMALL)).eval()
    x = torch.randn(1, 1, *SIZE)
    with torch.no_grad():
        features = network.features(x)
        assert features.shape == (1, SMALL["width"], *SIZE)
        torch.testing.assert_close(network.head(features), network(x))


def test_deep_supervision_gives_one_tensor_outside_training():
    network = MedNeXt(1, 3, deep_supervision=True, **SMALL).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 1, *SIZE)).shape == (1, 3, *SIZE)


def test_samples_of_a_batch_do_not_meet(perturb):
    network = perturb(MedNeXt(1, 3, **SMALL)).eval()
    x = torch.randn(2, 1, *SIZE)
    x[1] *= 7
    with torch.no_grad():
        both = network(x)
        for i in range(2):
            alone = network(x[i : i + 1])
            torch.testing.assert_close(both[i : i + 1], alone, rtol=1e-4, atol=1e-5)


def test_checkpointing_changes_no_gradient(perturb):
    gradients = []
    for how in ("none", "expansion"):
        torch.manual_seed(5)
        network = MedNeXt(1, 3, checkpointing=how, **SMALL)
        perturb(network.double()).train()
        x = torch.randn(1, 1, *SIZE, dtype=torch.float64)
        network(x).square().mean().backward()
        gradients.append({n: p.grad for n, p in network.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


@pytest.mark.parametrize("form", ["mean", "sum", "none"])
def test_working_in_pieces_gives_the_same_with_smaller_tensors(
    perturb, form, monkeypatch
):
    network = perturb(MedNeXt(1, 3, grn=form, **SMALL)).double().eval()
    x = torch.randn(2, 1, *SIZE, dtype=torch.float64)
    largest = []
    expand = blocks.MedNeXtBlock._expand

    def watched(block, normed):
        expanded = expand(block, normed)
        largest.append(expanded[0].numel())
        return expanded

    monkeypatch.setattr(blocks.MedNeXtBlock, "_expand", watched)
    limit = 30_000  # above one plane on every level
    monkeypatch.setattr(mednext, "PIECE_VALUES", limit)
    with torch.no_grad():
        whole, at_once = network(x), max(largest)
        largest.clear()
        network.work_in_pieces(on=True)
        torch.testing.assert_close(network(x), whole, rtol=1e-9, atol=1e-10)
        assert max(largest) <= limit < at_once / 10
        network.work_in_pieces(on=False)
        largest.clear()
        network(x)
        assert max(largest) == at_once


@pytest.mark.parametrize("size", [(16, 16, 24), (17, 16, 16), (16, 8, 16)])
def test_sizes_that_do_not_divide_are_refused(size):
    network = MedNeXt(1, 3, **SMALL)
    with pytest.raises(InputError, match=rf"multiple of 16 .* got \({size[0]}, "):
        network(torch.zeros(1, 1, *size))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"blocks": (1,) * 8}, "blocks must be 9 positive whole numbers, got"),
        ({"ratios": (0,) * 9}, "ratios must be 9 positive whole numbers, got"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"kernel_size": 4}, "odd positive number, got 4"),
        ({"grn": "max"}, "'mean', 'sum' or 'none', got 'max'"),
    ],
)
def test_impossible_networks_are_refused(change, match):
    with pytest.raises(InputError, match=match):
        MedNeXt(1, 3, **(SMALL | change))


def test_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(
        InputError, match=r"\['base', 'small', 'tiny', 'wide'\].*'huge'"
    ):
        preset("huge")
