"""Finding the volumes among files and folders, without reading their voxels."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats.dicom import group_series
from napari_mednext.formats.dicom_headers import is_dicom
from napari_mednext.formats.naming import ending_of, mask_name, split_channel
from napari_mednext.formats.reading import existing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Source", "find_sources"]

#: Characters that every file system takes in a name.
_UNSAFE = re.compile(r"[^\w.+-]+")
#: The voxel halves of pairs: found through their headers.
_PARTNERS = {".img": ".hdr", ".img.gz": ".hdr"}


@dataclass(frozen=True)
class Source:
    """A volume that could be opened.

    Parameters
    ----------
    name : str
        What to call its mask: safe as a file name, and unlike any other of one search.
    paths : tuple of Path
        One file per channel, or the files of a DICOM series.
    series : str or None
        Uid of the DICOM series.
    notes : tuple of str
        What was noticed while searching.
    """

    name: str
    paths: tuple[Path, ...]
    series: str | None = None
    notes: tuple[str, ...] = ()


def find_sources(paths: str | Path | Iterable[str | Path]) -> tuple[Source, ...]:
    """Return the volumes among files and in folders, the same order every time.

    Folders are searched to the bottom. In them, files of other kinds and hidden ones
    are skipped without a word; a file that should be a volume by its name is returned
    even if it is damaged, so that opening it can say so. Files named outright are
    always returned. ``case_0000``, ``case_0001`` of one folder become one source, and
    DICOM series of a single image are left out where there are longer ones.

    Parameters
    ----------
    paths : path or iterable of paths
        Files and folders.

    Returns
    -------
    tuple of Source
        In the order of ``paths``; within a folder by path.

    Raises
    ------
    FormatError
        If a path is not there, or a folder holds no volume.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[Source] = []
    named: list[Path] = []
    for path in map(existing, given):
        if path.is_dir():
            inside = _in_folder(path)
            if not inside:
                msg = (
                    f"the folder {str(path)!r} must hold a volume or a DICOM series, "
                    "but it has none: choose another folder"
                )
                raise FormatError(msg)
            found.extend(inside)
        else:
            named.append(path)
    found = [*_of_files(list(dict.fromkeys(named))), *found]
    return tuple(_named_apart(_once(found)))


def _in_folder(folder: Path) -> list[Source]:
    """Return the volumes in a folder and the folders in it."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    dicom = [
        path for path in files if ending_of(path) in ("", ".dcm") and is_dicom(path)
    ]
    images = [path for path in files if ending_of(path) not in ("", ".dcm")]
    sources = [*_channel_sources(_without_partners(images)), *_dicom_sources(dicom)]
    # A damaged file with the ending of DICOM is named when it is opened.
    known = {path for source in sources for path in source.paths} | set(dicom)
    broken = [p for p in files if ending_of(p) == ".dcm" and p not in known]
    return [*sources, *(Source(mask_name(path), (path,)) for path in broken)]


def _of_files(files: Sequence[Path]) -> list[Source]:
    """Return sources for files that were named outright."""
    dicom = [path for path in files if is_dicom(path)]
    others = [path for path in files if path not in set(dicom)]
    return [*_channel_sources(_without_partners(others)), *_dicom_sources(dicom)]


def _without_partners(files: Sequence[Path]) -> list[Path]:
    """Leave out the voxel halves of pairs whose header is there too."""
    present = {str(path).lower() for path in files}
    kept = []
    for path in files:
        ending = ending_of(path)
        partner = _PARTNERS.get(ending)
        header = str(path).lower().removesuffix(ending) + (partner or "")
        if partner is None or header not in present:
            kept.append(path)
    return kept


def _channel_sources(files: Sequence[Path]) -> list[Source]:
    """Group nnU-Net's channel files; every other file is a source of its own.

    Channels belong together when they are numbered from 0000 without a gap.
    """
    cases: dict[tuple[Path, str, str], dict[int, Path]] = {}
    for path in files:
        case, channel = split_channel(path)
        if channel is not None:
            cases.setdefault((path.parent, case, ending_of(path)), {})[channel] = path
    complete = {key: c for key, c in cases.items() if set(c) == set(range(len(c)))}
    grouped = {path for channels in complete.values() for path in channels.values()}
    sources: list[Source] = []
    for path in files:
        if path not in grouped:
            sources.append(Source(mask_name(path), (path,)))
            continue
        case, channel = split_channel(path)
        if channel == 0:
            channels = complete[path.parent, case, ending_of(path)]
            sources.append(
                Source(case, tuple(channels[i] for i in range(len(channels))))
            )
    return sources


def _dicom_sources(files: Sequence[Path]) -> list[Source]:
    """Return the series among DICOM files."""
    groups = group_series(files)
    volumes = [group.series for group in groups if group.is_volume]
    listed = volumes or [group.series for group in groups]
    per_folder = Counter(series.files[0].parent for series in listed)
    sources = []
    for series in sorted(listed, key=lambda series: series.files[0]):
        folder = series.files[0].parent
        name = folder.name
        if per_folder[folder] > 1 or not name:
            name = f"{name}_{series.description}"
        sources.append(Source(name, series.files, series.uid, series.notes))
    return sources


def _once(sources: Iterable[Source]) -> list[Source]:
    """Leave out sources that were reached twice."""
    kept = {
        tuple(path.resolve() for path in s.paths): s for s in reversed(list(sources))
    }
    return list(kept.values())[::-1]


def _named_apart(sources: Sequence[Source]) -> list[Source]:
    """Give sources of one name the names of their folders too, or else numbers."""
    safe = [
        replace(s, name=_UNSAFE.sub("_", s.name).strip("._") or "volume")
        for s in sources
    ]
    shared = Counter(source.name.casefold() for source in safe)
    taken: set[str] = set()
    result = []
    for source in safe:
        name = source.name
        if shared[name.casefold()] > 1:
            folder = _UNSAFE.sub("_", source.paths[0].resolve().parent.name)
            name = f"{folder}_{name}"
        unique, number = name, 2
        while unique.casefold() in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(unique.casefold())
        result.append(replace(source, name=unique))
    return result
