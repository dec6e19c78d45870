"""How long the window stands still while a training runs beside it.

Opens a study in a real napari window with the Study dock, accepts a case, corrects
three slices of the next, and starts an improvement in its own process. Meanwhile it
draws with real mouse events, steps through slices, and has the case segmented anew::

    scripts/with_display.sh python -m benchmarks.improve_responsive [--json PATH]

For each activity it prints the longest pause between two turns of the event loop, and
every pause of more than 100 ms: of the clock, and without the time for which the
machine gave its processors to others ("ours"). The same is measured before the
training, to tell what the window itself takes: where software draws, a slice alone may
take more than the limit on a busy machine. Needs 4 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("LP_NUM_THREADS", "0")  # software OpenGL draws where it is asked

import napari
import numpy as np
from qtpy.QtCore import QTimer

from benchmarks.study_tour.hand import Hand
from benchmarks.study_tour.scans import make_scans
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.ui.flow_base import Phase
from tests.ui.gaps import GapMeter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_mednext.jobs import Job

#: A pause that people feel.
LIMIT_MS = 100.0
#: Slices that are corrected before, strokes and steps that are measured.
CORRECTED, STROKES, STEPS = 3, 12, 40
#: How long a training may take to begin with its updates.
BEGIN_S = 240.0
#: Updates: more than the measurements last.
UPDATES = 5000


def start_training(dock: Any) -> Job:
    """Start an improvement of the study that is open; the only place that knows how."""
    from napari_mednext.app.improve import start_improve

    settings = ImproveSettings(steps=UPDATES, device="cpu", gate="none")
    return start_improve(dock.flow.study, settings)


def is_training(job: Job) -> bool:
    """Whether updates are done."""
    return any(event.get("event") == "step" for event in job.events()[0])


class Pauses:
    """The pauses of the event loop by activity."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Watch the event loop while something is done."""
        meter = GapMeter()
        meter.start()
        begun = time.monotonic()
        yield
        meter.stop()
        worst = meter.worst
        self.found[name] = {
            "seconds": round(time.monotonic() - begun, 1),
            "longest ms, clock": round(max(gap.wall_ms for gap in meter.gaps), 1),
            "longest ms, ours": round(worst.ours_ms, 1),
            "over the limit": [
                {"clock": round(gap.wall_ms, 1), "ours": round(gap.ours_ms, 1)}
                for gap in meter.gaps
                if gap.wall_ms > LIMIT_MS
            ],
        }
        print(name, json.dumps(self.found[name]), flush=True)


class Bench:
    """The window, the dock and the hand.

    Parameters
    ----------
    scratch : Path
        Where the study is made.
    """

    def __init__(self, scratch: Path) -> None:
        from napari_mednext.models import find_model
        from napari_mednext.study import Study
        from napari_mednext.ui.__main__ import WINDOW_SIZE, register_plugin
        from napari_mednext.ui.study_dock import StudyDock

        register_plugin()
        model = find_model("brain_mr")
        folder = scratch / "study"
        entries = make_scans(scratch / "scans")
        Study.create(folder, entries=entries, labels=model.labels).close()
        self.viewer = napari.Viewer(title="napari · MedNeXt")
        self.viewer.window.resize(*WINDOW_SIZE)
        self.dock = StudyDock(self.viewer)
        self.viewer.window.add_dock_widget(self.dock, name="MedNeXt: Study")
        self.dock.cases.model_of = lambda _: "brain_mr"
        self.hand = Hand(self.viewer)
        self.dock.open_study(folder)
        self.wait()
        self.hand.until(lambda: not self.flow.is_busy_behind, "the background")

    @property
    def flow(self) -> Any:
        """The flow of the dock."""
        return self.dock.flow

    def wait(self) -> None:
        """Wait until a case is in hand."""
        self.hand.until(
            lambda: self.flow.case is not None and self.flow.phase is Phase.IDLE,
            "a case",
        )
        self.hand.settle(0.2)

    def paint(self, strokes: int) -> None:
        """Draw rings on different slices."""
        layer, shape = self.flow.layer, self.flow.case.editing.labels.shape
        layer.selected_label = 1
        layer.mode = "paint"
        layer.n_edit_dimensions = 2
        layer.brush_size = 9
        angles = np.linspace(0, 2 * np.pi, 25)
        radius = min(shape[1:]) / 7
        for stroke in range(strokes):
            z = shape[0] // 2 + stroke
            self.viewer.dims.set_current_step(0, z)
            self.hand.settle(0.05)
            rows = 0.4 * shape[1] + radius * np.sin(angles)
            columns = 0.45 * shape[2] + radius * np.cos(angles)
            ring = [(z, y, x) for y, x in zip(rows, columns, strict=True)]
            self.hand.drag(ring, layer)
        layer.mode = "pan_zoom"

    def step_through(self) -> None:
        """Look at one slice after the other."""
        middle = self.flow.case.editing.labels.shape[0] // 2
        for step in range(STEPS):
            self.viewer.dims.set_current_step(0, middle - STEPS // 2 + step)
            self.hand.settle(0.03)

    def segment(self) -> None:
        """Have the case in hand segmented anew by the segmentation process."""
        self.flow.segment_box(None)
        self.hand.until(lambda: self.flow.phase is not Phase.IDLE, "the segmentation")
        self.wait()

    def measure(self, pauses: Pauses, when: str) -> None:
        """Do everything once and watch."""
        with pauses.during(f"{when}: painting"):
            self.paint(STROKES)
        with pauses.during(f"{when}: stepping through slices"):
            self.step_through()
        with pauses.during(f"{when}: segmenting a case"):
            self.segment()

    def accept(self) -> None:
        """Accept the case in hand; the next one comes."""
        name = self.flow.case.name
        self.flow.accept_next()
        self.hand.until(
            lambda: self.flow.case is not None and self.flow.case.name != name,
            "the next case",
        )
        self.wait()

    def close(self) -> None:
        """Close the study and the window."""
        self.flow.close_study()
        QTimer.singleShot(0, self.viewer.close)
        self.hand.settle(1.0)


def main() -> int:
    """Run once; 1 when the window itself stood still for longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["NAPARI_MEDNEXT_STATE"] = str(Path(scratch, "state"))
        bench = Bench(Path(scratch))
        pauses = Pauses()
        bench.paint(1)  # the first stroke makes things that stay
        bench.measure(pauses, "without a training")
        bench.accept()
        bench.paint(CORRECTED)
        job = start_training(bench.dock)
        try:
            with pauses.during("a training begins"):
                bench.hand.until(lambda: is_training(job) or job.view().is_over, "it")
            bench.measure(pauses, "with a training")
            view = job.view()
            print(f"the training is {view.state}, step {view.step}: {view.message}")
        finally:
            job.cancel()
            bench.hand.until(lambda: not job.is_alive, "the end of the training")
        bench.close()
    worst = {
        when: max(
            found["longest ms, ours"]
            for name, found in pauses.found.items()
            if name.startswith(when)
        )
        for when in ("without a training", "with a training")
    }
    for when, longest in worst.items():
        print(f"longest pause {when}, ours: {longest:.0f} ms")
    if arguments.json:
        arguments.json.write_text(json.dumps(pauses.found, indent=2) + "\n")
    return int(worst["with a training"] > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
