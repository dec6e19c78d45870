"""What is measured and compared is what the case has now."""

import pytest

from napari_mednext.ui.study_measures import ANSWER, StudyMeasures
from tests.app.desk_parts import make_study
from tests.ui.study_parts import Desktop
from tests.ui.test_study_flow import version


@pytest.fixture
def desktop(qtbot, until):
    desktop = Desktop(qtbot)
    yield desktop
    desktop.close(until)


def test_an_answer_that_comes_later_is_offered(desktop, until, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_mednext.app.desk.Desk.version", version)
    panel = StudyMeasures(desktop.flow, desktop.top)
    offered = []
    monkeypatch.setattr(panel.compare, "set_sources", offered.append)
    flow = desktop.flow
    flow.use(make_study(tmp_path, 1))
    flow.open_case("case0")
    until(lambda: flow.case is not None)
    assert ANSWER not in offered[-1]
    flow.desk.use_model("any")
    flow.segment_box(None)
    until(lambda: flow.case.answer is not None and ANSWER in offered[-1])
    assert offered[-1][ANSWER]() is flow.case.answer.labels
    times = len(offered)
    flow.layer.undo()
    flow.labelsChanged.emit()
    assert len(offered) == times
