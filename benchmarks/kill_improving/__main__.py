"""Kill improvements of a model at random moments; see that nothing differs.

A small study is improved once undisturbed; then its trainer is killed 50 times, the
window that started or watches it 20 times, its disk gets full, and its clock is set.
What comes out in the end must be the same: the weights bit by bit, the verdict, the
masks, the list of files, and the database of the study::

    python -m benchmarks.kill_improving [--trainers 50] [--windows 20] [--json PATH]

Ends with code 1 at the first difference. Disks are filled by root on Linux only, clocks
are set where libfaketime is installed; what was left out is said.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kill_improving.clocks import LIBRARY, set_clocks
from benchmarks.kill_improving.disks import fill_disks
from benchmarks.kill_improving.outcome import DifferenceError
from benchmarks.kill_improving.study import SETTINGS, Place, environment
from benchmarks.kill_improving.trainers import kill_trainers, undisturbed
from benchmarks.kill_improving.windows import kill_windows, undisturbed_window

_PARTS = ("trainers", "windows", "disks", "clocks")


def measure(scratch: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Do all that is asked for, and return the figures."""
    rng, found, place = np.random.default_rng(arguments.seed), {}, Place(scratch)
    wanted, course = undisturbed(place)
    found["undisturbed"] = {
        "steps": SETTINGS.steps,
        "seconds of its phases": {k: round(v, 2) for k, v in course.seconds.items()},
        "verdict": wanted.report["verdict"]["reason"],
    }
    print(json.dumps(found, indent=2), flush=True)
    for part in arguments.parts:
        begun = time.monotonic()
        print(part, flush=True)
        if part == "trainers":
            kills = kill_trainers(
                place, wanted, course, rng, arguments.trainers, is_quiet=False
            )
            found[part] = kills.figures()
        elif part == "windows":
            other, own = undisturbed_window(place)
            windows = kill_windows(
                place, other, own, rng, arguments.windows, is_quiet=False
            )
            found[part] = windows.figures()
        elif part == "disks" and (sys.platform != "linux" or os.geteuid() != 0):
            found[part] = "left out: disks can be mounted by root on Linux only"
        elif part == "disks":
            found[part] = fill_disks(place, wanted, course)
        elif LIBRARY is None:
            found[part] = "left out: libfaketime is not installed"
        else:
            found[part] = set_clocks(place, wanted, course)
        print(json.dumps(found[part], indent=2), flush=True)
        print(f"{part}: {time.monotonic() - begun:.0f} s", flush=True)
    return found


def main() -> int:
    """Run, print a summary, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trainers", type=int, default=50, help="kills")
    parser.add_argument("--windows", type=int, default=20, help="kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parts", nargs="*", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, environment(Path(scratch)):
        try:
            found = measure(Path(scratch), arguments)
        except DifferenceError as error:
            print(error, file=sys.stderr)
            return 1
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
