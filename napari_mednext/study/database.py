"""The database of a study: transactions, many users at once, damage and backups."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import InputError, StorageError
from napari_mednext.formats.placing import placed
from napari_mednext.study.schema import SCHEMA, create_tables, migrate, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["Database", "create_database", "restore_database"]

#: How long a change waits for the changes of other windows and processes.
BUSY_S = 10.0

_LOGGER = logging.getLogger(__name__)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
#: Extended codes of SQLite keep the kind of the error in their low byte.
_KIND = 0xFF


class Database:
    """One connection, shared by the threads of a process, one at a time.

    Processes are kept apart by SQLite's locks: a change waits until others are done.

    Parameters
    ----------
    path : Path
        An SQLite file made by `create_database`. An older schema is brought up to date
        after a backup.
    backup : Path
        Where a whole copy is kept: made when the database is opened and closed.

    Raises
    ------
    InputError
        If the schema is newer than this package, or none of it.
    StorageError
        If the file is missing or damaged, or cannot be written to.
    """

    def __init__(self, path: Path, backup: Path) -> None:
        self._path, self._backup_path = path, backup
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        with _said(path, backup):
            connection = _connect(path)
            try:
                _check(connection)
                connection.execute("PRAGMA journal_mode = WAL")
                # Each commit reaches the disk, so that it survives a power cut as well.
                connection.execute("PRAGMA synchronous = FULL")
                self._connection = connection
                if schema_of(connection) == SCHEMA:
                    self._back_up_quietly()
                else:
                    self._migrate()
            except BaseException:
                self._connection = None
                connection.close()
                raise

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction, which is kept if the block ends.

        Nothing of the block is kept if it raises. Blocks must be short: other windows
        wait for their end.

        Raises
        ------
        StorageError
            If the database is closed, damaged, full, read-only or busy for too long.
        """
        with self._lock, _said(self._path, self._backup_path):
            connection = self._open_connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query.

        Raises
        ------
        StorageError
            If the database is closed, damaged or busy for too long.
        """
        with self._lock, _said(self._path, self._backup_path):
            return self._open_connection().execute(query, values).fetchall()

    def back_up(self) -> None:
        """Write a whole copy beside the database; an older copy is replaced by it.

        Raises
        ------
        StorageError
            If the database is damaged, in which case the older copy stays, or the copy
            cannot be written.
        """
        with self._lock, _said(self._path, self._backup_path):
            connection = self._open_connection()
            _check(connection)
            with (
                placed(self._backup_path) as draft,
                closing(sqlite3.connect(draft)) as copy,
            ):
                connection.backup(copy)
                # The copy is one file, also after it was opened.
                copy.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """Make the backup and close; a second time does nothing."""
        with self._lock:
            if self._connection is None:
                return
            self._back_up_quietly()
            connection, self._connection = self._connection, None
            connection.close()

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            msg = f"the study {self._path.parent.name!r} was closed: open it again"
            raise StorageError(msg)
        return self._connection

    def _back_up_quietly(self) -> None:
        """Make the backup where it can be made; work goes on without one."""
        try:
            self.back_up()
        except StorageError as error:
            _LOGGER.warning("%s", error)

    def _migrate(self) -> None:
        """Bring an older schema up to date; two windows may try that at once."""
        connection = self._open_connection()
        if 0 < schema_of(connection) < SCHEMA:
            self.back_up()
        with self.change():
            migrate(connection)


def create_database(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a database; it appears when it is whole.

    Parameters
    ----------
    path : Path
        A database that is there is replaced.
    fill : callable
        Writes the first rows into the empty tables, inside a transaction.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    with placed(path) as draft, _said(path), closing(_connect(draft, new=True)) as made:
        made.execute("BEGIN IMMEDIATE")
        create_tables(made)
        fill(made)
        made.execute("COMMIT")
        _forget_log(path)


def restore_database(path: Path, backup: Path) -> Path:
    """Put the backup in the place of a damaged database, which is kept beside it.

    Returns
    -------
    Path
        Where the damaged file is now.

    Raises
    ------
    InputError
        If there is no backup.
    StorageError
        If the backup is damaged too, or a file cannot be written.
    """
    if not backup.is_file():
        msg = (
            f"a study must have a backup to be restored from, but {str(backup)!r} is "
            "missing: make the study again from its images and annotations"
        )
        raise InputError(msg)
    aside = path.with_name(f"{path.name}.damaged")
    with placed(path) as draft:
        draft.write_bytes(backup.read_bytes())
        with _said(backup), closing(_connect(draft)) as copy:
            _check(copy)
        if path.exists():
            path.replace(aside)
        _forget_log(path)
    return aside


def _forget_log(path: Path) -> None:
    """Delete what SQLite left beside a file that is gone.

    It would be played into the next file of that name, whatever that holds.
    """
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _connect(path: Path, *, new: bool = False) -> sqlite3.Connection:
    """Open a file, without making it unless it is ``new``."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={'rwc' if new else 'rw'}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,  # transactions are begun by hand
        check_same_thread=False,  # a lock lets one thread in at a time
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _check(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError if a page is not as it should be."""
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        error = sqlite3.DatabaseError(" ".join(verdict.split()))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


@contextmanager
def _said(path: Path, backup: Path | None = None) -> Iterator[None]:
    """Turn what SQLite says of the world into sentences; our own mistakes stay.

    Raises
    ------
    StorageError
        If the database is damaged, or cannot be read or written.
    """  # noqa: DOC501 - our own mistakes stay as they are
    try:
        yield
    except sqlite3.DatabaseError as error:
        kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _KIND
        if kind in _DAMAGED:
            raise StorageError(_damage(path, backup, error)) from error
        reason = _REASONS.get(kind)
        if reason is None:
            raise
        msg = (
            f"the study must be able to use {str(path)!r}, but {reason[0]} ({error}): "
            f"nothing was changed, {reason[1]}"
        )
        raise StorageError(msg) from error


#: Kind of error -> what is the matter, what to do.
_REASONS = {
    sqlite3.SQLITE_FULL: ("the disk is full", "make room and try again"),
    sqlite3.SQLITE_READONLY: ("it cannot be written to", "check the permissions"),
    sqlite3.SQLITE_PERM: ("it cannot be written to", "check the permissions"),
    sqlite3.SQLITE_CANTOPEN: (
        "it or its folder cannot be opened for writing",
        "check the permissions",
    ),
    sqlite3.SQLITE_IOERR: ("the disk fails", "check the disk and the free space"),
    sqlite3.SQLITE_BUSY: (
        "another window is writing for too long",
        "try again when it is done",
    ),
    sqlite3.SQLITE_LOCKED: (
        "another window is writing for too long",
        "try again when it is done",
    ),
    sqlite3.SQLITE_NOMEM: ("memory is short", "close other programs"),
}


def _damage(path: Path, backup: Path | None, error: Exception) -> str:
    """Return the sentence about a damaged file, and how to get the backup back."""
    if backup is None or not backup.is_file():
        advice = "make the study again from its images and annotations"
    else:
        advice = (
            f"restore the copy {backup.name!r} with Study.restore, or by deleting "
            f"{path.name!r}, '{path.name}-wal' and '{path.name}-shm' and renaming the "
            f"copy to {path.name!r}"
        )
    return f"the file {str(path)!r} must be a whole database, got {error}: {advice}"
