"""Killing the process that trains, again and again, until it is done nevertheless."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.kill_improving.outcome import (
    DifferenceError,
    Outcome,
    check_sound,
    database_of,
    drafts,
    read_outcome,
)
from benchmarks.kill_improving.phases import Course, trainer_phase
from benchmarks.kill_improving.study import Place, process_of, store_of
from napari_mednext.jobs import JobState

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_mednext.jobs import Job

__all__ = ["TrainerKills", "kill_trainers", "undisturbed"]

#: A job must end within so many seconds.
_PATIENCE_S = 300.0


@dataclass
class TrainerKills:
    """What the kills of trainers met.

    Parameters
    ----------
    phases : Counter
        Phase -> kills in it.
    jobs : list of int
        Kills of each job that was compared.
    drafts : int
        Unfinished files that were left by a kill, and gone at the end.
    refused : list of str
        What was said where a job did not go on by itself.
    """

    phases: Counter[str] = field(default_factory=Counter)
    jobs: list[int] = field(default_factory=list)
    drafts: int = 0
    refused: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return them for a report."""
        return {
            "kills": sum(self.phases.values()),
            "killed in": dict(self.phases),
            "jobs, all equal to the undisturbed one": len(self.jobs),
            "kills of each": self.jobs,
            "unfinished files left by kills, gone at the end": self.drafts,
            "started again by hand": len(self.refused),
            "said then": sorted(set(self.refused)),
        }


def undisturbed(place: Place) -> tuple[Outcome, Course]:
    """Improve once without disturbance; return what comes out, and how long it takes.

    Raises
    ------
    DifferenceError
        If it does not end well.
    """
    study = place.copy("undisturbed")
    begun = time.time()
    job = place.start(study)
    process_of(job)
    job.wait(_PATIENCE_S)
    course = Course("starting", trainer_phase)
    course.learn(job.path / "events.jsonl", begun, time.time())
    check_sound(study)
    if left := drafts(study):
        msg = f"unfinished files without any kill: {left}"
        raise DifferenceError(msg)
    return read_outcome(job), course


def kill_trainers(
    place: Place,
    wanted: Outcome,
    course: Course,
    rng: np.random.Generator,
    kills: int,
    *,
    is_quiet: bool = True,
) -> TrainerKills:
    """Kill trainers so often, each time at a random moment of a random phase.

    Parameters
    ----------
    place : Place
        The study.
    wanted, course : Outcome, Course
        From :func:`undisturbed`.
    rng : Generator
        Of the moments.
    kills : int
        In all; the last job ends undisturbed.
    is_quiet : bool
        Whether nothing is printed.

    Raises
    ------
    DifferenceError
        At the first thing that is not as it must be.
    """
    found = TrainerKills()
    while sum(found.phases.values()) < kills:
        study = place.copy(f"trainer-{len(found.jobs)}")
        database, killed = database_of(study), 0
        job = place.start(study)
        while True:
            left = kills - sum(found.phases.values())
            phase = _kill(job, course, rng) if left else None
            if phase is None:
                break
            killed += 1
            found.phases[phase] += 1
            found.drafts += len(drafts(study))
            check_sound(study, database)
            if not is_quiet:
                print(f"  {sum(found.phases.values()):3} {phase}", flush=True)
            _next_window(job, study, found)
        job.wait(_PATIENCE_S)
        check_sound(study, database)
        read_outcome(job).check_equals(wanted)
        found.jobs.append(killed)
    return found


def _kill(job: Job, course: Course, rng: np.random.Generator) -> str | None:
    """Kill the process of a job at a random moment; return the phase it was in."""
    process = process_of(job)
    if process is None:
        return None
    log = job.path / "events.jsonl"
    offset = job.events()[1]
    phase = course.wait(course.draw(rng), log, offset, process.is_running)
    if phase is None or job.view().is_over:
        return None
    os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while process.is_running() or job.is_alive:
        if time.monotonic() > end:
            msg = "a killed process still has the job"
            raise DifferenceError(msg)
        time.sleep(0.01)
    return None if job.view().is_over else phase


def _next_window(job: Job, study: Path, found: TrainerKills) -> None:
    """Do what a window does when it opens a study; then what its user does."""
    view = job.view()
    if view.state not in (JobState.INTERRUPTED, JobState.QUEUED):
        msg = f"a killed job is shown as {view.state}: {view.message}"
        raise DifferenceError(msg)
    if [each.id for each in store_of(study).revive()] == [job.id]:
        return
    view = job.view()
    if view.state is not JobState.FAILED or not view.message or "\n" in view.message:
        msg = f"a killed job does not go on and is {view.state}: {view.message!r}"
        raise DifferenceError(msg)
    found.refused.append(view.message)
    job.start()
