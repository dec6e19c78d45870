"""What the last model run said of every case: doubt and volumes per label."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from napari_mednext.study.case import CaseFigures
from napari_mednext.study.case_rows import update_case
from napari_mednext.study.part import StudyPart, case_id

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Figures"]


class Figures(StudyPart):
    """Figures per case and label."""

    def set_figures(
        self,
        name: str,
        doubt_by_label: Mapping[int, float],
        ml_by_label: Mapping[int, float],
    ) -> None:
        """Keep what a model run said of a case; what an earlier one said is forgotten.

        Parameters
        ----------
        name : str
            The case.
        doubt_by_label : mapping of label value to mean doubt
            Their mean is the doubt of the case. NaN is none, here and below.
        ml_by_label : mapping of label value to mL
            Volumes in the prediction.

        Raises
        ------
        InputError
            If there is no such case.
        StorageError
            If the study cannot be written to.
        """
        doubts, volumes = _finite(doubt_by_label), _finite(ml_by_label)
        doubt = fmean(doubts.values()) if doubts else None
        with self._database.change() as connection:
            number = case_id(connection, name)
            connection.execute("DELETE FROM figure WHERE case_id = ?", (number,))
            connection.executemany(
                "INSERT INTO figure VALUES (?, ?, ?, ?)",
                [
                    (number, value, doubts.get(value), volumes.get(value))
                    for value in sorted({*doubts, *volumes})
                ],
            )
            update_case(connection, name, doubt=doubt)

    def figures(self) -> dict[str, CaseFigures]:
        """Return case name -> what the last model run said, for cases that have it."""
        rows = self._database.rows(
            "SELECT name, label, figure.doubt AS doubt, ml FROM figure "
            "JOIN cases ON cases.id = case_id ORDER BY case_id, label"
        )
        doubt: dict[str, dict[int, float]] = {}
        ml: dict[str, dict[int, float]] = {}
        for row in rows:
            for figures, value in ((doubt, row["doubt"]), (ml, row["ml"])):
                figures.setdefault(row["name"], {})
                if value is not None:
                    figures[row["name"]][row["label"]] = value
        return {name: CaseFigures(doubt[name], ml[name]) for name in doubt}


def _finite(figures: Mapping[int, float]) -> dict[int, float]:
    """Return figures as plain numbers, without those that are none."""
    return {int(k): float(v) for k, v in figures.items() if math.isfinite(v)}
