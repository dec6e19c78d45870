"""What is known about a run before it starts: shapes, tiles, passes and memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import GeometryError, InputError
from napari_mednext.inference.decide import Decision
from napari_mednext.inference.devices import free_bytes
from napari_mednext.inference.footprint import forward_bytes
from napari_mednext.inference.memory import (
    RAM_SHARE,
    Layout,
    MemoryPlan,
    Mode,
    Workload,
    available_ram,
    choose_layout,
)
from napari_mednext.inference.passes import Pass, Target, cut_passes, whole_pass
from napari_mednext.inference.tiles import Index, Region, TileGrid
from napari_mednext.inference.turning import after, box_there, checked_roi, point_there
from napari_mednext.preprocessing import (
    AxisSampling,
    Geometry,
    padding,
    plan_geometry,
    sample_axis,
    separate_axis,
)
from napari_mednext.volume.orientation import Turn, reorient, turn_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.inference.engines import Engine
    from napari_mednext.models import ConfigurationPlan, ModelFolder
    from napari_mednext.settings import InferenceSettings
    from napari_mednext.volume import Volume

__all__ = ["Case", "prepare_case"]

#: The region of interest when none is given.
ALL = (slice(None),) * 3


@dataclass(frozen=True)
class Case:
    """One volume and how it will be segmented.

    Parameters
    ----------
    image : (c, z, y, x)
        The volume's array, reoriented when the plan wants it; a view.
    image_spacing : (z, y, x) mm
        Its spacing.
    turn : Turn
        From the volume's own axes to the plan's.
    geometry : Geometry
        Cropping and resampling.
    grid : TileGrid
        Tiles of the padded input.
    target : Target
        Output voxels that are wanted.
    decision : Decision
        How logits become labels.
    passes : tuple of Pass
        Tiles in the order in which they run.
    memory : MemoryPlan
        What it will take.
    """

    image: NDArray[Any]
    image_spacing: tuple[float, float, float]
    turn: Turn
    geometry: Geometry
    grid: TileGrid
    target: Target
    decision: Decision
    passes: tuple[Pass, ...]
    memory: MemoryPlan

    @property
    def tiles(self) -> int:
        """Tiles that will run."""
        return sum(len(part.tiles) for part in self.passes)

    def cropped_view(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the view, in the plan's axes, of what is not cropped away."""
        turned = self.turn.array(array)
        return turned[(..., *self.geometry.slices)]


def prepare_case(
    volume: Volume,
    folder: ModelFolder,
    engine: Engine,
    settings: InferenceSettings,
    *,
    label_bytes: int,
    roi: Sequence[slice] | None,
    focus: Sequence[float] | None,
    probabilities: bool,
    doubt: bool,
    footprints: dict[tuple[str, str], int],
) -> Case:
    """Return how a volume will be segmented.

    Parameters
    ----------
    volume : Volume
        Not modified.
    folder : ModelFolder
        The model.
    engine : Engine
        What runs the network.
    settings : InferenceSettings
        Step and memory limit.
    label_bytes : int
        Bytes of one label.
    roi, focus, probabilities, doubt
        As for :meth:`napari_mednext.inference.Model.segment`.
    footprints : dict
        Measured memory of the network, kept between runs.

    Returns
    -------
    Case

    Raises
    ------
    ChannelError
        If the channels are not the plan's.
    GeometryError
        If the grid cannot be turned to RAS.
    InputError
        If the region of interest holds no voxel or the focus is not a point.
    ModelError
        If the plan resamples logits with an order that is not known.
    ResourceError
        If nothing fits into memory.
    """
    plan = folder.plan
    shape = volume.grid.shape
    oriented, turn = _oriented(volume, folder)
    geometry = plan_geometry(oriented.array, oriented.grid.spacing, plan)
    padded, inside = padding(geometry.new_shape, plan.patch_size)
    target = Target(
        _wanted(box_there(turn, shape, checked_roi(roi or ALL, shape)), geometry),
        _samplings(geometry, plan, inside),
    )
    grid = TileGrid(padded, plan.patch_size, settings.step)
    work = _workload(
        volume,
        plan,
        geometry,
        engine,
        padded,
        label_bytes=label_bytes,
        probabilities=probabilities,
        doubt=doubt,
        network_bytes=_network_bytes(folder, engine, footprints),
    )
    memory, passes = _choose(
        grid, target, work, engine, settings, prefer_whole=focus is not None
    )
    if focus is not None and memory.mode == "whole":
        point = _focus(focus, shape, turn, geometry, inside)
        ordered = grid.nearest_first(passes[0].tiles, point, geometry.new_spacing)
        passes = (replace(passes[0], tiles=tuple(ordered)),)
    return Case(
        oriented.array,
        oriented.grid.spacing,
        turn,
        geometry,
        grid,
        target,
        Decision(folder.region_class_order if folder.regions else None),
        passes,
        memory,
    )


def _oriented(volume: Volume, folder: ModelFolder) -> tuple[Volume, Turn]:
    """Return the volume as the plan's axes start from, and the turn to those axes.

    Raises
    ------
    GeometryError
        If the volume cannot be turned to RAS.
    """
    oriented = reorient(volume, "RAS") if folder.reorient_to_ras else volume
    first = turn_between(volume.grid, oriented.grid)
    if first is None:
        msg = (
            f"the grid of {volume.name!r} must allow turning to RAS, got "
            f"{volume.grid!r}: repair the header"
        )
        raise GeometryError(msg)
    return oriented, after(first, folder.plan.transpose_forward)


