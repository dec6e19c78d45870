"""Dice and cross entropy with deep supervision.

Source: nnU-Net's loss (Isensee et al., Nature Methods 2021): one part soft Dice over
the foreground, one part cross entropy, summed over resolutions with weights 1, 1/2,
1/4 ... normalised to 1. Ignored voxels count in neither part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["deep_supervision_loss", "dice_cross_entropy", "moved"]

#: Added to numerator and denominator of the Dice, as in nnU-Net.
SMOOTH = 1e-5


def dice_cross_entropy(logits: Tensor, target: Tensor, *, ignore: int = 255) -> Tensor:
    """Return soft Dice loss plus cross entropy.

    Parameters
    ----------
    logits : (n, k, z, y, x)
        Before the softmax.
    target : (n, z, y, x) integers
        Class values 0..k-1, or ``ignore``.
    ignore : int
        Value that counts nowhere.

    Returns
    -------
    () float32
        Dice is taken over the batch and the classes 1..k-1, as ``1 - mean Dice``; a
        class that is in neither prediction nor target has Dice 1.
    """
    classes = logits.shape[1]
    rows = logits.permute(0, 2, 3, 4, 1).reshape(-1, classes).float()
    values = target.reshape(-1).long()
    log_p = F.log_softmax(rows, dim=1)
    known = values != ignore
    entropy = F.nll_loss(log_p, values, ignore_index=ignore, reduction="sum")
    entropy = entropy / known.sum().clamp_min(1)
    p = log_p.exp() * known[:, None]
    safe = torch.where(known, values, 0)
    ones = rows.new_ones(1, rows.shape[0])
    hit = p.gather(1, safe[:, None])[:, 0] * known
    overlap = (
        rows.new_zeros(classes).index_add(0, safe, hit)
        if rows.device.type == "cpu"
        else _class_sums(hit, safe, classes)
    )
    predicted = (ones @ p)[0]
    present = (
        torch.bincount(values[known], minlength=classes).to(rows.dtype)
        if rows.device.type == "cpu"
        else _class_sums(known.to(rows.dtype), safe, classes)
    )
    dice = (2 * overlap + SMOOTH) / (predicted + present + SMOOTH)
    return entropy + 1 - dice[1:].mean()


def _class_sums(rows: Tensor, values: Tensor, classes: int) -> Tensor:
    """Return the sum of the rows (m,) of each class value, (classes,), for GPUs.

    With index_add all rows would queue there for few sums and be added in changing
    order; bincount would make the CPU wait.
    """
    return torch.stack([(rows * (values == k)).sum() for k in range(classes)])


def deep_supervision_loss(
    outputs: Tensor | Sequence[Tensor], target: Tensor, *, ignore: int = 255
) -> Tensor:
    """Return the weighted loss over resolutions.

    Parameters
    ----------
    outputs : (n, k, z, y, x), or a sequence of these, each half the size before
        Logits.
    target : (n, z, y, x) integers
        At full resolution; lower ones take every second voxel.
    ignore : int
        Value that counts nowhere.

    Returns
    -------
    () float32
    """
    if isinstance(outputs, Tensor):
        return dice_cross_entropy(outputs, target, ignore=ignore)
    total = target.new_zeros((), dtype=torch.float32)
    weights = [0.5**level for level in range(len(outputs))]
    for level, (logits, weight) in enumerate(zip(outputs, weights, strict=True)):
        stride = 2**level
        thin = target[:, ::stride, ::stride, ::stride]
        loss = dice_cross_entropy(logits, thin, ignore=ignore)
        total = total + weight / sum(weights) * loss
    return total


def moved(logits: Tensor, offset: Tensor) -> Tensor:
    """Read logits between the voxels, by linear interpolation.

    Parameters
    ----------
    logits : (n, k, z, y, x) float32
        One value a voxel.
    offset : (n, 3)
        Where to read, in voxels from each voxel along (z, y, x), -1..1.

    Returns
    -------
    (n, k, z, y, x)
        The outermost voxels are repeated beyond the border.
    """
    # On a GPU, to look at the offset would be to wait for it.
    if offset.device.type == "cpu" and not bool(offset.any()):
        return logits
    n, k = logits.shape[:2]
    # Along each axis: the weights of the voxel before, the voxel and the one after.
    taps = torch.stack([(-offset).clamp_min(0), 1 - offset.abs(), offset.clamp_min(0)])
    z, y, x = taps.permute(2, 1, 0)  # each (n, 3)
    kernel = z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :]
    kernel = kernel[:, None].expand(n, k, 3, 3, 3).reshape(n * k, 1, 3, 3, 3)
    rows = logits.reshape(1, n * k, *logits.shape[2:])
    rows = F.pad(rows, (1,) * 6, mode="replicate")
    return F.conv3d(rows, kernel, groups=n * k).reshape(logits.shape)
