"""The tables of ``study.sqlite``, and how those of older versions are brought up."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

__all__ = ["MIGRATIONS", "SCHEMA", "create_tables", "migrate", "schema_of"]

#: The version that this package writes; SQLite keeps it as ``user_version``.
SCHEMA = 1

#: Version -> the function that makes the next version of it, inside a transaction.
MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = MappingProxyType({})

#: Times are seconds since 1970 in UTC. Paths are JSON as `StudyFolder` stores them.
#: ``source`` is what ``images`` was before the images were copied.
#: ``fold`` is the name without case: file systems may not tell upper from lower.
#: ``training`` is the numbering (`TrainingValues.key`) of the file in labelsTr.
_TABLES = (
    """CREATE TABLE study (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    )""",
    """CREATE TABLE label (
        value INTEGER PRIMARY KEY CHECK (value BETWEEN 1 AND 65535),
        name TEXT NOT NULL,
        red INTEGER NOT NULL,
        green INTEGER NOT NULL,
        blue INTEGER NOT NULL
    )""",
    """CREATE TABLE model (
        code INTEGER PRIMARY KEY CHECK (code BETWEEN 2 AND 127),
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        UNIQUE (name, sha256)
    )""",
    """CREATE TABLE cases (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        fold TEXT NOT NULL UNIQUE,
        images TEXT NOT NULL,
        source TEXT NOT NULL,
        state TEXT NOT NULL,
        former TEXT,
        comment TEXT NOT NULL DEFAULT '',
        patient TEXT NOT NULL DEFAULT '',
        labels TEXT,
        prediction TEXT,
        model INTEGER REFERENCES model (code),
        doubt REAL,
        training TEXT,
        created REAL NOT NULL,
        changed REAL NOT NULL
    )""",
    """CREATE TABLE figure (
        case_id INTEGER NOT NULL REFERENCES cases (id),
        label INTEGER NOT NULL,
        doubt REAL,
        ml REAL,
        PRIMARY KEY (case_id, label)
    )""",
    """CREATE TABLE effort (
        case_id INTEGER NOT NULL REFERENCES cases (id),
        model INTEGER NOT NULL,
        seconds REAL NOT NULL DEFAULT 0,
        strokes INTEGER NOT NULL DEFAULT 0,
        voxels INTEGER NOT NULL DEFAULT 0,
        dice TEXT NOT NULL DEFAULT '{}',
        accepted REAL,
        PRIMARY KEY (case_id, model)
    )""",
    """CREATE TABLE spot (
        case_id INTEGER NOT NULL REFERENCES cases (id),
        model INTEGER NOT NULL,
        number INTEGER NOT NULL,
        z INTEGER NOT NULL,
        y INTEGER NOT NULL,
        x INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        PRIMARY KEY (case_id, model, number)
    )""",
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make all tables in an empty database, inside the caller's transaction."""
    for table in _TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA user_version = {SCHEMA:d}")


def schema_of(connection: sqlite3.Connection) -> int:
    """Return the schema number that a database states, 0 where it states none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to `SCHEMA` step by step, inside the caller's transaction.

    Raises
    ------
    InputError
        If the schema is newer than this package, or there is no way from it.
    """
    found = schema_of(connection)
    if found > SCHEMA:
        msg = (
            f"the study must have schema {SCHEMA} or older, got {found}: "
            "update napari-mednext"
        )
        raise InputError(msg)
    for version in range(found, SCHEMA):
        step = MIGRATIONS.get(version)
        if step is None:
            msg = (
                f"the study must have a schema that this version knows, got {version}: "
                "choose the folder of a study"
            )
            raise InputError(msg)
        step(connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA:d}")
