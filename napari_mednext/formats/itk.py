"""Voxels and grids through SimpleITK, without its chatter on stderr."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext.errors import ChannelError, FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "affine_of",
    "choose_frame",
    "itk_image",
    "quiet",
    "read_voxels",
    "voxels_of",
]


class _Quiet:
    """How many readers want ITK quiet: its switch is one for the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._before = True

    def begin(self) -> None:
        with self._lock:
            if self._wanted == 0:
                self._before = sitk.ProcessObject.GetGlobalWarningDisplay()
                sitk.ProcessObject.GlobalWarningDisplayOff()
            self._wanted += 1

    def end(self) -> None:
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0:
                sitk.ProcessObject.SetGlobalWarningDisplay(self._before)


_quiet = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ITK from printing warnings; its switch is put back when all are done."""
    _quiet.begin()
    try:
        yield
    finally:
        _quiet.end()


def choose_frame(name: str, frames: int, frame: int | None) -> int:
    """Return the frame to read of a file with ``frames`` volumes.

    Raises
    ------
    ChannelError
        If there are several and none is chosen, or the chosen one is not there.
    """
    if frame is None:
        if frames > 1:
            msg = (
                f"{name!r} holds {frames} volumes, one per frame: "
                f"choose a frame from 0 to {frames - 1}"
            )
            error = ChannelError(msg)
            error.frames = frames
            raise error
        return 0
    if not 0 <= frame < frames:
        msg = (
            f"{name!r} has the frames 0 to {frames - 1}, got frame {frame}: "
            "choose one of them"
            if frames > 1
            else f"{name!r} holds one volume, got frame {frame}: leave the frame out"
        )
        raise ChannelError(msg)
    return frame


def read_voxels(path: Path, *, frame: int | None) -> sitk.Image:
    """Read one 3D image, with vector voxels where there are several channels.

    Raises
    ------
    FormatError
        If the file is no image, damaged, 2D or complex.
    ChannelError
        If a frame must be chosen, or the chosen one is not there.
    RuntimeError
        ITK's own, if its reader refuses what the header says.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with quiet():
        reader.ReadImageInformation()
        size = list(reader.GetSize())
        if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
            msg = (
                f"voxels must be real numbers, {path.name!r} holds complex ones: "
                "save the magnitude"
            )
            raise FormatError(msg)
        if len(size) < 3:
            msg = (
                f"a volume has three axes, but {path.name!r} is a 2D image of "
                f"{' x '.join(map(str, size))} pixels: open a 3D file or a DICOM folder"
            )
            raise FormatError(msg)
        if len(size) > 3:
            return _one_frame(reader, choose_frame(path.name, size[3], frame))
        choose_frame(path.name, 1, frame)
        image: sitk.Image = reader.Execute()
        return image


def _one_frame(reader: sitk.ImageFileReader, frame: int) -> sitk.Image:
    """Read one volume of a file with more axes; those past four are channels."""
    size = list(reader.GetSize())
    beyond = len(size) - 3
    images: list[sitk.Image] = []
    for channel in range(int(np.prod(size[4:], dtype=int))):
        rest = np.unravel_index(channel, size[4:], order="F") if size[4:] else ()
        reader.SetExtractSize([*size[:3], *[0] * beyond])
        reader.SetExtractIndex([0, 0, 0, frame, *(int(i) for i in rest)])
        images.append(reader.Execute())
    if len(images) == 1:
        return images[0]
    image: sitk.Image = sitk.Compose(images)
    return image


def voxels_of(image: sitk.Image) -> NDArray[Any]:
    """Return the voxels of a 3D image as a (c, z, y, x) array of its own."""
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == 1:
        return np.asarray(array).reshape(1, *array.shape[:3])
    return np.ascontiguousarray(np.moveaxis(array, -1, 0))


def affine_of(image: sitk.Image) -> NDArray[np.float64]:
    """Return the (4, 4) affine, index (z, y, x, 1) to L, P, S in mm, of a 3D image."""
    affine = np.eye(4)
    direction = np.asarray(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    affine[:3, :3] = (direction * np.asarray(image.GetSpacing()))[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return affine


def itk_image(array: NDArray[Any], affine: NDArray[np.float64]) -> sitk.Image:
    """Return an image of a (z, y, x) or (c, z, y, x) array."""
    vector = array.ndim == 4
    voxels = np.moveaxis(array, 0, -1) if vector else array
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels), isVector=vector)
    columns = affine[:3, :3][:, ::-1]
    spacing = np.linalg.norm(columns, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((columns / spacing).reshape(-1).tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image
