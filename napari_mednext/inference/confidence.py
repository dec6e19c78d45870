"""How sure a model is of its labels, counted while planes are decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_mednext.inference.decide import Decision

__all__ = ["ConfidenceMeter"]

#: Every so many planes, rows and columns are looked at: a mean needs no more, and the
#: softmax of all of them would take as long as deciding the labels.
STRIDE = 2


class ConfidenceMeter:
    """Sums the largest probability of voxels by the label that it decides for.

    Planes are those of the network's grid, before anything is interpolated. Of the
    planes that are shown, in any order, every second one counts.

    Parameters
    ----------
    decision : Decision
        Whether probabilities are a softmax over classes or a sigmoid of each region.
    """

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._sums = torch.zeros(0, dtype=torch.float64)
        self._counts = torch.zeros(0, dtype=torch.float64)
        self._shown = 0

    def add(self, logits: Tensor) -> None:
        """Look at one plane.

        Parameters
        ----------
        logits : (k, y, x) float32
            On any device. Not modified.
        """
        self._shown += 1
        if (self._shown - 1) % STRIDE:
            return
        sample = logits[:, ::STRIDE, ::STRIDE].flatten(1)
        best, which = self._decision.probabilities(sample).max(dim=0)
        values = self._decision.region_values
        if values is not None:
            named = torch.tensor(values, device=which.device)
            which = torch.where(best > 0.5, named[which], 0)
        which, best = which.cpu(), best.cpu().double()
        counts = torch.bincount(which).double()
        sums = torch.bincount(which, weights=best)
        self._counts, self._sums = _sum(self._counts, counts), _sum(self._sums, sums)

    def mean(self, labels: Collection[int] | None = None) -> float | None:
        """Return the mean over voxels of some labels, None where there are none.

        Parameters
        ----------
        labels : collection of int, optional
            Without the background; every label by default.
        """
        known = range(1, len(self._counts))
        chosen = [v for v in known if labels is None or v in labels]
        count = float(self._counts[chosen].sum())
        return float(self._sums[chosen].sum()) / count if count else None


def _sum(a: Tensor, b: Tensor) -> Tensor:
    """Add two vectors, the shorter one continued with zeros."""
    size = max(len(a), len(b))
    total = torch.zeros(size, dtype=torch.float64)
    total[: len(a)] += a
    total[: len(b)] += b
    return total
