"""One window edits a case, every other one may only look at it.

The lock is one of the operating system on an open file, so it ends with the process
that holds it, however that ends. The file itself stays; it says who holds the lock.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from napari_mednext.locking import lock_now, unusable_lock

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CaseLock", "LockHolder"]

_MAX_TEXT = 4096


@dataclass(frozen=True)
class LockHolder:
    """Who has a case open.

    Parameters
    ----------
    user, host : str
        Empty where the system does not tell.
    pid : int
        Process number on that host.
    since : str
        Local time as ISO 8601, to the second.
    """

    user: str
    host: str
    pid: int
    since: str

    @classmethod
    def here(cls) -> Self:
        """Return this process."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # no entry for the user, as in a container
            user = ""
        since = datetime.now(UTC).astimezone().isoformat(" ", "seconds")
        return cls(user, socket.gethostname(), os.getpid(), since)

    def __str__(self) -> str:
        where = "this computer" if self.host == socket.gethostname() else self.host
        return f"{self.user or 'somebody'} on {where} since {self.since[:16]}"


class CaseLock:
    """The right to edit a case, if nobody else has it.

    Parameters
    ----------
    path : Path
        The lock file; made if missing, in a folder that is there.

    Attributes
    ----------
    held : bool
        Whether this window may edit.
    holder : LockHolder or None
        Who may; None where the file does not tell.

    Raises
    ------
    StorageError
        If the file cannot be opened, or the disk knows no locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self.holder: LockHolder | None = None
        self.take()

    @property
    def held(self) -> bool:
        """Whether this window may edit."""
        return self._file is not None

    def take(self) -> bool:
        """Try to get the lock, without waiting; return whether it is held.

        Raises
        ------
        StorageError
            If the file cannot be opened, or the disk knows no locks.
        """  # noqa: DOC501 - made by unusable_lock
        if self._file is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise unusable_lock(self._path, error, what="a case") from error
        try:
            if not lock_now(file):
                self.holder = _read(file)
                os.close(file)
                return False
            self.holder = LockHolder.here()
            os.ftruncate(file, 0)
            os.write(file, json.dumps(asdict(self.holder)).encode())
        except OSError as error:
            os.close(file)
            self.holder = None
            raise unusable_lock(self._path, error, what="a case") from error
        self._file = file
        return True

    def release(self) -> None:
        """Let others have the lock; a second time does nothing."""
        if self._file is None:
            return
        file, self._file, self.holder = self._file, None, None
        try:
            os.ftruncate(file, 0)
        finally:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __str__(self) -> str:
        if self.held:
            return "this window may edit the case"
        who = self.holder or "another window"
        return f"the case can be looked at only, it is open elsewhere ({who})"


def _read(file: int) -> LockHolder | None:
    """Return who wrote the file; None while it is being written or of another kind."""
    os.lseek(file, 0, os.SEEK_SET)
    try:
        value = json.loads(os.read(file, _MAX_TEXT))
        return LockHolder(
            str(value["user"]), str(value["host"]), int(value["pid"]), value["since"]
        )
    except (ValueError, TypeError, KeyError):
        return None
