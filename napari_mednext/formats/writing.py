"""Writing masks and volumes, and proving that they say what was meant."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext.errors import GeometryError, InputError, StorageError
from napari_mednext.formats import itk
from napari_mednext.formats.naming import writable_ending
from napari_mednext.formats.nifti_geometry import raw_of_grid
from napari_mednext.formats.nifti_header import (
    INTENT_LABEL,
    INTENT_VECTOR,
    mask_header,
    read_header,
)
from napari_mednext.formats.placing import check_output, placed
from napari_mednext.formats.reading import open_file
from napari_mednext.volume import (
    Segmentation,
    SourceHeader,
    Volume,
    VoxelGrid,
    turn_between,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["save_segmentation", "save_volume"]

#: Level 1 is five times faster than zlib's default and masks grow by a few per cent.
_GZIP_LEVEL = 1
#: Voxels may be read back this far from where they should be.
TOLERANCE_MM = 1e-4
_KEPT_TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


def save_segmentation(
    segmentation: Segmentation, path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write a mask on the grid of its source file, and read it back to prove it.

    A segmentation that was turned since it was read is turned back. Where both the
    source and the mask are NIfTI, the header repeats the source's codes, units, qform
    and sform bit by bit. The file appears only when it is whole and proven.

    Parameters
    ----------
    segmentation : Segmentation
        Not modified.
    path : path
        Ends in .nii, .nii.gz, .nrrd, .mha or .mhd; its folder exists.
    overwrite : bool
        Whether a file of that name may be replaced.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    FormatError
        If the ending is none of these.
    GeometryError
        If the segmentation is not on the grid of its source.
    InputError
        If a label does not fit into 16 bits.
    StorageError
        If the file exists, or cannot be written or read back.
    """
    labels = _label_type(segmentation.array)
    source = segmentation.source
    target = source.grid or segmentation.grid
    turn = turn_between(segmentation.grid, target)
    if turn is None:
        msg = (
            "a segmentation must lie on the grid of its source, but it has shape "
            f"{segmentation.grid.shape} and spacing {segmentation.grid.spacing} mm and "
            f"the source {target.shape} and {target.spacing} mm: resample it first"
        )
        raise GeometryError(msg)
    array = np.ascontiguousarray(turn.array(labels))
    return _write(array, target, source, Path(path), overwrite=overwrite, labels=True)


