"""The boundary of a job: one process at a time, every end said in one sentence."""

from __future__ import annotations

import errno
import logging
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import Cancelled, MednextError
from napari_mednext.jobs.states import JobState
from napari_mednext.jobs.worker import JobWorker
from napari_mednext.locking import FileLock

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["LOCK", "Interrupted", "run_job"]

#: The file whose lock says that a process works on the job.
LOCK = "process.lock"
#: Seconds to wait for who looks at the lock, or changes the state of a sleeping job.
_LOCK_WAIT_S = 2.0

_LOG = logging.getLogger(__name__)
#: The worker of this context, so that the process that counted the attempt and
#: imported the module is not counted again by that module.
_CURRENT: ContextVar[JobWorker | None] = ContextVar("mednext_job", default=None)

Work = Callable[[JobWorker], Mapping[str, Any]]


class Interrupted(BaseException):
    """The system wants this process to end; the job goes on in another one."""


def run_job(path: str | os.PathLike[str], work: Work) -> None:
    """Work on a job, unless another process does or nothing is left to do.

    Parameters
    ----------
    path : path
        The job folder.
    work : callable
        Gets the :class:`.JobWorker`, returns the result: JSON values. It goes on from
        its own checkpoint where there is one. What it raises ends the job: an error of
        this package as FAILED with its sentence, any other one with its name, and
        :class:`.Cancelled` as what the user asked for.

    Raises
    ------
    MednextError
        If the folder is no job, or its disk knows no locks.
    """
    path = Path(path).resolve()
    worker = _CURRENT.get()
    if worker is not None and worker.path == path:
        worker.conclude(work(worker))
        return
    with FileLock(path / LOCK, what="a job") as lock:
        if not lock.take(wait_s=_LOCK_WAIT_S):
            _LOG.info("another process works on the job %s", path.name)
            return
        worker = JobWorker(path)
        if worker.begin():
            token = _CURRENT.set(worker)
            try:
                _bounded(worker, work)
            finally:
                _CURRENT.reset(token)


def _bounded(worker: JobWorker, work: Work) -> None:
    """Do the work; whatever happens becomes a state of the job."""
    try:
        with _interrupts():
            _told(worker, work)
    except Interrupted:
        _LOG.info("the process was asked to end, the job can go on later")
        worker.interrupt()


def _told(worker: JobWorker, work: Work) -> None:
    """Do the work; errors end the job with a sentence."""
    try:
        worker.conclude(work(worker))
    except Cancelled:
        worker.conclude({})
    except Exception as error:  # noqa: BLE001 - the one boundary of a job
        _LOG.exception("the job %s failed", worker.path.name)
        if not worker.is_over:
            worker.finish(JobState.FAILED, _sentence(error))


def _sentence(error: Exception) -> str:
    """Return what is shown of an error."""
    if isinstance(error, MednextError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "the job must find room on the disk, it is full: make room, then start it"
        )
    what = " ".join(str(error).split())[:200]
    told = f"{type(error).__name__}: {what}" if what else type(error).__name__
    return (
        f"the job must run to its end, it met an error ({told}): look into its log, "
        "then start it again"
    )


@contextmanager
def _interrupts() -> Iterator[None]:
    """Raise :class:`Interrupted` where the system asks this process to end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python takes signals in the main thread only
        return
    numbers = [signal.SIGTERM, signal.SIGINT]
    older = {number: signal.signal(number, _raise) for number in numbers}
    try:
        yield
    finally:
        for number, handler in older.items():
            signal.signal(number, handler)


def _raise(number: int, _: FrameType | None) -> None:
    raise Interrupted(number)
