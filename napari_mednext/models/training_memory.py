"""How much memory an update of a MedNeXt takes, from its shape alone.

The forward and the backward pass are walked block by block, and what autograd keeps is
counted. A block with ``c`` channels, ``e`` expanded channels and ``v`` voxels keeps

- its input (``c v``; an up block its zero-stuffed input besides),
- the centred and the scaled features (``2 c v``),
- the expanded features before and after GELU (``2 e v``),
- two rows of ``v`` that the sums over voxels are made with.

With checkpointing of the expansion only the input and the convolved features stay. In
the backward pass of GRN four tensors of ``e v`` are there at once. On a GPU the passes
run in bfloat16 but for the normalisation, which keeps its input in float32.

Sources: :mod:`napari_mednext.network.blocks` for what is computed; the counts were
checked there against every storage that torch makes. Nothing here imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_mednext.models.network_shape import LEVELS, NetworkShape, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.models.network_shape import Block

__all__ = ["Update", "forward_peak", "update_peak"]

FLOAT32 = 4
#: Bytes of the loss for each voxel and head, its logits included, and for each voxel:
#: logits between the voxels, the rows that are known, their softmax, and the true
#: heads as one number each, in 64 bits.
LOSS_PER_HEAD, LOSS_PER_VOXEL = 26.0, 13.0


@dataclass(frozen=True)
class Update:
    """One update of the weights.

    Parameters
    ----------
    shape : NetworkShape
        Of the network that learns.
    patch : (z, y, x) voxels
        Multiples of 16.
    batch_size : int
        Patches.
    part : {"full", "decoder", "head"}
        What learns.
    checkpointing : {"none", "expansion"}
        What is computed twice.
    deep_supervision : bool
        Whether there are heads at all five resolutions.
    teacher_heads : int
        Of the old model that is asked before, 0 where none is.
    """

    shape: NetworkShape
    patch: tuple[int, int, int]
    batch_size: int = 1
    part: Part = "full"
    checkpointing: Literal["none", "expansion"] = "none"
    deep_supervision: bool = True
    teacher_heads: int = 0

    @property
    def voxels(self) -> int:
        """Of all patches."""
        return self.batch_size * math.prod(self.patch)


class _Live:
    """Bytes that are there, and the most that ever were."""

    def __init__(self) -> None:
        self.now = 0.0
        self.most = 0.0

    def hold(self, size: float) -> None:
        self.now += size
        self.most = max(self.most, self.now)

    def drop(self, size: float) -> None:
        self.now -= size

    def touch(self, size: float) -> None:
        """Need some more for a moment."""
        self.most = max(self.most, self.now + size)


@dataclass(frozen=True)
class _Bytes:
    """Of one value: features, the normalisation's, and gradients inside GRN."""

    feature: int
    norm: int
    grn_gradients: int

    @classmethod
    def on(cls, *, gpu: bool) -> _Bytes:
        # autocast: matrix products in two bytes, normalisation in four.
        return cls(2, FLOAT32, 12) if gpu else cls(FLOAT32, FLOAT32, 16)


def forward_peak(
    shape: NetworkShape,
    patch: Sequence[int],
    *,
    batch_size: int = 1,
    gpu: bool = False,
    keeps_all: bool = False,
) -> int:
    """Return the peak of a pass without gradients, its result included.

    Parameters
    ----------
    shape : NetworkShape
        Of the network.
    patch : (z, y, x) voxels
        Multiples of 16.
    batch_size : int
        Patches.
    gpu : bool
        Whether in half precision.
    keeps_all : bool
        Whether the outputs of all resolutions are kept until the end.

    Returns
    -------
    int
        Bytes.
    """
    live, size = _Live(), _Bytes.on(gpu=gpu)
    _forward(live, shape, tuple(patch), batch_size, size, keeps_all=keeps_all)
    live.hold(batch_size * math.prod(patch) * shape.heads * size.feature)
    return round(live.most)


def _forward(
    live: _Live,
    shape: NetworkShape,
    patch: Sequence[int],
    batch: int,
    size: _Bytes,
    *,
    until_decoder: bool = False,
    keeps_all: bool = True,
) -> None:
    """Walk blocks without a graph; what stays are the skips, or the outputs."""
    one = batch * size.feature
    before = math.prod(patch) * shape.width * one
    live.hold(before)
    skips: dict[int, float] = {}
    plain_left = _last_of_stages(shape)
    for index, block in enumerate(shape.in_order(patch)):
        if block.is_decoder and until_decoder:
            return
        stuffed = block.kind == "up" and size.feature == FLOAT32
        work = (2 * block.inputs + 2 * block.expanded) * block.voxels
        convolving = (1 + stuffed) * block.inputs * block.voxels
        live.touch(max(work, convolving) * one)
        after = block.outputs * block.output_voxels * one
        live.hold(after)
        is_skip = block.kind == "down"
        if is_skip:
            skips[block.level] = before
        else:
            stays = keeps_all and index - 1 in plain_left
            live.drop(0 if stays else before)
        if block.kind == "up":
            live.touch(after)
            live.drop(skips.pop(block.level))
        before = after


