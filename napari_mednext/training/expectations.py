"""What a model trained from label maps knows: volumes, sizes, and how sure it is.

Volumes and sizes come from the maps that it learned from, widened by what the generator
does to them; how sure it is, from synthetic scans of the held-out maps. No real scan is
looked at, so that a warning on one is not a lesson learned from it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_mednext.inference import Model, load_model
from napari_mednext.inference.evidence import (
    border_contact,
    label_counts,
    largest_piece,
)
from napari_mednext.models.expectations import Expectations
from napari_mednext.models.writing import replace_card
from napari_mednext.progress import CancelFlag, check_cancelled
from napari_mednext.training.synthesis import Synthesizer
from napari_mednext.volume import Volume, VoxelGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.models import ModelFolder
    from napari_mednext.training.label_maps import LabelMaps
    from napari_mednext.training.mapping_table import MappingTable

__all__ = ["measure_expectations", "measure_maps", "with_expectations"]

#: The generator's enlargement of a head, and the thickest slices it draws in mm: see
#: ``_random_affine`` and ``_thick_slices`` in :mod:`.synthesis`.
SCALES = (1 / 1.18, 1 / 0.85)
SLICE_MM = 7.0
#: Classes whose contact with the border of a map is larger are cut there, and a whole
#: whose largest piece is smaller is none; see :mod:`napari_mednext.inference.checks`.
MOST_CONTACT = 0.06
LEAST_LARGEST = 0.97
#: Part of the smallest extent of a whole that a scan should have.
LEAST_EXTENT = 0.8
QUANTILES = (0.05, 0.25, 0.5)
#: Seeds that no step of a training and no validation uses.
_FIRST_SEED = 2_000_003
_RAS = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))


def measure_expectations(
    model: Model,
    maps: LabelMaps,
    table: MappingTable,
    *,
    scans: int = 24,
    cancel: CancelFlag | None = None,
) -> dict[str, Any]:
    """Return what a model knows, as the field ``expects`` of its card.

    Parameters
    ----------
    model : Model
        Trained from these maps; its plan says how large a synthetic scan is.
    maps : LabelMaps
        Those that it learned from and those held out.
    table : MappingTable
        What its card says in ``expects`` goes before what is measured.
    scans : int
        Synthetic scans on which the confidence is measured; the same on every call.
    cancel : CancelFlag, optional
        Looked at between maps and scans.

    Returns
    -------
    dict
        As :meth:`napari_mednext.models.expectations.Expectations.to_dict` gives it.

    Raises
    ------
    ModelError
        If the table's own ``expects`` cannot be used.
    Cancelled
        If ``cancel`` was set.

    Notes
    -----
    Each map takes half a second, each scan one run of the network on one tile.
    """
    found = measure_maps(maps, table, cancel=cancel)
    if table.card.get("modality"):
        found["modality"] = str(table.card["modality"])
    found |= dict(table.card.get("expects", {}))
    known = Expectations(**found)
    known = dataclasses.replace(
        known, confidence=_confidence(model, maps, table, known, scans, cancel)
    )
    return known.to_dict()


def measure_maps(
    maps: LabelMaps, table: MappingTable, *, cancel: CancelFlag | None = None
) -> dict[str, Any]:
    """Return what the maps that are learned from say of sizes and volumes.

    Classes that reach the border of a map are left out: how large they are is not
    known. All classes but those outside are a whole if they are one piece off the
    border in every map.

    Parameters
    ----------
    maps : LabelMaps
        Complete ones; those held out are not looked at.
    table : MappingTable
        Which classes there are, and which lie outside.
    cancel : CancelFlag, optional
        Looked at between maps.

    Returns
    -------
    dict
        Some fields of :class:`napari_mednext.models.expectations.Expectations`.

    Raises
    ------
    Cancelled
        If ``cancel`` was set.
    """
    look = np.array([table.targets.get(int(v), 0) for v in maps.values], dtype=np.uint8)
    sources = {t: [s for s in table.targets if table.targets[s] == t] for t in look}
    whole = [v for v in table.labels.names if not table.outside & {*sources.get(v, ())}]
    learned, _ = table.split(maps)
    seen: list[_Sizes] = []
    for name in learned:
        check_cancelled(cancel)
        seen.append(_sizes(look[maps.maps[name]], maps.spacing_of(name), whole))
    found: dict[str, Any] = {"slice_mm": SLICE_MM}
    inside = [v for v in table.labels.names if all(v in each.inside for each in seen)]
    found["volumes_ml"] = {
        str(v): _limits([each.volumes_ml[v] for each in seen]) for v in inside
    }
    if all(each.is_whole for each in seen):
        found["whole"] = whole
        found["whole_ml"] = _limits(
            [sum(each.volumes_ml[v] for v in whole) for each in seen]
        )
        extent = min(each.extent_mm for each in seen)
        found["extent_mm"] = round(LEAST_EXTENT * SCALES[0] * extent)
    return found


def with_expectations(
    folder: ModelFolder,
    maps: LabelMaps,
    table: MappingTable,
    *,
    device: str = "auto",
    scans: int = 24,
    cancel: CancelFlag | None = None,
) -> ModelFolder:
    """Measure what a model knows and write it into its card.

    Parameters
    ----------
    folder : ModelFolder
        Its ``card.json`` is replaced; nothing else changes.
    maps, table, scans, cancel
        As for :func:`measure_expectations`.
    device : str
        Where the network runs.

    Returns
    -------
    ModelFolder
        Opened anew.

    Raises
    ------
    ModelError
        If the model or the table's ``expects`` cannot be used.
    ResourceError
        If the device is not there, or memory runs out.
    StorageError
        If the card cannot be written.
    Cancelled
        If ``cancel`` was set: the card is as it was.
    """
    model = load_model(folder.path, device=device)
    measured = measure_expectations(model, maps, table, scans=scans, cancel=cancel)
    expects = Expectations(**measured)
    return replace_card(folder, dataclasses.replace(folder.card, expects=expects))


@dataclasses.dataclass(frozen=True)
class _Sizes:
    """What one map says."""

    volumes_ml: dict[int, float]
    inside: frozenset[int]
    is_whole: bool
    extent_mm: float


def _sizes(
    labels: NDArray[np.uint8], spacing: tuple[float, ...], whole: list[int]
) -> _Sizes:
    """Measure a map of class values (z, y, x)."""
    voxel_mm3 = float(np.prod(spacing))
    numbers = np.zeros(np.iinfo(labels.dtype).max + 1, dtype=np.int64)
    found = label_counts(labels)
    numbers[: len(found)] = found
    inside = set()
    for value in np.flatnonzero(numbers):
        member = np.zeros(len(numbers), dtype=bool)
        member[value] = True
        volume_mm3 = float(numbers[value]) * voxel_mm3
        if border_contact(labels, member, spacing, volume_mm3) <= MOST_CONTACT:
            inside.add(int(value))
    member = np.zeros(len(numbers), dtype=bool)
    member[whole] = True
    is_whole = bool(numbers[member].any())
    extent_mm = 0.0
    if is_whole:
        volume_mm3 = float(numbers[member].sum()) * voxel_mm3
        contact = border_contact(labels, member, spacing, volume_mm3)
        largest = largest_piece(labels, member, spacing)
        is_whole = contact <= MOST_CONTACT and largest >= LEAST_LARGEST
        extent_mm = _smallest_extent(member[labels], spacing)
    volumes = {v: float(n) * voxel_mm3 / 1000 for v, n in enumerate(numbers) if v}
    return _Sizes(volumes, frozenset(inside), is_whole, extent_mm)


def _smallest_extent(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> float:
    """Return the shortest edge of the box around a mask, in mm."""
    edges = []
    for axis, size in enumerate(spacing):
        others = tuple(a for a in range(3) if a != axis)
        edges.append(np.count_nonzero(mask.any(axis=others)) * size)
    return float(min(edges))


def _limits(volumes_ml: list[float]) -> list[float]:
    """Return the least and the largest volume, widened by the generator's scales."""
    low, high = min(volumes_ml) * SCALES[0] ** 3, max(volumes_ml) * SCALES[1] ** 3
    return [float(f"{low:.3g}"), float(f"{high:.3g}")]


