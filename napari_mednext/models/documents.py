"""JSON files of a model folder, read with a sentence for every way to be wrong.

A :class:`Node` is a value together with the place it stands at, so that a check deep
in a file can name both. Nothing here trusts the file: size, nesting, types and ranges
are checked, since folders come from other people.
"""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from napari_mednext.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MAX_JSON_BYTES", "Node", "read_json"]

#: Far above any plans.json (about 20 kB) or dataset.json (a few MB) and far below what
#: would fill memory when parsed.
MAX_JSON_BYTES = 32 * 2**20

_ADVICE = "correct the file or copy the model folder again"


def read_json(path: Path) -> Node:
    """Read a JSON object.

    Parameters
    ----------
    path : Path
        At most 32 MiB of UTF-8.

    Returns
    -------
    Node
        Holds a dict with string keys.

    Raises
    ------
    ModelError
        If the file is missing, too large, cannot be read, or is no JSON object.
    """  # noqa: DOC501 - passes on the one above
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            msg = (
                f"{path.name} must have at most {MAX_JSON_BYTES} bytes, got {size} in "
                f"{str(path)!r}: {_ADVICE}"
            )
            raise ModelError(msg)
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        msg = (
            f"a model folder must hold {path.name}, got none in {str(path.parent)!r}: "
            "choose the folder that holds plans.json, dataset.json and fold_0"
        )
        raise ModelError(msg) from error
    except OSError as error:
        msg = (
            f"{path.name} must be readable, got {error.strerror or error} for "
            f"{str(path)!r}: check the file and its permissions"
        )
        raise ModelError(msg) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        msg = f"{path.name} must be JSON, got {error} in {str(path)!r}: {_ADVICE}"
        raise ModelError(msg) from error
    node = Node(value, f"{str(path)!r}")
    node.names()
    return node


@dataclass(frozen=True)
class Node:
    """A JSON value and the place it stands at.

    Every method that reads raises ModelError when the value is not what it reads.
    """

    value: Any
    file: str
    place: str = ""

    def refuse(self, wanted: str, advice: str = _ADVICE) -> NoReturn:
        """Raise the sentence that says what this value must be.

        Raises
        ------
        ModelError
            Always.
        """
        subject = f'"{self.place}" in {self.file}' if self.place else self.file
        msg = f"{subject} must {wanted}, got {reprlib.repr(self.value)}: {advice}"
        raise ModelError(msg)

    def names(self) -> list[str]:
        """Return the keys of an object, in the order of the file."""
        if not isinstance(self.value, dict):
            self.refuse("be an object")
        return [str(key) for key in self.value]

    def __contains__(self, key: str) -> bool:
        return key in self.names()

    def __getitem__(self, key: str) -> Node:
        if key not in self:
            Node(self.names(), self.file, self.place).refuse(f'hold the key "{key}"')
        return Node(self.value[key], self.file, f"{self.place}/{key}".lstrip("/"))

    def get(self, key: str) -> Node | None:
        """Return the value under ``key``, or None where it is missing or null."""
        return self[key] if key in self and self.value[key] is not None else None

    def items(self) -> Iterator[tuple[str, Node]]:
        """Iterate over the keys of an object and what they hold."""
        return ((key, self[key]) for key in self.names())

    def elements(self, length: int | None = None) -> list[Node]:
        """Return the elements of a list, of the given length if there is one."""
        if not isinstance(self.value, (list, tuple)):
            self.refuse("be a list")
        if length is not None and len(self.value) != length:
            self.refuse(f"have {length} entries")
        return [
            Node(value, self.file, f"{self.place}[{index}]")
            for index, value in enumerate(self.value)
        ]

    def text(self) -> str:
        """Return a string."""
        if not isinstance(self.value, str):
            self.refuse("be a text")
        return str(self.value)

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.refuse("be true or false")
        return bool(self.value)

    def whole(self, minimum: int, maximum: int | None = None) -> int:
        """Return a whole number of at least ``minimum`` and at most ``maximum``."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        inside = isinstance(value, int) and not isinstance(value, bool)
        inside = inside and minimum <= value
        if not inside or (maximum is not None and value > maximum):
            upper = "" if maximum is None else f" and at most {maximum}"
            self.refuse(f"be a whole number of at least {minimum}{upper}")
        return int(value)

    def number(self, *, positive: bool = False) -> float:
        """Return a finite number, above zero when ``positive``."""
        value = self.value
        wanted = "a positive number" if positive else "a finite number"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.refuse(f"be {wanted}")
        # An integer beyond the floats is not a length or an intensity either.
        huge = isinstance(value, int) and abs(value) > 2**63
        if huge or not math.isfinite(value) or (positive and value <= 0):
            self.refuse(f"be {wanted}")
        return float(value)
