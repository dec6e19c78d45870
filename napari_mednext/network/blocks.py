"""The three blocks of MedNeXt: standard, down and up.

Sources
-------
MedNeXt v1 (arXiv 2303.09975, section 2) and v2 (arXiv 2512.17774); parameter names and
shapes follow the official MedNeXt repository (Apache-2.0), so its weights load by name.

What differs, without changing a number beyond rounding:

- 1x1x1 convolutions run as matrix products on the CPU, where features are kept
  channels-last: depthwise convolutions are then several times faster.
- The transposed depthwise convolution is zero-stuffing and a plain convolution on the
  CPU, and the residual of the up block is added to the voxels that it reaches only.
- GRN is a factor per channel that is folded into the projection.
- ``down_0`` has GRN as every other block; the official code forgets it there, which
  equals zero gain and offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from torch.utils.checkpoint import checkpoint

from napari_mednext.network.depthwise import depthwise_conv
from napari_mednext.network.grn import (
    GRN_EPS,
    GrnForm,
    channel_squares,
    factor_of_norms,
    grn_factor,
)

__all__ = [
    "BlockOptions",
    "Checkpointing",
    "DownBlock",
    "MedNeXtBlock",
    "OutHead",
    "UpBlock",
    "pointwise",
]

Checkpointing = Literal["none", "expansion"]

#: As in nn.GroupNorm and nn.InstanceNorm3d.
NORM_EPS = 1e-5


@dataclass(frozen=True)
class BlockOptions:
    """What all blocks of a network share.

    ``kernel_size`` is the odd size of the depthwise convolutions in voxels. ``grn`` is
    the form of the global response normalisation, "none" for MedNeXt v1.
    ``checkpointing`` "expansion" recomputes the expanded tensor in the backward pass
    instead of keeping it: most of the memory for about a tenth more time.
    """

    kernel_size: int = 3
    grn: GrnForm = "mean"
    checkpointing: Checkpointing = "none"


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply a 1x1x1 convolution.

    Parameters
    ----------
    x : (n, c, z, y, x)
        Features.
    weight : (out, c, 1, 1, 1) or (n, out, c)
        One matrix for all samples, or one for each.
    bias : (out,) or None
        Added to every voxel.

    Returns
    -------
    (n, out, z, y, x)
        Channels-last in memory on the CPU.
    """
    if weight.ndim == 3:
        if x.shape[0] > 1:
            parts = [
                pointwise(x[i : i + 1], weight[i, :, :, None, None, None], bias)
                for i in range(x.shape[0])
            ]
            return torch.cat(parts)
        weight = weight[0, :, :, None, None, None]
    if x.device.type != "cpu":
        return F.conv3d(x, weight, bias)
    matrix = weight.flatten(1)
    return F.linear(x.permute(0, 2, 3, 4, 1), matrix, bias).permute(0, 4, 1, 2, 3)


