"""In which order the cases of a study are best corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_mednext.correction.order import (
    holding,
    order_by_doubt,
    order_foreground_random,
)
from napari_mednext.study import CaseState

if TYPE_CHECKING:
    from napari_mednext.study import Study

__all__ = ["CaseOrder", "case_order"]

CaseOrder = Literal["given", "doubt", "random", "name"]
#: One order for a study, whoever asks: people who share it see the same list.
_SEED = 0


def case_order(study: Study, order: CaseOrder) -> CaseOrder | tuple[str, ...]:
    """Return an order for :meth:`Study.cases`, with names where it needs figures.

    Cases that no model has seen come after those that it has, as they were added.

    Parameters
    ----------
    study : Study
        Open.
    order : str
        ``doubt``: what the model doubts most, labels that few cases before have count
        more. ``random``: drawn at random, more often cases with foreground and with
        rare labels. Others are the study's own.

    Returns
    -------
    str or tuple of str
    """
    if order not in ("doubt", "random"):
        return order
    figures = study.figures()
    if order == "random":
        return order_foreground_random(figures, _SEED)
    done = {case.name for case in study.cases(state=CaseState.ACCEPTED)}
    chosen = holding({name: each for name, each in figures.items() if name in done})
    waiting = {name: each for name, each in figures.items() if name not in done}
    return (*order_by_doubt(waiting, chosen=chosen), *sorted(done & figures.keys()))
