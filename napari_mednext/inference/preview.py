"""Rough labels of a tile as soon as it is done, on the volume's own grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.inference.turning import Shape, Slices, block_back, box_back

if TYPE_CHECKING:
    from torch import Tensor

    from napari_mednext.inference.decide import Decision
    from napari_mednext.inference.passes import Target
    from napari_mednext.inference.tiles import Index, Region
    from napari_mednext.preprocessing import Box
    from napari_mednext.volume.orientation import Turn

__all__ = ["Preview", "PreviewCallback", "Previewer"]


@dataclass(frozen=True)
class Preview:
    """What a part of the segmentation looks like so far.

    Parameters
    ----------
    slices : three slices
        Where, in the volume's own (z, y, x) voxels.
    labels : (z, y, x) unsigned integers
        Labels of the tiles summed up so far, from the nearest voxel of the network's
        grid: rough where spacings differ and where further tiles will add to them.
    """

    slices: Slices
    labels: NDArray[Any]


PreviewCallback = Callable[[Preview], None]


class Previewer:
    """Makes previews of tiles.

    Parameters
    ----------
    callback : callable
        Receives every :class:`Preview`, in the thread of the run.
    turn : Turn
        From the volume's axes to the plan's.
    shape : (z, y, x) voxels
        The volume's own.
    box : Box
        The part of the turned volume that was not cropped away.
    target : Target
        What is wanted, and how it reads the padded input.
    decision : Decision
        How logits become labels.
    dtype : numpy dtype
        Of the labels.
    """

    def __init__(
        self,
        callback: PreviewCallback,
        *,
        turn: Turn,
        shape: Shape,
        box: Box,
        target: Target,
        decision: Decision,
        dtype: type[np.unsignedinteger[Any]],
    ) -> None:
        self._callback = callback
        self._turn = turn
        self._shape = shape
        self._box = box
        self._region = target.region
        self._decision = decision
        self._dtype = dtype
        self._nearest = tuple(
            np.where(sampling.weight > 0.5, sampling.high, sampling.low)
            for sampling in target.samplings
        )

    def show(
        self, start: Index, tile: Index, plane_logits: Callable[[int], Tensor]
    ) -> None:
        """Make the preview of a tile and hand it on.

        Parameters
        ----------
        start, tile : (z, y, x) voxels
            The tile's start in the padded input, and its shape.
        plane_logits : callable
            Plane of the padded input to logits (k, y, x) of the tile's rows and
            columns.
        """
        ranges, reads = [], []
        for nearest, first, size, (low, high), (crop, _) in zip(
            self._nearest, start, tile, self._region, self._box, strict=True
        ):
            begin = max(int(np.searchsorted(nearest, first)), low)
            end = min(int(np.searchsorted(nearest, first + size)), high)
            if end <= begin:
                return
            ranges.append((crop + begin, crop + end))
            reads.append(nearest[begin:end])
        planes, rows, columns = reads
        block = np.empty(tuple(len(r) for r in reads), dtype=self._dtype)
        in_tile = np.ix_(rows - start[1], columns - start[2])
        done = -1
        for index, plane in enumerate(planes):
            if int(plane) == done:
                block[index] = block[index - 1]
                continue
            done = int(plane)
            labels = self._decision.labels(plane_logits(done)).cpu().numpy()
            block[index] = labels[in_tile]
        region: Region = (ranges[0], ranges[1], ranges[2])
        slices = box_back(self._turn, self._shape, region)
        self._callback(Preview(slices, block_back(self._turn, block)))
