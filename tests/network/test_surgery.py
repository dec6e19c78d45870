"""What a network knows is still there when its shape has changed."""

import itertools
import math

import numpy as np
import pytest
import torch

from napari_mednext.errors import InputError, ModelError
from napari_mednext.network import MedNeXt, load_weights
from napari_mednext.network.surgery import (
    add_lower_heads,
    enlarge_kernels,
    widen_heads,
    widen_stem,
)

SMALL = {"width": 2, "blocks": (1,) * 9, "ratios": (2,) * 9}
#: Multiples of the network's step, unequal on every axis.
SIZE = (16, 48, 32)


def network(perturb, channels=1, classes=3, **options):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        made = MedNeXt(channels, classes, **{**SMALL, **options})
    return perturb(made).eval()


def rebuilt(weights, channels, classes, **options):
    made = MedNeXt(channels, classes, **{**SMALL, **options})
    load_weights(made, weights)
    return made.eval()


def image(channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, *SIZE, generator=generator)


@torch.no_grad()
def probabilities(net, x):
    return torch.softmax(net(x).double(), dim=1)


class TestHeads:
    @pytest.mark.parametrize("new", [1, 2, 5])
    @pytest.mark.parametrize("share", [None, 0.01, 0.7])
    def test_old_classes_keep_their_probability_exactly(self, perturb, new, share):
        net, x = network(perturb), image()
        wide = widen_heads(net.state_dict(), [0, 1, 2, *[None] * new], share=share)
        before = probabilities(net, x)
        after = probabilities(rebuilt(wide, 1, 3 + new), x)
        torch.testing.assert_close(after[:, 1:3], before[:, 1:], atol=1e-6, rtol=1e-5)
        taken = new / (new + 1) if share is None else share
        background = before[:, :1]
        expected = torch.cat(
            [background * (1 - taken), *[background * taken / new] * new], dim=1
        )
        torch.testing.assert_close(
            after[:, [0, *range(3, 3 + new)]], expected, atol=1e-6, rtol=1e-5
        )

    def test_the_background_shares_equally_by_default(self, perturb):
        weights = network(perturb).state_dict()
        wide = widen_heads(weights, [0, 1, None, None, 2])
        old, bias = weights["out_0.conv_out.bias"], wide["out_0.conv_out.bias"]
        torch.testing.assert_close(bias[0], old[0] - math.log(3))
        assert bias[0] == bias[2] == bias[3]

    def test_rows_are_kept_to_the_last_bit_in_their_new_places(self, perturb):
        weights = network(perturb, classes=4, deep_supervision=True).state_dict()
        rows = [0, None, 3, 1, None, 2]
        wide = widen_heads(weights, rows)
        for k in range(5):
            name = f"out_{k}.conv_out"
            for place, row in enumerate(rows):
                source = 0 if row is None else row
                column = wide[f"{name}.weight"][:, place]
                assert torch.equal(column, weights[f"{name}.weight"][:, source])
                if row:
                    same = weights[f"{name}.bias"][row]
                    assert torch.equal(wide[f"{name}.bias"][place], same)
        changed = {n for n in wide if not torch.equal(wide[n], weights[n])}
        assert {n.split(".")[0] for n in changed} == {f"out_{k}" for k in range(5)}

    def test_nothing_new_changes_nothing(self, perturb):
        weights = network(perturb).state_dict()
        same = widen_heads(weights, [0, 1, 2])
        assert all(torch.equal(same[n], weights[n]) for n in weights)

    def test_a_dropped_class_gives_its_probability_to_the_others(self, perturb):
        net, x = network(perturb), image()
        before = probabilities(net, x)
        after = probabilities(rebuilt(widen_heads(net.state_dict(), [0, 2]), 1, 2), x)
        left = before[:, [0, 2]]
        torch.testing.assert_close(
            after, left / left.sum(1, keepdim=True), atol=1e-6, rtol=1e-5
        )

    def test_half_precision_stays_half(self, perturb):
        weights = {n: v.half() for n, v in network(perturb).state_dict().items()}
        assert widen_heads(weights, [0, 1, 2, None])["out_0.conv_out.bias"].dtype == (
            torch.float16
        )

    @pytest.mark.parametrize(
        ("rows", "sentence"),
        [
            ([0, 3, None], r"class that is kept must be one of 0 to 2, got 3"),
            ([0, -1], r"one of 0 to 2, got -1"),
            ([0, 1, 1], r"must be kept once, got \[0, 1, 1\]"),
            ([1, 0], r"keep 0, the background, as the first, got \[1, 0\]"),
            ([None, 0], r"the background, as the first, got \[None, 0\]"),
            ([], r"the background, as the first, got \[\]"),
        ],
    )
    def test_impossible_orders_are_refused(self, perturb, rows, sentence):
        with pytest.raises(InputError, match=sentence):
            widen_heads(network(perturb).state_dict(), rows)

    @pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
    def test_the_share_lies_between(self, perturb, share):
        with pytest.raises(InputError, match=f"between 0 and 1, got {share}"):
            widen_heads(network(perturb).state_dict(), [0, 1, 2, None], share=share)

    def test_a_head_is_needed(self):
        with pytest.raises(ModelError, match=r"must hold 'out_0.*got 1 tensors"):
            widen_heads({"stem.weight": torch.zeros(1)}, [0])


