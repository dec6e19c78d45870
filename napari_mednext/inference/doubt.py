"""How much a model is in doubt at a voxel: the entropy of what it predicts there.

The prediction is the one that labels are decided from: the mean of the logits of all
mirrored runs and of all tiles that hold the voxel. Tiles that overlap by half are runs
at shifted positions, up to eight of them at a voxel; where they contradict each other
their mean lies between the classes and the entropy is high.

It is the entropy of the softmax, divided by that of a model that knows nothing, so 1
means that all classes are equally likely; a voxel between two of k classes has
log 2 / log k. With regions it is the mean over the regions of the entropy of each
sigmoid, in bits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_mednext.inference.decide import Decision

__all__ = ["PIECE_VALUES", "as_bytes", "entropy"]

#: Logits that are looked at together: their exponentials stay in the cache.
PIECE_VALUES = 500_000


def entropy(logits: Tensor, decision: Decision) -> Tensor:
    """Return the doubt of every voxel of a plane.

    Parameters
    ----------
    logits : (k, y, x) float32
        On any device. Not modified.
    decision : Decision
        Whether heads are classes or regions.

    Returns
    -------
    (y, x) float32
        From 0, certain, to 1, undecided between all; 0 with a single class.

    Notes
    -----
    Takes three times ``PIECE_VALUES`` beside the logits, for planes of any size.
    """
    heads, rows, columns = logits.shape
    doubt = logits.new_zeros((rows, columns))
    of_piece = _of_classes if decision.region_values is None else _of_regions
    if heads == 1 and decision.region_values is None:
        return doubt
    step = max(1, PIECE_VALUES // (heads * columns))
    for start in range(0, rows, step):
        doubt[start : start + step] = of_piece(logits[:, start : start + step])
    return doubt


def as_bytes(doubt: Tensor) -> Tensor:
    """Return doubts 0..1 as the nearest of 0..255 (uint8)."""
    return (doubt * 255).round().clamp(0, 255).to(torch.uint8)


def _of_classes(logits: Tensor) -> Tensor:
    """Entropy of the softmax over the heads, as a fraction of the largest."""
    below_best = logits - logits.amax(dim=0)
    weights = below_best.exp()
    total = weights.sum(dim=0)
    mean = below_best.mul_(weights).sum(dim=0) / total
    return (total.log() - mean) / math.log(len(logits))


def _of_regions(logits: Tensor) -> Tensor:
    """Mean over the heads of the entropy of a sigmoid, in bits."""
    size = logits.abs()
    bits = torch.nn.functional.softplus(-size) + size * torch.sigmoid(-size)
    return bits.mean(dim=0) / math.log(2)