def _samplings(
    geometry: Geometry, plan: ConfigurationPlan, inside: tuple[slice, slice, slice]
) -> tuple[AxisSampling, AxisSampling, AxisSampling]:
    """Return how output voxels read the padded input, along the three axes."""
    rule = plan.resampling_probabilities
    axis = separate_axis(
        geometry.new_spacing, geometry.spacing, force=rule.force_separate_z
    )
    result = []
    for index, (size, new_size, pad) in enumerate(
        zip(geometry.new_shape, geometry.cropped_shape, inside, strict=True)
    ):
        order = rule.order_z if index == axis else rule.order
        sampling = sample_axis(size, new_size, order)
        result.append(
            AxisSampling(
                sampling.low + pad.start, sampling.high + pad.start, sampling.weight
            )
        )
    return result[0], result[1], result[2]


def _wanted(turned: Region, geometry: Geometry) -> Region:
    """Return the part of a turned box that is not cropped away, in cropped voxels."""
    ranges = []
    for (start, stop), (low, high) in zip(turned, geometry.box, strict=True):
        ranges.append((max(start, low) - low, min(stop, high) - low))
    z, y, x = ranges
    return z, y, x


def _focus(
    focus: Sequence[float],
    shape: Index,
    turn: Turn,
    geometry: Geometry,
    inside: tuple[slice, slice, slice],
) -> tuple[float, ...]:
    """Return where the user looks, in voxels of the padded input."""
    if len(focus) != 3 or not np.isfinite(np.asarray(focus, dtype=float)).all():
        msg = f"the focus must be a voxel (z, y, x), got {focus!r}"
        raise InputError(msg)
    turned = point_there(turn, shape, focus)
    return tuple(
        (position - low + 0.5) * new / old - 0.5 + pad.start
        for position, (low, _), new, old, pad in zip(
            turned,
            geometry.box,
            geometry.new_shape,
            geometry.cropped_shape,
            inside,
            strict=True,
        )
    )


def _network_bytes(
    folder: ModelFolder, engine: Engine, known: dict[tuple[str, str], int]
) -> int:
    """Return the peak of one pass of the network, measured once."""
    key = (str(engine.device), engine.carries)
    if key not in known:
        known[key] = forward_bytes(
            lambda x: engine.plain_forward(0, x),
            folder.input_channels,
            folder.plan.patch_size,
            device=engine.device,
            downsampling=engine.known_downsampling,
        )
    return known[key]


def _workload(
    volume: Volume,
    plan: ConfigurationPlan,
    geometry: Geometry,
    engine: Engine,
    padded: Index,
    *,
    label_bytes: int,
    probabilities: bool,
    doubt: bool,
    network_bytes: int,
) -> Workload:
    """Return the sizes that decide about memory."""
    return Workload(
        image_channels=volume.channels,
        volume_voxels=int(np.prod(volume.grid.shape)),
        cropped_shape=geometry.cropped_shape,
        new_shape=geometry.new_shape,
        padded_shape=padded,
        tile=plan.patch_size,
        carried=engine.channels,
        heads=engine.heads,
        passes_per_tile=len(engine.flips),
        folds=len(engine.networks),
        network_bytes=network_bytes,
        weight_bytes=engine.weight_bytes,
        label_bytes=label_bytes,
        has_mask=any(plan.use_mask_for_norm),
        probabilities=probabilities,
        doubt=doubt,
    )


def _ways(
    grid: TileGrid, target: Target, *, prefer_whole: bool
) -> dict[Layout, list[Pass]]:
    """Return the ways of running with their passes, the best first."""
    everything = whole_pass(grid, target)
    choices: list[tuple[Mode, int | None, list[Pass]]] = []
    if prefer_whole:
        choices.append(("whole", None, [everything]))
    choices.append(("streamed", None, [everything]))
    rows = len({tile[1] for tile in everything.tiles})
    for count in range(rows - 1, 0, -1):
        cut = cut_passes(grid, target, count)
        if cut is not None:
            choices.append(("streamed", count, cut))
    ways = {}
    for mode, limit, passes in choices:
        window = max((part.window_shape for part in passes), key=lambda w: w[1])
        tiles = sum(len(part.tiles) for part in passes)
        ways[Layout(mode, window, limit, tiles)] = passes
    return ways


def _choose(
    grid: TileGrid,
    target: Target,
    work: Workload,
    engine: Engine,
    settings: InferenceSettings,
    *,
    prefer_whole: bool,
) -> tuple[MemoryPlan, tuple[Pass, ...]]:
    """Return the first way of running that fits, and its passes."""
    if any(stop <= start for start, stop in target.region):
        empty = Layout("streamed", (1, 1, 1), None, 0)
        return MemoryPlan(0, 0, empty, sums_on_device=False), ()
    ways = _ways(grid, target, prefer_whole=prefer_whole)
    limit = round(available_ram() * RAM_SHARE)
    if settings.max_ram_gb is not None:
        limit = min(limit, round(settings.max_ram_gb * 1e9))
    memory = choose_layout(
        work,
        list(ways),
        ram_limit=limit,
        device_limit=free_bytes(str(engine.device)),
    )
    passes = tuple(ways[memory.layout])
    sentences = []
    if prefer_whole and memory.mode == "streamed":
        sentences.append(
            "memory is short for showing the visible region first: the volume is "
            "segmented from one end to the other"
        )
    if memory.layout.rows is not None:
        least = len(whole_pass(grid, target).tiles)
        sentences.append(
            f"memory is short: the volume is segmented in {len(passes)} parts, which "
            f"takes {memory.layout.tiles / least - 1:.0%} longer"
        )
    return replace(memory, sentences=tuple(sentences)), passes
