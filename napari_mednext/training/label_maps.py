"""Label maps to train from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import FormatError, InputError
from napari_mednext.formats import find_sources, open_source
from napari_mednext.volume import reorient

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.volume import Volume

__all__ = ["LabelMaps"]

#: Indices are bytes; one value is the background.
_MOST_VALUES = 256
#: Entries of an archive that are not maps.
_VALUES, _CLASSES = "fs_labels", "intensity_class"


@dataclass(frozen=True)
class LabelMaps:
    """Label maps as indices into one list of source values.

    Parameters
    ----------
    maps : mapping of name to (z, y, x) uint8
        Axes run to the head, to the front and to the right (RAS). Indices into
        ``values``.
    values : (n,) int
        Source values; entry 0 is the background.
    intensity_class : (n,) int
        Source values that share one distribution of brightness share a number here.
    spacing_mm : float, or mapping of name to (z, y, x)
        Voxel edges of the maps, in mm: one for all, or those of each map.
    """

    maps: Mapping[str, NDArray[np.uint8]]
    values: NDArray[np.int64]
    intensity_class: NDArray[np.int64]
    spacing_mm: float | Mapping[str, tuple[float, float, float]] = 1.0

    def spacing_of(self, name: str) -> tuple[float, float, float]:
        """Return the voxel edges of a map, (z, y, x) in mm."""
        if isinstance(self.spacing_mm, Mapping):
            return self.spacing_mm[name]
        return (float(self.spacing_mm),) * 3

    def digest(self) -> str:
        """Return the SHA-256 of all that decides weights, in hexadecimal."""
        whole = hashlib.sha256()
        for array in (self.values, self.intensity_class):
            whole.update(np.ascontiguousarray(array, dtype="<i8").data)
        for name in sorted(self.maps):
            voxels = self.maps[name]
            whole.update(repr((name, voxels.shape, self.spacing_of(name))).encode())
            whole.update(np.ascontiguousarray(voxels).data)
        return whole.hexdigest()

    @classmethod
    def load(cls, path: Path) -> LabelMaps:
        """Read a ``.npz`` of RAS maps (x, y, z), or a folder of label images.

        The ``.npz`` holds ``fs_labels``, optionally ``intensity_class``, and one
        isotropic 1 mm map an entry. Images of a folder are turned to RAS; they may
        have any size and voxels, also different ones.

        Raises
        ------
        FormatError
            If nothing usable is there.
        InputError
            If an image holds other values than whole numbers from 0, or the images
            hold more than 256 of them.
        """
        return _from_folder(path) if path.is_dir() else _from_archive(path)


def _from_archive(path: Path) -> LabelMaps:
    """Read an ``.npz``."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            values = archive[_VALUES].astype(np.int64)
            names = [k for k in archive if k not in (_VALUES, _CLASSES)]
            classes = (
                archive[_CLASSES].astype(np.int64)
                if _CLASSES in archive
                else np.arange(len(values))
            )
            maps = {
                k: np.ascontiguousarray(archive[k].transpose(2, 1, 0)) for k in names
            }
    except (OSError, ValueError, KeyError) as error:
        msg = (
            "label maps must be a folder of label images or an .npz with "
            f"'fs_labels' and one map an entry, got {str(path)!r}: {error}"
        )
        raise FormatError(msg) from error
    wrong = [
        k for k, m in maps.items() if m.dtype != np.uint8 or m.max() >= len(values)
    ]
    if wrong or not maps or len(classes) != len(values):
        msg = (
            "label maps of an .npz must be bytes that count into 'fs_labels', got "
            f"{wrong or 'no map, or intensity classes of another length'} in "
            f"{str(path)!r}"
        )
        raise FormatError(msg)
    return LabelMaps(maps, values, classes)


def _from_folder(path: Path) -> LabelMaps:
    """Read the images of a folder."""
    arrays: dict[str, NDArray[Any]] = {}
    spacings: dict[str, tuple[float, float, float]] = {}
    values = np.zeros(1, np.int64)
    for source in find_sources([path]):
        volume = reorient(open_source(source), "RAS")
        array = _whole_numbers(volume, source.name)
        arrays[source.name] = array
        z, y, x = (float(edge) for edge in volume.grid.spacing)
        spacings[source.name] = (z, y, x)
        values = np.union1d(values, np.unique(array))
    if not arrays:
        msg = f"a folder of label maps must hold images, got none in {str(path)!r}"
        raise FormatError(msg)
    if len(values) > _MOST_VALUES or values[0] < 0:
        msg = (
            f"label maps must hold at most {_MOST_VALUES} values from 0, got "
            f"{len(values)} from {values[0]}: are these label images?"
        )
        raise InputError(msg)
    maps = {k: np.searchsorted(values, a).astype(np.uint8) for k, a in arrays.items()}
    return LabelMaps(maps, values, np.arange(len(values)), spacings)


def _whole_numbers(volume: Volume, name: str) -> NDArray[Any]:
    """Return the values of a label image, (z, y, x), in the smallest type."""
    if volume.channels != 1:
        msg = (
            f"a label map must have one channel, got {volume.channels} in {name!r}: "
            "take it out of the folder"
        )
        raise InputError(msg)
    array: NDArray[Any] = volume.array[0]
    ends = array.min(), array.max()
    whole: NDArray[Any] = array
    if np.isfinite(ends).all():
        kind = np.min_scalar_type(min(int(ends[0]), -int(ends[1]) - 1))
        whole = array.astype(kind)
    if whole is array or not np.array_equal(whole, array):
        msg = (
            f"a label map must hold whole numbers, got others in {name!r}: take it out "
            "of the folder, or save it as labels"
        )
        raise InputError(msg)
    return whole
