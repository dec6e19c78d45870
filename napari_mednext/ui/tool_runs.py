"""The tools that need no drawing: each changes the labels at once, as one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.correction import Change, Scope
from napari_mednext.errors import InputError, MednextError
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.tool_place import slice_box, slice_on_screen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.correction import Box
    from napari_mednext.ui.study_flow import StudyFlow
    from napari_mednext.ui.tool_limits import ToolLimits
    from napari_mednext.ui.tool_options import ToolOptions

__all__ = ["ScopedTool", "ToolRuns", "unused_labels"]

ScopedTool = Callable[["NDArray[Any]", Scope], Change | None]

#: Tools whose time grows with the volume run in a worker from this many voxels on.
LARGE = 4_000_000
SAGITTAL = 2


class ToolRuns:
    """Runs tools with what is set in the panel.

    Parameters
    ----------
    flow : StudyFlow
    limits : ToolLimits
        What may be touched.
    options : ToolOptions
        How much and how.
    """

    def __init__(
        self, flow: StudyFlow, limits: ToolLimits, options: ToolOptions
    ) -> None:
        self._flow = flow
        self._limits = limits
        self._options = options

    def run(
        self,
        title: str,
        tool: ScopedTool,
        *,
        is_slow: bool = False,
        grows_slow: bool = False,
    ) -> None:
        """Run a tool within the limits, as one step; says what came of it.

        Parameters
        ----------
        title : str
            What the step is called.
        tool : callable
            Takes the labels and the scope, returns a change or None.
        is_slow : bool
            Whether it always runs in a worker.
        grows_slow : bool
            Whether it does in large volumes.
        """
        flow = self._flow
        scope: Scope | None = None
        if flow.why_not_editable() is None:
            try:
                scope = self._limits.scope()
            except MednextError as error:
                flow.said.emit(explain(error), "warning")
                return
        case = flow.case
        large = case is not None and case.editing.labels.size >= LARGE

        def call(labels: NDArray[Any]) -> Change | None:
            return tool(labels, scope) if scope is not None else None

        flow.apply(title, call, is_slow=is_slow or (grows_slow and large))

    def interpolate(self) -> None:
        """Fill the slices between drawn ones."""
        from napari_mednext.correction.tools.interpolate import interpolate

        place = self.place()
        contours = self._options.contours.isChecked()
        if place is not None:
            self.run(
                "interpolate",
                lambda labels, scope: interpolate(
                    labels, scope, axis=place[0], contours=contours
                ),
                grows_slow=True,
            )

    def copy_next(self) -> None:
        """Copy the slice on screen to the next one, and go there."""
        self._copy(1)

    def copy_previous(self) -> None:
        """Copy the slice on screen to the one before, and go there."""
        self._copy(-1)

    def mirror(self) -> None:
        """Add the mirror image, left to right."""
        from napari_mednext.correction.tools.mirror import mirror

        try:
            axis, number = slice_on_screen(self._flow.viewer, self._flow.layer)
        except (InputError, AttributeError):
            axis, number = 0, 0  # any view will do
        plane = float(number) if axis == SAGITTAL else None
        other = self._options.other_label
        self.run(
            "mirror",
            lambda labels, scope: mirror(labels, scope, plane=plane, to_label=other),
            grows_slow=True,
        )

    def smooth(self) -> None:
        """Smooth the surface."""
        from napari_mednext.correction.tools.morphology import smooth

        mm = self._options.size.value()
        self.run(
            "smooth",
            lambda labels, scope: smooth(labels, scope, mm=mm),
            grows_slow=True,
        )

    def dilate(self) -> None:
        """Grow on all sides."""
        from napari_mednext.correction.tools.morphology import dilate

        mm = self._options.size.value()
        if self._is_too_little(mm, "Dilate"):
            return
        self.run(
            "dilate",
            lambda labels, scope: dilate(labels, scope, mm=mm),
            grows_slow=True,
        )

    def erode(self) -> None:
        """Shrink on all sides."""
        from napari_mednext.correction.tools.morphology import erode

        mm = self._options.size.value()
        if self._is_too_little(mm, "Erode"):
            return
        self.run(
            "erode",
            lambda labels, scope: erode(labels, scope, mm=mm),
            grows_slow=True,
        )

    def snap(self) -> None:
        """Move the outline to edges within reach."""
        from napari_mednext.correction.tools.snap import snap

        reach_mm = self._options.reach.value()
        self.run(
            "snap to edges",
            lambda labels, scope: snap(labels, scope, reach_mm=reach_mm),
            is_slow=True,
        )

    def fill_holes(self) -> None:
        """Fill what is closed in on all sides."""
        from napari_mednext.correction.tools.holes import fill_holes

        self.run("fill holes", fill_holes, grows_slow=True)

    def fill_slices(self) -> None:
        """Fill what is closed in within each slice of the plane on screen."""
        from napari_mednext.correction.tools.holes import fill_holes

        place = self.place()
        if place is not None:
            self.run(
                "fill holes in slices",
                lambda labels, scope: fill_holes(labels, scope, axis=place[0]),
                grows_slow=True,
            )

    def keep_largest(self) -> None:
        """Keep the largest island."""
        from napari_mednext.correction.tools.islands import keep_largest

        self.run("keep the largest island", keep_largest, grows_slow=True)

    def remove_smaller(self) -> None:
        """Remove small islands."""
        from napari_mednext.correction.tools.islands import remove_smaller

        volume_ml = self._options.island.value()
        self.run(
            "remove small islands",
            lambda labels, scope: remove_smaller(labels, scope, volume_ml=volume_ml),
            grows_slow=True,
        )

    def split(self) -> None:
        """Give the islands labels of their own."""
        from napari_mednext.correction.tools.islands import split

        self.run(
            "split islands",
            lambda labels, scope: split(
                labels, scope, new_labels=self.new_labels(labels, scope)
            ),
            grows_slow=True,
        )

    def answer_slice(self) -> None:
        """Take the model's answer back on the slice on screen."""
        place, case = self.place(), self._flow.case
        if place is not None and case is not None:
            self.take_answer(slice_box(*place, case.editing.labels.shape))

    def take_answer(self, box: Box) -> None:
        """Take the model's answer back in a box, as one step.

        Parameters
        ----------
        box : three slices
            In voxels of the labels.
        """
        flow, title = self._flow, "The model's answer"
        reason = flow.why_not_editable()
        case = flow.case
        if reason or case is None or case.answer is None:
            reason = reason or "no model has seen this case"
            flow.said.emit(f"{title} cannot be taken back: {reason}.", "warning")
            return
        answer = case.answer
        try:
            edit = case.editing.accept_answer(answer.labels, answer.version.code, box)
        except MednextError as error:
            flow.said.emit(explain(error), "error")
            return
        if edit is None:
            flow.said.emit(f"{title} stands there already.", "info")
        else:
            text = f"{title} is back: {edit.voxels:,} voxels changed."
            flow.said.emit(text, "done")

    def review(self, box: Box) -> None:
        """Tick a box as reviewed, as one step."""
        case = self._flow.case
        if case is not None and self._flow.why_not_editable() is None:
            edit = case.editing.review(box, title="review a box")
            done = "The box is reviewed." if edit else "The box was reviewed already."
            self._flow.said.emit(done, "done" if edit else "info")

    def place(self) -> tuple[int, int] | None:
        """Return axis and number of the slice on screen; says why where there is none.

        None without one, or when the labels cannot be changed.
        """
        flow = self._flow
        if reason := flow.why_not_editable():
            flow.said.emit(f"A tool is not possible: {reason}.", "warning")
            return None
        try:
            return slice_on_screen(flow.viewer, flow.layer)
        except InputError as error:
            flow.said.emit(explain(error), "warning")
            return None

    def new_labels(self, labels: NDArray[Any], scope: Scope) -> list[int]:
        """Return the labels that split-off parts get: the other one, or unused ones.

        Raises
        ------
        InputError
            If no other label is chosen, and the study has none that is not used yet.
        """
        case, other = self._flow.case, self._options.other_label
        if other is not None:
            return [other]
        known = [label.value for label in case.labels] if case is not None else []
        unused = unused_labels(labels, [v for v in known if v != scope.label])
        if not unused:
            msg = (
                "a part that is split off must get a label that is not used yet, all "
                f"{len(known)} of the study are: add a label, or choose another one"
            )
            raise InputError(msg)
        return unused

    def _is_too_little(self, mm: float, title: str) -> bool:
        """Say that no voxel is so near to another one; False where one is."""
        case = self._flow.case
        if case is None or mm >= min(case.spacing) - 1e-6:
            return False
        self._flow.said.emit(
            f"{title} changes nothing: {mm:g} mm is less than a voxel, which has "
            f"{min(case.spacing):.3g} mm; choose more.",
            "warning",
        )
        return True

    def _copy(self, step: int) -> None:
        """Copy the slice on screen to its neighbour, and go there."""
        from napari_mednext.correction.tools.slices import copy_slice

        place, layer, case = self.place(), self._flow.layer, self._flow.case
        if place is None or layer is None or case is None:
            return
        axis, number = place
        to = number + step
        if not 0 <= to < case.editing.labels.shape[axis]:
            self._flow.said.emit("There is no further slice.", "info")
            return
        self.run(
            "copy slice",
            lambda labels, scope: copy_slice(
                labels, scope, axis=axis, index=number, to=[to]
            ),
        )
        label = int(layer.selected_label)
        if label and (case.editing.labels.take(number, axis) == label).any():
            self._go_to(axis, to)

    def _go_to(self, axis: int, number: int) -> None:
        """Show another slice."""
        layer, dims = self._flow.layer, self._flow.viewer.dims
        if layer is None:
            return
        point = np.array(layer.world_to_data(dims.point), dtype=np.float64)
        point[axis] = number
        world = layer.data_to_world(point)
        dims.set_point(axis + dims.ndim - 3, float(world[axis]))


def unused_labels(labels: NDArray[Any], values: list[int]) -> list[int]:
    """Return which of some values stand nowhere in the labels, in their order."""
    seen = np.zeros(np.iinfo(labels.dtype).max + 1, dtype=np.bool_)
    # Plane by plane: counting all at once would take eight bytes a voxel.
    for plane in labels:
        seen[plane.ravel()] = True
    return [value for value in values if value < len(seen) and not seen[value]]
