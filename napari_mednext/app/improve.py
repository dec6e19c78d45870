"""Improving the model of a study: planning it, starting it, and what came of it.

Nothing here needs torch: the training is a process of its own.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from napari_mednext.app.held_out import held_out, hold_out
from napari_mednext.app.improve_plan import (
    ImproveDraft,
    ImprovePlan,
    PlannedCase,
    frozen_paths,
)
from napari_mednext.errors import InputError, ResourceError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.app.reviewed import Reviewed
    from napari_mednext.jobs import Job, JobStore
    from napari_mednext.settings.improve import ImproveSettings
    from napari_mednext.study import Study
    from napari_mednext.training.gate import GateReport

__all__ = [
    "ImprovePlan",
    "PlannedCase",
    "comparison_of",
    "job_store",
    "plan_improve",
    "start_improve",
]


def job_store(study: Study) -> JobStore:
    """Return the jobs of a study."""
    from napari_mednext.jobs import JobStore

    return JobStore(study.path / "jobs")


def comparison_of(job: Job) -> GateReport | None:
    """Return how the new model of a job compares, None as long as nobody knows."""
    from napari_mednext.training.gate import read_report

    path = job.path / "comparison.json"
    return read_report(path) if path.exists() else None


def plan_improve(
    study: Study,
    settings: ImproveSettings,
    *,
    model: str | Path | None = None,
    check: Callable[[], None] | None = None,
) -> ImprovePlan:
    """Return what an improvement would do and take, without starting it.

    Parameters
    ----------
    study : Study
        Its cases count as they were saved last.
    settings : ImproveSettings
        How.
    model : str or Path, optional
        What is improved; the study's model when left out.
    check : callable, optional
        Called between cases; may raise to stop.

    Returns
    -------
    ImprovePlan
        With problems where it cannot be started.
    """
    return ImproveDraft(study, settings, model, check).plan


def start_improve(
    study: Study, settings: ImproveSettings, *, model: str | Path | None = None
) -> Job:
    """Start an improvement in a process of its own.

    Parameters
    ----------
    study, settings, model
        As for :func:`plan_improve`.

    Returns
    -------
    Job
        It goes on when this process ends.

    Raises
    ------
    InputError
        If the study does not allow it: labels, reviewed voxels, the model.
    ResourceError
        If memory or disk are not enough.
    StorageError
        If the job cannot be written.
    """
    draft = ImproveDraft(study, settings, model, None)
    if draft.plan.problems:
        sentence = draft.plan.problems[0]
        raise ResourceError(sentence) if draft.lacks_resources else InputError(sentence)
    order = draft.order()
    if draft.split is not None and draft.split.locked != held_out(study.path):
        hold_out(study.path, draft.split.locked)
    store = job_store(study)

    def freeze(folder: Path) -> None:
        _freeze(draft.used, folder)

    # Whatever ends this process leaves no job, or one that the next window starts.
    job = store.new(
        "improve",
        title=f"Improve {draft.plan.model}",
        module="napari_mednext.app.improve_run",
        arguments=order.to_dict(),
        fill=freeze,
        is_due=True,
    )
    job.start()
    return job


def _freeze(used: tuple[Reviewed, ...], folder: Path) -> None:
    """Copy what the cases say, for people go on painting.

    Raises
    ------
    StorageError
        If there is no room.
    """
    try:
        for reviewed in used:
            labels, provenance = frozen_paths(reviewed.case.name)
            (folder / labels).parent.mkdir(exist_ok=True)
            # A window saves labels first, and may do so now: in this order nothing
            # counts as reviewed before its label is there.
            shutil.copyfile(reviewed.provenance, folder / provenance)
            shutil.copyfile(reviewed.labels, folder / labels)
        (folder / "data" / "complete").touch()
    except OSError as error:
        msg = (
            f"the labels must be copied into {str(folder.parent)!r}, but that failed "
            f"({error.strerror or error}): make room, then start again"
        )
        raise StorageError(msg) from error
