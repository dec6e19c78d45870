import threading
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QStyle, QStyleOptionViewItem, QWidget

from napari_mednext.app.desk import Desk
from napari_mednext.correction.provenance import HUMAN
from napari_mednext.correction.spots import Spot, find_spots
from napari_mednext.formats import save_volume
from napari_mednext.study import CaseEntry, Study
from napari_mednext.ui.keys import KeyBinder
from napari_mednext.ui.spot_marks import SpotMarks
from napari_mednext.ui.spot_search import SpotPlace, reviewed_spots, seen_before
from napari_mednext.ui.spot_view import show_voxel
from napari_mednext.ui.spots_panel import FIELD_MM, SpotsPanel
from napari_mednext.ui.spots_table import DOUBT, LABEL, NUMBER, SEEN, VOLUME
from napari_mednext.ui.study_flow import StudyFlow
from napari_mednext.volume import Volume, VoxelGrid
from tests.app.desk_parts import LABELS, DeskSession, Doubtful, make_study

GRID = VoxelGrid(
    (19, 63, 71),
    (3.0, 0.9, 1.1),
    (5.0, -8.0, 11.0),
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
)
#: Where the model of these tests is in doubt: a box, its doubt and its label.
PLACES = (
    ((slice(2, 5), slice(8, 18), slice(8, 18)), 250, 1),
    ((slice(12, 17), slice(40, 55), slice(45, 60)), 250, 2),
    ((slice(8, 11), slice(44, 54), slice(6, 16)), 120, 1),
)


class DoubtfulEngine:
    """Finds the places above, and doubts them."""

    def __init__(self):
        self.runs = 0
        self.hold = threading.Event()
        self.hold.set()

    def segment(self, volume, *, cancel=None, on_progress=None, **options):
        self.runs += 1
        while not self.hold.wait(0.01):
            assert cancel is None or not cancel.is_set() or self.hold.set()
        labels, doubt = np.zeros((2, *GRID.shape), np.uint8)
        for box, value, label in PLACES:
            labels[box], doubt[box] = label, value
        names = {1: "dark", 2: "bright"}
        return Doubtful(labels, volume.grid, names, {}, volume.source, doubt=doubt)


def study_of_boxes(folder):
    entries = []
    for name in ("case0", "case1"):
        scan = Volume(np.zeros(GRID.shape, np.int16), GRID, name)
        entries.append(CaseEntry(name, (save_volume(scan, folder / f"{name}.nii.gz"),)))
    return Study.create(folder / "study", entries=entries, labels=LABELS)


class Bench:
    """The panel in a window beside a real viewer."""

    def __init__(self, viewer, folder, until):
        self.viewer, self.until = viewer, until
        self.dock = QWidget()
        session = DeskSession()
        session.service = self.engine = DoubtfulEngine()
        self.flow = StudyFlow(viewer, session, self.dock)
        self.said = []
        self.flow.said.connect(lambda *what: self.said.append(what))
        self.panel = SpotsPanel(self.flow, self.dock)
        self.keys = KeyBinder(viewer)
        self.panel.bind_keys(self.keys)
        self.study = study_of_boxes(folder)

    @property
    def model(self):
        return self.panel.table.spots

    def open(self, name):
        self.flow.open_case(name)
        self.until(lambda: self.flow.layer is not None and self.flow.case.name == name)
        self.until(lambda: not self.flow.is_busy_behind and not self.panel.is_looking)

    def press(self, key):
        pressed = QKeySequence(key)[0]
        canvas = self.viewer.window._qt_viewer.canvas.native
        QTest.keyClick(canvas, pressed.key(), pressed.keyboardModifiers())

    def push(self, button):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def click(self, row, column=LABEL):
        table = self.panel.table
        index = self.model.index(row, column)
        where = table.visualRect(index).center()
        if column == SEEN:
            option = QStyleOptionViewItem()
            option.initFrom(table)
            option.rect = table.visualRect(index)
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator
            element = QStyle.SubElement.SE_ItemViewItemCheckIndicator
            where = table.style().subElementRect(element, option, table).center()
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)

    def ticks(self):
        role = Qt.ItemDataRole.CheckStateRole
        return [
            self.model.index(row, SEEN).data(role) == Qt.CheckState.Checked
            for row in range(self.model.rowCount())
        ]

    def in_the_middle(self):
        """Voxel of the labels in the middle of the picture."""
        point = np.array(self.viewer.dims.point)
        camera = self.viewer.scene.camera
        point[list(self.viewer.dims.displayed)] = camera.center[-2:]
        return tuple(np.rint(self.flow.layer.world_to_data(point)).astype(int))

    def marked(self):
        """Centre -> whether seen, as the study says."""
        (model,) = self.study.models()
        marks = self.study.spots("case0", model=model.code)
        return {mark.center: mark.seen for mark in marks}


