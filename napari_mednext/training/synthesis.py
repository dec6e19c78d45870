"""Synthetic scans from label maps: what the model learns from, instead of real scans.

Source: SynthSeg (Billot et al., arXiv 2107.09559): a random deformation of a random
label map, a random Gaussian a label, bias field, thick slices, blur, noise, gamma.

What differs: a patch is drawn, not a whole head; labels are sampled on a finer grid and
averaged, so that border voxels hold mixtures; the target is one of the finer points of
each voxel, at a known place, so that a network learns borders finer than its voxels;
the scan is standardised over the patch and then shifted and scaled at random, since at
inference the statistics come from a field of view of any size, with any amount of air;
some heads lie on their side or upside down, as when a header is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from napari_mednext.training.contrast import draw_contrast

if TYPE_CHECKING:
    from napari_mednext.training.label_maps import LabelMaps
    from napari_mednext.training.mapping_table import MappingTable

__all__ = ["IGNORE", "Sample", "Synthesizer"]

#: Target value of voxels that are neither right nor wrong.
IGNORE = 255


class Sample(NamedTuple):
    """One pair to learn from."""

    scan: Tensor
    """(1, z, y, x) float32."""

    target: Tensor
    """(z, y, x) uint8: class values, 0 background, 255 to be ignored."""

    offset: Tensor
    """(3,) float32: where the target's points lie from the scan's, voxels (z, y, x)."""


@dataclass(frozen=True)
class _Tables:
    """What the loop needs of maps and mapping, as tensors on the device."""

    maps: list[Tensor]  # (z, y, x) uint8, indices
    spacings: list[np.ndarray]  # (z, y, x) mm, of each map
    target: Tensor  # (n,) uint8
    outside: Tensor  # (n,) bool
    boxes: list[tuple[np.ndarray, np.ndarray]]  # brain box, (z, y, x) low and high


class Synthesizer:
    """Draws pairs of scan and target from label maps.

    Parameters
    ----------
    maps : LabelMaps
        Only the maps in ``names`` are used.
    table : MappingTable
    names : sequence of str
        Maps to draw from.
    patch : (z, y, x) voxels
    spacing_mm : float
        Voxel edge of the patch.
    oversampling : int
        Finer grid on which the scan is drawn.
    device : torch.device
        Where to draw; scans of one seed differ between devices.
    """

    def __init__(
        self,
        maps: LabelMaps,
        table: MappingTable,
        *,
        names: list[str],
        patch: tuple[int, int, int],
        spacing_mm: float,
        oversampling: int,
        device: torch.device,
    ) -> None:
        self._source = maps
        self._table = table
        self._patch = patch
        self._spacing_mm = spacing_mm
        self._fine = oversampling
        self._device = device
        self._tables = _make_tables(maps, table, names, device)

    def draw(self, seed: int) -> Sample:
        """Return one pair; the same seed gives the same pair.

        Parameters
        ----------
        seed : int
            Decides all; pairs of different seeds are independent.

        Returns
        -------
        Sample
        """
        rng = np.random.default_rng(seed)
        noise = torch.Generator(self._device).manual_seed(seed)
        which = int(rng.integers(len(self._tables.maps)))
        index = self._sample_labels(which, rng, noise)  # fine grid
        contrast = draw_contrast(rng, self._source, self._table)
        mean = torch.from_numpy(contrast.mean).to(self._device)
        spread = torch.from_numpy(contrast.spread).to(self._device)
        if rng.random() < 0.15:
            mean = torch.where(self._tables.outside, 0.0, mean)
            spread = torch.where(self._tables.outside, 0.0, spread)
        flat = index.long()
        scan = torch.randn(flat.shape, generator=noise, device=self._device)
        scan = scan * spread[flat] + mean[flat]
        scan, place = _voxels(scan[None, None], self._fine, rng)
        phase = rng.integers(self._fine, size=3)
        z, y, x = (slice(int(p), None, self._fine) for p in phase)
        target = self._tables.target[index[z, y, x].long()]
        offset = torch.tensor((phase - place) / self._fine, dtype=torch.float32)
        return Sample(self._image(scan, rng, noise)[0], target, offset.to(self._device))

    def _sample_labels(
        self, which: int, rng: np.random.Generator, noise: torch.Generator
    ) -> Tensor:
        """Return label indices of a deformed patch on the fine grid, uint8."""
        source = self._tables.maps[which]
        size = [n * self._fine for n in self._patch]
        spacing = self._tables.spacings[which]
        edge = self._spacing_mm / self._fine / spacing  # (3,) in map voxels
        matrix = _random_affine(rng, mirror=self._table.mirror) * edge[:, None]
        centre = self._random_centre(which, rng)
        axes = [
            torch.arange(n, dtype=torch.float32, device=self._device) - (n - 1) / 2
            for n in size
        ]
        amplitude = torch.tensor(
            float(rng.uniform(0, 4.0)) / spacing, dtype=torch.float32
        ).to(self._device)[None, :, None, None, None]
        coarse = [
            max(3, math.ceil(n * self._spacing_mm / self._fine / 24)) for n in size
        ]
        field = torch.randn(1, 3, *coarse, generator=noise, device=self._device)
        field = F.interpolate(
            field * amplitude, size, mode="trilinear", align_corners=True
        )
        flat: Tensor | None = None
        inside: Tensor | None = None
        for row, extent in enumerate(source.shape):
            a, b, c = (float(v) for v in matrix[row])
            position = (
                field[0, row]
                + (a * axes[0] + float(centre[row]))[:, None, None]
                + (b * axes[1])[:, None]
                + c * axes[2]
            ).round_()
            valid = (position >= 0) & (position < extent)
            step = position.clamp_(0, extent - 1).to(torch.int32)
            flat = step if flat is None else flat * extent + step
            inside = valid if inside is None else inside & valid
        index = source.reshape(-1)[flat.long()]  # type: ignore[union-attr]  # three rows
        return torch.where(inside, index, torch.zeros_like(index))  # type: ignore[arg-type]

    def _random_centre(self, which: int, rng: np.random.Generator) -> np.ndarray:
        """Return the patch's centre in map voxels: mostly near the brain."""
        low, high = self._tables.boxes[which]
        spacing = self._tables.spacings[which]
        extent = np.array(self._patch) * self._spacing_mm / spacing
        if rng.random() < 0.1:
            shape = np.array(self._tables.maps[which].shape)
            return np.asarray(rng.uniform(0, 1, 3) * shape)
        slack = np.maximum((high - low) - extent, 0) / 2 + 20 / spacing
        return np.asarray((low + high) / 2 + rng.uniform(-1, 1, 3) * slack)

    def _image(
        self, scan: Tensor, rng: np.random.Generator, noise: torch.Generator
    ) -> Tensor:
        """Turn brightness into a scan, both (1, 1, z, y, x)."""
        patch = list(self._patch)
        if rng.random() < 0.35:
            scan = _thick_slices(scan, rng, self._spacing_mm)
        if rng.random() < 0.3:
            scan = _blur(scan, rng.uniform(0.3, 0.9, 3))
        field = torch.randn(1, 1, 3, 4, 3, generator=noise, device=self._device)
        strength = float(rng.uniform(0, 0.35))
        field = F.interpolate(
            field * strength, patch, mode="trilinear", align_corners=True
        )
        scan = scan * field.exp()
        if rng.random() < 0.06:  # inverted brightness: bright air
            scan = scan.amax() - scan
        if rng.random() < 0.5:
            low, high = scan.amin(), scan.amax()
            unit = ((scan - low) / (high - low + 1e-6)).clamp_min(1e-4)
            scan = unit ** float(math.exp(rng.normal(0, 0.3)))
        grain = torch.randn(scan.shape, generator=noise, device=self._device)
        silent = bool(rng.random() < 0.3)
        scan = scan + grain * (0.0 if silent else float(rng.uniform(0, 0.07)))
        scan = (scan - scan.mean()) / scan.std().clamp_min(1e-3)
        return scan * float(rng.uniform(0.6, 1.5)) + float(rng.uniform(-0.9, 0.9))


