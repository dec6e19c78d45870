"""Segmenting scans and judging the masks, as cases of one evaluation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.brain_mr.scans import REGIONS, Scan
from napari_mednext.evaluation import CaseResult, Region, Regions, evaluate_arrays
from napari_mednext.formats import mask_name, save_segmentation, save_volume
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import Segmentation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_mednext.inference.model import Model

__all__ = ["Found", "judge", "segment"]

#: What pictures show, of what a scan's reference knows.
_DRAWN = {
    1: "white matter with brainstem",
    2: "grey matter",
    3: "brain with ventricles",
}


@dataclass(frozen=True)
class Found:
    """What the model made of a scan."""

    segmentation: Segmentation
    processor_s: float
    findings: tuple[str, ...]


def segment(model: Model, scan: Scan, folder: Path, *, mirror: bool) -> Found:
    """Segment a scan and keep the mask.

    Time is that of the processor over all cores, which other programs disturb less.
    """
    started = time.process_time()
    result = model.segment(scan.volume, settings=InferenceSettings(mirror=mirror))
    seconds = time.process_time() - started
    save_segmentation(result, _place(folder, scan), overwrite=True)
    findings = tuple(each.sentence for each in result.quality.findings)
    return Found(result, seconds, findings)


def judge(
    scan: Scan, labels: NDArray[np.generic], folder: Path, *, group: str, note: str = ""
) -> CaseResult:
    """Compare labels with the scan's reference; the files are kept for pictures.

    Parameters
    ----------
    scan : Scan
        With a reference.
    labels : (z, y, x)
        Classes of the model.
    folder : Path
        Gets predictions, references and images.
    group : str
        Heading in the report.
    note : str
        A sentence for the report.
    """
    if scan.reference is None:
        msg = f"{scan.name} has no reference"
        raise ValueError(msg)
    grid = scan.reference.grid
    regions = Regions(
        tuple(
            Region(name, prediction=REGIONS[name], reference=values)
            for name, values in scan.regions.items()
        )
    )
    results = evaluate_arrays(labels, scan.reference.array[0], grid.spacing, regions)
    drawn = {
        "prediction": _drawn(labels, scan, of_model=True),
        "reference": _drawn(scan.reference.array[0], scan, of_model=False),
    }
    paths = {}
    for kind, array in drawn.items():
        paths[kind] = _place(folder / kind, scan)
        save_segmentation(
            Segmentation(array, grid, names=_DRAWN),
            paths[kind],
            overwrite=True,
        )
    image = _place(folder / "image", scan)
    save_volume(scan.volume, image, overwrite=True)
    return CaseResult(
        case=scan.name,
        group=group,
        prediction=paths["prediction"],
        reference=paths["reference"],
        image=image,
        labels=results,
        notes=tuple(n for n in (note, scan.about) if n),
    )


def _place(folder: Path, scan: Scan) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{mask_name(scan.name)}.nii.gz"


def _drawn(
    labels: NDArray[np.generic], scan: Scan, *, of_model: bool
) -> NDArray[np.uint8]:
    """Return what pictures show: tissues, or the brain where there are none."""
    drawn = np.zeros(labels.shape, np.uint8)
    for value, name in _DRAWN.items():
        if name in scan.regions:
            sources = REGIONS[name] if of_model else scan.regions[name]
            drawn[np.isin(labels, sources)] = value
    return drawn
