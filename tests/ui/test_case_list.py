"""The list of cases: what it shows, what it leaves alone, and where it leads."""

import random
import shutil
from dataclasses import replace

import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_mednext.formats import save_volume
from napari_mednext.study import CaseState
from napari_mednext.ui.case_list import CaseListPanel
from napari_mednext.ui.case_table import CaseModel, CaseTable
from napari_mednext.ui.keys import KeyBinder
from tests.app.desk_parts import make_study, scan
from tests.app.model_tree import write_model
from tests.ui.study_parts import Desktop, listed_study


@pytest.fixture
def desktop(qtbot, until):
    desktop = Desktop(qtbot)
    yield desktop
    desktop.close(until)


@pytest.fixture
def panel(desktop):
    panel = CaseListPanel(desktop.flow, desktop.top)
    panel.resize(360, 400)
    desktop.top.resize(380, 420)
    desktop.top.show()
    return panel


def use(desktop, study):
    desktop.flow.use(study)
    return study


def names(panel):
    cases = panel.table.cases
    return [cases.case(row).name for row in range(cases.rowCount())]


def row_texts(panel, name):
    cases = panel.table.cases
    row = cases.row(name)
    return [cases.index(row, column).data() for column in range(4)]


def choose(combo, data):
    combo.setCurrentIndex(combo.findData(data))
    combo.activated.emit(combo.currentIndex())


def is_bold(panel, name):
    cases = panel.table.cases
    font = cases.index(cases.row(name), 0).data(Qt.ItemDataRole.FontRole)
    return font is not None and font.bold()


class TestShowing:
    def test_without_a_study_it_says_so(self, panel):
        assert names(panel) == []
        for control in (panel.search, panel.states, panel.export, panel.effort):
            assert not control.isEnabled()
            assert "no study is open" in control.toolTip()
        assert "no study is open" in panel.adding.button.toolTip()
        assert panel.first_open() is None

    def test_states_have_a_text_and_a_picture(self, desktop, panel, tmp_path):
        study = listed_study(tmp_path, 3)
        study.set_state("case1", "flagged", comment="look at\nthis")
        study.set_figures("case2", {1: 0.25, 2: 0.35}, {})
        use(desktop, study)
        assert row_texts(panel, "case0") == ["case0", "New", "", ""]
        assert row_texts(panel, "case1") == ["case1", "Flagged", "", "look at this"]
        assert row_texts(panel, "case2")[2] == "0.30"
        cases = panel.table.cases
        role = Qt.ItemDataRole.DecorationRole
        pictures = [cases.index(row, 1).data(role).toImage() for row in range(2)]
        assert pictures[0] != pictures[1]
        tooltip = cases.index(1, 0).data(Qt.ItemDataRole.ToolTipRole)
        assert "State: Flagged" in tooltip
        assert "Patient: P1" in tooltip

    def test_counts_stand_in_the_filter(self, desktop, panel, tmp_path):
        study = listed_study(tmp_path, 5)
        study.set_state("case1", "accepted")
        use(desktop, study)
        texts = [panel.states.itemText(n) for n in range(panel.states.count())]
        assert texts[:2] == ["All (5)", "New (4)"]
        assert "Accepted (1)" in texts
        assert panel.count.text() == "5 cases · 1 accepted"

    def test_an_empty_list_says_why(self, desktop, panel, tmp_path):
        study = use(desktop, listed_study(tmp_path, 2))
        panel.search.setText("nobody")
        panel._on_filter()
        assert "No case matches" in panel.table.empty_text
        assert panel.count.text() == "0 of 2 cases · 0 accepted"
        panel.table.grab()
        assert study.counts()[CaseState.NEW] == 2


