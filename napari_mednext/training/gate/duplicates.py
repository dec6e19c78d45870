"""Which images are the same, whatever their files are called and however packed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["duplicate_groups", "image_digest"]

#: Spacings are compared to so many decimals of a mm: headers keep single precision.
_DECIMALS = 3


def image_digest(array: NDArray[Any], spacing: Sequence[float]) -> str:
    """Return what tells whether two decoded images are one.

    The values count, not the type they are held in: the same scan as NIfTI in int16
    and as NRRD in float32 has one digest. Origin and direction do not count, since a
    copy may have lost them. Images that differ in one voxel have different digests.

    Parameters
    ----------
    array : (z, y, x) or (c, z, y, x) real
        The decoded voxels. Not modified.
    spacing : (z, y, x) mm
        Of the voxels.

    Returns
    -------
    str
        64 hexadecimal digits, SHA-256.

    Raises
    ------
    InputError
        If the array has another number of axes, or does not hold real numbers.
    """
    array = np.asarray(array)
    if array.ndim not in (3, 4) or array.dtype.kind not in "biuf":
        msg = (
            "an image must be a (z, y, x) or (c, z, y, x) array of real numbers, got "
            f"{array.dtype} of shape {array.shape}: convert it"
        )
        raise InputError(msg)
    channels = array[None] if array.ndim == 3 else array
    state = hashlib.sha256()
    rounded = [round(float(mm), _DECIMALS) + 0.0 for mm in spacing]
    state.update(repr((channels.shape, rounded)).encode())
    # Plane by plane, so that no second array of the size of the volume is made.
    for channel in channels:
        for plane in channel:
            values = np.ascontiguousarray(plane, dtype="<f4") + np.float32(0)  # no -0
            values[np.isnan(values)] = np.nan  # one of the many bit patterns
            state.update(values.tobytes())
    return state.hexdigest()


def duplicate_groups(digests: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of cases that hold one image.

    Parameters
    ----------
    digests : mapping of name to digest
        A case without a digest ("") is nobody's duplicate.

    Returns
    -------
    tuple of tuple of str
        Names in order; only groups of two or more.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(digests):
        if digests[name]:
            groups.setdefault(digests[name], []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
