"""What can be measured of a scan and its segmentation at little cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_mednext.inference.grey import GreyValues
from napari_mednext.models.expectations import Expectations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Evidence", "border_contact", "label_counts", "largest_piece"]

#: Voxels in which pieces are counted.
PIECE_VOXELS = 1_000_000


@dataclass(frozen=True)
class Evidence:
    """What a scan, its segmentation and the model have to say.

    Parameters
    ----------
    known : Expectations
        What the model knows.
    names : mapping of label value to name
    modality : str
        By the header of the scan, empty where it does not say.
    grey : tuple of GreyValues
        One a channel.
    spacing, extent_mm : (z, y, x) mm
        Voxels and size of the scan in the turned axes, without what was cropped away.
    plan_spacing, tile_mm : (z, y, x) mm
        Voxels and size of the network's tiles.
    volumes_ml : mapping of label value to mL
        The labels that occur.
    confidence : float or None
        Mean largest probability over the voxels of the whole.
    contact : float or None
        Largest area of the whole on one face of the scan, as a part of its
        volume^(2/3).
    largest : float or None
        Share of the whole's largest piece.
    is_complete : bool
        Whether all of the scan was segmented.
    """

    known: Expectations
    names: Mapping[int, str]
    modality: str
    grey: tuple[GreyValues, ...]
    spacing: tuple[float, ...]
    extent_mm: tuple[float, ...]
    plan_spacing: tuple[float, ...]
    tile_mm: tuple[float, ...]
    volumes_ml: Mapping[int, float]
    confidence: float | None
    contact: float | None
    largest: float | None
    is_complete: bool

    @property
    def whole_ml(self) -> float:
        """Volume of the labels that belong together."""
        return sum(self.volumes_ml.get(value, 0.0) for value in self.known.whole)

    @property
    def whole_name(self) -> str:
        """What they are called in a sentence."""
        name = self.known.whole_name
        return f"the {name}" if name else "what the model segments"

    def figures(self) -> dict[str, float]:
        """Return what is told beside the findings."""
        found: dict[str, float | None] = {
            "confidence": self.confidence,
            "labelled_ml": sum(self.volumes_ml.values()),
            "whole_ml": self.whole_ml if self.known.whole else None,
            "largest_piece": self.largest,
            "border_contact": self.contact,
            "smallest_extent_mm": min(self.extent_mm),
            "largest_spacing_mm": max(self.spacing),
            "not_finite": max(each.not_finite for each in self.grey),
        }
        return {key: float(v) for key, v in found.items() if v is not None}


def label_counts(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return voxels of each value; plane by plane, since bincount makes a wide copy."""
    total = np.zeros(1, dtype=np.int64)
    for plane in labels:
        counts = np.bincount(plane.ravel(), minlength=len(total))
        counts[: len(total)] += total
        total = counts
    return total


def border_contact(
    labels: NDArray[Any],
    whole: NDArray[np.bool_],
    spacing: Sequence[float],
    volume_mm3: float,
) -> float:
    """Return the largest area on one face, as a part of volume^(2/3).

    Parameters
    ----------
    labels : (z, y, x) unsigned integers
        What was found.
    whole : (n,) bool
        Whether each label value belongs to it.
    spacing : (z, y, x) mm
        Of the labels.
    volume_mm3 : float
        Of the whole; positive.
    """
    areas = []
    for axis in range(3):
        pixel_mm2 = float(np.prod(spacing)) / spacing[axis]
        for end in (0, -1):
            face = whole[labels.take(end, axis=axis)]
            areas.append(float(np.count_nonzero(face)) * pixel_mm2)
    return float(max(areas) / volume_mm3 ** (2 / 3))


def largest_piece(
    labels: NDArray[Any], whole: NDArray[np.bool_], spacing: Sequence[float]
) -> float:
    """Return the share of the largest piece, on a coarser grid where voxels are many.

    Voxels that touch at a corner belong together.
    """
    steps = [1, 1, 1]
    shape = list(labels.shape)
    while np.prod([-(-n // s) for n, s in zip(shape, steps, strict=True)]) > (
        PIECE_VOXELS
    ):
        finest = min(range(3), key=lambda axis: spacing[axis] * steps[axis])
        steps[finest] *= 2
    z, y, x = (slice(None, None, step) for step in steps)
    mask = whole[labels[z, y, x]]
    pieces, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())[1:]
    return float(sizes.max() / sizes.sum()) if sizes.size else 0.0
