"""napari is closed with a study open, at any moment: all is saved, nothing is left."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QThreadPool
from qtpy.QtWidgets import QApplication

from napari_mednext.formats import open_volume
from napari_mednext.study import CaseState, Study
from napari_mednext.ui.study_dock import StudyDock
from napari_mednext.volume import reorient
from tests.app.desk_parts import make_study
from tests.ui.study_parts import ModelSession
from tests.ui.test_study_flow import BOX, paint, version


def opening(flow, engine, until):
    engine.hold.clear()
    flow.open_case("case2")
    until(lambda: "case2" in engine.runs)


def accepting(flow, engine, until):
    flow.accept_next()


def segmenting(flow, engine, until):
    engine.hold.clear()
    before = len(engine.runs)
    flow.segment_box(None)
    until(lambda: len(engine.runs) > before)


def drawing(flow, engine, until):
    flow.case.editing.labels[0, :2] = 1  # a stroke that has not ended


@pytest.mark.parametrize(
    ("act", "is_shown"),
    [(opening, False), (accepting, True), (segmenting, False), (drawing, True)],
)
def test_closing_napari_saves_the_study(
    make_napari_viewer, tmp_path, monkeypatch, until, qtbot, act, is_shown
):
    monkeypatch.setattr("napari_mednext.app.desk.Desk.version", version)
    study, session = make_study(tmp_path), ModelSession()
    viewer = make_napari_viewer(show=is_shown)
    dock = StudyDock(viewer, session)
    viewer.window.add_dock_widget(dock, name="MedNeXt: Study", area="right")
    flow = dock.flow
    flow.use(study, model="any")
    until(lambda: flow.case is not None and not flow.is_busy_behind)
    paint(flow.case)
    act(flow, session.service, until)
    with qtbot.capture_exceptions() as raised:
        viewer.close()
        qtbot.wait(50)
        session.service.hold.set()
        assert QThreadPool.globalInstance().waitForDone(5000)
        for _ in range(3):
            QApplication.processEvents()
    assert raised == []
    assert not [t for t in threading.enumerate() if t.name.startswith("journal ")]
    with Study.open(study.path) as again:
        for case in again.cases():
            with again.lock(case) as lock:
                assert lock.held
        state = CaseState.ACCEPTED if act is accepting else CaseState.IN_PROGRESS
        assert again.case("case0").state is state
        saved = reorient(open_volume(again.paths("case0").annotation), "LPS").array[0]
    assert (saved[BOX] == 2).all()
    if act is drawing:
        assert (saved[0, :2] == 1).all()


def test_a_window_that_refuses_to_close_keeps_its_study(
    make_napari_viewer, tmp_path, monkeypatch, until
):
    viewer = make_napari_viewer(show=True)
    dock = StudyDock(viewer, ModelSession())
    viewer.window.add_dock_widget(dock, name="MedNeXt: Study", area="right")
    dock.flow.use(make_study(tmp_path))
    until(lambda: dock.flow.case is not None and not dock.flow.is_busy_behind)
    window = dock._window_end._window
    with monkeypatch.context() as patch:
        patch.setattr(type(window), "closeEvent", lambda _, event: event.ignore())
        window.close()
    assert dock.flow.study is not None
    dock.end()


def test_a_dock_that_is_closed_leaves_the_viewer_alone(
    make_napari_viewer, tmp_path, monkeypatch, until, qtbot
):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((7, 12, 9)))
    dock = StudyDock(viewer, ModelSession())
    viewer.window.add_dock_widget(dock, name="MedNeXt: Study", area="right")
    dock.flow.use(make_study(tmp_path))
    until(lambda: dock.flow.case is not None and not dock.flow.is_busy_behind)
    with qtbot.capture_exceptions() as raised:
        viewer.window.remove_dock_widget(dock)
        qtbot.wait(50)
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        viewer.dims.set_current_step(0, 3)
        viewer.scene.camera.zoom = 3
        assert dock.flow.study is None
    assert raised == []
    assert len(viewer.layers) == 1
