"""The scans under File > Open Sample; origins and licences in resources/samples."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.ui.bridge import labels_layer
from napari_mednext.ui.readers import volume_layers

if TYPE_CHECKING:
    from napari_mednext.volume import Volume

__all__ = [
    "REFERENCE_NAMES",
    "abdomen_ct",
    "abdomen_mr",
    "head_mr",
    "head_mr_with_reference",
    "sample_path",
]

#: Label values of the Colin27 reference.
REFERENCE_NAMES = {
    1: "white matter",
    2: "grey matter",
    3: "cerebrospinal fluid",
    4: "skull",
    5: "scalp and soft tissue",
    6: "air cavities",
}


def sample_path(name: str) -> Path:
    """Return where a shipped sample lies on disk, by its file name."""
    return Path(str(files("napari_mednext") / "resources" / "samples" / name))


def head_mr() -> list[Any]:
    """Return the T1-weighted MR of one head at 1 mm."""
    return volume_layers(_open("colin27_t1.nii.gz", "Head MR (Colin27)"))


def head_mr_with_reference() -> list[Any]:
    """Return the head MR and the tissues it was divided into."""
    from napari_mednext.labels import LabelSet
    from napari_mednext.volume import Segmentation, reorient

    volume = _open("colin27_labels.nii.gz", "Colin27 reference")
    labels = LabelSet.from_names(REFERENCE_NAMES)
    reference = reorient(
        Segmentation(
            volume.array[0].astype("uint8"),
            volume.grid,
            labels.names,
            labels.colors,
            volume.source,
        ),
        "LPS",
    )
    return [*head_mr(), labels_layer(reference, volume.name)]


def abdomen_ct() -> list[Any]:
    """Return a small CT of an abdomen at 3 mm."""
    return volume_layers(_open("ct_abdomen.nii.gz", "Abdomen CT"))


def abdomen_mr() -> list[Any]:
    """Return a small MR of an abdomen at 3 mm."""
    return volume_layers(_open("mr_abdomen.nii.gz", "Abdomen MR"))


def _open(name: str, title: str) -> Volume:
    """Open a shipped volume and give it a title."""
    from napari_mednext.formats import open_volume

    return replace(open_volume(sample_path(name)), name=title)
