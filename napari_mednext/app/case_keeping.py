"""Keeping what a person and a model did for a case: files, figures, effort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.app.open_case import Answer, OpenCase, dice_by_label
from napari_mednext.correction.provenance import REVIEWED
from napari_mednext.errors import GeometryError, StorageError
from napari_mednext.formats import open_volume, save_segmentation
from napari_mednext.study import CaseState
from napari_mednext.volume import Segmentation, Volume, reorient

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_mednext.labels import LabelSet
    from napari_mednext.study import Study

__all__ = ["accept_case", "keep_answer", "read_mask", "save_case", "touch_case"]


def keep_answer(study: Study, case: OpenCase, answer: Answer) -> None:
    """Keep a model's answer for the whole of a case on disk, and its figures."""
    paths = study.folder.case(case.name, answer.version)
    for array, path in (
        (answer.labels, paths.prediction),
        (answer.doubt, paths.doubt),
    ):
        if array is not None and path is not None:
            mask = on_grid(array, case.volume, case.labels)
            save_segmentation(mask, path, overwrite=True)
    _keep_figures(study, case.name, answer, case.spacing)
    study.set_prediction(case.name, answer.version.code)
    case.answer = answer


def save_case(study: Study, case: OpenCase) -> None:
    """Fold the steps into the files, and renew the training labels.

    Does nothing for a case that is closed, or that another window has.
    ``StorageError`` when something cannot be written; nothing is lost by that.
    """
    with case.keeping:
        if case.is_read_only or case.is_closed:
            return
        case.annotation.save(case.labels)
        _, labels, provenance = case.editing.recorded()
        training = study.folder.training_label(case.name)
        if (provenance & REVIEWED).any() or training.exists():
            mask = on_grid(labels, case.volume, case.labels)
            study.write_training_label(case.name, mask, provenance)
        if case.is_worked_on:
            touch_case(study, case)
        _keep_effort(study, case)


def accept_case(study: Study, case: OpenCase) -> None:
    """Tick the whole case as reviewed, save it, and count it as done.

    Raises
    ------
    StorageError
        If another window has the case; or if something cannot be written: the case
        keeps its state, its steps are kept, and it can be accepted again.
    """
    if case.is_read_only:
        msg = (
            f"{case.name!r} must be accepted in the window that has it, but "
            f"{case.holder}: close it there and open it again"
        )
        raise StorageError(msg)
    with case.keeping:
        case.editing.review(title="accept")
        save_case(study, case)
        dice: dict[int, float] = {}
        if case.answer is not None:
            dice = dice_by_label(case.answer.labels, case.editing.labels, case.labels)
        study.add_effort(case.name, model=case.code, dice=dice)
        study.set_state(case.name, CaseState.ACCEPTED)


def _keep_figures(
    study: Study, name: str, answer: Answer, spacing: tuple[float, float, float]
) -> None:
    """Keep how doubtful and how large every label is, for the order of cases."""
    from napari_mednext.correction.spots import doubt_by_label

    counts = np.bincount(answer.labels.ravel())
    voxel_ml = float(np.prod(spacing)) / 1000.0
    ml = {v: float(n) * voxel_ml for v, n in enumerate(counts) if v and n}
    doubt: dict[int, float] = {}
    if answer.doubt is not None:
        doubt = doubt_by_label(answer.doubt, answer.labels, spacing)
    study.set_figures(name, doubt, ml)


def _keep_effort(study: Study, case: OpenCase) -> None:
    """Book the work since the last time; what cannot be booked stays for the next."""
    editing = case.editing
    case.unbooked_s += case.clock.take()
    seconds, strokes, voxels = case.unbooked_s, editing.strokes, editing.voxels_changed
    study.add_effort(
        case.name,
        model=case.code,
        seconds=seconds,
        strokes=strokes,
        voxels_changed=voxels,
    )
    case.unbooked_s -= seconds
    editing.strokes -= strokes
    editing.voxels_changed -= voxels


def touch_case(study: Study, case: OpenCase) -> None:
    """Say that a person is working on a case; call it after the first step."""
    now = study.case(case.name).state
    if now in (CaseState.NEW, CaseState.PREDICTED, CaseState.ACCEPTED):
        study.set_state(case.name, CaseState.IN_PROGRESS)


def read_mask(path: Path, volume: Volume) -> NDArray[Any]:
    """Return a mask on the grid of a turned scan.

    Raises
    ------
    GeometryError
        If it lies on another grid, or its values cannot be labels.
    """
    mask = reorient(open_volume(path), "LPS")
    if not mask.grid.is_close(volume.grid, tolerance_mm=1e-2):
        msg = (
            f"the mask {path.name!r} must lie on the grid of the scan "
            f"{volume.grid.shape}, got {mask.grid.shape} at another place: resample it"
        )
        raise GeometryError(msg)
    array = mask.array[0]
    low, high = array.min(initial=0), array.max(initial=0)
    kind = np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16
    is_whole = array.dtype.kind in "biu" or np.array_equal(array, np.rint(array))
    if low < 0 or high > np.iinfo(np.uint16).max or not is_whole:
        msg = (
            f"the mask {path.name!r} must hold whole numbers from 0 to "
            f"{np.iinfo(np.uint16).max}, got {array.dtype} from {low} to {high}: "
            "give a mask of labels"
        )
        raise GeometryError(msg)
    return np.ascontiguousarray(array.astype(kind))


def on_grid(array: NDArray[Any], volume: Volume, labels: LabelSet) -> Segmentation:
    """Return labels on the grid of a scan."""
    return Segmentation(array, volume.grid, labels.names, labels.colors, volume.source)
