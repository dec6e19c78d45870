"""Weights of a trained MedNeXt, brought to a network of another shape.

New classes, more input channels, larger kernels and heads of deep supervision, each so
that the changed network starts from what the trained one knows. All functions take a
state dict of :class:`.MedNeXt` and return another; what does not change is shared with
the one that was given, so copy it before training in place.

Sources
-------
- New classes: Cermelli et al., Modeling the Background for Incremental Learning in
  Semantic Segmentation, CVPR 2020, section 3.3: they share the probability of the
  background. How large their share is can be chosen here.
- Larger kernels: UpKern of MedNeXt v1, arXiv 2303.09975, section 2.3, and the official
  repository (Apache-2.0) at 0b78ed8: trilinear interpolation with ``align_corners``
  false, and no other scale, for the instance normalisation behind each depthwise
  convolution takes scales away.
- Channels of zero weight and heads of lower resolutions are our own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from napari_mednext.errors import InputError, ModelError
from napari_mednext.network.mednext import DOWNSAMPLINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

__all__ = ["add_lower_heads", "enlarge_kernels", "widen_heads", "widen_stem"]

NewChannels = Literal["zero", "copy"]

#: Standard deviation of what is added to a projected head, times sqrt(channels): small
#: beside the heads of trained networks, enough to tell classes of equal heads apart.
HEAD_NOISE = 0.01


def widen_heads(
    weights: Mapping[str, Tensor],
    rows: Sequence[int | None],
    *,
    share: float | None = None,
) -> dict[str, Tensor]:
    """Return weights whose heads have other classes, for networks with a softmax.

    Every new class starts as the background with less probability, so the probability
    of each old class but the background is what it was, for any scan. The label with
    the highest probability may be another one where the background was ahead of an old
    class by little; the smaller the share, the fewer such voxels.

    Parameters
    ----------
    weights : mapping of name to tensor
        All heads in it are widened, ``out_0`` and any of the lower ones.
    rows : sequence of int or None
        The new classes in order: the old class that is kept, or None for a new one. The
        first is 0, the background. An old class that is not named is dropped, and the
        others get its probability in proportion.
    share : float, between 0 and 1, optional
        How much of the background's probability goes to the new classes, in equal
        parts. By default the background keeps as much as each of them gets.

    Returns
    -------
    dict of name to tensor
        Rows of old classes are kept to the last bit, but for the background's bias.

    Raises
    ------
    InputError
        If a class is not there or named twice, the first is not the background, or the
        share is not between 0 and 1.
    ModelError
        If ``out_0`` is missing.
    """
    old = _tensor(weights, "out_0.conv_out.weight").shape[1]
    _check_kept(rows, old, "class", first=0)
    new = sum(row is None for row in rows)
    if share is None:
        share = new / (new + 1)
    elif not 0 < share < 1:
        msg = (
            "the share of the new classes must lie between 0 and 1, got "
            f"{share!r}: leave it out for equal parts"
        )
        raise InputError(msg)
    taken = [0 if row is None else row for row in rows]
    shift = torch.zeros(len(rows), dtype=torch.float64)
    if new:
        shift[0] = math.log1p(-share)
        shift[[row is None for row in rows]] = math.log(share / new)
    changed = dict(weights)
    for k in _heads(weights):
        name = f"out_{k}.conv_out"
        changed[f"{name}.weight"] = _tensor(weights, f"{name}.weight")[:, taken]
        bias = _tensor(weights, f"{name}.bias")[taken]
        moved = (bias.double() + shift.to(bias.device)).to(bias.dtype)
        changed[f"{name}.bias"] = torch.where(shift.to(bias.device) == 0, bias, moved)
    return changed


def widen_stem(
    weights: Mapping[str, Tensor],
    channels: Sequence[int | None],
    *,
    new: NewChannels = "zero",
) -> dict[str, Tensor]:
    """Return weights for images of other channels.

    Parameters
    ----------
    weights : mapping of name to tensor
        Of a network.
    channels : sequence of int or None
        The new channels in order: the old channel whose weights are kept, or None for a
        new one. An old channel that is not named is dropped, as if it held zeros.
    new : {"zero", "copy"}
        What a new channel starts with. ``zero``: outputs are what they were, whatever
        it holds. ``copy``: all channels share the weights of the only old one that is
        kept, so outputs are what they were where all channels hold the same image.

    Returns
    -------
    dict of name to tensor
        ``stem.weight`` is (width, channels, 1, 1, 1).

    Raises
    ------
    InputError
        If a channel is not there or named twice, none is kept, or ``copy`` finds more
        than one to copy.
    ModelError
        If the stem is missing.
    """
    stem = _tensor(weights, "stem.weight")
    _check_kept(channels, stem.shape[1], "channel")
    kept = [channel for channel in channels if channel is not None]
    if new not in ("zero", "copy"):
        msg = f"new channels must start with 'zero' or 'copy', got {new!r}"
        raise InputError(msg)
    if new == "copy":
        if len(kept) != 1:
            msg = (
                "the weights of one old channel can be copied to the new ones, got "
                f"{list(channels)!r}: keep one, or start the new ones from 'zero'"
            )
            raise InputError(msg)
        # float64, so that the parts of float16 weights add up as well as they can.
        part = (stem[:, kept].double() / len(channels)).to(stem.dtype)
        return {**weights, "stem.weight": part.repeat(1, len(channels), 1, 1, 1)}
    wide = stem.new_zeros(stem.shape[0], len(channels), *stem.shape[2:])
    for position, channel in enumerate(channels):
        if channel is not None:
            wide[:, position] = stem[:, channel]
    return {**weights, "stem.weight": wide}


def enlarge_kernels(weights: Mapping[str, Tensor], kernel: int) -> dict[str, Tensor]:
    """Return weights for larger depthwise kernels, interpolated from the trained ones.

    Parameters
    ----------
    weights : mapping of name to tensor
        Of a network; the depthwise kernels of its normal, down and up blocks change,
        and the 1x1x1 convolutions do not.
    kernel : int
        Odd edge in voxels, at least that of every kernel that is there.

    Returns
    -------
    dict of name to tensor
        Equal to what was given where a kernel has that edge already.

    Raises
    ------
    InputError
        If the edge is even or smaller than that of a kernel.
    ModelError
        If there is no depthwise kernel.
    """
    names = [name for name in weights if name.endswith(".conv1.weight")]
    if not names:
        msg = (
            "the weights must hold depthwise kernels, got none that is named "
            "'*.conv1.weight': use those of a MedNeXt"
        )
        raise ModelError(msg)
    largest = max(max(weights[name].shape[2:]) for name in names)
    if kernel < largest or kernel % 2 == 0:
        msg = (
            f"the kernels must grow to an odd edge of at least {largest} voxels, got "
            f"{kernel!r}: choose {largest + 2}, or keep {largest}"
        )
        raise InputError(msg)
    changed = dict(weights)
    for name in names:
        old = weights[name]
        if old.shape[2:] == (kernel,) * 3:
            continue
        exact = old if old.dtype == torch.float64 else old.float()
        larger = F.interpolate(
            exact, size=(kernel,) * 3, mode="trilinear", align_corners=False
        )
        changed[name] = larger.to(old.dtype)
    return changed


def add_lower_heads(
    weights: Mapping[str, Tensor], width: int, seed: int = 0
) -> dict[str, Tensor]:
    """Return weights with the heads of deep supervision that are missing.

    A missing head starts as the head above it behind the residual of the up block that
    lies between, the shortest way from its features to classes, and a little noise.

    Parameters
    ----------
    weights : mapping of name to tensor
        With ``out_0``.
    width : int
        Of the network: channels at full resolution.
    seed : int
        Of the noise; the same seed gives the same heads on every machine.

    Returns
    -------
    dict of name to tensor
        With ``out_1`` to ``out_4``; heads that were there are kept as they are.

    Raises
    ------
    InputError
        If the width is not that of the network.
    ModelError
        If ``out_0`` or an up block is missing.
    """
    head = _tensor(weights, "out_0.conv_out.weight")
    if head.shape[0] != width:
        msg = (
            f"the width must be that of the network, {head.shape[0]}, got {width!r}: "
            "take it from the model's plans"
        )
        raise InputError(msg)
    generator = torch.Generator().manual_seed(seed)
    changed = dict(weights)
    for k in range(1, DOWNSAMPLINGS + 1):
        matrix, bias = _projected(changed, k)
        # Drawn for every level: a head does not depend on which others are there.
        noise = torch.randn(matrix.shape, generator=generator, dtype=torch.float64)
        matrix = matrix + (HEAD_NOISE / math.sqrt(matrix.shape[0])) * noise
        name = f"out_{k}.conv_out"
        if f"{name}.weight" not in weights:
            changed[f"{name}.weight"] = matrix[:, :, None, None, None].to(head)
            changed[f"{name}.bias"] = bias.to(head)
    return changed


def _projected(weights: Mapping[str, Tensor], k: int) -> tuple[Tensor, Tensor]:
    """Return head k - 1 behind its up block's residual: (in, classes), (classes,)."""
    above = _tensor(weights, f"out_{k - 1}.conv_out.weight").flatten(1).double().cpu()
    above_bias = _tensor(weights, f"out_{k - 1}.conv_out.bias").double().cpu()
    up = f"up_{k - 1}.res_conv"
    residual = _tensor(weights, f"{up}.weight").flatten(1).double().cpu()
    bias = _tensor(weights, f"{up}.bias").double().cpu()
    return residual @ above, bias @ above + above_bias


