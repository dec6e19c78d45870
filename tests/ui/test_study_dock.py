"""What the dock of a study says, and when it stops saying it."""

from qtpy.QtWidgets import QInputDialog

from napari_mednext.ui.study_dock import StudyDock
from tests.app.desk_parts import make_study
from tests.ui.study_parts import ModelSession


def test_a_case_that_cannot_be_opened_is_told_until_another_one_is(
    make_napari_viewer, tmp_path, until, monkeypatch
):
    study = make_study(tmp_path)
    study.case("case0").images[0].unlink()
    viewer = make_napari_viewer()
    dock = StudyDock(viewer, ModelSession())
    viewer.window.add_dock_widget(dock, name="MedNeXt: Study", area="right")
    flow, said = dock.flow, []
    flow.said.connect(lambda text, level: said.append((text, level)))
    flow.use(study, model=None)
    until(lambda: dock.notice.level == "error")
    assert "there must be a file" in dock.notice.text().lower()
    assert flow.case is None
    dock.next.click()
    until(lambda: flow.case is not None and not flow.is_busy_behind)
    assert dock.notice.text() == ""

    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("look here", True))
    dock.flag.click()
    assert study.case("case1").state == "flagged"
    dock.flag.click()
    assert study.case("case1").state == "new"
    assert said[-1] == ("case1 is no longer flagged.", "done")
    # What concerns the case in hand stays.
    flow.said.emit("The disk is full.", "error")
    dock.next.click()
    until(lambda: flow.case is not None and flow.case.name == "case2")
    assert dock.notice.text() == "The disk is full."
    # A refusal goes while work goes on, but not while steps are not on disk.
    dock._hush.setInterval(1)
    flow.labelsChanged.emit()
    until(lambda: not dock.notice.text())
    flow.said.emit("The disk is full.", "error")
    monkeypatch.setattr(type(flow), "problem", "full", raising=False)
    flow.labelsChanged.emit()
    assert not dock._hush.isActive()
    dock.end()