@pytest.fixture
def bench(make_napari_viewer, qtbot, tmp_path, until, monkeypatch):
    def version(desk):
        return desk.study.model(desk.study.model_code("any", "digest"))

    monkeypatch.setattr(Desk, "version", version)
    bench = Bench(make_napari_viewer(show=True), tmp_path, until)
    bench.dock.setFixedSize(380, 420)
    bench.panel.resize(360, 400)
    qtbot.addWidget(bench.dock)
    bench.dock.show()
    yield bench
    bench.flow.close_study()
    until(lambda: not bench.flow.is_busy_behind)
    bench.keys.close()
    bench.study.close()


def test_spots_are_visited(bench):
    nothing_is_possible_without_a_case(bench)
    bench.flow.use(bench.study, model="any")
    bench.open("case0")
    spots_are_listed(bench)
    keys_lead_from_spot_to_spot(bench)
    clicks_do_too(bench)
    the_doubt_is_shown(bench)
    marks_come_back(bench)
    reviewed_spots_are_done(bench)
    names_follow(bench)


def nothing_is_possible_without_a_case(bench):
    panel = bench.panel
    for control in (panel.next, panel.previous, panel.shown):
        assert not control.isEnabled()
        assert "no case is open" in control.toolTip()
        assert control.accessibleName() or control.text()
    assert "Open a case" in panel.measuring.why.text()
    assert not panel.measuring.start.isVisible()
    assert not panel.table.isVisible()
    bench.press("Shift+N")


def spots_are_listed(bench):
    answer = bench.flow.case.answer
    spots = find_spots(answer.doubt, answer.labels, bench.flow.case.spacing)
    assert bench.panel.spots == spots
    assert [spot.label for spot in spots] == [2, 1, 1]
    texts = [
        [bench.model.index(row, column).data() for column in range(5)]
        for row in range(3)
    ]
    assert [row[NUMBER] for row in texts] == ["1", "2", "3"]
    assert [row[LABEL] for row in texts] == ["bright", "dark", "dark"]
    assert texts[0][VOLUME] == f"{spots[0].volume_ml:.2f}"
    assert texts[0][DOUBT] == f"{100 * spots[0].mean_doubt:.0f} %"
    assert bench.panel.count.text() == "0 of 3 seen"
    assert bench.ticks() == [False] * 3
    assert not bench.panel.measuring.isVisible()
    assert not bench.panel.previous.isEnabled()


def keys_lead_from_spot_to_spot(bench):
    panel, layer = bench.panel, bench.flow.layer
    first, second, third = panel.spots
    bench.viewer.scene.camera.zoom = 0.5
    bench.press("Shift+N")
    assert bench.in_the_middle() == first.center
    assert layer.selected_label == 2
    zoom = bench.viewer.scene.camera.zoom
    assert min(bench.viewer.canvas.size) / zoom == pytest.approx(FIELD_MM)
    assert panel.count.text() == "1 of 3 seen"
    assert panel.table.currentIndex().row() == 0
    bench.viewer.scene.camera.zoom = 3 * zoom
    bench.press("Shift+N")
    assert bench.in_the_middle() == second.center
    assert layer.selected_label == 1
    assert bench.viewer.scene.camera.zoom == 3 * zoom
    bench.press("Shift+B")
    assert bench.in_the_middle() == first.center
    assert not panel.previous.isEnabled()
    assert "no spot was visited" in panel.previous.toolTip()
    bench.press("Shift+B")
    bench.push(panel.next)
    assert bench.in_the_middle() == third.center
    assert bench.ticks() == [True] * 3
    bench.push(panel.next)
    assert bench.said.pop() == ("All 3 spots are seen.", "info")
    bench.push(panel.previous)
    assert bench.in_the_middle() == first.center
    bench.until(lambda: panel.is_saved)
    assert bench.marked() == {spot.center: True for spot in panel.spots}


