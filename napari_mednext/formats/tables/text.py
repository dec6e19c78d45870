"""Reading and writing the text of a table, with limits."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import FormatError
from napari_mednext.formats.placing import check_output, placed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "MAX_BYTES",
    "MAX_ROW",
    "FileText",
    "first_row",
    "one_line",
    "parse_json",
    "read_bytes",
    "read_text",
    "rows_of",
    "write_text",
]

#: Far above any table (a few kB) or list of cases (a few MB) and far below what would
#: fill memory when parsed.
MAX_BYTES = 32 * 2**20

#: Longer rows would make the search for their columns slow.
MAX_ROW = 10_000

#: Characters that end a line or cannot be seen; no table holds them in a name.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class FileText:
    """The text of a file, its lines ended by a line feed.

    Parameters
    ----------
    file : str
        The name of the file, for sentences.
    text : str
        What it holds.
    notes : tuple of str
        What was noticed while it was decoded.
    """

    file: str
    text: str
    notes: tuple[str, ...] = ()


def read_bytes(path: Path) -> bytes:
    """Return what a file holds.

    Raises
    ------
    FormatError
        If the file is missing, cannot be read, or has more than 32 MiB.
    """
    try:
        size = path.stat().st_size
        if size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as error:
        msg = (
            f"{path.name!r} must be a file that can be read "
            f"({error.strerror or error}): check the path {str(path)!r}"
        )
        raise FormatError(msg) from error
    msg = (
        f"{path.name!r} must have at most {MAX_BYTES} bytes, got {size}: "
        "check that it is a table or a list"
    )
    raise FormatError(msg)


def read_text(path: Path) -> FileText:
    """Return the text of a file.

    UTF-8 with or without a mark; anything else is taken as Latin-1, with a note.

    Raises
    ------
    FormatError
        If the file cannot be read, is too large, or is no text.
    """  # noqa: DOC501 - passes on those of read_bytes
    content = read_bytes(path)
    notes: tuple[str, ...] = ()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        notes = (f"{path.name!r} is not UTF-8: its names were read as Latin-1",)
    if "\0" in text:
        msg = f"{path.name!r} must be a text, but it holds other bytes: choose another"
        raise FormatError(msg)
    return FileText(path.name, text.replace("\r\n", "\n").replace("\r", "\n"), notes)


def rows_of(source: FileText) -> Iterator[tuple[int, str]]:
    """Iterate over lines that are neither empty nor comments, with their numbers.

    Raises
    ------
    FormatError
        If a line is longer than any row can be.
    """
    for number, line in enumerate(source.text.split("\n"), 1):
        if len(line) > MAX_ROW:
            msg = (
                f"a row must have at most {MAX_ROW} characters, got {len(line)} in "
                f"line {number} of {source.file!r}: check that it is a table"
            )
            raise FormatError(msg)
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def first_row(text: str) -> str:
    """Return the first line that is neither empty nor a comment, cut where too long."""
    lines = (line for line in text.split("\n") if line.strip())
    found = (line for line in lines if not line.lstrip().startswith("#"))
    return next(found, "")[:MAX_ROW]


def parse_json(source: FileText) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    FormatError
        If the text is no JSON; the sentence names the line.
    """
    try:
        return json.loads(source.text)
    except json.JSONDecodeError as error:
        msg = (
            f"{source.file!r} must be JSON, but line {error.lineno} is not "
            f"({error.msg.lower()}): correct it there"
        )
        raise FormatError(msg) from error
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, and lists in lists in lists.
        msg = f"{source.file!r} must be JSON of a usual depth: choose another file"
        raise FormatError(msg) from error


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; an older file is replaced.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """  # noqa: DOC501 - passes on those of placed
    check_output(path, overwrite=True)
    with placed(path) as draft:
        draft.write_bytes(text.encode("utf-8"))


def one_line(name: str) -> str:
    """Return a name with a space in the place of each control character."""
    return _CONTROL.sub(" ", name)
