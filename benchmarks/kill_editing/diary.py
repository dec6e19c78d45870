"""What a session writes down before and after every step, for whoever kills it."""

from __future__ import annotations

import json
import os
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

from napari_mednext.correction import journal
from napari_mednext.correction.records import first_line

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from napari_mednext.correction.editing import Editing

__all__ = ["Diary", "checksum", "read_diary", "standing"]


class Diary:
    """A file of lines, each written with one system call: a kill cannot take it back.

    Parameters
    ----------
    path : Path
        Made anew.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self._file = os.open(path, flags, 0o644)

    def write(self, event: str, **values: Any) -> None:
        """Add a line with the time at which this was called."""
        line = {"event": event, "at": time.monotonic()} | values
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def watch_disk(self) -> None:
        """Note when each record is in the journal's file, and which thread wrote it.

        From then on it outlives the process; the disk is asked to keep it afterwards.
        """
        write = journal._write_whole  # noqa: SLF001 - watched, not changed

        def watched(file: FileIO, content: bytes) -> None:
            write(file, content)
            if content != first_line():
                self.write("disk", thread=threading.get_native_id())

        journal._write_whole = watched  # noqa: SLF001


def read_diary(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a diary; none if the session did not come so far."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def checksum(editing: Editing) -> int:
    """Return a checksum of labels and provenance."""
    return zlib.crc32(editing.provenance.data, zlib.crc32(editing.labels.data))


def standing(editing: Editing) -> dict[str, Any]:
    """Return where a case stands, for a line of the diary."""
    journal = editing.journal
    return {
        "checksum": checksum(editing),
        "done": len(editing.history.done),
        "undone": len(editing.history.undone),
        "last": 0 if journal is None else journal.position - 1,
    }
