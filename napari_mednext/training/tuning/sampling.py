"""Training patches from scans that people corrected.

Source of the whole: nnU-Net (Isensee et al., Nature Methods 2021), patches of which a
third holds a foreground class. What differs: where patches lie (`places`), and that
labels are read from the scan's own voxels (`lattice`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mednext.training.tuning.augmentation import augment_intensity, draw_affine
from napari_mednext.training.tuning.lattice import (
    place_lattice,
    read_image,
    read_target,
)
from napari_mednext.training.tuning.places import Places, find_places

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Patch", "PatchSampler", "TuningCase"]

#: Value of patch targets to be ignored, for targets of uint8 and of more classes: torch
#: can hardly compute with uint16.
IGNORE, IGNORE_WIDE = 255, 32767


@dataclass(frozen=True)
class TuningCase:
    """A scan and what is known of it.

    Parameters
    ----------
    name : str
        Of the case.
    data : (c, z, y, x) float32
        The scan as the network wants it: cropped, normalised, on the network's grid.
    target : (z, y, x) uint8 or uint16
        Class values on the voxels of the scan itself, in the order of the network's
        axes, cropped to the same box; the largest value of the type where nobody
        looked.
    changed : (n, 3) integers
        Voxels of ``target`` (z, y, x) where a person changed the model's answer.
    share : float
        How often it is drawn, relative to the other cases.
    spacing : (z, y, x) mm
        Of ``data``.

    Raises
    ------
    ValueError
        If an array has another shape or type, or the share is negative.
    """

    name: str
    data: NDArray[np.float32]
    target: NDArray[np.unsignedinteger]
    changed: NDArray[np.integer]
    share: float
    spacing: tuple[float, float, float]

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or self.data.dtype != np.float32:
            msg = f"data must be (c, z, y, x) float32, got {_said(self.data)}"
            raise ValueError(msg)
        if self.target.ndim != 3 or self.target.dtype not in (np.uint8, np.uint16):
            msg = f"target must be (z, y, x) uint8 or uint16, got {_said(self.target)}"
            raise ValueError(msg)
        if self.changed.ndim != 2 or self.changed.shape[1] != 3:
            msg = f"changed must be (n, 3), got {_said(self.changed)}"
            raise ValueError(msg)
        if not self.share >= 0:
            msg = f"share must not be negative, got {self.share!r}"
            raise ValueError(msg)

    @property
    def ignore(self) -> int:
        """Value of ``target`` where nobody looked."""
        return int(np.iinfo(self.target.dtype).max)


class Patch(NamedTuple):
    """A piece of a scan to learn from."""

    image: Tensor
    """(c, z, y, x) float32."""

    target: Tensor
    """(z, y, x): class values at points between the voxels. uint8, 255 where nobody
    looked; or, when a case has a target of uint16, int16 and 32767."""

    offset: Tensor
    """(3,) float32: where the target's points lie from the voxels, in voxels (z, y, x),
    -0.5..0.5."""


class PatchSampler:
    """Draws patches, each by its number alone.

    Parameters
    ----------
    cases : sequence of TuningCase
        Not copied, and not to be changed while patches are drawn.
    patch : (z, y, x) voxels
        Of a patch, on the network's grid.
    augment : bool
        Whether patches are turned, scaled, mirrored and changed in brightness.
    changed_share : float
        Share of patches around changed voxels, 0..1, of the cases that have any.
    mirror_axes : sequence of int
        Axes 0..2 (z, y, x) that augmentation may mirror.
    seed : int
        Decides, with the numbers of a patch, all of it.

    Raises
    ------
    ValueError
        If there is no case with a share, or a number lies outside its range.

    Notes
    -----
    Beside the cases some hundred kB a class are in memory. Drawing allocates a few
    times the patch, whatever the size of the scans.
    """

    def __init__(
        self,
        cases: Sequence[TuningCase],
        patch: Sequence[int],
        *,
        augment: bool,
        changed_share: float,
        mirror_axes: Sequence[int],
        seed: int,
    ) -> None:
        shares = np.array([case.share for case in cases], float)
        if not shares.sum() > 0:
            msg = "a sampler must have a case with a share above 0, got none"
            raise ValueError(msg)
        if not 0 <= changed_share <= 1:
            msg = f"changed_share must lie in 0..1, got {changed_share!r}"
            raise ValueError(msg)
        if not set(mirror_axes) <= {0, 1, 2}:
            msg = f"mirror_axes must be among 0, 1, 2, got {tuple(mirror_axes)!r}"
            raise ValueError(msg)
        z, y, x = (int(n) for n in patch)
        self._patch = (z, y, x)
        self._augment = augment
        self._changed_share = changed_share
        self._mirror_axes = tuple(mirror_axes)
        self._seed = seed
        # A view of a turned array would be copied whole for every patch.
        self._cases = [
            replace(case, target=np.ascontiguousarray(case.target)) for case in cases
        ]
        self._until = np.cumsum(shares / shares.sum())
        self._places: list[Places] = [
            find_places(case.target, case.changed, ignore=case.ignore, seed=seed)
            for case in self._cases
        ]
        self._is_wide = any(case.target.dtype == np.uint16 for case in cases)

    @property
    def ignore(self) -> int:
        """Value of the targets where nobody looked."""
        return IGNORE_WIDE if self._is_wide else IGNORE

    def draw(self, step: int, index: int) -> Patch:
        """Return one patch, to the bit the same for the same numbers, in any thread.

        Parameters
        ----------
        step : int
            Of the training, from 0.
        index : int
            In the batch, from 0.

        Returns
        -------
        Patch
            In fresh memory.
        """
        rng = np.random.default_rng(
            np.random.SeedSequence(self._seed, spawn_key=(step, index))
        )
        which = int(np.searchsorted(self._until, rng.random(), side="right"))
        which = min(which, len(self._cases) - 1)
        case = self._cases[which]
        voxel = self._places[which].draw(rng, changed_share=self._changed_share)
        matrix = np.eye(3)
        if self._augment:
            matrix = draw_affine(rng, case.spacing, self._mirror_axes)
        _, *grid = case.data.shape
        shape = (grid[0], grid[1], grid[2])
        lattice = place_lattice(
            voxel,
            case.target.shape,
            grid=shape,
            patch=self._patch,
            matrix=matrix,
            rng=rng,
        )
        image = read_image(case.data, lattice)
        target = read_target(case.target, shape, lattice, ignore=case.ignore)
        if self._augment:
            augment_intensity(image, rng, case.spacing)
        return Patch(
            torch.from_numpy(image),
            torch.from_numpy(self._as_patch(target, case.ignore)),
            torch.from_numpy(lattice.offset),
        )

    def _as_patch(
        self, target: NDArray[np.unsignedinteger], ignore: int
    ) -> NDArray[np.integer]:
        """Return a target in the type of all targets."""
        if not self._is_wide:
            return target
        wide = target.astype(np.int16)
        wide[target == ignore] = IGNORE_WIDE
        return wide


def _said(array: NDArray[np.generic]) -> str:
    return f"{array.shape} {array.dtype}"
