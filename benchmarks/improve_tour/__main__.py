"""Take the pictures of "Improve the model" in docs/tour.md, and count the actions.

::

    scripts/with_display.sh python -m benchmarks.improve_tour --data FOLDER

``FOLDER`` holds the label maps of real people, as for ``benchmarks.loop``. Three of
them become scans with lesions, a label that the shipped model does not have. A window
(a process of its own) opens the study; three slices of the first case are corrected
with the brush, *Improve model* is pressed, work goes on, and the window is closed while
the training runs. A second window finds it again, and takes the new model. Effort is
Quick; ``--steps`` shortens it to try the way, and the model is then worse than before.

It prints the actions of the round, how good the old and the new model are on the second
case, whose person was never corrected, and the pauses of the event loop.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

#: Actions that a round may take, apart from correcting slices.
MOST_ACTIONS = 5


def main() -> int:
    """Run both windows, each in its own process; 1 when something is not as it must."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, help="updates; those of Quick by default")
    parser.add_argument("--work", type=Path, help="a new folder that is kept")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/improve"))
    parser.add_argument("--part", choices=("first", "second"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        _part(options)
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        options.work = (options.work or Path(scratch, "tour")).resolve()
        return _both(options)


def _both(options: argparse.Namespace) -> int:
    from benchmarks.improve_tour.heads import make_heads
    from napari_mednext.jobs import JobStore

    heads = make_heads(options.work, options.data)
    environment = dict(
        os.environ,
        NAPARI_MEDNEXT_STATE=str(options.work / "state"),
        LP_NUM_THREADS="0",  # software OpenGL draws where it is asked
    )
    found: dict[str, Any] = {}
    for part in ("first", "second"):
        command = [sys.executable, "-m", "benchmarks.improve_tour", "--part", part]
        command += ["--work", str(options.work)]
        command += ["--output", str(options.output.resolve())]
        if options.steps is not None:
            command += ["--steps", str(options.steps)]
        subprocess.run(command, check=True, env=environment)
        found[part] = json.loads((options.work / f"{part}.json").read_text())
        if part == "first":
            (job,) = JobStore(heads.study / "jobs").jobs()
            found["job after the window was closed"] = {
                "alive": job.is_alive,
                "state": str(job.view().state),
                "step": job.view().step,
            }
    print(json.dumps(found, indent=2))
    return _judge(found)


def _judge(found: dict[str, Any]) -> int:
    """Say whether the round went as it must."""
    actions = [*found["first"]["actions"], *found["second"]["actions"]]
    actions.remove("Roll back")  # of a round that was for nothing
    before = found["first"]["old model on the second case, Dice"]
    after = found["second"]["new model on the second case, Dice"]
    print(
        f"actions of a round, corrections aside: {len(actions)} ({', '.join(actions)})"
    )
    print(f"lesion on a person that nobody corrected: {before} -> {after}")
    verdict = found["second"]["verdict"]
    print(f"verdict of the gate: {verdict}")
    is_short = len(actions) <= MOST_ACTIONS
    is_better = verdict == "better" and after["lesion"] > before["lesion"]
    is_alive = found["job after the window was closed"]["alive"]
    return int(not (is_short and is_better and is_alive))


def _part(options: argparse.Namespace) -> None:
    """Be one of the two windows."""
    from benchmarks.improve_tour.heads import PEOPLE, Heads
    from benchmarks.improve_tour.parts import first_window, second_window
    from benchmarks.improve_tour.window import Window

    work = options.work
    heads = Heads(
        work / "study", {name: work / f"{name}.reference.nii.gz" for name in PEOPLE}
    )
    window = Window(heads, options.output)
    if options.part == "first":
        window.facts["pauses"] = first_window(window, options.steps)
    else:
        window.facts["pauses"] = second_window(window)
    window.report(work / f"{options.part}.json")
    window.close()


if __name__ == "__main__":
    sys.exit(main())
