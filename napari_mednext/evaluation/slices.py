"""Which slices of a case to show, and how they lie in the patient.

Slices are seen as radiologists expect them: the patient's right on the left of the
picture, the front or the top of the head upwards, the front on the left of a sagittal
slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.volume import VoxelGrid

__all__ = ["PLANES", "Plane", "Slice", "field_around", "worst_slices"]

#: Share of a direction that a second letter at the edge of a picture stands for.
_OBLIQUE = 0.26
#: Room around what is labelled, and the smallest field that is shown, in mm.
_MARGIN_MM, _SMALLEST_MM = 15.0, 60.0
_LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))


@dataclass(frozen=True)
class Plane:
    """One of the planes of a volume in orientation LPS.

    ``axis`` is the (z, y, x) axis it is perpendicular to. With ``upside_down`` the
    rows are turned over, so that the head is at the top.
    """

    name: str
    axis: int
    upside_down: bool

    def cut(self, array: NDArray[Any], index: int) -> NDArray[Any]:
        """Return a slice of a (z, y, x) array in LPS as it is seen, (rows, columns)."""
        plane: NDArray[Any] = np.take(array, index, axis=self.axis)
        return plane[::-1] if self.upside_down else plane

    def pixel_mm(self, grid: VoxelGrid) -> tuple[float, float]:
        """Return the height and the width of a voxel of a slice."""
        down, across = (mm for axis, mm in enumerate(grid.spacing) if axis != self.axis)
        return down, across

    def edges(self, grid: VoxelGrid) -> tuple[str, str, str, str]:
        """Return the letters at the left, right, upper and lower edge.

        Two letters where the scan is oblique by more than about 15 degrees, the nearer
        one first.
        """
        down, across = (axis for axis in range(3) if axis != self.axis)
        right = grid.matrix[:, 2 - across]
        lower = grid.matrix[:, 2 - down] * (-1.0 if self.upside_down else 1.0)
        return _letters(-right), _letters(right), _letters(-lower), _letters(lower)

    def place(self, grid: VoxelGrid, index: int) -> str:
        """Return where a slice lies in the patient, as ``S 23.0 mm``.

        It is the position of the middle of the slice along the world axis that the
        slices are stacked along.
        """
        middle = (np.asarray(grid.shape, dtype=np.float64) - 1) / 2
        middle[self.axis] = index
        world = 2 - self.axis
        at_mm = round(float(grid.to_world(middle)[world]), 1)
        return f"{_LETTERS[world][0 if at_mm >= 0 else 1]} {abs(at_mm):.1f} mm"


PLANES = (
    Plane("axial", 0, upside_down=False),
    Plane("coronal", 1, upside_down=True),
    Plane("sagittal", 2, upside_down=True),
)


@dataclass(frozen=True)
class Slice:
    """A slice of a volume in orientation LPS, and how much of it is wrong."""

    plane: Plane
    index: int
    wrong_mm2: float


def worst_slices(
    wrong: NDArray[np.bool_], labelled: NDArray[np.bool_], grid: VoxelGrid
) -> tuple[Slice, ...]:
    """Return the worst slice of every plane, that with the most wrong area first.

    Where nothing is wrong, the slice with the most labelled area is taken, and the
    middle one where nothing is labelled. Of equal slices the first is taken; of planes
    with equal areas axial comes before coronal before sagittal.

    Parameters
    ----------
    wrong : (z, y, x) bool
        In orientation LPS.
    labelled : (z, y, x) bool
        Where the prediction or the reference has any region.
    grid : VoxelGrid
        Of both, in LPS.

    Returns
    -------
    tuple of Slice
        Three, one for every plane.
    """
    found = []
    for plane in PLANES:
        others = tuple(axis for axis in range(3) if axis != plane.axis)
        counts = np.count_nonzero(wrong, axis=others)
        index = int(counts.argmax())
        if counts[index] == 0:
            there = np.count_nonzero(labelled, axis=others)
            index = int(there.argmax()) if there.any() else there.size // 2
        down, across = plane.pixel_mm(grid)
        found.append(Slice(plane, index, float(counts[index]) * down * across))
    return tuple(sorted(found, key=lambda each: -each.wrong_mm2))


def field_around(
    labelled: NDArray[np.bool_], spacing: Sequence[float]
) -> tuple[slice, slice, slice]:
    """Return the box to show: what is labelled with some room around it.

    It is cut where the volume ends; the whole volume where nothing is labelled.

    Parameters
    ----------
    labelled : (z, y, x) bool
        In any orientation.
    spacing : (z, y, x) mm
        Of its voxels.

    Returns
    -------
    tuple of three slices
        For the axes z, y, x.
    """
    box = []
    for axis, mm in enumerate(spacing):
        others = tuple(other for other in range(3) if other != axis)
        there = np.flatnonzero(labelled.any(axis=others))
        size = labelled.shape[axis]
        if there.size == 0:
            box.append(slice(0, size))
            continue
        first, stop = int(there[0]), int(there[-1]) + 1
        lacking_mm = _SMALLEST_MM - (stop - first) * mm
        room = int(np.ceil(max(_MARGIN_MM, lacking_mm / 2) / mm))
        box.append(slice(max(0, first - room), min(size, stop + room)))
    return box[0], box[1], box[2]


def _letters(direction: NDArray[np.float64]) -> str:
    """Return the letters of the world axes that a direction points along."""
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(
        _LETTERS[world][0 if direction[world] > 0 else 1]
        for world in order
        if abs(direction[world]) > _OBLIQUE or world == order[0]
    )
