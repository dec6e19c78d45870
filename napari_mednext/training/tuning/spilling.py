"""Arrays that lie on the disk and are read where they are used.

A training looks at a few patches at a time. Held in memory, twenty scans would take as
many times the room of one; so they wait in files of the job, and the system keeps as
much of them in memory as nobody else needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["spilled"]

_T = TypeVar("_T", bound=np.generic)


def spilled(array: NDArray[_T], path: Path) -> NDArray[_T]:
    """Write an array to a file, and return it as it lies there.

    Parameters
    ----------
    array : array
        Any.
    path : Path
        A file, ``.npy``; what is there is replaced.

    Returns
    -------
    array
        Equal to the one that was given. What is written to it stays in memory.

    Raises
    ------
    StorageError
        If there is no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with placed(path) as draft:
        np.save(draft, array, allow_pickle=False)
    found: NDArray[_T] = np.load(path, mmap_mode="c", allow_pickle=False)
    return found
