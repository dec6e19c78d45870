"""From logits on the network's grid to labels on the volume's, plane by plane.

nnU-Net resamples all logits, then takes the argmax; the same labels come out of one
plane at a time, so no array of (class, z, y, x) ever exists. Besides, where the eight
voxels around a place agree on their class, a mean of them does too, and nothing needs
to be interpolated: only the borders of labels are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from napari_mednext.inference.doubt import as_bytes, entropy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_mednext.inference.confidence import ConfidenceMeter
    from napari_mednext.preprocessing import AxisSampling

__all__ = ["Decision", "PlaneDecider"]

#: Values of logits gathered at once at the borders of labels.
GATHER_VALUES = 2_000_000


@dataclass(frozen=True)
class Decision:
    """How logits become labels.

    Parameters
    ----------
    region_values : tuple of int, optional
        With regions, the value that each head writes where its sigmoid exceeds 0.5,
        later heads over earlier ones. Without, the label is the index of the largest
        logit, the first of equals.
    """

    region_values: tuple[int, ...] | None = None

    def labels(self, logits: Tensor) -> Tensor:
        """Return the labels (int32, shape of one head) of logits (k, ...)."""
        if self.region_values is None:
            return logits.argmax(dim=0).to(torch.int32)
        result = torch.zeros(logits.shape[1:], dtype=torch.int32, device=logits.device)
        for head, value in zip(logits, self.region_values, strict=True):
            result[torch.sigmoid(head) > 0.5] = value
        return result

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return softmax over the heads, or with regions the sigmoid of each."""
        if self.region_values is None:
            return torch.softmax(logits, dim=0)
        return torch.sigmoid(logits)


class _Source(NamedTuple):
    """What is kept of an input plane while output planes read it."""

    logits: Tensor
    best: Tensor | None
    doubt: Tensor | None