def _tensor(weights: Mapping[str, Tensor], name: str) -> Tensor:
    """Return a tensor that a network must have."""
    if name not in weights:
        msg = (
            f"the weights must hold {name!r}, got {len(weights)} tensors without it: "
            "use those of a MedNeXt"
        )
        raise ModelError(msg)
    return weights[name]


def _heads(weights: Mapping[str, Tensor]) -> list[int]:
    """Return the resolutions that have a head, the full one first."""
    levels = range(DOWNSAMPLINGS + 1)
    return [k for k in levels if f"out_{k}.conv_out.weight" in weights]


def _check_kept(
    given: Sequence[int | None], old: int, noun: str, *, first: int | None = None
) -> None:
    """Refuse an order that names what is not there, twice, or nothing."""
    kept = [number for number in given if number is not None]
    wrong = [number for number in kept if not 0 <= number < old]
    if wrong:
        msg = (
            f"a {noun} that is kept must be one of 0 to {old - 1}, got {wrong[0]!r}: "
            f"use None for a new one"
        )
        raise InputError(msg)
    if len(set(kept)) < len(kept):
        msg = f"a {noun} must be kept once, got {list(given)!r}: use None for a new one"
        raise InputError(msg)
    if not kept or (first is not None and given[0] != first):
        wanted = "one" if first is None else f"{first}, the background, as the first"
        msg = f"the order must keep {wanted}, got {list(given)!r}: add it"
        raise InputError(msg)
