"""Where the voxels of a volume lie in the patient.

Conventions, used everywhere in this package: array axes are ``(z, y, x)``, and so
are ``shape`` and ``spacing``. ``origin`` is a point and ``direction`` a matrix in
patient space, in the order that DICOM and SimpleITK use: world axes are L, P, S (to
the left, to the back, upwards) in mm, and the columns of ``direction`` are the unit
vectors of the index axes x, y, z, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.errors import GeometryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["VoxelGrid", "nearest_grid", "nearest_rotation"]

#: Deviation of ``direction.T @ direction`` from the identity that is rounding noise of
#: single-precision headers.
ORTHONORMAL_TOLERANCE = 1e-4
#: Largest deviation that is still repaired; beyond it the header is taken as wrong.
REPAIRABLE_DEVIATION = 0.2


def nearest_rotation(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the orthonormal matrix nearest to ``matrix`` (polar projection).

    Handedness is kept: the sign of the determinant does not change.

    Parameters
    ----------
    matrix : (3, 3) float64
        Columns are the directions of the index axes.

    Returns
    -------
    (3, 3) float64
        ``U @ Vt`` of the singular value decomposition.

    Raises
    ------
    GeometryError
        If the matrix is singular or not finite.

    References
    ----------
    .. [1] N. J. Higham, Computing the polar decomposition, SIAM J. Sci. Stat.
       Comput. 7 (1986), theorem 2.1: the unitary polar factor is nearest in the
       Frobenius norm.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        msg = (
            f"a direction must be a finite 3 x 3 matrix, got {matrix.tolist()!r}: "
            "repair the header"
        )
        raise GeometryError(msg)
    u, singular_values, vt = np.linalg.svd(matrix)
    if singular_values[-1] < 1e-6 * max(singular_values[0], 1e-300):
        msg = (
            f"a direction must span three axes, got the singular {matrix.tolist()!r}: "
            "repair the header"
        )
        raise GeometryError(msg)
    rotation: NDArray[np.float64] = u @ vt
    return rotation


@dataclass(frozen=True)
class VoxelGrid:
    """Shape, spacing, origin and direction of a regular grid of voxels.

    Parameters
    ----------
    shape : (z, y, x) voxels
        At least one voxel an axis.
    spacing : (z, y, x) mm
        Distance between neighbouring voxel centres, positive.
    origin : (L, P, S) mm
        Centre of voxel ``(0, 0, 0)``.
    direction : 3 rows of 3
        Rows are world axes L, P, S; columns the index axes x, y, z. Orthonormal within
        1e-4.

    Raises
    ------
    GeometryError
        If any of this does not hold.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[tuple[float, float, float], ...] = (
        (1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0),
        (0.0, 0.0, 1.0),
    )

    def __post_init__(self) -> None:
        _triple("shape", self.shape)
        _triple("spacing", self.spacing)
        _triple("origin", self.origin)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "spacing", tuple(float(s) for s in self.spacing))
        object.__setattr__(self, "origin", tuple(float(o) for o in self.origin))
        matrix = np.asarray(self.direction, dtype=np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            msg = f"direction must be a finite 3 x 3 matrix, got {self.direction!r}"
            raise GeometryError(msg)
        object.__setattr__(
            self, "direction", tuple(tuple(float(v) for v in row) for row in matrix)
        )
        if min(self.shape) < 1:
            msg = f"every axis must have at least one voxel, got shape {self.shape}"
            raise GeometryError(msg)
        if not all(np.isfinite(s) and s > 0 for s in self.spacing):
            msg = (
                "every spacing must be a positive number of mm, "
                f"got {self.spacing}: repair the header"
            )
            raise GeometryError(msg)
        if not np.isfinite(self.origin).all():
            msg = f"the origin must be finite, got {self.origin}: repair the header"
            raise GeometryError(msg)
        deviation = float(np.abs(matrix.T @ matrix - np.eye(3)).max())
        if deviation > ORTHONORMAL_TOLERANCE:
            msg = (
                "the axes of a voxel grid must be perpendicular unit vectors, "
                f"got a deviation of {deviation:.2g}: project them with "
                "nearest_rotation"
            )
            raise GeometryError(msg)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """``direction`` as a (3, 3) float64 array, columns x, y, z."""
        return np.asarray(self.direction, dtype=np.float64)

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4) float64 that takes ``(z, y, x, 1)`` indices to L, P, S in mm."""
        affine = np.eye(4)
        affine[:3, :3] = self.matrix[:, ::-1] * np.asarray(self.spacing)
        affine[:3, 3] = self.origin
        return affine

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in cubic millimetres."""
        return float(np.prod(self.spacing))

    @property
    def obliquity_deg(self) -> float:
        """Largest angle between an index axis and its nearest world axis."""
        cosines = np.abs(self.matrix).max(axis=0)
        return float(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))).max())

    def to_world(self, index: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the L, P, S positions in mm, (..., 3), of ``(z, y, x)`` indices."""
        index = np.asarray(index, dtype=np.float64)
        world: NDArray[np.float64] = index @ self.affine[:3, :3].T + self.affine[:3, 3]
        return world

    def is_close(self, other: VoxelGrid, *, tolerance_mm: float = 1e-4) -> bool:
        """Whether both grids put every voxel at the same place within a tolerance."""
        if self.shape != other.shape:
            return False
        return affine_gap_mm(self.affine, other.affine, self.shape) <= tolerance_mm


def affine_gap_mm(
    first: NDArray[np.float64], second: NDArray[np.float64], shape: tuple[int, int, int]
) -> float:
    """Return the largest distance in mm, along one world axis, between two affines.

    Parameters
    ----------
    first, second : (4, 4) float64
        Both take ``(z, y, x, 1)`` indices to world mm.
    shape : (z, y, x) voxels
        The eight corners decide: affine maps that agree there agree in between.
    """
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    ends = np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.abs(((first - second) @ ends)[:3]).max())


def nearest_grid(
    shape: tuple[int, int, int], affine: NDArray[np.float64]
) -> tuple[VoxelGrid, float]:
    """Return the grid nearest to an affine, and how far it moves a voxel.

    Spacing and origin are those of the affine; only axes that are not perpendicular
    are turned, by polar projection. Rounding noise is left as it is.

    Parameters
    ----------
    shape : (z, y, x) voxels
        At least one voxel an axis.
    affine : (4, 4) float64
        Takes ``(z, y, x, 1)`` indices to L, P, S in mm.

    Returns
    -------
    VoxelGrid
        The grid.
    float, mm
        Largest move of a voxel along a world axis; 0 if nothing was repaired.

    Raises
    ------
    GeometryError
        If the affine is not finite, singular, or too far from perpendicular axes.
    """
    affine = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(affine).all():
        msg = f"an affine must be finite, got {affine.tolist()!r}: repair the header"
        raise GeometryError(msg)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not (spacing > 0).all():
        msg = (
            "every voxel axis must have a length, "
            f"got the spacing {tuple(spacing.tolist())} mm (z, y, x): repair the header"
        )
        raise GeometryError(msg)
    matrix = (affine[:3, :3] / spacing)[:, ::-1]
    rotation = nearest_rotation(matrix)
    deviation = float(np.abs(matrix.T @ matrix - np.eye(3)).max())
    if deviation > REPAIRABLE_DEVIATION:
        angle_deg = float(np.degrees(np.arcsin(min(deviation, 1.0))))
        msg = (
            "the voxel axes must be perpendicular, "
            f"got axes that are {angle_deg:.0f} degrees off: "
            "resample the volume to a rectangular grid first"
        )
        raise GeometryError(msg)
    needs_repair = deviation > ORTHONORMAL_TOLERANCE
    grid = VoxelGrid(
        shape=shape,
        spacing=tuple(spacing.tolist()),
        origin=tuple(affine[:3, 3].tolist()),
        direction=tuple(map(tuple, (rotation if needs_repair else matrix).tolist())),
    )
    moved_mm = affine_gap_mm(grid.affine, affine, grid.shape) if needs_repair else 0.0
    return grid, moved_mm


def _triple(name: str, value: object) -> None:
    """Refuse anything that is not a sequence of three."""
    if np.asarray(value).shape != (3,):
        msg = f"{name} must have three entries (z, y, x), got {value!r}"
        raise GeometryError(msg)
