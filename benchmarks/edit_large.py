"""How quickly a large case answers: strokes, slices, undo, with the journal on disk.

Opens a scan of 600 slices of 512 x 512 in a real napari window, draws with real mouse
events, and times what the thread of the window does for each, until it is on screen::

    scripts/with_display.sh python -m benchmarks.edit_large [--rounds 20] [--json PATH]

Everything is measured twice: with a journal that has nothing to do, and with one that
packs and writes all the time. "handled" is until the event is dealt with, "drawn" until
the picture is on screen too, which a machine without a graphics card does slowly; one
row is of a picture that did not change. Each is a median and a 95th percentile in ms,
of the wall clock and of the processor in the thread of the window; on a busy machine
the latter says more. Needs 6 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("LP_NUM_THREADS", "0")  # software OpenGL draws where it is asked

import napari
import numpy as np
import psutil
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from benchmarks.kill_editing.diary import Diary, read_diary
from napari_mednext.correction.annotation import AnnotationFiles, open_annotation
from napari_mednext.correction.change import Change
from napari_mednext.correction.edits import Blocks, Edit
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.ui.bridge import image_layers, labels_layer
from napari_mednext.ui.corrected_layer import Labels
from napari_mednext.volume import Volume, VoxelGrid, reorient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

SHAPE = (600, 512, 512)
SPACING = (0.8, 0.75, 0.75)
NAMES = LabelSet.from_names({n: f"label {n}" for n in range(1, 9)})
BRUSH, MOVES = 20, 8
UNUSED = 8


class Times:
    """Milliseconds by what was done: handled and drawn, by both clocks."""

    def __init__(self) -> None:
        self._found: dict[str, list[NDArray[np.float64]]] = {}

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure a block, and the drawing that it asks for."""
        start = _clocks()
        yield
        handled = _clocks() - start
        QApplication.processEvents()
        drawn = _clocks() - start
        self._found.setdefault(name, []).append(np.concatenate([handled, drawn]))

    def figures(self) -> dict[str, dict[str, str]]:
        """Return median and 95th percentile of each."""
        columns = ("handled", "handled, processor", "drawn", "drawn, processor")
        rows = {}
        for name, found in self._found.items():
            middle, high = np.quantile(1000 * np.array(found), [0.5, 0.95], axis=0)
            rows[name] = {
                column: f"{a:.1f} ({b:.1f})" if len(found) > 1 else f"{a:.0f}"
                for column, a, b in zip(columns, middle, high, strict=True)
            }
        return rows


def _clocks() -> NDArray[np.float64]:
    """Return the wall clock, and the processor time of this thread."""
    return np.array([time.perf_counter(), time.thread_time()])


class Gaps:
    """The longest pause of the event loop."""

    def __init__(self) -> None:
        self.longest_s, self._last = 0.0, time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_turn)
        self._timer.start(1)

    def _on_turn(self) -> None:
        now = time.perf_counter()
        self.longest_s = max(self.longest_s, now - self._last)
        self._last = now

    def stop(self) -> float:
        """Return it in milliseconds."""
        self._timer.stop()
        return round(1000 * self.longest_s, 1)


