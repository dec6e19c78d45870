"""From a scan and what people said of it to what a training draws from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import ChannelError, GeometryError
from napari_mednext.formats import open_volume
from napari_mednext.preprocessing import preprocess
from napari_mednext.training.gate.duplicates import image_digest
from napari_mednext.training.tuning.order import FrozenCase
from napari_mednext.training.tuning.sampling import TuningCase
from napari_mednext.training.tuning.spilling import spilled
from napari_mednext.volume import Volume, reorient
from napari_mednext.volume.orientation import turn_between

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.models import ConfigurationPlan
    from napari_mednext.training.tuning.classes import ClassMap

__all__ = ["LearnedCase", "Looked", "load_case", "looked_at"]

#: Who drew a voxel stands in the low seven bits of its provenance; 1 is a person.
_HUMAN, _SOURCE, _REVIEWED = 1, 0x7F, 0x80


@dataclass(frozen=True)
class Looked:
    """What people said of a scan, on the scan's own voxels.

    Parameters
    ----------
    labels : (z, y, x)
        Values of the study's labels.
    known : (z, y, x) bool
        Where somebody looked.
    changed : (z, y, x) bool
        Where somebody drew.
    """

    labels: NDArray[Any]
    known: NDArray[np.bool_]
    changed: NDArray[np.bool_]


def looked_at(frozen: FrozenCase, folder: Path, volume: Volume) -> Looked:
    """Read the frozen labels of a case.

    Parameters
    ----------
    frozen : FrozenCase
        Whose.
    folder : Path
        Of the job.
    volume : Volume
        The scan.

    Returns
    -------
    Looked
        On the voxels of ``volume``.

    Raises
    ------
    GeometryError
        If the labels lie on other voxels.
    """
    labels = _on_grid(folder / frozen.labels, volume)
    provenance = _on_grid(folder / frozen.provenance, volume).astype(np.uint8)
    is_human = (provenance & _SOURCE) == _HUMAN
    known = ((provenance & _REVIEWED) != 0) | is_human
    return Looked(labels, known, is_human)


def _on_grid(path: Path, volume: Volume) -> NDArray[Any]:
    """Return whole numbers from a mask, in the order of a scan's voxels.

    Raises
    ------
    GeometryError
        If the mask lies on other voxels.
    """
    mask = open_volume(path)
    turn = turn_between(mask.grid, volume.grid)
    if turn is None:
        msg = (
            f"the labels {path.name!r} must lie on the grid of the scan "
            f"{volume.grid.shape}, got {mask.grid.shape} at another place: resample "
            "them"
        )
        raise GeometryError(msg)
    array = turn.array(mask.array[0])
    kind = np.uint8 if array.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    return np.ascontiguousarray(array.astype(kind))


@dataclass(frozen=True)
class LearnedCase:
    """A scan, what people said of it, and its way to the network.

    Parameters
    ----------
    frozen : FrozenCase
        Where it comes from.
    volume : Volume
        The scan, as its file has it, on the disk.
    looked : Looked
        What people said.
    digest : str
        SHA-256 of the scan's voxels.
    data : (c, z, y, x) float32
        The scan as the network wants it, on the disk.
    spacing : (z, y, x) mm
        Of ``data``.
    """

    frozen: FrozenCase
    volume: Volume
    looked: Looked
    digest: str
    data: NDArray[np.float32]
    spacing: tuple[float, float, float]
    _view: _View

    def to_draw_from(
        self,
        classes: ClassMap,
        *,
        share: float,
        hidden: NDArray[np.bool_] | None = None,
    ) -> TuningCase:
        """Return what patches are drawn from.

        Parameters
        ----------
        classes : ClassMap
            What the labels become.
        share : float
            Weight of the case among others.
        hidden : (z, y, x) bool, optional
            On the scan's voxels: what must not be learned.

        Returns
        -------
        TuningCase
        """
        known, changed = self.looked.known, self.looked.changed
        if hidden is not None:
            known = known & ~hidden
            changed = changed & ~hidden
        target = classes.target(self.looked.labels, known)
        places = np.argwhere(self._view(changed & known)).astype(np.int32)
        return TuningCase(
            name=self.frozen.name,
            data=self.data,
            target=np.ascontiguousarray(self._view(target)),
            changed=places,
            share=share,
            spacing=self.spacing,
        )


@dataclass(frozen=True)
class _View:
    """From the scan's voxels to the plan's, before resampling."""

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    transpose: tuple[int, int, int]
    box: tuple[slice, slice, slice]

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        flipped = tuple(i for i in range(3) if self.flips[i])
        turned = np.flip(array.transpose(self.axes), flipped).transpose(self.transpose)
        return turned[self.box]


def load_case(
    frozen: FrozenCase,
    folder: Path,
    plan: ConfigurationPlan,
    *,
    channels: int,
    to_ras: bool,
) -> LearnedCase:
    """Read a scan with its labels, and bring it to the network's grid.

    Scans lie on the disk from then on, in ``data/arrays`` of the job: one at a time is
    in memory.

    Parameters
    ----------
    frozen : FrozenCase
        Which.
    folder : Path
        Of the job.
    plan : ConfigurationPlan
        How the network wants scans.
    channels : int
        So many the scan must have.
    to_ras : bool
        Whether it is turned to RAS first.

    Returns
    -------
    LearnedCase

    Raises
    ------
    ChannelError
        If the scan has another number of channels.
    GeometryError
        If the labels lie on other voxels.
    StorageError
        If there is no room for the scan.
    """
    volume = open_volume(frozen.images)
    if volume.channels != channels:
        msg = (
            f"the scan of {frozen.name!r} must have {channels} channels, it has "
            f"{volume.channels}: correct the list of cases"
        )
        raise ChannelError(msg)
    looked = looked_at(frozen, folder, volume)
    oriented = reorient(volume, "RAS") if to_ras else volume
    turn = turn_between(volume.grid, oriented.grid)
    if turn is None:
        msg = f"the grid of {frozen.name!r} must allow turning to RAS: export it again"
        raise GeometryError(msg)
    prepared = preprocess(oriented.array, oriented.grid.spacing, plan)
    geometry = prepared.geometry
    view = _View(turn.axes, turn.flips, geometry.transpose, geometry.slices)
    digest = image_digest(volume.array, volume.grid.spacing)
    arrays = folder / "data" / "arrays"
    scan = spilled(volume.array, arrays / f"{frozen.name}.scan.npy")
    data = spilled(prepared.data, arrays / f"{frozen.name}.npy")
    volume = replace(volume, array=scan)
    return LearnedCase(frozen, volume, looked, digest, data, geometry.new_spacing, view)
