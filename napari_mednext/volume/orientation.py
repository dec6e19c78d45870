"""Turning volumes by permuting and flipping axes: exact, nothing is interpolated.

An orientation code names, for the index axes x, y, z in this order, the side of the
patient towards which the index grows: ``"LPS"`` is the order of DICOM and SimpleITK
(direction = identity), ``"RAS"`` that of NIfTI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_mednext.errors import GeometryError
from napari_mednext.volume.grid import VoxelGrid
from napari_mednext.volume.volume import Segmentation, Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Turn", "orientation_code", "reorient", "turn_between"]

#: Letter -> (world axis in L, P, S order, sign).
_SIDES = {
    "L": (0, 1),
    "R": (0, -1),
    "P": (1, 1),
    "A": (1, -1),
    "S": (2, 1),
    "I": (2, -1),
}
_LETTERS = {side: letter for letter, side in _SIDES.items()}

#: How far, in voxels, two grids may be apart and still hold the same voxels.
_SAME_VOXEL = 1e-2

Oriented = TypeVar("Oriented", Volume, Segmentation)


@dataclass(frozen=True)
class Turn:
    """A permutation of the axes (z, y, x) followed by flips of the new axes.

    Parameters
    ----------
    axes : tuple of 3
        ``axes[i]`` is the old axis that becomes axis ``i``.
    flips : tuple of 3 bool
        Whether the new axis ``i`` runs the other way.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def array(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a turned view of an array whose last three axes are (z, y, x)."""
        lead = array.ndim - 3
        order = (*range(lead), *(lead + axis for axis in self.axes))
        flipped = tuple(lead + axis for axis in range(3) if self.flips[axis])
        turned: NDArray[Any] = np.flip(array.transpose(order), flipped)
        return turned

    def grid(self, grid: VoxelGrid) -> VoxelGrid:
        """Return the grid on which the turned array lies at the same world points."""
        first = np.zeros(3)
        columns = []
        for axis, flip in zip(self.axes, self.flips, strict=True):
            first[axis] = grid.shape[axis] - 1 if flip else 0
            columns.append(grid.matrix[:, 2 - axis] * (-1.0 if flip else 1.0))
        direction = np.stack(columns[::-1], axis=1)
        origin = grid.to_world(first)
        return VoxelGrid(
            shape=_picked(grid.shape, self.axes),
            spacing=_picked(grid.spacing, self.axes),
            origin=(float(origin[0]), float(origin[1]), float(origin[2])),
            direction=tuple(tuple(row) for row in direction.tolist()),
        )


def orientation_code(grid: VoxelGrid) -> str:
    """Return the letters of the world axes nearest to the index axes x, y, z.

    For oblique grids every world axis is given to exactly one index axis, the most
    certain first; this is the rule of nibabel's ``io_orientation``.
    """
    return "".join(_LETTERS[side] for side in _nearest_sides(grid))


def reorient(volume: Oriented, code: str) -> Oriented:
    """Return the volume or segmentation turned to an orientation.

    Only axes are permuted and flipped: every voxel keeps its value and its place in
    the patient, and an oblique grid stays as oblique as it was. The array is a view.
    ``source`` is kept, so a mask is still written on the grid of its file.

    Parameters
    ----------
    volume : Volume or Segmentation
        Not modified.
    code : str
        Three letters for x, y, z: one of L/R, one of P/A and one of S/I, in any order.

    Returns
    -------
    Volume or Segmentation
        Of the same type.

    Raises
    ------
    GeometryError
        If ``code`` is no orientation.
    """
    wanted = _sides_of(code)
    present = _nearest_sides(volume.grid)
    axes, flips = [0, 0, 0], [False, False, False]
    for new, (world, sign) in enumerate(wanted):
        old = next(i for i, (axis, _) in enumerate(present) if axis == world)
        axes[2 - new] = 2 - old
        flips[2 - new] = present[old][1] != sign
    turn = Turn((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
    return replace(volume, array=turn.array(volume.array), grid=turn.grid(volume.grid))


def turn_between(grid: VoxelGrid, target: VoxelGrid) -> Turn | None:
    """Return the turn that takes an array on ``grid`` to ``target``.

    None if the two grids do not hold the same voxels in another order.
    """
    step = np.linalg.solve(grid.affine, target.affine)  # target index -> grid index
    whole = np.rint(step[:3, :3])
    uses = np.abs(whole)
    if (uses.sum(axis=0) != 1).any() or (uses.sum(axis=1) != 1).any():
        return None
    axes = tuple(int(np.flatnonzero(whole[:, i])[0]) for i in range(3))
    flips = tuple(bool(whole[axis, i] < 0) for i, axis in enumerate(axes))
    turn = Turn((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
    tolerance_mm = _SAME_VOXEL * min(target.spacing)
    if not turn.grid(grid).is_close(target, tolerance_mm=tolerance_mm):
        return None
    return turn


def _picked(values: tuple[Any, Any, Any], axes: tuple[int, int, int]) -> Any:
    """Return the entries of ``values`` in the order of ``axes``."""
    return tuple(values[axis] for axis in axes)


def _nearest_sides(grid: VoxelGrid) -> list[tuple[int, int]]:
    """World axis and sign for the index axes x, y, z."""
    cosines = grid.matrix.copy()
    sides = [(0, 1)] * 3
    certain_first = np.argsort(-np.abs(cosines).max(axis=0), kind="stable")
    for index in certain_first:
        world = int(np.abs(cosines[:, index]).argmax())
        sides[index] = (world, 1 if cosines[world, index] >= 0 else -1)
        cosines[world] = 0.0
    return sides


def _sides_of(code: str) -> list[tuple[int, int]]:
    """World axis and sign named by the letters of ``code``."""
    sides = [_SIDES[letter] for letter in code.upper() if letter in _SIDES]
    if len(code) != 3 or {world for world, _ in sides} != {0, 1, 2}:
        msg = (
            "an orientation must name one of L/R, one of P/A and one of S/I, "
            f'got {code!r}: write for example "LPS" or "RAS"'
        )
        raise GeometryError(msg)
    return sides
