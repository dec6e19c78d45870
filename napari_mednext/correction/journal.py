"""The journal of a case: every step is on disk a moment after it was made.

A thread of its own compresses and writes, so that the window never waits for a disk.
What could not be written stays in memory and is tried again, by itself and on demand.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING, Any

from napari_mednext.correction.edits import Edit, pack
from napari_mednext.correction.records import (
    CHECK_SIZE,
    Record,
    first_line,
    read_payload,
    scan,
)
from napari_mednext.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.correction.records import Found

__all__ = ["Journal", "payload_reader", "read_journal"]

#: After a failure the next try comes by itself so much later, in seconds.
RETRY_S = 5.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass
class _Waiting:
    """A record to write, and the edit that is in it."""

    head: dict[str, Any]
    edit: Edit | None = None
    payload: bytes | None = None
    start: int = 0
    place: int = 0

    def leave(self, path: Path) -> None:
        """Let the edit read its blocks in the file from now on."""
        if self.edit is not None and self.payload is not None:
            size = len(self.payload)
            self.edit.leave_to(partial(read_payload, path, self.place, size))


class _Sync:
    """Asks the disk to keep a file, in a thread of its own."""

    def __init__(self, file: FileIO, records: int, told: threading.Condition) -> None:
        self.records = records
        self.is_done = False
        self.error: OSError | None = None
        self._file = file
        self._told = told
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the disk has answered."""
        self._thread.join()

    def _run(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self.error = error
        with self._told:
            self.is_done = True
            self._told.notify_all()


class Journal:
    """An append-only file that a thread writes.

    Opening it cuts off a record that was not written whole. Close it at the end, or use
    it in a ``with`` block.

    Parameters
    ----------
    path : Path
        Made when it is missing; its folder exists.
    on_problem : callable, optional
        Called by the writing thread when writing fails, with the sentence, and when it
        works again, with None.
    retry_s : float
        Seconds until a failed write is tried again.

    Raises
    ------
    FormatError
        If the file is no journal.
    StorageError
        If it cannot be opened for writing.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_problem: Callable[[str | None], None] | None = None,
        retry_s: float = RETRY_S,
    ) -> None:
        self.path = path
        self._on_problem = on_problem
        self._retry_s = retry_s
        self.records, self._end = read_journal(path)
        self._position = 1 + max((r.head["seq"] for r in self.records), default=0)
        self._waiting: deque[_Waiting] = deque()
        #: So many of them, from the first, are in the file already.
        self._written = 0
        self._changed = threading.Condition()
        self._problem: str | None = None
        self._tries = 0
        self._asked = 0
        self._is_closing = False
        self._next_try_s = 0.0
        self._file: FileIO | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"journal {path.name}", daemon=True
        )
        self._thread.start()

    @property
    def problem(self) -> str | None:
        """Why the newest steps are not on disk, None when they are or will be soon."""
        return self._problem

    @property
    def pending(self) -> int:
        """How many records are not on disk yet."""
        return len(self._waiting)

    @property
    def position(self) -> int:
        """The number that the next record gets; records are counted up for ever."""
        return self._position

    def append(self, head: dict[str, Any], edit: Edit | None = None) -> None:
        """Have a record written, and return at once.

        Parameters
        ----------
        head : dict
            JSON content; the number of the record is added to it.
        edit : Edit, optional
            Its blocks become the payload; when they are on disk it reads them there.

        Raises
        ------
        StorageError
            If the journal is closed.
        """
        with self._changed:
            if self._is_closing:
                msg = f"the journal {self.path.name!r} is closed: open the case again"
                raise StorageError(msg)
            self._waiting.append(_Waiting(head | {"seq": self._position}, edit))
            self._position += 1
            self._changed.notify_all()

    def flush(self, timeout_s: float = 60.0) -> None:
        """Wait until everything is on disk; a failed write is tried again first.

        Raises
        ------
        StorageError
            If it cannot be written, or not in this time. Nothing is lost by that.
        """
        end_s = time.monotonic() + timeout_s
        with self._changed:
            asked = self._asked = self._asked + 1
            self._changed.notify_all()
            while self._waiting:
                if self._problem is not None and self._tries >= asked:
                    raise StorageError(self._problem)
                left_s = end_s - time.monotonic()
                if left_s <= 0:
                    msg = (
                        f"{len(self._waiting)} steps must be written to "
                        f"{str(self.path)!r}, but the disk did not answer for "
                        f"{timeout_s:g} s: they are kept in memory, save again"
                    )
                    raise StorageError(msg)
                self._changed.wait(left_s)

    def close(self) -> None:
        """Write what waits, try once more where that failed, and end the thread.

        Raises
        ------
        StorageError
            If something could not be written; the journal is closed all the same.
        """
        problem: StorageError | None = None
        try:
            self.flush()
        except StorageError as error:
            problem = error
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()
        if problem is not None:
            raise problem

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        """Write what waits until the journal is closed."""
        while self._wait_for_work():
            kept, error = self._write_and_sync()
            with self._changed:
                for _ in range(kept):
                    self._waiting.popleft().leave(self.path)
                self._written -= kept
                was = self._problem
                if error is None:
                    self._problem = None
                self._changed.notify_all()
            if error is not None:
                self._failed(error)
            elif was is not None and self._on_problem is not None:
                self._on_problem(None)
        if self._file is not None:
            self._file.close()

    def _write_and_sync(self) -> tuple[int, OSError | None]:
        """Write what waits, and have the disk keep it; return how much it keeps.

        What is written survives the end of the process at once. What the disk keeps
        survives a power cut; asking it takes much longer, so further records are
        written meanwhile.
        """
        sync: _Sync | None = None
        error: OSError | None = None
        while error is None and (sync is None or not self._wait_for(sync)):
            try:
                while self._written < len(self._waiting):
                    self._write(self._waiting[self._written])
                    self._written += 1
            except OSError as failed:
                error = failed
            if sync is None and self._written and self._file is not None:
                sync = _Sync(self._file, self._written, self._changed)
        if sync is None:
            return 0, error
        sync.join()
        if sync.error is not None:
            # Nobody knows what is on disk: everything since is written again.
            self._end, self._written = self._waiting[0].start, 0
            return 0, sync.error
        return sync.records, error

    def _wait_for(self, sync: _Sync) -> bool:
        """Wait for the disk, or for more to write; return whether the disk is done."""
        with self._changed:
            while not sync.is_done and self._written == len(self._waiting):
                self._changed.wait()
            return sync.is_done

    def _wait_for_work(self) -> bool:
        """Wait until something can be written; False when the journal is closed."""
        with self._changed:
            while not self._is_closing:
                now_s = time.monotonic()
                is_due = (
                    self._problem is None
                    or self._tries < self._asked
                    or now_s >= self._next_try_s
                )
                if self._waiting and is_due:
                    return True
                wait_s = max(self._next_try_s - now_s, 0.0) if self._waiting else None
                self._changed.wait(wait_s)
        return False

    def _write(self, waiting: _Waiting) -> None:
        """Write one record at the end, whole or not at all."""
        edit = waiting.edit
        if edit is not None and waiting.payload is None:
            waiting.payload = pack(edit.blocks())
        payload = waiting.payload or b""
        encoded = Record(waiting.head, payload).encode()
        file = self._opened_file()
        file.seek(self._end)
        _write_whole(file, encoded)
        waiting.start, self._end = self._end, self._end + len(encoded)
        waiting.place = self._end - CHECK_SIZE - len(payload)

    def _opened_file(self) -> FileIO:
        """Return the file; opened anew, it is cut to its good end."""
        if self._file is not None:
            return self._file
        file = FileIO(self.path, "r+" if self.path.exists() else "w+")
        try:
            file.truncate(self._end)
            if self._end == 0:
                _write_whole(file, first_line())
                self._end = file.tell()
        except OSError:
            file.close()
            raise
        self._file = file
        return file

    def _failed(self, error: OSError) -> None:
        """Keep why writing failed, and let the next try begin with a cut."""
        if self._file is not None:
            self._file.close()
            self._file = None
        reason = error.strerror or str(error)
        advice = "make room" if error.errno in _FULL else "make the folder writable"
        sentence = (
            f"the newest steps could not be written to {str(self.path.parent)!r} "
            f"({reason[:1].lower()}{reason[1:]}): they are kept in memory, {advice} "
            "and save again"
        )
        with self._changed:
            is_news = self._problem is None
            self._problem = sentence
            self._tries = self._asked
            self._next_try_s = time.monotonic() + self._retry_s
            self._changed.notify_all()
        if is_news and self._on_problem is not None:
            self._on_problem(sentence)


def payload_reader(path: Path, found: Found) -> Callable[[], bytes]:
    """Return what reads the payload of a record on disk."""
    return partial(read_payload, path, found.payload_start, found.payload_size)


def _write_whole(file: FileIO, content: bytes) -> None:
    """Write everything: an unbuffered file may take only a part at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def read_journal(path: Path) -> tuple[list[Found], int]:
    """Return the whole records of a journal and where they end; none if it is missing.

    Raises
    ------
    FormatError
        If it is no journal, or of a newer version.
    StorageError
        If the file cannot be read.
    """  # noqa: DOC501 - passes on the one above
    if not path.exists():
        return [], 0
    try:
        return scan(path)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        msg = (
            f"the journal {str(path)!r} must be readable, got "
            f"{error.strerror or error}: check its permissions"
        )
        raise StorageError(msg) from error
