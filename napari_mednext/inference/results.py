"""What a run gives back: labels, and with them what was asked for besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.volume import Segmentation

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.volume import Volume

__all__ = [
    "Scores",
    "SegmentationWithDoubt",
    "SegmentationWithDoubtAndProbabilities",
    "SegmentationWithProbabilities",
    "segmentation_of",
]


@dataclass(frozen=True)
class SegmentationWithProbabilities(Segmentation):
    """A segmentation and what it was decided from.

    Parameters
    ----------
    probabilities : (k, z, y, x) float32
        Softmax over background and labels, or with regions the sigmoid of each region.
        Where the image was cropped away: background with certainty.
    """

    probabilities: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, 0, 0, 0), dtype=np.float32)
    )


@dataclass(frozen=True)
class SegmentationWithDoubt(Segmentation):
    """A segmentation and how much the model was in doubt, voxel by voxel.

    Parameters
    ----------
    doubt : (z, y, x) uint8
        0 where the model was certain, 255 where it knew nothing, as
        :mod:`napari_mednext.inference.doubt` says. 0 where the image was cropped away
        and outside a region of interest.
    """

    doubt: NDArray[np.uint8] = field(
        default_factory=lambda: np.zeros((0, 0, 0), dtype=np.uint8)
    )


@dataclass(frozen=True)
class SegmentationWithDoubtAndProbabilities(
    SegmentationWithDoubt, SegmentationWithProbabilities
):
    """A segmentation with both, as the classes that it is made of say."""


@dataclass(frozen=True)
class Scores:
    """Arrays of the volume's shape that are filled beside the labels, if wanted.

    Parameters
    ----------
    probabilities : (k, z, y, x) float32, optional
    doubt : (z, y, x) uint8, optional
    """

    probabilities: NDArray[np.float32] | None = None
    doubt: NDArray[np.uint8] | None = None

    @classmethod
    def empty(
        cls,
        volume: Volume,
        heads: int,
        *,
        with_regions: bool,
        probabilities: bool,
        doubt: bool,
    ) -> Scores:
        """Return arrays that say background everywhere, without doubt.

        Parameters
        ----------
        volume : Volume
            On whose grid they lie.
        heads : int
            Probabilities of a voxel.
        with_regions : bool
            Whether heads are regions: then background has none of its own.
        probabilities, doubt : bool
            Which are wanted.
        """
        scores = None
        if probabilities:
            scores = np.zeros((heads, *volume.grid.shape), dtype=np.float32)
            if not with_regions:
                scores[0] = 1
        doubts = np.zeros(volume.grid.shape, dtype=np.uint8) if doubt else None
        return cls(scores, doubts)

    def through(self, view: Callable[[NDArray[Any]], NDArray[Any]]) -> Scores:
        """Return what is seen of the same arrays through a view."""
        return Scores(
            None if self.probabilities is None else view(self.probabilities),
            None if self.doubt is None else view(self.doubt),
        )


def segmentation_of(found: Segmentation, scores: Scores) -> Segmentation:
    """Return a segmentation that carries the scores that there are.

    Parameters
    ----------
    found : Segmentation
        Without any.
    scores : Scores
        Of its shape.

    Returns
    -------
    Segmentation
        Of the class of this module that holds what there is.
    """
    given = (found.array, found.grid, found.names, found.colors)
    rest = (found.source, found.quality)
    probabilities, doubt = scores.probabilities, scores.doubt
    if probabilities is not None and doubt is not None:
        return SegmentationWithDoubtAndProbabilities(
            *given, *rest, probabilities=probabilities, doubt=doubt
        )
    if probabilities is not None:
        return SegmentationWithProbabilities(*given, *rest, probabilities=probabilities)
    if doubt is not None:
        return SegmentationWithDoubt(*given, *rest, doubt=doubt)
    return found
