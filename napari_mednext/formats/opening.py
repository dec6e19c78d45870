"""The one door through which every volume comes in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats.dicom import (
    SeriesGroup,
    choose_series,
    dicom_files,
    group_series,
)
from napari_mednext.formats.dicom_headers import is_dicom
from napari_mednext.formats.reading import existing, open_channels, open_file
from napari_mednext.formats.sources import Source, find_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.volume import Volume

__all__ = ["open_source", "open_volume"]


def open_volume(
    path: str | Path | Sequence[str | Path],
    *,
    series: str | None = None,
    frame: int | None = None,
) -> Volume:
    """Open a volume as it is stored: its own orientation, its own values.

    Scaled integers are read as real values. Anything unusual that was chosen or
    repaired is said in ``source.notes``.

    Parameters
    ----------
    path : path or sequence of paths
        A file; a folder with DICOM files or with one volume; one file per channel; or
        the files of one DICOM series. A single DICOM slice stands for its series.
    series : str, optional
        Uid or description of the DICOM series, where a folder holds several.
    frame : int, optional
        Which volume of a 4D file or of a series with several, counted from 0.

    Returns
    -------
    Volume
        In the file's orientation; ``source.grid`` equals ``grid``.

    Raises
    ------
    FormatError
        If there is no volume, several without a choice, a 2D image or a single slice,
        or a file is damaged.
    GeometryError
        If the header puts the voxels nowhere, slices are missing, or channels lie on
        different grids.
    ChannelError
        If a frame must be chosen, or the chosen one is not there.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    if not paths:
        msg = "a volume must have a file, but none was named: name one"
        raise FormatError(msg)
    found = [existing(one) for one in paths]
    if len(found) == 1 and found[0].is_dir():
        return _open_folder(found[0], series, frame)
    folders = [one.name for one in found if one.is_dir()]
    if folders:
        msg = f"channels must be files, but {folders[0]!r} is a folder: open it alone"
        raise FormatError(msg)
    if all(map(is_dicom, found)):
        return _open_dicom_files(found, series, frame)
    if len(found) == 1:
        return open_file(found[0], frame=frame)
    return open_channels(found, frame=frame)


def open_source(source: Source, *, frame: int | None = None) -> Volume:
    """Open what :func:`find_sources` found, under the name it was given.

    Raises
    ------
    FormatError, GeometryError, ChannelError
        As :func:`open_volume`.
    """
    # The files are those of one series already, whatever else lies beside them.
    volume = open_volume(source.paths, frame=frame)
    notes = tuple(dict.fromkeys((*source.notes, *volume.source.notes)))
    return replace(volume, name=source.name, source=replace(volume.source, notes=notes))


def _open_folder(folder: Path, series: str | None, frame: int | None) -> Volume:
    """Open the DICOM series, or else the only volume, in a folder."""
    files = dicom_files([folder])
    if files:
        group = choose_series(group_series(files), series, folder.name)
        return group.read(frame=frame)
    sources = find_sources([folder])
    if len(sources) > 1:
        names = ", ".join(repr(source.name) for source in sources[:10])
        msg = f"{folder.name!r} holds {len(sources)} volumes: open one of {names}"
        raise FormatError(msg)
    return open_source(sources[0], frame=frame)


def _open_dicom_files(
    files: Sequence[Path], series: str | None, frame: int | None
) -> Volume:
    """Open the series of some DICOM files, completed from the folder if it is one."""
    groups = group_series(files)
    if not groups:
        msg = (
            f"{files[0].name!r} must be a DICOM image, but it has no pixels or cannot "
            "be read: open the folder of its series"
        )
        raise FormatError(msg)
    if len(files) > 1 or len(groups) != 1 or groups[0].is_volume:
        where = files[0].name if len(files) == 1 else files[0].parent.name
        return choose_series(groups, series, where).read(frame=frame)
    group = _series_of_slice(files[0], groups[0])
    volume = group.read(frame=frame)
    note = (
        f"{files[0].name!r} is one slice: its series of "
        f"{len(group.series.files)} files in the folder was opened"
    )
    source = replace(volume.source, notes=(note, *volume.source.notes))
    return replace(volume, source=source)


def _series_of_slice(path: Path, alone: SeriesGroup) -> SeriesGroup:
    """Return the series in the folder of a slice to which the slice belongs."""
    beside = [p for p in sorted(path.parent.iterdir()) if p.is_file() and is_dicom(p)]
    groups = group_series(beside)
    holding = [group for group in groups if path in group.series.files]
    # A second copy of a slice is not among the files of its series.
    same = [group for group in groups if group.series.uid == alone.series.uid]
    return (holding or same)[0]
