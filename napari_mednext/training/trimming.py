"""Giving memory back that the C library keeps of tensors that were freed."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["give_memory_back"]


@lru_cache(maxsize=1)
def _trim() -> Callable[[int], int] | None:
    """Return glibc's function, None on systems that have none."""
    if sys.platform != "linux":
        return None
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library
        return None
    return trim


def give_memory_back() -> None:
    """Return free memory to the system, where the C library would keep it.

    Tensors of less than 32 MB lie on its heap, which in a training of many sizes grows
    to one and a half times what is in use.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
