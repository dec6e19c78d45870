"""A study in a window without a canvas, and a session with a model to choose."""

from __future__ import annotations

from napari.components import ViewerModel
from qtpy.QtWidgets import QWidget

from napari_mednext.models import installed_models
from napari_mednext.study import CaseEntry, Study
from napari_mednext.ui.study_flow import Phase, StudyFlow
from tests.app.desk_parts import LABELS, DeskSession


class ModelSession(DeskSession):
    """Its engine needs no process; the shipped models are installed."""

    def models(self):
        return tuple(info for info in installed_models() if info.is_shipped)


class Desktop:
    """A flow and the widget that it goes with; says are kept."""

    def __init__(self, qtbot):
        self.top = QWidget()
        qtbot.addWidget(self.top)
        self.session = ModelSession()
        self.flow = StudyFlow(ViewerModel(), self.session, self.top)
        self.said = []
        self.flow.said.connect(lambda text, level: self.said.append((text, level)))

    def close(self, until):
        until(lambda: self.flow.phase in (Phase.IDLE, Phase.EMPTY))
        self.flow.close_study()
        until(lambda: not self.flow.is_busy_behind)


def listed_study(folder, count):
    """A study of many cases whose images nobody opens."""
    entries = [
        CaseEntry(f"case{n}", (folder / f"case{n}.nii.gz",), patient=f"P{n % 7}")
        for n in range(count)
    ]
    return Study.create(folder / "study", entries=entries, labels=LABELS)
