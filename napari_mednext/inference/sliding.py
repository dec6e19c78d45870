"""The sliding window: tiles through the network, into sums, out as labels."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_mednext.inference.accumulate import Accumulator
from napari_mednext.inference.confidence import ConfidenceMeter
from napari_mednext.inference.decide import Decision, PlaneDecider
from napari_mednext.inference.devices import is_out_of_memory
from napari_mednext.inference.engines import Engine
from napari_mednext.inference.ladder import Ladder
from napari_mednext.inference.memory import slab_depth
from napari_mednext.inference.passes import Target
from napari_mednext.inference.preview import Previewer
from napari_mednext.inference.tiles import TileGrid, importance
from napari_mednext.preprocessing import AxisSampling
from napari_mednext.progress import (
    CancelFlag,
    ProgressCallback,
    Stopwatch,
    check_cancelled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_mednext.inference.passes import Pass
    from napari_mednext.inference.tiles import Index

__all__ = ["SlidingWindow"]

_LOG = logging.getLogger(__name__)


@dataclass
class SlidingWindow:
    """Runs passes of tiles and writes the labels that follow.

    Parameters
    ----------
    engine : Engine
        Runs one tile.
    ladder : Ladder
        Says where the sums lie and steps down when memory runs out.
    grid : TileGrid
        All tiles.
    target : Target
        What is wanted, and how it reads the padded input.
    decision : Decision
        How logits become labels.
    labels : (z, y, x) unsigned integers
        The cropped output, usually a view of a larger array; written to.
    probabilities : (k, z, y, x) float32, optional
        The same for probabilities.
    doubt : (z, y, x) uint8, optional
        The same for the doubt.
    confidence : ConfidenceMeter, optional
        Told how sure the model is, plane by plane.
    streamed : bool
        Keep a slab of planes only, and decide planes as they are finished.
    previewer : Previewer, optional
        Shown every finished tile.
    on_progress : callable, optional
        Told after every tile, with the true total of tiles.
    cancel : CancelFlag, optional
        Looked at before every pass of the network and every plane of labels.
    """

    engine: Engine
    ladder: Ladder
    grid: TileGrid
    target: Target
    decision: Decision
    labels: NDArray[Any]
    probabilities: NDArray[np.float32] | None = None
    doubt: NDArray[np.uint8] | None = None
    confidence: ConfidenceMeter | None = None
    streamed: bool = False
    previewer: Previewer | None = None
    on_progress: ProgressCallback | None = None
    cancel: CancelFlag | None = None

    def run(self, data: NDArray[np.float32], passes: Sequence[Pass]) -> None:
        """Run every tile of every pass.

        Parameters
        ----------
        data : (c, z, y, x) float32
            The padded input.
        passes : sequence of Pass
            Their tiles in the order in which they run. In a streamed run z must be
            outermost.

        Raises
        ------
        Cancelled
            If ``cancel`` was set.
        ResourceError
            If memory runs out on the last placement.
        """
        image = torch.from_numpy(data)
        total = sum(len(part.tiles) for part in passes)
        self._watch = Stopwatch(total, "segmenting")
        self._done = 0
        for part in passes:
            self._run_pass(image, part)
        self._tell("writing labels")

    def _tell(self, text: str | None = None) -> None:
        if self.on_progress is not None:
            self.on_progress(self._watch.at(self._done, text))

    def _run_pass(self, image: Tensor, part: Pass) -> None:
        """Run the tiles of one pass and write its part of the output."""
        depth = part.window_shape[0]
        if self.streamed:
            depth = slab_depth(self.grid.tile)
        sums = self.ladder.run(
            lambda: Accumulator(
                self.engine.channels,
                part.window_shape,
                depth,
                self.ladder.placement.sums,
            )
        )
        decider = self._decider(sums, part)
        weights = torch.from_numpy(importance(self.grid.tile).copy())
        first = part.window[0][0]
        for index, start in enumerate(part.tiles):
            if self.streamed and index and start[0] != part.tiles[index - 1][0]:
                final = start[0] - first
                self._advance(decider, sums, final)
                # The next output plane may blend the last final plane with a later one.
                needed = decider.oldest_needed
                sums.release(final if needed is None else min(final, needed))
            self._run_tile(image, start, sums, weights, part)
        self._advance(decider, sums, part.window_shape[0])

    def _run_tile(
        self,
        image: Tensor,
        start: Index,
        sums: Accumulator,
        weights: Tensor,
        part: Pass,
    ) -> None:
        """Run one tile, add it to the sums and tell about it."""
        check_cancelled(self.cancel)
        z, y, x = (
            slice(s, s + size) for s, size in zip(start, self.grid.tile, strict=True)
        )
        tile = image[:, z, y, x]

        def work() -> tuple[Tensor, Tensor]:
            output = self.engine.run(tile, cancel=self.cancel)
            return output.to(sums.device), weights.to(sums.device)

        output, on_device = self.ladder.run(work, sums)
        # Nothing below allocates on a device: a tile is added whole or not at all.
        output, on_device = output.to(sums.device), on_device.to(sums.device)
        z0, y0, x0 = (s - low for s, (low, _) in zip(start, part.window, strict=True))
        sums.add(output, on_device, (z0, y0, x0))
        del output
        self._done += 1
        self._tell()
        if self.previewer is not None:
            self._show(start, (z0, y0, x0), sums)

    def _show(self, start: Index, at: Index, sums: Accumulator) -> None:
        """Make a preview of a tile that was just added."""
        if self.previewer is None:
            return
        tile = self.grid.tile
        rows, columns = slice(at[1], at[1] + tile[1]), slice(at[2], at[2] + tile[2])

        def plane_logits(plane: int) -> Tensor:
            block = sums.block(plane - start[0] + at[0], rows, columns)
            return self.engine.logits(block)

        try:
            self.previewer.show(start, tile, plane_logits)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            _LOG.warning("no previews any more: %s", error)
            self.previewer = None

    def _decider(self, sums: Accumulator, part: Pass) -> PlaneDecider:
        """Return what writes the part's region from the sums."""
        samplings = []
        for sampling, (start, stop), (low, _) in zip(
            self.target.samplings, part.region, part.window, strict=True
        ):
            samplings.append(
                AxisSampling(
                    sampling.low[start:stop] - low,
                    sampling.high[start:stop] - low,
                    sampling.weight[start:stop],
                )
            )
        region = tuple(slice(*limits) for limits in part.region)
        probabilities = self.probabilities
        if probabilities is not None:
            probabilities = probabilities[(slice(None), *region)]

        def logits(plane: int) -> Tensor:
            check_cancelled(self.cancel)
            return self.engine.logits(sums.plane(plane))

        return PlaneDecider(
            self.labels[region],
            samplings,
            logits,
            self.decision,
            probabilities=probabilities,
            doubt=None if self.doubt is None else self.doubt[region],
            confidence=self.confidence,
        )

    def _advance(self, decider: PlaneDecider, sums: Accumulator, final: int) -> None:
        """Write what is final; when a device is full, from sums in main memory."""

        def work() -> None:
            try:
                decider.advance(final)
            except (RuntimeError, MemoryError):
                # What is cached may lie on a device that is left now.
                decider.forget()
                raise

        self.ladder.run(work, sums)