def clicks_do_too(bench):
    panel = bench.panel
    bench.click(2)
    assert bench.in_the_middle() == panel.spots[2].center
    bench.click(1, SEEN)
    assert bench.ticks() == [True, False, True]
    assert panel.count.text() == "2 of 3 seen"
    assert bench.in_the_middle() == panel.spots[2].center
    tooltip = bench.model.index(1, SEEN).data(Qt.ItemDataRole.ToolTipRole)
    assert tooltip == "Nobody has seen it"
    bench.press("Shift+N")
    assert bench.in_the_middle() == panel.spots[1].center
    bench.click(1, SEEN)
    bench.click(0, SEEN)
    bench.click(0, SEEN)
    bench.until(lambda: panel.is_saved)
    assert list(bench.marked().values()) == [True, False, True]


def the_doubt_is_shown(bench):
    panel, layers = bench.panel, bench.flow.layers
    bench.press("Shift+U")
    assert layers.shows_doubt
    assert panel.shown.isChecked()
    bench.viewer.layers["doubt"].visible = False
    bench.push(panel.shown)
    assert layers.shows_doubt
    assert panel.shown.isChecked()


def marks_come_back(bench):
    bench.click(0, SEEN)  # and the case is left before a thread has written it
    bench.open("case1")
    assert bench.ticks() == [False] * 3
    assert bench.flow.layers.shows_doubt, "it was shown in the case before"
    bench.press("Shift+U")
    assert not bench.panel.previous.isEnabled()
    bench.open("case0")
    assert bench.ticks() == [False, False, True]
    bench.press("Shift+N")
    assert bench.in_the_middle() == bench.panel.spots[0].center
    assert bench.engine.runs == 2


def reviewed_spots_are_done(bench):
    panel, editing = bench.panel, bench.flow.case.editing
    editing.review(panel.spots[1].box)
    bench.until(lambda: panel.done == {1, 2, 3})
    assert bench.ticks() == [True] * 3
    bench.click(1, SEEN)
    assert bench.ticks() == [True] * 3
    tooltip = bench.model.index(1, SEEN).data(Qt.ItemDataRole.ToolTipRole)
    assert tooltip == "All that is doubtful here is reviewed"
    editing.undo()
    bench.until(lambda: panel.done == {1, 3})
    # The model says it again: what was seen of the same answer is still seen.
    bench.flow.segment_box(None)
    bench.until(lambda: bench.engine.runs == 3)
    bench.until(lambda: panel._answer is bench.flow.case.answer)
    bench.until(lambda: not panel.is_looking and len(panel.spots) == 3)
    assert bench.ticks() == [True, False, True]


def names_follow(bench):
    bench.study.rename_label(2, "apex")
    bench.flow.case.labels = bench.study.labels
    bench.flow.layers.set_labels(bench.study.labels)
    assert bench.model.index(0, LABEL).data() == "apex"


def test_doubt_is_measured_where_none_is_known(bench):
    panel, measuring = bench.panel, bench.panel.measuring
    bench.flow.use(bench.study)
    bench.open("case0")
    assert measuring.why.text().startswith("No model has segmented this case")
    assert measuring.start.isVisible()
    assert "the study has no model" in measuring.start.toolTip()
    assert "no doubt is known" in panel.shown.toolTip()
    assert "there is no doubtful spot" in panel.next.toolTip()
    bench.flow.desk.model = "any"
    measuring.refresh()
    bench.engine.hold.clear()
    bench.push(measuring.start)
    bench.until(lambda: bench.engine.runs == 1)
    assert not measuring.start.isEnabled()
    bench.push(measuring.stop)
    bench.until(measuring.start.isEnabled)
    assert bench.flow.case.answer is None
    bench.push(measuring.start)
    bench.until(lambda: len(panel.spots) == 3)
    bench.until(lambda: not measuring.isVisible())
    assert not bench.flow.case.editing.labels.any()
    assert not bench.flow.case.editing.history.done
    assert bench.study.figures()["case0"].ml[2] == pytest.approx(1125 * 2.97 / 1000)
    bench.flow.case.answer = replace(bench.flow.case.answer, doubt=None)
    panel._on_phase()
    assert measuring.why.text() == "The prediction of any has no map of doubt."
    bench.flow.case.answer = replace(
        bench.flow.case.answer, doubt=np.zeros(GRID.shape, np.uint8)
    )
    panel._on_phase()
    bench.until(panel.nothing.isVisible)
    assert not panel.next.isEnabled()


def spot(number, box, doubt=1.0, center=(0, 0, 0)):
    return Spot(number, box, center, 1, 1.0, doubt)


