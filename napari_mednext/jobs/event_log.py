"""The events of a job: one JSON object a line, added at the end."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EventLog", "read_events"]

#: Events that are kept in memory while the disk takes none; then the oldest go.
_MOST_KEPT = 10_000


class EventLog:
    """Adds lines to a file; what the disk refuses waits for the next time.

    Parameters
    ----------
    path : Path
        Made with the first event.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: deque[bytes] = deque(maxlen=_MOST_KEPT)

    @property
    def is_written(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def add(self, event: str, content: dict[str, Any]) -> None:
        """Add an event of a kind; its time is for showing."""
        line = {"time": time.time(), "event": event, **content}
        self._waiting.append(json.dumps(line, default=str).encode() + b"\n")
        self.flush()

    def flush(self) -> bool:
        """Write what waits, as far as the disk takes it; return whether it took all."""
        try:
            while self._waiting:
                self._append(self._waiting[0])
                self._waiting.popleft()
        except OSError:
            return False
        return True

    def _append(self, line: bytes) -> None:
        """Add a line in one write, so that a kill cuts none but the last."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        file = os.open(self._path, flags, 0o666)
        try:
            if _is_cut(file):
                line = b"\n" + line
            written = os.write(file, line)
            # Without its newline alone the event is whole: written again, it would
            # stand there twice.
            if written < len(line) - 1:
                msg = f"{written} of {len(line)} bytes were written"
                raise OSError(msg)
        finally:
            os.close(file)


def _is_cut(file: int) -> bool:
    """Whether the last line of an open file has no end."""
    if os.fstat(file).st_size == 0:
        return False
    os.lseek(file, -1, os.SEEK_END)
    return os.read(file, 1) != b"\n"


def read_events(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Return the whole lines from a byte on, and the byte to go on from.

    Lines that a kill cut short are left out. A file that is shorter than ``offset`` is
    a new one and is read from its beginning.

    Parameters
    ----------
    path : Path
        May be missing: no events.
    offset : int
        What the call before returned.
    """
    try:
        with path.open("rb") as file:
            if offset > os.fstat(file.fileno()).st_size:
                offset = 0
            file.seek(offset)
            data = file.read()
    except OSError:
        return [], offset
    whole = data.rfind(b"\n") + 1
    events = []
    for line in data[:whole].split(b"\n"):
        try:
            event = json.loads(line)
        except ValueError:  # cut short, or no text at all
            continue
        if isinstance(event, dict):
            events.append(event)
    return events, offset + whole
