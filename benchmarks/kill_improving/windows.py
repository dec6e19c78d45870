"""Killing the window that started an improvement, or watches it, or promotes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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
from benchmarks.kill_improving.phases import Course
from benchmarks.kill_improving.study import Place, store_of
from benchmarks.kill_improving.window import PHASES
from napari_mednext.app.chosen_model import remembered_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from napari_mednext.jobs import Job

__all__ = ["WindowKills", "kill_windows", "undisturbed_window"]

_PATIENCE_S = 300.0
#: Whoever watches is killed in the first seconds: the rest of it is all the same.
_WATCHED_S = 12.0


@dataclass
class WindowKills:
    """What the kills of windows met.

    Parameters
    ----------
    phases : Counter
        Phase -> kills in it.
    rounds : list of int
        Kills of each round that was compared.
    alive : int
        Kills while a trainer worked; it went on each time.
    drafts : int
        Unfinished files that were left by a kill, and gone at the end.
    unborn : int
        Kills while a job was there and its trainer had not begun. In every round the
        trainer began once.
    """

    phases: Counter[str] = field(default_factory=Counter)
    rounds: list[int] = field(default_factory=list)
    alive: int = 0
    drafts: int = 0
    unborn: int = 0

    def figures(self) -> dict[str, Any]:
        """Return them for a report."""
        return {
            "kills": sum(self.phases.values()),
            "killed in": dict(self.phases),
            "rounds, all equal to the undisturbed one": len(self.rounds),
            "kills of each": self.rounds,
            "trainer at work, and not disturbed": self.alive,
            "trainer just starting, or to be started by the next window": self.unborn,
            "unfinished files left by kills, gone at the end": self.drafts,
        }


def _open(place: Place, study: Path, diary: Path) -> subprocess.Popen[bytes]:
    command = "-m", "benchmarks.kill_improving.window"
    return subprocess.Popen(
        [sys.executable, *command, str(study), str(place.model), str(diary)]
    )


def undisturbed_window(place: Place) -> tuple[Outcome, Course]:
    """Do a round without disturbance; return what comes out, and how long it takes."""
    study, diary = place.copy("undisturbed-window"), place.scratch / "window.jsonl"
    begun = time.time()
    _finish(_open(place, study, diary))
    course = Course("begin", lambda e: e["event"] if e["event"] in PHASES else None)
    course.learn(diary, begun, time.time())
    course.seconds["watching"] = min(course.seconds["watching"], _WATCHED_S)
    return read_outcome(_only_job(study)), course


def _is_open(window: subprocess.Popen[bytes]) -> Callable[[], bool]:
    return lambda: window.poll() is None


def _finish(window: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a window that nobody kills."""
    if window.wait(_PATIENCE_S) != 0:
        msg = "a window ended with an error, see above"
        raise DifferenceError(msg)


def _only_job(study: Path) -> Job:
    jobs = store_of(study).jobs()
    if len(jobs) != 1 or store_of(study).problems():
        msg = f"one job must be there, not {jobs}, {store_of(study).problems()}"
        raise DifferenceError(msg)
    return jobs[0]


def kill_windows(
    place: Place,
    wanted: Outcome,
    course: Course,
    rng: np.random.Generator,
    kills: int,
    *,
    is_quiet: bool = True,
) -> WindowKills:
    """Kill windows so often, each time at a random moment of a random phase.

    Parameters
    ----------
    place : Place
        The study.
    wanted, course : Outcome, Course
        From :func:`undisturbed_window`.
    rng : Generator
        Of the moments.
    kills : int
        In all; the last round ends undisturbed.
    is_quiet : bool
        Whether nothing is printed.

    Raises
    ------
    DifferenceError
        At the first thing that is not as it must be.
    """
    found = WindowKills()
    while sum(found.phases.values()) < kills:
        number, killed = len(found.rounds), 0
        study = place.copy(f"window-{number}")
        diary = place.scratch / f"window-{number}.jsonl"
        database = database_of(study)
        while True:
            offset = diary.stat().st_size if diary.exists() else 0
            window = _open(place, study, diary)
            if sum(found.phases.values()) >= kills:
                _finish(window)
                break
            phase = course.wait(course.draw(rng), diary, offset, _is_open(window))
            if phase is None:
                _finish(window)
                break
            _kill(window, study, found)
            killed += 1
            found.phases[phase] += 1
            found.drafts += len(drafts(study))
            check_sound(study, database)
            if not is_quiet:
                print(f"  {sum(found.phases.values()):3} {phase}", flush=True)
        check_sound(study, database)
        job = _only_job(study)
        read_outcome(job).check_equals(wanted)
        if job.view().attempts != 1:
            msg = f"the trainer began {job.view().attempts} times, nobody killed it"
            raise DifferenceError(msg)
        if remembered_model(study) != study / "models" / "small-study-v1":
            msg = f"the model in use is {remembered_model(study)}"
            raise DifferenceError(msg)
        found.rounds.append(killed)
    return found


def _kill(window: subprocess.Popen[bytes], study: Path, found: WindowKills) -> None:
    """Kill a window, and see that its trainer does not mind."""
    jobs = store_of(study).jobs()
    before = jobs[0].view() if jobs else None
    os.kill(window.pid, signal.SIGKILL)
    window.wait()
    jobs = store_of(study).jobs()
    if not jobs:
        return
    view = jobs[0].view()
    if view.pid is None and not view.is_over:
        found.unborn += not jobs[0].is_alive
    if before is None or before.pid is None:
        return
    found.alive += 1
    if not view.is_over and view.pid != before.pid:
        msg = f"the trainer ended with the window: {view}"
        raise DifferenceError(msg)
