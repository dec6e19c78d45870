"""Tables of cases as Slicer's CaseIterator reads them: comma-separated values.

A row is an image and a mask, relative to ``path``, which is relative to the folder of
the table. Columns of other names are no hindrance there, so that they hold here what a
list says beyond: further channels, the prediction, the state and the comment. Written
from the documentation of SlicerCaseIterator.
"""

from __future__ import annotations

import csv
import io
import os
import re
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats.tables.slicer_csv import read_rows
from napari_mednext.formats.tables.text import read_text, write_text
from napari_mednext.study.entry import STATES
from napari_mednext.study.lists.gathering import Gathering, located
from napari_mednext.study.lists.showing import relative_to, single_image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_mednext.study.entry import CaseEntry, CaseList, State

__all__ = ["KIND", "is_case_table", "read", "write"]

KIND = "Slicer CaseIterator"

_CHANNEL = re.compile(r"image[ _]?(\d+)")


def is_case_table(text: str) -> bool:
    """Whether the first line of a text names a column of images."""
    first = text.lstrip().split("\n", 1)[0].lower()
    return "image" in [cell.strip().strip('"') for cell in first.split(",")]


def read(path: Path) -> CaseList:
    """Read a table; a mask makes a case one in progress, if no column says more.

    Raises
    ------
    FormatError
        If it is no table with a column ``image``, or no image is there.
    """
    source = read_text(path)
    if not is_case_table(source.text):
        msg = (
            f"the first line of {path.name!r} must name the columns path, image and "
            "mask, but it does not: add them"
        )
        raise FormatError(msg)
    found = Gathering(KIND, path, source.notes)
    for number, row in read_rows(source):
        _add(found, path.parent, row, number)
    return found.finished()


def write(entries: Sequence[CaseEntry], path: Path) -> tuple[str, ...]:
    """Write a table with the columns that the program looks for by default, and more.

    Returns
    -------
    tuple of str
        Nothing, since the table holds all that a list says of a case.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """  # noqa: DOC501 - by write_text
    channels = max((1 + single_image(entry)[1] for entry in entries), default=1)
    columns = ["ID", "patient", "path", "image"]
    columns += [f"image{number}" for number in range(2, channels + 1)]
    columns += ["mask", "prediction", "state", "comment"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        writer.writerow(_row(entry, path.parent))
    write_text(path, text.getvalue())
    return ()


def _add(found: Gathering, base: Path, row: Mapping[str, str], number: int) -> None:
    """Add the case of a row."""
    root = located(base, row.get("path", "").strip())
    channels = {1: row["image"].strip()}
    for column, cell in row.items():
        if (match := _CHANNEL.fullmatch(column)) and cell.strip():
            channels[int(match[1])] = cell.strip()
    if not channels[1]:
        found.notes.append(f"line {number} of {found.source.name!r} names no image")
        return
    masks = {
        column: located(root, row[column].strip())
        for column in ("mask", "prediction")
        if row.get(column, "").strip()
    }
    given = row.get("state", "").strip()
    state: State = "in progress"
    if given in STATES:
        state = given
    patient = row.get("patient", "")
    found.add(
        row.get("id", "").strip() or (patient.strip() if "id" not in row else ""),
        [located(root, channels[key]) for key in sorted(channels)],
        labels=masks.get("mask"),
        prediction=masks.get("prediction"),
        state=state,
        comment=row.get("comment", ""),
        patient=patient or ("" if "patient" in row else row.get("id", "")),
    )


def _row(entry: CaseEntry, base: Path) -> dict[str, str]:
    """Return the cells of a case."""
    first, _ = single_image(entry)
    root = first.parent
    row = {
        "ID": entry.name,
        "patient": entry.patient,
        "path": relative_to(base, root),
        "image": first.name,
        "state": entry.state,
        "comment": entry.comment,
    }
    is_inside = not os.path.isabs(row["path"])  # noqa: PTH117 - it is a text
    if single_image(entry)[1]:
        for number, image in enumerate(entry.images[1:], 2):
            row[f"image{number}"] = _below(root, image, base, is_inside=is_inside)
    for column, mask in (("mask", entry.labels), ("prediction", entry.prediction)):
        if mask is not None:
            row[column] = _below(root, mask, base, is_inside=is_inside)
    return row


def _below(root: Path, file: Path, base: Path, *, is_inside: bool) -> str:
    """Return a path relative to ``root`` where both lie beside the table."""
    shown = relative_to(base, file)
    if os.path.isabs(shown):  # noqa: PTH117 - it is a text
        return shown
    if not is_inside:
        return os.path.abspath(file)  # noqa: PTH100 - resolve() would follow links
    return os.path.relpath(file, root).replace(os.sep, "/")
