"""What was measured, a line of JSON a round; a run that was killed goes on from it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["KEY", "Results"]

#: What tells lines apart: of two with the same values the later one counts.
KEY = ("kind", "task", "stage", "method", "seed", "round")


class Results:
    """A file of results.

    Parameters
    ----------
    path : Path
        Made with the first line. A line that a kill has cut off is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[dict[str, Any]]:
        """Return all whole lines, in the order of their first writing."""
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        if not self._path.exists():
            return []
        for text in self._path.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                found[_key(line)] = line
        return list(found.values())

    def find(self, **key: Any) -> dict[str, Any] | None:
        """Return the line of a key, None while there is none."""
        wanted = _key(key)
        return next((x for x in self.lines() if _key(x) == wanted), None)

    def add(self, line: Mapping[str, Any]) -> None:
        """Append a line; it is on disk afterwards."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            # What a kill has cut off must not swallow this line.
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(dict(line)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(line.get(name) for name in KEY)
