"""Says why no doubt is known of a case, and has the model measure it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_mednext.ui.controls import IconButton, allow
from napari_mednext.ui.flow_base import Phase
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.view import looked_at

if TYPE_CHECKING:
    from napari_mednext.ui.jobs import Job
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["DoubtMeasuring"]


class DoubtMeasuring(QWidget):
    """A sentence, and a button that has the model look at the case again.

    The labels stay as they are; the answer is kept. ``measured`` follows.

    Parameters
    ----------
    flow : StudyFlow
        Whose case.
    parent : QWidget
        The panel.
    """

    measured = Signal()

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self._job = SingleJob(self)
        self.why = QLabel(self)
        self.start = QPushButton("&Measure doubt", self)
        self.stop = IconButton("stop", "Stop measuring", self)
        self._build()
        self.start.clicked.connect(self._on_start)
        self.stop.clicked.connect(self._job.drop)
        flow.caseOpened.connect(self._on_case)
        flow.caseClosed.connect(self._on_case)
        flow.phaseChanged.connect(self.refresh)
        self._job.changed.connect(self.refresh)
        self._job.progressed.connect(self.why.setText)
        self._job.failed.connect(lambda text: flow.said.emit(text, "error"))
        self.refresh()

    def _build(self) -> None:
        """Lay the controls out."""
        self.why.setWordWrap(True)
        self.why.setTextFormat(Qt.TextFormat.PlainText)
        self.start.setToolTip(
            "Have the model look at the case again and note its doubt; the labels "
            "stay as they are"
        )
        self.start.setMinimumHeight(30)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.start, 1)
        row.addWidget(self.stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.why)
        layout.addLayout(row)

    def refresh(self) -> None:
        """Say what is missing; hide everything where nothing is."""
        text, is_busy = self._text(), self._job.is_busy
        self.setVisible(bool(text))
        self.why.setText(text)
        self.stop.setVisible(is_busy)
        self.start.setVisible(self._flow.case is not None)
        allow(self.start, "it is being measured" if is_busy else self._why_not())

    def _text(self) -> str:
        """Return why no doubt is known; empty where it is."""
        case = self._flow.case
        if case is None:
            return "Open a case to see where the model is in doubt."
        if self._job.is_busy:
            return "The model looks at the case again…"
        if case.answer is None:
            return "No model has segmented this case, so no doubt is known."
        if case.answer.doubt is None:
            return f"The prediction of {case.answer.version.name} has no map of doubt."
        return ""

    def _why_not(self) -> str | None:
        """Return why nothing can be measured now."""
        flow = self._flow
        if flow.case is None or flow.desk is None or flow.layer is None:
            return "no case is open"
        if flow.case.is_read_only:
            return flow.case.holder
        if flow.desk.model is None:
            return "the study has no model, choose one first"
        if flow.phase is not Phase.IDLE:
            return "something is being computed"
        return None

    def _on_case(self, _: object) -> None:
        self._job.drop()
        self.refresh()

    def _on_start(self) -> None:
        """Have the model segment the case, and keep what it says."""
        desk, case = self._flow.desk, self._flow.case
        if desk is None or case is None:
            return
        focus = looked_at(self._flow.viewer, self._flow.layer)

        def work(job: Job) -> None:
            answer = desk.segment(case, focus=focus, on_progress=job.report, cancel=job)
            desk.keep_answer(case, answer)

        def done(_: object) -> None:
            self.measured.emit()
            self._flow.casesChanged.emit()

        self._job.start(work, f"MedNeXt: measuring doubt in {case.name}", done)
