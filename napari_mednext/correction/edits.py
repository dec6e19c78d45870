"""One step of the undo history: labels and provenance of a box, before and after.

All four blocks are whole, so a step can be written over any state: whoever wrote last
wins. That is why replaying a journal onto a label file that is newer than the replay's
start gives the same labels, and why a crash while a label file is saved loses nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.correction.change import Box

__all__ = ["Blocks", "Edit", "edit_head", "pack", "slabs", "unpack"]

#: zlib's quickest level, looking for runs only: labels are long runs, and this is as
#: quick as looking for anything, with half the bytes.
_LEVEL = 1
#: A large array is worked on in parts of so many voxels, and unpacked in pieces of so
#: many bytes: memory that is asked for anew costs more than the work in it.
_SLAB = 2**21
_PIECE = 2**18


@dataclass(frozen=True)
class Blocks:
    """What stood and what stands in the box of an edit.

    Parameters
    ----------
    labels_before, labels_after : (z, y, x) unsigned integers
    provenance_before, provenance_after : (z, y, x) uint8
    """

    labels_before: NDArray[Any]
    labels_after: NDArray[Any]
    provenance_before: NDArray[np.uint8]
    provenance_after: NDArray[np.uint8]

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return the four blocks in the order in which they are stored."""
        return (
            self.labels_before,
            self.labels_after,
            self.provenance_before,
            self.provenance_after,
        )


@dataclass
class Edit:
    """A step that can be undone.

    Parameters
    ----------
    number : int
        Counted up within a case; never used twice.
    box : three slices
        Where it lies in the label array.
    title : str
        What the user did, as "brush" or "fill holes".
    time_s : float
        Seconds since 1970.
    voxels : int
        Voxels whose label changed.
    is_human : bool
        False for what a model wrote.

    Notes
    -----
    The blocks are held in memory until :meth:`leave_to` says where else they can be
    read from.
    """

    number: int
    box: Box
    title: str
    time_s: float
    voxels: int
    is_human: bool = True
    _blocks: Blocks | None = field(default=None, repr=False, compare=False)
    _read: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)
    _dtype: np.dtype[Any] = field(
        default_factory=lambda: np.dtype(np.uint8), repr=False, compare=False
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the box."""
        z, y, x = (part.stop - part.start for part in self.box)
        return z, y, x

    def blocks(self) -> Blocks:
        """Return the blocks, from memory or from where they were left.

        Raises
        ------
        RuntimeError
            If the edit was made without blocks.
        """
        blocks = self._blocks  # another thread may take them away meanwhile
        if blocks is not None:
            return blocks
        if self._read is None:
            msg = f"edit {self.number} has no blocks"
            raise RuntimeError(msg)
        return unpack(self._read(), self.shape, self._dtype)

    def hold(self, blocks: Blocks) -> Edit:
        """Keep the blocks in memory, and return the edit."""
        self._blocks, self._dtype = blocks, blocks.labels_after.dtype
        return self

    def leave_to(
        self, read: Callable[[], bytes], dtype: np.dtype[Any] | None = None
    ) -> Edit:
        """Let go of the blocks: ``read`` returns what :func:`pack` made of them."""
        self._read = read
        self._dtype = self._dtype if dtype is None else dtype
        self._blocks = None
        return self


def edit_head(edit: Edit, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return what a journal's record says of an edit, beside its blocks."""
    return {
        "kind": "edit",
        "number": edit.number,
        "box": [[part.start, part.stop] for part in edit.box],
        "dtype": np.dtype(dtype).name,
        "title": edit.title,
        "time": edit.time_s,
        "voxels": edit.voxels,
        "human": edit.is_human,
    }


def slabs(shape: Sequence[int]) -> Iterator[slice]:
    """Yield ranges of the first axis that hold a few million voxels each, in order."""
    step = max(1, _SLAB // max(1, int(np.prod(shape[1:]))))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def pack(blocks: Blocks) -> bytes:
    """Return the four blocks compressed, one stream after the other."""
    packer = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE
    )
    parts = []
    for array in blocks.arrays():
        for part in slabs(array.shape):
            little = array[part].astype(array.dtype.newbyteorder("<"), copy=False)
            parts.append(packer.compress(np.ascontiguousarray(little).data))
    parts.append(packer.flush())
    return b"".join(parts)


def unpack(packed: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Blocks:
    """Return the blocks that :func:`pack` packed.

    Parameters
    ----------
    packed : bytes
        All four.
    shape : (z, y, x) voxels
        Of each block.
    dtype : dtype
        Of the labels.

    Raises
    ------
    ValueError
        If the bytes are not four such blocks.
    """
    size = int(np.prod(shape))
    wanted = 2 * size * (dtype.itemsize + 1)
    store, filled = np.empty(wanted, dtype=np.uint8), 0
    try:
        for piece in _unpacked(packed):
            part = store[filled : filled + len(piece)]
            part[:] = np.frombuffer(piece, np.uint8)[: part.size]
            filled += len(piece)
    except zlib.error as error:
        msg = f"the blocks of an edit cannot be unpacked: {error}"
        raise ValueError(msg) from error
    if filled != wanted:
        msg = f"an edit of shape {shape} must have {wanted} bytes, got {filled}"
        raise ValueError(msg)
    ends = np.cumsum([size * dtype.itemsize] * 2 + [size] * 2)[:-1]
    first, second, third, fourth = np.split(store, ends)
    labels = dtype.newbyteorder("<")
    return Blocks(
        first.view(labels).reshape(shape).astype(dtype, copy=False),
        second.view(labels).reshape(shape).astype(dtype, copy=False),
        third.reshape(shape),
        fourth.reshape(shape),
    )


def _unpacked(packed: bytes) -> Iterator[bytes]:
    """Yield what was packed, in pieces."""
    unpacker = zlib.decompressobj()
    for start in range(0, len(packed), _PIECE):
        rest = packed[start : start + _PIECE]
        while True:
            piece = unpacker.decompress(rest, _PIECE)
            yield piece
            rest = unpacker.unconsumed_tail
            # A full piece may have left output behind although all input is used.
            if not rest and len(piece) < _PIECE:
                break
