"""SAMSEG, the classic tool for scans of any contrast, as a yardstick.

It is run as its own command (``pip install samseg`` into an environment of its own);
a result that is there is used again, since a scan takes it a quarter of an hour.
Source: Puonti, Iglesias, Van Leemput, NeuroImage 143 (2016).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk  # noqa: N813 - everyone's name for it

import napari_mednext as nm
from napari_mednext.formats import save_volume
from napari_mednext.formats.itk import itk_image
from napari_mednext.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_mednext.training.mapping_table import MappingTable

__all__ = ["run_samseg"]


def run_samseg(
    command: str, volume: Volume, folder: Path, table: MappingTable
) -> tuple[Volume, float]:
    """Segment a scan by SAMSEG on one core.

    Parameters
    ----------
    command : str
        The program ``run_samseg``.
    volume : Volume
        One channel.
    folder : Path
        For its files; a result in it is used again.
    table : MappingTable
        FreeSurfer's labels -> the model's classes.

    Returns
    -------
    Volume
        Classes of the model on the grid of the scan.
    float
        Processor seconds that it took.
    """
    result, timing = folder / "seg.mgz", folder / "processor_seconds.json"
    if not (result.exists() and timing.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        scan = folder / "scan.nii.gz"
        save_volume(volume, scan, overwrite=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [command, "-i", str(scan), "-o", str(folder), "--threads", "1"],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        timing.write_text(json.dumps(used))
    found = nm.open_volume(result)
    labels = _on_grid_of(found, volume)
    classes = np.zeros(int(labels.max()) + 1, np.uint8)
    for source, target in table.targets.items():
        if source < len(classes):
            classes[source] = target
    return (
        Volume(classes[labels], volume.grid, name=volume.name),
        float(json.loads(timing.read_text())),
    )


def _on_grid_of(labels: Volume, like: Volume) -> NDArray[np.uint16]:
    """Return labels by nearest neighbour on the grid of another volume."""
    moved = sitk.Resample(
        itk_image(labels.array[0].astype(np.uint16), labels.grid.affine),
        itk_image(np.zeros(like.grid.shape, np.uint8), like.grid.affine),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
    )
    return np.asarray(sitk.GetArrayFromImage(moved))
