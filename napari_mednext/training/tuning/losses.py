"""What a model is told when it learns corrections: a loss for partial knowledge.

Where somebody looked: soft Dice and cross entropy as in nnU-Net. A voxel that the study
calls background may there also be of a class that the study has no label for, so their
probabilities are added. Where nobody looked, the old model's answer counts instead; a
new class counts there as what the old model could call it.

Sources: nnU-Net (Isensee et al., Nature Methods 2021) for the loss; Li and Hoiem,
"Learning without Forgetting", 2016, for the distillation; Cermelli et al., "Modeling
the Background", CVPR 2020, for adding classes up in both parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from napari_mednext.training.losses import SMOOTH, moved
from napari_mednext.training.tuning.classes import IGNORE_HEAD, ClassMap
from napari_mednext.training.tuning.origins import Hearing, allowed_table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Objective",
    "coarse_target",
    "cost_of_rows",
    "distillation",
    "partial_dice_cross_entropy",
]


#: How fast trust falls: an old model that is right nine times of ten counts two thirds,
#: one that is wrong half of the time hardly at all.
_TRUST_POWER = 4
#: A class of fewer voxels than this counts less than others in the distillation.
_FEW_VOXELS = 100


@dataclass(frozen=True)
class Objective:
    """The loss of one study and model.

    Parameters
    ----------
    classes : ClassMap
        What the heads stand for.
    distill_weight : float
        Of the old model's answer where nobody looked.
    heard : Hearing
        What the old model calls each new head, and how far it is trusted.
    """

    classes: ClassMap
    distill_weight: float
    heard: Hearing = field(default_factory=Hearing)

    def __call__(
        self,
        outputs: Sequence[Tensor],
        target: Tensor,
        offset: Tensor,
        teacher: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        outputs : sequence of (n, k, z, y, x)
            Logits, the finest first, each half the size before.
        target : (n, z, y, x) integers
            Heads, `IGNORE_HEAD` where nobody looked, at points between the voxels.
        offset : (n, 3)
            Where the points lie from the voxels, in voxels along (z, y, x).
        teacher : (n, old heads, z, y, x), optional
            Logits of the old model at the voxels.

        Returns
        -------
        () float32
        """
        finest, *lower = outputs
        finest = finest.float()
        weights = [0.5**level for level in range(len(outputs))]
        total = weights[0] * self._partial(moved(finest, offset), target)
        for level, (logits, weight) in enumerate(
            zip(lower, weights[1:], strict=True), start=1
        ):
            thin = coarse_target(target, 2**level)
            total = total + weight * self._partial(logits, thin)
        total = total / sum(weights)
        if teacher is not None and self.distill_weight > 0:
            mimicry = distillation(finest, teacher, target, self.classes, self.heard)
            total = total + self.distill_weight * mimicry
        return total

    def _partial(self, logits: Tensor, target: Tensor) -> Tensor:
        return partial_dice_cross_entropy(
            logits,
            target,
            background=self.classes.background,
            foreground=self.classes.learned,
        )


def partial_dice_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    background: Sequence[int],
    foreground: Sequence[int],
) -> Tensor:
    """Return soft Dice loss plus cross entropy over the voxels that are known.

    Parameters
    ----------
    logits : (n, k, z, y, x)
        Before the softmax.
    target : (n, z, y, x) integers
        0, a head of ``foreground``, or `IGNORE_HEAD`.
    background : sequence of int
        Heads that are all right where the target is 0, itself among them.
    foreground : sequence of int
        Heads whose mean Dice counts.

    Returns
    -------
    () float32
        0 where nothing is known.
    """
    known = target != IGNORE_HEAD
    # Only what is known is computed: of a scan with three slices, a small part.
    rows = logits.permute(0, 2, 3, 4, 1)[known].float()
    values = target[known].long()
    if values.numel() == 0:
        return logits.float().sum() * 0.0
    return cost_of_rows(rows, values, background=background, foreground=foreground)


def cost_of_rows(
    rows: Tensor,
    values: Tensor,
    *,
    background: Sequence[int],
    foreground: Sequence[int],
) -> Tensor:
    """Return soft Dice loss plus cross entropy of known voxels, as rows.

    Parameters
    ----------
    rows : (m, k) float32
        Logits of one voxel or more.
    values : (m,) int64
        0, or a head of ``foreground``.
    background, foreground : sequence of int
        As in :func:`partial_dice_cross_entropy`.

    Returns
    -------
    () float32
    """
    log_p = F.log_softmax(rows, dim=1)
    log_right = log_p.gather(1, values[:, None])[:, 0]
    if len(background) > 1:
        merged = torch.logsumexp(log_p[:, list(background)], dim=1)
        log_right = torch.where(values == 0, merged, log_right)
    entropy = -log_right.mean()
    p = log_p.exp()
    heads = list(foreground)
    hits = p.gather(1, values[:, None])[:, 0]
    overlap = p.new_zeros(p.shape[1]).index_add(0, values, hits)[heads]
    predicted = p.sum(0)[heads]
    present = torch.bincount(values, minlength=p.shape[1]).to(p.dtype)[heads]
    dice = (2 * overlap + SMOOTH) / (predicted + present + SMOOTH)
    return entropy + 1 - dice.mean()


