"""The one door through which label tables of every kind come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats.reading import existing
from napari_mednext.formats.tables import (
    caret,
    itksnap,
    mitk,
    nnunet,
    slicer,
    slicer_csv,
)
from napari_mednext.formats.tables.embedding import embed_table, read_embedded
from napari_mednext.formats.tables.text import FileText, read_text, write_text
from napari_mednext.labels import Label, LabelSet

if TYPE_CHECKING:
    from napari_mednext.formats.tables.table import LabelTable

__all__ = ["TABLE_KINDS", "read_table", "write_table"]


@dataclass(frozen=True)
class _Kind:
    """How a kind of table is named, known and written."""

    ending: str
    carried: Callable[[Label], str]
    loses: str
    write: Callable[[LabelSet, Path], tuple[str, ...]]


def _as_text(
    text_of: Callable[[LabelSet], str],
) -> Callable[[LabelSet, Path], tuple[str, ...]]:
    """Return a writer of the text that a function makes."""

    def write(labels: LabelSet, path: Path) -> tuple[str, ...]:
        write_text(path, text_of(labels))
        return ()

    return write


def _embed(labels: LabelSet, path: Path) -> tuple[str, ...]:
    embed_table(path, labels)
    return ()


_KINDS = {
    itksnap.KIND: _Kind(
        ".txt", itksnap.carried, "double quotes", _as_text(itksnap.text_of)
    ),
    slicer.KIND: _Kind(
        ".ctbl",
        slicer.carried,
        "underscores and quotes around a name",
        _as_text(slicer.text_of),
    ),
    slicer_csv.KIND: _Kind(
        ".csv", slicer_csv.carried, "double quotes", _as_text(slicer_csv.text_of)
    ),
    nnunet.KIND: _Kind("dataset.json", nnunet.carried, "nothing", nnunet.write),
    mitk.KIND: _Kind(".json", mitk.carried, "nothing", _as_text(mitk.text_of)),
    caret.KIND: _Kind(".nii.gz", caret.carried, "control characters", _embed),
}

#: Kind of table -> how its files usually end.
TABLE_KINDS: dict[str, str] = {name: kind.ending for name, kind in _KINDS.items()}

_ENDINGS = (
    ("dataset.json", nnunet.KIND),
    (".json", mitk.KIND),
    (".ctbl", slicer.KIND),
    (".csv", slicer_csv.KIND),
    (".txt", itksnap.KIND),
    (".label", itksnap.KIND),
    (".nii", caret.KIND),
    (".nii.gz", caret.KIND),
)


def read_table(path: str | Path) -> LabelTable:
    """Read a label table of any known kind, which its content tells.

    Parameters
    ----------
    path : path
        A file of at most 32 MiB, a NIfTI file of any size, or the folder of a
        ``dataset.json``.

    Returns
    -------
    LabelTable
        ``kind`` says what it was, ``notes`` what could not be read.

    Raises
    ------
    FormatError
        If the file is missing, of no known kind, or a line of it cannot be read.
    """
    path = existing(path)
    if path.is_dir():
        path = existing(path / "dataset.json")
    try:
        embedded = read_embedded(path)
    except OSError as error:
        msg = (
            f"{path.name!r} must be a file that can be read "
            f"({error.strerror or error}): check its permissions"
        )
        raise FormatError(msg) from error
    if embedded is not None:
        return embedded
    source = read_text(path)
    parse = _parser(source)
    if parse is None:
        msg = (
            f"{path.name!r} must be a label table of {', '.join(TABLE_KINDS)}, but it "
            "looks like none of them: choose another file"
        )
        raise FormatError(msg)
    return parse(source)


def write_table(
    labels: LabelSet, path: str | Path, kind: str | None = None
) -> tuple[str, ...]:
    """Write a label table; an older file is replaced.

    A ``dataset.json`` that is there keeps all but its labels, and a NIfTI mask, which
    must be there, all but the table in its header.

    Parameters
    ----------
    labels : LabelSet
        What to write.
    path : path
        Where; its folder exists.
    kind : str, optional
        One of `TABLE_KINDS`; without it the ending of the path tells, and ``.txt``
        means ITK-SNAP.

    Returns
    -------
    tuple of str
        One sentence for each thing that the kind of table cannot hold.

    Raises
    ------
    FormatError
        If the kind is unknown, or cannot hold these labels at all.
    StorageError
        If the file cannot be written.
    """  # noqa: DOC501 - the latter by the writers
    path = Path(path)
    chosen = _kind_of(path) if kind is None else kind
    if chosen not in _KINDS:
        msg = (
            f"a label table must be one of {', '.join(TABLE_KINDS)}, got "
            f"{chosen or path.name!r}: choose one of them"
        )
        raise FormatError(msg)
    notes = _KINDS[chosen].write(labels, path)
    return (*_lost(labels, chosen), *notes)


def _parser(source: FileText) -> Callable[[FileText], LabelTable] | None:
    """Return what reads a text, by how it begins."""
    text = source.text.lstrip()
    if text.startswith("{"):
        return nnunet.parse
    if text.startswith("["):
        return mitk.parse
    if text.startswith("<") and caret.is_xml_table(text.encode()):
        return lambda source: caret.parse(source.text.encode(), source.file)
    # ITK-SNAP before Slicer: its rows are numbers too, but their last word is quoted.
    for is_kind, parse in (
        (slicer_csv.is_slicer_csv, slicer_csv.parse),
        (itksnap.is_itksnap, itksnap.parse),
        (slicer.is_slicer, slicer.parse),
    ):
        if is_kind(text):
            return parse
    return None


def _kind_of(path: Path) -> str:
    """Return the kind that the name of a file stands for, or ""."""
    name = path.name.lower()
    return next((kind for ending, kind in _ENDINGS if name.endswith(ending)), "")


def _lost(labels: LabelSet, kind: str) -> tuple[str, ...]:
    """Say what is not written as it is."""
    chosen = _KINDS[kind]
    notes = []
    changed = [each for each in labels if chosen.carried(each) != each.name]
    if changed:
        some = ", ".join(
            f"{each.name!r} became {chosen.carried(each)!r}" for each in changed[:3]
        )
        notes.append(
            f"{kind} cannot hold {chosen.loses} in names, so {len(changed)} changed: "
            f"{some}"
        )
    if kind == nnunet.KIND:
        notes.append("a dataset.json holds no colours")
    if kind == mitk.KIND and list(labels.names) != list(range(1, len(labels) + 1)):
        notes.append("label suggestions hold no values: they will count from 1")
    return tuple(notes)
