import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from napari_mednext.network.blocks import (
    BlockOptions,
    DownBlock,
    MedNeXtBlock,
    UpBlock,
    instance_norm,
    pointwise,
    zero_stuff,
)
from napari_mednext.network.depthwise import depthwise_conv

SIZE = (3, 5, 4)


@pytest.mark.parametrize("form", ["mean", "sum", "none"])
@pytest.mark.parametrize("block", [MedNeXtBlock, DownBlock, UpBlock])
def test_gradients_agree_with_differences_in_double_precision(block, form, perturb):
    torch.manual_seed(0)
    wide = {MedNeXtBlock: 2, DownBlock: 4, UpBlock: 1}[block]
    module = block(2, wide, ratio=2, options=BlockOptions(grn=form)).double()
    perturb(module)
    x = torch.randn(1, 2, *SIZE, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in module.named_parameters()]
    values = tuple(p.detach().requires_grad_() for p in module.parameters())

    def run(x, *values):
        parameters = dict(zip(names, values, strict=True))
        return torch.func.functional_call(module, parameters, (x,))

    assert torch.autograd.gradcheck(run, (x, *values))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [3, 16, 37])
def test_depthwise_backward_equals_the_native_one(stride, channels):
    torch.manual_seed(1)
    x = torch.randn(2, channels, 6, 5, 7, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(channels, 1, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(channels, dtype=torch.float64, requires_grad=True)
    out = depthwise_conv(x, weight, bias, stride=stride)
    grad = torch.randn_like(out)
    got = torch.autograd.grad(out, (x, weight, bias), grad)
    native = F.conv3d(x, weight, bias, stride=stride, padding=1, groups=channels)
    expected = torch.autograd.grad(native, (x, weight, bias), grad)
    for a, b in zip((out, *got), (native, *expected), strict=True):
        torch.testing.assert_close(a, b)


def test_pointwise_takes_one_matrix_for_each_sample():
    torch.manual_seed(2)
    x, weight = torch.randn(2, 3, *SIZE), torch.randn(2, 4, 3)
    got = pointwise(x, weight, None)
    torch.testing.assert_close(got, torch.einsum("noc,nczyx->nozyx", weight, x))


def test_instance_norm_is_group_norm_with_a_group_a_channel():
    torch.manual_seed(3)
    x = torch.randn(2, 3, *SIZE, dtype=torch.float64) * 5 + 100
    weight, bias = torch.randn(2, 3, dtype=torch.float64)
    expected = F.group_norm(x, 3, weight, bias, 1e-5)
    torch.testing.assert_close(instance_norm(x, weight, bias), expected)


def test_zero_stuffing_puts_zeros_between():
    x = torch.arange(1.0, 5.0).reshape(1, 1, 1, 2, 2)
    expected = torch.tensor([[[[[1.0, 0, 2], [0, 0, 0], [3, 0, 4]]]]])
    torch.testing.assert_close(zero_stuff(x), expected)


def test_low_faces_of_the_up_path_are_exactly_zero(perturb):
    torch.manual_seed(4)
    block = perturb(UpBlock(4, 2, ratio=2, options=BlockOptions()))
    y = block(torch.randn(1, 4, *SIZE)).detach()
    assert y.shape == (1, 2, 6, 10, 8)
    for axis in (2, 3, 4):
        assert torch.count_nonzero(y.select(axis, 0)) == 0
        assert torch.count_nonzero(y.select(axis, 1)) > 0


def test_down_block_rounds_odd_sizes_up():
    block = DownBlock(2, 4, ratio=2, options=BlockOptions())
    assert block(torch.zeros(1, 2, 5, 6, 7)).shape == (1, 4, 3, 3, 4)
