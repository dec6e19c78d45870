"""Segmentation task lists of MITK, versions 1 to 3.

Written from MITK's documentation of the format. The result of a task is the mask that
people make, and its presence means that the task is done; a segmentation is what they
start from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_mednext.errors import FormatError
from napari_mednext.formats.placing import check_output
from napari_mednext.formats.tables import read_table, write_table
from napari_mednext.formats.tables.text import write_text
from napari_mednext.labels import LabelSet
from napari_mednext.study.lists.documents import (
    expect,
    expect_text,
    json_text,
    read_object,
)
from napari_mednext.study.lists.gathering import Gathering, located
from napari_mednext.study.lists.showing import relative_to, single_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_mednext.study.entry import CaseEntry, CaseList

__all__ = ["FORMAT", "KIND", "read", "write"]

KIND = "MITK"

FORMAT = "MITK Segmentation Task List"
_NEWEST = 3


def read(path: Path) -> CaseList:
    """Read a task list; tasks whose result is there are accepted.

    Raises
    ------
    FormatError
        If the file is no task list of a known version, or no image is there.
    """
    file = path.name
    document = read_object(path)
    if document.get("FileFormat") != FORMAT:
        msg = f'{file!r} must say "FileFormat": "{FORMAT}", but it does not: choose one'
        raise FormatError(msg)
    version = expect(document.get("Version"), int, '"Version"', file)
    if not 1 <= version <= _NEWEST:
        msg = (
            f"{file!r} must be of version 1 to {_NEWEST}, got {version}: write it in "
            "an older version"
        )
        raise FormatError(msg)
    defaults = expect(document.get("Defaults", {}), dict, '"Defaults"', file)
    tasks = expect(document.get("Tasks"), list, '"Tasks"', file)
    found = Gathering(KIND, path)
    tables: dict[str, None] = {}
    names: dict[str, None] = {}
    for number, value in enumerate(tasks, 1):
        place = f"task {number}"
        task = defaults | expect(value, dict, place, file)
        _add(found, task, place)
        tables[expect_text(task, "LabelNameSuggestions", place, file)] = None
        names[expect_text(task, "LabelName", place, file)] = None
    found.labels = _labels(found, [t for t in tables if t], [n for n in names if n])
    return found.finished()


def write(
    entries: Sequence[CaseEntry], path: Path, labels: LabelSet, *, overwrite: bool
) -> tuple[str, ...]:
    """Write a task list, and label suggestions beside it if there are labels.

    Masks of accepted cases are the results; other masks are what to start from.

    Returns
    -------
    tuple of str
        What the list does not say.

    Raises
    ------
    FormatError
        If two labels share a name.
    StorageError
        If a file cannot be written.
    """  # noqa: DOC501 - passes on those of what it calls
    document: dict[str, Any] = {"FileFormat": FORMAT, "Version": 1, "Name": path.stem}
    notes: list[str] = []
    if len(labels):
        beside = path.with_name(f"{path.stem}.labels.json")
        check_output(beside, overwrite=overwrite)
        notes.extend(write_table(labels, beside, KIND))
        document["Defaults"] = {"LabelNameSuggestions": beside.name}
    document["Tasks"] = [_task(entry, path.parent) for entry in entries]
    write_text(path, json_text(document))
    notes.append("a task list holds no patients, and one mask to start from a case")
    if cut := sum(bool(single_image(entry)[1]) for entry in entries):
        notes.append(f"{cut} cases of several channels have only their first in it")
    return tuple(notes)


def _add(found: Gathering, task: dict[str, Any], place: str) -> None:
    """Add the case of a task."""
    file, base = found.source.name, found.source.parent
    name = expect_text(task, "Name", place, file)
    image = expect_text(task, "Image", place, file)
    if not image:
        reason = "it opens a scene" if "Scene" in task else "it names no image"
        found.notes.append(f"{place} ({name!r}) is left out: {reason}")
        return
    started = expect_text(task, "Segmentation", place, file)
    result = expect_text(task, "Result", place, file)
    mask = located(base, result) if result else None
    if mask is not None and not mask.is_file():
        # A result is missing until somebody has done the task.
        mask = None
    found.add(
        name,
        [located(base, image)],
        labels=mask,
        prediction=located(base, started) if started else None,
        state="new" if mask is None else "accepted",
        comment=expect_text(task, "Description", place, file),
    )


def _labels(found: Gathering, tables: list[str], names: list[str]) -> LabelSet:
    """Return the labels of the first suggestions, or else the names of the tasks."""
    base = found.source.parent
    if len(tables) > 1:
        found.notes.append(f"of {len(tables)} files of suggestions the first was read")
    for table in tables[:1]:
        try:
            return read_table(located(base, table)).labels
        except FormatError as error:
            found.notes.append(f"the label suggestions were left out: {error}")
    return LabelSet.from_names(dict(enumerate(names, 1)))


def _task(entry: CaseEntry, base: Path) -> dict[str, str]:
    """Return the task of a case."""
    task = {"Name": entry.name}
    if entry.comment:
        task["Description"] = entry.comment
    task["Image"] = relative_to(base, single_image(entry)[0])
    is_done = entry.state == "accepted" and entry.labels is not None
    start = entry.prediction if is_done else entry.labels or entry.prediction
    if start is not None:
        task["Segmentation"] = relative_to(base, start)
    result = f"results/{entry.name}.nrrd"
    if is_done and entry.labels is not None:
        result = relative_to(base, entry.labels)
    task["Result"] = result
    return task
