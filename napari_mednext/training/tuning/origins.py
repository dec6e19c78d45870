"""What the old model's answers are worth to the new one.

Where nobody looked the new model is held to the old one's answer. A new class must be
allowed there under the name that the old model has for it: a tumour is background or
brain to it, the thalamus is deep grey matter. And an old model that was wrong wherever
somebody looked is no authority elsewhere: on a scanner that it does not know, holding
to it is holding to its mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from torch import Tensor, nn

    from napari_mednext.training.tuning.classes import ClassMap
    from napari_mednext.training.tuning.tuner import Batch

__all__ = ["ALWAYS", "Hearing", "allowed_table", "hear", "seed_new_heads"]

#: Batches that are looked at, until so many hold a new class (or, where there is none,
#: anything known).
_BATCHES, _ENOUGH = 24, 8
#: An old class is an origin of a new one if it had so much of it.
_LEAST_SHARE = 0.1
#: Head that a new class may always come from.
ALWAYS = 0
#: How much lower than its origin a new class begins, in logits.
_LESS_SURE = 1.0
#: So many voxels on which the old model is taken to be right before anything is known.
_BENEFIT_VOXELS = 500


@dataclass(frozen=True)
class Hearing:
    """What is known of the old model's answers.

    Parameters
    ----------
    origins : mapping of int to mapping of int to float
        New head -> old head -> share of the new one's voxels, of those that count.
        Empty for a new head that no patch held.
    trust : tuple of float
        One an old head: how often the old model was right when it said so, 0..1. Empty
        where nobody asked; all are trusted then.
    """

    origins: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    trust: tuple[float, ...] = ()


def hear(
    classes: ClassMap, draw: Callable[[int], Batch], ask: Callable[[Tensor], Tensor]
) -> Hearing:
    """Hold the old model's answers against what people said.

    Parameters
    ----------
    classes : ClassMap
        What the heads stand for.
    draw : callable
        Step -> batch; looked at from step 0 on.
    ask : callable
        Image (n, c, z, y, x) -> logits of the old model (n, old heads, z, y, x).

    Returns
    -------
    Hearing
    """
    known, count = classes.known, classes.count
    table = torch.zeros(count, known, dtype=torch.long)
    heard = 0
    for step in range(_BATCHES):
        batch = draw(step)
        is_known = batch.target < count
        told = batch.target[is_known].long()
        if not bool((told >= known).any() if count > known else told.numel()):
            continue
        said = ask(batch.image).argmax(1).cpu()[is_known]
        pairs = told * known + said
        table += torch.bincount(pairs, minlength=count * known).reshape(count, known)
        heard += 1
        if heard >= _ENOUGH:
            break
    origins = {head: _origin(table[head]) for head in range(known, count)}
    return Hearing(origins, _trust(table, classes, origins))


def _origin(row: Tensor) -> dict[int, float]:
    total = int(row.sum())
    often = {
        k: n for k, n in enumerate(row.tolist()) if total and n >= _LEAST_SHARE * total
    }
    return {k: n / sum(often.values()) for k, n in often.items()}


def _trust(
    table: Tensor, classes: ClassMap, origins: Mapping[int, Collection[int]]
) -> tuple[float, ...]:
    """Return how often each old class was right: itself, or a new one made of it."""
    right = table[: classes.known].diagonal().clone()
    for old in classes.unlabelled:
        right[old] += table[0, old]
    for head, olds in origins.items():
        for old in olds:
            right[old] += table[head, old]
    said = table.sum(0)
    share = (right + _BENEFIT_VOXELS) / (said + _BENEFIT_VOXELS)
    return tuple(share.tolist())


def allowed_table(classes: ClassMap, origins: Mapping[int, Collection[int]]) -> Tensor:
    """Return where each new head counts as which old one.

    Parameters
    ----------
    classes : ClassMap
        What the heads stand for.
    origins : mapping
        Of :class:`Hearing`; the background is always one.

    Returns
    -------
    (old heads, new heads) bool
        Whether a voxel that the old model gives a class may be of a new one.
    """
    new = range(classes.known, classes.count)
    table = torch.zeros(classes.known, len(new), dtype=torch.bool)
    for column, head in enumerate(new):
        for old in (ALWAYS, *origins.get(head, ())):
            table[old, column] = True
    return table


@torch.no_grad()
def seed_new_heads(
    network: nn.Module, origins: Mapping[int, Mapping[int, float]]
) -> None:
    """Let every new head begin as what the old model calls it, a little less sure.

    From there a few corrections lead to it; from the background it is far.

    Parameters
    ----------
    network : nn.Module
        With a head ``out_0`` as MedNeXt has it. Changed in place.
    origins : mapping
        Of :class:`Hearing`.
    """
    state = network.state_dict()
    weight = state.get("out_0.conv_out.weight")
    bias = state.get("out_0.conv_out.bias")
    if weight is None or bias is None:
        return
    for head, shares in origins.items():
        if shares:
            weight[:, head] = sum(s * weight[:, old] for old, s in shares.items())
            bias[head] = sum(s * bias[old] for old, s in shares.items()) - _LESS_SURE
