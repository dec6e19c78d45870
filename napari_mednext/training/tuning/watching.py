"""How well a network does while it learns, on patches that it does not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_mednext.training.examples import examples_picture
from napari_mednext.training.losses import moved
from napari_mednext.training.tuning.classes import IGNORE_HEAD
from napari_mednext.training.validation import Example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_mednext.training.tuning.classes import ClassMap
    from napari_mednext.training.tuning.sampling import Patch
    from napari_mednext.training.tuning.tuner import Tuner

__all__ = ["Glance", "Watch"]

#: So many of the patches are shown.
_SHOWN = 2


@dataclass(frozen=True)
class Glance:
    """What a look at the patches told.

    Parameters
    ----------
    dice : dict of str to float
        Class name -> Dice over all patches; classes that are nowhere are left out.
    picture : bytes
        A PNG file: scan, target and prediction of a few patches.
    """

    dice: dict[str, float]
    picture: bytes

    @property
    def mean(self) -> float:
        """Mean Dice of the classes; 0 where there is none."""
        return sum(self.dice.values()) / len(self.dice) if self.dice else 0.0


class Watch:
    """Fixed patches, on which a network is looked at again and again.

    Parameters
    ----------
    patches : sequence of Patch
        With known voxels.
    classes : ClassMap
        What the heads stand for.
    """

    def __init__(self, patches: Sequence[Patch], classes: ClassMap) -> None:
        self._patches = tuple(patches)
        self._classes = classes

    def look(self, tuner: Tuner, device: torch.device) -> Glance:
        """Return how well the mean of the weights does; no weight is changed."""
        count = self._classes.count
        overlap = torch.zeros(count, dtype=torch.float64)
        total = torch.zeros(count, dtype=torch.float64)
        examples: list[Example] = []
        background = torch.tensor(self._classes.background)
        for image, target, offset in self._patches:
            logits = tuner.predict(image[None].to(device)).cpu()
            labels = moved(logits, offset[None])[0].argmax(0)
            # What the study has no label for is background to it.
            labels = torch.where(torch.isin(labels, background), 0, labels)
            known = target != IGNORE_HEAD
            said, truth = labels[known], target[known].long()
            overlap += torch.bincount(said[said == truth], minlength=count)
            total += torch.bincount(said, minlength=count)
            total += torch.bincount(truth, minlength=count)
            if len(examples) < _SHOWN:
                examples.append(_example(image, target, labels))
        dice = {
            self._classes.names[k - 1]: round(float(2 * overlap[k] / total[k]), 4)
            for k in range(1, count)
            if total[k] > 0
        }
        colors = dict(enumerate(self._classes.colors, start=1))
        return Glance(dice, examples_picture(examples, colors))


def _example(image: Tensor, target: Tensor, labels: Tensor) -> Example:
    return Example(
        image[0].numpy(), target.to(torch.uint8).numpy(), labels.to(torch.uint8).numpy()
    )