def make_scan(path: Path) -> None:
    """Write a scan that looks like something."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    plane = (200 * np.sin(y / 40.0) * np.cos(x / 30.0)).astype(np.int16)
    array = np.broadcast_to(plane, SHAPE) + (z * 2).astype(np.int16)
    save_volume(Volume(array, VoxelGrid(SHAPE, SPACING), "large"), path)


def make_answer() -> NDArray[np.uint8]:
    """Return what a model might say: some large organs."""
    answer = np.zeros(SHAPE, np.uint8)
    for label in range(1, 8):
        middle = np.array([70 * label, 230 + 20 * label, 300 - 15 * label])
        box = tuple(slice(int(m - 60), int(m + 60)) for m in middle)
        part = answer[box]
        sides = [np.linspace(-1, 1, n) for n in part.shape]
        z, y, x = np.ix_(*sides)
        part[z**2 + y**2 + x**2 <= 1.0] = label
    return answer


class Bench:
    """The window and the case.

    Parameters
    ----------
    folder : Path
        Where the scan is.
    """

    def __init__(self, folder: Path) -> None:
        self.files = AnnotationFiles(
            folder / "labels.nii.gz", folder / "provenance.nii.gz", folder / "x.journal"
        )
        self.folder = folder
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1480, 920)
        self.rng = np.random.default_rng(2)
        self.open_s: dict[str, float] = {}
        self.open()

    def open(self) -> None:
        """Read the case and show it, and note how long that takes."""
        marks = [time.perf_counter()]
        volume = reorient(open_volume(self.folder / "scan.nii"), "LPS")
        marks.append(time.perf_counter())
        self.annotation = open_annotation(volume, self.files)
        self.editing = self.annotation.editing
        marks.append(time.perf_counter())
        self.viewer.layers.clear()
        for array, options, _ in image_layers(volume):
            self.viewer.add_image(array, **options)
        array, options, _ = labels_layer(self.annotation.shared(NAMES), "labels")
        self.layer = Labels(array, **options)
        self.viewer.add_layer(self.layer)
        self.layer.follow(self.editing)
        self.layer.brush_size = BRUSH
        QApplication.processEvents()
        marks.append(time.perf_counter())
        names = ("reading the scan", "labels and journal", "showing")
        self.open_s = {
            name: round(b - a, 2)
            for name, a, b in zip(names, marks, marks[1:], strict=False)
        }

    @property
    def canvas(self) -> Any:
        """What gets the mouse."""
        return self.viewer.window._qt_viewer.canvas.native  # noqa: SLF001 - no other way

    def stroke(self, times: Times) -> None:
        """Press, drag and release."""
        self.layer.mode = "paint"
        self.layer.selected_label = UNUSED  # so that every stroke changes something
        size, button = self.canvas.size(), Qt.MouseButton.LeftButton
        at = np.array([size.width(), size.height()]) * self.rng.uniform(0.4, 0.6, 2)
        steps = len(self.editing.history.done)
        with times.measured("stroke, press"):
            QTest.mousePress(self.canvas, button, pos=QPoint(*at.astype(int)))
        for _ in range(MOVES):
            at += self.rng.uniform(-12, 12, 2)
            with times.measured("stroke, move"):
                QTest.mouseMove(self.canvas, QPoint(*at.astype(int)))
        with times.measured("stroke, release"):
            QTest.mouseRelease(self.canvas, button, pos=QPoint(*at.astype(int)))
        if len(self.editing.history.done) != steps + 1:
            sys.exit("a stroke did not become a step")

    def round(self, times: Times) -> None:
        """Look along each axis in turn: slices, a stroke, undo and redo."""
        for axis, name in enumerate(("axial", "coronal", "sagittal")):
            others = tuple(other for other in range(3) if other != axis)
            self.viewer.dims.order = (axis, *others)
            QApplication.processEvents()
            middle = SHAPE[axis] // 2 + int(self.rng.integers(-60, 60))
            for step in range(3):
                with times.measured(f"slice step, {name}"):
                    self.viewer.dims.set_current_step(axis, middle + step)
            self.stroke(times)
            with times.measured("undo of a stroke"):
                self.layer.undo()
            with times.measured("redo of a stroke"):
                self.layer.redo()
            self.layer.undo()
            QApplication.processEvents()
            with times.measured("the same picture"):
                self.canvas.update()

    def keep_busy(self) -> Callable[[], int]:
        """Give the journal more than it can pack, until the result is called.

        What it gets are large blocks under a name that no one reads again.
        """
        done, journal, shape = threading.Event(), self.editing.journal, (16, 512, 512)
        box = tuple(slice(0, n) for n in shape)
        noise = np.random.default_rng(1).random(shape) < 0.001
        array = noise.astype(np.uint8)
        start = journal.position

        def feed() -> None:
            while not done.wait(0.005):
                if journal.pending < 3:
                    edit = Edit(10**9, box, "busy", 0.0, 1)
                    edit.hold(Blocks(array, array, array, array))
                    journal.append({"kind": "busy"}, edit)

        feeder = threading.Thread(target=feed)
        feeder.start()

        def stop() -> int:
            done.set()
            feeder.join()
            return journal.position - start

        return stop


def large_steps(bench: Bench) -> dict[str, Any]:
    """Time steps over the whole volume, and the window while they are written."""
    editing, answer, figures = bench.editing, make_answer(), {}
    organ = Change(
        (slice(200, 400), slice(150, 350), slice(150, 350)),
        np.full((200, 200, 200), 3, np.uint8),
    )
    steps: dict[str, Callable[[], object]] = {
        "a model's answer": lambda: editing.predict(answer, 2),
        "a tool, 8 million voxels": lambda: editing.apply(organ, "tool"),
        "accept: review of all": lambda: editing.review(title="accept"),
        "undo of the review": bench.layer.undo,
        "undo of the tool": bench.layer.undo,
        "undo of the answer": bench.layer.undo,
        "redo of the answer": bench.layer.redo,
    }
    for name, step in steps.items():
        times = Times()
        with times.measured(name):
            step()
        gaps, start = Gaps(), time.perf_counter()
        while editing.journal.pending:
            QApplication.processEvents()
        written_s = time.perf_counter() - start
        figures[name] = times.figures()[name] | {
            "on disk after s": round(written_s, 2),
            "longest pause of the window meanwhile": gaps.stop(),
        }
    return figures


def main() -> None:
    """Run once and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scan(folder / "scan.nii")
        diary = Diary(folder / "diary")
        diary.watch_disk()
        before = process.memory_info().rss
        bench = Bench(folder)
        found: dict[str, Any] = {"opening, s": {"new": bench.open_s}}
        memory = {"opened": process.memory_info().rss - before}
        found["large steps, ms"] = large_steps(bench)
        bench.round(Times())  # warm
        quiet, busy = Times(), Times()
        records = 0
        for _ in range(arguments.rounds):
            bench.round(quiet)
            stop = bench.keep_busy()
            bench.round(busy)
            records += stop()
            bench.editing.journal.flush()
        found["journal quiet, ms"] = quiet.figures()
        found["journal busy, ms"] = busy.figures()
        found["records written meanwhile"] = records
        memory["after all strokes"] = process.memory_info().rss - before
        start = time.perf_counter()
        bench.annotation.save(NAMES)
        found["saving, s"] = round(time.perf_counter() - start, 2)
        bench.layer.unfollow()
        bench.annotation.close()
        bench.open()
        found["opening, s"]["again"] = bench.open_s
        writers = {x["thread"] for x in read_diary(folder / "diary")}
        found["threads"] = {
            "window": threading.get_native_id(),
            "journal": sorted(writers),
            "journal wrote in that of the window": threading.get_native_id() in writers,
        }
        found["memory, MB"] = {k: round(v / 1e6) for k, v in memory.items()}
        found["memory, MB"]["the scan and its labels"] = round(
            np.prod(SHAPE) * (2 + 1) / 1e6
        )
        bench.annotation.close()
        bench.viewer.close()
    print(json.dumps(found, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
