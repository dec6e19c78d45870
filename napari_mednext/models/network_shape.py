"""What of a MedNeXt decides about memory and time, without building it.

The topology is that of :class:`napari_mednext.network.mednext.MedNeXt`; nothing here
imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_mednext.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["LEVELS", "Block", "NetworkShape", "Part"]

Part = Literal["full", "decoder", "head"]
Kind = Literal["plain", "down", "up"]

#: Resolutions below the full one.
LEVELS = 4
#: One number a stage: encoder, bottleneck, decoder.
_STAGES = 2 * LEVELS + 1


@dataclass(frozen=True)
class Block:
    """One block and where it stands.

    ``voxels`` are those that the depthwise convolution gives, for one patch.
    """

    kind: Kind
    level: int
    inputs: int
    expanded: int
    outputs: int
    voxels: int
    input_voxels: int
    output_voxels: int
    is_decoder: bool = False

    @property
    def parameters(self) -> tuple[int, int]:
        """Weights of pointwise convolutions, and channels of the depthwise one."""
        pointwise = self.expanded * (self.inputs + self.outputs)
        if self.kind != "plain":
            pointwise += self.inputs * self.outputs
        return pointwise, self.inputs


@dataclass(frozen=True)
class NetworkShape:
    """What of a MedNeXt decides about memory and time.

    Parameters
    ----------
    channels, heads : int
        Of the input, and classes with the background.
    width : int
        Channels at full resolution.
    blocks, ratios : tuple of 9 int
        As :class:`napari_mednext.network.MedNeXt` takes them.
    kernel_size : int
        Edge of the depthwise kernels.
    has_grn : bool
        Whether there is global response normalisation.
    """

    channels: int
    heads: int
    width: int
    blocks: tuple[int, ...]
    ratios: tuple[int, ...]
    kernel_size: int = 3
    has_grn: bool = True

    @classmethod
    def from_kwargs(
        cls, arch_kwargs: Mapping[str, Any], *, channels: int, heads: int
    ) -> NetworkShape:
        """Return the shape that a plan's arguments describe.

        Parameters
        ----------
        arch_kwargs : mapping
            Of the plan of a model folder.
        channels, heads : int
            Of the input, and classes with the background.

        Returns
        -------
        NetworkShape

        Raises
        ------
        ModelError
            If the arguments are not those of a MedNeXt.
        """
        try:
            shape = cls(
                channels,
                heads,
                int(arch_kwargs["width"]),
                tuple(int(n) for n in arch_kwargs["blocks"]),
                tuple(int(n) for n in arch_kwargs["ratios"]),
                int(arch_kwargs.get("kernel_size", 3)),
                arch_kwargs.get("grn", "mean") != "none",
            )
        except (KeyError, TypeError, ValueError):
            shape = None
        if shape is None or {len(shape.blocks), len(shape.ratios)} != {_STAGES}:
            msg = (
                "the cost of a training is known for networks with a width, 9 blocks "
                f"and 9 ratios, got {sorted(arch_kwargs)}: choose a MedNeXt model"
            )
            raise ModelError(msg)
        return shape

    def in_order(self, patch: Sequence[int]) -> Iterator[Block]:
        """Yield the blocks in the order of the forward pass.

        Parameters
        ----------
        patch : (z, y, x) voxels
            Multiples of 16.

        Yields
        ------
        Block
        """
        at = [math.prod(n // 2**level for n in patch) for level in range(LEVELS + 1)]
        wide = [self.width * 2**level for level in range(LEVELS + 1)]
        ratios = self.ratios
        for i in range(LEVELS):
            yield from self._stage(i, i, at[i], is_decoder=False)
            c, e, low = wide[i], ratios[i + 1] * wide[i], at[i + 1]
            yield Block("down", i, c, e, wide[i + 1], low, at[i], low)
        yield from self._stage(LEVELS, LEVELS, at[LEVELS], is_decoder=False)
        for i in reversed(range(LEVELS)):
            place = 2 * LEVELS - i
            between = math.prod(2 * (n // 2 ** (i + 1)) - 1 for n in patch)
            c, e, low = wide[i + 1], ratios[place] * wide[i + 1], at[i + 1]
            yield Block("up", i, c, e, wide[i], between, low, at[i], is_decoder=True)
            yield from self._stage(i, place, at[i], is_decoder=True)

    def _stage(
        self, level: int, place: int, voxels: int, *, is_decoder: bool
    ) -> Iterator[Block]:
        c = self.width * 2**level
        e, v = self.ratios[place] * c, voxels
        for _ in range(self.blocks[place]):
            yield Block("plain", level, c, e, c, v, v, v, is_decoder=is_decoder)

    def parameters(self, part: Part, *, deep_supervision: bool) -> tuple[int, int]:
        """Return how many parameters there are, and how many of them learn."""
        heads = LEVELS + 1 if deep_supervision else 1
        head = sum((self.width * 2**k + 1) * self.heads for k in range(heads))
        encoder, decoder = self.width * (self.channels + 1), 0
        for block in self.in_order((16, 16, 16)):
            pointwise, depthwise = block.parameters
            count = pointwise + depthwise * (self.kernel_size**3 + 3)
            count += block.expanded * (3 if self.has_grn else 1) + block.outputs
            count += block.outputs if block.kind != "plain" else 0
            encoder += 0 if block.is_decoder else count
            decoder += count if block.is_decoder else 0
        learns = {
            "full": encoder + decoder + head,
            "decoder": decoder + head,
            "head": head,
        }
        return encoder + decoder + head, learns[part]