def distillation(
    logits: Tensor,
    teacher: Tensor,
    target: Tensor,
    classes: ClassMap,
    heard: Hearing | None = None,
) -> Tensor:
    """Return how far the answer is from the old model's, where that is all there is.

    Parameters
    ----------
    logits : (n, k, z, y, x)
        Before the softmax.
    teacher : (n, old heads, z, y, x)
        Logits of the old model.
    target : (n, z, y, x) integers
        Counted are the voxels with `IGNORE_HEAD`, and those of background that the old
        model gives a class which the study has no label for.
    classes : ClassMap
        What the heads stand for.
    heard : Hearing, optional
        What the old model calls each new head: where it says so, the new head's
        probability counts as that. The background where a head is missing. And how
        far it is trusted.

    Returns
    -------
    () float32
        Kullback-Leibler divergence from the old model's probabilities: the mean over
        the classes that it says, of the mean over a class's voxels, so that a small one
        is not forgotten for the sake of the background. A voxel counts the more the
        surer the old model is, a class by the fourth power of the trust in it. 0 where
        no voxel is counted.
    """
    heard = heard or Hearing()
    counted = target == IGNORE_HEAD
    if classes.unlabelled:
        said = teacher.argmax(1)
        is_unlabelled = torch.isin(said, said.new_tensor(classes.unlabelled))
        counted = counted | ((target == 0) & is_unlabelled)
    rows = logits.permute(0, 2, 3, 4, 1)[counted].float()
    if rows.shape[0] == 0:
        return logits.float().sum() * 0.0
    log_p = F.log_softmax(rows, dim=1)
    log_q = F.log_softmax(teacher.permute(0, 2, 3, 4, 1)[counted].float(), dim=1)
    old = classes.known
    if classes.count > old:
        # At every voxel the class that the old model gives it takes in the new ones
        # that come from it.
        given = log_q.argmax(1, keepdim=True)
        table = allowed_table(classes, heard.origins).to(rows.device)
        allowed = table[given[:, 0]]
        parts = [
            log_p.gather(1, given),
            log_p[:, old:].masked_fill(~allowed, -torch.inf),
        ]
        merged = torch.logsumexp(torch.cat(parts, dim=1), dim=1, keepdim=True)
        log_p = log_p[:, :old].scatter(1, given, merged)
    q = log_q.exp()
    divergence = (q * (log_q - log_p)).sum(1)
    sureness = 1 + (q * log_q).sum(1) / math.log(old)
    said = log_q.argmax(1)
    # As comparisons, which a GPU adds up in one order and nobody waits for.
    is_said = said[:, None] == torch.arange(old, device=said.device)
    counts = is_said.sum(0)
    trust = log_q.new_tensor(heard.trust or (1.0,) * old)
    weight = trust.pow(_TRUST_POWER) / (counts + _FEW_VOXELS)
    there = (counts / (counts + _FEW_VOXELS)).sum()
    return (weight[said] * sureness * divergence).sum() / there


def coarse_target(target: Tensor, stride: int) -> Tensor:
    """Return the target of a lower resolution.

    Parameters
    ----------
    target : (n, z, y, x) integers
        At full resolution; every edge is a multiple of ``stride``.
    stride : int
        Voxels a coarse voxel is wide.

    Returns
    -------
    (n, z / stride, y / stride, x / stride)
        The first known voxel of each block: where all is known, every ``stride``-th, as
        in nnU-Net; where single slices are, they are not missed.
    """
    n, z, y, x = target.shape
    s = stride
    blocks = target.reshape(n, z // s, s, y // s, s, x // s, s)
    blocks = blocks.permute(0, 1, 3, 5, 2, 4, 6).flatten(4)
    # argmax of equal values is not promised to be the first one: weigh by position.
    rank = torch.arange(s**3, 0, -1, device=target.device, dtype=torch.int32)
    first = ((blocks != IGNORE_HEAD) * rank).argmax(-1, keepdim=True)
    return blocks.gather(-1, first)[..., 0]
