"""Global response normalisation in 3D, in both published forms.

Sources
-------
ConvNeXt V2, arXiv 2301.00808, section 3.2 (2D); its code divides by the channel *mean*
while the text divides by the *sum*. MedNeXt-v2 (arXiv 2512.17774) inherits the two
readings; the official MedNeXt repository (Apache-2.0) uses the mean with
``eps = 1e-6``. Both are the same family of functions: see :func:`mean_to_sum`.

What differs here: the response is applied as one factor per sample and channel,
``v * (1 + gamma * r) + beta``, which is the same number with fewer passes over the
expanded tensor, and the factor can be folded into the projection that follows.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "GRN_EPS",
    "GrnForm",
    "channel_squares",
    "factor_of_norms",
    "grn_factor",
    "grn_reference",
    "mean_to_sum",
    "sum_to_mean",
]

GrnForm = Literal["mean", "sum", "none"]

#: Added to the divisor, as in the official code (mean form).
GRN_EPS = 1e-6
#: The root has no slope at 0; below this the norm's gradient is taken as 0.
_TINY = torch.finfo(torch.float32).tiny


def grn_factor(
    v: Tensor, gamma: Tensor, *, form: GrnForm, eps: float = GRN_EPS
) -> Tensor:
    """Return ``1 + gamma * r``, one factor per sample and channel.

    Parameters
    ----------
    v : (n, e, z, y, x)
        Expanded features after the activation.
    gamma : (1, e, 1, 1, 1)
        Learned gain.
    form : {"mean", "sum"}
        Divide the channel norms by their mean or by their sum.
    eps : float
        Added to the divisor, in the unit of the form.

    Returns
    -------
    (n, e) float32, or float64 for float64 input
        The norms are reduced in at least float32: they overflow half precision.
    """
    norms = channel_squares(v).clamp_min(_TINY).sqrt()  # (n, e)
    return factor_of_norms(norms, gamma, form=form, eps=eps)


def factor_of_norms(
    norms: Tensor, gamma: Tensor, *, form: GrnForm, eps: float = GRN_EPS
) -> Tensor:
    """Return ``1 + gamma * r`` from the norms of the channels.

    Parameters
    ----------
    norms : (n, e)
        L2 norms over all voxels.
    gamma : (1, e, 1, 1, 1)
        Learned gain.
    form : {"mean", "sum"}
        Divide the norms by their mean or by their sum.
    eps : float
        Added to the divisor, in the unit of the form.

    Returns
    -------
    (n, e) of the norms' type
    """
    total = norms.sum(1, keepdim=True) if form == "sum" else norms.mean(1, keepdim=True)
    gain = gamma.reshape(1, -1).to(norms.dtype)
    factor: Tensor = 1 + gain * (norms / (total + eps))
    return factor


def channel_squares(v: Tensor) -> Tensor:
    """Return the sum of squares of every channel over its voxels.

    Sums over parts of a volume add up to that of the whole.

    Parameters
    ----------
    v : (n, e, z, y, x)
        Expanded features after the activation.

    Returns
    -------
    (n, e) float32, or float64 for float64 input
    """
    dtype = torch.float64 if v.dtype == torch.float64 else torch.float32
    if v.device.type != "cpu":
        norms: Tensor = torch.linalg.vector_norm(v, dim=(2, 3, 4), dtype=dtype)
        return norms.square()
    # A matrix product: reductions over channels-last memory are ten times slower.
    rows = v.permute(0, 2, 3, 4, 1).flatten(1, 3).to(dtype)  # (n, voxels, e)
    squares = rows.new_ones(v.shape[0], 1, rows.shape[1]) @ (rows * rows)
    return squares[:, 0]


def grn_reference(
    v: Tensor, gamma: Tensor, beta: Tensor, *, form: GrnForm, eps: float = GRN_EPS
) -> Tensor:
    """Return ``v * (1 + gamma * r) + beta``, written as in the paper.

    The network uses :func:`grn_factor`; this form is for people, converters and tests.
    """
    factor = grn_factor(v, gamma, form=form, eps=eps).to(v.dtype)
    return v * factor[:, :, None, None, None] + beta


def mean_to_sum(gamma: Tensor) -> tuple[Tensor, float]:
    """Return the sum form's gain and eps that give the mean form's function exactly.

    With ``e`` channels ``sum = e * mean``, so gain and eps grow by ``e``.
    """
    channels = gamma.numel()
    return gamma * channels, GRN_EPS * channels


def sum_to_mean(gamma: Tensor) -> tuple[Tensor, float]:
    """Return the mean form's gain and eps that give the sum form's function exactly."""
    channels = gamma.numel()
    return gamma / channels, GRN_EPS / channels
