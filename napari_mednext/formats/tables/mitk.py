"""Label suggestions of MITK: a JSON list of names, each with or without a colour.

Written from MITK's documentation of segmentation task lists. The format has no values,
so labels are numbered from 1 in the order of the list.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import FormatError
from napari_mednext.formats.tables.colors import hex_of, named_color
from napari_mednext.formats.tables.table import LabelTable, TableRows
from napari_mednext.formats.tables.text import FileText, parse_json

if TYPE_CHECKING:
    from napari_mednext.labels import Label, LabelSet

__all__ = ["KIND", "carried", "parse", "text_of"]

KIND = "MITK"


def parse(source: FileText) -> LabelTable:
    """Read label suggestions.

    As in MITK, entries without a name are skipped, and of two entries of one name the
    first counts, completed by the colour of the second; each is said in a note.

    Raises
    ------
    FormatError
        If the file is no JSON list.
    """
    value = parse_json(source)
    if not isinstance(value, list):
        msg = (
            f"{source.file!r} must be a JSON list of objects with a name, got "
            f"{type(value).__name__}: choose a file of label suggestions"
        )
        raise FormatError(msg)
    notes = list(source.notes)
    colors: dict[str, tuple[int, int, int] | None] = {}
    for index, entry in enumerate(value, 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            notes.append(
                f"entry {index} of {source.file!r} has no name: it is left out"
            )
            continue
        color = _color(entry.get("color"), name, notes)
        if name in colors:
            notes.append(f"{name!r} stands twice in {source.file!r}: the first counts")
            color = colors[name] or color
        colors[name] = color
    rows = TableRows(source.file)
    for number, (name, color) in enumerate(colors.items(), 1):
        rows.add(number, name, color, f"entry {number}")
    notes.append("label suggestions have no values: labels were numbered from 1")
    return LabelTable(rows.labels, KIND, notes=tuple(notes))


def carried(label: Label) -> str:
    """Return the name as the format holds it."""
    return label.name


def text_of(labels: LabelSet) -> str:
    """Return label suggestions in the order of the values.

    Raises
    ------
    FormatError
        If two labels share a name.
    """
    names = [label.name for label in labels]
    shared = sorted({name for name in names if names.count(name) > 1})
    if shared:
        msg = (
            "MITK takes each name once, but several labels are called "
            f"{', '.join(map(repr, shared))}: give them names of their own"
        )
        raise FormatError(msg)
    entries = [{"name": each.name, "color": hex_of(each.color)} for each in labels]
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _color(text: Any, name: str, notes: list[str]) -> tuple[int, int, int] | None:
    """Return the colour of an entry; one that cannot be read is said in a note."""
    if text is None:
        return None
    color = named_color(text) if isinstance(text, str) else None
    if color is None:
        notes.append(f"the colour {text!r} of {name!r} is unknown: it got another")
    return color
