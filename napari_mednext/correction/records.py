"""The bytes of a journal: a first line, then records that only ever get more.

A record is a head (JSON) and a payload, preceded by their lengths and followed by a
checksum of both. A record that is not whole ends the journal: everything before it
counts, and it is what was being written when the power went.
"""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from napari_mednext.errors import FormatError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CHECK_SIZE",
    "SCHEMA",
    "Found",
    "Record",
    "first_line",
    "read_payload",
    "scan",
]

#: A journal that is not whole in its middle is kept under this ending.
DAMAGED = ".damaged"

SCHEMA = 1
_NAME = b"napari-mednext journal "
#: Mark, length of the head, length of the payload.
_LENGTHS = struct.Struct("<4sIQ")
_MARK = b"edit"
_CHECK = struct.Struct("<I")
#: Bytes between the payload of a record and its end.
CHECK_SIZE = _CHECK.size
#: A head is a few hundred bytes; more is not ours.
_MOST_HEAD = 2**20


@dataclass(frozen=True)
class Record:
    """One entry of a journal.

    Parameters
    ----------
    head : dict
        JSON content; ``kind`` says what it is.
    payload : bytes
        Compressed blocks of an edit; empty for other kinds.
    """

    head: dict[str, Any]
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the record as it stands in the file."""
        head = json.dumps(self.head, separators=(",", ":")).encode()
        check = zlib.crc32(self.payload, zlib.crc32(head))
        return b"".join(
            (
                _LENGTHS.pack(_MARK, len(head), len(self.payload)),
                head,
                self.payload,
                _CHECK.pack(check),
            )
        )


@dataclass(frozen=True)
class Found:
    """A record on disk: its head, and where its payload lies.

    Parameters
    ----------
    head : dict
    start, stop : int
        Bytes of the whole record in the file.
    payload_start, payload_size : int
    """

    head: dict[str, Any]
    start: int
    stop: int
    payload_start: int
    payload_size: int


def first_line() -> bytes:
    """Return what a journal begins with."""
    return _NAME + str(SCHEMA).encode() + b"\n"


def scan(path: Path) -> tuple[list[Found], int]:
    """Return the whole records of a journal, and where they end.

    Payloads are checked and not kept. Bytes after the end are a record that was not
    written whole; where they are anything else, the journal is first copied beside.

    Raises
    ------
    FormatError
        If the file is no journal, or one of a newer version.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        line = file.readline(64)
        if first_line().startswith(line):
            if line != first_line():  # killed while the first line was written
                return [], 0
        else:
            _refuse(path, line)
        found: list[Found] = []
        end = file.tell()
        while (record := _next(file, end, size)) is not None:
            found.append(record)
            end = record.stop
        is_damaged = end < size and not _is_torn(file, end, size)
    if is_damaged:
        shutil.copyfile(path, path.with_name(path.name + DAMAGED))
    return found, end


def read_payload(path: Path, start: int, size: int) -> bytes:
    """Return the payload of a record.

    Raises
    ------
    FormatError
        If the file has become shorter than it was.
    StorageError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            payload = file.read(size)
    except OSError as error:
        reason = error.strerror or str(error)
        msg = (
            f"the steps of the case must be readable in {str(path)!r} "
            f"({reason[:1].lower()}{reason[1:]}): nothing was changed, make the file "
            "readable and try again"
        )
        raise StorageError(msg) from error
    if len(payload) != size:
        msg = (
            f"the journal {path.name!r} must hold {size} bytes at {start}, got "
            f"{len(payload)}: it was cut by another program, open the case again"
        )
        raise FormatError(msg)
    return payload


def _next(file: BinaryIO, start: int, size: int) -> Found | None:
    """Read the record that begins here; None when it is not whole."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    mark, head_size, payload_size = _LENGTHS.unpack(lengths)
    stop = start + _LENGTHS.size + head_size + payload_size + _CHECK.size
    if mark != _MARK or head_size > _MOST_HEAD or stop > size:
        return None
    head = file.read(head_size)
    payload = file.read(payload_size)
    (check,) = _CHECK.unpack(file.read(_CHECK.size))
    if zlib.crc32(payload, zlib.crc32(head)) != check:
        return None
    return Found(
        json.loads(head),
        start,
        stop,
        start + _LENGTHS.size + head_size,
        payload_size,
    )


def _is_torn(file: BinaryIO, start: int, size: int) -> bool:
    """Whether what begins here is the beginning of a record that has no end."""
    file.seek(start)
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return True
    mark, head_size, payload_size = _LENGTHS.unpack(lengths)
    stop = start + _LENGTHS.size + head_size + payload_size + _CHECK.size
    return bool(mark == _MARK and stop > size)


def _refuse(path: Path, line: bytes) -> None:
    """Say what is wrong with a first line."""
    version = line.removeprefix(_NAME).strip()
    if line.startswith(_NAME) and version.isdigit() and int(version) > SCHEMA:
        msg = (
            f"the journal {path.name!r} must have version {SCHEMA} or older, got "
            f"{int(version)}: open the study with a newer napari-mednext"
        )
    else:
        msg = (
            f"{path.name!r} must be a journal of corrections, but it begins with "
            f"{line[:24]!r}: move it away and open the case again"
        )
    raise FormatError(msg)
