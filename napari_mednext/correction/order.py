"""In which order cases are corrected: by doubt with class balance, or at random.

Choosing what the model doubts most is active learning. Published comparisons in 3D
(nnActive [1]_) find that none of its methods reliably beats random choices that make
sure of foreground, and that the ones that balance the classes do best (ClaSP PE [2]_).
So both are offered: an order by doubt in which labels that were seldom chosen weigh
more, and a random one that draws labels first and then a case that has them.

References
----------
.. [1] nnActive, arXiv 2511.19183.
.. [2] ClaSP PE, arXiv 2601.13677.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.errors import SettingsError
from napari_mednext.study.case import CaseFigures

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FOREGROUND_SHARE",
    "CaseFigures",
    "draw_chances",
    "holding",
    "order_by_doubt",
    "order_foreground_random",
]

#: Part of the random choices that are made by label; the others keep every case, also
#: one in which the model found nothing, in the game.
FOREGROUND_SHARE = 2 / 3


def order_by_doubt(
    figures: Mapping[str, CaseFigures], *, chosen: Mapping[int, float] | None = None
) -> tuple[str, ...]:
    """Return cases in the order in which they should be corrected.

    One after another: the case with the largest sum of its labels' doubts, the doubt of
    a label divided by one more than the number of cases chosen before that hold it. So
    the first case with a label counts in full, and the tenth one for a tenth.

    Parameters
    ----------
    figures : mapping of case to CaseFigures
        What the model said of them. A label without a volume counts as there.
    chosen : mapping of label value to number of cases, optional
        Cases that are done and hold the label; see :func:`holding`.

    Returns
    -------
    tuple of str
        All cases; equal ones by name.

    Notes
    -----
    Depends on nothing but the figures. Time grows with the square of the cases: a
    second for 2000 cases of 100 labels.
    """
    names = sorted(figures)
    values = sorted({v for name in names for v in _labels(figures[name])})
    doubts = np.zeros((len(names), len(values)))
    holds = np.zeros((len(names), len(values)), dtype=bool)
    column = {value: index for index, value in enumerate(values)}
    for row, name in enumerate(names):
        for value in _labels(figures[name]):
            doubts[row, column[value]] = figures[name].doubt.get(value, 0.0)
            holds[row, column[value]] = True
    covered = np.array([(chosen or {}).get(value, 0.0) for value in values])
    left = np.ones(len(names), dtype=bool)
    order = []
    for _ in names:
        # A sum in one order and rounding, so that equal cases are equal.
        scores = (doubts / (1 + covered)).sum(axis=1).round(12)
        best = int(np.where(left, scores, -np.inf).argmax())
        left[best] = False
        covered = covered + holds[best]
        order.append(names[best])
    return tuple(order)


def holding(figures: Mapping[str, CaseFigures]) -> dict[int, int]:
    """Return how many cases hold each label: what :func:`order_by_doubt` starts from.

    Parameters
    ----------
    figures : mapping of case to CaseFigures
        Those of the cases that are done.
    """
    counts: dict[int, int] = {}
    for case in figures.values():
        for value in _labels(case):
            counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items()))


def order_foreground_random(
    figures: Mapping[str, CaseFigures],
    seed: int,
    *,
    foreground: float = FOREGROUND_SHARE,
) -> tuple[str, ...]:
    """Return cases in a random order that makes sure of rare labels.

    Cases are drawn one after another without putting back, with the chances of
    :func:`draw_chances`. Each case has a random number that follows from the seed and
    its name alone: the order does not depend on that of the mapping, and a case that is
    added hardly changes it.

    Parameters
    ----------
    figures : mapping of case to CaseFigures
        Only which labels a case holds matters.
    seed : int
        The same one gives the same order, on any machine.
    foreground : float
        0 to 1: part of the draws that are made by label.

    Returns
    -------
    tuple of str
        All cases.

    Raises
    ------
    SettingsError
        If the part of the draws lies outside 0 to 1.
    """
    chances = draw_chances(figures, foreground=foreground)

    def waits(name: str) -> tuple[float, str]:
        # The first of independent exponential clocks rings with the chance of its rate.
        chance = chances[name]
        hurry = -math.log(_uniform(seed, name))
        return (hurry / chance if chance else math.inf, name)

    return tuple(sorted(figures, key=waits))


def draw_chances(
    figures: Mapping[str, CaseFigures], *, foreground: float = FOREGROUND_SHARE
) -> dict[str, float]:
    """Return how likely each case is drawn first.

    A part of the draws takes a label, each equally likely, and then one of the cases
    that hold it; the other part takes any case.

    Parameters
    ----------
    figures : mapping of case to CaseFigures
        Only which labels a case holds matters.
    foreground : float
        0 to 1: the part that takes a label; without any label all take any case.

    Returns
    -------
    dict of case to chance
        They sum to 1.

    Raises
    ------
    SettingsError
        If the part lies outside 0 to 1.
    """
    if not 0 <= foreground <= 1:
        msg = (
            "the part of foreground-aware draws must lie between 0 and 1, got "
            f"{foreground}: choose a part"
        )
        raise SettingsError(msg)
    counts = holding(figures)
    if not counts:
        foreground = 0.0
    chances = {}
    for name, case in figures.items():
        rare = sum(1 / counts[value] for value in sorted(_labels(case)))
        by_label = foreground * rare / len(counts) if counts else 0.0
        chances[name] = by_label + (1 - foreground) / len(figures)
    return chances


def _labels(case: CaseFigures) -> set[int]:
    """Return the labels that a case holds; without volumes, those with a doubt."""
    absent = {value for value, volume_ml in case.ml.items() if volume_ml <= 0}
    return {value for value in {*case.doubt, *case.ml} - absent if value != 0}


def _uniform(seed: int, name: str) -> float:
    """Return a random number above 0 and below 1 that belongs to a name."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return (int.from_bytes(digest[:7], "big") + 0.5) / 2**56