def instance_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalise every channel of every sample over its voxels, then scale and shift.

    The same as ``nn.GroupNorm(c, c)``. On the CPU the sums are matrix products, which
    are much faster there than reductions over channels-last memory.
    """
    n, channels = x.shape[:2]
    if x.device.type != "cpu":
        return F.group_norm(x, channels, weight, bias, NORM_EPS)
    rows = x.permute(0, 2, 3, 4, 1).reshape(n, -1, channels)  # (n, voxels, c)
    average = rows.new_full((1, 1, rows.shape[1]), 1.0 / rows.shape[1])
    average = average.expand(n, -1, -1)
    centred = rows - average @ rows
    variance = average @ (centred * centred)  # (n, 1, c)
    scaled = centred * (torch.rsqrt(variance + NORM_EPS) * weight) + bias
    return scaled.reshape(n, *x.shape[2:], channels).permute(0, 4, 1, 2, 3)


def zero_stuff(x: Tensor) -> Tensor:
    """Put a zero between neighbouring voxels: (n, c, d...) to (n, c, 2d - 1 ...)."""
    n, c, *size = x.shape
    stuffed = x.new_zeros(n, *(2 * d - 1 for d in size), c).permute(0, 4, 1, 2, 3)
    stuffed[:, :, ::2, ::2, ::2] = x
    return stuffed


class MedNeXtBlock(nn.Module):
    """Depthwise convolution, norm, expansion, GELU, GRN, projection, residual.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after; they differ in the resampling blocks only.
    ratio : int
        The expanded width is ``ratio * in_channels``.
    options : BlockOptions
    """

    stride = 1
    #: At inference the expanded tensor is made with at most so many values at a time,
    #: but at least a plane; None makes it at once: computed once instead of twice.
    piece_values: int | None = None

    def __init__(
        self, in_channels: int, out_channels: int, *, ratio: int, options: BlockOptions
    ) -> None:
        super().__init__()
        expanded = ratio * in_channels
        self.options = options
        self.grn_eps = GRN_EPS
        if options.grn != "none":
            self.grn_beta = nn.Parameter(torch.zeros(1, expanded, 1, 1, 1))
            self.grn_gamma = nn.Parameter(torch.zeros(1, expanded, 1, 1, 1))
        self.conv1 = self._depthwise(in_channels)
        self.norm = nn.GroupNorm(in_channels, in_channels, eps=NORM_EPS)
        self.conv2 = nn.Conv3d(in_channels, expanded, 1)
        self.conv3 = nn.Conv3d(expanded, out_channels, 1)

    def _depthwise(self, channels: int) -> nn.Conv3d | nn.ConvTranspose3d:
        k = self.options.kernel_size
        return nn.Conv3d(
            channels, channels, k, stride=self.stride, padding=k // 2, groups=channels
        )

    def convolve(self, x: Tensor) -> Tensor:
        """Return the depthwise convolution of (n, c, z, y, x)."""
        return depthwise_conv(
            x, self.conv1.weight, _bias(self.conv1), stride=self.stride
        )

    def expand_and_project(self, x: Tensor, extra_bias: Tensor | None = None) -> Tensor:
        """Return norm, expansion, GELU, GRN and projection of (n, c, z, y, x)."""
        bias = _bias(self.conv3)
        if extra_bias is not None:
            bias = bias + extra_bias
        if self.options.checkpointing == "expansion" and torch.is_grad_enabled():
            result: Tensor = checkpoint(
                self._expand_and_project, x, bias, use_reentrant=False
            )
            return result
        if self.piece_values is not None and not torch.is_grad_enabled():
            return self._in_pieces(x, bias, self.piece_values)
        return self._expand_and_project(x, bias)

    def _in_pieces(self, x: Tensor, bias: Tensor, values: int) -> Tensor:
        """Do the same in slabs of planes; with GRN, the first pass finds its norms."""
        normed = instance_norm(x, self.norm.weight, self.norm.bias)
        a_plane = self.conv2.out_channels * x.shape[3] * x.shape[4]
        planes = max(1, values // a_plane)
        slabs = torch.split(normed, planes, dim=2)
        weight = self.conv3.weight
        if self.options.grn != "none":
            squares = torch.stack([channel_squares(self._expand(s)) for s in slabs])
            norms = squares.sum(0).sqrt()
            factor = factor_of_norms(
                norms, self.grn_gamma, form=self.options.grn, eps=self.grn_eps
            )
            matrix = weight.flatten(1)
            bias = bias + matrix @ self.grn_beta.reshape(-1)
            weight = (matrix * factor[:, None, :]).to(x.dtype)
        return torch.cat([pointwise(self._expand(s), weight, bias) for s in slabs], 2)

    def _expand(self, normed: Tensor) -> Tensor:
        """Return the expanded features after the activation, (n, e, z, y, x)."""
        return F.gelu(pointwise(normed, self.conv2.weight, self.conv2.bias))

    def _expand_and_project(self, x: Tensor, bias: Tensor) -> Tensor:
        v = self._expand(instance_norm(x, self.norm.weight, self.norm.bias))
        weight = self.conv3.weight
        if self.options.grn == "none":
            return pointwise(v, weight, bias)
        factor = grn_factor(v, self.grn_gamma, form=self.options.grn, eps=self.grn_eps)
        matrix = weight.flatten(1)  # (out, e)
        bias = bias + matrix @ self.grn_beta.reshape(-1)
        # W (v * s + beta) + b = (W diag s) v + (b + W beta)
        return pointwise(v, (matrix * factor[:, None, :]).to(v.dtype), bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, (n, c, z, y, x) to the same shape."""
        return self.expand_and_project(self.convolve(x)) + x


