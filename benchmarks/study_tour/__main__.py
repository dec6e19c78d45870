"""Take the pictures of docs/tour.md: ``xvfb-run python -m benchmarks.study_tour``.

The scans are the shipped head and two that were recorded otherwise, segmented by the
shipped model in its own process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QTimer

from benchmarks.study_tour.day import Day
from benchmarks.study_tour.hand import Hand
from benchmarks.study_tour.scans import make_scans

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/study"))
    options = parser.parse_args()
    options.output = options.output.resolve()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        day = _run(Path(scratch), options.output)
    print(json.dumps({"seconds": day.seconds, "facts": day.facts}, indent=2))
    return 0


def _run(scratch: Path, output: Path) -> Day:
    from napari_mednext.models import find_model
    from napari_mednext.study import Study
    from napari_mednext.ui.__main__ import WINDOW_SIZE, register_plugin
    from napari_mednext.ui.study_dock import StudyDock

    register_plugin()
    model = find_model("brain_mr")
    folder = scratch / "study"
    Study.create(
        folder, entries=make_scans(scratch / "scans"), labels=model.labels
    ).close()
    viewer = napari.Viewer(title="napari · MedNeXt")
    viewer.window.resize(*WINDOW_SIZE)
    dock = StudyDock(viewer)
    viewer.window.add_dock_widget(dock, name="MedNeXt: Study", area="right")
    dock.cases.model_of = lambda _: "brain_mr"
    hand = Hand(viewer)

    def picture(name: str, dialog: QWidget | None = None) -> None:
        path = output / f"{name}.png"
        if dialog is None:
            hand.picture(path)
        else:
            dialog.grab().save(str(path))

    day = Day(hand, dock, picture)
    day.open_study(folder)
    day.brush()
    day.interpolate()
    day.undo_redo()
    day.jump()
    day.compare()
    day.accept_next()
    day.back()
    day.flag()
    with contextlib.chdir(scratch):  # the picture shows no folder of this machine
        day.export(Path("masks"))
    dock.flow.close_study()
    QTimer.singleShot(0, viewer.close)
    hand.settle(1.0)
    return day


if __name__ == "__main__":
    sys.exit(main())