class TestStem:
    @torch.no_grad()
    def test_new_channels_change_nothing_whatever_they_hold(self, perturb):
        net = network(perturb, channels=2)
        wide = rebuilt(widen_stem(net.state_dict(), [None, 1, None, 0]), 4, 3)
        old, noise = image(2), 1e3 * image(2, seed=4)
        x = torch.cat([noise[:, :1], old[:, 1:], noise[:, 1:], old[:, :1]], dim=1)
        torch.testing.assert_close(wide(x), net(old), atol=1e-5, rtol=1e-5)

    @torch.no_grad()
    @pytest.mark.parametrize("n", [2, 3])
    def test_copies_agree_where_all_channels_hold_the_same(self, perturb, n):
        net, x = network(perturb), image()
        channels = [None, 0, *[None] * (n - 2)]
        weights = widen_stem(net.state_dict(), channels, new="copy")
        wide = rebuilt(weights, n, 3)
        same = x.repeat(1, n, 1, 1, 1)
        torch.testing.assert_close(wide(same), net(x), atol=1e-5, rtol=1e-5)
        assert torch.equal(weights["stem.weight"][:, 0], weights["stem.weight"][:, 1])

    @torch.no_grad()
    def test_a_dropped_channel_counts_as_zero(self, perturb):
        net, x = network(perturb, channels=2), image(2)
        narrow = rebuilt(widen_stem(net.state_dict(), [1]), 1, 3)
        zeroed = torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:]], dim=1)
        torch.testing.assert_close(narrow(x[:, 1:]), net(zeroed), atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize(
        ("channels", "new", "sentence"),
        [
            ([0, 2], "zero", r"channel that is kept must be one of 0 to 1, got 2"),
            ([0, 0], "zero", r"channel must be kept once, got \[0, 0\]"),
            ([None], "zero", r"order must keep one, got \[None\]"),
            ([0, 1, None], "copy", r"one old channel can be copied .*got \[0, 1, None"),
            ([0, None], "mean", r"'zero' or 'copy', got 'mean'"),
        ],
    )
    def test_impossible_orders_are_refused(self, perturb, channels, new, sentence):
        weights = network(perturb, channels=2).state_dict()
        with pytest.raises(InputError, match=sentence):
            widen_stem(weights, channels, new=new)


def slow_trilinear(kernel, size):
    """Each voxel of the larger kernel by hand: centres aligned, edges held."""
    old = kernel.shape[0]
    result = np.zeros((size,) * 3)
    for target in itertools.product(range(size), repeat=3):
        at = [min(max((t + 0.5) * old / size - 0.5, 0), old - 1) for t in target]
        low = [math.floor(c) for c in at]
        for corner in itertools.product((0, 1), repeat=3):
            weight = math.prod(
                c - start if up else 1 - (c - start)
                for c, start, up in zip(at, low, corner, strict=True)
            )
            index = tuple(
                min(start + up, old - 1) for start, up in zip(low, corner, strict=True)
            )
            result[target] += weight * kernel[index]
    return result


class TestKernels:
    @pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 5), (3, 7), (5, 7)])
    def test_kernels_of_all_blocks_are_interpolated(self, perturb, old, new):
        weights = network(perturb, kernel_size=old).state_dict()
        larger = enlarge_kernels(weights, new)
        for name in ("enc_block_1.0", "down_2", "up_0", "bottleneck.0"):
            before = weights[f"{name}.conv1.weight"]
            after = larger[f"{name}.conv1.weight"]
            assert after.shape == (*before.shape[:2], new, new, new)
            expected = slow_trilinear(before[1, 0].double().numpy(), new)
            np.testing.assert_allclose(after[1, 0].numpy(), expected, atol=1e-6)
        others = {n for n in weights if not n.endswith("conv1.weight")}
        assert all(torch.equal(larger[n], weights[n]) for n in others)
        assert weights["stem.weight"].shape == larger["stem.weight"].shape
        rebuilt(larger, 1, 3, kernel_size=new)

    def test_a_kernel_of_that_edge_is_the_same(self, perturb):
        weights = network(perturb, kernel_size=3).state_dict()
        same = enlarge_kernels(weights, 3)
        assert all(torch.equal(same[n], weights[n]) for n in weights)

    def test_what_was_centred_is_centred(self):
        """Mirrored kernels stay mirrored, and the centre keeps its value."""
        old = torch.arange(27.0).reshape(1, 1, 3, 3, 3)
        mirrored = {"a.conv1.weight": old.flip(2, 3, 4)}
        one = enlarge_kernels({"a.conv1.weight": old}, 7)["a.conv1.weight"]
        other = enlarge_kernels(mirrored, 7)["a.conv1.weight"]
        torch.testing.assert_close(one.flip(2, 3, 4), other)
        assert one[0, 0, 3, 3, 3] == 13

    def test_half_precision_stays_half(self):
        kernel = {"a.conv1.weight": torch.ones(2, 1, 3, 3, 3, dtype=torch.float16)}
        assert enlarge_kernels(kernel, 5)["a.conv1.weight"].dtype == torch.float16

    @pytest.mark.parametrize("kernel", [1, 4, 6])
    def test_kernels_grow_to_odd_edges(self, perturb, kernel):
        weights = network(perturb, kernel_size=3).state_dict()
        with pytest.raises(InputError, match=f"at least 3 voxels, got {kernel}"):
            enlarge_kernels(weights, kernel)

    def test_depthwise_kernels_are_needed(self):
        with pytest.raises(ModelError, match=r"must hold depthwise kernels"):
            enlarge_kernels({"stem.weight": torch.zeros(2, 1, 1, 1, 1)}, 5)


