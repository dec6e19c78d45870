"""Making a training fit into the memory that is free, and saying what would help."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from napari_mednext.errors import ResourceError
from napari_mednext.models.training_cost import training_cost

if TYPE_CHECKING:
    from napari_mednext.models.training_cost import Shape, TrainingWork

__all__ = ["fit", "reductions"]

#: Edges of patches are multiples of the first number, and no shorter than the second.
PATCH_MULTIPLE, LEAST_EDGE = 16, 32
#: Of the memory that is free, so much may be planned with.
SHARE = 0.9
#: A patch with less than this part of its voxels is worse than checkpointing.
NEARLY = 0.75


def fit(
    work: TrainingWork, *, available_ram: int, available_gpu: int | None = None
) -> TrainingWork:
    """Return the work with the largest patch that fits.

    Checkpointing comes before a smaller patch where the patch would fall below three
    quarters: it costs a tenth of the time, a small patch costs what the network sees.

    Parameters
    ----------
    work : TrainingWork
        With the patch that is wanted.
    available_ram, available_gpu : int
        Free bytes of main memory, and of the GPU if one is used.

    Returns
    -------
    TrainingWork
        The same if it fits as it is.

    Raises
    ------
    ResourceError
        If even the smallest patch does not fit.
    """
    if _fits(work, available_ram, available_gpu):
        return work
    wanted = work.update.patch
    plain = [(work, patch) for patch in _smaller(wanted)]
    saving = _changed(work, checkpointing="expansion")
    thrifty = [(saving, patch) for patch in _smaller(wanted)]
    nearly = sum(math.prod(p) >= NEARLY * math.prod(wanted) for _, p in plain)
    for base, patch in (*plain[:nearly], *thrifty):
        candidate = _changed(base, patch=patch)
        if _fits(candidate, available_ram, available_gpu):
            return candidate
    least = training_cost(_changed(saving, patch=thrifty[-1][1]))
    needed, there = least.ram_bytes, available_ram * SHARE
    where = "main memory"
    if needed <= there and least.gpu_bytes is not None:
        needed, there = least.gpu_bytes, (available_gpu or 0) * SHARE
        where = "GPU memory"
    msg = (
        f"a training of this model must have at least {needed / 1e9:.1f} GB of "
        f"{where}, {there / 1e9:.1f} GB may be used: close other programs, train the "
        "decoder only, or choose fewer cases"
    )
    raise ResourceError(msg)


def reductions(
    work: TrainingWork, *, available_ram: int, available_gpu: int | None = None
) -> tuple[str, ...]:
    """Return what can be changed, one thing each, so that the work fits.

    Parameters
    ----------
    work, available_ram, available_gpu
        As for :func:`fit`.

    Returns
    -------
    tuple of str
        Sentences, the mildest change first; empty where it fits, or where no single
        change is enough.
    """
    if _fits(work, available_ram, available_gpu):
        return ()
    changes = [
        ("set checkpointing to expansion", _changed(work, checkpointing="expansion")),
        ("train the decoder only", _changed(work, part="decoder")),
        *(
            (f"lower the patch to {' x '.join(map(str, patch))} voxels", smaller)
            for patch in _smaller(work.update.patch)[1:]
            for smaller in [_changed(work, patch=patch)]
        ),
    ]
    found = []
    for words, changed in changes:
        if _fits(changed, available_ram, available_gpu):
            cost = training_cost(changed)
            size = cost.ram_bytes if cost.gpu_bytes is None else cost.gpu_bytes
            found.append(f"{words}: {size / 1e9:.1f} GB")
            if words.startswith("lower"):
                break
    return tuple(found)


def _fits(work: TrainingWork, ram: int, gpu: int | None) -> bool:
    cost = training_cost(work)
    if cost.gpu_bytes is not None and cost.gpu_bytes > (gpu or 0) * SHARE:
        return False
    return cost.ram_bytes <= ram * SHARE


def _changed(work: TrainingWork, **changes: object) -> TrainingWork:
    update = dataclasses.replace(work.update, **changes)  # type: ignore[arg-type]  # names of its fields
    tile = work.tile or work.update.patch
    return dataclasses.replace(work, update=update, tile=tile)


def _smaller(patch: Shape) -> list[Shape]:
    """Return the patch and smaller ones; the longest edge is shortened, one a time."""
    found, edges = [patch], list(patch)
    while max(edges) > LEAST_EDGE:
        axis = edges.index(max(edges))
        shorter = (edges[axis] - 1) // PATCH_MULTIPLE * PATCH_MULTIPLE
        edges[axis] = max(LEAST_EDGE, shorter)
        found.append((edges[0], edges[1], edges[2]))
    return found
