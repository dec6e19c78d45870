"""How much memory a run takes, known before it starts, and which way of running fits.

Main memory is what a run takes beyond the volume that is already there and the
libraries that are already loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from napari_mednext.errors import ResourceError
from napari_mednext.inference.decide import GATHER_VALUES
from napari_mednext.inference.doubt import PIECE_VALUES
from napari_mednext.preprocessing.resample import SLAB_VOXELS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Layout",
    "MemoryPlan",
    "Workload",
    "available_ram",
    "choose_layout",
    "slab_depth",
]

Shape = tuple[int, int, int]
Mode = Literal["whole", "streamed"]

FLOAT32, FLOAT64 = 4, 8
#: What libraries take when they first run: thread pools, code, scratch memory.
LIBRARY_BYTES = 150_000_000
#: Part of a device's free memory that a plan may use; the rest is fragmentation.
DEVICE_SHARE = 0.85
#: Part of the limit that sums over the whole window may lead to: they are a comfort,
#: and a slab gives the same labels.
WHOLE_SHARE = 0.5
#: Part of main memory that is free now and that a plan may use.
RAM_SHARE = 0.9


@dataclass(frozen=True)
class Workload:
    """The sizes that decide about memory.

    Parameters
    ----------
    image_channels : int
        Channels of the volume.
    volume_voxels : int
        Voxels of the volume.
    cropped_shape, new_shape, padded_shape : (z, y, x) voxels
        After cropping, after resampling, after padding, in the plan's axes.
    tile : (z, y, x) voxels
        Shape of a tile.
    carried, heads : int
        Channels that are summed up, and logits.
    passes_per_tile, folds : int
        Flips, and networks.
    network_bytes : int
        Peak of one pass of one network in float32.
    weight_bytes : int
        Weights of all networks.
    label_bytes : int
        Bytes of one label.
    has_mask : bool
        Whether a mask of the image is made.
    probabilities : bool
        Whether a volume of probabilities for each head is wanted.
    doubt : bool
        Whether a volume of doubts is wanted.
    """

    image_channels: int
    volume_voxels: int
    cropped_shape: Shape
    new_shape: Shape
    padded_shape: Shape
    tile: Shape
    carried: int
    heads: int
    passes_per_tile: int = 1
    folds: int = 1
    network_bytes: int = 0
    weight_bytes: int = 0
    label_bytes: int = 1
    has_mask: bool = False
    probabilities: bool = False
    doubt: bool = False

    def preparing(self) -> int:
        """Return the peak while the image is prepared, its result included."""
        result = self.image_channels * math.prod(self.new_shape) * FLOAT32
        work = math.prod(self.cropped_shape) * (5 if self.has_mask else 0)
        if self.new_shape != self.cropped_shape:
            in_plane = self.cropped_shape[0] * math.prod(self.new_shape[1:])
            slab = min(SLAB_VOXELS, math.prod(self.cropped_shape))
            work += math.prod(self.cropped_shape) * FLOAT32
            work += in_plane * FLOAT64 + math.prod(self.new_shape) * FLOAT32
            work += 5 * slab * FLOAT64
        return result + work

    def image(self) -> int:
        """Return the bytes of the prepared and padded image."""
        size = self.image_channels * math.prod(self.padded_shape) * FLOAT32
        return size if self.padded_shape == self.new_shape else 2 * size

    def output(self) -> int:
        """Return the bytes of labels, and of probabilities and doubts if wanted."""
        per_voxel = self.label_bytes + self.doubt
        if self.probabilities:
            per_voxel += self.heads * FLOAT32
        return self.volume_voxels * per_voxel

    def tile_output(self) -> int:
        """Return what is there of a tile while, or after, the network runs on it.

        Its result; with mirroring the sum so far, and with folds their results before
        they are joined.
        """
        copies = 1 + (self.passes_per_tile > 1) + (self.folds > 1)
        return (copies * self.carried + 1) * math.prod(self.tile) * FLOAT32

    def planes(self, window: Shape) -> int:
        """Return the bytes of the planes that are decided."""
        plane = window[1] * window[2] * FLOAT32
        source = plane * (2 * self.heads + 2 * self.carried)
        target = math.prod(self.cropped_shape[1:]) * FLOAT32
        if self.doubt:
            # Two planes of doubts, a third one at work, and a piece of logits.
            source += 3 * plane + 4 * target
            source += 3 * FLOAT32 * max(PIECE_VALUES, self.heads * window[2])
        if self.probabilities:
            return source + 4 * self.heads * target
        gathered = min(GATHER_VALUES * FLOAT32, self.heads * target)
        return source + 8 * gathered + 8 * target

    def sums(self, window: Shape, depth: int) -> int:
        """Return the bytes of the sums over a window."""
        return (self.carried + 1) * depth * window[1] * window[2] * FLOAT32


@dataclass(frozen=True)
class Layout:
    """One way of running: the largest window of its passes, and what it costs in time.

    Parameters
    ----------
    mode : {"whole", "streamed"}
        Sums over the whole window, or over a slab that moves.
    window : (z, y, x) voxels
        The largest window of a pass.
    rows : int or None
        Rows of tiles in a pass, None for all.
    tiles : int
        Tiles that run, those at seams counted in each pass.
    """

    mode: Mode
    window: Shape
    rows: int | None
    tiles: int


@dataclass(frozen=True)
class MemoryPlan:
    """What a run will take.

    Parameters
    ----------
    ram_bytes : int
        Peak of main memory beyond what is there before the run.
    device_bytes : int
        Peak of the device's memory; 0 on the processor.
    layout : Layout
        The way of running.
    sums_on_device : bool
        Whether the sums lie beside the network.
    sentences : tuple of str
        The plan in words.
    """

    ram_bytes: int
    device_bytes: int
    layout: Layout
    sums_on_device: bool
    sentences: tuple[str, ...] = ()

    @property
    def mode(self) -> Mode:
        """Sums over the whole window, or over a slab that moves."""
        return self.layout.mode


def slab_depth(tile: Shape) -> int:
    """Return the planes that a streamed run holds: those of a tile and one finished."""
    return tile[0] + 1


def available_ram() -> int:
    """Return the bytes of main memory that this process could still take.

    The limit of a container counts where there is one.
    """
    free = int(psutil.virtual_memory().available)
    limit_file = Path("/sys/fs/cgroup/memory.max")
    used_file = Path("/sys/fs/cgroup/memory.current")
    try:
        limit = limit_file.read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int(used_file.read_text()))
    except (OSError, ValueError):
        return free
    return max(free, 0)


def _needs(work: Workload, layout: Layout, *, has_device: bool) -> tuple[int, int]:
    """Return main memory during the tiles without the sums, and the sums."""
    depth = layout.window[0]
    if layout.mode == "streamed":
        depth = slab_depth(work.tile)
    sums = work.sums(layout.window, min(depth, layout.window[0]))
    network = 0 if has_device else work.network_bytes
    running = work.image() + work.planes(layout.window) + work.tile_output() + network
    return LIBRARY_BYTES + work.output() + running, sums


def choose_layout(
    work: Workload,
    layouts: Sequence[Layout],
    *,
    ram_limit: int,
    device_limit: int | None = None,
) -> MemoryPlan:
    """Return the first way of running that fits, with its prediction.

    Parameters
    ----------
    work : Workload
        The sizes.
    layouts : sequence of Layout
        Ways of running, the best first.
    ram_limit : int
        Bytes of main memory that may be taken.
    device_limit : int, optional
        Free bytes of the device that the network runs on; None on the processor.

    Returns
    -------
    MemoryPlan
        Main memory suffices even when the device turns out too small for the sums.

    Raises
    ------
    ResourceError
        If nothing fits.
    """
    least = None
    for layout in layouts:
        base, sums = _needs(work, layout, has_device=device_limit is not None)
        ready = LIBRARY_BYTES + work.output() + work.preparing()
        ram = max(base + sums, ready)
        share = WHOLE_SHARE if layout.mode == "whole" else 1.0
        if ram > ram_limit * share:
            least = ram if least is None else min(ram, least)
            continue
        if device_limit is None:
            return MemoryPlan(ram, 0, layout, sums_on_device=False)
        # Half precision halves most of the network's memory, but not all of it.
        device = work.weight_bytes + round(0.65 * work.network_bytes)
        device += work.tile_output()
        with_sums = device + sums + work.planes(layout.window)
        fits = with_sums <= device_limit * DEVICE_SHARE
        return MemoryPlan(
            max(base, ready) if fits else ram,
            with_sums if fits else device,
            layout,
            sums_on_device=fits,
        )
    msg = (
        f"segmenting this volume needs at least {(least or 0) / 1e9:.1f} GB of memory, "
        f"{ram_limit / 1e9:.1f} GB may be used: close other programs, raise "
        "max_ram_gb or choose a region of interest"
    )
    raise ResourceError(msg)