class TestLowerHeads:
    def test_all_missing_heads_are_made_and_others_kept(self, perturb):
        full = network(perturb, deep_supervision=True).state_dict()
        some = {n: v for n, v in full.items() if not n.startswith(("out_2", "out_4"))}
        made = add_lower_heads(some, 2)
        rebuilt(made, 1, 3, deep_supervision=True)
        assert all(torch.equal(made[n], some[n]) for n in some)
        assert made["out_4.conv_out.weight"].shape == (32, 3, 1, 1, 1)

    def test_the_same_seed_gives_the_same_heads(self, perturb):
        weights = network(perturb).state_dict()
        name = "out_3.conv_out.weight"
        first = add_lower_heads(weights, 2, 7)[name]
        torch.manual_seed(99)
        assert torch.equal(first, add_lower_heads(weights, 2, 7)[name])
        assert not torch.equal(first, add_lower_heads(weights, 2, 8)[name])

    @torch.no_grad()
    def test_a_head_answers_as_the_one_above_behind_the_residual(self, perturb):
        """Where the up block adds nothing but its residual, both agree."""
        net = network(perturb, width=8)
        weights = add_lower_heads(net.state_dict(), 8, 1)
        features = torch.randn(1, 16, 3, 5, 4)
        up = net.up_0.res_conv
        above = net.out_0(up(features))[:, :, ::2, ::2, ::2]
        wide = rebuilt(weights, 1, 3, width=8, deep_supervision=True)
        # The noise moves a logit by about HEAD_NOISE for features of unit size.
        torch.testing.assert_close(wide.out_1(features), above, atol=0.06, rtol=0)
        assert above.std() > 0.1

    def test_the_width_is_that_of_the_network(self, perturb):
        with pytest.raises(InputError, match=r"of the network, 2, got 16"):
            add_lower_heads(network(perturb).state_dict(), 16)

    @pytest.mark.parametrize("name", ["out_0.conv_out.bias", "up_2.res_conv.weight"])
    def test_what_is_projected_is_needed(self, perturb, name):
        weights = network(perturb).state_dict()
        del weights[name]
        with pytest.raises(ModelError, match=f"must hold '{name}'"):
            add_lower_heads(weights, 2)
