"""The parent's side of the segmentation process: start it, hear it, end it."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO, Any

from napari_mednext.app.computing import COMPUTE_ENVIRONMENT
from napari_mednext.app.wire import Channel, widen_pipe
from napari_mednext.errors import ResourceError, StorageError

__all__ = ["Child"]

#: Bytes of the child's last words that are kept with the error.
_LOG_TAIL_BYTES = 4000
#: Seconds to wait for a killed process and for the thread that hears it.
_END_S = 5.0
#: The child gets the parent's search path, so that it finds the same packages even
#: where neither an installation nor the working folder would lead to them.
_BOOTSTRAP = (
    "import sys; sys.path[:] = {path!r}; "
    "from napari_mednext.app.service_process import main; main({backend!r}, {parent})"
)


class Child:
    """A running segmentation process.

    A thread reads everything that the child sends, so that the child never waits for
    us, and reaps the child when its output ends, so that no zombie is left.

    Parameters
    ----------
    backend : str
        ``"module:Class"`` of what works in the child.

    Raises
    ------
    ResourceError
        If the system starts no process.
    """

    def __init__(self, backend: str) -> None:
        # A file, not a pipe: nobody has to read it, so the child can never block on it.
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        code = _BOOTSTRAP.format(path=sys.path, backend=backend, parent=os.getpid())
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                env={**COMPUTE_ENVIRONMENT, **os.environ},
                **_own_group(),
            )
        except OSError as error:
            self._log.close()
            msg = (
                "the segmentation process must be started, the system answered "
                f"{error.strerror!r}: close other programs and try again"
            )
            raise ResourceError(msg) from error
        reader, writer = self._process.stdout, self._process.stdin
        if not isinstance(reader, io.FileIO) or not isinstance(writer, io.FileIO):
            msg = f"the pipes must be unbuffered, got {reader!r} and {writer!r}"
            raise TypeError(msg)
        for stream in (reader, writer):
            widen_pipe(stream.fileno())
        self.channel = Channel(reader, writer)
        self.pid = self._process.pid
        self.devices: tuple[str, ...] | None = None
        self._messages: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._silent = threading.Event()
        self._listener = threading.Thread(
            target=self._listen, name="mednext-service", daemon=True
        )
        self._listener.start()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs and can be heard."""
        return not self._silent.is_set() and self._process.poll() is None

    def next_message(self, *, timeout_s: float) -> tuple[Any, ...] | None:
        """Return what the child said, ``("died", 0)`` at its end, None when nothing."""
        try:
            return self._messages.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def death(self) -> ResourceError:
        """Return the sentence for a child that ended by itself."""
        code = self._process.poll()
        how = f"exit code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                how = signal.Signals(-code).name
        error = ResourceError(
            f"the segmentation process must stay alive, it ended with {how}: if memory "
            "ran out, choose a region or lower the memory limit, then segment again"
        )
        tail = self._last_words()
        if tail:
            error.add_note(tail)
        return error

    def kill(self) -> None:
        """End the process by force; the listener reports its death."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End the process and free everything. It keeps no state worth waiting for."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_END_S)
        if threading.current_thread() is not self._listener:
            self._listener.join(timeout=_END_S)
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _listen(self) -> None:
        """Pass on what the child says until its pipe ends; then reap it."""
        while True:
            try:
                message = self.channel.receive()
            except (EOFError, OSError, StorageError, ValueError):
                break
            if message[0] == "ready":
                self.devices = message[2]
            else:
                self._messages.put(message)
        self._silent.set()
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_END_S)
        self._messages.put(("died", 0))

    def _last_words(self) -> str:
        """Return the end of what the child wrote to its error stream."""
        with contextlib.suppress(OSError, ValueError):
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - _LOG_TAIL_BYTES))
            return self._log.read().decode(errors="replace").strip()
        return ""


def _own_group() -> dict[str, Any]:
    """Return the options that keep a Ctrl-C in the terminal away from the child."""
    if sys.platform == "win32":
        return {
            "creationflags": subprocess.CREATE_NO_WINDOW
            | subprocess.CREATE_NEW_PROCESS_GROUP
            | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        }
    return {"start_new_session": True}
