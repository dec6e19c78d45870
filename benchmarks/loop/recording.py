"""Scans drawn from label maps of real people, as one scanner would record them.

One scan a person, always the same. Labels come from the maps (SynthSeg's training maps,
Apache-2.0), brightness from a fixed table with a little difference between people, so
that cases of one task look as alike as those of one scanner: the network's own training
never drew the same contrast twice. No image of the people exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_mednext.volume import Volume, VoxelGrid

if TYPE_CHECKING:
    from napari_mednext.training.label_maps import LabelMaps
    from napari_mednext.training.mapping_table import MappingTable

__all__ = ["Drawn", "Lesions", "Recording", "draw_scan", "grown_into"]

#: Array axes run to the head, to the front and to the right.
_RAS = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
#: Room around the brain, mm.
_MARGIN_MM = 8
#: Standard deviation of the brightness of a structure between people.
_PEOPLE = 0.012
#: Darker than this, of 0..1, is no signal.
_EMPTY = 0.12
#: Grey values of the file: 0..1 becomes 0..this.
_WHITE = 1000.0
#: Sources whose box is the brain's; fluid reaches far outside it in some maps.
_BRAIN = (2, 3, 41, 42, 7, 8, 46, 47, 16)
#: Brightness of the classes of the head without those of the brain, T1-like: fat is
#: bright, bone and air are dark.
_HEAD = {
    502: 0.62, 506: 0.85, 507: 0.06, 508: 0.95, 509: 0.70, 511: 0.30,
    512: 0.90, 514: 0.55, 515: 0.42, 516: 0.50, 530: 0.98,
}  # fmt: skip


@dataclass(frozen=True)
class Lesions:
    """Tumour-like blobs in the cerebral white matter and the cortex beside it.

    Parameters
    ----------
    value : int
        Of the new label.
    level : float
        Brightness, as in :class:`Recording`.
    count : (low, high)
        How many in a person.
    radius_mm : (low, high)
    """

    value: int
    level: float
    count: tuple[int, int] = (2, 4)
    radius_mm: tuple[float, float] = (6.0, 13.0)


@dataclass(frozen=True)
class Recording:
    """How the scanner of a task records people.

    Parameters
    ----------
    levels : mapping of tissue to brightness
        Of white, grey, deep and fluid, on a scale of 0..1.
    sources : mapping of source value to brightness
        Where single structures differ from their tissue.
    spacing_mm : (z, y, x)
        Of the scan; slices are means over their thickness.
    noise : float
        Standard deviation of both parts of Rician noise.
    texture : float
        Standard deviation inside a tissue.
    bias : float
        How strongly brightness differs over the field of view: the natural logarithm of
        a smooth field has this standard deviation.
    coil : float
        How much brighter the right front is than the left back, as a natural logarithm.
    head : float
        Factor of the brightness of everything outside the brain.
    is_inverted : bool
        Whether bright and dark are exchanged inside the head.
    stripes : float
        Height of stripes, as from a spike in k-space.
    salt : float
        Grey values from 0 to this, at random, where nothing gives a signal, as in
        MP2RAGE's uniform images.
    lesions : Lesions, optional
    """

    levels: Mapping[str, float]
    sources: Mapping[int, float] = field(default_factory=dict)
    spacing_mm: tuple[float, float, float] = (1.6, 1.6, 1.6)
    noise: float = 0.03
    texture: float = 0.025
    bias: float = 0.12
    coil: float = 0.0
    head: float = 1.0
    is_inverted: bool = False
    stripes: float = 0.0
    salt: float = 0.0
    lesions: Lesions | None = None


@dataclass(frozen=True)
class Drawn:
    """A scan, and what is true of it."""

    scan: Volume
    reference: NDArray[np.uint8]
    """(z, y, x) label values."""


def draw_scan(
    maps: LabelMaps,
    table: MappingTable,
    person: str,
    recording: Recording,
    targets: Mapping[int, int],
    *,
    seed: int,
) -> Drawn:
    """Draw the scan of a person.

    Parameters
    ----------
    maps, table : LabelMaps, MappingTable
        People, and the tissues and ignored sources of the shipped recipe.
    person : str
        Key of the maps.
    recording : Recording
    targets : mapping of source value to label value
        What the reference says.
    seed : int
        Of all that is random; the same for a person in all runs.

    Returns
    -------
    Drawn
        Around the brain, at the spacing of the recording. A voxel of the reference is
        what most of it is; vessels, which no label names, are what lies beside them.
    """
    rng = np.random.default_rng([seed, int(person[1:])])
    everything = maps.values[_cropped(maps, person)]
    values = grown_into(everything, np.isin(everything, list(table.ignore)))
    labels = np.zeros(values.shape, np.uint8)
    for source, target in targets.items():
        labels[values == source] = target
    image = _brightness(values, maps, table, recording, rng)
    if recording.lesions is not None:
        where = _blobs(values, recording.lesions, rng)
        labels[where] = recording.lesions.value
        speckle = rng.normal(0, 2 * recording.texture, int(where.sum()))
        image[where] = recording.lesions.level + speckle
    image = ndimage.gaussian_filter(image, 0.5)
    z, y, x = (
        int(n / s) for n, s in zip(values.shape, recording.spacing_mm, strict=True)
    )
    shape = (z, y, x)
    coarse = _averaged(image, shape, recording.spacing_mm)
    coarse = _recorded(coarse, recording, rng)
    grid = VoxelGrid(shape, recording.spacing_mm, direction=_RAS)
    array = np.clip(coarse * _WHITE, 0, 32767).round().astype(np.int16)
    reference = _most(labels, shape, recording.spacing_mm)
    return Drawn(Volume(array, grid, person), reference)


def grown_into(
    values: NDArray[np.integer], holes: NDArray[np.bool_]
) -> NDArray[np.integer]:
    """Return values whose holes have the value of the nearest voxel that is none."""
    if not holes.any():
        return values
    nearest = ndimage.distance_transform_edt(
        holes, return_distances=False, return_indices=True
    )
    filled: NDArray[np.integer] = values[tuple(nearest)]
    return filled


def _cropped(maps: LabelMaps, person: str) -> NDArray[np.uint8]:
    """Return a map around its brain; maps have voxels of 1 mm."""
    array = maps.maps[person]
    inside = np.isin(array, np.flatnonzero(np.isin(maps.values, _BRAIN)))
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        # A few stray voxels do not make the box larger.
        places = np.flatnonzero(inside.sum(others) > 20)
        low, high = places[0] - _MARGIN_MM, places[-1] + _MARGIN_MM + 1
        box.append(slice(max(low, 0), min(high, array.shape[axis])))
    return array[tuple(box)]


def _brightness(
    values: NDArray[np.integer],
    maps: LabelMaps,
    table: MappingTable,
    recording: Recording,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return brightness with texture, 0..1, at 1 mm."""
    level = np.zeros(max(int(maps.values.max()), *_HEAD, *recording.sources) + 1)
    for source, brightness in _HEAD.items():
        level[source] = brightness * recording.head
    for tissue, brightness in recording.levels.items():
        level[list(table.tissues[tissue])] = brightness
    for source, brightness in recording.sources.items():
        level[source] = brightness
    known = maps.values[level[maps.values] > 0]
    level[known] += rng.normal(0, _PEOPLE, len(known))
    image: NDArray[np.float32] = level[values].astype(np.float32)
    if recording.is_inverted:
        image = np.where(values > 0, np.float32(1) - image, 0).astype(np.float32)
    texture = rng.normal(0, recording.texture, values.shape)
    return image + np.where(values > 0, texture, 0).astype(np.float32)


