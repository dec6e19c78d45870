"""JSON lists, read with a sentence for every way to be wrong."""

from __future__ import annotations

import json
import reprlib
from typing import TYPE_CHECKING, Any, TypeVar

from napari_mednext.errors import FormatError
from napari_mednext.formats.tables.text import parse_json, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["expect", "expect_text", "json_text", "read_object"]

_Kind = TypeVar("_Kind", str, int, list[Any], dict[str, Any])
_NAMES: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    list: "a list",
    dict: "an object",
}


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of at most 32 MiB.

    Raises
    ------
    FormatError
        If the file cannot be read or holds something else.
    """  # noqa: DOC501 - passes on the sentences of those that it calls
    return expect(parse_json(read_text(path)), dict, "the whole", path.name)


def expect(value: Any, kind: type[_Kind], place: str, file: str) -> _Kind:
    """Return a value if it is of a kind.

    Raises
    ------
    FormatError
        If it is not; the sentence names its place and the file.
    """
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    msg = (
        f"{place} of {file!r} must be {_NAMES[kind]}, got {reprlib.repr(value)}: "
        "correct it there"
    )
    raise FormatError(msg)


def expect_text(source: Mapping[str, Any], key: str, place: str, file: str) -> str:
    """Return the text under a key, or "" where there is none or it is null.

    Raises
    ------
    FormatError
        If something else stands there.
    """
    value = source.get(key)
    return "" if value is None else expect(value, str, f"{place}/{key}", file)


def json_text(value: Any) -> str:
    """Return a value as JSON for people to read."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
