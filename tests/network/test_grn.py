import pytest
import torch

from napari_mednext.network.grn import (
    GRN_EPS,
    grn_factor,
    grn_reference,
    mean_to_sum,
    sum_to_mean,
)


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    v = torch.randn(2, 6, 3, 5, 4, dtype=torch.float64)
    gamma, beta = torch.randn(2, 1, 6, 1, 1, 1, dtype=torch.float64)
    return v, gamma, beta


def test_both_forms_are_one_family(tensors):
    v, gamma, beta = tensors
    mean = grn_reference(v, gamma, beta, form="mean")
    gain, eps = mean_to_sum(gamma)
    summed = grn_reference(v, gain, beta, form="sum", eps=eps)
    torch.testing.assert_close(summed, mean, rtol=1e-13, atol=1e-14)
    gain, eps = sum_to_mean(gamma)
    back = grn_reference(v, gain, beta, form="mean", eps=eps)
    expected = grn_reference(v, gamma, beta, form="sum")
    torch.testing.assert_close(back, expected, rtol=1e-13, atol=1e-14)


def test_factor_of_a_hand_computed_case():
    # Channel norms 3 and 4, mean 3.5, sum 7.
    v = torch.tensor([[[[[3.0, 0.0]]], [[[0.0, -4.0]]]]])
    gamma = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1, 1)
    mean = grn_factor(v, gamma, form="mean", eps=0.0)
    torch.testing.assert_close(mean, torch.tensor([[1 + 3 / 3.5, 1 + 8 / 3.5]]))
    summed = grn_factor(v, gamma, form="sum", eps=0.0)
    torch.testing.assert_close(summed, torch.tensor([[1 + 3 / 7, 1 + 8 / 7]]))


def test_a_fresh_layer_is_the_identity(tensors):
    v, gamma, _ = tensors
    zero = torch.zeros_like(gamma)
    torch.testing.assert_close(grn_reference(v, zero, zero, form="mean"), v)


def test_silent_channels_give_finite_gradients(tensors):
    v, gamma, _ = tensors
    v = v.clone()
    v[:, 2] = 0
    v.requires_grad_()
    grn_factor(v, gamma, form="mean").sum().backward()
    assert torch.isfinite(v.grad).all()
    assert torch.count_nonzero(v.grad[:, 2]) == 0


def test_half_precision_norms_do_not_overflow():
    v = torch.full((1, 2, 32, 32, 32), 60.0, dtype=torch.float16)
    gamma = torch.ones(1, 2, 1, 1, 1, dtype=torch.float16)
    factor = grn_factor(v, gamma, form="mean")
    torch.testing.assert_close(factor, torch.full((1, 2), 2.0), atol=1e-4, rtol=0)
    assert GRN_EPS == 1e-6
