"""Decisions of a job that it keeps as JSON, so that it goes on as it began."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["keep_note", "kept_note"]


def keep_note(path: Path, values: Mapping[str, Any]) -> None:
    """Write a note, to the disk itself; it appears when it is whole.

    Raises
    ------
    StorageError
        If it cannot be written.
    """  # noqa: DOC501 - by placed
    with placed(path) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")
        file.flush()
        os.fsync(file.fileno())


def kept_note(path: Path) -> dict[str, Any] | None:
    """Return what a note says; None where there is none, or a power cut emptied it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return values if isinstance(values, dict) else None