class DownBlock(MedNeXtBlock):
    """A block that halves the resolution: (n, c, d...) to (n, 2c, ceil(d / 2)...).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    ratio : int
        The expanded width is ``ratio * in_channels``.
    options : BlockOptions
    """

    stride = 2

    def __init__(
        self, in_channels: int, out_channels: int, *, ratio: int, options: BlockOptions
    ) -> None:
        super().__init__(in_channels, out_channels, ratio=ratio, options=options)
        self.res_conv = nn.Conv3d(in_channels, out_channels, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output at half the resolution."""
        residual = pointwise(
            x[:, :, ::2, ::2, ::2], self.res_conv.weight, self.res_conv.bias
        )
        return self.expand_and_project(self.convolve(x)) + residual


class UpBlock(MedNeXtBlock):
    """A block that doubles the resolution: (n, 2c, d...) to (n, c, 2d...).

    The transposed convolutions give 2d - 1 voxels; one plane of zeros is put at the low
    end of each axis, where only the skip connection survives.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    ratio : int
        The expanded width is ``ratio * in_channels``.
    options : BlockOptions
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, ratio: int, options: BlockOptions
    ) -> None:
        super().__init__(in_channels, out_channels, ratio=ratio, options=options)
        self.res_conv = nn.ConvTranspose3d(in_channels, out_channels, 1, stride=2)

    def _depthwise(self, channels: int) -> nn.Conv3d | nn.ConvTranspose3d:
        k = self.options.kernel_size
        return nn.ConvTranspose3d(
            channels, channels, k, stride=2, padding=k // 2, groups=channels
        )

    def convolve(self, x: Tensor) -> Tensor:
        """Return the transposed depthwise convolution, d to 2d - 1 voxels an axis."""
        weight, bias = self.conv1.weight, _bias(self.conv1)
        if x.device.type != "cpu":
            pad, groups = weight.shape[-1] // 2, x.shape[1]
            return F.conv_transpose3d(
                x, weight, bias, stride=2, padding=pad, groups=groups
            )
        return depthwise_conv(zero_stuff(x), weight.flip(2, 3, 4), bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output at twice the resolution."""
        y = self.expand_and_project(self.convolve(x), _bias(self.res_conv))
        residual = pointwise(x, self.res_conv.weight.transpose(0, 1), None)
        y[:, :, ::2, ::2, ::2] += residual
        return F.pad(y, (1, 0, 1, 0, 1, 0))


class OutHead(nn.Module):
    """The 1x1x1 convolution from features to class logits.

    Stored as a transposed convolution, weight (in, classes, 1, 1, 1), as the official
    weights are.

    Parameters
    ----------
    in_channels, num_classes : int
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv_out = nn.ConvTranspose3d(in_channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (n, c, z, y, x) to (n, classes, z, y, x)."""
        return pointwise(x, self.conv_out.weight.transpose(0, 1), self.conv_out.bias)


def _bias(conv: nn.Conv3d | nn.ConvTranspose3d) -> Tensor:
    """Return the bias of a convolution that was made with one."""
    bias: Tensor = conv.bias  # type: ignore[assignment]  # made with bias=True
    return bias
