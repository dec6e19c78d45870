"""NIfTI-1, NIfTI-2 and Analyze files."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import FormatError, InputError
from napari_mednext.formats import itk
from napari_mednext.formats.foreign import read_nifti
from napari_mednext.formats.nifti_geometry import Placement, grid_of_header
from napari_mednext.formats.nifti_header import (
    NiftiHeader,
    open_maybe_gzip,
    read_header,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NiftiFile", "find_nifti"]

#: Bytes decompressed at a time while checking that a file is whole.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class NiftiFile:
    """A NIfTI file or pair, known by its header."""

    path: Path
    header: NiftiHeader
    header_path: Path
    voxels: Path

    def read(self, *, frame: int | None) -> tuple[NDArray[Any], Placement]:
        """Return the (c, z, y, x) voxels, scaled to real values, and their place.

        Raises
        ------
        FormatError
            If the file is damaged, 2D or of a voxel type that cannot be used.
        GeometryError
            If the header puts the voxels nowhere.
        ChannelError
            If a frame must be chosen, or the chosen one is not there.
        """  # noqa: DOC501 - passes on those above
        if len(self.header.dim) < 3:
            sizes = " x ".join(map(str, self.header.dim))
            msg = (
                f"a volume has three axes, but {self.path.name!r} is a 2D image of "
                f"{sizes} pixels: open a 3D file or a DICOM folder"
            )
            raise FormatError(msg)
        placement = grid_of_header(self.header)
        if self.check_whole():
            # ITK puts 0 in the place of NaN and infinity.
            return self._read_with_nibabel(frame), placement
        try:
            image = itk.read_voxels(self.path, frame=frame)
        except InputError:
            raise
        except RuntimeError:
            # NIfTI-2, axes that are not perpendicular, rare voxel types.
            return self._read_with_nibabel(frame), placement
        return itk.voxels_of(image), placement

    def _read_with_nibabel(self, frame: int | None) -> NDArray[Any]:
        """Return the (c, z, y, x) voxels of a file that ITK cannot read as it is."""
        return read_nifti(
            self.header_path,
            voxels=self.voxels,
            version=self.header.version,
            is_pair=self.header.is_pair,
            frame=frame,
        ).array

    def check_whole(self) -> bool:
        """Refuse a file that ends before its last voxel.

        ITK fills what is missing with zeros and says nothing, and does not look at the
        checksum of gzip; so the file is decompressed once more, at about 400 MB/s.

        Returns
        -------
        bool
            Whether some voxels are not finite numbers.

        Raises
        ------
        FormatError
            If voxels are missing or the checksum is wrong.
        """
        start = self.header.vox_offset
        wanted = start + self.header.data_bytes
        try:
            present, is_finite = self._scan()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            msg = (
                f"{self.voxels.name!r} must be a whole gzip file, but it is damaged or "
                "cut short: copy it again from where it came"
            )
            raise FormatError(msg) from error
        if present < wanted:
            msg = (
                f"{self.voxels.name!r} must hold {wanted} bytes by its header, but it "
                f"holds {present}: copy it again from where it came"
            )
            raise FormatError(msg)
        return not is_finite

    def _scan(self) -> tuple[int, bool]:
        """Return the length of the decompressed file and whether it is all finite."""
        kind = self.header.real_type
        if kind is None and not _is_gzip(self.voxels):
            return self.voxels.stat().st_size, True
        is_finite = True
        with open_maybe_gzip(self.voxels) as stream:
            total = len(stream.read(self.header.vox_offset))
            while chunk := stream.read(_CHUNK):
                total += len(chunk)
                if kind is not None and is_finite:
                    whole = len(chunk) - len(chunk) % np.dtype(kind).itemsize
                    is_finite = bool(
                        np.isfinite(np.frombuffer(chunk[:whole], kind)).all()
                    )
        return total, is_finite


def find_nifti(path: Path) -> NiftiFile | None:
    """Return the NIfTI file at a path, which may be either file of a pair, or None.

    Raises
    ------
    FormatError
        If the header is damaged, or the other file of a pair is missing.
    """
    header_path = _partner(path, ".hdr") if _is_image_part(path) else path
    if header_path is None:
        return None
    header = read_header(header_path)
    if header is None:
        return None
    if not header.is_pair:
        return NiftiFile(path, header, path, path)
    voxels = _partner(path, ".img")
    if voxels is None:
        msg = (
            f"{path.name!r} is the header of a pair, but its .img file is not beside "
            "it: put both into one folder"
        )
        raise FormatError(msg)
    return NiftiFile(path, header, header_path, voxels)


def _is_image_part(path: Path) -> bool:
    """Whether the file is the voxel half of a pair by its name."""
    return path.name.lower().endswith((".img", ".img.gz"))


def _partner(path: Path, ending: str) -> Path | None:
    """Return the half of a pair that ends in ``ending``, compressed or not."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    stem = name[:-4]
    upper = ending.upper()
    for last in (ending, ending + ".gz", upper, upper + ".GZ"):
        candidate = path.with_name(stem + last)
        if candidate.is_file():
            return candidate
    return None


def _is_gzip(path: Path) -> bool:
    """Whether a file is gzip by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"
