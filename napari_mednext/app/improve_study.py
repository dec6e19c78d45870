"""Improving the model of a study from a script: start the job, wait, say what came."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.app.candidates import candidate_of
from napari_mednext.app.improve import comparison_of, start_improve
from napari_mednext.errors import Cancelled, ModelError, ResourceError
from napari_mednext.jobs import JobState
from napari_mednext.progress import Progress
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.study import Study
from napari_mednext.training.gate.verdict import Verdict

if TYPE_CHECKING:
    from napari_mednext.jobs import Job, JobView
    from napari_mednext.progress import ProgressCallback

__all__ = ["Improved", "improve_study"]

#: Seconds between two looks at the job.
_LOOK_S = 0.2


@dataclass(frozen=True)
class Improved:
    """What came of an improvement.

    Parameters
    ----------
    verdict : Verdict
        ``outcome`` is "better", "same", "worse" or "unproven", ``reason`` one sentence.
    model : Path
        Folder of the new model: in the job, or in the study once it is in use.
    job : str
        Identity of the job.
    """

    verdict: Verdict
    model: Path
    job: str


def improve_study(
    folder: str | Path,
    settings: ImproveSettings | None = None,
    *,
    model: str | Path | None = None,
    on_progress: ProgressCallback | None = None,
) -> Improved:
    """Improve the model of a study with its corrections, and wait until it is judged.

    The work is done in a process of its own: when this one is interrupted, the job goes
    on, and ``napari-mednext jobs`` shows it.

    Parameters
    ----------
    folder : str or Path
        Of the study. Its cases count as they were saved last.
    settings : ImproveSettings, optional
        How; the defaults when left out. The new model is not used unless ``promote``
        says so; :func:`napari_mednext.app.versions.promote` does it later.
    model : str or Path, optional
        What is improved; the study's model when left out.
    on_progress : callable, optional
        Called from this thread, now and then, with the updates that are done.

    Returns
    -------
    Improved

    Raises
    ------
    InputError
        If the study does not allow it: labels, reviewed voxels, the model.
    ResourceError
        If memory or disk are not enough, or the process of the job is gone.
    StorageError
        If the job cannot be written.
    ModelError
        If the job failed; the sentence says why.
    Cancelled
        If somebody cancelled the job, or stopped it before it had learned anything.
    """  # noqa: DOC501 - also by start_improve
    with Study.open(folder) as study:
        place = study.path
        job = start_improve(study, settings or ImproveSettings(), model=model)
    view = _awaited(job, on_progress)
    if view.state is JobState.FAILED:
        raise ModelError(view.message)
    if view.state is JobState.INTERRUPTED:
        msg = (
            f"the process of the job {job.id!r} must stay alive until it is done, but "
            "it is gone: resume the job, it goes on from its last checkpoint"
        )
        raise ResourceError(msg)
    report, made = comparison_of(job), candidate_of(place, job.path).path
    if view.state is JobState.CANCELLED or report is None or made is None:
        msg = view.message or f"the job {job.id!r} was cancelled"
        raise Cancelled(msg)
    return Improved(report.verdict, made, job.id)


def _awaited(job: Job, on_progress: ProgressCallback | None) -> JobView:
    """Return where the job stands when it is over, or has lost its process."""
    begun = time.monotonic()
    while True:
        view = job.view()
        if on_progress is not None:
            elapsed = time.monotonic() - begun
            on_progress(
                Progress(view.step, view.total, view.phase, elapsed, view.remaining_s)
            )
        if view.is_over or view.state is JobState.INTERRUPTED:
            return view
        time.sleep(_LOOK_S)
