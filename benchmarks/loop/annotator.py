"""What the simulated annotator does with a case: finds the worst slices, corrects them.

The annotator knows the truth, looks at axial slices, and corrects whole slices: a slice
is exactly the reference afterwards, and reviewed; nothing else is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.correction.change import Change

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction.editing import Editing

__all__ = ["Corrected", "allowed_planes", "correct", "errors_by_plane", "worst_planes"]


@dataclass(frozen=True)
class Corrected:
    """What correcting a case took.

    Parameters
    ----------
    planes : tuple of int
        Axial slices, along axis 0.
    changed, reviewed, total : int
        Voxels whose label changed, that were looked at, and of the whole case.
    """

    planes: tuple[int, ...]
    changed: int
    reviewed: int
    total: int


def errors_by_plane(
    prediction: NDArray[np.unsignedinteger],
    reference: NDArray[np.unsignedinteger],
    *,
    sought: Collection[int] = (),
) -> NDArray[np.int64]:
    """Return how many voxels of each axial plane are wrong.

    Parameters
    ----------
    prediction, reference : (z, y, x)
        Label values.
    sought : collection of int
        Only errors at these labels count, in the prediction or in the reference; all
        count when empty.
    """
    wrong = prediction != reference
    if sought:
        values = list(sought)
        wrong &= np.isin(prediction, values) | np.isin(reference, values)
    counts: NDArray[np.int64] = np.count_nonzero(wrong, axis=(1, 2)).astype(np.int64)
    return counts


def worst_planes(
    errors: NDArray[np.int64],
    *,
    count: int,
    apart: int,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[int, ...]:
    """Return the planes with the most errors, the worst first.

    Parameters
    ----------
    errors : (z,) int
        Of each plane; one without errors is never returned.
    count : int
        The most planes.
    apart : int
        No two of them are closer than this many planes: neighbours teach the same.
    allowed : (z,) bool, optional
        Planes that may be returned; all by default.

    Returns
    -------
    tuple of int
        Of two planes that are equally bad, the lower comes first.
    """
    left = np.array(errors, dtype=np.int64)
    if allowed is not None:
        left[~allowed] = 0
    chosen: list[int] = []
    while len(chosen) < count and left.any():
        plane = int(left.argmax())
        chosen.append(plane)
        left[max(plane - apart + 1, 0) : plane + apart] = 0
    return tuple(chosen)


def allowed_planes(planes: int, slab: int) -> NDArray[np.bool_]:
    """Return the planes of every second slab, from the first on.

    Where one scan is both corrected and judged, these may be corrected.
    """
    allowed: NDArray[np.bool_] = np.arange(planes) // slab % 2 == 0
    return allowed


def correct(
    editing: Editing,
    reference: NDArray[np.unsignedinteger],
    planes: Sequence[int],
) -> Corrected:
    """Correct planes of a case and tick them as reviewed.

    Parameters
    ----------
    editing : Editing
        The case.
    reference : (z, y, x)
        Labels as the annotator believes they are, on the grid of the case.
    planes : sequence of int
    """
    changed = 0
    for plane in planes:
        box = (
            slice(plane, plane + 1),
            slice(0, reference.shape[1]),
            slice(0, reference.shape[2]),
        )
        right = reference[box].astype(editing.labels.dtype)
        changed += int(np.count_nonzero(editing.labels[box] != right))
        editing.apply(Change(box, right), "correct slice")
        editing.review(box)
    return Corrected(
        planes=tuple(planes),
        changed=changed,
        reviewed=len(planes) * reference.shape[1] * reference.shape[2],
        total=reference.size,
    )
