"""DICOM series: listing, choosing, reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext.errors import ChannelError, FormatError, GeometryError
from napari_mednext.formats import itk
from napari_mednext.formats.dicom_headers import ImageHeader, is_dicom, read_headers
from napari_mednext.formats.dicom_stacks import (
    Stack,
    make_stacks,
    place_stack,
    same_plane,
    without_copies,
)
from napari_mednext.formats.itk import choose_frame
from napari_mednext.formats.reading import existing, finished

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_mednext.volume import Volume

__all__ = ["Series", "choose_series", "dicom_files", "group_series", "list_series"]

#: Names of an error sentence that are written out; the others are counted.
_NAMED = 5


@dataclass(frozen=True)
class Series:
    """A DICOM series, or a part of one whose slices are parallel and of one size.

    Parameters
    ----------
    uid : str
        Series Instance UID, with ``:2`` and so on for further parts; ``folder:NAME``
        where anonymisation removed it.
    description : str
        Series description, or the name of the folder where there is none.
    modality : str
        CT, MR, PT, ...
    files : tuple of Path
        From the lowest slice to the highest, volume by volume.
    shape : (z, y, x) voxels
        Of one volume.
    notes : tuple of str
        What is unusual about it; where it cannot be opened, why.
    """

    uid: str
    description: str
    modality: str
    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeriesGroup:
    """A series together with the headers of its images.

    ``stacks`` is empty where the images make no volume; ``fault`` then says why.
    """

    series: Series
    stacks: tuple[Stack, ...]
    fault: str = ""

    @property
    def is_volume(self) -> bool:
        """Whether there is more than one slice."""
        return self.series.shape[0] > 1

    def read(self, *, frame: int | None) -> Volume:
        """Read the voxels.

        Raises
        ------
        FormatError
            If a file cannot be decoded, or there is one slice only.
        GeometryError
            If slices are missing or do not make a stack.
        ChannelError
            If the series holds several volumes and none is chosen.
        """
        if self.fault:
            msg = f"the series {self.series.description!r} cannot be used: {self.fault}"
            raise GeometryError(msg)
        stack = self.stacks[_chosen(self.series, self.stacks, frame)]
        placement = place_stack(stack)
        volume = finished(
            _voxels(stack),
            placement,
            path=stack.slices[0].path.parent,
            name=self.series.description,
            file_format="DICOM",
        )
        source = replace(volume.source, modality=self.series.modality)
        return _with_notes(replace(volume, source=source), self.series.notes)


def list_series(folder: str | Path) -> tuple[Series, ...]:
    """Return the DICOM series in a folder and the folders in it.

    Only headers are read, about 4 ms a file. Reports and other files are left out.

    Parameters
    ----------
    folder : path
        A folder, or a single file.

    Raises
    ------
    FormatError
        If nothing is there.
    """
    files = dicom_files([existing(folder)])
    return tuple(group.series for group in group_series(files))


def dicom_files(paths: Iterable[Path]) -> list[Path]:
    """Return the DICOM files among files and in folders, sorted by path."""
    found: list[Path] = []
    for path in paths:
        inside = path.rglob("*") if path.is_dir() else [path]
        found.extend(p for p in inside if p.is_file() and is_dicom(p))
    return sorted(set(found))


def group_series(files: Sequence[Path]) -> list[SeriesGroup]:
    """Sort DICOM files into series, in order of series number and description."""
    headers, unreadable = read_headers(files)
    by_uid: dict[str, list[ImageHeader]] = {}
    for one in sorted(headers, key=lambda one: (one.number("0020|0013"), one.path)):
        uid = one.tag("0020|000e") or f"folder:{one.path.parent.name}"
        by_uid.setdefault(uid, []).append(one)
    groups = []
    for uid, images in by_uid.items():
        parts = _parallel_parts(images)
        for number, part in enumerate(parts, start=1):
            part_uid = uid if number == 1 else f"{uid}:{number}"
            of_parts = (number, len(parts)) if len(parts) > 1 else None
            groups.append(_group(part_uid, part, of_parts, unreadable))
    return sorted(groups, key=_series_order)


def choose_series(
    groups: Sequence[SeriesGroup], series: str | None, where: str
) -> SeriesGroup:
    """Return the series that is meant.

    Without a choice it is the only one with more than one slice; localisers and
    captured screens of a single image are then left out.

    Parameters
    ----------
    groups : sequence of SeriesGroup
        In the order in which they are named.
    series : str or None
        A uid, or a description that only one of them has.
    where : str
        Name of the folder, for messages.

    Raises
    ------
    FormatError
        If there is none, several without a choice, or none that is called ``series``.
    """
    if not groups:
        msg = f"{where!r} must hold a DICOM series, but it has none: choose another"
        raise FormatError(msg)
    if series is not None:
        meant = [g for g in groups if series in (g.series.uid, g.series.description)]
        by_uid = [g for g in meant if g.series.uid == series]
        if len(by_uid or meant) == 1:
            return (by_uid or meant)[0]
        what = "several series" if meant else "no series"
        msg = f"{where!r} has {what} called {series!r}: choose one of {_names(groups)}"
        raise FormatError(msg)
    candidates = [g for g in groups if g.is_volume] or list(groups)
    if len(candidates) == 1:
        return candidates[0]
    msg = (
        f"{where!r} holds {len(candidates)} DICOM series: choose one of "
        f"{_names(candidates)}"
    )
    raise FormatError(msg)


def _names(groups: Sequence[SeriesGroup]) -> str:
    """Return descriptions, sizes and uids for a sentence."""
    names = [
        f"{g.series.description!r} ({len(g.series.files)} images, uid {g.series.uid})"
        for g in groups
    ]
    more = len(names) - 2 * _NAMED
    return ", ".join(names[: 2 * _NAMED]) + (f" and {more} more" if more > 0 else "")


def _parallel_parts(images: Sequence[ImageHeader]) -> list[list[ImageHeader]]:
    """Split images where planes or sizes differ; multi-frame files stand alone."""
    parts: list[list[ImageHeader]] = []
    for one in images:
        for part in parts:
            if same_plane(part[0], one):
                part.append(one)
                break
        else:
            parts.append([one])
    return parts


def _group(
    uid: str,
    images: Sequence[ImageHeader],
    part: tuple[int, int] | None,
    unreadable: Sequence[Path],
) -> SeriesGroup:
    """Make a series of parallel images."""
    first = images[0]
    kept = without_copies(images)
    stacks: list[Stack] = []
    fault = ""
    notes = _series_notes(first, len(images) - len(kept), unreadable)
    try:
        stacks = make_stacks(kept)
        notes += _stack_names(stacks)
        notes += [note for stack in stacks for note in place_stack(stack).notes]
    except GeometryError as error:
        fault = str(error)
        notes.append(fault)
    files = [one.path for stack in stacks for one in stack.slices]
    depth = len(stacks[0].slices) if stacks else len(kept)
    description = first.tag("0008|103e") or first.path.parent.name
    if part is not None:
        description += f" (part {part[0]} of {part[1]})"
    series = Series(
        uid=uid,
        description=description,
        modality=first.tag("0008|0060"),
        files=tuple(files or (one.path for one in kept)),
        shape=(max(depth, first.size[2]), first.size[1], first.size[0]),
        notes=tuple(dict.fromkeys(notes)),
    )
    return SeriesGroup(series, tuple(stacks), fault)


def _series_notes(
    first: ImageHeader, copies: int, unreadable: Sequence[Path]
) -> list[str]:
    """Return what is unusual about a series."""
    notes = []
    if copies:
        notes.append(f"{copies} files are copies of others and were left out")
    beside = [path.name for path in unreadable if path.parent == first.path.parent]
    if beside:
        some = ", ".join(map(repr, beside[:_NAMED]))
        notes.append(
            f"{len(beside)} DICOM files cannot be read and are missing: {some}"
        )
    if first.size[2] > 1:
        notes.append("a multi-frame file: its frames are taken as evenly spaced slices")
    if first.size[2] == 1 and not (first.tag("0028|0030") or first.tag("0018|1164")):
        notes.append("the images do not state the size of a pixel; 1 mm was taken")
    if first.tag("0028|0004") == "MONOCHROME1":
        notes.append("the images are stored inverted (MONOCHROME1): dark is bright")
    return notes


def _stack_names(stacks: Sequence[Stack]) -> list[str]:
    """Return a note about several volumes in one series, or none."""
    if len(stacks) == 1:
        return []
    names = ", ".join(stack.name for stack in stacks[: 2 * _NAMED])
    return [f"the series holds {len(stacks)} volumes: {names}"]


def _chosen(series: Series, stacks: Sequence[Stack], frame: int | None) -> int:
    """Return which of the volumes of a series to read."""
    if frame is None and len(stacks) > 1:
        names = ", ".join(f"{i}: {stack.name}" for i, stack in enumerate(stacks))
        msg = (
            f"the series {series.description!r} holds {len(stacks)} volumes: "
            f"choose a frame ({names})"
        )
        raise ChannelError(msg)
    return choose_frame(series.description, len(stacks), frame)


def _voxels(stack: Stack) -> NDArray[Any]:
    """Read all slices of a stack as (c, z, y, x), rescaled to real values."""
    first = _decoded(stack.slices[0])  # (c, frames, y, x)
    if len(stack.slices) == 1:
        return first
    shape = (first.shape[0], len(stack.slices), *first.shape[2:])
    array = np.empty(shape, first.dtype)
    array[:, :1] = first
    for z, one in enumerate(stack.slices[1:], start=1):
        image = _decoded(one)
        if image.dtype != array.dtype:
            # Rescale slopes may differ from slice to slice (PET).
            is_real = "f" in (array.dtype.kind, image.dtype.kind)
            array = array.astype(
                np.float32 if is_real else np.result_type(array, image)
            )
        array[:, z : z + 1] = image
    return array


def _decoded(one: ImageHeader) -> NDArray[Any]:
    """Read one file."""
    try:
        with itk.quiet():
            image = sitk.ReadImage(str(one.path), imageIO="GDCMImageIO")
    except RuntimeError as error:
        msg = (
            f"the DICOM file {one.path.name!r} cannot be decoded: copy it again, or "
            "export the series without compression"
        )
        raise FormatError(msg) from error
    array = itk.voxels_of(image)
    # Stored integers have at most 16 bits; their rescaled values fit single precision.
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _with_notes(volume: Volume, notes: Sequence[str]) -> Volume:
    """Return the volume with notes put before its own."""
    source = replace(
        volume.source, notes=tuple(dict.fromkeys((*notes, *volume.source.notes)))
    )
    return replace(volume, source=source)


def _series_order(group: SeriesGroup) -> tuple[float, str, str]:
    """Sort key of series."""
    number = group.stacks[0].slices[0].number("0020|0011") if group.stacks else np.inf
    return (float(number), group.series.description, group.series.uid)
