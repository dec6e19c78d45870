"""A clock that is set back, or far ahead, while an improvement works or sleeps.

The clock is that of the job's process alone, by libfaketime (Debian: ``faketime``);
the clock that only ever runs forwards is left alone, as it is when somebody sets the
time of a computer. Files that were written before then lie in the future.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks.kill_improving.outcome import (
    DifferenceError,
    Outcome,
    check_sound,
    read_outcome,
)
from benchmarks.kill_improving.phases import Course, Moment
from benchmarks.kill_improving.study import Place, process_of, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LIBRARY", "set_clocks"]

#: None where libfaketime is not installed.
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
_DAY_S = 86_400
_PATIENCE_S = 300.0
#: How the clock jumps, as libfaketime reads it.
_JUMPS = ("-1d", "-20y", "+10y")


@contextmanager
def _own_clock(control: Path) -> Iterator[None]:
    """Give processes that begin in the block a clock that a file sets."""
    control.write_text("+0")
    own = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(control),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    with mock.patch.dict(os.environ, own):
        yield


def set_clocks(place: Place, wanted: Outcome, course: Course) -> list[dict[str, Any]]:
    """Set the clock while a training runs, and again while none does; compare.

    Parameters
    ----------
    place : Place
        The study.
    wanted, course : Outcome, Course
        From an undisturbed improvement.

    Raises
    ------
    DifferenceError
        If something else comes out.
    """
    return [_try_out(place, jump, wanted, course) for jump in _JUMPS]


def _try_out(
    place: Place, jump: str, wanted: Outcome, course: Course
) -> dict[str, Any]:
    study = place.copy(f"clock{jump}")
    control = place.scratch / f"clock{jump}.txt"
    with _own_clock(control):
        job = place.start(study)
        process = process_of(job)
        log = job.path / "events.jsonl"
        half = course.seconds["training, final"] / 2
        moment = Moment("training, final", half)
        course.wait(moment, log, 0, process.is_running)
        control.write_text(jump)  # in the middle of a training
        moment = Moment("training, fold 1 of 2", 1.0)
        phase = course.wait(moment, log, 0, process.is_running)
        os.kill(process.pid, signal.SIGKILL)
        while process.is_running() or job.is_alive:
            time.sleep(0.01)
        control.write_text("+0")  # and back, while nobody works
        ahead = time.time() + _DAY_S
        for path in study.rglob("*"):
            os.utime(path, (ahead, ahead))
        if [each.id for each in store_of(study).revive()] != [job.id]:
            msg = f"a job does not go on after its clock was set: {job.view()}"
            raise DifferenceError(msg)
        process_of(job)
        job.wait(_PATIENCE_S)
    check_sound(study)
    read_outcome(job).check_equals(wanted)
    times = [event["time"] for event in job.events()[0]]
    jumps = [round((b - a) / _DAY_S) for a, b in pairwise(times)]
    return {
        "clock": f"{jump} in the final training, back after a kill in {phase!r}",
        "jumps in the log, days": [each for each in jumps if each],
        "files in the future": True,
        "equal": True,
    }
