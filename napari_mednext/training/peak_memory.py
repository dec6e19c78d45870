"""The most main memory that this process ever held."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

__all__ = ["peak_rss"]

_STATUS = Path("/proc/self/status")
_KIB = 1024


def peak_rss() -> int:
    """Return the peak of the resident memory of this process, bytes.

    On Linux it is read from the process's own memory map. ``getrusage`` would also
    count what the parent held when it started this process: a job that a large window
    starts would seem as large as the window.
    """
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) * _KIB
    import resource

    # macOS counts bytes, all others KiB.
    unit = 1 if sys.platform == "darwin" else _KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
