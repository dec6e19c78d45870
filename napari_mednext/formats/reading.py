"""Opening volumes, whatever the format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import FormatError, GeometryError
from napari_mednext.formats import itk
from napari_mednext.formats.foreign import read_mgh
from napari_mednext.formats.naming import ending_of, mask_name, split_channel
from napari_mednext.formats.nifti import find_nifti
from napari_mednext.formats.nifti_geometry import Placement, place
from napari_mednext.volume import SourceHeader, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813 - the name everybody uses

__all__ = ["existing", "open_channels", "open_file"]

#: How far apart, in mm, voxels of channel files may lie and count as one grid.
CHANNEL_TOLERANCE_MM = 1e-2

_FORMAT_NAMES = {
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".mnc": "MINC",
    ".mgh": "MGH",
    ".mgz": "MGH",
    ".hdr": "Analyze",
    ".img": "Analyze",
    ".img.gz": "Analyze",
}


@dataclass(frozen=True)
class _Read:
    """What a reader of one format hands back."""

    array: NDArray[Any]
    place: Placement
    file_format: str
    nifti: Mapping[str, Any] = field(default_factory=dict)


def existing(path: str | Path) -> Path:
    """Return the path if something is there.

    Raises
    ------
    FormatError
        If nothing is there.
    """
    path = Path(path)
    if not path.exists():
        msg = (
            f"there must be a file or folder at {str(path)!r}, but there is none: "
            "put it back, or choose another"
        )
        raise FormatError(msg)
    return path


def open_file(path: Path, *, frame: int | None) -> Volume:
    """Read a single file that is not DICOM.

    Parameters
    ----------
    path : Path
        An existing file.
    frame : int or None
        Which volume of a 4D file.

    Raises
    ------
    FormatError
        If the file is no volume, or damaged.
    GeometryError
        If its header puts the voxels nowhere.
    ChannelError
        If a frame must be chosen, or the chosen one is not there.
    """
    try:
        read = _read(path, frame)
    except RuntimeError as error:
        msg = (
            f"{path.name!r} must be an image in a known format, but it cannot be read: "
            "check that the file is whole and is an image"
        )
        raise FormatError(msg) from error
    except OSError as error:
        msg = f"{path.name!r} cannot be read ({error.strerror or error})"
        raise FormatError(msg) from error
    return finished(
        read.array, read.place, path=path, name=mask_name(path), **_rest(read)
    )


def finished(
    array: NDArray[Any],
    placement: Placement,
    *,
    path: Path,
    name: str,
    file_format: str,
    nifti: Mapping[str, Any] | None = None,
) -> Volume:
    """Put voxels and place together, and refuse what is only a slice.

    Raises
    ------
    FormatError
        If an axis has one voxel.
    """
    grid = placement.grid
    if min(grid.shape) < 2:
        # One slice has no depth: its spacing is a guess and a 3D network has no
        # neighbours to look at, so a mask of it would look right and mean nothing.
        msg = (
            "a volume needs at least 2 voxels along every axis, but "
            f"{name!r} is a single slice with the shape {grid.shape} (z, y, x): "
            "open the whole series"
        )
        raise FormatError(msg)
    notes = list(placement.notes)
    if array.dtype.kind == "f" and (bad := int((~np.isfinite(array)).sum())):
        notes.append(f"{bad} voxels are not finite numbers; they count as background")
    header = SourceHeader(
        path=path,
        file_format=file_format,
        grid=grid,
        nifti=MappingProxyType(dict(nifti or {})),
        notes=tuple(notes),
        affine=placement.affine,
    )
    return Volume(array, grid, name=name, source=header)


def open_channels(paths: Sequence[Path], *, frame: int | None) -> Volume:
    """Read one file per channel, in the order given, as one volume.

    Raises
    ------
    FormatError, ChannelError
        As :func:`open_file`, for any of the files.
    GeometryError
        If two files do not lie on the same grid.
    """
    volumes = [open_file(path, frame=frame) for path in paths]
    first = volumes[0]
    for path, volume in zip(paths[1:], volumes[1:], strict=True):
        if not volume.grid.is_close(first.grid, tolerance_mm=CHANNEL_TOLERANCE_MM):
            msg = (
                f"all channels must lie on one grid, but {path.name!r} has shape "
                f"{volume.grid.shape} and spacing {volume.grid.spacing} mm at "
                f"{volume.grid.origin}, and {paths[0].name!r} has shape "
                f"{first.grid.shape} and spacing {first.grid.spacing} mm at "
                f"{first.grid.origin}: resample them to one grid"
            )
            raise GeometryError(msg)
    array = np.concatenate([volume.array for volume in volumes])
    notes = dict.fromkeys(note for v in volumes for note in v.source.notes)
    header = SourceHeader(
        path=paths[0],
        file_format=first.source.file_format,
        grid=first.grid,
        nifti=first.source.nifti,
        notes=tuple(notes),
        affine=first.source.affine,
    )
    return Volume(array, first.grid, name=split_channel(paths[0])[0], source=header)


def _rest(read: _Read) -> dict[str, Any]:
    """Return the fields that :func:`finished` takes by name."""
    return {"file_format": read.file_format, "nifti": read.nifti}


def _read(path: Path, frame: int | None) -> _Read:
    """Read with whatever knows the format."""
    ending = ending_of(path)
    if ending in (".mgh", ".mgz"):
        image = read_mgh(path, frame=frame)
        return _Read(image.array, _placed(image.array, image.affine), "MGH")
    nifti = find_nifti(path)
    if nifti is not None:
        array, where = nifti.read(frame=frame)
        version = f"NIfTI-{nifti.header.version}"
        return _Read(array, where, version, nifti.header.raw())
    voxels = itk.read_voxels(path, frame=frame)
    array, affine = itk.voxels_of(voxels), itk.affine_of(voxels)
    notes: tuple[str, ...] = ()
    if ending == ".mnc":
        affine = _minc_affine(voxels)
    if ending in (".hdr", ".img", ".img.gz"):
        notes = (
            "Analyze files do not say how the volume lies in the patient; left and "
            "right, front and back may be swapped",
        )
    name = _FORMAT_NAMES.get(ending, "image")
    return _Read(array, _placed(array, affine, *notes), name)


def _placed(array: NDArray[Any], affine: NDArray[np.float64], *notes: str) -> Placement:
    """Place a (c, z, y, x) array."""
    z, y, x = array.shape[1:]
    return place((z, y, x), affine, *notes)


def _minc_affine(image: sitk.Image) -> NDArray[np.float64]:
    """Return the affine of a MINC file; ITK 5.4 leaves its world axes at R, A, S."""
    turned: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0, 1.0]) @ itk.affine_of(image)
    return turned
