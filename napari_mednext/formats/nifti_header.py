"""What a NIfTI header says about geometry, read and written bit by bit.

Written from the definitions at nifti.nimh.nih.gov (nifti1.h and nifti2.h). ITK keeps
no codes, units or rows of the sform, and a mask must repeat them so that every other
program lays it over its source; hence this module.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from napari_mednext.errors import FormatError, GeometryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["NiftiHeader", "mask_header", "open_maybe_gzip", "read_header"]

_SIZE_1, _SIZE_2 = 348, 540
#: Millimetres per spatial unit, by the low three bits of ``xyzt_units``.
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_UNIT_NAMES = {1: "metres", 3: "micrometres"}
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: NIfTI data type -> bits of a voxel; the writer's codes are in ``_CODES``.
_CODES = {
    "u1": 2,
    "i2": 4,
    "i4": 8,
    "f4": 16,
    "f8": 64,
    "i1": 256,
    "u2": 512,
    "u4": 768,
}
INTENT_LABEL, INTENT_VECTOR = 1002, 1007
_DATA_OFFSET = 352


@dataclass(frozen=True)
class NiftiHeader:
    """The fields of a NIfTI-1 or NIfTI-2 header that say what lies where.

    ``dim`` are the sizes without their leading count; ``pixdim`` has eight entries and
    begins with qfac. Lengths are in the unit of ``xyzt_units``, positions in R, A, S.
    """

    version: int
    byte_order: str
    dim: tuple[int, ...]
    datatype: int
    bitpix: int
    pixdim: tuple[float, ...]
    vox_offset: int
    qform_code: int
    sform_code: int
    quaternion: tuple[float, float, float]
    offset: tuple[float, float, float]
    sform: tuple[tuple[float, ...], ...]
    xyzt_units: int
    is_pair: bool

    @property
    def mm(self) -> float:
        """Millimetres per unit of length of this header."""
        return _MM.get(self.xyzt_units & 7, 1.0)

    @property
    def unit_note(self) -> str | None:
        """A sentence about units other than mm, if any."""
        name = _UNIT_NAMES.get(self.xyzt_units & 7)
        if name is None:
            return None
        return f"the header gives lengths in {name}; they were turned into mm"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of the first three axes as (z, y, x)."""
        x, y, z = (*self.dim, 1, 1, 1)[:3]
        return (z, y, x)

    @property
    def real_type(self) -> str | None:
        """NumPy type of stored floating-point voxels, None for all other types."""
        kind = {_CODES["f4"]: "f4", _CODES["f8"]: "f8"}.get(self.datatype)
        return None if kind is None else self.byte_order + kind

    @property
    def data_bytes(self) -> int:
        """Bytes that the voxels take in the uncompressed file."""
        return math.prod(self.dim) * self.bitpix // 8

    def sform_affine(self) -> NDArray[np.float64]:
        """(4, 4), index (z, y, x, 1) to L, P, S in mm, by the sform."""
        return self._lps_mm(np.asarray(self.sform, dtype=np.float64))

    def qform_affine(self) -> NDArray[np.float64]:
        """(4, 4), index (z, y, x, 1) to L, P, S in mm, by the qform."""
        b, c, d = self.quaternion
        square = 1.0 - (b * b + c * c + d * d)
        a = math.sqrt(square) if square > 1e-7 else 0.0
        if a == 0.0 and (length := math.hypot(b, c, d)) > 0:
            b, c, d = b / length, c / length, d / length
        rotation = np.array(
            [
                [
                    a * a + b * b - c * c - d * d,
                    2 * (b * c - a * d),
                    2 * (b * d + a * c),
                ],
                [
                    2 * (b * c + a * d),
                    a * a + c * c - b * b - d * d,
                    2 * (c * d - a * b),
                ],
                [
                    2 * (b * d - a * c),
                    2 * (c * d + a * b),
                    a * a + d * d - b * b - c * c,
                ],
            ]
        )
        steps = np.abs(np.asarray(self.pixdim[1:4]))
        if self.pixdim[0] < 0:
            steps[2] = -steps[2]
        return self._lps_mm(np.column_stack([rotation * steps, self.offset]))

    def spacing_affine(self) -> NDArray[np.float64]:
        """(4, 4) of a header without codes: axes along L, P, S, as ITK does."""
        affine = np.eye(4)
        steps = np.abs(np.asarray(self.pixdim[1:4])) * self.mm
        affine[:3, :3] = np.diag(steps)[:, ::-1]
        return affine

    def raw(self) -> Mapping[str, Any]:
        """Return the fields that a mask of this file repeats, exactly as stored."""
        return {
            "version": self.version,
            "dim": self.dim,
            "pixdim": self.pixdim,
            "qform_code": self.qform_code,
            "sform_code": self.sform_code,
            "quaternion": self.quaternion,
            "offset": self.offset,
            "sform": self.sform,
            "xyzt_units": self.xyzt_units,
        }

    def _lps_mm(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn 3 x 4 rows, (x, y, z, 1) to R, A, S, into this package's affine."""
        affine = np.eye(4)
        affine[:3] = rows * self.mm
        return cast("NDArray[np.float64]", _RAS_TO_LPS @ affine[:, [2, 1, 0, 3]])


def open_maybe_gzip(path: Path) -> BinaryIO:
    """Open a file for reading, decompressing it if it is gzip by its first bytes."""
    with path.open("rb") as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb")) if is_gzip else path.open("rb")


def read_header(path: Path) -> NiftiHeader | None:
    """Read the header of a NIfTI file; None if the file is something else.

    Analyze 7.5 files give None too: they say nothing about orientation.

    Raises
    ------
    FormatError
        If the file is damaged before the end of its header.
    """
    try:
        with open_maybe_gzip(path) as stream:
            head = stream.read(_SIZE_2)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        msg = f"{path.name!r} must be a whole file, but it is cut short: copy it again"
        raise FormatError(msg) from error
    if len(head) < _SIZE_1:
        return None
    for order in "<>":
        size = struct.unpack_from(order + "i", head)[0]
        if size == _SIZE_1 and head[344:347] in (b"n+1", b"ni1"):
            return _parse_1(head, order)
        if size == _SIZE_2 == len(head) and head[4:7] in (b"n+2", b"ni2"):
            return _parse_2(head, order)
    return None


def _parse_1(head: bytes, order: str) -> NiftiHeader:
    """Read a NIfTI-1 header of 348 bytes."""

    def field(code: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + code, head, at)

    dim = field("8h", 40)
    return NiftiHeader(
        version=1,
        byte_order=order,
        dim=_sizes(dim),
        datatype=field("h", 70)[0],
        bitpix=field("h", 72)[0],
        pixdim=field("8f", 76),
        vox_offset=int(field("f", 108)[0]),
        qform_code=field("h", 252)[0],
        sform_code=field("h", 254)[0],
        quaternion=cast("tuple[float, float, float]", field("3f", 256)),
        offset=cast("tuple[float, float, float]", field("3f", 268)),
        sform=(field("4f", 280), field("4f", 296), field("4f", 312)),
        xyzt_units=head[123],
        is_pair=head[344:347] == b"ni1",
    )


def _parse_2(head: bytes, order: str) -> NiftiHeader:
    """Read a NIfTI-2 header of 540 bytes."""

    def field(code: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + code, head, at)

    return NiftiHeader(
        version=2,
        byte_order=order,
        dim=_sizes(field("8q", 16)),
        datatype=field("h", 12)[0],
        bitpix=field("h", 14)[0],
        pixdim=field("8d", 104),
        vox_offset=field("q", 168)[0],
        qform_code=field("i", 344)[0],
        sform_code=field("i", 348)[0],
        quaternion=cast("tuple[float, float, float]", field("3d", 352)),
        offset=cast("tuple[float, float, float]", field("3d", 376)),
        sform=(field("4d", 400), field("4d", 432), field("4d", 464)),
        xyzt_units=field("i", 500)[0],
        is_pair=head[4:7] == b"ni2",
    )


def _sizes(dim: tuple[int, ...]) -> tuple[int, ...]:
    """Return the used entries of ``dim``."""
    count = dim[0]
    if not 1 <= count <= 7 or min(dim[1 : count + 1]) < 1:
        msg = f"a NIfTI header must state its sizes, got dim {dim}: repair the header"
        raise FormatError(msg)
    return tuple(int(size) for size in dim[1 : count + 1])


def mask_header(
    array: NDArray[Any], raw: Mapping[str, Any], *, intent: int = 0
) -> bytes:
    """Return the 352 bytes that stand before the voxels of a NIfTI-1 file.

    Parameters
    ----------
    array : (z, y, x) or (c, z, y, x)
        The voxels that will follow, x fastest. Only shape and dtype are used.
    raw : mapping
        Fields as :meth:`NiftiHeader.raw` gives them; ``dim`` and ``version`` unused.
    intent : int
        NIfTI intent code.

    Raises
    ------
    GeometryError
        If an axis is too long for NIfTI-1.
    """
    if max(array.shape) > np.iinfo(np.int16).max:
        msg = (
            f"NIfTI holds at most 32767 voxels an axis, got shape {array.shape}: "
            "save as .nrrd"
        )
        raise GeometryError(msg)
    kind = array.dtype.newbyteorder("=").str[1:]
    sizes = array.shape[::-1]
    dim = (
        (3, *sizes, 1, 1, 1, 1)
        if array.ndim == 3
        else (5, *sizes[:3], 1, sizes[3], 1, 1)
    )
    head = bytearray(_DATA_OFFSET)

    def put(code: str, at: int, *values: Any) -> None:
        struct.pack_into("<" + code, head, at, *values)

    put("i", 0, _SIZE_1)
    put("c", 38, b"r")
    put("8h", 40, *dim)
    put("3h", 68, intent, _CODES[kind], array.dtype.itemsize * 8)
    put("8f", 76, *raw["pixdim"][:4], 1.0, 1.0, 1.0, 1.0)
    put("3f", 108, float(_DATA_OFFSET), 1.0, 0.0)
    put("B", 123, raw["xyzt_units"])
    put("2h", 252, raw["qform_code"], raw["sform_code"])
    put("6f", 256, *raw["quaternion"], *raw["offset"])
    put("12f", 280, *(value for row in raw["sform"] for value in row))
    put("4s", 344, b"n+1\0")
    return bytes(head)