def _voxels(
    fine: Tensor, factor: int, rng: np.random.Generator
) -> tuple[Tensor, float]:
    """Make voxels of fine points; also return where they lie, in fine points.

    Some scans average over a voxel, others see a part of it: both are drawn.
    """
    if factor == 1:
        return fine, 0.0
    if rng.random() < 0.6:
        return F.avg_pool3d(fine, factor), (factor - 1) / 2
    first = factor // 2
    return fine[..., first::factor, first::factor, first::factor], float(first)


def _make_tables(
    maps: LabelMaps, table: MappingTable, names: list[str], device: torch.device
) -> _Tables:
    """Turn maps and mapping into tensors."""
    target = np.array(
        [table.targets.get(int(v), 0) for v in maps.values], dtype=np.uint8
    )
    target[np.isin(maps.values, list(table.ignore))] = IGNORE
    outside = np.isin(maps.values, list(table.outside))
    inside_index = (target > 0) & (target != IGNORE) & ~outside
    boxes = []
    for name in names:
        inside = inside_index[maps.maps[name]]
        low, high = np.zeros(3), np.array(inside.shape, float)
        for axis in range(3) if inside.any() else ():
            others = tuple(a for a in range(3) if a != axis)
            places = np.flatnonzero(inside.any(others))
            low[axis], high[axis] = places[0], places[-1]
        boxes.append((low, high))
    return _Tables(
        [torch.from_numpy(maps.maps[name]).to(device) for name in names],
        [np.array(maps.spacing_of(name)) for name in names],
        torch.from_numpy(target).to(device),
        torch.from_numpy(outside).to(device),
        boxes,
    )


