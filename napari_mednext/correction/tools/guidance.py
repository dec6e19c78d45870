"""What the tools demand that follow the edges of an image: the image, and a box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_mednext.errors import GeometryError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction.change import Box
    from napari_mednext.correction.scope import Scope

__all__ = ["checked_box", "needed_image"]


def checked_box(box: Sequence[slice], shape: Sequence[int]) -> Box:
    """Return a box with its missing ends filled in.

    Raises
    ------
    InputError
        If it is not three ranges inside the array, each of at least one voxel.
    """
    parts = [
        slice(
            0 if part.start is None else int(part.start),
            int(size) if part.stop is None else int(part.stop),
        )
        for part, size in zip(box, shape, strict=False)
    ]
    inside = [
        0 <= part.start < part.stop <= size
        for part, size in zip(parts, shape, strict=False)
    ]
    if len(box) != 3 or not all(inside):
        ranges = [(part.start, part.stop) for part in box]
        msg = (
            f"a box must be three ranges inside the volume {tuple(shape)}, got "
            f"{ranges}: draw it anew"
        )
        raise InputError(msg)
    return parts[0], parts[1], parts[2]


def needed_image(labels: NDArray[Any], scope: Scope) -> NDArray[Any]:
    """Return the image of the scope.

    Raises
    ------
    InputError
        If it has none.
    GeometryError
        If the image does not have the shape of the labels.
    """
    if scope.image is None:
        msg = "this tool follows the edges of an image, got none: choose the scan first"
        raise InputError(msg)
    if scope.image.shape != labels.shape:
        msg = (
            f"the image {scope.image.shape} must have the shape of the labels "
            f"{labels.shape}: choose the scan that they belong to"
        )
        raise GeometryError(msg)
    return scope.image
