import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QColorDialog, QFileDialog, QLineEdit, QWidget

from napari_mednext.errors import FormatError, InputError
from napari_mednext.formats import open_volume, save_segmentation
from napari_mednext.formats.tables import TABLE_KINDS, read_table, write_table
from napari_mednext.labels import Label, LabelSet
from napari_mednext.ui.keys import KeyBinder
from napari_mednext.ui.label_exchange import imported_labels
from napari_mednext.ui.study_flow import StudyFlow
from napari_mednext.ui.study_labels_panel import StudyLabelsPanel
from napari_mednext.ui.study_labels_table import NAME, SWATCH
from napari_mednext.volume import Segmentation
from tests.app.desk_parts import GRID, DeskSession, make_study

MANY = LabelSet.from_names({n: f"part {n}" for n in range(1, 12)})


class Bench:
    """The panel in a dock of a real window, over a study of two scans."""

    def __init__(self, viewer, folder, until):
        self.viewer, self.until = viewer, until
        self.dock = QWidget()
        self.flow = StudyFlow(viewer, DeskSession(), self.dock)
        self.said = []
        self.flow.said.connect(lambda *what: self.said.append(what))
        self.panel = StudyLabelsPanel(self.flow, self.dock)
        self.keys = KeyBinder(viewer)
        self.panel.bind_keys(self.keys)
        self.study = make_study(folder, 2)

    @property
    def table(self):
        return self.panel.table

    def open(self, name):
        self.flow.open_case(name)
        self.until(lambda: self.flow.layer is not None and self.flow.case.name == name)

    def spot(self, row, column):
        return self.table.visualRect(self.table.labels.index(row, column)).center()

    def click(self, row, column=NAME):
        QTest.mouseClick(
            self.table.viewport(),
            Qt.MouseButton.LeftButton,
            pos=self.spot(row, column),
        )

    def press(self, key):
        pressed = QKeySequence(key)[0]
        canvas = self.viewer.window._qt_viewer.canvas.native
        QTest.keyClick(canvas, pressed.key(), pressed.keyboardModifiers())

    def push(self, button):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def retype(self, text):
        """Type a name into the cell that is being changed."""
        (line,) = self.table.viewport().findChildren(QLineEdit)
        line.selectAll()
        QTest.keyClicks(line, text)
        QTest.keyClick(line, Qt.Key.Key_Return)

    def names(self):
        return [label.name for label in self.study.labels]


@pytest.fixture
def bench(make_napari_viewer, qtbot, tmp_path, until):
    viewer = make_napari_viewer(show=True)
    bench = Bench(viewer, tmp_path, until)
    bench.dock.setFixedSize(380, 420)
    bench.panel.resize(360, 400)
    qtbot.addWidget(bench.dock)
    bench.dock.show()
    yield bench
    bench.flow.close_study()
    until(lambda: not bench.flow.is_busy_behind)
    bench.keys.close()
    bench.study.close()


def test_labels_are_chosen_and_changed(bench, monkeypatch, tmp_path):
    nothing_is_possible_without_a_study(bench)
    bench.study.set_labels(MANY)
    bench.flow.use(bench.study)
    assert bench.panel.add.isEnabled()
    assert not bench.panel.only.isEnabled()
    bench.open("case0")
    table_and_layer_agree(bench)
    one_label_is_shown_alone(bench)
    names_and_colours_change(bench, monkeypatch)
    a_label_is_added(bench)
    the_next_case_follows(bench)
    tables_come_and_go(bench, monkeypatch, tmp_path)
    a_value_above_255_waits(bench)


def nothing_is_possible_without_a_study(bench):
    panel = bench.panel
    for control in (panel.table, panel.add, panel.read, panel.write, panel.only):
        assert not control.isEnabled()
        assert "no study is open" in control.toolTip()
        assert control.accessibleName() or control.text()
    panel._change(lambda _: pytest.fail("there is no study"))


