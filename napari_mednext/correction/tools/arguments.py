"""What every tool demands of an axis, a length, a voxel and a label value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "PLANES",
    "check_axis",
    "check_index",
    "check_length",
    "check_value",
    "check_voxel",
]

#: What people call a slice across each axis (z, y, x) of a volume in LPS.
PLANES = ("axial", "coronal", "sagittal")


def check_axis(axis: int) -> None:
    """Refuse what is not an axis.

    Raises
    ------
    InputError
        If it is not 0, 1 or 2.
    """
    if axis not in (0, 1, 2):
        msg = f"an axis must be 0, 1 or 2 (z, y, x), got {axis!r}"
        raise InputError(msg)


def check_length(length_mm: float, name: str) -> None:
    """Refuse a length that is negative or not finite.

    Parameters
    ----------
    length_mm : float
        Any number.
    name : str
        What the length is, for the message.

    Raises
    ------
    InputError
        If it is below 0, infinite or not a number.
    """
    if not 0 <= length_mm < np.inf:
        msg = f"the {name} must be 0 mm or more, got {length_mm} mm"
        raise InputError(msg)


def check_index(index: int, axis: int, shape: Sequence[int]) -> None:
    """Refuse a slice that the array does not have.

    Raises
    ------
    InputError
        If it is not 0 up to the array's last slice along the axis.
    """
    if not 0 <= index < shape[axis]:
        msg = (
            f"a slice along axis {axis} must be from 0 to {shape[axis] - 1}, "
            f"got {index}"
        )
        raise InputError(msg)


def check_voxel(at: Sequence[float], shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the voxel that a position lies in.

    Parameters
    ----------
    at : (z, y, x) voxels
        Rounded to the nearest voxel.
    shape : (z, y, x) voxels
        Of the array.

    Raises
    ------
    InputError
        If it is not a position inside the array.
    """
    place = np.asarray(at, dtype=np.float64)
    voxel = np.floor(place + 0.5)
    # Comparisons with what is not a number are false, so that is refused here too.
    if place.shape != (3,) or not ((voxel >= 0) & (voxel < shape)).all():
        msg = (
            f"a point must lie in the volume of {tuple(shape)} voxels, "
            f"got {tuple(place.tolist())}"
        )
        raise InputError(msg)
    z, y, x = (int(number) for number in voxel)
    return z, y, x


def check_value(value: int, labels: NDArray[Any]) -> None:
    """Refuse a label value that the array cannot hold.

    Raises
    ------
    InputError
        If it is not 1 up to the largest number of the array's type.
    """
    largest = int(np.iinfo(labels.dtype).max)
    if not 1 <= value <= largest:
        msg = f"a label must be from 1 to {largest}, got {value}"
        raise InputError(msg)
