"""The rows of the cases in the database, read and written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_mednext.study.case import Case, CaseState, ModelVersion
from napari_mednext.study.folder import check_case_name
from napari_mednext.study.part import StudyPart, case_id, moment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from napari_mednext.study.entry import CaseEntry

__all__ = ["SELECT_CASES", "CaseRows", "update_case"]

#: Every column of every case, with the name and digest of its model.
SELECT_CASES = (
    "SELECT cases.*, model.name AS model_name, model.sha256 AS model_sha256 "
    "FROM cases LEFT JOIN model ON model.code = cases.model"
)
_INSERT = (
    "INSERT INTO cases (name, fold, images, source, state, former, comment, patient, "
    "labels, prediction, created, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class CaseRows(StudyPart):
    """Cases as rows, for the parts that work with cases."""

    def _add(self, entries: Iterable[CaseEntry]) -> tuple[Case, ...]:
        """Add cases in one transaction; images that a case has already are left out."""
        entries = list(entries)
        for entry in entries:
            check_case_name(entry.name)
        added: list[str] = []
        with self._database.change() as connection:
            rows = connection.execute("SELECT fold, source FROM cases").fetchall()
            folds = {row["fold"] for row in rows}
            known = {row["source"] for row in rows}
            for entry in entries:
                images = self.folder.stored_images(entry.images)
                if images in known:
                    continue
                name = _apart(entry.name, folds)
                connection.execute(_INSERT, self._values(entry, name, images))
                known.add(images)
                folds.add(name.casefold())
                added.append(name)
        names = set(added)
        rows = self._database.rows(f"{SELECT_CASES} ORDER BY cases.id")
        return tuple(self._case(row) for row in rows if row["name"] in names)

    def _values(self, entry: CaseEntry, name: str, images: str) -> tuple[Any, ...]:
        """Return the row of a case that is added."""
        state, stored = CaseState(entry.state), self.folder.stored
        former = None
        if state == CaseState.FLAGGED:
            former = CaseState.PREDICTED if entry.prediction else CaseState.NEW
        now = time.time()
        return (
            name,
            name.casefold(),
            images,
            images,
            state,
            former,
            entry.comment,
            entry.patient,
            None if entry.labels is None else stored(entry.labels),
            None if entry.prediction is None else stored(entry.prediction),
            now,
            now,
        )

    def _one(self, connection: sqlite3.Connection, name: str) -> Case:
        """Return a case inside a transaction."""
        query = f"{SELECT_CASES} WHERE cases.id = ?"
        number = case_id(connection, name)
        return self._case(connection.execute(query, (number,)).fetchone())

    def _case(self, row: sqlite3.Row) -> Case:
        """Return the case of a row."""
        found = self.folder.found
        model = None
        if row["model"] is not None:
            model = ModelVersion(row["model"], row["model_name"], row["model_sha256"])
        return Case(
            name=row["name"],
            folder=self.folder.path,
            stored_images=row["images"],
            state=CaseState(row["state"]),
            comment=row["comment"],
            patient=row["patient"],
            labels=None if row["labels"] is None else found(row["labels"]),
            prediction=None if row["prediction"] is None else found(row["prediction"]),
            model=model,
            doubt=row["doubt"],
            former=None if row["former"] is None else CaseState(row["former"]),
            position=row["id"],
            created=moment(row["created"]),
            changed=moment(row["changed"]),
        )


def update_case(connection: sqlite3.Connection, name: str, **values: Any) -> None:
    """Set columns of a case, and when it was changed."""
    values["changed"] = time.time()
    columns = ", ".join(f"{column} = ?" for column in values)
    connection.execute(
        f"UPDATE cases SET {columns} WHERE name = ?", (*values.values(), name)
    )


def _apart(name: str, folds: set[str]) -> str:
    """Return a name that no other case has, upper and lower case being one."""
    unique, number = name, 2
    while unique.casefold() in folds:
        unique, number = f"{name}_{number}", number + 1
    return unique
