"""A person at work: random strokes, tools, answers and saves, until the end comes.

The layer is the plugin's own, the case is opened, written and saved as the plugin does
it, with the journal's thread and saves in a thread of their own.
"""

from __future__ import annotations

import threading
import time
import traceback
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.kill_editing.diary import Diary, standing
from benchmarks.kill_editing.folder import CASE, NAMES, case_files, open_scan
from napari_mednext.correction.annotation import open_annotation
from napari_mednext.correction.scope import Scope
from napari_mednext.study import Study
from napari_mednext.ui.corrected_layer import Labels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["WEIGHTS", "work"]

#: How often each kind of step comes.
WEIGHTS = {
    "brush": 30,
    "ball": 10,
    "eraser": 5,
    "fill": 5,
    "polygon": 6,
    "tool": 12,
    "predict": 4,
    "review": 5,
    "undo": 12,
    "redo": 6,
    "save": 7,
    "comment": 8,
}
#: A hand on a mouse: seconds between two of its events, and between two strokes.
EVENT_S, PAUSE_S = 0.008, 0.02
#: Whoever hurries has the machine write all the time, and saves as often as it can.
HURRIED = {"predict": 15, "tool": 30, "save": 60}


class Session:
    """One window on the case.

    Parameters
    ----------
    folder : Path
        As :func:`make_study` made it.
    diary : Diary
        Told of everything.
    seed : int
        Of the random steps.
    in_a_hurry : bool
        Whether there are no pauses between events, and more of what is large.
    """

    def __init__(
        self, folder: Path, diary: Diary, seed: int, *, in_a_hurry: bool
    ) -> None:
        self.weights = WEIGHTS | (HURRIED if in_a_hurry else {})
        self.pace = 0.0 if in_a_hurry else 1.0
        self.rng = np.random.default_rng(seed)
        self.diary = diary
        self.study = Study.open(folder / "study")
        self.lock = self.study.lock(CASE)
        if not self.lock.held:
            msg = "the session that was killed still has the case"
            raise RuntimeError(msg)
        files = case_files(self.study)
        self.annotation = open_annotation(open_scan(folder), files)
        self.editing = self.annotation.editing
        self.layer = Labels(self.editing.labels)
        self.layer.follow(self.editing)
        self.saver: threading.Thread | None = None
        self.problem = ""
        comment = self.study.case(CASE).comment
        diary.write("open", comment=comment, **standing(self.editing))

    def step(self, number: int) -> None:
        """Do one random step, and note it before and after."""
        kinds, chances = list(self.weights), np.array(list(self.weights.values()))
        kind = str(self.rng.choice(kinds, p=chances / chances.sum()))
        self.diary.write("start", number=number, kind=kind)
        getattr(self, f"_{kind}")()
        ended = time.monotonic()
        self.diary.write(
            "end", number=number, kind=kind, ended=ended, **standing(self.editing)
        )
        if self.problem:
            raise RuntimeError(self.problem)
        time.sleep(self.pace * self.rng.exponential(PAUSE_S))

    def _point(self) -> tuple[int, ...]:
        return tuple(int(self.rng.integers(n)) for n in self.editing.labels.shape)

    def _box(self) -> tuple[slice, slice, slice]:
        ranges = []
        for size in self.editing.labels.shape:
            start = int(self.rng.integers(size))
            ranges.append(slice(start, int(self.rng.integers(start, size)) + 1))
        return ranges[0], ranges[1], ranges[2]

    def _label(self) -> int:
        return int(self.rng.integers(1, 6))

    def _stroke(self, value: int, dims: int) -> None:
        """Drag the brush over a few points, as fast as a mouse reports them."""
        layer, point = self.layer, np.array(self._point(), float)
        layer.brush_size, layer.n_edit_dimensions = int(self.rng.integers(2, 16)), dims
        layer.mode = "paint" if value else "erase"
        top = np.array(self.editing.labels.shape) - 1
        with layer.block_history():
            for _ in range(int(self.rng.integers(2, 10))):
                layer.paint(point, value)
                time.sleep(self.pace * EVENT_S)
                move = self.rng.normal(0, 3, 3)
                move[0] = 0 if dims == 2 else move[0]
                point = np.clip(point + move, 0, top)

    def _brush(self) -> None:
        self._stroke(self._label(), 2)

    def _ball(self) -> None:
        self._stroke(self._label(), 3)

    def _eraser(self) -> None:
        self._stroke(0, 2)

    def _fill(self) -> None:
        self.layer.mode = "fill"
        self.layer.n_edit_dimensions = 2
        self.layer.fill(self._point(), self._label())

    def _polygon(self) -> None:
        self.layer.mode = "polygon"
        self.layer.n_edit_dimensions = 2
        z, *middle = self._point()
        corners = np.array(middle) + self.rng.uniform(-15, 15, (5, 2))
        self.layer.paint_polygon([[z, *corner] for corner in corners], self._label())

    def _ellipsoid(self, box: tuple[slice, slice, slice]) -> NDArray[np.bool_]:
        sides = [np.linspace(-1, 1, part.stop - part.start) for part in box]
        z, y, x = np.ix_(*sides)
        return z**2 + y**2 + x**2 <= 1.0

    def _tool(self) -> None:
        box, scope = self._box(), Scope(self._label(), protect=True)
        mask = self._ellipsoid(box)
        self.editing.apply(scope.change(self.editing.labels, mask, box), "tool")

    def _predict(self) -> None:
        answer = np.zeros_like(self.editing.labels)
        for label in range(1, 4):
            box = self._box()
            answer[box][self._ellipsoid(box)] = label
        self.editing.predict(answer, int(self.rng.integers(2, 5)))

    def _review(self) -> None:
        is_reviewed = bool(self.rng.random() < 0.7)
        self.editing.review(self._box(), is_reviewed=is_reviewed)

    def _undo(self) -> None:
        self.layer.undo()

    def _redo(self) -> None:
        self.layer.redo()

    def _save(self) -> None:
        """Save beside the work that goes on; one at a time."""
        if self.saver is None or not self.saver.is_alive():
            self.saver = threading.Thread(target=self._save_now, daemon=True)
            self.saver.start()

    def _save_now(self) -> None:
        self.diary.write("saving")
        try:
            self.annotation.save(NAMES)
        except Exception:  # noqa: BLE001 - whatever it is, the report names it
            self.problem = traceback.format_exc()
        self.diary.write("saved")

    def _comment(self) -> None:
        comment = f"step {self.rng.integers(10**9)}"
        self.diary.write("comment", comment=comment)
        self.study.set_comment(CASE, comment)
        self.diary.write("commented", comment=comment)


def work(
    folder: Path, path: Path, *, seed: int, most_s: float, in_a_hurry: bool
) -> None:
    """Open the case and work on it until killed; end after some time even so."""
    end_s = time.monotonic() + most_s
    diary = Diary(path)
    diary.write("born")
    diary.watch_disk()
    try:
        session = Session(folder, diary, seed, in_a_hurry=in_a_hurry)
        number = 0
        while time.monotonic() < end_s:
            number += 1
            session.step(number)
    except BaseException:
        diary.write("failed", reason=traceback.format_exc())
        raise
