"""Files that SimpleITK cannot read, through nibabel.

NIfTI-2, NIfTI with axes that are not perpendicular, and FreeSurfer's .mgh and .mgz.
nibabel is imported on first use: it costs a third of a second.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import FormatError, InputError
from napari_mednext.formats.itk import choose_frame
from napari_mednext.formats.nifti_header import open_maybe_gzip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ForeignImage", "read_mgh", "read_nifti"]


@dataclass(frozen=True)
class ForeignImage:
    """Voxels (c, z, y, x) and affine (4, 4), index (z, y, x, 1) to L, P, S in mm."""

    array: NDArray[Any]
    affine: NDArray[np.float64]


def read_mgh(path: Path, *, frame: int | None) -> ForeignImage:
    """Read one volume of a FreeSurfer file.

    Raises
    ------
    FormatError
        If nibabel cannot read the file, or its voxels are complex.
    ChannelError
        If a frame must be chosen, or the chosen one is not there.
    """
    import nibabel as nib

    # nibabel leaves .mgh files open; and this reads up to the checksum of .mgz.
    with open_maybe_gzip(path) as stream:
        return _read(nib.MGHImage, {"image": stream}, path, frame)


def read_nifti(
    path: Path, *, voxels: Path, version: int, is_pair: bool, frame: int | None
) -> ForeignImage:
    """Read one volume of a NIfTI file by its content, whatever its name.

    Parameters
    ----------
    path : Path
        The file with the header.
    voxels : Path
        The file with the voxels; the same unless it is a pair.
    version : int
        1 or 2.
    is_pair : bool
        Whether header and voxels are two files.
    frame : int or None
        Which volume of a 4D file.

    Raises
    ------
    FormatError
        If nibabel cannot read the file, or its voxels are complex.
    ChannelError
        If a frame must be chosen, or the chosen one is not there.
    """
    import nibabel as nib

    single, pair = (
        (nib.Nifti1Image, nib.Nifti1Pair)
        if version == 1
        else (nib.Nifti2Image, nib.Nifti2Pair)
    )
    with open_maybe_gzip(voxels) as image:
        if not is_pair:
            return _read(single, {"image": image}, path, frame)
        with open_maybe_gzip(path) as header:
            return _read(pair, {"header": header, "image": image}, path, frame)


def _read(
    kind: Any, streams: Mapping[str, Any], path: Path, frame: int | None
) -> ForeignImage:
    """Read one volume of at least three axes; axes beyond the fourth are channels."""
    import nibabel as nib

    files = {name: nib.FileHolder(fileobj=file) for name, file in streams.items()}
    try:
        image = kind.from_file_map(files)
        frames = int(image.shape[3]) if len(image.shape) > 3 else 1
        chosen = choose_frame(path.name, frames, frame)
        one = (slice(None),) * 3 + ((chosen,) if len(image.shape) > 3 else ())
        voxels = np.asanyarray(image.dataobj[one])
        # Scaled integers become single precision, as ITK makes them.
        if voxels.dtype.kind == "f" and image.get_data_dtype().kind in "iu":
            voxels = voxels.astype(np.float32)
        affine = np.asarray(image.affine, dtype=np.float64)
    except InputError:
        raise
    except (
        nib.filebasedimages.ImageFileError,
        nib.spatialimages.HeaderDataError,
        nib.spatialimages.HeaderTypeError,
        ValueError,
        KeyError,
        OSError,
        EOFError,
        zlib.error,
    ) as error:
        msg = (
            f"{path.name!r} must be a volume in a known format, but it cannot be read "
            f"({_first_line(error)}): check that the file is whole and is an image"
        )
        raise FormatError(msg) from error
    return ForeignImage(_channels_first(voxels, path), _lps(affine))


def _channels_first(voxels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Turn (x, y, z, ...) voxels, plain or RGB, into native (c, z, y, x)."""
    if voxels.dtype.names is not None:
        voxels = np.stack([voxels[name] for name in voxels.dtype.names], axis=-1)
    if voxels.dtype.kind == "c":
        msg = (
            f"voxels must be real numbers, {path.name!r} holds complex ones: "
            "save the magnitude"
        )
        raise FormatError(msg)
    voxels = voxels.reshape(*voxels.shape[:3], -1)
    native = voxels.dtype.newbyteorder("=")
    return np.ascontiguousarray(voxels.transpose(3, 2, 1, 0), dtype=native)


def _lps(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn nibabel's (x, y, z, 1) to R, A, S into this package's affine."""
    turned: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    return turned[:, [2, 1, 0, 3]]


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
