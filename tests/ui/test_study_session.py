"""A day of an annotator in a real viewer, driven by mouse and keys."""

import pytest

from benchmarks.study_tour.day import Day
from benchmarks.study_tour.hand import Hand
from napari_mednext.formats import open_volume
from napari_mednext.labels import LabelSet
from napari_mednext.study import CaseState, Study
from napari_mednext.ui.study_dock import StudyDock
from tests.ui.conftest import scan
from tests.ui.fake_engine import LABELS, FakeSession


@pytest.fixture
def study_folder(tmp_path):
    from napari_mednext.formats import save_volume
    from napari_mednext.study import CaseEntry

    (tmp_path / "scans").mkdir()
    entries = []
    for seed in range(3):
        path = tmp_path / "scans" / f"case{seed}.nii.gz"
        save_volume(scan((24, 61, 55), seed), path)
        entries.append(CaseEntry(f"case{seed}", (path,)))
    labels = LabelSet.from_names(LABELS.names | {4: "lesion"})
    Study.create(tmp_path / "study", entries=entries, labels=labels).close()
    return tmp_path / "study"


@pytest.mark.slow
def test_a_day(make_napari_viewer, study_folder, tmp_path, qtbot, monkeypatch):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 860)
    with FakeSession("quick") as session:
        monkeypatch.setattr("napari_mednext.app.desk.Desk.version", _version)
        dock = StudyDock(viewer, session)
        viewer.window.add_dock_widget(dock, name="MedNeXt: Study", area="right")
        monkeypatch.setattr(dock.cases, "model_of", lambda _: "quick")
        day = Day(Hand(viewer), dock, lambda *_: None)
        day.open_study(study_folder)
        day.brush()
        day.interpolate()
        day.undo_redo()
        day.jump()
        day.compare()
        day.accept_next()
        day.back()
        day.flag()
        day.export(tmp_path / "masks")
        facts = day.facts
        day.hand.until(lambda: not dock.flow.is_busy_behind, "the background")
        dock.end()
    assert facts["first"] == "case0"
    assert facts["predicted"] > 0
    assert facts["strokes"] == 2
    assert facts["interpolated"] > 0
    assert facts["undone"] == facts["interpolated"]
    assert facts["redone"]
    assert facts["jumped"]
    assert facts["doubt_shown"]
    assert facts["measured"] == 4
    assert facts["state"] == "accepted"
    assert facts["history"] == ["segment", "brush", "brush", "interpolate", "accept"]
    assert facts["flagged"] == "flagged"
    assert facts["exported"] == [
        "case0.nii.gz",
        "case0_provenance.json",
        "case0_provenance.nii.gz",
    ]
    with Study.open(study_folder) as study:
        assert study.case("case0").state is CaseState.ACCEPTED
        assert study.case("case1").comment == "is this a lesion?"
        mask = open_volume(tmp_path / "masks" / "case0.nii.gz")
        assert mask.grid.is_close(open_volume(study.case("case0").images).grid)
        (row,) = [row for row in study.effort() if row.case == "case0"]
        assert row.strokes >= 3


def _version(desk):
    if desk.model is None:
        return None
    return desk.study.model(desk.study.model_code(str(desk.model), "fake"))