def save_volume(volume: Volume, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write an image, several channels as one vector volume, and read it back.

    A volume that was turned since it was read is turned back to its file's grid; one
    on a grid of its own (a crop, a resampled copy) is written on that.

    Parameters
    ----------
    volume : Volume
        Not modified. Half precision is written as single, bool as uint8, and 64-bit
        integers as 32-bit ones, or double precision where they do not fit.
    path : path
        Ends in .nii, .nii.gz, .nrrd, .mha or .mhd; its folder exists.
    overwrite : bool
        Whether a file of that name may be replaced.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    FormatError
        If the ending is none of these.
    StorageError
        If the file exists, or cannot be written or read back.
    """
    source, target = volume.source, volume.source.grid or volume.grid
    turn = turn_between(volume.grid, target)
    if turn is None:
        source, target = SourceHeader(), volume.grid
        array = volume.array
    else:
        array = turn.array(volume.array)
    array = np.ascontiguousarray(_written_type(array))
    if array.shape[0] == 1:
        array = array[0]
    return _write(array, target, source, Path(path), overwrite=overwrite, labels=False)


def _write(
    array: NDArray[Any],
    grid: VoxelGrid,
    source: SourceHeader,
    path: Path,
    *,
    overwrite: bool,
    labels: bool,
) -> Path:
    """Write an array on a grid by the ending of the path."""
    ending = writable_ending(path)
    check_output(path, overwrite=overwrite)
    with placed(path) as draft:
        if ending in (".nii", ".nii.gz"):
            raw = source.nifti or raw_of_grid(grid, source.affine)
            _write_nifti(array, raw, draft, labels=labels)
        else:
            affine = grid.affine if source.affine is None else np.asarray(source.affine)
            _write_itk(itk.itk_image(array, affine), draft)
        _prove(draft, array, grid, source.nifti if ending.startswith(".nii") else {})
    return path


def _write_nifti(
    array: NDArray[Any], raw: Mapping[str, Any], path: Path, *, labels: bool
) -> None:
    """Write a NIfTI-1 file."""
    vector = INTENT_VECTOR if array.ndim == 4 else 0
    head = mask_header(array, raw, intent=INTENT_LABEL if labels else vector)
    voxels = array.astype(array.dtype.newbyteorder("<"), copy=False)
    with path.open("wb") as file:
        if path.name.lower().endswith(".gz"):
            # No name and no time in the stream: the same mask gives the same bytes.
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as stream:
                stream.write(head)
                stream.write(voxels.data)
        else:
            file.write(head)
            file.write(voxels.data)


def _write_itk(image: sitk.Image, path: Path) -> None:
    """Write through ITK, which does not say why it fails."""
    with itk.quiet():
        try:
            sitk.WriteImage(
                image, str(path), useCompression=True, compressionLevel=_GZIP_LEVEL
            )
        except RuntimeError as error:
            raise OSError(None, "the file could not be written whole") from error


def _prove(
    path: Path, array: NDArray[Any], grid: VoxelGrid, nifti: Mapping[str, Any]
) -> None:
    """Read a file back and compare voxels, places and raw header fields.

    Raises
    ------
    StorageError
        If anything differs.
    """
    again = open_file(path, frame=None)
    expected = array if array.ndim == 4 else array[None]
    if not np.array_equal(again.array, expected, equal_nan=array.dtype.kind == "f"):
        _differs(path, "voxels")
    if not again.grid.is_close(grid, tolerance_mm=_tolerance_mm(grid)):
        _differs(path, "positions")
    written = read_header(path) if nifti else None
    if written is not None and _geometry(written.raw()) != _geometry(nifti):
        _differs(path, "header fields")


def _differs(path: Path, what: str) -> None:
    """Refuse a file that is not what was meant."""
    msg = (
        f"{path.name!r} was read back with other {what} than were written, so it was "
        "not kept: check the disk and save again"
    )
    raise StorageError(msg)


def _geometry(raw: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the raw fields that place voxels, as NIfTI-1 stores them."""
    numbers = [
        *raw["pixdim"][:4],
        *raw["quaternion"],
        *raw["offset"],
        *(value for row in raw["sform"] for value in row),
    ]
    codes = (raw["qform_code"], raw["sform_code"], raw["xyzt_units"])
    return (*codes, np.asarray(numbers, dtype=np.float32).tobytes())


def _tolerance_mm(grid: VoxelGrid) -> float:
    """Return 1e-4 mm, or single precision of the farthest voxel where that is more."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1).T
    farthest = float(np.abs(grid.to_world(corners)).max())
    return max(TOLERANCE_MM, 8.0 * float(np.finfo(np.float32).eps) * farthest)


def _label_type(array: NDArray[Any]) -> NDArray[Any]:
    """Return labels as uint8 if they fit, else uint16."""
    if array.dtype in (np.uint8, np.uint16):
        return array
    low, high = int(array.min()), int(array.max())
    if array.dtype.kind not in "iub" or low < 0 or high > np.iinfo(np.uint16).max:
        msg = (
            "labels must be whole numbers from 0 to 65535, "
            f"got {array.dtype} from {low} to {high}: renumber them"
        )
        raise InputError(msg)
    return array.astype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)


def _written_type(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in a type that every format has."""
    kind = array.dtype.newbyteorder("=").str[1:]
    if kind in _KEPT_TYPES:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    limits = np.iinfo(np.int32)
    if (
        array.dtype.kind in "iu"
        and limits.min <= array.min() <= array.max() <= limits.max
    ):
        return array.astype(np.int32)
    return array.astype(np.float64)
