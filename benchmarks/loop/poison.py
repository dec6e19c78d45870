"""Whether the gate tells poisoned corrections from honest ones, through the real job.

A study has two older accepted cases and three new ones, of which five slices each are
corrected: honestly, with two labels swapped, shifted by ten voxels, or all background.
Scans are parts of heads, of the size of one tile, in a contrast that the shipped model
is bad at, so that honest corrections have something to teach.
"""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.loop.annotator import correct, errors_by_plane, worst_planes
from benchmarks.loop.preparing import SHIPPED, CaseFiles, labels_of, prepare_case
from benchmarks.loop.rounds import open_desk
from benchmarks.loop.tasks import TASKS
from napari_mednext.app.case_keeping import accept_case, read_mask
from napari_mednext.app.chosen_model import remember_model
from napari_mednext.app.engine import Engine
from napari_mednext.errors import MednextError
from napari_mednext.formats import open_volume, save_segmentation, save_volume
from napari_mednext.models import find_model
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.study import CaseEntry, Study
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from benchmarks.loop.results import Results

    Labels = NDArray[np.unsignedinteger]

__all__ = ["POISONS", "background", "run_poison", "shifted", "swapped"]

_TASK = "contrast"
#: None of them is judged in a final stage.
_PERSONS = ("m07", "m08", "m09", "m10", "m12", "m13", "m14", "m16", "m17", "m20")
_OLD, _NEW, _SLICES, _APART = 2, 3, 5, 3
_SHIFT = 10
#: Voxels, (z, y, x): one tile of the shipped model.
_PART = (64, 80, 64)
#: Cortex and white matter.
_SWAPPED = (1, 2)


def swapped(reference: Labels) -> Labels:
    """Return labels in which two are exchanged."""
    table = np.arange(256, dtype=reference.dtype)
    table[list(_SWAPPED)] = _SWAPPED[::-1]
    return table[reference]


def shifted(reference: Labels) -> Labels:
    """Return labels moved to the back, background where nothing comes from."""
    moved = np.zeros_like(reference)
    moved[:, _SHIFT:] = reference[:, :-_SHIFT]
    return moved


def background(reference: Labels) -> Labels:
    """Return nothing but background."""
    return np.zeros_like(reference)


POISONS: Mapping[str, Callable[[Labels], Labels]] = {
    "labels swapped": swapped,
    "shifted by 10 voxels": shifted,
    "all background": background,
}


def run_poison(arguments: argparse.Namespace, results: Results) -> None:
    """Do as many honest and as many poisoned runs as are asked for, if not done yet."""
    kinds = list(POISONS)
    for run in range(arguments.runs):
        for kind in ("honest", kinds[run % len(kinds)]):
            key = {
                "kind": "poison",
                "task": _TASK,
                "stage": "dev",
                "method": kind,
                "seed": arguments.seed,
                "round": run,
            }
            if results.find(**key) is None:
                began = time.monotonic()
                line = {**key, **_one(arguments, kind, run)}
                line["seconds"] = round(time.monotonic() - began, 1)
                results.add(line)
                print(kind, run, line["outcome"], line["reason"], flush=True)


def _one(arguments: argparse.Namespace, kind: str, run: int) -> dict[str, Any]:
    """Do one run, and return what the gate said."""
    folder = arguments.work / "poison"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    chosen = np.random.default_rng([run, arguments.seed]).permutation(_PERSONS)
    cases = [_part(arguments, str(name)) for name in chosen[: _OLD + _NEW]]
    poison = POISONS.get(kind)
    with closing(Study.create(folder / "study", labels=labels_of(TASKS[_TASK]))) as s:
        remember_model(s.path, name=SHIPPED, path=find_model(SHIPPED).path)
        s.add([CaseEntry(c.name, (c.image,), patient=c.name) for c in cases])
        engine = Engine()
        for number, case in enumerate(cases):
            _annotate(s, engine, case, None if number < _OLD else poison, number < _OLD)
        return _improved(s, steps=arguments.steps, seed=run)


def _annotate(
    study: Study,
    engine: Engine,
    case: CaseFiles,
    poison: Callable[[Labels], Labels] | None,
    is_old: bool,  # noqa: FBT001 - private
) -> None:
    """Correct a case whole and accept it, or some slices of it."""
    desk = open_desk(study, engine, SHIPPED)
    opened = desk.open(case.name)
    try:
        truth = read_mask(case.reference, opened.volume)
        if is_old:
            correct(opened.editing, truth, range(len(truth)))
            accept_case(study, opened)
        else:
            errors = errors_by_plane(opened.editing.labels, truth)
            planes = worst_planes(errors, count=_SLICES, apart=_APART)
            correct(opened.editing, poison(truth) if poison else truth, planes)
            desk.save(opened)
    finally:
        opened.close()
        desk.close()


def _improved(study: Study, *, steps: int, seed: int) -> dict[str, Any]:
    """Run the job with its gate, and return the outcome."""
    from napari_mednext.app.improve import comparison_of, start_improve

    settings = ImproveSettings(steps=steps, seed=seed, device="cpu")
    try:
        job = start_improve(study, settings)
    except MednextError as error:
        return {"outcome": "refused", "reason": str(error)}
    while not (view := job.view()).is_over:
        time.sleep(1.0)
    report = comparison_of(job)
    if report is None:
        return {"outcome": str(view.state), "reason": view.message}
    verdict = report.verdict
    return {"outcome": str(verdict.outcome), "reason": verdict.reason}


def _part(arguments: argparse.Namespace, person: str) -> CaseFiles:
    """Return the middle of a person's scan, as files."""
    whole = prepare_case(TASKS[_TASK], person, data=arguments.data, work=arguments.work)
    folder = arguments.work / "cases" / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    part = CaseFiles(
        person, folder / f"{person}.nii.gz", folder / f"{person}.reference.nii.gz"
    )
    if part.image.exists() and part.reference.exists():
        return part
    scan, mask = open_volume(whole.image), open_volume(whole.reference)
    # As they are stored, so that no name of an axis is needed: RAS, z first.
    starts = [max((n - p) // 2, 0) for n, p in zip(scan.grid.shape, _PART, strict=True)]
    box = tuple(slice(a, a + p) for a, p in zip(starts, _PART, strict=True))
    array = np.ascontiguousarray(scan.array[0][box])
    grid = VoxelGrid(array.shape, scan.grid.spacing, direction=scan.grid.direction)
    labels = np.ascontiguousarray(mask.array[0][box]).astype(np.uint8)
    names = labels_of(TASKS[_TASK])
    save_segmentation(
        Segmentation(labels, grid, names.names, names.colors),
        part.reference,
        overwrite=True,
    )
    save_volume(Volume(array, grid, person), part.image, overwrite=True)
    return part
