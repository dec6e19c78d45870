"""Finding DICOM files and reading their headers, through GDCM."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext.formats import itk
from napari_mednext.formats.naming import ending_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ImageHeader", "is_dicom", "read_headers"]

#: SOP classes that hold no pixels: reports, presentation states, raw data, documents,
#: radiotherapy structures and plans, media directories.
_NOT_IMAGES = (
    "1.2.840.10008.1.3.10",
    "1.2.840.10008.5.1.4.1.1.9.",
    "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.66",
    "1.2.840.10008.5.1.4.1.1.88.",
    "1.2.840.10008.5.1.4.1.1.104.",
    "1.2.840.10008.5.1.4.1.1.481.3",
    "1.2.840.10008.5.1.4.1.1.481.5",
)
#: The one class among those prefixes that does hold pixels: segmentations.
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"

#: What may tell several volumes of one series apart: tag and its name for people.
FRAME_TAGS: tuple[tuple[str, str], ...] = (
    ("0020|0012", "acquisition"),
    ("0018|0081", "echo time"),
    ("0020|0100", "temporal position"),
    ("0018|1060", "trigger time"),
    ("0018|9087", "b-value"),
    ("0008|0008", "image type"),
    ("0008|0032", "acquisition time"),
)
_KEPT_TAGS = (
    "0008|0016",
    "0008|0018",
    "0008|0060",
    "0008|103e",
    "0020|000e",
    "0020|0011",
    "0020|0013",
    "0020|0032",
    "0028|0004",
    "0028|0030",
    "0018|1164",
    *(tag for tag, _ in FRAME_TAGS),
)


@dataclass(frozen=True)
class ImageHeader:
    """One DICOM image: a slice, or a whole volume if it has several frames.

    ``direction`` has the columns row, column and normal; all lengths are mm in L, P, S.
    """

    path: Path
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    components: int
    tags: Mapping[str, str] = field(default_factory=dict)

    def tag(self, name: str) -> str:
        """Return a tag's text without padding, "" if it is missing."""
        return self.tags.get(name, "").strip(" \0")

    def number(self, name: str) -> float:
        """Return a tag as a number, infinity if it is none: it is sorted last."""
        try:
            return float(self.tag(name).split("\\")[0])
        except ValueError:
            return float("inf")

    @property
    def matrix(self) -> NDArray[np.float64]:
        """``direction`` as a (3, 3) float64 array."""
        return np.asarray(self.direction, dtype=np.float64).reshape(3, 3)

    @property
    def depth_mm(self) -> float:
        """Position along the normal of the slice."""
        return float(np.dot(self.origin, self.matrix[:, 2]))


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its first bytes, whatever its name.

    Files without the 128-byte preamble, as old scanners write them, count when they
    begin with an element of group 2 or 8 and have no ending of another format.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
    except OSError:
        return False
    if head[128:132] == b"DICM":
        return True
    if len(head) < 16 or ending_of(path) not in ("", ".dcm"):
        return False
    group, element, length = struct.unpack("<HHI", head[:8])
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return group in (2, 8) and element <= 0x20 and (explicit or 0 < length < 100)


def read_headers(files: Iterable[Path]) -> tuple[list[ImageHeader], list[Path]]:
    """Read the headers of DICOM files.

    Returns
    -------
    list of ImageHeader
        The images, in the order given. Reports and the like are left out.
    list of Path
        Files that should be images but cannot be read.
    """
    headers, unreadable = [], []
    for path in files:
        try:
            headers.append(_read_header(path))
        except RuntimeError:
            if not _holds_no_pixels(path):
                unreadable.append(path)
    return headers, unreadable


def _read_header(path: Path) -> ImageHeader:
    """Read one header; RuntimeError is ITK's."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("GDCMImageIO")
    with itk.quiet():
        reader.ReadImageInformation()
    size = (*reader.GetSize(), 1)[:3]
    tags = {
        tag: reader.GetMetaData(tag) for tag in _KEPT_TAGS if reader.HasMetaDataKey(tag)
    }
    return ImageHeader(
        path=path,
        size=cast("tuple[int, int, int]", size),
        spacing=cast("tuple[float, float, float]", reader.GetSpacing()),
        origin=cast("tuple[float, float, float]", reader.GetOrigin()),
        direction=reader.GetDirection(),
        components=reader.GetNumberOfComponents(),
        tags=tags,
    )


def _holds_no_pixels(path: Path) -> bool:
    """Whether the file's own header says that it is no image."""
    with path.open("rb") as stream:
        head = stream.read(1024)
    at = head.find(b"\x02\x00\x02\x00UI")
    if at < 0:
        return False
    length = struct.unpack_from("<H", head, at + 6)[0]
    sop_class = head[at + 8 : at + 8 + length].decode("ascii", "replace").strip("\0 ")
    return sop_class != _SEGMENTATION and sop_class.startswith(_NOT_IMAGES)