class TestFollowing:
    def test_next_goes_through_what_is_shown(self, desktop, panel, until, tmp_path):
        study = listed_study(tmp_path, 12)
        for name, doubt in (("case3", 0.2), ("case8", 0.9), ("case5", 0.5)):
            study.set_state(name, "flagged", comment="border")
            study.set_figures(name, {1: doubt}, {})
        use(desktop, study)
        choose(panel.states, "flagged")
        choose(panel.orders, "doubt")
        until(lambda: names(panel) == ["case8", "case5", "case3"])
        follow = desktop.flow.filter
        assert study.next("case8", **follow).name == "case5"
        assert study.previous("case3", **follow).name == "case5"
        panel.search.setText("BORDER case3")
        until(lambda: names(panel) == ["case3"])
        until(lambda: desktop.flow.filter["order"] != "given")
        assert study.next("case8", **desktop.flow.filter).name == "case3"

    def test_the_first_case_that_is_not_done(self, desktop, panel, tmp_path):
        study = listed_study(tmp_path, 3)
        study.set_state("case0", "accepted")
        study.set_state("case1", "flagged", comment="why")
        use(desktop, study)
        assert panel.first_open() == "case2"
        study.set_state("case2", "accepted")
        assert panel.first_open() == "case0"

    def test_another_study_begins_with_the_whole_list(self, desktop, panel, tmp_path):
        use(desktop, listed_study(tmp_path, 3))
        choose(panel.states, "accepted")
        panel.search.setText("x")
        (tmp_path / "b").mkdir()
        use(desktop, listed_study(tmp_path / "b", 4))
        assert len(names(panel)) == 4
        assert desktop.flow.filter == {"state": None, "text": "", "order": "given"}

    def test_selection_and_place_stay(self, desktop, panel, until, tmp_path):
        study = use(desktop, listed_study(tmp_path, 200))
        resets = []
        panel.table.cases.modelReset.connect(lambda: resets.append(1))
        bar = panel.table.verticalScrollBar()
        until(lambda: bar.maximum() > 0)
        panel.table.choose("case120")
        bar.setValue(100)
        study.set_state("case110", "accepted")
        study.set_comment("case111", "x")
        desktop.flow.casesChanged.emit()
        until(lambda: row_texts(panel, "case111")[3] == "x")
        assert row_texts(panel, "case110")[1] == "Accepted"
        assert (panel.table.chosen(), bar.value()) == ("case120", 100)
        choose(panel.states, "new")
        assert (panel.table.chosen(), bar.value()) == ("case120", 100)
        assert "case110" not in names(panel)
        assert not resets

    def test_changes_that_nobody_sees_are_shown_later(
        self, desktop, panel, until, tmp_path
    ):
        study = use(desktop, listed_study(tmp_path, 2))
        desktop.top.hide()
        study.set_state("case0", "accepted")
        desktop.flow.casesChanged.emit()
        assert row_texts(panel, "case0")[1] == "New"
        desktop.top.show()
        until(lambda: row_texts(panel, "case0")[1] == "Accepted")

    def test_a_study_that_is_gone_is_said(self, desktop, panel, tmp_path):
        study = use(desktop, listed_study(tmp_path, 2))
        study.close()
        panel._on_filter()
        assert desktop.said[-1][1] == "error"
        assert "was closed" in desktop.said[-1][0]


