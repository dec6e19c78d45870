"""How doubtful a case is: one figure for it, and one for each label.

A figure is the mean doubt of a label's voxels and of the background around them: what a
model overlooked lies outside its labels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.correction.cells import (
    CELL_MM,
    check_doubt,
    offsets_within,
    shifted,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["case_doubt", "doubt_by_label"]

#: Background at most so far from a label belongs to its border.
SHELL_MM = 3.0


def doubt_by_label(
    doubt: NDArray[np.uint8],
    labels: NDArray[Any],
    spacing: tuple[float, float, float],
) -> dict[int, float]:
    """Return the mean doubt of every label and of the background around it.

    A voxel of the background belongs to the nearest label within about 3 mm, the lowest
    of equally near ones: it is sampled every 2 to 4 mm, and so are the labels that it
    is near to. Inside labels all voxels count.

    Parameters
    ----------
    doubt : (z, y, x) uint8
        0 certain to 255.
    labels : (z, y, x) unsigned integers
        The labels that belong to it.
    spacing : (z, y, x) mm
        Of both.

    Returns
    -------
    dict of label value to doubt
        0 to 1, for the labels that occur, without the background.

    Raises
    ------
    GeometryError
        If the shapes differ.
    InputError
        If the doubt is not uint8, or a spacing is not positive.
    """
    sums, counts = _sums(doubt, labels, spacing)
    return {int(v): float(sums[v] / counts[v] / 255) for v in np.flatnonzero(counts)}


def case_doubt(
    doubt: NDArray[np.uint8],
    labels: NDArray[Any],
    spacing: tuple[float, float, float],
) -> float:
    """Return the mean doubt of all labels and of the background around them.

    Parameters
    ----------
    doubt : (z, y, x) uint8
        0 certain to 255.
    labels : (z, y, x) unsigned integers
        The labels that belong to it.
    spacing : (z, y, x) mm
        Of both.

    Returns
    -------
    float
        0 to 1: the mean of :func:`doubt_by_label` by volume. Where nothing is labelled,
        the mean doubt of the volume.

    Raises
    ------
    GeometryError
        If the shapes differ.
    InputError
        If the doubt is not uint8, or a spacing is not positive.
    """
    sums, counts = _sums(doubt, labels, spacing)
    if counts.sum() == 0:
        return float(doubt.mean() / 255) if doubt.size else 0.0
    return float(sums.sum() / counts.sum() / 255)


def _sums(
    doubt: NDArray[np.uint8], labels: NDArray[Any], spacing: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of doubts and the number of voxels, label by label."""
    check_doubt(doubt, labels, spacing)
    size = int(labels.max(initial=0)) + 1
    sums, counts = np.zeros(size), np.zeros(size)
    for plane, values in zip(labels, doubt, strict=True):
        counts += np.bincount(plane.ravel(), minlength=size)
        sums += np.bincount(plane.ravel(), weights=values.ravel(), minlength=size)
    steps = [max(1, math.ceil(CELL_MM / mm - 1e-9)) for mm in spacing]
    sample = tuple(slice((step - 1) // 2, None, step) for step in steps)
    sampled = labels[sample]
    near = _nearest(sampled, [n * mm for n, mm in zip(steps, spacing, strict=True)])
    around = (sampled == 0) & (near > 0)
    weight = float(np.prod(steps))
    shell = near[around]
    counts += weight * np.bincount(shell, minlength=size)
    sums += weight * np.bincount(shell, weights=doubt[sample][around], minlength=size)
    counts[0] = sums[0] = 0
    return sums, counts


def _nearest(labels: NDArray[Any], steps_mm: list[float]) -> NDArray[Any]:
    """Return labels that have grown into the background around them."""
    near = np.zeros_like(labels)
    free = labels == 0
    for _, ring in _rings(steps_mm):
        found = np.zeros_like(labels)
        for here, there in (shifted(offset, labels.shape) for offset in ring):
            value = labels[there]
            take = (value > 0) & ((found[here] == 0) | (value < found[here]))
            np.copyto(found[here], value, where=take)
        np.copyto(near, found, where=free & (near == 0))
    return near


def _rings(steps_mm: list[float]) -> list[tuple[float, list[tuple[int, int, int]]]]:
    """Return the offsets of the shell by distance, nearest first."""
    rings: dict[float, list[tuple[int, int, int]]] = {}
    for offset in offsets_within(SHELL_MM, steps_mm):
        far_mm = float(np.linalg.norm(np.multiply(offset, steps_mm)))
        if far_mm > 0:
            rings.setdefault(round(far_mm, 6), []).append(offset)
    return sorted(rings.items())
