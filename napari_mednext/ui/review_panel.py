"""What is reviewed, and the steps that can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.correction.change import whole_box
from napari_mednext.correction.provenance import is_reviewed, reviewed_slices
from napari_mednext.ui.controls import Heading, IconButton, allow, pressing
from napari_mednext.ui.keys import hint
from napari_mednext.ui.single_job import SingleJob

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.correction import Box
    from napari_mednext.ui.jobs import Job
    from napari_mednext.ui.keys import KeyBinder
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["ReviewPanel"]

PLANES = ("axial", "coronal", "sagittal")
NOTHING_DONE = "nothing was done yet"
NOTHING_UNDONE = "nothing was taken back"


class ReviewPanel(QWidget):
    """Ticks slices and cases as reviewed, and shows the history.

    Parameters
    ----------
    flow : StudyFlow
        Whose case is reviewed.
    parent : QWidget
        The dock.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self.slice = QCheckBox("This &slice is reviewed", self)
        self.whole = QPushButton("Whole &case", self)
        self.shown = QCheckBox("S&how what is reviewed", self)
        self.line = QLabel(self)
        self.undo = IconButton("undo", "Take the last step back (Ctrl+Z)")
        self.redo = IconButton("redo", "Do the step again (Ctrl+Shift+Z)")
        self.last = QLabel(self)
        self._measuring = SingleJob(self)
        self._build()
        self.slice.clicked.connect(self._on_slice)
        self.whole.clicked.connect(lambda: self._review(None, is_reviewed=True))
        self.shown.clicked.connect(self._on_shown)
        self.undo.clicked.connect(lambda: self._step(is_undo=True))
        self.redo.clicked.connect(lambda: self._step(is_undo=False))
        for signal in (flow.caseOpened, flow.caseClosed, flow.phaseChanged):
            signal.connect(self._refresh)
        flow.savedChanged.connect(self._refresh_history)
        flow.labelsChanged.connect(self._on_labels)
        flow.caseOpened.connect(self._follow)
        flow.viewer.dims.events.current_step.connect(self._refresh_slice)
        flow.viewer.dims.events.order.connect(self._refresh_slice)
        self.destroyed.connect(self._stop)
        self._refresh()

    def bind_keys(self, binder: KeyBinder) -> None:
        """Bind the key that ticks the slice."""
        press = pressing(self.slice, "Ticking the slice", self._flow.said.emit)
        binder.bind("review_slice", press)

    def _build(self) -> None:
        """Lay the controls out."""
        self.slice.setToolTip(
            hint("review_slice", "Every voxel of it counts as looked at by a person")
        )
        self.whole.setToolTip("Tick every slice of the case")
        self.shown.setToolTip("Tint what a person painted or confirmed")
        self.line.setToolTip("Voxels that a person painted or confirmed")
        self.last.setToolTip("The last step")
        review = QGridLayout()
        review.setSpacing(6)
        review.addWidget(self.slice, 0, 0)
        review.addWidget(self.whole, 0, 1)
        review.addWidget(self.shown, 1, 0)
        review.addWidget(self.line, 1, 1)
        review.setColumnStretch(0, 1)
        history = QHBoxLayout()
        history.setSpacing(6)
        history.addWidget(self.undo)
        history.addWidget(self.redo)
        history.addWidget(self.last, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(Heading("Review"))
        layout.addLayout(review)
        layout.addLayout(history)

    def _place(self) -> tuple[int, int] | None:
        """Return the axis and the index of the slice on screen, None in 3D."""
        layer, dims = self._flow.layer, self._flow.viewer.dims
        if layer is None or dims.ndisplay != 2 or len(dims.not_displayed) < 1:
            return None
        axis = dims.not_displayed[-1] - (dims.ndim - 3)
        point = layer.world_to_data(dims.point[-3:])
        if not 0 <= axis <= 2:
            return None
        index = int(np.clip(np.rint(point[axis]), 0, layer.data.shape[axis] - 1))
        return axis, index

    def _box(self) -> Box | None:
        """Return the slice on screen as a box."""
        place, case = self._place(), self._flow.case
        if place is None or case is None:
            return None
        axis, index = place
        box = list(whole_box(case.editing.labels.shape))
        box[axis] = slice(index, index + 1)
        return box[0], box[1], box[2]

    def _on_slice(self, is_checked: bool) -> None:  # noqa: FBT001 - a Qt slot
        place, box = self._place(), self._box()
        if place is not None and box is not None:
            self._review(box, is_reviewed=is_checked)

    def _review(self, box: Box | None, *, is_reviewed: bool) -> None:
        """Tick a box, as one step."""
        case = self._flow.case
        if case is None or self._flow.why_not_editable() is not None:
            return
        title = "review" if is_reviewed else "take a review back"
        case.editing.review(box, is_reviewed=is_reviewed, title=title)

    def _on_shown(self, is_checked: bool) -> None:  # noqa: FBT001 - a Qt slot
        if is_checked:
            self._on_labels()
        elif self._flow.layers is not None:
            self._flow.layers.show_reviewed(None)

    def _step(self, *, is_undo: bool) -> None:
        layer = self._flow.layer
        if layer is not None:
            layer.undo() if is_undo else layer.redo()

    def _follow(self, case: object) -> None:
        """Hear of every step of the case in hand."""
        del case
        if self._flow.case is not None:
            self._flow.case.editing.on_change.append(self._on_step)

    def _on_step(self, _: Box) -> None:
        self._refresh_history()
        self._refresh_slice()

    def _on_labels(self) -> None:
        """Measure again, a moment after the labels changed."""
        case = self._flow.case
        if case is None:
            return
        provenance = case.editing.provenance

        def work(_: Job) -> tuple[NDArray[np.uint8], float]:
            reviewed = is_reviewed(provenance)
            return reviewed.view(np.uint8), float(reviewed.mean())

        def found(result: tuple[NDArray[np.uint8], float]) -> None:
            reviewed, share = result
            self.line.setText(f"{100 * share:.0f} % reviewed")
            if self.shown.isChecked() and self._flow.layers is not None:
                self._flow.layers.show_reviewed(reviewed)

        # A whole volume: on the window's thread it would be felt after each stroke.
        self._measuring.start(work, f"MedNeXt: measuring reviews of {case.name}", found)

    def _refresh(self, *_: object) -> None:
        """Enable, disable and show what fits."""
        reason = self._flow.why_not_editable()
        allow(self.slice, reason)
        allow(self.whole, reason)
        allow(self.shown, None if self._flow.case is not None else "no case is open")
        if self._flow.case is None:
            self._measuring.drop()
            self.line.clear()
            self.shown.setChecked(False)
        self._refresh_history()
        self._refresh_slice()

    def _refresh_history(self) -> None:
        """Show what can be taken back."""
        case = self._flow.case
        done = case.editing.history.done if case is not None else ()
        undone = case.editing.history.undone if case is not None else ()
        reason = self._flow.why_not_editable()
        allow(self.undo, reason or (None if done else NOTHING_DONE))
        allow(self.redo, reason or (None if undone else NOTHING_UNDONE))
        self.last.setText(f"{len(done)}: {done[-1].title}" if done else "")

    def _refresh_slice(self, *_: object) -> None:
        """Show whether the slice on screen is reviewed."""
        place, case = self._place(), self._flow.case
        self.slice.blockSignals(True)
        if place is None or case is None:
            self.slice.setChecked(False)
            self.slice.setText("This &slice is reviewed")
        else:
            axis, index = place
            one = case.editing.provenance.take([index], axis)
            self.slice.setChecked(bool(reviewed_slices(one, axis)[0]))
            self.slice.setText(f"This {PLANES[axis]} &slice is reviewed")
        self.slice.blockSignals(False)

    def _stop(self) -> None:
        """Stop following the viewer, which may live longer."""
        events = self._flow.viewer.dims.events
        events.current_step.disconnect(self._refresh_slice)
        events.order.disconnect(self._refresh_slice)
