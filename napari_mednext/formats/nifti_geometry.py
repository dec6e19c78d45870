"""From a NIfTI header to a voxel grid and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import GeometryError
from napari_mednext.volume.grid import (
    VoxelGrid,
    affine_gap_mm,
    nearest_grid,
    nearest_rotation,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_mednext.formats.nifti_header import NiftiHeader

__all__ = ["Placement", "grid_of_header", "place", "raw_of_grid"]

_SCANNER, _MM_UNIT = 1, 2
#: Part of the volume's extent by which sform and qform may differ unnoticed. The three
#: stored numbers of a quaternion in single precision leave 3e-4 radian near half turns.
_SAME_PART = 5e-4


@dataclass(frozen=True)
class Placement:
    """A grid, the affine it repairs (None if exact) and what the user should know."""

    grid: VoxelGrid
    affine: tuple[tuple[float, ...], ...] | None = None
    notes: tuple[str, ...] = ()


def place(
    shape: tuple[int, int, int], affine: NDArray[np.float64], *notes: str
) -> Placement:
    """Return the grid of an affine, repaired with a note where it must be.

    Raises
    ------
    GeometryError
        If the affine cannot be repaired.
    """
    grid, moved_mm = nearest_grid(shape, affine)
    if moved_mm == 0.0:
        return Placement(grid, None, notes)
    note = (
        "the voxel axes in the header are not perpendicular; they were turned to the "
        f"nearest ones that are, which moves voxels by up to {moved_mm:.2g} mm (a mask "
        "saved as NIfTI keeps the header's own axes)"
    )
    return Placement(grid, tuple(map(tuple, affine.tolist())), (*notes, note))


def grid_of_header(header: NiftiHeader) -> Placement:
    """Return where a NIfTI header puts its voxels.

    The sform is taken where only it is given or where both agree. Where they disagree,
    the rule is ITK's: an sform that says "scanner" and keeps the spacing wins, else the
    qform, since a registration may have scaled the sform.

    Raises
    ------
    GeometryError
        If no usable affine is there.
    """
    notes = [note for note in (header.unit_note,) if note is not None]
    has_qform, has_sform = header.qform_code > 0, header.sform_code > 0
    if has_sform and has_qform:
        chosen, note = _choose(header)
        notes.extend(note)
    elif has_sform:
        chosen = header.sform_affine()
    elif has_qform:
        chosen = header.qform_affine()
    else:
        chosen = header.spacing_affine()
        notes.append(
            "the header does not say how the volume lies in the patient; left and "
            "right, front and back may be swapped"
        )
    return place(header.shape, chosen, *notes)


def _choose(header: NiftiHeader) -> tuple[NDArray[np.float64], list[str]]:
    """Return the affine to use of a header with both forms, and a note or none."""
    sform, qform = header.sform_affine(), header.qform_affine()
    spacing = np.linalg.norm(qform[:3, :3], axis=0)
    gap_mm = affine_gap_mm(sform, qform, header.shape)
    if not np.isfinite(gap_mm):
        chosen = "qform" if np.isfinite(qform).all() else "sform"
        note = f"sform or qform is not finite: the {chosen} was used"
        return (qform if chosen == "qform" else sform), [note]
    if gap_mm <= _SAME_PART * float((spacing * header.shape).max()):
        return sform, []
    chosen = "sform" if _is_scanner(header, sform, spacing) else "qform"
    note = (
        f"sform and qform of the header disagree by up to {gap_mm:.3g} mm: "
        f"the {chosen} was used"
    )
    return (sform if chosen == "sform" else qform), [note]


def _is_scanner(
    header: NiftiHeader, sform: NDArray[np.float64], spacing: NDArray[np.float64]
) -> bool:
    """Whether an sform is scanner coordinates with the spacing of the header."""
    if header.sform_code != _SCANNER:
        return False
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    if not np.allclose(lengths, spacing, rtol=1e-3, atol=0.0):
        return False
    try:
        return nearest_grid(header.shape, sform)[1] == 0.0
    except GeometryError:
        return False


def raw_of_grid(
    grid: VoxelGrid, affine: tuple[tuple[float, ...], ...] | None = None
) -> Mapping[str, Any]:
    """Return NIfTI fields, as :meth:`NiftiHeader.raw`, that describe a grid.

    Parameters
    ----------
    grid : VoxelGrid
        Goes into the qform, and into the sform unless ``affine`` is given.
    affine : 4 rows of 4, optional
        What the grid repairs; goes into the sform.
    """
    exact = grid.affine if affine is None else np.asarray(affine)
    rows = (np.diag([-1.0, -1.0, 1.0, 1.0]) @ exact[:, [2, 1, 0, 3]])[:3]
    rotation = np.diag([-1.0, -1.0, 1.0]) @ nearest_rotation(grid.matrix)
    qfac = -1.0 if np.linalg.det(rotation) < 0 else 1.0
    left, posterior, superior = grid.origin
    return {
        "pixdim": (qfac, *grid.spacing[::-1]),
        "qform_code": _SCANNER,
        "sform_code": _SCANNER,
        "quaternion": _quaternion(rotation * [1.0, 1.0, qfac]),
        "offset": (-left, -posterior, superior),
        "sform": tuple(tuple(row) for row in rows.tolist()),
        "xyzt_units": _MM_UNIT,
    }


def _quaternion(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return b, c, d of a proper rotation with a >= 0.

    As the eigenvector of Bar-Itzhack's matrix (J. Guid. Control Dyn. 23, 2000), which
    is stable for half turns too.
    """
    r = rotation
    key = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0.0, 0.0, 0.0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0.0, 0.0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0.0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r.trace()],
        ]
    )
    b, c, d, a = np.linalg.eigh(key)[1][:, -1]
    sign = -1.0 if a < 0 else 1.0
    return (float(sign * b), float(sign * c), float(sign * d))
