"""What a tool may touch: the selected label, an intensity window, other labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.correction.change import Box, Change, whole_box
from napari_mednext.errors import GeometryError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Scope"]


@dataclass(frozen=True)
class Scope:
    """The rules that every tool keeps.

    Parameters
    ----------
    label : int
        The selected label; 1 or more.
    spacing : (z, y, x) mm
        Of the label array.
    image : (z, y, x), optional
        Grey values on the same grid.
    window : (low, high), optional
        Only voxels whose grey value lies in it, both ends included, may change. Needs
        ``image``.
    protect : bool
        Whether voxels of other labels keep them.

    Raises
    ------
    InputError
        If the label is not 1..65535, a spacing is not positive, or a window has no
        image or no width.
    """

    label: int
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    image: NDArray[Any] | None = None
    window: tuple[float, float] | None = None
    protect: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.label <= 65535:
            msg = f"a tool must work on a label from 1 to 65535, got {self.label}"
            raise InputError(msg)
        if np.shape(self.spacing) != (3,) or not all(
            0 < s < np.inf for s in self.spacing
        ):
            msg = f"a spacing must be three positive lengths in mm, got {self.spacing}"
            raise InputError(msg)
        if self.window is not None and self.image is None:
            msg = "an intensity window needs an image: choose the scan first"
            raise InputError(msg)
        if self.window is not None and not self.window[0] <= self.window[1]:
            msg = f"an intensity window must run from low to high, got {self.window}"
            raise InputError(msg)

    def open(self, labels: NDArray[Any], box: Box) -> NDArray[np.bool_]:
        """Return where a box of the labels may change at all.

        Parameters
        ----------
        labels : (z, y, x)
            The whole label array.
        box : three slices
            Inside it.

        Returns
        -------
        (z, y, x) bool
            Of the shape of the box: inside the window, and unprotected.

        Raises
        ------
        GeometryError
            If the image does not have the shape of the labels.
        """
        here = labels[box]
        free = np.ones(here.shape, dtype=np.bool_)
        if self.protect:
            free &= (here == 0) | (here == self.label)
        if self.window is not None and self.image is not None:
            if self.image.shape != labels.shape:
                msg = (
                    f"the image {self.image.shape} must have the shape of the labels "
                    f"{labels.shape}: choose the scan that they belong to"
                )
                raise GeometryError(msg)
            grey = self.image[box]
            free &= (grey >= self.window[0]) & (grey <= self.window[1])
        return free

    def change(
        self,
        labels: NDArray[Any],
        mask: NDArray[np.bool_],
        box: Box | None = None,
        *,
        remove: bool = True,
    ) -> Change | None:
        """Return the change that gives the label the form of a mask, within the rules.

        Parameters
        ----------
        labels : (z, y, x)
            The whole label array. Not modified.
        mask : (z, y, x) bool
            Of the shape of the box: where the label shall stand.
        box : three slices, optional
            Where the mask lies; the whole array by default.
        remove : bool
            Whether the label is taken away (set to 0) where it stands outside the mask.

        Returns
        -------
        Change or None
            None when the rules leave nothing to change.

        Raises
        ------
        InputError
            If the label does not fit into the type of the array.
        """
        if self.label > np.iinfo(labels.dtype).max:
            msg = (
                f"labels of type {labels.dtype} hold values up to "
                f"{np.iinfo(labels.dtype).max}, got {self.label}: open the case again, "
                "so that it gets a wider type"
            )
            raise InputError(msg)
        box = whole_box(labels.shape) if box is None else box
        before = labels[box]
        may = self.open(labels, box)
        after = before.copy()
        after[mask & may] = self.label
        if remove:
            after[(before == self.label) & ~mask & may] = 0
        return Change.between(before, after, _starts(box))

    def voxels(self, length_mm: float) -> tuple[float, float, float]:
        """Return a length as (z, y, x) voxels, not rounded."""
        z, y, x = (length_mm / mm for mm in self.spacing)
        return z, y, x


def _starts(box: Sequence[slice]) -> tuple[int, int, int]:
    """Return where a box begins."""
    z, y, x = (int(part.start) for part in box)
    return z, y, x
