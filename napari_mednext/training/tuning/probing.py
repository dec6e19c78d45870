"""Heads that begin fitted: the best linear answer before the network learns at all.

A head is linear in the features of the network, so for fixed features its best weights
are found in seconds, where gradient steps of the whole network take hundreds of updates
and bend the features meanwhile to fit heads that are wrong.

Source: Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution", ICLR 2022 (first the linear probe, then the whole network).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_mednext.network import MedNeXt
from napari_mednext.training.losses import moved
from napari_mednext.training.tuning.classes import IGNORE_HEAD
from napari_mednext.training.tuning.losses import coarse_target, cost_of_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from torch import Tensor, nn

    from napari_mednext.training.tuning.classes import ClassMap
    from napari_mednext.training.tuning.tuner import Batch

__all__ = ["Known", "fit_head", "fit_heads", "gather_known"]

#: Voxels of a batch that are taken at each resolution.
_MOST_ROWS = 16_384
#: Of fewer, nothing can be said.
_FEWEST_ROWS = 100
#: Steps of L-BFGS; what is left to gain after them is small.
_ITERATIONS = 60
#: Cost of a weight, in standard deviations of its feature, that leaves its start.
_RIDGE = 1e-3


class Known(NamedTuple):
    """What is known of one resolution: one row a voxel that somebody looked at."""

    features: Tensor
    """(n, c) float32."""

    values: Tensor
    """(n,) int64, heads."""


@torch.no_grad()
def gather_known(
    levels: Callable[[Tensor], Sequence[Tensor]], batches: Iterable[Batch]
) -> list[Known]:
    """Return the features of known voxels at every resolution, the finest first.

    Parameters
    ----------
    levels : callable
        Image (n, c, z, y, x) -> features (n, c', z, y, x), each half the size before.
    batches : iterable of Batch
        On the device of the network.

    Returns
    -------
    list of Known
        At most `_MOST_ROWS` of a batch, evenly spread; empty without batches.
    """
    found: list[list[Known]] = []
    for batch in batches:
        for level, features in enumerate(levels(batch.image)):
            if level == 0:
                target = batch.target
                # Heads are linear: to move features is to move logits.
                features = moved(features.float(), batch.offset.to(features.device))
            else:
                target = coarse_target(batch.target, 2**level)
            known = target != IGNORE_HEAD
            rows = features.permute(0, 2, 3, 4, 1)[known.to(features.device)]
            every = max(1, -(-rows.shape[0] // _MOST_ROWS))
            while len(found) <= level:
                found.append([])
            found[level].append(
                Known(rows[::every].float().cpu(), target[known][::every].long().cpu())
            )
    return [Known(*map(torch.cat, zip(*each, strict=True))) for each in found]


def fit_head(
    weight: Tensor,
    bias: Tensor,
    known: Known,
    classes: ClassMap,
    *,
    free: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Return the weights of a head with the lowest cost.

    Parameters
    ----------
    weight : (c, k)
        Where it starts.
    bias : (k,)
        Likewise.
    known : Known
        With c features.
    classes : ClassMap
        What the heads stand for.
    free : sequence of int
        Heads whose weights may change.

    Returns
    -------
    (c, k), (k,)
        The cost is that of the training, over all known voxels at once, and a little
        for going far.
    """
    if not bool(torch.isfinite(known.features).all()):  # a broken model, told of later
        return weight, bias
    spread = known.features.std(0).clamp_min(1e-6)
    mean = known.features.mean(0)
    rows = (known.features - mean) / spread
    columns = list(free)
    change = torch.zeros(weight.shape[0] + 1, len(columns), requires_grad=True)
    start = known.features @ weight + bias

    def logits() -> Tensor:
        moved_by = rows @ change[:-1] + change[-1]
        return start.index_add(1, torch.tensor(columns), moved_by)

    solver = torch.optim.LBFGS(
        [change], max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        cost = cost_of_rows(
            logits(),
            known.values,
            background=classes.background,
            foreground=classes.learned,
        )
        cost = cost + _RIDGE * change[:-1].square().sum()
        cost.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return cost

    solver.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    found = change.detach()
    scaled = found[:-1] / spread[:, None]
    weight, bias = weight.clone(), bias.clone()
    weight[:, columns] += scaled
    bias[columns] += found[-1] - mean @ scaled
    return weight, bias


@torch.no_grad()
def fit_heads(
    network: nn.Module,
    classes: ClassMap,
    batches: Iterable[Batch],
    *,
    new: Collection[int],
    origins: Mapping[int, Collection[int]],
) -> None:
    """Fit what is new of a network's heads.

    Free are the rows of new classes, those of the old classes that gave them their
    voxels, and all of a head that is all zero.

    Parameters
    ----------
    network : nn.Module
        A MedNeXt, on the device of the batches; others are left alone. Changed in
        place.
    classes : ClassMap
        What the heads stand for.
    batches : iterable of Batch
        What there is to learn.
    new : collection of int
        Heads that the network has no weights for.
    origins : mapping of int to collection of int
        What the old model calls them, where it has no name for them.
    """
    if not isinstance(network, MedNeXt):
        return
    was_training = network.training
    network.eval()
    givers = {old for head in new for old in origins.get(head, ()) if old}
    for level, known in enumerate(gather_known(network.levels, batches)):
        head = getattr(network, f"out_{level}", None)
        if head is None or len(known.values) < _FEWEST_ROWS:
            continue
        is_new = not bool(head.conv_out.weight.any())
        free = range(classes.count) if is_new else sorted({*new, *givers})
        if not free:
            continue
        with torch.enable_grad():
            weight, bias = fit_head(
                head.conv_out.weight[:, :, 0, 0, 0].detach().float().cpu(),
                head.conv_out.bias.detach().float().cpu(),
                known,
                classes,
                free=free,
            )
        head.conv_out.weight.copy_(weight[:, :, None, None, None])
        head.conv_out.bias.copy_(bias)
    network.train(was_training)
