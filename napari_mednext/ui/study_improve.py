"""One line of the Study dock: improve the model, how that goes, take the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_mednext.ui.controls import allow
from napari_mednext.ui.improve_dock import show_improve_dock
from napari_mednext.ui.improve_wording import job_line
from napari_mednext.ui.improving_shared import shared_improving

if TYPE_CHECKING:
    from napari_mednext.app.improve_outcome import Comparison
    from napari_mednext.ui.improving import Improving
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["StudyImprove"]

_HINT = (
    "Train the model further with the corrections, with the settings used last, while "
    "you go on"
)
#: Outcomes of models that may be taken unseen.
_TAKEN = ("better", "same")
#: Outcome -> what the line says of a new model.
_OFFERS = {
    "better": "A better model is ready",
    "same": "A new model is ready, as good as before",
    "worse": "The new model is worse",
    "unproven": "A new model is ready, unproven",
}


class StudyImprove(QWidget):
    """A button that starts an improvement, and what is to know about it.

    Parameters
    ----------
    viewer : napari viewer
    flow : StudyFlow
        Whose study is improved, and which uses the new model.
    parent : QWidget
        The dock.
    """

    def __init__(self, viewer: Any, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._flow = flow
        self.improving: Improving = shared_improving(viewer, parent)
        self.button = QPushButton("&Improve model", self)
        self.line = QLabel(self)
        self.promote = QPushButton("&Promote", self)
        self.look = QPushButton("&Look", self)
        self._build()
        self.button.clicked.connect(self._on_improve)
        self.look.clicked.connect(self._on_look)
        self.promote.clicked.connect(self._on_promote)
        watch = self.improving.watch
        for signal in (
            self.improving.studyChanged,
            self.improving.busyChanged,
            self.improving.planChanged,
            watch.changed,
            watch.comparisonChanged,
        ):
            signal.connect(self._refresh)
        self.improving.said.connect(flow.said)
        self.improving.follow(flow)
        self._refresh()

    def _build(self) -> None:
        """Lay the parts out."""
        self.button.setToolTip(_HINT)
        self.promote.setToolTip("Segment with the new model from the next case on")
        self.look.setToolTip("Show the improvement in “MedNeXt: Improve”")
        self.line.setWordWrap(True)
        self.line.setAccessibleName("Improvement of the model")
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.button, 1)
        row.addWidget(self.promote, 1)
        row.addWidget(self.look, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.line)

    def end(self) -> None:
        """Let go of the study; trainings go on."""
        self.improving.leave(self._flow)

    def offer(self) -> Comparison | None:
        """Return the new model that somebody must decide about."""
        return self.improving.watch.reading.offer

    def _refresh(self) -> None:
        """Say how it goes, and enable what fits."""
        improving, offer = self.improving, self.offer()
        running = improving.watch.running
        text = ""
        if improving.is_starting:
            text = "Improving: starts"
        elif running is not None:
            text = job_line(running)
        elif offer is not None:
            text = _OFFERS.get(offer.outcome, "A new model is ready")
        self.line.setText(text)
        self.line.setToolTip(text)
        self.line.setVisible(bool(text))
        is_offered = running is None and offer is not None and not improving.is_starting
        # Any other is looked at before anybody takes it.
        can_take = is_offered and offer is not None and offer.outcome in _TAKEN
        self.promote.setVisible(can_take)
        self.look.setVisible(bool(text))
        allow(self.promote, "something is being done" if improving.is_busy else None)
        reason = improving.why_not_start()
        if running is not None:
            reason = reason or "a model is being improved already"
        allow(self.button, reason)

    def _on_improve(self) -> None:
        self.improving.start()
        # Making the dock takes a moment; what was pressed must look so first.
        QTimer.singleShot(0, self._show_dock)

    def _on_look(self) -> None:
        self._show_dock()
        self.improving.wanted.emit()

    def _show_dock(self) -> None:
        show_improve_dock(self._viewer)

    def _on_promote(self) -> None:
        offer = self.offer()
        if offer is not None:
            self.improving.promote(offer.job)