def table_and_layer_agree(bench):
    layer, table = bench.flow.layer, bench.table
    shown = [
        [table.labels.index(r, c).data() for c in (1, 2, 3)] for r in (0, 8, 9, 10)
    ]
    assert shown == [
        ["part 1", "1", "Alt+1"],
        ["part 9", "9", "Alt+9"],
        ["part 10", "10", ""],
        ["part 11", "11", ""],
    ]
    assert layer.selected_label == table.current() == 1
    bench.click(3)
    assert layer.selected_label == 4
    layer.selected_label = 11
    assert table.current() == 11
    bench.press("Alt+7")
    assert layer.selected_label == table.current() == 7
    layer.selected_label = 0
    assert table.current() is None
    assert not table.selectionModel().hasSelection()
    bench.press("Alt+2")
    assert layer.selected_label == table.current() == 2
    assert 8 * 24 < table.height() < 10 * 24


def one_label_is_shown_alone(bench):
    layer, only = bench.flow.layer, bench.panel.only
    layer.data[:] = 5
    layer.data[:, :4] = 2
    bench.push(only)
    assert layer.show_selected_label
    assert list(layer.colormap.map(np.array([2, 5]))[:, 3]) == [1, 0]
    layer.show_selected_label = False
    assert not only.isChecked()
    bench.push(only)


def names_and_colours_change(bench, monkeypatch):
    layer, table = bench.flow.layer, bench.table
    where = {"pos": bench.spot(1, NAME)}
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, **where)
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, **where)
    bench.retype("Left hilum ")
    bench.until(lambda: bench.names()[1] == "Left hilum")
    assert table.labels.index(1, NAME).data() == "Left hilum"
    assert bench.flow.case.labels == bench.study.labels
    assert layer.features["name"][2] == "Left hilum"
    QTest.keyClick(table, Qt.Key.Key_F2)
    bench.retype("ignore")
    bench.until(lambda: bench.said)
    assert "other than 'ignore'" in bench.said.pop()[0]
    assert table.labels.index(1, NAME).data() == "Left hilum"
    QTest.keyClick(table, Qt.Key.Key_F2)
    bench.retype(" ")
    bench.until(lambda: bench.said)
    assert "must have a name: the old one stays" in bench.said.pop()[0]
    QTest.keyClick(table, Qt.Key.Key_F2)
    bench.retype(bench.names()[0])
    bench.until(lambda: bench.said)
    assert f"2 labels are called {bench.names()[0]} now" in bench.said.pop()[0]
    QTest.keyClick(table, Qt.Key.Key_F2)
    bench.retype("Left hilum")
    bench.until(lambda: bench.names()[1] == "Left hilum")

    asked = []

    def dialog(initial, parent, title):
        asked.append((initial.getRgb()[:3], title))
        return QColor(10, 250, 30)

    monkeypatch.setattr(QColorDialog, "getColor", dialog)
    bench.click(1, SWATCH)
    assert asked == [(MANY.colors[2], "Colour of Left hilum")]
    assert bench.study.labels.colors[2] == (10, 250, 30)
    np.testing.assert_allclose(
        layer.colormap.map(2)[:3], np.array([10, 250, 30]) / 255, atol=1e-6
    )
    # Other colours keep what is hidden.
    assert list(layer.colormap.map(np.array([2, 5]))[:, 3]) == [1, 0]
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor())
    table.actions()[1].trigger()
    assert bench.study.labels.colors[2] == (10, 250, 30)


def a_label_is_added(bench):
    bench.push(bench.panel.add)
    bench.retype("fissure")
    bench.until(lambda: bench.names()[-1] == "fissure")
    assert bench.study.labels.names[12] == "fissure"
    assert bench.flow.layer.selected_label == bench.table.current() == 12
    bench.press("Alt+1")


def the_next_case_follows(bench):
    bench.flow.desk.prepare("case1")
    bench.study.rename_label(1, "apex")
    first = bench.flow.layer
    bench.open("case1")
    # It was made ready with the older names.
    assert bench.flow.case.labels.names[1] == "apex"
    assert bench.flow.layer.features["name"][1] == "apex"
    assert bench.flow.layer.show_selected_label
    bench.push(bench.panel.only)
    first.selected_label = 9
    assert bench.table.current() == 1
    bench.until(lambda: not bench.flow.is_busy_behind)


