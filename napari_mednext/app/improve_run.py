"""The process of an improvement: ``jobs`` starts it, ``training`` does the work."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import Cancelled, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.jobs import JobWorker

__all__ = ["clear_scaffold", "improve", "main"]


def main(folder: Path) -> None:
    """Work on an improvement until it is over.

    Parameters
    ----------
    folder : Path
        Of the job.
    """
    from napari_mednext.app.computing import prepare_computing
    from napari_mednext.jobs import run_job

    prepare_computing()
    run_job(folder, improve)
    clear_scaffold(folder)


def clear_scaffold(folder: Path) -> None:
    """Remove what only a job that goes on needs, once it is over and did not fail.

    States of trainings, scans as the network sees them, and the models that stood in
    for the new one take many times the room of the new one.

    Parameters
    ----------
    folder : Path
        Of the job.
    """
    from napari_mednext.jobs import Job, JobState

    view = Job(folder).view()
    if not view.is_over or view.state == JobState.FAILED:
        return
    scaffold = ("checkpoints/*.pt", "models/*", "data/arrays")
    for path in [path for each in scaffold for path in folder.glob(each)]:
        with contextlib.suppress(OSError):
            path.unlink() if path.is_file() else shutil.rmtree(path)


def improve(worker: JobWorker) -> dict[str, Any]:
    """Improve a model, from where the job stands; see `Improvement.run`.

    Parameters
    ----------
    worker : JobWorker
        Its arguments are those of an `ImproveOrder`.

    Returns
    -------
    dict
        For the state of the job.

    Raises
    ------
    InputError
        If the job was not begun as a whole.
    Cancelled
        If it was cancelled, or stopped before it began.
    """
    from napari_mednext.jobs import Command
    from napari_mednext.jobs.turns import compute_turn
    from napari_mednext.training.tuning.order import ImproveOrder

    if not (worker.path / "data" / "complete").exists():
        msg = (
            "an improvement must have copies of the labels in its folder, but making "
            "it was interrupted: start a new one"
        )
        raise InputError(msg)
    # STUDY/jobs/ID; the study may have been moved since the job was made.
    order = ImproveOrder.from_dict(worker.arguments).moved(worker.path.parents[1])
    _clear_drafts(worker.path)
    # The turn comes first: torch takes memory from the moment that it is imported.
    with compute_turn(_queue(order.settings.device), worker) as command:
        if command is Command.STOP:
            msg = "the job was stopped before it began: nothing was learned"
            raise Cancelled(msg)
        from napari_mednext.training.tuning.improvement import Improvement

        result = Improvement(order, worker).run()
    if order.settings.promote == "when better" and result["may_promote_alone"]:
        result["promoted"] = _promote(worker, order.model_sha256)
    return result


def _clear_drafts(folder: Path) -> None:
    """Remove what a killed process has not put into place; nobody else works here."""
    for pattern in (".saving-*", ".*.part", "*.part"):
        for path in list(folder.rglob(pattern)):
            with contextlib.suppress(OSError):
                path.unlink() if path.is_file() else shutil.rmtree(path)


def _queue(device: str) -> str:
    """Return the device whose queue a job joins: auto and cuda may be one GPU.

    Without torch, which takes memory that a job may only take in its turn.
    """
    if device == "auto":
        return "cuda:0" if shutil.which("nvidia-smi") else "cpu"
    return device


def _promote(worker: JobWorker, compared_with: str) -> bool:
    """Use the new model from now on, as somebody asked for beforehand.

    Not if another model is in use than it was compared with: another job may have been
    promoted meanwhile, or somebody went back.
    """
    from napari_mednext.app.versions import promote

    # STUDY/jobs/ID
    study = worker.path.parents[1]
    try:
        path = promote(study, worker.path, instead_of=compared_with)
    except InputError as error:
        worker.tell("warning", text=str(error))
        return False
    worker.tell("promoted", name=path.name)
    return True
