"""Which cases a worklist shows, and in which order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from napari_mednext.study.case import Case, CaseState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

__all__ = ["Order", "StateFilter", "matching", "neighbour", "ordered"]

#: given: as added; doubt: the most doubtful first; random: shuffled, the same way every
#: time, cases in which a model found nothing last; name: 2 before 10. Or names: those
#: cases first, in that order, then the others as added.
Order = Literal["given", "doubt", "random", "name"] | tuple[str, ...]
StateFilter = CaseState | str | Iterable[CaseState | str] | None

_DIGITS = re.compile(r"(\d+)")


def ordered(
    cases: Iterable[Case], order: Order, *, seed: str, empty: Collection[str]
) -> list[Case]:
    """Return cases in an order.

    Parameters
    ----------
    cases : iterable of Case
        Not modified.
    order : str or tuple of str
        One of `Order`.
    seed : str
        Which random order.
    empty : collection of str
        Names of cases in which a model found nothing.

    Returns
    -------
    list of Case
    """

    def shuffled(case: Case) -> tuple[bool, bytes]:
        digest = hashlib.sha256(f"{seed}:{case.name}".encode()).digest()
        return case.name in empty, digest

    if not isinstance(order, str):
        places = {name: place for place, name in enumerate(order)}
        last = len(places)
        return sorted(cases, key=lambda c: (places.get(c.name, last), c.position))
    keys: dict[str, Callable[[Case], tuple[object, ...]]] = {
        "given": lambda case: (case.position,),
        "doubt": lambda case: (case.doubt is None, -(case.doubt or 0.0), case.position),
        "random": shuffled,
        "name": lambda case: (_parts(case.name), case.position),
    }
    return sorted(cases, key=keys[order])


def _parts(name: str) -> tuple[str | int, ...]:
    """Return the texts and numbers that a name is made of, in turns."""
    parts = enumerate(_DIGITS.split(name.casefold()))
    return tuple(int(part) if i % 2 else part for i, part in parts)


def matching(
    cases: Iterable[Case], state: StateFilter = None, text: str = ""
) -> list[Case]:
    """Return the cases in one of some states whose texts hold every word.

    Parameters
    ----------
    cases : iterable of Case
        The order is kept.
    state : CaseState, str, several of them or None
        None is any.
    text : str
        Words that occur in name, comment or patient; upper and lower case are one.

    Returns
    -------
    list of Case
    """
    if state is None:
        states = set(CaseState)
    elif isinstance(state, str):
        states = {CaseState(state)}
    else:
        states = {CaseState(one) for one in state}
    words = text.casefold().split()
    return [
        case
        for case in cases
        if case.state in states
        and all(
            word in f"{case.name}\n{case.comment}\n{case.patient}".casefold()
            for word in words
        )
    ]


def neighbour(
    cases: Sequence[Case], place: int, wanted: Collection[str], *, wrap: bool
) -> Case | None:
    """Return the first wanted case after a place of the list, None if there is none.

    Parameters
    ----------
    cases : sequence of Case
        All of them, whether wanted or not.
    place : int
        Index of the case where the search starts, which is not returned itself.
    wanted : collection of str
        Names.
    wrap : bool
        Whether the search goes on at the start of the list.

    Returns
    -------
    Case or None
    """
    following = [*cases[place + 1 :], *(cases[:place] if wrap else ())]
    return next((case for case in following if case.name in wanted), None)
