"""Labels of nnU-Net's ``dataset.json``: names and values, no colours.

Version 2 writes name -> value; version 1 and the Medical Segmentation Decathlon write
value -> name. Written from nnU-Net's documentation of the dataset format.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import FormatError
from napari_mednext.formats.tables.table import LabelTable, TableRows
from napari_mednext.formats.tables.text import (
    FileText,
    parse_json,
    read_text,
    write_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_mednext.labels import Label, LabelSet

__all__ = ["KIND", "carried", "labels_of", "parse", "to_json", "write"]

KIND = "nnU-Net"

_RESERVED = ("background", "ignore")


def parse(source: FileText) -> LabelTable:
    """Read the labels of a ``dataset.json``.

    The background and the ignore label are left out; the latter is in ``ignore``.

    Raises
    ------
    FormatError
        If the file is no JSON object with labels, a label is a region, or a value
        cannot be.
    """
    value = parse_json(source)
    return labels_of(value, source)


def labels_of(dataset: Any, source: FileText) -> LabelTable:
    """Return the labels of a ``dataset.json`` that was parsed already.

    Raises
    ------
    FormatError
        As :func:`parse`.
    """
    labels = dataset.get("labels") if isinstance(dataset, dict) else None
    if not isinstance(labels, dict):
        msg = (
            f'{source.file!r} must be an object with "labels" that name values, but it '
            "has none: choose the dataset.json of a dataset or a model"
        )
        raise FormatError(msg)
    names: dict[int, str] = {}
    ignore = None
    for name, value in _by_name(labels):
        number = _value(name, value, source.file)
        if name == "ignore" and number != 0:
            ignore = number
        elif number in names:
            # Two names of one value are one label, as in models.
            names[number] = f"{names[number]} / {name}"
        else:
            names[number] = name
    rows = TableRows(source.file)
    for number, name in names.items():
        rows.add(number, name, None, f'"labels/{name}"')
    notes = source.notes
    if ignore is not None:
        notes = (*notes, f"the value {ignore} of {source.file!r} marks ignored voxels")
    return LabelTable(rows.labels, KIND, ignore, notes)


def carried(label: Label) -> str:
    """Return the name as the format holds it."""
    return label.name


def to_json(labels: LabelSet, ignore: int | None = None) -> dict[str, int]:
    """Return the entry ``labels`` of a ``dataset.json``.

    Raises
    ------
    FormatError
        If two labels share a name, a name is reserved, or the ignore label is not the
        highest value.
    """
    result: dict[str, int] = {"background": 0}
    for label in labels:
        if label.name in result or label.name in _RESERVED:
            msg = (
                "every label in a dataset.json must have a name of its own that is "
                f"neither 'background' nor 'ignore', got {label.name!r} for "
                f"{label.value}: rename it"
            )
            raise FormatError(msg)
        result[label.name] = label.value
    if ignore is not None:
        if ignore <= max(result.values()):
            msg = (
                "the ignore label must be the highest value, got "
                f"{ignore} below {max(result.values())}: choose a higher one"
            )
            raise FormatError(msg)
        result["ignore"] = ignore
    return result


def write(labels: LabelSet, path: Path) -> tuple[str, ...]:
    """Write the labels; all else that a ``dataset.json`` at that place says is kept.

    Returns
    -------
    tuple of str
        A note, if nnU-Net would refuse the values because they have gaps.

    Raises
    ------
    FormatError
        If names cannot be written, or the file that is there is none that can be
        read, or its ignore label is not above the new values.
    StorageError
        If the file cannot be written.
    """  # noqa: DOC501 - passes on those of write_text
    dataset: dict[str, Any] = {}
    ignore = None
    if path.exists():
        source = read_text(path)
        dataset = parse_json(source)
        ignore = labels_of(dataset, source).ignore
    dataset = dataset | {"labels": to_json(labels, ignore)}
    write_text(path, json.dumps(dataset, indent=2, ensure_ascii=False) + "\n")
    values = sorted(dataset["labels"].values())
    if values == list(range(len(values))):
        return ()
    return ("nnU-Net trains only on values 0, 1, 2, ... without gaps: renumber them",)


def _by_name(labels: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return (name, value) of either notation."""
    is_old = labels and all(
        key.isdecimal() and isinstance(value, str) and not value.isdecimal()
        for key, value in labels.items()
    )
    if is_old:
        return [(str(name), value) for value, name in labels.items()]
    return list(labels.items())


def _value(name: str, value: Any, file: str) -> int:
    """Return the value of a label."""
    if isinstance(value, list):
        msg = (
            f"labels must have one value each, but {name!r} of {file!r} is a region of "
            f"the values {value}: name the values one by one instead"
        )
        raise FormatError(msg)
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        msg = (
            "a label must have a whole number as its value, got "
            f"{value!r} for {name!r} in {file!r}: correct it there"
        )
        raise FormatError(msg)
    return value
