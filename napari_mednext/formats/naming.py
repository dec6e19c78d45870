"""Which endings can be read and written, and how results are named after inputs."""

from __future__ import annotations

import re
from pathlib import Path

from napari_mednext.errors import FormatError

__all__ = ["ENDINGS", "WRITABLE_ENDINGS", "ending_of", "mask_name", "split_channel"]

#: Endings of files that are volumes; DICOM files are known by their content instead.
#: A longer ending stands before the shorter one that it contains.
ENDINGS: tuple[str, ...] = (
    ".nii.gz",
    ".img.gz",
    ".hdr",
    ".img",
    ".mgh",
    ".mgz",
    ".mha",
    ".mhd",
    ".mnc",
    ".nhdr",
    ".nii",
    ".nrrd",
    ".dcm",
)
#: Endings of the files that masks and volumes are written to.
WRITABLE_ENDINGS: tuple[str, ...] = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")

#: nnU-Net's channel suffix.
_CHANNEL = re.compile(r"^(?P<case>.+)_(?P<channel>\d{4})$")


def ending_of(path: str | Path) -> str:
    """Return the known ending of a file name in lower case, or "" if it has none."""
    name = Path(path).name.lower()
    return next((ending for ending in ENDINGS if name.endswith(ending)), "")


def split_channel(path: str | Path) -> tuple[str, int | None]:
    """Return the case and the channel number of nnU-Net's ``case_0000.nii.gz``.

    The channel is None where the name has no such suffix.
    """
    stem = _stem(Path(path).name)
    match = _CHANNEL.match(stem)
    if match is None:
        return stem, None
    return match["case"], int(match["channel"])


def mask_name(name: str | Path) -> str:
    """Return what to call the mask of a source, without an ending.

    ``case.nii.gz`` and ``case_0000.nii.gz`` both give ``case``, as nnU-Net names them.
    """
    stem = _stem(Path(name).name)
    case, channel = split_channel(stem)
    return case if channel == 0 else stem


def writable_ending(path: str | Path) -> str:
    """Return the ending that says in which format to write.

    Raises
    ------
    FormatError
        If the name has none of the writable endings.
    """
    name = Path(path).name.lower()
    for ending in WRITABLE_ENDINGS:
        if name.endswith(ending) and len(name) > len(ending):
            return ending
    msg = (
        f"the file name must end in one of {', '.join(WRITABLE_ENDINGS)}, "
        f"got {Path(path).name!r}: choose one of them"
    )
    raise FormatError(msg)


def _stem(name: str) -> str:
    """Return the name without a known ending; never empty."""
    ending = ending_of(name)
    return name[: len(name) - len(ending)] or name