def _last_of_stages(shape: NetworkShape) -> frozenset[int]:
    """Return the indices of blocks whose output has a head of its own."""
    found, blocks = set(), list(shape.in_order((16, 16, 16)))
    for i, block in enumerate(blocks):
        is_last = i + 1 == len(blocks) or blocks[i + 1].kind == "up"
        if is_last and block.kind == "plain":
            found.add(i)
    return frozenset(found)


def update_peak(update: Update, *, gpu: bool = False) -> int:
    """Return the most bytes of an update that are no parameters and no patches.

    Parameters
    ----------
    update : Update
        What is done.
    gpu : bool
        Whether in bfloat16 under autocast; never compared with a GPU.

    Returns
    -------
    int
        Bytes.
    """
    shape, live = update.shape, _Live()
    size = _Bytes.on(gpu=gpu)
    asking = 0
    if update.teacher_heads:
        asking = forward_peak(
            shape, update.patch, batch_size=update.batch_size, gpu=gpu
        )
        live.hold(update.voxels * update.teacher_heads * FLOAT32)
    kept = _forward_recorded(live, update, size)
    shares = sum(0.125**k for k in range(LEVELS + 1)) if update.deep_supervision else 1
    logits = update.voxels * shape.heads * shares * size.feature
    live.hold(logits)
    loss = update.voxels * (LOSS_PER_HEAD * shape.heads + LOSS_PER_VOXEL)
    live.touch(loss - update.voxels * shape.heads * shares * FLOAT32)
    _backward(live, update, size, kept)
    return max(asking, round(live.most))


def _forward_recorded(
    live: _Live, update: Update, size: _Bytes
) -> list[tuple[Block, float]]:
    """Walk the forward pass; return the blocks that learn and what each keeps."""
    shape, one = update.shape, update.batch_size * size.feature
    if update.part == "head":
        _forward(
            live,
            shape,
            update.patch,
            update.batch_size,
            size,
            keeps_all=update.deep_supervision,
        )
        return []
    if update.part == "decoder":
        _forward(live, shape, update.patch, update.batch_size, size, until_decoder=True)
    else:
        live.hold(math.prod(update.patch) * shape.width * one)
    kept: list[tuple[Block, float]] = []
    for block in shape.in_order(update.patch):
        if update.part == "decoder" and not block.is_decoder:
            continue
        inner, moment = _kept(block, update, size)
        inner += _folded_weights(block, update)
        live.hold(inner * update.batch_size)
        live.touch(moment * update.batch_size)
        out = block.outputs * block.output_voxels * one
        live.hold(out)
        live.touch(out * (2 if block.kind == "down" else 1))
        if block.kind == "up" and update.part == "decoder":
            live.drop(out)  # the skip, which nothing else holds any more
        kept.append((block, inner * update.batch_size + out))
    return kept


def _kept(block: Block, update: Update, size: _Bytes) -> tuple[float, float]:
    """Return bytes that a block keeps of a patch, and that it needs for a moment."""
    v, c, e = block.voxels, block.inputs, block.expanded
    grn = e if update.shape.has_grn else 0
    on_cpu = size.feature == FLOAT32
    first = c * v * size.feature if block.kind == "up" and on_cpu else 0  # stuffed
    first += c * v * size.feature if block.kind == "down" else 0  # every second voxel
    convolved = c * v * size.feature
    wide = 2 * (c + e) * v * size.feature + 2 * v * FLOAT32
    if not on_cpu:
        wide = c * v * (size.norm + size.feature) + 2 * e * v * size.feature
    if update.checkpointing == "expansion":
        return first + convolved, wide + grn * v * size.feature
    return first + wide, convolved + grn * v * size.feature


def _folded_weights(block: Block, update: Update) -> int:
    """Return bytes of the projection into which GRN is folded, for each patch."""
    is_kept = update.shape.has_grn and update.checkpointing == "none"
    return FLOAT32 * block.expanded * block.outputs if is_kept else 0


def _backward(
    live: _Live, update: Update, size: _Bytes, kept: list[tuple[Block, float]]
) -> None:
    """Walk the backward pass, from the last block to the first."""
    one = update.batch_size * size.feature
    has_skips = update.part == "full"
    if update.deep_supervision:  # the heads went first: gradients of their inputs
        for k in range(1, LEVELS + 1):
            voxels = math.prod(n // 2**k for n in update.patch)
            live.hold(voxels * update.shape.width * 2**k * one)
    for block, its in reversed(kept):
        gradient = block.outputs * block.output_voxels * one
        live.hold(gradient)
        inside = size.grn_gradients if update.shape.has_grn else 2 * size.feature
        moment: float = inside * block.expanded * block.voxels * update.batch_size
        if update.checkpointing == "expansion":
            moment += _kept(block, update, size)[1] * update.batch_size
            if update.shape.has_grn:
                moment -= block.expanded * block.voxels * one
        live.touch(moment)
        live.drop(its + gradient)
        if block.kind == "up" and has_skips:
            live.hold(gradient)  # of the skip, until the encoder's turn
        if block.kind == "down":
            live.touch(3 * block.inputs * block.input_voxels * one)
            live.drop(block.inputs * block.input_voxels * one)