def _blobs(
    values: NDArray[np.integer], lesions: Lesions, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return where lesions are: warped balls that grow in the cerebrum only."""
    white = np.isin(values, (2, 41))
    allowed = white | np.isin(values, (3, 42))
    places = np.argwhere(ndimage.binary_erosion(white, iterations=2))
    found = np.zeros(values.shape, bool)
    axes = np.ogrid[tuple(slice(n) for n in values.shape)]
    for _ in range(int(rng.integers(lesions.count[0], lesions.count[1] + 1))):
        centre = places[rng.integers(len(places))]
        radii = rng.uniform(*lesions.radius_mm) * rng.uniform(0.8, 1.25, 3)
        away = sum(
            ((axis - c) / r) ** 2
            for axis, c, r in zip(axes, centre, radii, strict=True)
        )
        wobble = ndimage.gaussian_filter(rng.normal(0, 1, values.shape), 4)
        found |= away + 0.35 * wobble / wobble.std() < 1
    return found & allowed


def _recorded(
    image: NDArray[np.float32], recording: Recording, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the image as the coil and the noise leave it."""
    shape = image.shape
    field = rng.normal(0, 1, (4, 4, 4))
    factors = [n / 4 for n in shape]
    smooth = ndimage.zoom(field, factors, order=3, mode="nearest", grid_mode=True)
    smooth = recording.bias * (smooth - smooth.mean()) / smooth.std()
    y, x = (np.linspace(-0.5, 0.5, n) for n in shape[1:])
    smooth = smooth + recording.coil * (y[:, None] + x) / 2
    empty = image < _EMPTY
    if recording.stripes:
        z = np.arange(shape[0])[:, None, None]
        wave = np.cos(0.9 * z + 0.7 * np.arange(shape[1])[:, None])
        image = image + np.float32(recording.stripes) * wave.astype(np.float32)
    image = image * np.exp(smooth)
    if recording.salt:
        image = np.where(empty, rng.uniform(0, recording.salt, shape), image)
    real = image + rng.normal(0, recording.noise, shape)
    recorded: NDArray[np.float32] = np.hypot(
        real, rng.normal(0, recording.noise, shape)
    ).astype(np.float32)
    return recorded


def _averaged(
    image: NDArray[np.float32],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.float32]:
    """Return means over voxels of the spacing, of an image of 1 mm."""
    for axis, (n, edge) in enumerate(zip(shape, spacing_mm, strict=True)):
        sums = np.concatenate(
            [
                np.zeros_like(np.take(image, [0], axis), dtype=np.float64),
                np.cumsum(image, axis=axis, dtype=np.float64),
            ],
            axis,
        )
        ends = np.arange(n + 1) * edge
        low = np.minimum(ends.astype(int), sums.shape[axis] - 2)
        weight = ends - low
        weight = weight.reshape([-1 if k == axis else 1 for k in range(3)])
        first, second = np.take(sums, low, axis), np.take(sums, low + 1, axis)
        image = np.diff(first + (second - first) * weight, axis=axis) / edge
    return image.astype(np.float32)


def _most(
    labels: NDArray[np.uint8],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.uint8]:
    """Return the label of the largest share of each coarser voxel."""
    best = np.full(shape, -1.0, np.float32)
    result = np.zeros(shape, np.uint8)
    for value in np.unique(labels):
        share = _averaged((labels == value).astype(np.float32), shape, spacing_mm)
        more = share > best + 1e-6
        result[more], best[more] = value, share[more]
    return result
