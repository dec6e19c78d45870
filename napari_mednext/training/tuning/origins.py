"""What the old model calls that which is new: background, or a part of an old class.

Where nobody looked the new model is held to the old one's answer. A new class must be
allowed there under the name that the old model has for it: a tumour is background or
brain to it, the thalamus is deep grey matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from torch import Tensor, nn

    from napari_mednext.training.tuning.classes import ClassMap
    from napari_mednext.training.tuning.tuner import Batch

__all__ = ["ALWAYS", "allowed_table", "find_origins", "seed_new_heads"]

#: Batches that are looked at, until so many hold a new class.
_BATCHES, _WITH_NEW = 24, 8
#: An old class is an origin of a new one if it had so much of it.
_LEAST_SHARE = 0.1
#: Head that a new class may always come from.
ALWAYS = 0
#: How much lower than its origin a new class begins, in logits.
_LESS_SURE = 1.0


def find_origins(
    classes: ClassMap, draw: Callable[[int], Batch], ask: Callable[[Tensor], Tensor]
) -> dict[int, dict[int, float]]:
    """Return which old heads every new head takes its voxels from, and how many.

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
    dict of int to dict of int to float
        One entry a new head: old head -> share of its voxels, of those with a share
        that counts. Empty for a head that no patch held.
    """
    known, count = classes.known, classes.count
    table = torch.zeros(count, known, dtype=torch.long)
    seen = 0
    for step in range(_BATCHES if count > known else 0):
        batch = draw(step)
        new = (batch.target >= known) & (batch.target < count)
        if not bool(new.any()):
            continue
        said = ask(batch.image).argmax(1).cpu()[new]
        pairs = batch.target[new].long() * known + said
        table += torch.bincount(pairs, minlength=count * known).reshape(count, known)
        seen += 1
        if seen >= _WITH_NEW:
            break
    return {head: _origin(table[head]) for head in range(known, count)}


def _origin(row: Tensor) -> dict[int, float]:
    total = int(row.sum())
    often = {
        k: n for k, n in enumerate(row.tolist()) if total and n >= _LEAST_SHARE * total
    }
    return {k: n / sum(often.values()) for k, n in often.items()}


def allowed_table(classes: ClassMap, origins: Mapping[int, Collection[int]]) -> Tensor:
    """Return where each new head counts as which old one.

    Parameters
    ----------
    classes : ClassMap
        What the heads stand for.
    origins : mapping
        From :func:`find_origins`; the background is always one.

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
        From :func:`find_origins`.
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
