"""From working labels to training labels: what nobody has looked at teaches nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_mednext.errors import GeometryError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.labels import LabelSet

__all__ = ["HUMAN", "REVIEWED", "TrainingValues", "training_labels"]

#: Source of a voxel that a person drew, in the low seven bits of its provenance.
HUMAN = 1
#: Bit of a voxel that a person has looked at, whoever drew it.
REVIEWED = 0x80
_SOURCE = 0x7F
_VALUES = 1 << 16


@dataclass(frozen=True)
class TrainingValues:
    """How label values are counted through for training, as nnU-Net needs them.

    Parameters
    ----------
    mapping : mapping of label value to training value
        In order of label value: 1, 2, 3, ...; the background, 0, is not in it.
    ignore : int
        The value after the last: voxels that are not learnt from.
    """

    mapping: Mapping[int, int]
    ignore: int

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """Return the training values of a label set."""
        mapping = {label.value: i for i, label in enumerate(labels, start=1)}
        return cls(MappingProxyType(mapping), len(mapping) + 1)

    @property
    def key(self) -> str:
        """A text that differs from that of every other numbering."""
        return json.dumps(list(self.mapping))


def training_labels(
    labels: NDArray[np.unsignedinteger[Any]],
    provenance: NDArray[np.uint8],
    mapping: Mapping[int, int],
    ignore: int,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the labels to train with.

    Voxels that a person drew or reviewed keep their label, as its training value; the
    background stays 0. All other voxels get the ignore value.

    Parameters
    ----------
    labels : (z, y, x) uint8 or uint16
        The working labels. Not modified.
    provenance : (z, y, x) uint8
        Source in the low seven bits, `REVIEWED` in the high one. Not modified.
    mapping : mapping of label value to training value
        Of every label but the background.
    ignore : int
        0..65535.

    Returns
    -------
    (z, y, x) uint8, or uint16 where a value needs it

    Raises
    ------
    GeometryError
        If labels and provenance differ in shape.
    InputError
        If a voxel that would be kept has a label without a training value.
    """
    if labels.shape != provenance.shape:
        msg = (
            f"labels {labels.shape} and provenance {provenance.shape} must have one "
            "shape: make them from one volume"
        )
        raise GeometryError(msg)
    highest = max(ignore, *mapping.values()) if mapping else ignore
    dtype = np.uint8 if highest <= np.iinfo(np.uint8).max else np.uint16
    table = np.full(_VALUES, ignore, dtype)
    known = np.zeros(_VALUES, bool)
    table[0], known[0] = 0, True
    for value, training in mapping.items():
        table[value], known[value] = training, True
    result: NDArray[Any] = np.empty(labels.shape, dtype)
    # Plane by plane, so that no second array of the size of the volume is made.
    for plane, source, target in zip(labels, provenance, result, strict=True):
        kept = ((source & REVIEWED) != 0) | ((source & _SOURCE) == HUMAN)
        if not known[plane[kept]].all():
            wrong = np.unique(plane[kept & ~known[plane]]).tolist()
            msg = (
                f"every label must be one of the study, got {wrong}: add them to the "
                "labels of the study or clear their voxels"
            )
            raise InputError(msg)
        target[...] = np.where(kept, table[plane], dtype(ignore))
    return result
