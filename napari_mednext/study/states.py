"""How cases go from state to state, with the comments that people write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.study.case import CaseState, check_comment, check_transition
from napari_mednext.study.case_rows import CaseRows, update_case
from napari_mednext.study.versions import unknown_model

if TYPE_CHECKING:
    from napari_mednext.study.case import Case

__all__ = ["CaseStates"]


class CaseStates(CaseRows):
    """Every change of a case that a person or a model run makes."""

    def set_state(
        self, name: str, state: CaseState | str, comment: str | None = None
    ) -> Case:
        """Take a case to another state.

        Parameters
        ----------
        name : str
            The case.
        state : CaseState or str
            One that may follow: see `check_transition`.
        comment : str, optional
            Replaces the older one. A flagged case must have one.

        Returns
        -------
        Case
            As it is now.

        Raises
        ------
        InputError
            If there is no such case, the state may not follow, or a flag says nothing.
        StorageError
            If the study cannot be written to.
        """
        new = CaseState(state)
        with self._database.change() as connection:
            case = self._one(connection, name)
            check_transition(case, new)
            comment = case.comment if comment is None else comment
            check_comment(name, new, comment)
            former = None
            if new == CaseState.FLAGGED:
                former = case.former or case.state
            update_case(connection, name, state=new, former=former, comment=comment)
            return self._one(connection, name)

    def unflag(self, name: str) -> Case:
        """Take a flagged case back to what it was; others stay as they are.

        Raises
        ------
        InputError
            If there is no such case.
        StorageError
            If the study cannot be written to.
        """
        with self._database.change() as connection:
            case = self._one(connection, name)
            if case.former is not None:
                update_case(connection, name, state=case.former, former=None)
            return self._one(connection, name)

    def set_comment(self, name: str, comment: str) -> Case:
        """Replace the comment of a case.

        Raises
        ------
        InputError
            If there is no such case, or it is flagged and the comment is blank.
        StorageError
            If the study cannot be written to.
        """
        with self._database.change() as connection:
            check_comment(name, self._one(connection, name).state, comment)
            update_case(connection, name, comment=comment)
            return self._one(connection, name)

    def set_prediction(self, name: str, model: int) -> Case:
        """Say that a case has the prediction of a model version, and is new no more.

        Parameters
        ----------
        name : str
            The case.
        model : int
            Code, as `model_code` returned it.

        Returns
        -------
        Case
            As it is now.

        Raises
        ------
        InputError
            If there is no such case or no such version.
        StorageError
            If the study cannot be written to.
        """  # noqa: DOC501 - made by unknown_model
        with self._database.change() as connection:
            case = self._one(connection, name)
            model = int(model)  # SQLite does not take numpy's
            query = "SELECT 1 FROM model WHERE code = ?"
            if connection.execute(query, (model,)).fetchone() is None:
                raise unknown_model(model)
            state = {CaseState.NEW: CaseState.PREDICTED}.get(case.state, case.state)
            former = case.former
            if former == CaseState.NEW:
                former = CaseState.PREDICTED
            update_case(connection, name, model=model, state=state, former=former)
            return self._one(connection, name)
