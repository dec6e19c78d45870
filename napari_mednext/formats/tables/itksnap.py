"""Label descriptions of ITK-SNAP.

A line is an index, red, green and blue, an opacity, two flags for the slices and the
mesh, and a name in double quotes. Read from the program's writer, which explains the
columns in the head of each file.
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

__all__ = ["KIND", "carried", "is_itksnap", "parse", "text_of"]

KIND = "ITK-SNAP"

#: ITK-SNAP takes a file for a label description by its second line.
_HEAD = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Fields:
#    IDX:   value in the mask
#    -R-:   red, 0..255
#    -G-:   green, 0..255
#    -B-:   blue, 0..255
#    -A-:   opacity, 0.00..1.00
#    VIS:   shown in slices, 0 or 1
#    MSH:   shown as a mesh, 0 or 1
#  LABEL:   name
################################################
"""
_LINE = re.compile(
    r"[ \t]*(-?\d{1,9})[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)"
    r"[ \t]+[\d.eE+-]+[ \t]+\d+[ \t]+\d+[ \t]*\"([^\"]*)",
    re.ASCII,
)


def is_itksnap(text: str) -> bool:
    """Whether a text is a label description by its head or its first row."""
    if "itk-snap label description" in text[:2000].lower():
        return True
    return _LINE.match(first_row(text)) is not None


def parse(source: FileText) -> LabelTable:
    """Read a label description; index 0, the clear label, is left out.

    Raises
    ------
    FormatError
        If a line has another form, or a value or colour cannot be.
    """
    rows = TableRows(source.file)
    for number, line in rows_of(source):
        match, place = _LINE.match(line), f"line {number}"
        if match is None:
            msg = (
                'a row must be IDX R G B A VIS MSH "LABEL", got '
                f"{line.strip()[:80]!r} in {place} of {source.file!r}: correct it there"
            )
            raise FormatError(msg)
        value, red, green, blue, name = match.groups()
        color = rgb_of((red, green, blue), 255, place, source.file)
        rows.add(int(value), name, color, place)
    return LabelTable(rows.labels, KIND, notes=source.notes)


def carried(label: Label) -> str:
    """Return the name as the format holds it: never empty, without double quotes."""
    # ITK-SNAP refuses the whole file for one empty name.
    return one_line(label.name).replace('"', "'") or f"label {label.value}"


def text_of(labels: LabelSet) -> str:
    """Return a label description, every label opaque and shown."""
    rows = ['    0     0    0    0        0  0  0    "Clear Label"\n']
    for label in labels:
        red, green, blue = label.color
        rows.append(
            f"{label.value:5d}   {red:3d}  {green:3d}  {blue:3d}        1  1  1    "
            f'"{carried(label)}"\n'
        )
    return _HEAD + "".join(rows)