def tables_come_and_go(bench, monkeypatch, tmp_path):
    panel, targets = bench.panel, {}
    mask = Segmentation(np.ones(GRID.shape, np.uint8), GRID)
    targets["NIfTI"] = save_segmentation(mask, tmp_path / "mask.nii.gz")
    for kind, ending in TABLE_KINDS.items():
        targets.setdefault(kind, tmp_path / f"{kind.replace(' ', '')}{ending}")
    panel.kinds.aboutToShow.emit()
    panel.kinds.aboutToShow.emit()
    actions = {action.data(): action for action in panel.kinds.actions()}
    assert len(actions) == len(panel.kinds.actions())
    assert list(actions) == list(TABLE_KINDS)
    for kind, path in targets.items():
        # One is typed without its ending.
        typed = str(path).removesuffix(".ctbl")
        dialog = "getOpenFileName" if kind == "NIfTI" else "getSaveFileName"
        monkeypatch.setattr(QFileDialog, dialog, lambda *_, t=typed: (t, ""))
        bench.said.clear()
        actions[kind].trigger()
        bench.until(lambda: bench.said)
        assert bench.said[0][0].startswith(f"Wrote 12 labels to {path.name}.")
        found = read_table(path)
        assert (found.kind, list(found.labels.names.values())) == (kind, bench.names())
    assert (open_volume(targets["NIfTI"]).array == 1).all()

    short = tmp_path / "short.txt"
    write_table(LabelSet((Label(2, "lobe", (9, 8, 7)),)), short)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(short), ""))
    bench.said.clear()
    bench.push(panel.read)
    bench.until(lambda: bench.said)
    text, level = bench.said.pop()
    assert text.startswith("Imported 1 label.\nKept 11 labels that the file")
    assert level == "warning"
    assert bench.study.labels.names[2] == bench.flow.case.labels.names[2] == "lobe"
    assert len(bench.study.labels) == 12
    short.write_text("nonsense")
    bench.push(panel.read)
    bench.until(lambda: bench.said)
    assert "none of them" in bench.said.pop()[0]


def a_value_above_255_waits(bench):
    bench.study.set_labels(
        LabelSet((*bench.study.labels, Label(255, "last", (1, 1, 1))))
    )
    bench.panel._refresh()
    bench.push(bench.panel.add)
    text, level = bench.said.pop()
    assert "Labels above 255 can be painted when case1 is opened again" in text
    assert level == "warning"
    bench.table.choose_nth(14)
    assert "above 255" in bench.said.pop()[0]
    assert bench.flow.layer.selected_label == bench.table.current() == 1
    bench.open("case0")
    bench.until(lambda: not bench.flow.is_busy_behind)
    bench.open("case1")
    bench.table.choose_nth(14)
    assert bench.flow.layer.selected_label == 256


def table_file(folder, *values):
    path = folder / "labels.txt"
    write_table(LabelSet.numbered(values), path)
    return path


def test_labels_that_nothing_has_go(tmp_path):
    with make_study(tmp_path, 2) as study:
        path = table_file(tmp_path, 1)
        found = imported_labels(path, study, None)
        assert (list(found.labels.names), found.kept, found.count) == ([1], (), 1)
        study.set_figures("case1", {}, {2: 0.5, 1: 0.0})
        found = imported_labels(path, study, None)
        assert (list(found.labels.names), found.kept) == ([1, 2], ("bright",))
        assert found.labels.names[1] == "label 1"


@pytest.mark.parametrize("what", ["annotation", "journal"])
def test_all_labels_stay_while_masks_are_not_read(tmp_path, what):
    with make_study(tmp_path, 2) as study:
        paths = study.folder.case("case1")
        getattr(paths, what).parent.mkdir(parents=True, exist_ok=True)
        getattr(paths, what).touch()
        found = imported_labels(table_file(tmp_path, 7), study, None)
        assert found.kept == ("dark", "bright")


def test_a_table_without_labels_is_refused(tmp_path):
    with make_study(tmp_path, 1) as study:
        path = tmp_path / "empty.ctbl"
        path.write_text("# Color table file\n0 Background 0 0 0 0\n")
        with pytest.raises(
            InputError, match=r"must name a label .* 'empty.ctbl' names"
        ):
            imported_labels(path, study, None)
        with pytest.raises(FormatError, match="there must be a file"):
            imported_labels(tmp_path / "missing.txt", study, None)