def _confidence(
    model: Model,
    maps: LabelMaps,
    table: MappingTable,
    known: Expectations,
    scans: int,
    cancel: CancelFlag | None,
) -> dict[str, float]:
    """Return quantiles of the confidence on synthetic scans of held-out maps."""
    card = dataclasses.replace(model.folder.card, expects=known)
    model = dataclasses.replace(
        model, folder=dataclasses.replace(model.folder, card=card)
    )
    plan = model.folder.plan
    spacing = float(plan.spacing[0])
    synthesizer = Synthesizer(
        maps,
        table,
        names=table.split(maps)[1],
        patch=plan.patch_size,
        spacing_mm=spacing,
        oversampling=int(card.recipe.get("oversampling", 1)),
        device=torch.device("cpu"),
    )
    grid = VoxelGrid(plan.patch_size, (spacing,) * 3, direction=_RAS)
    figures = []
    for seed in range(_FIRST_SEED, _FIRST_SEED + scans):
        check_cancelled(cancel)
        with torch.no_grad():
            scan = synthesizer.draw(seed).scan[0].numpy()
        quality = model.segment(Volume(scan, grid), cancel=cancel).quality
        if "confidence" in quality.figures:
            figures.append(quality.figures["confidence"])
    if not figures:
        return {}
    return {f"{q:g}": round(float(np.quantile(figures, q)), 4) for q in QUANTILES}
