"""A volume: voxels and the place where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import ChannelError, GeometryError
from napari_mednext.volume.grid import VoxelGrid
from napari_mednext.volume.quality import Quality

__all__ = ["Segmentation", "SourceHeader", "Volume"]


@dataclass(frozen=True)
class SourceHeader:
    """What a file says beyond its voxels, kept so that a mask can say the same.

    ``grid`` is the grid as stored in the file: masks are written on it, whatever
    orientation the volume was turned to since. ``nifti`` holds raw header fields
    (codes, units, quaternion, rows of the sform) where the source was NIfTI. ``affine``
    (4 rows of 4, index ``(z, y, x, 1)`` to L, P, S in mm) is what the file says where
    ``grid`` is a repair of it, else None. ``notes`` are sentences for the user about
    repairs and choices made while reading. ``modality`` is the DICOM code (CT, MR, PT),
    empty where the file does not say it.
    """

    path: Path | None = None
    file_format: str = ""
    grid: VoxelGrid | None = None
    nifti: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    affine: tuple[tuple[float, ...], ...] | None = None
    modality: str = ""


@dataclass(frozen=True)
class Volume:
    """An image with its grid.

    Parameters
    ----------
    array : (c, z, y, x)
        Channels first, any real dtype. A (z, y, x) array gets one channel. Not copied.
    grid : VoxelGrid
        Its shape must equal that of one channel.
    name : str
        What to call it on screen; file names of masks are derived from it.
    source : SourceHeader
        Where it came from.

    Raises
    ------
    GeometryError
        If the array and the grid differ in shape.
    ChannelError
        If there is no channel, or the array is not 3D with optional channels.
    """

    array: NDArray[Any]
    grid: VoxelGrid
    name: str = "volume"
    source: SourceHeader = field(default_factory=SourceHeader)

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.ndim == 3:
            array = array[None]
        if array.ndim != 4 or array.shape[0] < 1:
            msg = (
                "a volume must be a (channel, z, y, x) array, "
                f"got shape {np.shape(self.array)}"
            )
            raise ChannelError(msg)
        if array.shape[1:] != self.grid.shape:
            msg = (
                f"the voxel array {array.shape[1:]} must have the shape of its grid "
                f"{self.grid.shape}"
            )
            raise GeometryError(msg)
        object.__setattr__(self, "array", array)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.array.shape[0])


@dataclass(frozen=True)
class Segmentation:
    """A label map on the grid of the volume it belongs to.

    Parameters
    ----------
    array : (z, y, x) unsigned integers
        uint8 up to 255 labels, else uint16.
    grid : VoxelGrid
        The grid of the source volume, exactly.
    names : mapping of label value to name
        Without the background.
    colors : mapping of label value to (r, g, b), each 0..255
    source : SourceHeader
        Header of the source volume.
    quality : Quality
        What speaks against trusting it, as far as the model could tell.
    """

    array: NDArray[np.unsignedinteger]
    grid: VoxelGrid
    names: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    colors: Mapping[int, tuple[int, int, int]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    source: SourceHeader = field(default_factory=SourceHeader)
    quality: Quality = field(default_factory=Quality)

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            msg = (
                f"the label array {self.array.shape} must have the shape of its grid "
                f"{self.grid.shape}"
            )
            raise GeometryError(msg)

    def volumes_ml(self) -> dict[int, float]:
        """Return the volume of every named label in mL (0 where it does not occur)."""
        counts = np.bincount(self.array.reshape(-1))
        per_voxel_ml = self.grid.voxel_volume_mm3 / 1000.0
        values = sorted(set(self.names) | set(np.flatnonzero(counts).tolist()))
        return {
            value: float(counts[value]) * per_voxel_ml if value < counts.size else 0.0
            for value in values
            if value != 0
        }
