"""Making a study of scans or of another program's list, and adding more to it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.app.chosen_model import remember_model
from napari_mednext.errors import InputError, MednextError
from napari_mednext.formats.dicom_headers import is_dicom
from napari_mednext.formats.naming import ending_of
from napari_mednext.formats.sources import find_sources
from napari_mednext.models import find_model
from napari_mednext.study import Case, CaseEntry, CaseList, Study
from napari_mednext.study.lists import read_cases
from napari_mednext.study.lists.gathering import Gathering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.labels import LabelSet
    from napari_mednext.progress import CancelFlag, ProgressCallback

__all__ = [
    "Added",
    "MadeStudy",
    "add_cases",
    "make_study",
    "read_source",
    "read_sources",
]


@dataclass(frozen=True)
class MadeStudy:
    """A new study, open, and the cases whose images could not be copied into it.

    Parameters
    ----------
    study : Study
        Whoever asked for it closes it.
    not_copied : dict
        Name of a case -> sentence; their images stay where they are.
    """

    study: Study
    not_copied: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Added:
    """What became of cases that were added to a study.

    Parameters
    ----------
    cases : tuple of Case
        The new ones.
    known : int
        How many were there already.
    notes : tuple of str
        One sentence for each thing to know.
    """

    cases: tuple[Case, ...]
    known: int
    notes: tuple[str, ...] = ()


def read_source(path: str | Path) -> CaseList:
    """Return the cases of a folder, a scan, or a list of another program.

    Parameters
    ----------
    path : path
        Any of what `read_cases` takes; or the file of one scan.

    Returns
    -------
    CaseList

    Raises
    ------
    FormatError
        If nothing is there, or it cannot be read.
    """  # noqa: DOC501 - by those who read
    path = Path(path).expanduser()
    return _scans([path]) if _is_scan(path) else read_cases(path)


def read_sources(
    paths: Sequence[str | Path],
) -> tuple[tuple[CaseList, ...], dict[Path, str]]:
    """Return the cases of several sources, and why others were refused.

    Files of scans are looked at together, so that the channels of a case find each
    other.

    Parameters
    ----------
    paths : sequence of paths
        Each as `read_source` takes it.

    Returns
    -------
    tuple of CaseList
        In the order of the paths, files of scans first.
    dict
        Path -> sentence.
    """
    found: list[CaseList] = []
    refused: dict[Path, str] = {}
    given = [Path(path).expanduser() for path in paths]
    scans = [path for path in given if _is_scan(path)]
    groups = [scans] if scans else []
    groups += [[path] for path in given if path not in scans]
    for group in groups:
        try:
            found.append(_scans(group) if group is scans else read_cases(group[0]))
        except MednextError as error:
            refused |= dict.fromkeys(group, str(error))
    return tuple(found), refused


def make_study(
    folder: str | Path,
    cases: CaseList,
    *,
    labels: LabelSet | None = None,
    model: str | Path | None = None,
    name: str = "",
    copy_images: bool = False,
    on_progress: ProgressCallback | None = None,
    cancel: CancelFlag | None = None,
) -> MadeStudy:
    """Make a study; when that fails or is cancelled, nothing of it is left.

    Parameters
    ----------
    folder : path
        Of the new study; made if missing.
    cases : CaseList
        As `read_source` returns it.
    labels : LabelSet, optional
        Those of the list by default; where it names none, those of the model.
    model : str or path, optional
        Name of an installed model or its folder; remembered as the one that segments
        the cases.
    name : str
        What to call the study; the name of the folder by default.
    copy_images : bool
        Whether images are copied into the study.
    on_progress : callable, optional
        Told after each case that was copied.
    cancel : CancelFlag, optional
        Obeyed between cases.

    Returns
    -------
    MadeStudy

    Raises
    ------
    InputError
        If there is a study in the folder, or a label cannot be one of a study.
    ModelError
        If there is no such model.
    StorageError
        If something cannot be written.
    Cancelled
        If the flag is set.
    """  # noqa: DOC501 - by those who write
    folder = Path(folder).expanduser()
    chosen = None if model is None else find_model(model)
    if labels is None:
        labels = cases.labels
        if not labels and chosen is not None:
            labels = chosen.labels
    channels = _channel_names(cases, () if chosen is None else chosen.channel_names)
    before, is_folder_ours = _names_in(folder), not folder.exists()
    study = Study.create(
        folder,
        labels=labels,
        channel_names=channels,
        name=name,
        copy_images=copy_images,
    )
    made = _names_in(folder) - before
    try:
        if chosen is not None:
            remember_model(folder, name=chosen.name, path=chosen.path)
        study.add(cases.entries, on_progress=on_progress, cancel=cancel)
        # Those that lie in the study are passed over; this asks why others do not.
        not_copied = study.copy_images(cancel=cancel) if copy_images else {}
    except BaseException:
        study.close()
        made |= _of_database(folder) - before
        _take_away(folder, made, is_folder_ours=is_folder_ours)
        raise
    return MadeStudy(study, not_copied)


def add_cases(
    study: Study,
    cases: CaseList,
    *,
    on_progress: ProgressCallback | None = None,
    cancel: CancelFlag | None = None,
) -> Added:
    """Add the cases of a list to a study.

    Parameters
    ----------
    study : Study
        Open.
    cases : CaseList
        As `read_source` returns it.
    on_progress, cancel : optional
        For the copying of images, where the study has them copied.

    Returns
    -------
    Added

    Raises
    ------
    InputError
        If a name cannot be that of a file.
    StorageError
        If the study cannot be written to.
    Cancelled
        If the flag is set: the cases are there, and some images are not copied.
    """  # noqa: DOC501 - by those who write
    added = study.add(cases.entries, on_progress=on_progress, cancel=cancel)
    notes = list(cases.notes)
    ours, theirs = study.labels.names, cases.labels.names
    has_masks = any(entry.labels or entry.prediction for entry in cases.entries)
    if has_masks and theirs and theirs != ours:
        notes.append(
            "the labels of the list differ from those of the study: masks are taken "
            "by the value of each label, look at one of them"
        )
    known = len(cases.entries) - len(added)
    return Added(added, known, tuple(notes))


def _is_scan(path: Path) -> bool:
    """Whether a path is the file of a scan."""
    return path.is_file() and (bool(ending_of(path)) or is_dicom(path))


def _scans(files: Sequence[Path]) -> CaseList:
    """Return files of scans as cases."""
    found = Gathering("scans", files[0])
    for source in find_sources(files):
        found.notes.extend(source.notes)
        found.add(source.name, [path.absolute() for path in source.paths])
    return found.finished()


def _channel_names(cases: CaseList, of_model: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the channels: of the list, else of the model, else numbers.

    Raises
    ------
    InputError
        If cases differ in how many channels they have.
    """
    if cases.channel_names:
        return cases.channel_names
    counts = {_channels(entry): entry.name for entry in reversed(cases.entries)}
    if len(counts) > 1:
        some = " and ".join(f"{n} in {name!r}" for n, name in sorted(counts.items()))
        msg = (
            f"all cases of a study must have the same channels, got {some}: leave "
            "those out that differ"
        )
        raise InputError(msg)
    (count,) = counts or (1,)
    if len(of_model) == count:
        return tuple(of_model)
    return ("scan",) if count == 1 else tuple(f"scan {n + 1}" for n in range(count))


def _channels(entry: CaseEntry) -> int:
    """Return how many channels a case has; the files of a DICOM series are one."""
    kinds = {ending_of(image) for image in entry.images}
    return 1 if kinds & {"", ".dcm"} else len(entry.images)


def _names_in(folder: Path) -> set[str]:
    """Return what lies in a folder, which may be missing."""
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _of_database(folder: Path) -> set[str]:
    """Return the database and what SQLite makes beside it, now and then."""
    return {name for name in _names_in(folder) if name.startswith("study.sqlite")}


def _take_away(folder: Path, made: set[str], *, is_folder_ours: bool) -> None:
    """Remove a study that was just made, and nothing else."""
    for name in sorted(made):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if is_folder_ours and not _names_in(folder):
        folder.rmdir()
