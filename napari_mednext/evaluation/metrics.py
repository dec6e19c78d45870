"""Dice, surface Dice, HD95 and volume error of every label of one case.

A label that one of the two masks lacks, or both, has defined results, see
:class:`~napari_mednext.evaluation.results.LabelResult`. No result is NaN or infinite.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_mednext.errors import InputError
from napari_mednext.evaluation.regions import Regions
from napari_mednext.evaluation.results import LabelResult, State
from napari_mednext.evaluation.surfaces import surface_distances
from napari_mednext.progress import check_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_mednext.evaluation.regions import Region
    from napari_mednext.progress import CancelFlag

__all__ = ["evaluate_arrays", "label_values"]

#: The percentile of HD95.
_PERCENT = 95.0
#: A distance may exceed a tolerance by so much of it: headers in single precision make
#: 1 mm into 1.0000001 mm, and a step of one voxel would then miss a tolerance of 1 mm.
_SPACING_NOISE = 1e-4
_STATES: dict[tuple[bool, bool], State] = {
    (True, True): "both",
    (False, True): "missing",
    (True, False): "extra",
    (False, False): "absent",
}

_Box = tuple[slice, ...]


def evaluate_arrays(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: tuple[float, float, float],
    regions: Regions | None = None,
    *,
    tolerances_mm: Sequence[float] = (1.0, 2.0),
    cancel: CancelFlag | None = None,
    on_region: Callable[[int, int], None] | None = None,
) -> tuple[LabelResult, ...]:
    """Return the results of every region of two masks on the same grid.

    Parameters
    ----------
    prediction, reference : (z, y, x) whole numbers from 0 to 65535
        Same shape; floats are taken if they are whole. Not modified.
    spacing : (z, y, x) mm
        Of the voxels of both.
    regions : Regions, optional
        What to compare; every label value of either side when left out.
    tolerances_mm : sequence of float
        For surface Dice; none negative.
    cancel : CancelFlag, optional
        Looked at before every region.
    on_region : callable, optional
        Told how many regions are done, and of how many.

    Returns
    -------
    tuple of LabelResult
        In the order of the regions.

    Raises
    ------
    InputError
        If the arrays are no label maps of one 3D shape, or a spacing or a tolerance
        is impossible.
    Cancelled
        If ``cancel`` is set.

    Notes
    -----
    Every region is cropped to the box that holds it on both sides. Where the reference
    is ignored, both masks are cut before anything is measured.
    """
    predicted = label_values(prediction, "a prediction")
    true = label_values(reference, "a reference")
    _check(predicted, true, spacing, tolerances_mm)
    if regions is None:
        values = {*np.unique(predicted).tolist(), *np.unique(true).tolist()} - {0}
        if not values:
            return ()
        regions = Regions.of_labels(values)
    if regions.ignore_reference:
        seen = ~np.isin(true, regions.ignore_reference)
        predicted, true = predicted * seen, true * seen
    boxes = ndimage.find_objects(predicted), ndimage.find_objects(true)
    diagonal_mm = math.hypot(
        *(n * mm for n, mm in zip(true.shape, spacing, strict=True))
    )
    results: list[LabelResult] = []
    for region in regions.regions:
        check_cancelled(cancel)
        box = _joint_box(boxes, region)
        results.append(
            _evaluate_region(
                np.isin(predicted[box], region.prediction),
                np.isin(true[box], region.reference),
                region,
                spacing=spacing,
                tolerances_mm=tolerances_mm,
                diagonal_mm=diagonal_mm,
            )
        )
        if on_region is not None:
            on_region(len(results), len(regions.regions))
    return tuple(results)


def label_values(array: NDArray[Any], what: str) -> NDArray[np.unsignedinteger]:
    """Return a label map as uint8 or uint16.

    Parameters
    ----------
    array : any real dtype
        Floats are taken if they are whole.
    what : str
        What to call it in a sentence.

    Returns
    -------
    uint8 or uint16
        The array itself where it has that type.

    Raises
    ------
    InputError
        If a value is not a whole number from 0 to 65535.
    """
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype.kind not in "biuf":
        msg = f"{what} must be a label map, got {array.dtype}: choose another file"
        raise InputError(msg)
    if not array.size:
        return array.astype(np.uint8)
    low, high = float(array.min()), float(array.max())
    # NaN passes no comparison.
    inside = 0 <= low <= high <= np.iinfo(np.uint16).max
    if not inside or (array.dtype.kind == "f" and (np.rint(array) != array).any()):
        msg = (
            f"{what} must hold whole label values from 0 to 65535, got values from "
            f"{low:g} to {high:g}: choose a label map"
        )
        raise InputError(msg)
    return array.astype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)


def _check(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Sequence[float],
    tolerances_mm: Sequence[float],
) -> None:
    """Refuse what cannot be compared.

    Raises
    ------
    InputError
        If there is something.
    """
    if prediction.ndim != 3 or prediction.shape != reference.shape:
        msg = (
            "both masks must have the same (z, y, x) shape, got "
            f"{prediction.shape} and {reference.shape}: resample one of them"
        )
        raise InputError(msg)
    if len(spacing) != 3 or not all(math.isfinite(s) and s > 0 for s in spacing):
        msg = f"every spacing must be a positive number of mm, got {spacing}: repair it"
        raise InputError(msg)
    if not all(math.isfinite(t) and t >= 0 for t in tolerances_mm):
        msg = f"a tolerance must be at least 0 mm, got {tuple(tolerances_mm)}: raise it"
        raise InputError(msg)


def _joint_box(
    boxes: tuple[list[_Box | None], list[_Box | None]], region: Region
) -> _Box:
    """Return the smallest box around a region on both sides, or an empty one."""
    found = [
        of_side[value - 1]
        for of_side, values in zip(
            boxes, (region.prediction, region.reference), strict=True
        )
        for value in values
        if value <= len(of_side)
    ]
    known = [box for box in found if box is not None]
    if not known:
        return (slice(0, 0),) * 3
    return tuple(
        slice(min(s.start for s in axis), max(s.stop for s in axis))
        for axis in zip(*known, strict=True)
    )


def _evaluate_region(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    region: Region,
    *,
    spacing: tuple[float, float, float],
    tolerances_mm: Sequence[float],
    diagonal_mm: float,
) -> LabelResult:
    """Return the results of two masks, cropped to their box."""
    voxels, true_voxels = int(prediction.sum()), int(reference.sum())
    state = _STATES[voxels > 0, true_voxels > 0]
    voxel_ml = math.prod(spacing) / 1000.0
    dice: float | None = None if state == "absent" else 0.0
    surface_dice: dict[float, float | None] = dict.fromkeys(tolerances_mm, dice)
    hd95_mm = None if state == "absent" else diagonal_mm
    if state == "both":
        shared = int((prediction & reference).sum())
        dice = 2.0 * shared / (voxels + true_voxels)
        distances = surface_distances(prediction, reference, spacing)
        surface_dice = {
            tolerance: distances.dice(tolerance * (1.0 + _SPACING_NOISE))
            for tolerance in tolerances_mm
        }
        hd95_mm = distances.percentile_mm(_PERCENT)
    percent = 100.0 * (voxels - true_voxels) / true_voxels if true_voxels else None
    return LabelResult(
        name=region.name,
        value=region.value,
        state=state,
        dice=dice,
        surface_dice=surface_dice,
        hd95_mm=hd95_mm,
        volume_ml=voxels * voxel_ml,
        reference_ml=true_voxels * voxel_ml,
        volume_error_ml=(voxels - true_voxels) * voxel_ml,
        volume_error_percent=None if state == "absent" else percent,
    )
