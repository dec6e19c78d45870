"""The effort ledger of a study on disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError
from napari_mednext.study.ledger import EffortRow, dice_text, read_dice
from napari_mednext.study.part import StudyPart, case_id, moment

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EffortLedger"]


class EffortLedger(StudyPart):
    """Effort per case and model version; see `ledger` for what is made of it."""

    def add_effort(
        self,
        name: str,
        *,
        model: int = 0,
        seconds: float = 0.0,
        strokes: int = 0,
        voxels_changed: int = 0,
        dice: Mapping[int, float] | None = None,
    ) -> None:
        """Add effort to what a case has cost, and say how it was accepted.

        Parameters
        ----------
        name : str
            The case.
        model : int
            Code of the model version that was corrected, 0 where there was none.
        seconds, strokes, voxels_changed : numbers
            0 or more, since the last call.
        dice : mapping of label value to Dice, optional
            Between the prediction and what was accepted: the case counts as accepted
            now, for the last time. NaN for a label that is in neither; may be empty.

        Raises
        ------
        InputError
            If a number is negative or there is no such case.
        StorageError
            If the study cannot be written to.
        """
        if min(seconds, strokes, voxels_changed) < 0:
            msg = (
                "effort must not be negative, got "
                f"{seconds} s, {strokes} strokes and {voxels_changed} voxels: "
                "give what was added since the last call"
            )
            raise InputError(msg)
        with self._database.change() as connection:
            row = (case_id(connection, name), int(model))
            connection.execute(
                "INSERT INTO effort (case_id, model, seconds, strokes, voxels) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT (case_id, model) DO UPDATE SET "
                "seconds = seconds + excluded.seconds, "
                "strokes = strokes + excluded.strokes, "
                "voxels = voxels + excluded.voxels",
                (*row, float(seconds), int(strokes), int(voxels_changed)),
            )
            if dice is not None:
                connection.execute(
                    "UPDATE effort SET dice = ?, accepted = ? "
                    "WHERE case_id = ? AND model = ?",
                    (dice_text(dice), time.time(), *row),
                )

    def effort(self) -> tuple[EffortRow, ...]:
        """Return the ledger, by case in the order of the study, then model version."""
        rows = self._database.rows(
            "SELECT effort.*, cases.name AS case_name, model.name AS model_name, "
            "model.sha256 AS sha256 FROM effort JOIN cases ON cases.id = case_id "
            "LEFT JOIN model ON model.code = effort.model "
            "ORDER BY case_id, effort.model"
        )
        return tuple(
            EffortRow(
                case=r["case_name"],
                model=r["model_name"] or "",
                version=r["sha256"] or "",
                seconds=r["seconds"],
                strokes=r["strokes"],
                voxels_changed=r["voxels"],
                dice=read_dice(r["dice"]),
                accepted_at=None if r["accepted"] is None else moment(r["accepted"]),
            )
            for r in rows
        )
