"""Colour tables of 3D Slicer as comma-separated values.

Columns are known by their names; terminology columns are not needed and are left out.
Slicer's reader knows no doubled quotation marks, so names are written without them.
Written from Slicer's developer guide.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats.tables.colors import rgb_of
from napari_mednext.formats.tables.table import LabelTable, TableRows
from napari_mednext.formats.tables.text import FileText, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_mednext.labels import Label, LabelSet

__all__ = ["KIND", "carried", "is_slicer_csv", "parse", "read_rows", "text_of"]

KIND = "3D Slicer CSV"

_COLUMNS = ("LabelValue", "Name", "Color_R", "Color_G", "Color_B", "Color_A")
_COLORS = ("color_r", "color_g", "color_b")
_TERMS = ("category_", "type_", "typemodifier_", "region_", "regionmodifier_")


def is_slicer_csv(text: str) -> bool:
    """Whether the first line of a text names the column of values."""
    return "labelvalue" in text.lstrip().split("\n", 1)[0].lower()


def parse(source: FileText) -> LabelTable:
    """Read a colour table; value 0, the background, is left out.

    Raises
    ------
    FormatError
        If a row has no value, or a value or colour cannot be.
    """
    rows = TableRows(source.file)
    has_terms = False
    for number, row in read_rows(source):
        place = f"line {number}"
        text = row.get("labelvalue", "").strip()
        if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) is None:
            msg = (
                f"a row must have a whole number as its LabelValue, got {text!r} in "
                f"{place} of {source.file!r}: correct it there"
            )
            raise FormatError(msg)
        color = None
        if all(row.get(column, "").strip() for column in _COLORS):
            parts = [row[column].strip() for column in _COLORS]
            color = rgb_of(parts, 255, place, source.file)
        rows.add(int(text), _name(row), color, place)
        has_terms |= any(row[key] for key in row if key.startswith(_TERMS))
    notes = source.notes
    if has_terms:
        notes = (*notes, f"the terminology codes of {source.file!r} were left out")
    return LabelTable(rows.labels, KIND, notes=notes)


def read_rows(source: FileText) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of comma-separated values, each with its line number.

    The keys are the names of the columns in lower case; missing cells are empty.

    Raises
    ------
    FormatError
        If quotation marks are not closed or a cell is too large.
    """
    reader = csv.reader(io.StringIO(source.text), strict=True)
    found: list[tuple[int, dict[str, str]]] = []
    names: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = [cell.strip().lower() for cell in cells]
                continue
            row = dict.fromkeys(names, "") | dict(zip(names, cells, strict=False))
            found.append((reader.line_num, row))
    except csv.Error as error:
        msg = (
            f"line {reader.line_num} of {source.file!r} must be comma-separated "
            f"values, but it is not ({error}): correct it there"
        )
        raise FormatError(msg) from error
    return found


def carried(label: Label) -> str:
    """Return the name as the format holds it: without double quotes."""
    return one_line(label.name).replace('"', "'")


def text_of(labels: LabelSet) -> str:
    """Return the table without the background and without terminology."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for label in labels:
        writer.writerow((label.value, carried(label), *label.color, 255))
    return text.getvalue()


def _name(row: Mapping[str, str]) -> str:
    """Return the name of a row, or else what its terminology says."""
    if row.get("name"):
        return row["name"]
    meanings = ("type_codemeaning", "typemodifier_codemeaning")
    return ", ".join(row[key] for key in meanings if row.get(key))
