"""The jobs of a study: a folder for each, numbered in the order they were made."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import InputError, MednextError, StorageError
from napari_mednext.jobs.documents import local_time
from napari_mednext.jobs.job import Job
from napari_mednext.jobs.record import StateRecord
from napari_mednext.jobs.spec import MODULE_PREFIXES, JobSpec, check_module
from napari_mednext.locking import FileLock

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["JobStore"]

_LOG = logging.getLogger(__name__)

_ID = re.compile(r"(\d{4,})-[a-z][a-z0-9-]*", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9-]{0,40}", re.ASCII)
#: Says the highest number ever given, so that none comes again after its job is gone.
_LOCK, _LAST = ".numbers.lock", ".last"
_LOCK_WAIT_S = 5.0


class JobStore:
    """The jobs in a folder.

    Parameters
    ----------
    folder : Path
        Made with the first job.
    module_prefixes : sequence of str
        Its jobs may run modules that begin with one of these.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        module_prefixes: Sequence[str] = MODULE_PREFIXES,
    ) -> None:
        self.folder = Path(folder).resolve()
        self._prefixes = tuple(module_prefixes)

    def new(
        self,
        kind: str,
        *,
        title: str,
        module: str,
        arguments: Mapping[str, Any],
        fill: Callable[[Path], object] | None = None,
        is_due: bool = False,
    ) -> Job:
        """Make a job; it does not start.

        Parameters
        ----------
        kind : str
            Lower-case word, part of the id.
        title : str
            For people.
        module : str
            Its ``main(job_folder)`` does the work, by :func:`.run_job`.
        arguments : mapping
            JSON values for that module.
        fill : callable, optional
            Called with the folder before anybody can see it, to put into it what the
            work needs; what it raises leaves no job.
        is_due : bool
            Whether :meth:`revive` starts the job if this process ends before it has.

        Returns
        -------
        Job

        Raises
        ------
        InputError
            If the module lies outside this package.
        ValueError
            If ``kind`` is no lower-case word, or the arguments are no JSON.
        StorageError
            If the folder cannot be written to.
        """  # noqa: DOC501 - an OSError never leaves
        if not _KIND.fullmatch(kind):
            msg = f"the kind of a job must be a lower-case word, got {kind!r}"
            raise ValueError(msg)
        arguments = _as_json(arguments)
        spec = JobSpec(
            kind, title, check_module(module, self._prefixes), arguments, local_time()
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / _LOCK, what="the list of jobs") as lock:
                if not lock.take(wait_s=_LOCK_WAIT_S):
                    msg = (
                        f"one job at a time can be made in {str(self.folder)!r}, and "
                        "another program makes one: try again"
                    )
                    raise StorageError(msg)
                self._clean()
                path = self._make(spec, fill, is_due=is_due)
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            msg = (
                f"a job must be written to {str(self.folder)!r} "
                f"({error.strerror or error}): make room or check the permissions"
            )
            raise StorageError(msg) from error
        return Job(path, module_prefixes=self._prefixes)

    def jobs(self) -> tuple[Job, ...]:
        """Return the jobs, newest first; see :meth:`problems` for those left out."""
        return self._read()[0]

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each job that cannot be read."""
        return self._read()[1]

    def job(self, job_id: str) -> Job:
        """Return a job by its id.

        Raises
        ------
        InputError
            If there is none, or it cannot be read.
        """
        if not _ID.fullmatch(job_id) or not (self.folder / job_id).is_dir():
            known = ", ".join(repr(job.id) for job in self.jobs()) or "none"
            msg = f"a job of this study is asked for, got {job_id!r}: there are {known}"
            raise InputError(msg)
        return Job(self.folder / job_id, module_prefixes=self._prefixes)

    def revive(self) -> tuple[Job, ...]:
        """Start the jobs again whose processes are gone; return them.

        A job that cannot be started is left as it is, and the log says why.
        """
        revived = []
        for job in reversed(self.jobs()):  # who came first queues first
            try:
                if job.revive():
                    revived.append(job)
            except MednextError as error:
                _LOG.warning("the job %s was not started: %s", job.id, error)
        return tuple(revived)

    def _read(self) -> tuple[tuple[Job, ...], tuple[str, ...]]:
        """Return the readable jobs, newest first, and what is wrong elsewhere."""
        jobs, problems = [], []
        for _, path in sorted(self._numbered(), reverse=True):
            try:
                job = Job(path, module_prefixes=self._prefixes)
                job.view()
            except MednextError as error:
                if path.exists():  # and was not deleted in this moment
                    problems.append(str(error))
            else:
                jobs.append(job)
        return tuple(jobs), tuple(problems)

    def _numbered(self) -> list[tuple[int, Path]]:
        """Return number and folder of all that look like jobs."""
        try:
            paths = list(self.folder.iterdir())
        except OSError:
            return []
        found = ((_ID.fullmatch(path.name), path) for path in paths)
        return [(int(match[1]), path) for match, path in found if match]

    def _make(
        self, spec: JobSpec, fill: Callable[[Path], object] | None, *, is_due: bool
    ) -> Path:
        """Make the folder of a job in one move; the caller holds the lock."""
        number = 1 + max([self._last(), *(number for number, _ in self._numbered())])
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        try:
            draft.chmod(self.folder.stat().st_mode & 0o777)  # mkdtemp lets us alone in
            spec.write(draft)
            if is_due:
                StateRecord(launches=1).write(draft)
            if fill is not None:
                fill(draft)
            path = draft.rename(self.folder / f"{number:04}-{spec.kind}")
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        (self.folder / _LAST).write_text(str(number))
        return path

    def _last(self) -> int:
        """Return the highest number that was ever given, as far as it is known."""
        try:
            return int((self.folder / _LAST).read_text())
        except (OSError, ValueError):
            return 0

    def _clean(self) -> None:
        """Remove what kills have left; the caller holds the lock."""
        for pattern in (".new-*", ".deleting-*"):
            for path in self.folder.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)


def _as_json(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as a process will read them.

    Raises
    ------
    ValueError
        If they are no JSON.
    """
    try:
        value: dict[str, Any] = json.loads(json.dumps(dict(arguments)))
    except (TypeError, ValueError) as error:
        msg = f"the arguments of a job must be JSON values, got {arguments!r}"
        raise ValueError(msg) from error
    return value
