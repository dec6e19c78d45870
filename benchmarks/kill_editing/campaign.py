"""Many kills, one after the other."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.kill_editing.checking import Autopsy, examine
from benchmarks.kill_editing.diary import read_diary
from benchmarks.kill_editing.folder import make_study
from benchmarks.kill_editing.known import Known, LossError
from benchmarks.kill_editing.nursery import Nursery

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["campaign", "summarise"]

#: Every so many kills one meets a folder of its own.
FRESH = 5
#: All steps are undone and done again after every so many kills, else the last ones.
ALL_STEPS, LAST_STEPS = 10, 40
#: Sessions in a hurry do as much in this share of the time.
HURRIED = 0.3


def campaign(
    scratch: Path, *, kills: int, seed: int, longest_s: float, is_quiet: bool = True
) -> list[Autopsy]:
    """Kill so many sessions, each at a random moment, and examine what each left.

    Parameters
    ----------
    scratch : Path
        An empty folder.
    kills : int
    seed : int
        Of steps and moments; the machine's own timing stays random.
    longest_s : float
        Sessions are killed at a moment uniform between 0 and this.
    is_quiet : bool
        Whether nothing is printed.

    Raises
    ------
    LossError
        At the first loss; its notes say in which session.
    """
    rng = np.random.default_rng(seed)
    make_study(scratch / "one")
    known, autopsies = Known(), []
    with Nursery(scratch) as nursery:
        for number in range(kills):
            place = scratch / "one", known
            if number % FRESH == FRESH - 1:
                place = scratch / f"fresh-{number}", Known()
                make_study(place[0])
            diary = scratch / f"diary-{number}.jsonl"
            has_time = number % ALL_STEPS == 0 or number + 1 == kills
            try:
                killed_s = _kill(nursery, place[0], diary, rng, longest_s)
                depth = 10**9 if has_time else LAST_STEPS
                autopsy = examine(place[0], diary, place[1], killed_s, depth=depth)
            except LossError as error:
                error.add_note(f"kill {number}, seed {seed}, in {place[0].name}")
                raise
            autopsies.append(autopsy)
            if not is_quiet:
                print(_line(number, autopsy, place[1]), flush=True)
    return autopsies


def _kill(
    nursery: Nursery,
    folder: Path,
    diary: Path,
    rng: np.random.Generator,
    longest_s: float,
) -> float:
    """Kill a session at a random moment, and return when.

    Raises
    ------
    LossError
        If it had ended before.
    """
    in_a_hurry = bool(rng.random() < 0.5)
    pid = nursery.begin(
        folder,
        diary,
        seed=int(rng.integers(2**32)),
        most_s=10 * longest_s,
        in_a_hurry=in_a_hurry,
    )
    time.sleep(rng.uniform(0, longest_s) * (HURRIED if in_a_hurry else 1.0))
    killed_s = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    if nursery.reap(pid) != signal.SIGKILL:
        reasons = [x["reason"] for x in read_diary(diary) if x["event"] == "failed"]
        msg = f"the session ended before it was killed: {reasons}"
        raise LossError(msg)
    return killed_s


def _line(number: int, autopsy: Autopsy, known: Known) -> str:
    return (
        f"{number:4} {autopsy.during:8} finished {autopsy.finished:3}, lost "
        f"{autopsy.lost}, in hand {autopsy.in_hand}, history {len(known.states) - 1}"
    )


def summarise(autopsies: list[Autopsy]) -> dict[str, Any]:
    """Return the figures of a campaign."""
    delays = np.array([delay for a in autopsies for delay in a.delays_s] or [0.0])
    return {
        "kills": len(autopsies),
        "killed during": dict(Counter(a.during for a in autopsies).most_common()),
        "killed while saving": sum(a.is_saving for a in autopsies),
        "steps finished": sum(a.finished for a in autopsies),
        "steps finished and lost": sum(a.lost for a in autopsies),
        "oldest of them, ms before the kill": round(
            1000 * max(a.oldest_lost_s for a in autopsies)
        ),
        "steps in hand": dict(Counter(a.in_hand for a in autopsies)),
        "journals with a torn end": sum(a.is_torn for a in autopsies),
        "drafts of saves left and removed": sum(a.drafts for a in autopsies),
        "steps undone and done again": sum(a.walked for a in autopsies),
        "delay until on disk, median ms": round(1000 * float(np.median(delays)), 1),
        "delay until on disk, 95 % ms": round(1000 * float(np.quantile(delays, 0.95))),
        "delay until on disk, worst ms": round(1000 * float(delays.max())),
    }
