"""How paths are written into lists, so that a list and its files can be moved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats import ENDINGS
from napari_mednext.formats.dicom_headers import is_dicom
from napari_mednext.formats.naming import ending_of

if TYPE_CHECKING:
    from napari_mednext.study.entry import CaseEntry

__all__ = ["file_ending", "relative_to", "single_image"]


def relative_to(base: Path, path: Path) -> str:
    """Return a path as a list in the folder ``base`` writes it.

    Relative, with slashes, where the file lies below that folder; else absolute.
    """
    full, folder = os.path.abspath(path), os.path.abspath(base)  # noqa: PTH100 - resolve() would follow links
    if Path(full).is_relative_to(folder):
        return Path(full).relative_to(folder).as_posix()
    return full


def single_image(entry: CaseEntry) -> tuple[Path, int]:
    """Return the file that stands for a case, and how many channels it leaves out.

    A single slice stands for its DICOM series.
    """
    first = entry.images[0]
    left_out = 0 if is_dicom(first) else len(entry.images) - 1
    return first, left_out


def file_ending(path: Path) -> str:
    """Return the ending of a volume as it is written in its name.

    Raises
    ------
    FormatError
        If it is none of a volume.
    """
    ending = ending_of(path)
    if not ending:
        msg = (
            f"a volume must end in one of {', '.join(ENDINGS)}, got {path.name!r}: "
            "choose another kind of list"
        )
        raise FormatError(msg)
    return path.name[-len(ending) :]
