"""How long a round takes, and how much memory: planned, and as it came.

::

    python -m benchmarks.quick_round --data FOLDER [--effort quick] [--slices 3]

``FOLDER`` holds the label maps of real people, as for ``benchmarks.loop``. A study of
three people with lesions, a label that the shipped model does not have: the first is
segmented, three of its slices are corrected, and the model is improved with default
settings, gate and all, in the process that the window would start. Printed as JSON:
seconds from the press of the button to the verdict, the memory at most, and what was
planned of both.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.improve_tour.heads import LESION, PEOPLE, make_heads
from benchmarks.loop.annotator import correct, errors_by_plane, worst_planes
from benchmarks.loop.rounds import open_desk
from napari_mednext.app.case_keeping import read_mask
from napari_mednext.app.engine import Engine
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.study import Study

#: Planes between two corrected slices.
_APART = 4


def main() -> None:
    """Do one round and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--effort", default="quick")
    parser.add_argument("--slices", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["NAPARI_MEDNEXT_STATE"] = str(Path(scratch, "state"))
        heads = make_heads(Path(scratch, "heads"), options.data)
        with closing(Study.open(heads.study)) as study:
            _correct(study, heads.references[PEOPLE[0]], options.slices)
            found = _improve(study, ImproveSettings(effort=options.effort))
    print(json.dumps(found, indent=2))


def _correct(study: Study, reference: Path, slices: int) -> None:
    """Correct the slices with most of what the shipped model missed."""
    desk = open_desk(study, Engine(), "brain_mr")
    opened = desk.open(PEOPLE[0])
    try:
        truth = read_mask(reference, opened.volume)
        errors = errors_by_plane(opened.editing.labels, truth, sought={LESION})
        correct(opened.editing, truth, worst_planes(errors, count=slices, apart=_APART))
        opened.is_worked_on = True
        desk.save(opened)
    finally:
        opened.close()
        desk.close()


def _improve(study: Study, settings: ImproveSettings) -> dict[str, Any]:
    """Run the job of the window to its end."""
    from napari_mednext.app.improve import plan_improve, start_improve

    plan = plan_improve(study, settings)
    begun = time.monotonic()
    job = start_improve(study, settings)
    while not (view := job.view()).is_over:
        time.sleep(0.5)
    seconds = time.monotonic() - begun
    peak = int(view.result.get("peak_rss", 0))
    return {
        "state": str(view.state),
        "verdict": view.result.get("verdict"),
        "reason": view.result.get("reason"),
        "device": view.result.get("device"),
        "updates": view.result.get("steps"),
        "seconds": round(seconds),
        "planned seconds": round(plan.seconds),
        "peak memory, MB": round(peak / 1e6),
        "planned memory, MB": round(plan.ram_bytes / 1e6),
        "planned / peak": round(plan.ram_bytes / peak, 3) if peak else None,
    }


if __name__ == "__main__":
    main()