def test_a_spot_is_reviewed_when_its_doubtful_voxels_are():
    doubt = np.zeros((4, 5, 7), np.uint8)
    doubt[1:3, 2, 3] = 200
    doubt[1, 1, 3] = 90  # less than half of the mean
    box = (slice(1, 3), slice(1, 4), slice(2, 5))
    spots = (spot(4, box, 0.75), spot(9, box, 0.7))
    provenance = np.zeros(doubt.shape, np.uint8)
    assert reviewed_spots(spots, doubt, provenance) == set()
    provenance[1, 2, 3] = 0x82
    assert reviewed_spots(spots, doubt, provenance) == set()
    provenance[2, 2, 3] = HUMAN
    assert reviewed_spots(spots, doubt, provenance) == {4}
    provenance[1, 1, 3] = 0x80
    assert reviewed_spots(spots, doubt, provenance) == {4, 9}


@pytest.fixture
def place(tmp_path):
    with make_study(tmp_path, 1) as study:
        yield SpotPlace(study, "case0", study.model_code("any", "digest"))


BOX = (slice(0, 1),) * 3


def test_spots_are_known_by_their_centres(place):
    study, name, code = place
    study.mark_spot(name, 1, (1, 2, 3), model=code)
    study.mark_spot(name, 2, (4, 5, 6), model=code, seen=False)
    study.mark_spot(name, 3, (7, 8, 9), model=code + 1)
    spots = [
        spot(n, BOX, center=center)
        for n, center in (
            (1, (4, 5, 6)),
            (2, (7, 8, 9)),
            (3, (1, 2, 3)),
            (4, (1, 2, 4)),
        )
    ]
    assert seen_before(spots, place) == {3}


@pytest.fixture
def marks(qapp):
    parent = QObject()
    yield SpotMarks(parent)
    parent.deleteLater()


def test_marks_are_written_in_order(place, marks, until):
    writing, go_on, written = threading.Event(), threading.Event(), []

    class Slow:
        def mark_spot(self, name, number, center, *, model, seen):
            written.append((number, seen, threading.current_thread().name))
            writing.set()
            go_on.wait(10)

    slow = place._replace(study=Slow())
    marks.begin(slow, {7})
    assert marks.seen == {7}
    marks.mark(spot(1, BOX), is_seen=True)
    until(writing.is_set)
    marks.mark(spot(1, BOX), is_seen=False)
    marks.mark(spot(2, BOX), is_seen=True)
    assert marks.seen == {2, 7}
    assert not marks.is_written
    threading.Timer(0.05, go_on.set).start()
    marks.end()  # waits for the thread
    assert [what[:2] for what in written] == [(1, True), (1, False), (2, True)]
    assert written[0][2] != written[1][2] == threading.main_thread().name
    until(lambda: marks.is_written)
    assert len(written) == 3
    assert marks.seen == set()


def test_marks_without_a_place_stay_in_memory(marks):
    marks.begin(None, set())
    marks.mark(spot(5, BOX), is_seen=True)
    assert marks.seen == {5}
    assert marks.is_written


def test_marks_that_cannot_be_written_are_told(place, marks, until):
    told = []
    marks.failed.connect(told.append)
    marks.begin(place, set())
    place.study.close()
    marks.mark(spot(1, BOX), is_seen=True)
    until(lambda: marks.is_written)
    assert len(told) == 1
    assert "was closed: open it again" in told[0]
    marks.mark(spot(1, BOX), is_seen=True)
    marks.end()
    assert len(told) == 2
    until(lambda: marks.is_written)
    assert len(told) == 2


def test_a_voxel_comes_to_the_middle_in_3d():
    from napari.components import ViewerModel

    model = ViewerModel()
    layer = model.add_image(
        np.zeros((2, *GRID.shape), np.uint8), scale=(1, *GRID.spacing)
    )
    small = model.add_labels(
        np.zeros(GRID.shape, np.uint8), scale=GRID.spacing, translate=(4, 5, 6)
    )
    del layer
    model.dims.ndisplay = 3
    zoom = model.scene.camera.zoom
    show_voxel(model, small, (3, 20, 31), 70.0)
    point = np.array((3, 20, 31)) * GRID.spacing + (4, 5, 6)
    np.testing.assert_allclose(model.scene.camera.center, point)
    np.testing.assert_allclose(model.dims.point[-3:], point)
    assert model.scene.camera.zoom == zoom
