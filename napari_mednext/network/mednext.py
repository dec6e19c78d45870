"""MedNeXt, versions 1 and 2: a symmetric five-level 3D U-Net of MedNeXt blocks.

Sources
-------
MedNeXt v1, arXiv 2303.09975; v2, arXiv 2512.17774: v1's "L" topology with kernel 3,
instance normalisation and GRN in every block. Names, shapes and order of parameters are
those of the official MedNeXt repository (Apache-2.0). See :mod:`.blocks` for what is
computed in another way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_mednext.errors import InputError
from napari_mednext.network.blocks import (
    BlockOptions,
    Checkpointing,
    DownBlock,
    MedNeXtBlock,
    OutHead,
    UpBlock,
    pointwise,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.network.grn import GrnForm

__all__ = ["MedNeXt"]

#: Resolutions below the full one; each halves every axis.
DOWNSAMPLINGS = 4
#: Values of a piece: 16 MB in half precision.
PIECE_VALUES = 2**23


class MedNeXt(nn.Module):
    """MedNeXt of any width and depth.

    Parameters
    ----------
    input_channels, num_classes : int
        Image channels and output heads.
    width : int
        Channels at full resolution; they double at each of the four lower levels.
    blocks : sequence of 9 int
        Blocks of encoder stages 0..3, bottleneck, decoder stages 3..0.
    ratios : sequence of 9 int
        Expansion ratios in the same order. A down block takes the ratio of the stage it
        leads to, an up block that of the decoder stage it feeds.
    kernel_size : int
        Odd size of the depthwise kernels.
    grn : {"mean", "sum", "none"}
        Form of the global response normalisation; "none" is MedNeXt v1.
    deep_supervision : bool
        Make four more heads, one a lower resolution, and return all outputs while
        training.
    checkpointing : {"none", "expansion"}
        Trade time for memory while training.

    Raises
    ------
    InputError
        If an argument lies outside its domain.
    """

    #: Input sizes must be multiples of this on every axis.
    downsampling = 2**DOWNSAMPLINGS

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        width: int,
        blocks: Sequence[int],
        ratios: Sequence[int],
        kernel_size: int = 3,
        grn: GrnForm = "mean",
        deep_supervision: bool = False,
        checkpointing: Checkpointing = "none",
    ) -> None:
        super().__init__()
        _check_arguments(
            input_channels, num_classes, width, blocks, ratios, kernel_size, grn
        )
        self.deep_supervision = deep_supervision
        self.num_classes = num_classes
        self.width = width
        channels = [width * 2**level for level in range(DOWNSAMPLINGS + 1)]
        options = BlockOptions(kernel_size, grn, checkpointing)

        def stage(level: int, position: int) -> nn.Sequential:
            c, r = channels[level], ratios[position]
            parts = [
                MedNeXtBlock(c, c, ratio=r, options=options)
                for _ in range(blocks[position])
            ]
            return nn.Sequential(*parts)

        self.stem = nn.Conv3d(input_channels, width, 1)
        for i in range(DOWNSAMPLINGS):
            setattr(self, f"enc_block_{i}", stage(i, i))
            c, wide = channels[i], channels[i + 1]
            down = DownBlock(c, wide, ratio=ratios[i + 1], options=options)
            setattr(self, f"down_{i}", down)
        self.bottleneck = stage(DOWNSAMPLINGS, DOWNSAMPLINGS)
        for i in reversed(range(DOWNSAMPLINGS)):
            position = 2 * DOWNSAMPLINGS - i
            c, wide = channels[i], channels[i + 1]
            up = UpBlock(wide, c, ratio=ratios[position], options=options)
            setattr(self, f"up_{i}", up)
            setattr(self, f"dec_block_{i}", stage(i, position))
        heads = DOWNSAMPLINGS + 1 if deep_supervision else 1
        for k in range(heads):
            setattr(self, f"out_{k}", OutHead(channels[k], num_classes))

    def work_in_pieces(self, *, on: bool) -> None:
        """Switch inference with a small working set on or off.

        The widest tensors of the blocks are then made slab by slab and twice: less
        memory for more time, and the same result but for rounding.

        Parameters
        ----------
        on : bool
            Whether to work so from now on.
        """
        for module in self.modules():
            if isinstance(module, MedNeXtBlock):
                module.piece_values = PIECE_VALUES if on else None

    def _part(self, name: str) -> nn.Module:
        module: nn.Module = getattr(self, name)
        return module

    def _decode(self, x: Tensor) -> list[Tensor]:
        """Return decoder outputs, lowest resolution (bottleneck) first."""
        size = tuple(x.shape[2:])
        if any(d % self.downsampling for d in size):
            msg = (
                f"the input size must be a multiple of {self.downsampling} voxels on "
                f"every axis, got {size}: pad it"
            )
            raise InputError(msg)
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last_3d)
        x = pointwise(x, self.stem.weight, self.stem.bias)
        skips = []
        for i in range(DOWNSAMPLINGS):
            x = self._part(f"enc_block_{i}")(x)
            skips.append(x)
            x = self._part(f"down_{i}")(x)
        x = self.bottleneck(x)
        outputs = [x]
        for i in reversed(range(DOWNSAMPLINGS)):
            x = self._part(f"dec_block_{i}")(self._part(f"up_{i}")(x) + skips.pop())
            outputs.append(x)
        return outputs

    def features(self, x: Tensor) -> Tensor:
        """Return the last decoder output, (n, c, z, y, x) to (n, width, z, y, x)."""
        return self._decode(x)[-1]

    def levels(self, x: Tensor) -> list[Tensor]:
        """Return what every head sees, full resolution first, each half the one before.

        Those of the heads ``out_0`` to ``out_4``, whether the lower ones are there or
        not: (n, width, z, y, x), (n, 2 width, z/2, y/2, x/2) and so on.
        """
        return self._decode(x)[::-1]

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features: a 1x1x1 convolution, hence linear."""
        logits: Tensor = self._part("out_0")(features)
        return logits

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Return logits (n, classes, z, y, x).

        With deep supervision, while training, a list of five, full resolution first,
        each at half the resolution of the one before.
        """
        if not (self.deep_supervision and self.training):
            return self.head(self.features(x))
        outputs = self.levels(x)
        return [self._part(f"out_{k}")(output) for k, output in enumerate(outputs)]


def _check_arguments(
    input_channels: int,
    num_classes: int,
    width: int,
    blocks: Sequence[int],
    ratios: Sequence[int],
    kernel_size: int,
    grn: str,
) -> None:
    """Refuse a network that cannot be."""
    stages = 2 * DOWNSAMPLINGS + 1
    for name, values in (("blocks", blocks), ("ratios", ratios)):
        if len(values) != stages or any(int(v) < 1 for v in values):
            msg = (
                f"{name} must be {stages} positive whole numbers, got {list(values)!r}"
            )
            raise InputError(msg)
    for name, value in (
        ("input_channels", input_channels),
        ("num_classes", num_classes),
        ("width", width),
    ):
        if value < 1:
            msg = f"{name} must be at least 1, got {value!r}"
            raise InputError(msg)
    if kernel_size < 1 or kernel_size % 2 == 0:
        msg = f"kernel_size must be an odd positive number, got {kernel_size!r}"
        raise InputError(msg)
    if grn not in ("mean", "sum", "none"):
        msg = f"grn must be 'mean', 'sum' or 'none', got {grn!r}"
        raise InputError(msg)
