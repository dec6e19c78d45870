"""Telling a job what to do: what is refused, and what is said of what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.cli.job_outcomes import steering
from napari_mednext.errors import InputError
from napari_mednext.jobs import JobState

if TYPE_CHECKING:
    from napari_mednext.cli.job_choice import StudyJob

__all__ = ["cancel", "pause", "remove", "resume", "stop"]


def pause(each: StudyJob) -> str:
    """Let a job wait, and return what to say.

    Raises
    ------
    InputError
        If it is over.
    """  # noqa: DOC501 - by _refuse_over
    _refuse_over(each, "paused")
    each.job.pause()
    state = each.job.view().state
    how = "is paused" if state is JobState.PAUSED else "will pause at its next step"
    return f"{each.job.id} {how}: go on with {steering('resume', each)}"


def resume(each: StudyJob) -> str:
    """Let a job go on, from its last checkpoint where its process is gone.

    Raises
    ------
    InputError
        If it is over and did not fail.
    """
    state = each.job.view().state
    if state is JobState.RUNNING and each.job.is_alive:
        each.job.resume()  # it may be told to pause and not have seen that yet
        return f"{each.job.id} runs"
    if state is JobState.FAILED:
        each.job.start()
        return f"{each.job.id} is tried again"
    if each.job.view().is_over:
        msg = (
            "a job must be paused, have lost its process or have failed to be "
            f"resumed, {each.job.id!r} is {state.value}: start a new one"
        )
        raise InputError(msg)
    each.job.resume()
    if not each.job.is_alive:
        each.job.start()
    return f"{each.job.id} goes on"


def stop(each: StudyJob) -> str:
    """End a job early and keep its best, and return what to say.

    Raises
    ------
    InputError
        If it is over.
    """  # noqa: DOC501 - by _refuse_over
    _refuse_over(each, "stopped")
    each.job.stop()
    if each.job.view().is_over:
        return f"{each.job.id} is stopped"
    return f"{each.job.id} stops and keeps its best: see {steering('follow', each)}"


def cancel(each: StudyJob, *, grace_s: float) -> str:
    """End a job, by force if it does not listen, and return what to say.

    Parameters
    ----------
    each : StudyJob
        Which.
    grace_s : float
        Seconds that it may take to end by itself.

    Raises
    ------
    InputError
        If it is over.
    """  # noqa: DOC501 - by _refuse_over
    _refuse_over(each, "cancelled")
    each.job.cancel()
    if each.job.kill_after(grace_s):
        return f"{each.job.id} is {each.job.view().state.value}"
    return f"{each.job.id} was told to end, but its process has not ended yet"


def remove(each: StudyJob, *, with_model: bool) -> str:
    """Delete the folder of a job that is over, and return what to say.

    Raises
    ------
    InputError
        If it is not over, or its model waits for a decision and must not go.
    """
    from napari_mednext.app.versions import CandidateState, candidate_of, discard

    view = each.job.view()
    if not view.is_over:
        msg = (
            f"a job must be over to be removed, {view.id!r} is {view.state.value}: "
            f"end it with {steering('cancel', each)!r}"
        )
        raise InputError(msg)
    state = candidate_of(each.study, each.job.path).state
    if state is CandidateState.OPEN and not with_model:
        msg = (
            f"the model that {view.id!r} made must be decided on before the job is "
            "removed: promote it with napari-mednext models promote, or delete both "
            "by --with-model"
        )
        raise InputError(msg)
    if state in (CandidateState.OPEN, CandidateState.DISCARDED):
        discard(each.study, each.job.path, delete=True)
    each.job.delete(also_model=True)
    what = " and its model" if state is CandidateState.OPEN else ""
    return f"{view.id}{what} is removed" if not what else f"{view.id}{what} are removed"


def _refuse_over(each: StudyJob, verb: str) -> None:
    """Refuse to steer a job that does nothing any more."""
    view = each.job.view()
    if view.is_over:
        msg = (
            f"a job must not be over to be {verb}, {view.id!r} is {view.state.value}: "
            "choose another job"
        )
        raise InputError(msg)
