"""Which prediction belongs to which reference, and to which scan."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError
from napari_mednext.formats import ENDINGS, mask_name
from napari_mednext.formats.naming import ending_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Pair", "Pairing", "find_pairs"]

#: Masks are single files: no DICOM, and of two files the header stands for both.
_MASK_ENDINGS = tuple(e for e in ENDINGS if e not in (".dcm", ".img", ".img.gz"))
#: What ``segment --probabilities`` writes beside a mask.
_PROBABILITIES = "_probabilities"


@dataclass(frozen=True)
class Pair:
    """The files of one case."""

    case: str
    """What both masks are called; with the folder where that is needed."""
    group: str
    """Folder of the prediction below the one that was named, with slashes."""
    prediction: Path
    """File."""
    reference: Path
    """File."""
    image: Path | None = None
    """The scan, where there is one."""


@dataclass(frozen=True)
class Pairing:
    """All pairs, and the files that have no partner with a sentence each."""

    pairs: tuple[Pair, ...]
    """In the order of their names."""
    failures: tuple[tuple[str, str], ...]
    """Name and sentence."""


def find_pairs(
    predictions: str | Path, references: str | Path, images: str | Path | None = None
) -> Pairing:
    """Pair masks by their names.

    Two files are a pair whatever they are called. In folders, which are searched to
    the bottom, ``case.nii.gz`` belongs to ``case.nii.gz`` or ``case.mha``: to the one
    in the folder of the same name if there is one, else to the only one of that name.
    Scans may also be called ``case_0000.nii.gz``, as nnU-Net does.

    Parameters
    ----------
    predictions, references : path
        A file or a folder each.
    images : path, optional
        A file or a folder of scans.

    Returns
    -------
    Pairing
        With at least one pair or one failure.

    Raises
    ------
    InputError
        If a path is not there or a folder holds no image.
    """
    ours, theirs = Path(predictions), Path(references)
    scans = _by_name(_files(Path(images)), of_scans=True) if images else {}
    if _exists(ours).is_file() and _exists(theirs).is_file():
        case = mask_name(ours)
        image = _image(case, "", scans, only=images)
        return Pairing((Pair(case, "", ours, theirs, image),), ())
    first, second = _masks(ours), _masks(theirs)
    by_name = _by_name(second)
    pairs: list[Pair] = []
    failures: list[tuple[str, str]] = []
    used: set[Path] = set()
    shared = _shared_names(first)
    for file in first:
        case = f"{file.group}/{file.name}" if file.name in shared else file.name
        found = _partners(file, by_name)
        twins = [other for other in first if other.key == file.key]
        if len(found) == 1 and len(twins) == 1:
            image = _image(file.name, file.group, scans)
            pairs.append(Pair(case, file.group, file.path, found[0].path, image))
        else:
            failures.append((case, _no_pair(file, found, twins, theirs)))
        used.update(other.path for other in found)
    failures += [
        (
            file.name,
            f"the reference {str(file.path)!r} must have a prediction of the same "
            f"name in {str(ours)!r}, got none: predict it or take it out",
        )
        for file in second
        if file.path not in used and ours.is_dir()
    ]
    return Pairing(tuple(pairs), tuple(failures))


@dataclass(frozen=True)
class _File:
    """A file by its name without ending and its folder below the one that was named."""

    path: Path
    name: str
    group: str

    @property
    def key(self) -> tuple[str, str]:
        """What tells files of one search apart."""
        return self.group, self.name


def _exists(path: Path) -> Path:
    """Return a path that is there.

    Raises
    ------
    InputError
        If it is not.
    """
    if not path.exists():
        msg = f"{str(path)!r} must be a file or folder, but it is not there: check it"
        raise InputError(msg)
    return path


def _files(path: Path) -> list[_File]:
    """Return the images of a folder and the folders in it, or the one file.

    Raises
    ------
    InputError
        If there is none.
    """
    if _exists(path).is_file():
        return [_File(path, _stem(path), "")]
    found = [
        _File(each, _stem(each), _group(each, path))
        for each in sorted(path.rglob("*"))
        if ending_of(each) in _MASK_ENDINGS
        and not any(part.startswith(".") for part in each.relative_to(path).parts)
        and each.is_file()
    ]
    if not found:
        msg = (
            f"the folder {str(path)!r} must hold images as NIfTI, NRRD or MHA, got "
            "none: choose another folder"
        )
        raise InputError(msg)
    return found


def _masks(path: Path) -> list[_File]:
    """Return the masks among the images: no probabilities that lie beside one."""
    files = _files(path)
    keys = {file.key for file in files}
    return [
        file
        for file in files
        if not file.name.endswith(_PROBABILITIES)
        or (file.group, file.name.removesuffix(_PROBABILITIES)) not in keys
    ]


def _stem(path: Path) -> str:
    """Return the name without its ending."""
    return path.name[: len(path.name) - len(ending_of(path))]


def _group(path: Path, folder: Path) -> str:
    """Return the folder of a file below another one."""
    relative = path.parent.relative_to(folder).as_posix()
    return "" if relative == "." else relative


def _by_name(
    files: Sequence[_File], *, of_scans: bool = False
) -> dict[str, list[_File]]:
    """Return name -> files; the first channel of a scan is called as its mask."""
    result: dict[str, list[_File]] = defaultdict(list)
    for file in files:
        result[file.name].append(file)
        if of_scans and mask_name(file.path) != file.name:
            result[mask_name(file.path)].append(file)
    return dict(result)


def _partners(file: _File, by_name: dict[str, list[_File]]) -> list[_File]:
    """Return the files of that name: in the same group, or else anywhere."""
    named = by_name.get(file.name, [])
    return [other for other in named if other.group == file.group] or named


def _shared_names(files: Sequence[_File]) -> set[str]:
    """Return the names that files of several groups have."""
    groups: dict[str, set[str]] = defaultdict(set)
    for file in files:
        groups[file.name].add(file.group)
    return {name for name, where in groups.items() if len(where) > 1}


def _no_pair(
    file: _File, found: Sequence[_File], twins: Sequence[_File], references: Path
) -> str:
    """Return why a prediction has no reference."""
    if len(twins) > 1:
        names = " and ".join(repr(twin.path.name) for twin in twins)
        return f"a case must have one prediction, got {names}: take one out"
    if found:
        names = " and ".join(repr(str(other.path)) for other in found)
        return f"a case must have one reference, got {names}: take one out"
    return (
        f"the prediction {str(file.path)!r} must have a reference of the same name in "
        f"{str(references)!r}, got none: rename it or take it out"
    )


def _image(
    name: str,
    group: str,
    scans: dict[str, list[_File]],
    *,
    only: str | Path | None = None,
) -> Path | None:
    """Return the scan of a case, None unless there is exactly one."""
    if only is not None and Path(only).is_file():
        return Path(only)
    found = _partners(_File(Path(), name, group), scans)
    return found[0].path if len(found) == 1 else None
