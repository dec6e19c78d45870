"""The one door through which lists of cases of every kind come and go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats import check_output, find_sources
from napari_mednext.formats.reading import existing
from napari_mednext.formats.tables.text import parse_json, read_text
from napari_mednext.labels import LabelSet
from napari_mednext.study.lists import case_iterator, mitk, monai, nnunet
from napari_mednext.study.lists.gathering import Gathering

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_mednext.study.entry import CaseEntry, CaseList

__all__ = ["LIST_KINDS", "read_cases", "write_cases"]

_FOLDER = "folder of scans"

#: Kind of list -> how its file is usually called; a folder of scans has none.
LIST_KINDS: dict[str, str] = {
    _FOLDER: "",
    nnunet.KIND: "dataset.json",
    monai.KIND: monai.FILE,
    case_iterator.KIND: ".csv",
    mitk.KIND: ".json",
}


def read_cases(path: str | Path) -> CaseList:
    """Read the cases of a folder or of a list, whose kind its content tells.

    Files may lie anywhere. Cases whose images are missing are left out, with a note.

    Parameters
    ----------
    path : path
        A folder of scans, of an nnU-Net dataset or of MONAI Label, or a list of one of
        `LIST_KINDS`.

    Returns
    -------
    CaseList
        ``kind`` says what it was, ``notes`` what was left out.

    Raises
    ------
    FormatError
        If nothing is there, the kind is unknown, the list cannot be read, or none of
        its images is there.
    """
    path = Path(existing(path).absolute())
    read = _reader_of_folder(path) if path.is_dir() else _reader_of_file(path)
    try:
        return read(path)
    except OSError as error:
        msg = (
            f"{str(path)!r} and its folders must be readable, but one is not "
            f"({error.strerror or error}): check their permissions"
        )
        raise FormatError(msg) from error


def write_cases(
    entries: Sequence[CaseEntry],
    path: str | Path,
    kind: str,
    *,
    labels: LabelSet | None = None,
    channel_names: Sequence[str] = (),
    overwrite: bool = False,
) -> tuple[str, ...]:
    """Write cases as a list for another program.

    Paths are relative where files lie below the folder of the list. Only MONAI Label
    needs files in places of its own: they are copied there.

    Parameters
    ----------
    entries : sequence of CaseEntry
        At least one.
    path : path
        The file; or the folder, for nnU-Net and MONAI Label. Folders exist.
    kind : str
        One of `LIST_KINDS` that has a file.
    labels : LabelSet, optional
        Written where the kind holds names of labels.
    channel_names : sequence of str
        Written where the kind holds them.
    overwrite : bool
        Whether an older list may be replaced, and older copies of its files.

    Returns
    -------
    tuple of str
        One sentence for each thing that the list does not say.

    Raises
    ------
    FormatError
        If there is no case, the kind has no file, or cannot hold these cases.
    StorageError
        If a file is there already or cannot be written.
    """  # noqa: DOC501 - the latter by those who write
    if not LIST_KINDS.get(kind):
        known = ", ".join(name for name, file in LIST_KINDS.items() if file)
        msg = f"a list of cases must be one of {known}, got {kind!r}: choose one"
        raise FormatError(msg)
    if not entries:
        msg = "a list must hold a case, got none: choose some"
        raise FormatError(msg)
    path = Path(path).absolute()
    if kind in (nnunet.KIND, monai.KIND) and path.name != LIST_KINDS[kind]:
        path = path / LIST_KINDS[kind]
    check_output(path, overwrite=overwrite)
    labels = labels or LabelSet()
    if kind == nnunet.KIND:
        return nnunet.write(entries, path, labels, channel_names)
    if kind == monai.KIND:
        return monai.write(entries, path.parent, overwrite=overwrite)
    if kind == mitk.KIND:
        return mitk.write(entries, path, labels, overwrite=overwrite)
    return case_iterator.write(entries, path)


def _reader_of_folder(folder: Path) -> Callable[[Path], CaseList]:
    """Return what reads a folder."""
    if (folder / monai.FILE).is_file():
        return monai.read
    if any((folder / name).is_dir() for name in ("imagesTr", "imagesTs")):
        return nnunet.read
    if (folder / "dataset.json").is_file():
        return nnunet.read
    if monai.is_monai_folder(folder):
        return monai.read
    return _read_scans


def _reader_of_file(path: Path) -> Callable[[Path], CaseList]:
    """Return what reads a file; those that stand for a folder are read with it."""
    source = read_text(path)
    text = source.text.lstrip()
    if text.startswith("{"):
        value = parse_json(source)
        if "FileFormat" in value:
            return mitk.read
        if "objects" in value:
            return lambda path: monai.read(path.parent)
        if "labels" in value or "dataset" in value:
            return lambda path: nnunet.read(path.parent)
    elif case_iterator.is_case_table(text):
        return case_iterator.read
    msg = (
        f"{path.name!r} must be a list of cases ({', '.join(LIST_KINDS)}), but it "
        "looks like none of them: choose another file, or the folder of the scans"
    )
    raise FormatError(msg)


def _read_scans(folder: Path) -> CaseList:
    """Return the volumes in a folder and the folders in it."""
    found = Gathering(_FOLDER, folder)
    for source in find_sources(folder):
        found.notes.extend(source.notes)
        found.add(source.name, source.paths)
    return found.finished()
