"""Starting a process that outlives this one, and ending it by force."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import ResourceError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import psutil

__all__ = ["LOG", "find_process", "kill_tree", "spawn"]

#: What the processes of a job print, one after the other.
LOG = "log.txt"
#: Seconds that a process has to end when it is asked to.
_TERMINATE_S = 2.0
#: The child gets this process's search path, so that it finds the same packages even
#: where neither an installation nor the working folder would lead to them.
_BOOTSTRAP = (
    "import sys; sys.path[:] = {path!r}; "
    "from napari_mednext.jobs.process import main; main(sys.argv[1], {prefixes!r})"
)


def spawn(folder: Path, prefixes: Sequence[str], on_end: Callable[[], None]) -> None:
    """Start a process for a job; it lives on when this one ends.

    Parameters
    ----------
    folder : Path
        The job; its absolute path is an argument of the process.
    prefixes : sequence of str
        See :func:`.check_module`.
    on_end : callable
        Called in a thread when the process has ended before this one.

    Raises
    ------
    StorageError
        If the log cannot be written.
    ResourceError
        If the system starts no process.
    """
    path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - links stay
    code = _BOOTSTRAP.format(path=path, prefixes=tuple(prefixes))
    try:
        log = (folder / LOG).open("ab")
    except OSError as error:
        msg = (
            f"a job must write its log to {str(folder / LOG)!r}, but the system "
            f"refuses it ({error.strerror or error}): make room, then start it again"
        )
        raise StorageError(msg) from error
    try:
        with log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **_detached(),
            )
    except OSError as error:
        msg = (
            f"the process of a job must be started, the system answered "
            f"{error.strerror!r}: close other programs and try again"
        )
        raise ResourceError(msg) from error

    def reap() -> None:
        process.wait()
        on_end()

    # Without it the dead child would stay a zombie as long as this process lives.
    threading.Thread(target=reap, name="mednext-job", daemon=True).start()


def _detached() -> dict[str, Any]:
    """Return the options that keep the end of this process away from the child."""
    if sys.platform == "win32":
        return {
            "creationflags": subprocess.CREATE_NO_WINDOW
            | subprocess.CREATE_NEW_PROCESS_GROUP
            | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        }
    return {"start_new_session": True}


def find_process(pid: int | None, folder: Path) -> psutil.Process | None:
    """Return the process of a job, None where the number belongs to another program.

    It is known by the folder in its arguments: a process number is given again, and
    the time at which a process began moves with the clock.
    """
    import psutil

    if pid is None or pid == os.getpid():
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if str(folder) in process.cmdline():
            return process
    return None


def kill_tree(process: psutil.Process) -> None:
    """Ask a process to end, then end it and all that it started by force."""
    import psutil

    tree = [process]
    with contextlib.suppress(psutil.Error):
        tree += process.children(recursive=True)
    with contextlib.suppress(psutil.Error):
        process.terminate()
    psutil.wait_procs([process], timeout=_TERMINATE_S)
    for one in tree:
        with contextlib.suppress(psutil.Error):
            one.kill()
    psutil.wait_procs(tree, timeout=_TERMINATE_S)
