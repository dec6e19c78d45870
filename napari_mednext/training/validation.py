"""How good a network is on synthetic scans of maps that it does not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mednext.training.device import autocast
from napari_mednext.training.losses import moved
from napari_mednext.training.synthesis import IGNORE, Synthesizer

if TYPE_CHECKING:
    from napari_mednext.network import MedNeXt

__all__ = ["Example", "Validation", "validate"]

#: Synthetic scans of held-out maps, always the same.
SCANS = 6
#: So many of them are shown.
SHOWN = 3
_SEED = 1_000_003


@dataclass(frozen=True)
class Example:
    """One synthetic scan with what it shows and what the network said of it."""

    scan: NDArray[np.float32]
    """(z, y, x)"""

    target: NDArray[np.uint8]
    """(z, y, x) class values, 255 to be ignored."""

    prediction: NDArray[np.uint8]
    """(z, y, x) class values at the points of the target."""


@dataclass(frozen=True)
class Validation:
    """Dice of every class value that was there, and examples."""

    dice: dict[int, float]
    examples: tuple[Example, ...]


def validate(network: MedNeXt, scans: Synthesizer, num_classes: int) -> Validation:
    """Return the Dice of every class over a fixed set of synthetic scans.

    A class that is in neither prediction nor target of any scan is left out.

    Parameters
    ----------
    network : MedNeXt
        Left in evaluation mode.
    scans : Synthesizer
        Of the held-out maps.
    num_classes : int
        Output heads of the network.

    Returns
    -------
    Validation
    """
    overlap = torch.zeros(num_classes, dtype=torch.float64)
    total = torch.zeros(num_classes, dtype=torch.float64)
    examples = []
    network.eval()
    with torch.no_grad():
        for i in range(SCANS):
            scan, target, offset = scans.draw(_SEED + i)
            with autocast(scan.device):
                logits = network.head(network.features(scan[None]))
            labels = moved(logits.float(), offset[None])[0].argmax(0).cpu()
            target = target.cpu()
            known = target != IGNORE
            predicted, truth = labels[known], target[known].long()
            overlap += torch.bincount(
                predicted[predicted == truth], minlength=num_classes
            )
            total += torch.bincount(predicted, minlength=num_classes)
            total += torch.bincount(truth, minlength=num_classes)
            if i < SHOWN:
                examples.append(_example(scan, target, labels))
    dice = {
        k: float(2 * overlap[k] / total[k])
        for k in range(1, num_classes)
        if total[k] > 0
    }
    return Validation(dice, tuple(examples))


def _example(scan: Tensor, target: Tensor, labels: Tensor) -> Example:
    return Example(
        scan[0].cpu().numpy(), target.numpy(), labels.to(torch.uint8).numpy()
    )
