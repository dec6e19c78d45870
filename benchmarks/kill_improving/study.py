"""The study that is improved: small scans, a small model, copied for every job."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import psutil

from napari_mednext.app import improve
from napari_mednext.jobs import Job, JobStore
from napari_mednext.study import Study
from tests.app.improve_parts import FAST, make_study, write_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_mednext.settings.improve import ImproveSettings

__all__ = ["SETTINGS", "Place", "environment", "process_of", "store_of"]

#: Two cases that judge each other: three trainings, of which each must be the same.
CASES = 2
SETTINGS = dataclasses.replace(
    FAST,
    steps=20,
    augment=True,
    batch_size=1,
    learning_rate=1e-2,
    promote="when better",
)
_MODULE = "benchmarks.kill_improving.trainer"
_PREFIXES = ("napari_mednext.", "benchmarks.")


class _Store(JobStore):
    """Jobs that run the trainer of this folder."""

    def new(self, kind: str, **more: Any) -> Job:
        """Make a job; see :meth:`.JobStore.new`."""
        return super().new(kind, **(more | {"module": _MODULE}))


def store_of(study: Path) -> JobStore:
    """Return the jobs of a study; they may run the trainer of this folder."""
    return _Store(study / "jobs", module_prefixes=_PREFIXES)


class Place:
    """A study as people left it, from which every job gets a copy of its own.

    Parameters
    ----------
    scratch : Path
        An empty folder.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.model = write_model(scratch / "small").path
        make_study(scratch / "template", CASES).close()

    def copy(self, name: str, inside: Path | None = None) -> Path:
        """Copy the study; its name, and so that of the new model, stays."""
        target = (inside or self.scratch) / name / "study"
        shutil.copytree(self.scratch / "template" / "study", target)
        return target

    def start(self, folder: Path, settings: ImproveSettings = SETTINGS) -> Job:
        """Begin an improvement of the study in a folder."""
        with (
            mock.patch.object(improve, "job_store", lambda s: store_of(s.path)),
            Study.open(folder) as study,
        ):
            return improve.start_improve(study, settings, model=self.model)


@contextlib.contextmanager
def environment(scratch: Path) -> Iterator[None]:
    """Set what all processes share: a queue and a library of their own, one thread."""
    own = {
        "NAPARI_MEDNEXT_STATE": str(scratch / "state"),
        "NAPARI_MEDNEXT_MODELS": str(scratch / "library"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with mock.patch.dict(os.environ, own):
        yield


def process_of(job: Job) -> psutil.Process | None:
    """Return the process that works on a job, from its first moment on.

    It steps back no further than this one, as far as the system allows.
    """
    for process in psutil.Process().children():
        try:
            if str(job.path) in process.cmdline():
                with contextlib.suppress(psutil.AccessDenied):
                    process.nice(psutil.Process().nice())
                return process
        except psutil.Error:
            continue
    return None
