"""Colour tables of 3D Slicer as text (.ctbl, .txt).

A line is an index, a name, and red, green, blue and opacity from 0 to 255, with spaces
between them; so spaces in names are written as underscores and read back as spaces, and
names with underscores come back with spaces. Written from Slicer's developer guide and
its reader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats.tables.colors import rgb_of
from napari_mednext.formats.tables.table import LabelTable, TableRows
from napari_mednext.formats.tables.text import (
    FileText,
    first_row,
    one_line,
    rows_of,
)

if TYPE_CHECKING:
    from napari_mednext.labels import Label, LabelSet

__all__ = ["KIND", "carried", "is_slicer", "parse", "text_of"]

KIND = "3D Slicer"

_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_LINE = re.compile(
    rf"[ \t]*(-?\d{{1,9}})[ \t]+(\S.*?)[ \t]+{_NUMBER}[ \t]+{_NUMBER}[ \t]+{_NUMBER}"
    rf"(?:[ \t]+{_NUMBER})?[ \t]*",
    re.ASCII,
)
_SCALE = "# color procedural file"


def is_slicer(text: str) -> bool:
    """Whether a text is a colour table by its head or its first row."""
    if text.lower().startswith(("# color table file", _SCALE)):
        return True
    return _LINE.fullmatch(first_row(text)) is not None


def parse(source: FileText) -> LabelTable:
    """Read a colour table; index 0, the background, is left out.

    Names may also stand in quotes, with spaces in them.

    Raises
    ------
    FormatError
        If the file is a continuous scale, a line has another form, or a value or
        colour cannot be.
    """
    if source.text.lower().startswith(_SCALE):
        msg = (
            f"{source.file!r} must name labels, but it is a continuous colour scale: "
            "choose a discrete table"
        )
        raise FormatError(msg)
    rows = TableRows(source.file)
    for number, line in rows_of(source):
        match, place = _LINE.fullmatch(line), f"line {number}"
        if match is None:
            msg = (
                "a row must be an index, a name and R G B A, got "
                f"{line.strip()[:80]!r} in {place} of {source.file!r}: correct it there"
            )
            raise FormatError(msg)
        value, name, *parts = match.groups()
        color = rgb_of(parts[:3], 255, place, source.file)
        rows.add(int(value), _read_name(name), color, place)
    return LabelTable(rows.labels, KIND, notes=source.notes)


def carried(label: Label) -> str:
    """Return the name as it is read back: no underscores, no quotes around it."""
    return _read_name(_written_name(label.name))


def text_of(labels: LabelSet) -> str:
    """Return a colour table with a transparent background."""
    rows = [f"# Color table file\n# {len(labels) + 1} values\n0 Background 0 0 0 0\n"]
    for label in labels:
        red, green, blue = label.color
        name = _written_name(label.name)
        rows.append(f"{label.value} {name} {red} {green} {blue} 255\n")
    return "".join(rows)


def _written_name(name: str) -> str:
    """Return a name without spaces; an empty one is an underscore."""
    return one_line(name).strip("'\"").replace(" ", "_") or "_"


def _read_name(written: str) -> str:
    """Return the name of a row."""
    if written == "_":
        return ""
    for quote in "'\"":
        if len(written) > 1 and written.startswith(quote) and written.endswith(quote):
            written = written[1:-1]
    return written.replace("_", " ")
