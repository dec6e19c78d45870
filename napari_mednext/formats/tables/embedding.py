"""The label table in the header of a NIfTI file: finding it and putting it there.

Extensions lie between the header and the voxels: a size, a code and the content each,
written from nifti1.h at nifti.nimh.nih.gov.
"""

from __future__ import annotations

import gzip
import shutil
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from napari_mednext.errors import FormatError
from napari_mednext.formats.nifti import find_nifti
from napari_mednext.formats.nifti_header import NiftiHeader, open_maybe_gzip
from napari_mednext.formats.placing import check_output, placed
from napari_mednext.formats.tables import caret
from napari_mednext.formats.tables.text import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_mednext.formats.tables.table import LabelTable
    from napari_mednext.labels import LabelSet

__all__ = ["embed_table", "read_embedded"]

#: Registered for Caret, and the only code that Connectome Workbench looks at.
#: TotalSegmentator writes 0, so reading goes by the content.
_CARET = 30
_HEADER_BYTES = {1: 348, 2: 540}
#: Where the header says at which byte the voxels begin, and as what.
_VOX_OFFSET = {1: (108, "f"), 2: (168, "q")}
#: As masks are written elsewhere: fast, and a few per cent larger.
_GZIP_LEVEL = 1


@dataclass(frozen=True)
class _Head:
    """All of a file before its voxels."""

    header: NiftiHeader
    raw: bytes
    extender: bytes
    extensions: tuple[tuple[int, bytes], ...]

    @property
    def tables(self) -> list[bytes]:
        """The contents that are label tables."""
        return [data for _, data in self.extensions if caret.is_xml_table(data)]

    def with_table(self, content: bytes) -> bytes:
        """Return the same bytes with another table, and the new place of the voxels."""
        others = [each for each in self.extensions if not caret.is_xml_table(each[1])]
        order = self.header.byte_order
        block = b"\1" + self.extender[1:]
        for code, data in (*others, (_CARET, content)):
            size = -(-(len(data) + 8) // 16) * 16
            block += struct.pack(order + "ii", size, code) + data.ljust(size - 8, b"\0")
        raw = bytearray(self.raw)
        at, kind = _VOX_OFFSET[self.header.version]
        struct.pack_into(order + kind, raw, at, len(raw) + len(block))
        return bytes(raw) + block


def read_embedded(path: Path) -> LabelTable | None:
    """Return the label table in the header of a NIfTI file; None if it is none.

    Parameters
    ----------
    path : Path
        Any file; either file of a pair.

    Raises
    ------
    FormatError
        If the file is NIfTI without a table, or is damaged.
    """
    nifti = find_nifti(path)
    if nifti is None:
        return None
    with _readable(nifti.header_path), open_maybe_gzip(nifti.header_path) as stream:
        tables = _read_head(stream, nifti.header, path.name).tables
    if not tables:
        msg = (
            f"the header of {path.name!r} must hold a label table, but it has none: "
            "choose another file"
        )
        raise FormatError(msg)
    return caret.parse(tables[0], path.name)


def embed_table(path: str | Path, labels: LabelSet) -> Path:
    """Put names and colours into the header of a NIfTI mask.

    An older table is replaced; other extensions, the voxels and every field of the
    header but the offset of the voxels stay as they are, bit by bit. The file is
    replaced when it is whole, or stays as it was.

    Parameters
    ----------
    path : path
        A .nii or .nii.gz file.
    labels : LabelSet
        What to say.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FormatError
        If the file is not NIfTI, is a pair, or is damaged.
    StorageError
        If it cannot be written.
    """  # noqa: DOC501 - EOFError becomes the first of these
    path = Path(path)
    nifti = find_nifti(path) if path.is_file() else None
    if nifti is None or nifti.header.is_pair:
        msg = (
            "a label table goes into a single NIfTI file, but "
            f"{path.name!r} is none: save the mask as .nii.gz first"
        )
        raise FormatError(msg)
    check_output(path, overwrite=True)
    with placed(path) as draft, _readable(path), open_maybe_gzip(path) as source:
        head = _read_head(source, nifti.header, path.name)
        with _written_like(path, draft) as target:
            target.write(head.with_table(caret.table_bytes(labels)))
            before = target.tell()
            shutil.copyfileobj(source, target, 1 << 22)
            if target.tell() - before < nifti.header.data_bytes:
                raise EOFError
    return path


def _read_head(stream: BinaryIO, header: NiftiHeader, file: str) -> _Head:
    """Read up to the first voxel."""
    raw = stream.read(_HEADER_BYTES[header.version])
    extender = stream.read(4)
    if header.is_pair:
        block = stream.read(MAX_BYTES)
    else:
        size = header.vox_offset - len(raw) - 4
        if not 0 <= size <= MAX_BYTES:
            msg = (
                f"the voxels of {file!r} must follow its header, but it says that they "
                f"begin at byte {header.vox_offset}: repair the header"
            )
            raise FormatError(msg)
        block = stream.read(size)
    is_extended = extender[:1] not in (b"", b"\0")
    extensions = tuple(_split(block, header, file)) if is_extended else ()
    return _Head(header, raw, extender.ljust(4, b"\0"), extensions)


def _split(block: bytes, header: NiftiHeader, file: str) -> Iterator[tuple[int, bytes]]:
    """Yield code and content of each extension."""
    at = 0
    while at + 8 <= len(block):
        size, code = struct.unpack_from(header.byte_order + "ii", block, at)
        if size == 0:
            # Padding before the voxels.
            return
        if size < 8 or at + size > len(block):
            msg = (
                f"the header extensions of {file!r} must fit before its voxels, but "
                f"one has {size} bytes: repair the header"
            )
            raise FormatError(msg)
        yield code, block[at + 8 : at + size]
        at += size


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in a sentence that a file ends too early or is damaged."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        msg = (
            f"{path.name!r} must be a whole file, but it is damaged or cut short: "
            "copy it again from where it came"
        )
        raise FormatError(msg) from error


@contextmanager
def _written_like(path: Path, draft: Path) -> Iterator[BinaryIO]:
    """Open a draft that is gzip exactly if the file at ``path`` is."""
    with path.open("rb") as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
    with draft.open("wb") as plain:
        if not is_gzip:
            yield plain
            return
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, plain, mtime=0) as packed:
            yield cast("BinaryIO", packed)