def _random_affine(rng: np.random.Generator, *, mirror: bool) -> np.ndarray:
    """Return a rotation, scaling, shear and left-right flip, axes (z, y, x).

    Without ``mirror`` a left hand stays a left hand, however the head lies.
    """
    luck = rng.random()
    most = 20.0 if luck < 0.8 else 45.0
    matrix = _any_orientation(rng) if luck > 0.9 else np.eye(3)
    for axis, angle in enumerate(np.radians(rng.uniform(-most, most, 3))):
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = math.cos(angle)
        turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    scale = rng.uniform(0.85, 1.18) * rng.uniform(0.95, 1.05, 3)
    shear = np.eye(3) + rng.uniform(-0.08, 0.08, (3, 3)) * (1 - np.eye(3))
    matrix = matrix @ np.diag(scale) @ shear
    if rng.random() < 0.5:
        matrix = np.diag([1.0, 1.0, -1.0]) @ matrix
    if not mirror and np.linalg.det(matrix) < 0:
        matrix = np.diag([1.0, 1.0, -1.0]) @ matrix
    return np.asarray(matrix)


def _any_orientation(rng: np.random.Generator) -> np.ndarray:
    """Return one of the 48 ways in which an array can lie, as a matrix."""
    matrix = np.eye(3)[rng.permutation(3)]
    return np.asarray(matrix * rng.choice([-1.0, 1.0], size=(1, 3)))


def _thick_slices(scan: Tensor, rng: np.random.Generator, spacing_mm: float) -> Tensor:
    """Average along one axis to slices of up to 7 mm, then fill the grid again.

    Very thick slices are sometimes repeated instead of interpolated, as nnU-Net
    resamples scans whose slices are more than three times as thick as their pixels.
    """
    size = list(scan.shape[2:])
    axis = int(rng.integers(3))
    thickness = float(rng.uniform(spacing_mm * 1.2, max(7.0, spacing_mm * 2)))
    coarse = list(size)
    coarse[axis] = max(2, round(size[axis] * spacing_mm / thickness))
    thick = F.adaptive_avg_pool3d(scan, (coarse[0], coarse[1], coarse[2]))
    if thickness > 3.0 and rng.random() < 0.5:
        return F.interpolate(thick, size, mode="nearest-exact")
    return F.interpolate(thick, size, mode="trilinear", align_corners=False)


def _blur(scan: Tensor, sigmas: np.ndarray) -> Tensor:
    """Blur with a Gaussian of the given widths in voxels, separably."""
    for axis, sigma in enumerate(sigmas):
        reach = max(1, math.ceil(3 * sigma))
        taps = torch.arange(-reach, reach + 1, dtype=torch.float32, device=scan.device)
        kernel = torch.exp(-0.5 * (taps / float(sigma)) ** 2)
        shape = [1, 1, 1, 1, 1]
        shape[axis + 2] = len(kernel)
        padding = [0, 0, 0, 0, 0, 0]
        padding[2 * (2 - axis)] = padding[2 * (2 - axis) + 1] = reach
        padded = F.pad(scan, padding, mode="replicate")
        scan = F.conv3d(padded, (kernel / kernel.sum()).reshape(shape))
    return scan
