"""Changes of the labels in hand: tools and the model, each one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import MednextError
from napari_mednext.ui.flow_base import FlowBase, Phase
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.view import looked_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.app.open_case import Answer, OpenCase
    from napari_mednext.correction import Box, Change

__all__ = ["FlowEdits", "ToolCall"]

ToolCall = Callable[["NDArray[Any]"], "Change | None"]


class FlowEdits(FlowBase):
    """Runs tools and the model on the case in hand."""

    def apply(self, title: str, tool: ToolCall, *, is_slow: bool = False) -> None:
        """Run a tool on the labels in hand, as one step.

        Parameters
        ----------
        title : str
            What the step is called.
        tool : callable
            Takes the label array, returns a change or None.
        is_slow : bool
            Whether it runs in a worker; when somebody painted meanwhile, its result
            is dropped, and that is said.
        """
        if reason := self.why_not_editable():
            self.said.emit(
                f"{title.capitalize()} is not possible: {reason}.", "warning"
            )
            return
        case = self.case
        if case is None:
            return
        if not is_slow:
            try:
                self._put(case, tool(case.editing.labels), title)
            except MednextError as error:
                self.said.emit(explain(error), "error")
            return
        before = len(case.editing.history.done), case.editing.history.done[-1:]

        def work(_: Job) -> Change | None:
            return tool(case.editing.recorded()[1])

        def done(change: Change | None) -> None:
            if self.case is not case:
                return
            now = len(case.editing.history.done), case.editing.history.done[-1:]
            if now != before:
                self.said.emit(
                    f"{title.capitalize()} was dropped, since the labels changed "
                    "meanwhile: start it again.",
                    "warning",
                )
                return
            self._put(case, change, title)

        self._run(work, f"MedNeXt: {title}", done, Phase.WORKING)

    def segment_box(self, box: Box | None, *, keep_reviewed: bool = True) -> None:
        """Have the model segment a box, or the whole case, as one step.

        Parameters
        ----------
        box : three slices, optional
            In voxels of the labels; the whole volume by default.
        keep_reviewed : bool
            Whether what a person painted or confirmed stays.
        """
        desk, case = self.desk, self.case
        if desk is None or case is None:
            return
        if reason := self.why_not_editable():
            self.said.emit(f"Segmenting is not possible: {reason}.", "warning")
            return
        focus = looked_at(self.viewer, self.layer)

        def work(job: Job) -> Answer:
            answer = desk.segment(
                case, roi=box, focus=focus, on_progress=job.report, cancel=job
            )
            if box is None:
                desk.keep_answer(case, answer)
            return answer

        def done(answer: Answer) -> None:
            if self.case is not case:
                return
            labels = answer.labels if box is None else answer.labels[box]
            edit = case.editing.predict(
                labels, answer.version.code, box=box, keep_reviewed=keep_reviewed
            )
            self._prepare_next()
            if edit is None:
                text = "The model found what was there already; nothing was changed."
                self.said.emit(text, "info")
            else:
                self.said.emit("Segmented; Ctrl+Z takes it back.", "done")

        self._run(work, f"MedNeXt: segmenting {case.name}", done, Phase.WORKING)

    def _put(self, case: OpenCase, change: Change | None, title: str) -> None:
        """Make a step of a change."""
        edit = case.editing.apply(change, title)
        if edit is None:
            self.said.emit(f"{title.capitalize()} found nothing to change.", "info")
        else:
            text = f"{title.capitalize()}: {edit.voxels:,} voxels changed."
            self.said.emit(text, "done")

    def _prepare_next(self) -> None:
        """Make the next case ready; the list of cases knows which."""
