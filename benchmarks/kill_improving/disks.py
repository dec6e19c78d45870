"""A disk that gets full while an improvement works, and room on it again."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.full_disk import mount_point, run
from benchmarks.kill_improving.outcome import (
    DifferenceError,
    Outcome,
    check_sound,
    read_outcome,
)
from benchmarks.kill_improving.phases import Course, Moment
from benchmarks.kill_improving.study import process_of
from napari_mednext.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.kill_improving.study import Place

__all__ = ["FULL", "Fill", "fill_disks"]

_PATIENCE_S = 300.0
_SIZE = "256m"
#: What is taken before: a phase may be over before a large disk is full.
_BALLAST = 216 * 2**20


@dataclass(frozen=True)
class Fill:
    """When a disk gets full, and for how long.

    Parameters
    ----------
    phase : str
        In which phase of the job.
    share : float
        How far into it, 0..1.
    seconds : float or None
        How long; None until the job has ended because of it.
    """

    phase: str
    share: float
    seconds: float | None = None


#: Checkpoints, masks, the report and the model meet it.
FULL = (
    Fill("training, final", 0.7, 1.0),
    Fill("training, final", 0.5),
    Fill("training, fold 2 of 2", 0.5),
    Fill("before", 0.0),
    Fill("comparing", 0.0),
    Fill("writing", 0.0),
)


def fill_disks(
    place: Place, wanted: Outcome, course: Course, fills: Sequence[Fill] = FULL
) -> list[dict[str, Any]]:
    """Fill a disk in each of several ways, make room, and compare what comes out.

    Parameters
    ----------
    place : Place
        The study.
    wanted, course : Outcome, Course
        From an undisturbed improvement.
    fills : sequence of Fill
        When.

    Raises
    ------
    DifferenceError
        If a job does not say one sentence, does not go on, or ends otherwise.
    """
    found = []
    for fill in fills:
        with mount_point() as disk:
            run("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(disk))
            found.append(_try_out(place, disk, fill, wanted, course))
            print(f"  {found[-1]}", flush=True)
    return found


def _try_out(
    place: Place, disk: Path, fill: Fill, wanted: Outcome, course: Course
) -> dict[str, Any]:
    job = place.start(place.copy("full", disk))
    process = process_of(job)
    (disk / "ballast").write_bytes(bytes(_BALLAST))
    moment = Moment(fill.phase, fill.share * course.seconds[fill.phase])
    phase = course.wait(moment, job.path / "events.jsonl", 0, process.is_running)
    filler = disk / "filler"
    _fill(filler)
    if fill.seconds is not None:
        time.sleep(fill.seconds)
    else:
        job.wait(_PATIENCE_S)
    view = job.view()
    filler.unlink()
    said = view.message.replace(str(disk), "DISK")
    if fill.seconds is None and view.state is not JobState.DONE:
        if view.state is not JobState.FAILED or not said or "\n" in said:
            msg = f"on a full disk the job is {view.state}: {said!r}"
            raise DifferenceError(msg)
        check_sound(job.path.parents[1])
        job.start()
        process_of(job)
    job.wait(_PATIENCE_S)
    check_sound(job.path.parents[1])
    # A picture that there was no room for is not made again.
    read_outcome(job).check_equals(wanted, but="/examples/")
    warnings = sum(event["event"] == "warning" for event in job.events()[0])
    return {
        "full in": phase,
        "for": "as long as the job lived" if fill.seconds is None else "1 s",
        "state then": str(view.state),
        "said": said,
        "warnings told": warnings,
        "attempts": job.view().attempts,
    }


def _fill(filler: Path) -> None:
    """Take all room but a little, against a process that writes at the same time."""
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    if subprocess.run(["sync", str(filler)], check=False).returncode:
        msg = "the disk cannot be filled"
        raise DifferenceError(msg)
