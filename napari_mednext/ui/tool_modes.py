"""The tools that are drawn or clicked: they begin a mode, and end with one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.ui.drawing_brush import BrushMode
from napari_mednext.ui.drawing_pick import PickMode
from napari_mednext.ui.drawing_scribbles import INSIDE, OUTSIDE, ScribbleMode
from napari_mednext.ui.drawing_shapes import ShapeKind, ShapeMode
from napari_mednext.ui.tool_place import drawn_box

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_mednext.correction import Box
    from napari_mednext.ui.drawing import Drawing
    from napari_mednext.ui.drawing_pick import Point
    from napari_mednext.ui.study_flow import StudyFlow
    from napari_mednext.ui.tool_limits import ToolLimits
    from napari_mednext.ui.tool_options import ToolOptions
    from napari_mednext.ui.tool_runs import ToolRuns

__all__ = ["ToolModes"]


class ToolModes:
    """Begins the modes of tools; the button of a mode that is on ends it.

    Parameters
    ----------
    flow : StudyFlow
    drawing : Drawing
        Sees to it that one mode is on at a time.
    limits : ToolLimits
        What may be touched.
    options : ToolOptions
        How much and how.
    runs : ToolRuns
        Makes the steps.
    """

    def __init__(
        self,
        flow: StudyFlow,
        drawing: Drawing,
        limits: ToolLimits,
        options: ToolOptions,
        runs: ToolRuns,
    ) -> None:
        self._flow = flow
        self._drawing = drawing
        self._limits = limits
        self._options = options
        self._runs = runs

    def ball(self) -> None:
        """Paint with the ball."""
        self._brush(is_ball=True)

    def disc(self) -> None:
        """Paint with the disc."""
        self._brush(is_ball=False)

    def next_brush(self) -> None:
        """Change between the disc and the ball; the ball first."""
        self._brush(is_ball=self._drawing.name != "ball")

    def inside(self) -> None:
        """Scribble on what belongs to the label."""
        self._scribble(INSIDE)

    def outside(self) -> None:
        """Scribble on what does not belong to the label."""
        self._scribble(OUTSIDE)

    def grow(self) -> None:
        """Grow the label from the scribbles; without any, begin to scribble."""
        mode = self._drawing.mode
        if not isinstance(mode, ScribbleMode):
            self.inside()
            return
        inside, outside = mode.voxels(INSIDE), mode.voxels(OUTSIDE)
        if not len(inside):
            self._flow.said.emit("Scribble inside of the label first.", "warning")
            return
        from napari_mednext.correction.tools.grow import grow

        method = self._options.method.currentData()
        self._drawing.end()
        self._runs.run(
            "grow from scribbles",
            lambda labels, scope: grow(
                labels, scope, inside, background_seeds=outside, method=method
            ),
            is_slow=True,
        )

    def lasso(self) -> None:
        """Cut with a lasso."""
        words = "Draw around what is cut; Escape cancels."
        self._shape("lasso", words, "lasso", self._cut_lasso)

    def plane(self) -> None:
        """Cut along a line."""
        words = "Draw a line across the label; Escape cancels."
        self._shape("plane", words, "line", self._cut_plane)

    def segment_box(self) -> None:
        """Have the model segment a box."""
        self._box("segment_box", "segment again", self._flow.segment_box)

    def answer_box(self) -> None:
        """Take the model's answer back in a box."""
        self._box("answer_box", "take the answer back in", self._runs.take_answer)

    def review_box(self) -> None:
        """Tick a box as reviewed."""
        self._box("review_box", "tick as reviewed", self._runs.review)

    def keep_one(self) -> None:
        """Keep the island that is clicked on."""
        from napari_mednext.correction.tools.islands import keep_one

        self._pick(
            "keep_one",
            ("Click on the island to keep; Escape cancels.",),
            lambda points: self._runs.run(
                "keep one island",
                lambda labels, scope: keep_one(labels, scope, at=points[0]),
                grows_slow=True,
            ),
        )

    def remove_one(self) -> None:
        """Remove the island that is clicked on."""
        from napari_mednext.correction.tools.islands import remove_one

        self._pick(
            "remove_one",
            ("Click on the island to remove; Escape cancels.",),
            lambda points: self._runs.run(
                "remove one island",
                lambda labels, scope: remove_one(labels, scope, at=points[0]),
                grows_slow=True,
            ),
        )

    def part(self) -> None:
        """Part two bodies that touch."""
        self._pick(
            "part",
            (
                "Click on the body that keeps the label; Escape cancels.",
                "Now click on the body that gets another label.",
            ),
            self._part,
        )

    def spot(self) -> None:
        """Take the grey values around a spot."""
        self._pick(
            "spot",
            ("Click on a spot with the wanted grey values; Escape cancels.",),
            lambda points: self._limits.take_from_spot(points[0]),
        )

    def _brush(self, *, is_ball: bool) -> None:
        """Begin to paint, or end it."""
        name = "ball" if is_ball else "disc"
        if self._ends(name):
            return
        self._drawing.start(
            "painting",
            lambda: BrushMode(
                self._flow,
                is_ball=is_ball,
                radius=self._options.radius,
                scope=self._limits.scope,
            ),
        )

    def _scribble(self, value: int) -> None:
        """Begin to scribble, or go on with the other kind."""
        mode = self._drawing.mode
        if isinstance(mode, ScribbleMode):
            mode.choose(value)
            self._drawing.tell()
        else:
            self._drawing.start("scribbling", lambda: ScribbleMode(self._flow, value))

    def _shape(
        self,
        name: str,
        words: str,
        kind: ShapeKind,
        done: Callable[[NDArray[np.float64], tuple[int, int]], object],
    ) -> None:
        """Begin to draw a shape, or end it."""
        if not self._ends(name):
            self._drawing.start(
                "drawing",
                lambda: ShapeMode(self._flow, name, words, kind=kind, done=done),
            )

    def _box(self, name: str, what: str, done: Callable[[Box], object]) -> None:
        """Begin to draw a box, or end it."""
        depth_mm = self._options.depth.value()
        words = (
            f"Draw the box to {what}; it reaches {depth_mm:g} mm to both sides of the "
            "slice. Escape cancels."
        )

        def drawn(corners: NDArray[np.float64], place: tuple[int, int]) -> None:
            case = self._flow.case
            if case is None:
                return
            shape = case.editing.labels.shape
            box = drawn_box(corners, place, depth_mm, case.spacing, shape)
            if box is None:
                self._flow.said.emit("The box lies outside of the scan.", "warning")
            else:
                done(box)

        self._shape(name, words, "box", drawn)

    def _pick(
        self, name: str, words: tuple[str, ...], done: Callable[[list[Point]], object]
    ) -> None:
        """Begin to wait for clicks, or end it."""
        if not self._ends(name):
            self._drawing.start(
                "picking", lambda: PickMode(self._flow, name, words, done)
            )

    def _ends(self, name: str) -> bool:
        """End a mode that is on already; True where it was."""
        if self._drawing.name != name:
            return False
        self._drawing.end()
        return True

    def _cut_lasso(self, corners: NDArray[np.float64], place: tuple[int, int]) -> None:
        """Cut what a lasso says."""
        from napari_mednext.correction.tools.cut import cut_lasso

        axis, number = place
        is_inside, is_one = self._options.cut.currentData()
        options: dict[str, Any] = {
            "polygon": np.delete(corners, axis, axis=1),
            "axis": axis,
            "inside": is_inside,
            "slices": slice(number, number + 1) if is_one else None,
            "to_label": self._options.other_label or 0,
        }
        self._runs.run(
            "cut with a lasso",
            lambda labels, scope: cut_lasso(labels, scope, **options),
            grows_slow=True,
        )

    def _cut_plane(self, corners: NDArray[np.float64], place: tuple[int, int]) -> None:
        """Cut along a line."""
        from napari_mednext.correction.tools.cut import cut_plane

        to_label = self._options.other_label or 0
        self._runs.run(
            "cut with a plane",
            lambda labels, scope: cut_plane(
                labels,
                scope,
                points=corners,
                axis=place[0],
                keep="larger",
                to_label=to_label,
            ),
            grows_slow=True,
        )

    def _part(self, points: list[Point]) -> None:
        """Part two bodies."""
        from napari_mednext.correction.tools.touching import split_touching

        self._runs.run(
            "part bodies",
            lambda labels, scope: split_touching(
                labels,
                scope,
                seeds=points,
                new_labels=self._runs.new_labels(labels, scope)[:1],
            ),
            is_slow=True,
        )
