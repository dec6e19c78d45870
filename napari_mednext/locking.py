"""Locks of the operating system on open files: truth about who is alive.

Such a lock ends with the process that holds it, however that ends, so it needs no
clock, and no process number that another program may have been given since. The file
itself stays. A process that was forked from the holder, and not started anew, keeps
the lock alive as long as it lives.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING, Self

from napari_mednext.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    #: Windows keeps others from reading a locked byte: one beyond the text is locked.
    _LOCKED_BYTE = 1 << 30
else:
    import fcntl

__all__ = ["FileLock", "is_locked", "lock_now", "unusable_lock"]

#: What the system says when somebody else has the lock.
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
#: Seconds between two tries of who waits for a lock.
_RETRY_S = 0.005


class FileLock:
    """A lock that one process, and one object in it, holds at a time.

    Parameters
    ----------
    path : Path
        The lock file; made when the lock is taken, in a folder that is there.
    what : str
        What is locked, for the sentence of an error: "a case".
    """

    def __init__(self, path: Path, *, what: str) -> None:
        self.path = path
        self._what = what
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def take(self, *, wait_s: float = 0.0) -> bool:
        """Try to get the lock for so many seconds; return whether it is held.

        Who only looks whether a lock is held has it for some microseconds, so who
        must have it should wait a little.

        Raises
        ------
        StorageError
            If the file cannot be opened, or the disk knows no locks.
        """  # noqa: DOC501 - made by unusable_lock
        if self._file is not None:
            return True
        end = time.monotonic() + wait_s
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise unusable_lock(self.path, error, what=self._what) from error
        try:
            while not lock_now(file):
                if time.monotonic() >= end:
                    os.close(file)
                    return False
                time.sleep(_RETRY_S)
        except OSError as error:
            os.close(file)
            raise unusable_lock(self.path, error, what=self._what) from error
        self._file = file
        return True

    def is_in_place(self) -> bool:
        """Whether the locked file is still the one that its path names."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Let others have the lock; a second time does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_locked(path: Path, *, what: str) -> bool:
    """Whether somebody, this process included, holds the lock of a file.

    Raises
    ------
    StorageError
        If the disk knows no locks, or the file may not be read.
    """  # noqa: DOC501 - made by unusable_lock
    # Looking must disturb other lookers as little as the system allows: where it knows
    # shared locks, a reader's right is enough and lookers do not see each other.
    flags = os.O_RDWR if sys.platform == "win32" else os.O_RDONLY
    try:
        file = os.open(path, flags)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unusable_lock(path, error, what=what) from error
    try:
        return not lock_now(file, shared=True)
    except OSError as error:
        raise unusable_lock(path, error, what=what) from error
    finally:
        os.close(file)


def lock_now(file: int, *, shared: bool = False) -> bool:
    """Lock an open file if nobody else has, without waiting.

    Parameters
    ----------
    file : int
        Descriptor; closing it ends the lock.
    shared : bool
        Whether others may have a shared lock too; the same as alone on Windows.

    Returns
    -------
    bool
        Whether the lock is held now.

    Raises
    ------
    OSError
        If the disk knows no locks.
    """
    try:
        if sys.platform == "win32":
            os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def unusable_lock(path: Path, error: OSError, *, what: str) -> StorageError:
    """Return the sentence about a lock file that does not work."""
    return StorageError(
        f"{what} must be locked by the file {str(path)!r}, but the system refuses it "
        f"({error.strerror or error}): check the permissions, or move the study to a "
        "disk that knows locks"
    )
