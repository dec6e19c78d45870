"""Measures and comparisons of the case in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mednext.ui.compare_panel import ComparePanel
from napari_mednext.ui.controls import Rule
from napari_mednext.ui.measure_panel import MeasurePanel

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_mednext.app.open_case import Answer, OpenCase
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["StudyMeasures"]

NOW, ANSWER, OPENING = "labels now", "the model's answer", "labels when opened"


class StudyMeasures(QWidget):
    """The measuring and the comparing panel, given the labels of a study's case.

    Parameters
    ----------
    flow : StudyFlow
        Whose case is measured.
    parent : QWidget
        The dock.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self._answer: Answer | None = None
        self.measure = MeasurePanel(flow.viewer, self)
        self.compare = ComparePanel(flow.viewer, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.measure)
        layout.addWidget(Rule())
        layout.addWidget(self.compare)
        for panel in (self.measure, self.compare):
            panel.labelChosen.connect(self._on_label)
        flow.caseOpened.connect(self._on_opened)
        flow.caseClosed.connect(self._on_closed)
        flow.labelsChanged.connect(self._on_labels)

    def _on_opened(self, case: OpenCase) -> None:
        """Measure and compare this case from now on."""
        self.compare.set_case(case.volume.grid, case.labels)
        self.compare.set_reader(lambda path: _mask(path, case))
        self._offer(case)

    def _offer(self, case: OpenCase) -> None:
        """Offer what can be measured and compared with the answer of a model."""
        answer = self._answer = case.answer
        self.measure.set_source(
            lambda: case.editing.labels,
            grid=case.volume.grid,
            labels=case.labels,
            image=case.volume.array[0],
            baseline=None if answer is None else lambda: answer.labels,
            path=None if self._flow.study is None else self._file(case.name),
        )
        sources: dict[str, Any] = {NOW: lambda: case.editing.labels}
        if answer is not None:
            sources[ANSWER] = lambda: answer.labels
        if case.opening is not None:
            sources[OPENING] = lambda: case.opening
        self.compare.set_sources(sources)

    def _file(self, name: str) -> Path | None:
        """Return the CSV file that is suggested."""
        study = self._flow.study
        return study.path / f"{name}_measures.csv" if study is not None else None

    def _on_closed(self, _: object) -> None:
        self._answer = None
        self.measure.clear()
        self.compare.clear()

    def _on_labels(self) -> None:
        case = self._flow.case
        if case is not None and case.answer is not self._answer:
            self._offer(case)  # the whole case was segmented again
        self.measure.mark_stale()

    def _on_label(self, value: int) -> None:
        layer = self._flow.layer
        if layer is not None and value:
            layer.selected_label = value


def _mask(path: Path, case: OpenCase) -> NDArray[Any]:
    """Read another rater's mask."""
    from napari_mednext.app.case_keeping import read_mask

    return read_mask(path, case.volume)
