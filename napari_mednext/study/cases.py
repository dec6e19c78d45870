"""The worklist of a study: its cases, filtered and in order."""

from __future__ import annotations

from napari_mednext.study.case import Case, CaseState
from napari_mednext.study.case_rows import SELECT_CASES, CaseRows
from napari_mednext.study.part import unknown_case
from napari_mednext.study.worklist import (
    Order,
    StateFilter,
    matching,
    neighbour,
    ordered,
)

__all__ = ["Cases"]


class Cases(CaseRows):
    """Lists of cases, and the way through them."""

    def cases(
        self, state: StateFilter = None, text: str = "", order: Order = "given"
    ) -> tuple[Case, ...]:
        """Return the cases that a worklist shows.

        Parameters
        ----------
        state : CaseState, str, several of them or None
            None is any.
        text : str
            Words that must occur in name, comment or patient, in any case.
        order : str or tuple of str
            ``given``: as added. ``doubt``: the most doubtful first, those without a
            figure last. ``random``: shuffled, for one study the same way every time,
            cases in which a model found nothing last. ``name``: 2 before 10. Or names:
            those cases first, in that order, then the others as added.

        Returns
        -------
        tuple of Case
        """
        return tuple(matching(self._ordered(order), state, text))

    def case(self, name: str) -> Case:
        """Return the case of a name.

        Raises
        ------
        InputError
            If there is none.
        """  # noqa: DOC501 - made by unknown_case
        rows = self._database.rows(f"{SELECT_CASES} WHERE cases.name = ?", (name,))
        if not rows:
            raise unknown_case(name)
        return self._case(rows[0])

    def counts(self) -> dict[CaseState, int]:
        """Return how many cases each state has, 0 included."""
        rows = self._database.rows("SELECT state, COUNT(*) FROM cases GROUP BY state")
        found = {row[0]: row[1] for row in rows}
        return {state: found.get(state, 0) for state in CaseState}

    def next(
        self,
        name: str,
        *,
        state: StateFilter = None,
        text: str = "",
        order: Order = "given",
        wrap: bool = False,
    ) -> Case | None:
        """Return the case after one, in the list that `cases` returns.

        Parameters
        ----------
        name : str
            Of the case to start from, which need not be in that list itself.
        state, text, order
            As in `cases`.
        wrap : bool
            Whether the first follows the last.

        Returns
        -------
        Case or None
            None at the end of the list.

        Raises
        ------
        InputError
            If there is no case of that name.
        """
        cases = self._ordered(order)
        return _neighbour(cases, name, matching(cases, state, text), wrap=wrap)

    def previous(
        self,
        name: str,
        *,
        state: StateFilter = None,
        text: str = "",
        order: Order = "given",
        wrap: bool = False,
    ) -> Case | None:
        """Return the case before one; all as in `next`.

        Raises
        ------
        InputError
            If there is no case of that name.
        """
        cases = self._ordered(order)[::-1]
        return _neighbour(cases, name, matching(cases, state, text), wrap=wrap)

    def _ordered(self, order: Order) -> list[Case]:
        """Return all cases in an order."""
        empty: set[str] = set()
        if order == "random":
            rows = self._database.rows(
                "SELECT name FROM figure JOIN cases ON cases.id = case_id "
                "GROUP BY case_id HAVING MAX(COALESCE(ml, 0)) <= 0"
            )
            empty = {row["name"] for row in rows}
        cases = [self._case(row) for row in self._database.rows(SELECT_CASES)]
        return ordered(cases, order, seed=self._stated("seed"), empty=empty)


def _neighbour(
    cases: list[Case], name: str, wanted: list[Case], *, wrap: bool
) -> Case | None:
    """Return the first wanted case after the named one."""
    places = [i for i, case in enumerate(cases) if case.name == name]
    if not places:
        raise unknown_case(name)
    return neighbour(cases, places[0], {case.name for case in wanted}, wrap=wrap)
