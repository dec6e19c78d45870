"""Everything the plugin can do, callable without a display.

Importing this package imports no torch: the parts that need it load it when they work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_mednext.app.batch import (
        BatchEvent,
        BatchItem,
        BatchReport,
        BatchState,
        run_batch,
    )
    from napari_mednext.app.doctor import Finding, examine
    from napari_mednext.app.service import Preview, SegmentService
    from napari_mednext.app.session import Session

__all__ = [
    "BatchEvent",
    "BatchItem",
    "BatchReport",
    "BatchState",
    "Finding",
    "Preview",
    "SegmentService",
    "Session",
    "examine",
    "run_batch",
]

_HOMES = {
    "BatchEvent": "batch",
    "BatchItem": "batch",
    "BatchReport": "batch",
    "BatchState": "batch",
    "Finding": "doctor",
    "Preview": "service",
    "SegmentService": "service",
    "Session": "session",
    "examine": "doctor",
    "run_batch": "batch",
}


def __getattr__(name: str) -> object:
    """Import the module that holds a public name when it is first used.

    Raises
    ------
    AttributeError
        If the package has no such name.
    """
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