class TestOpening:
    def test_a_double_click_and_return(self, qtbot, desktop, panel, until, tmp_path):
        use(desktop, make_study(tmp_path))
        table = panel.table
        place = table.visualRect(table.cases.index(1, 0)).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        until(lambda: desktop.flow.case is not None)
        assert desktop.flow.case.name == "case1"
        assert is_bold(panel, "case1")
        assert not is_bold(panel, "case0")
        table.selectRow(2)
        qtbot.keyClick(table, Qt.Key.Key_Return)
        qtbot.keyClick(table, Qt.Key.Key_Return)
        assert "Wait until" in desktop.said[-1][0]
        until(lambda: desktop.flow.case is not None)
        assert desktop.flow.case.name == "case2"
        assert is_bold(panel, "case2")
        assert not is_bold(panel, "case1")
        assert table.chosen() == "case2"

    def test_from_the_search_line_to_the_list(self, qtbot, desktop, panel, tmp_path):
        use(desktop, listed_study(tmp_path, 30))
        qtbot.keyClicks(panel.search, "case2")
        qtbot.keyClick(panel.search, Qt.Key.Key_Down)
        assert names(panel)[:2] == ["case2", "case20"]
        assert panel.table.chosen() == "case2"
        qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
        assert panel.search.text() == ""

    def test_nothing_is_opened_where_nothing_is(self, qtbot, panel):
        qtbot.keyClick(panel.table, Qt.Key.Key_Return)
        qtbot.mouseDClick(
            panel.table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(5, 5)
        )
        assert panel.table.chosen() is None

    def test_the_keys_of_the_plugin_go_through(self, desktop, panel):
        binder = KeyBinder(desktop.flow.viewer)
        binder.bind("next_spot", lambda: None)
        panel.bind_keys(binder)
        shift = Qt.KeyboardModifier.ShiftModifier
        for widget in (panel.table, panel.states, panel.orders, panel.model.models):
            press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_N, shift, "N")
            press.accept()
            QApplication.sendEvent(widget, press)
            assert not press.isAccepted()
        binder.close()


class TestModelOfTheStudy:
    def test_a_choice_is_used_and_remembered(self, desktop, panel, tmp_path):
        study = use(desktop, listed_study(tmp_path, 1))
        assert panel.model_of(study.path) is None
        (info, *_) = desktop.session.models()
        choose(panel.model.models, str(info.path))
        assert desktop.flow.desk.model == info.path
        assert panel.model_of(study.path) == info.path
        choose(panel.model.models, "")
        assert desktop.flow.desk.model is None
        assert panel.model_of(study.path) is None

    def test_it_shows_what_the_study_was_opened_with(self, desktop, panel, tmp_path):
        (info, *_) = desktop.session.models()
        desktop.flow.use(listed_study(tmp_path, 1), model=info.path)
        assert panel.model.path() == info.path
        desktop.flow.close_study()
        assert panel.model.path() is None

    def test_a_choice_that_cannot_be_kept_is_said(self, desktop, panel, tmp_path):
        study = use(desktop, listed_study(tmp_path, 1))
        (study.path / "models").rmdir()
        (info, *_) = desktop.session.models()
        choose(panel.model.models, str(info.path))
        assert desktop.flow.desk.model == info.path
        assert "chosen.json" in desktop.said[-1][0]

    def test_another_folder(self, desktop, panel, monkeypatch, tmp_path):
        use(desktop, listed_study(tmp_path, 1))
        answers = iter([str(tmp_path), str(desktop.session.models()[0].path)])
        monkeypatch.setattr(
            QFileDialog, "getExistingDirectory", lambda *_: next(answers)
        )
        panel.model.open_folder.click()
        assert desktop.said[-1][1] == "error"
        assert panel.model.path() is None
        panel.model.open_folder.click()
        assert panel.model.path() == desktop.session.models()[0].path

    def test_the_versions_of_the_study_are_offered(
        self, desktop, panel, until, tmp_path
    ):
        (shipped, *_) = desktop.session.models()
        study = listed_study(tmp_path, 1)
        for name, title in (("tiny-v2", "Tiny 2"), ("tiny-v3", "Tiny 3")):
            folder = study.path / "models" / name
            write_model(folder, name, title=title, content=name.encode())
        folder = study.path / "models" / "tiny-v2"
        desktop.flow.use(study, model=folder)
        models = panel.model.models
        assert panel.model.path() == folder
        until(lambda: models.findText("Tiny 3") > 0)
        assert [models.findText("Tiny 2"), models.count()] == [2, 4]
        shutil.rmtree(study.path / "models" / "tiny-v3")
        panel.list_versions()
        until(lambda: models.findText("Tiny 3") < 0)
        assert panel.model.path() == folder
        desktop.flow.close_study()
        assert [models.itemData(row) for row in range(models.count())] == [
            "",
            str(shipped.path),
        ]


