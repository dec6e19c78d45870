"""Messages between two processes of this package, over a pair of pipes.

A frame is a head (magic, size of the pickle, number of buffers), the sizes of the
buffers, the pickle (protocol 5) and the buffers. Voxel arrays travel as buffers: they
go from the array into the pipe, and from the pipe into the memory of the new array,
without a copy in Python. Reading and writing release the interpreter lock, so a window
in the same process stays alive while a large volume is sent.

Both ends are processes of the same installation that one started from the other, so
the pickles are as trusted as the code itself. No pickle of a file comes this way.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
import threading
from copyreg import dispatch_table
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_mednext.errors import StorageError

__all__ = ["Channel", "widen_pipe"]

_HEAD = struct.Struct("<4sQQ")
_SIZE = struct.Struct("<Q")
_MAGIC = b"NMX1"
#: One call reads or writes at most this much; Linux refuses more than 2 GiB - 4 KiB.
_LARGEST_TRANSFER = 1 << 30
#: Bytes of a pipe where the system lets us choose: fewer, larger reads.
_PIPE_BYTES = 1 << 20


#: How to pickle read-only mappings, which the standard pickler refuses.
_REDUCERS: dict[type, Any] = {
    **dispatch_table,
    MappingProxyType: lambda proxy: (_read_only, (dict(proxy),)),
}


class Channel:
    """Sends and receives Python values over two raw streams.

    ``send`` may be called from several threads; ``receive`` from one at a time.

    Parameters
    ----------
    reader, writer : io.RawIOBase
        Unbuffered, blocking.
    """

    def __init__(self, reader: io.RawIOBase, writer: io.RawIOBase) -> None:
        self._reader = reader
        self._writer = writer
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """Send a message whole.

        Arrays should be contiguous: the others are copied first. ``OSError`` when the
        other end is gone.
        """
        buffers: list[pickle.PickleBuffer] = []
        stream = io.BytesIO()
        pickler = pickle.Pickler(stream, protocol=5, buffer_callback=buffers.append)
        pickler.dispatch_table = _REDUCERS
        pickler.dump(message)
        body = stream.getbuffer()
        views = [buffer.raw() for buffer in buffers]
        head = bytearray(_HEAD.pack(_MAGIC, body.nbytes, len(views)))
        for view in views:
            head += _SIZE.pack(view.nbytes)
        with self._sending:
            for part in (memoryview(head), body, *views):
                self._write_all(part)

    def receive(self) -> Any:
        """Wait for the next message and return it; ``EOFError`` at the end of the pipe.

        Raises
        ------
        StorageError
            If what arrives is not a frame.
        """
        magic, body_bytes, count = _HEAD.unpack(self._read_all(_HEAD.size))
        if magic != _MAGIC:
            msg = f"a message must start with {_MAGIC!r}, got {magic!r}: start again"
            raise StorageError(msg)
        sizes = [_SIZE.unpack(self._read_all(_SIZE.size))[0] for _ in range(count)]
        body = self._read_all(body_bytes)
        buffers = [self._read_all(size) for size in sizes]
        return pickle.loads(body, buffers=buffers)

    def _write_all(self, part: memoryview) -> None:
        """Write every byte; a raw stream may take fewer than it is given."""
        part = part.cast("B") if part.nbytes else part
        start = 0
        while start < part.nbytes:
            written = self._writer.write(part[start : start + _LARGEST_TRANSFER])
            start += written or 0

    def _read_all(self, size: int) -> memoryview:
        """Read exactly ``size`` bytes into memory that is not cleared first.

        Raises
        ------
        EOFError
            If the pipe ends before.
        """
        view = np.empty(size, dtype=np.uint8).data
        start = 0
        while start < size:
            got = self._reader.readinto(view[start : start + _LARGEST_TRANSFER])
            if not got:
                msg = "the other process closed the pipe"
                raise EOFError(msg)
            start += got
        return view


def _read_only(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """Return a read-only view; the type itself has no importable name."""
    return MappingProxyType(content)


def widen_pipe(descriptor: int) -> None:
    """Make a pipe hold 1 MiB where the system allows it; else leave it as it is."""
    if sys.platform != "linux":
        return
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
