"""The process of a job; started by :mod:`.spawning`, it outlives the window."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import MednextError, ModelError
from napari_mednext.jobs.documents import local_time
from napari_mednext.jobs.running import run_job
from napari_mednext.jobs.spec import JobSpec, check_module

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_mednext.jobs.worker import JobWorker

__all__ = ["main"]

#: How much the process steps back behind what the user works with.
_NICENESS = 10
#: Linux ends the process with the highest number first when memory runs out.
_OOM_SCORE = "500"

_LOG = logging.getLogger(__name__)


class _Log(io.RawIOBase):
    """Standard output that a full disk cannot break."""

    def write(self, data: Any, /) -> int:
        """Write what the disk takes."""
        with contextlib.suppress(OSError):
            os.write(1, data)
        return len(data)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return 1


def main(folder: str, prefixes: Sequence[str]) -> None:
    """Work on a job and end the process.

    Parameters
    ----------
    folder : str
        The job.
    prefixes : sequence of str
        Modules that it may run begin with one of these.
    """
    _settle_down()
    code = 0
    try:
        _LOG.info("process %d begins at %s", os.getpid(), local_time())
        run_job(folder, lambda worker: _run_module(worker, prefixes))
    except MednextError as error:
        _LOG.error("%s", error)
        code = 1
    finally:
        logging.shutdown()
        # The job is over or free for another process: threads that the work has left
        # behind, and libraries that crash at exit, must not keep this one.
        os._exit(code)


def _settle_down() -> None:
    """Log to the file, and stay behind what the user does."""
    faulthandler.enable(file=2)
    sys.stdout = sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Log()), "utf-8", errors="replace", line_buffering=True
    )
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s"
    )
    if sys.platform != "win32":  # there it is an option of the start
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)


def _run_module(worker: JobWorker, prefixes: Sequence[str]) -> Mapping[str, Any]:
    """Import the module of a job and let it work."""
    name = check_module(JobSpec.read(worker.path).module, prefixes)
    importlib.import_module(name).main(worker.path)
    if not worker.is_over:
        msg = f"the module {name!r} must run its job by run_job, it did not"
        raise ModelError(msg)
    return {}
