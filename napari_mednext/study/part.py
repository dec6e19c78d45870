"""What every part of a study stands on: its folder and its database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    import sqlite3

    from napari_mednext.study.database import Database
    from napari_mednext.study.folder import StudyFolder

__all__ = ["StudyPart", "case_id", "moment"]


class StudyPart:
    """One subject of a study, with its tables; `Study` is all parts together.

    Parameters
    ----------
    folder : StudyFolder
    database : Database
        Open; used by all parts.
    """

    def __init__(self, folder: StudyFolder, database: Database) -> None:
        self.folder = folder
        self._database = database

    def _stated(self, key: str) -> str:
        """Return what the study says of itself under a key, "" if nothing."""
        rows = self._database.rows("SELECT value FROM study WHERE key = ?", (key,))
        return str(rows[0]["value"]) if rows else ""


def case_id(connection: sqlite3.Connection, name: str) -> int:
    """Return the number of the row of a case.

    Raises
    ------
    InputError
        If the study has no case of that name.
    """  # noqa: DOC501 - made by unknown_case
    row = connection.execute("SELECT id FROM cases WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise unknown_case(name)
    return int(row["id"])


def unknown_case(name: str) -> InputError:
    """Return the sentence about a case that the study does not have."""
    return InputError(
        f"the study must have the case that is asked for, got {name!r}: choose one of "
        "its list"
    )


def moment(seconds: float) -> datetime:
    """Return seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