class PlaneDecider:
    """Writes the labels of output planes as soon as their input planes are final.

    Parameters
    ----------
    labels : (z, y, x) unsigned integers
        Where labels are written; usually a view of a larger array.
    samplings : three AxisSampling
        For each output voxel, what it reads of the input, along z, y and x.
    logits : callable
        Plane index of the input to its logits (k, y, x) float32.
    decision : Decision
        How labels follow.
    probabilities : (k, z, y, x) float32, optional
        Where probabilities are written when they are wanted.
    doubt : (z, y, x) uint8, optional
        Where the doubt is written when it is wanted: that of the input planes,
        interpolated as the logits are.
    confidence : ConfidenceMeter, optional
        Shown every input plane once.
    """

    def __init__(
        self,
        labels: NDArray[Any],
        samplings: Sequence[AxisSampling],
        logits: Callable[[int], Tensor],
        decision: Decision,
        *,
        probabilities: NDArray[np.float32] | None = None,
        doubt: NDArray[np.uint8] | None = None,
        confidence: ConfidenceMeter | None = None,
    ) -> None:
        self._labels = labels
        self._planes, rows, columns = samplings
        self._in_plane = _InPlane(rows, columns)
        self._logits = logits
        self._decision = decision
        self._probabilities = probabilities
        self._doubt = doubt
        self._cache: dict[int, _Source] = {}
        self._next = 0
        self._confidence = confidence
        self._measured = -1
        self._full = probabilities is not None or decision.region_values is not None

    @property
    def done(self) -> int:
        """Output planes written so far."""
        return self._next

    @property
    def oldest_needed(self) -> int | None:
        """The first input plane that is still to be read, None when all is written."""
        if self._next >= len(self._planes.low):
            return None
        return int(self._planes.low[self._next])

    def advance(self, final: int) -> None:
        """Write every output plane that reads only input planes before ``final``."""
        while self._next < len(self._planes.low):
            index = self._next
            low, high = int(self._planes.low[index]), int(self._planes.high[index])
            if high >= final:
                return
            self._write(index, low, high, float(self._planes.weight[index]))
            self._next += 1

    def forget(self) -> None:
        """Drop cached planes, whose device may not be the right one any more."""
        self._cache.clear()

    def _source(self, plane: int, oldest: int) -> _Source:
        """Logits of an input plane and what follows; at most two planes are kept."""
        if plane not in self._cache:
            self._cache = {k: v for k, v in self._cache.items() if k >= oldest}
            logits = self._logits(plane)
            best = None if self._full else logits.argmax(dim=0).to(torch.int32)
            doubt = None
            if self._doubt is not None:
                doubt = entropy(logits, self._decision)
            self._cache[plane] = _Source(logits, best, doubt)
            self._measure(plane, logits)
        return self._cache[plane]

    def _measure(self, plane: int, logits: Tensor) -> None:
        """Show a plane to the meter, unless it was read before memory ran out."""
        if self._confidence is not None and plane > self._measured:
            self._confidence.add(logits)
            self._measured = plane

    def _write(self, index: int, low: int, high: int, weight: float) -> None:
        """Decide one output plane."""
        near = self._source(low, low)
        far = self._source(high, low) if weight else near
        if near.best is None or far.best is None:
            logits = self._in_plane.resize(_blend(near.logits, far.logits, weight))
            labels = self._decision.labels(logits)
            if self._probabilities is not None:
                values = self._decision.probabilities(logits)
                self._probabilities[:, index] = values.cpu().numpy()
        else:
            agreed = near.best
            if weight:
                agreed = torch.where(near.best == far.best, near.best, -1)
            labels = self._in_plane.spread(agreed)
            self._fill_borders(labels, near.logits, far.logits, weight)
        self._labels[index] = labels.cpu().numpy()
        if self._doubt is not None and near.doubt is not None and far.doubt is not None:
            doubt = _blend(near.doubt, far.doubt, weight).unsqueeze(0)
            doubt = as_bytes(self._in_plane.resize(doubt).squeeze(0))
            self._doubt[index] = doubt.cpu().numpy()

    def _fill_borders(
        self, labels: Tensor, below: Tensor, above: Tensor, weight: float
    ) -> None:
        """Interpolate and decide where ``labels`` is -1, in place."""
        rows, columns = torch.nonzero(labels < 0, as_tuple=True)
        step = max(1, GATHER_VALUES // below.shape[0])
        for start in range(0, rows.numel(), step):
            at = (rows[start : start + step], columns[start : start + step])
            logits = self._in_plane.gather(below, above, weight, *at)
            labels[at] = self._decision.labels(logits)


def _blend(low: Tensor, high: Tensor, weight: float | Tensor) -> Tensor:
    """Linear interpolation; every path uses this form, so all round alike."""
    if isinstance(weight, float):
        if weight == 0:
            return low
        weight = torch.tensor(weight, dtype=low.dtype, device=low.device)
    return low * (1 - weight) + high * weight


class _InPlane:
    """Linear or nearest sampling of rows and columns."""

    def __init__(self, rows: AxisSampling, columns: AxisSampling) -> None:
        self._identity = rows.is_identity and columns.is_identity
        self._shape = (len(rows.low), len(columns.low))
        self._rows = _Axis(rows)
        self._columns = _Axis(columns)

    def resize(self, plane: Tensor) -> Tensor:
        """Return (k, y, x) values at the output's rows and columns."""
        for axis, dim in ((self._rows, 1), (self._columns, 2)):
            low, high, weight = axis.on(plane.device)
            if axis.is_copy:
                plane = plane.index_select(dim, low)
            else:
                shape = (-1, 1) if dim == 1 else (-1,)
                plane = _blend(
                    plane.index_select(dim, low),
                    plane.index_select(dim, high),
                    weight.reshape(shape),
                )
        return plane

    def spread(self, agreed: Tensor) -> Tensor:
        """Return labels (y, x) where all corners agree, else -1."""
        # Padding at the high ends only makes the input larger than the output.
        if self._identity and agreed.shape == self._shape:
            return agreed.clone()
        for axis, dim in ((self._rows, 0), (self._columns, 1)):
            low, high, _ = axis.on(agreed.device)
            near = agreed.index_select(dim, low)
            if not axis.is_copy:
                far = agreed.index_select(dim, high)
                near = torch.where(near == far, near, -1)
            agreed = near
        return agreed

    def gather(
        self,
        below: Tensor,
        above: Tensor,
        weight: float,
        rows: Tensor,
        columns: Tensor,
    ) -> Tensor:
        """Return the interpolated logits (k, n) at n output places."""
        y_low, y_high, y_weight = (t[rows] for t in self._rows.on(below.device))
        x_low, x_high, x_weight = (t[columns] for t in self._columns.on(below.device))

        def corner(y: Tensor, x: Tensor) -> Tensor:
            far = above[:, y, x] if weight else below[:, :0]
            return _blend(below[:, y, x], far, weight)

        def side(x: Tensor) -> Tensor:
            if self._rows.is_copy:
                return corner(y_low, x)
            return _blend(corner(y_low, x), corner(y_high, x), y_weight)

        if self._columns.is_copy:
            return side(x_low)
        return _blend(side(x_low), side(x_high), x_weight)


class _Axis:
    """An axis' sampling as tensors, on whatever device is asked for."""

    def __init__(self, sampling: AxisSampling) -> None:
        self.is_copy = bool((sampling.weight == 0).all())
        self._tensors = (
            torch.from_numpy(np.ascontiguousarray(sampling.low)),
            torch.from_numpy(np.ascontiguousarray(sampling.high)),
            torch.from_numpy(sampling.weight.astype(np.float32)),
        )

    def on(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Return low, high and weight on a device."""
        if self._tensors[0].device != device:
            low, high, weight = self._tensors
            self._tensors = (low.to(device), high.to(device), weight.to(device))
        return self._tensors