class TestAdding:
    def test_new_cases_and_what_was_refused(self, desktop, panel, until, tmp_path):
        study = use(desktop, make_study(tmp_path))
        new = save_volume(scan(8), tmp_path / "new.nii.gz")
        bad = tmp_path / "notes.txt"
        bad.write_text("nothing of use")
        panel.adding.add([tmp_path / "scans", bad, new])
        assert panel.adding.is_busy
        assert "are being added" in panel.adding.button.toolTip()
        until(lambda: not panel.adding.is_busy)
        until(lambda: "new" in names(panel))
        text, level = desktop.said[-1]
        first, second = text.splitlines()
        assert first == "1 case added. 3 were there already."
        assert second.startswith("notes.txt: 'notes.txt' must be a list of cases")
        assert level == "warning"
        assert study.case("new").images == (new,)
        assert panel.adding.button.isEnabled()

    def test_a_folder_and_files_are_asked_for(
        self, desktop, panel, until, monkeypatch, tmp_path
    ):
        use(desktop, make_study(tmp_path, 1))
        save_volume(scan(8), tmp_path / "scans" / "a.nii.gz")
        new = save_volume(scan(9), tmp_path / "b.nii.gz")
        monkeypatch.setattr(
            QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "scans")
        )
        monkeypatch.setattr(
            QFileDialog, "getOpenFileNames", lambda *_: ([str(new)], "")
        )
        for action in panel.adding.button.menu().actions():
            action.trigger()
            until(lambda: not panel.adding.is_busy)
        until(lambda: names(panel) == ["case0", "a", "b"])

    def test_nothing_that_can_be_read(self, desktop, panel, until, tmp_path):
        use(desktop, listed_study(tmp_path, 1))
        panel.adding.add([tmp_path / "gone.csv"])
        until(lambda: not panel.adding.is_busy)
        assert desktop.said[-1][1] == "error"
        assert desktop.said[-1][0].startswith("0 cases added.\ngone.csv: ")


class TestModel:
    def test_any_list_follows_any_other(self, qtmodeltester, tmp_path):
        """Rows are moved, and told to views, so that all lists come out right."""
        study = listed_study(tmp_path, 12)
        cases = study.cases()
        study.close()
        model, rng = CaseModel(), random.Random(3)
        qtmodeltester.check(model)
        rows = []
        model.rowsInserted.connect(
            lambda _, a, b: rows.__setitem__(slice(a, a), [None] * (b + 1 - a))
        )
        model.rowsRemoved.connect(lambda _, a, b: rows.__delitem__(slice(a, b + 1)))
        model.dataChanged.connect(lambda a, _: rows.__setitem__(a.row(), None))

        def seen():
            for row, kept in enumerate(rows):
                if kept is None:
                    rows[row] = model.case(row)
            return rows

        for _ in range(200):
            wanted = rng.sample(cases, rng.randint(0, 12))
            if rng.random() < 0.5:
                wanted = [case for case in cases if case in wanted]
            wanted = [replace(case, comment=rng.choice(["", "x"])) for case in wanted]
            model.set_cases(wanted)
            assert seen() == wanted

    def test_one_change_is_told_as_one(self, tmp_path):
        study = listed_study(tmp_path, 9)
        model = CaseModel()
        model.set_cases(study.cases())
        study.set_state("case4", "accepted")
        told = []
        model.dataChanged.connect(lambda a, b: told.append((a.row(), b.row())))
        model.rowsRemoved.connect(lambda _, a, b: told.append(("gone", a, b)))
        model.set_cases(study.cases())
        model.set_cases(study.cases(state="new"))
        assert told == [(4, 4), ("gone", 4, 4)]
        study.close()

    def test_a_row_that_is_gone_is_not_chosen(self, qtbot, tmp_path):
        study = listed_study(tmp_path, 3)
        table = CaseTable()
        qtbot.addWidget(table)
        table.set_cases(study.cases())
        table.choose("case1")
        table.set_cases(study.cases(text="case2"))
        table.choose("nobody")
        assert table.chosen() is None
        study.close()
