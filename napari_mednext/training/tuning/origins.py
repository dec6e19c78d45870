"""What the old model calls that which is new: background, or a part of an old class.

Where nobody looked the new model is held to the old one's answer. A new class must be
allowed there under the name that the old model has for it: a tumour is background or
brain to it, the thalamus is deep grey matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from napari_mednext.training.tuning.classes import ClassMap
    from napari_mednext.training.tuning.tuner import Batch

__all__ = ["ALWAYS", "allowed_table", "find_origins"]

#: Batches that are looked at, until so many hold a new class.
_BATCHES, _WITH_NEW = 24, 8
#: An old class is an origin of a new one if it had so much of it.
_LEAST_SHARE = 0.1
#: Head that a new class may always come from.
ALWAYS = 0


def find_origins(
    classes: ClassMap, draw: Callable[[int], Batch], ask: Callable[[Tensor], Tensor]
) -> dict[int, frozenset[int]]:
    """Return which old heads every new head takes its voxels from.

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
    dict of int to frozenset of int
        One entry a new head; the background is always in it.
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


def _origin(row: Tensor) -> frozenset[int]:
    total = int(row.sum())
    often = [
        k for k, n in enumerate(row.tolist()) if total and n >= _LEAST_SHARE * total
    ]
    return frozenset({ALWAYS, *often})


def allowed_table(classes: ClassMap, origins: Mapping[int, frozenset[int]]) -> Tensor:
    """Return where each new head counts as which old one.

    Parameters
    ----------
    classes : ClassMap
        What the heads stand for.
    origins : mapping
        From :func:`find_origins`; a head that is missing comes from the background.

    Returns
    -------
    (old heads, new heads) bool
        Whether a voxel that the old model gives a class may be of a new one.
    """
    new = range(classes.known, classes.count)
    table = torch.zeros(classes.known, len(new), dtype=torch.bool)
    for column, head in enumerate(new):
        for old in origins.get(head, frozenset({ALWAYS})):
            table[old, column] = True
    return table
