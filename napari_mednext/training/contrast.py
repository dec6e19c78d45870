"""Random brightness for every source value: the contrasts of MR, and beyond.

Source: SynthSeg (arXiv 2107.09559), one Gaussian a label with random mean and spread.
What differs: most draws keep the order of tissues of a real MR contrast, which a small
network learns several times faster, and the rest is fully random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_mednext.training.label_maps import LabelMaps
    from napari_mednext.training.mapping_table import MappingTable

__all__ = ["Contrast", "draw_contrast"]

#: Family -> share of the draws.
FAMILIES = {"t1": 0.50, "t2": 0.15, "flair": 0.08, "pd": 0.10, "random": 0.17}


@dataclass(frozen=True)
class Contrast:
    """Brightness of every source value, on a scale of about 0..1.

    Parameters
    ----------
    mean, spread : (n,) float32
        Of the Gaussian of each entry of ``LabelMaps.values``.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]


def draw_contrast(
    rng: np.random.Generator, maps: LabelMaps, table: MappingTable
) -> Contrast:
    """Draw one contrast.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides all.
    maps : LabelMaps
        Their intensity classes share one distribution each.
    table : MappingTable
        Its tissues give the order of brightness; without tissues all is random.

    Returns
    -------
    Contrast
    """
    classes = int(maps.intensity_class.max()) + 1
    mean = rng.uniform(0, 1, classes)[maps.intensity_class]
    spread = rng.uniform(0.005, 0.07, classes)[maps.intensity_class]
    family = str(rng.choice(list(FAMILIES), p=list(FAMILIES.values())))
    if family == "random":
        if rng.random() < 0.5:
            _share_within_targets(mean, rng, maps, table)
    else:
        levels = _ordered_levels(family, rng)
        jitter = rng.normal(0, 0.02, classes)[maps.intensity_class]
        for tissue, level in levels.items():
            members = np.isin(maps.values, list(table.tissues.get(tissue, ())))
            mean[members] = level + jitter[members]
    mean[0], spread[0] = _air(rng, dark=family != "random" or rng.random() < 0.7)
    return Contrast(mean.astype(np.float32), spread.astype(np.float32))


def _ordered_levels(family: str, rng: np.random.Generator) -> dict[str, float]:
    """Return the brightness of each tissue in the order that the family has."""
    u = rng.uniform
    if family == "t1":
        fluid = u(0.03, 0.35)
        grey = fluid + u(0.12, 0.40)
        white = grey + u(0.08, 0.35)
        deep = grey + u(0.05, 0.85) * (white - grey)
    elif family == "t2":
        white = u(0.10, 0.45)
        grey = white + u(0.06, 0.28)
        fluid = grey + u(0.12, 0.60)
        deep = white + u(-0.2, 1.0) * (grey - white)
    elif family == "flair":
        fluid = u(0.0, 0.25)
        white = fluid + u(0.12, 0.35)
        grey = white + u(0.05, 0.25)
        deep = white + u(0.0, 1.0) * (grey - white)
    else:  # proton density: grey slightly above white, fluid close to both
        white = u(0.35, 0.60)
        grey = white + u(0.04, 0.18)
        fluid = grey + u(-0.12, 0.15)
        deep = white + u(0.0, 1.0) * (grey - white)
    return {"white": white, "grey": grey, "deep": deep, "fluid": fluid}


def _share_within_targets(
    mean: NDArray[np.float64],
    rng: np.random.Generator,
    maps: LabelMaps,
    table: MappingTable,
) -> None:
    """Give all sources of one class one mean, in place; not outside the brain."""
    for value in table.labels.names:
        sources = [s for s, t in table.targets.items() if t == value]
        members = np.isin(maps.values, [s for s in sources if s not in table.outside])
        mean[members] = rng.uniform(0, 1)


def _air(rng: np.random.Generator, *, dark: bool) -> tuple[float, float]:
    """Return mean and spread of the air around the head."""
    if not dark:
        return float(rng.uniform(0, 1)), float(rng.uniform(0, 0.05))
    if rng.random() < 0.3:
        return 0.0, 0.0
    return float(rng.uniform(0, 0.06)), float(rng.uniform(0, 0.04))
