"""The form of a new study: what it reads, proposes, refuses, makes and leaves."""

import threading

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_mednext.app.chosen_model import remembered_model
from napari_mednext.formats import save_volume
from napari_mednext.formats.tables import write_table
from napari_mednext.study import CaseEntry, Study, image_copies
from napari_mednext.study.lists import write_cases
from napari_mednext.ui import new_study
from napari_mednext.ui.labels_choice import LabelsChoice
from napari_mednext.ui.new_study import NewStudyDialog, ask_new_study
from tests.app.desk_parts import LABELS, scan
from tests.ui.study_parts import ModelSession


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "livers"
    folder.mkdir()
    for seed in range(2):
        save_volume(scan(seed), folder / f"case{seed}.nii.gz")
    return folder


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "labels.txt"
    write_table(LABELS, path)
    return path


@pytest.fixture
def dialog(qtbot):
    dialog = NewStudyDialog(ModelSession())
    qtbot.addWidget(dialog)
    dialog.show()
    yield dialog
    if dialog.made is not None:
        dialog.made.study.close()


@pytest.fixture
def read(dialog, scans, until):
    """The dialog, when the scans are read."""
    dialog.use_source(scans)
    until(dialog.run.start.isEnabled)
    return dialog


def reason(dialog):
    return dialog.run.start.toolTip().rpartition("Not now: ")[2]


def choose(combo, data):
    combo.setCurrentIndex(combo.findData(data))
    combo.activated.emit(combo.currentIndex())


class TestReading:
    def test_it_says_what_is_missing(self, dialog):
        assert reason(dialog) == "choose the scans, or a list of them"
        dialog.make()
        assert dialog.made is None

    def test_scans_are_counted_and_a_place_is_proposed(self, dialog, scans, until):
        dialog.use_source(scans)
        assert reason(dialog) == "the scans are being read"
        until(dialog.run.start.isEnabled)
        assert dialog.found.text() == "Folder of scans: 2 cases."
        assert dialog.folder.text() == str(scans.parent / "livers_study")
        assert dialog.name.text() == "livers"
        dialog.folder.setText("")
        assert reason(dialog) == "choose a folder for the study"

    def test_what_was_typed_is_kept(self, qtbot, dialog, scans, until):
        (scans.parent / "livers_study").mkdir()
        qtbot.keyClicks(dialog.name, "Mine")
        dialog.use_source(scans)
        until(dialog.run.start.isEnabled)
        assert dialog.folder.text() == str(scans.parent / "livers_study_2")
        assert dialog.name.text() == "Mine"

    def test_a_list_with_notes(self, dialog, scans, until):
        entries = [
            CaseEntry("anna", (scans / "case0.nii.gz",)),
            CaseEntry("bert", (scans / "case1.nii.gz",)),
        ]
        path = scans / "cases.csv"
        write_cases(entries, path, "Slicer CaseIterator")
        (scans / "case1.nii.gz").unlink()
        dialog.source.setText(str(path))
        dialog.source.editingFinished.emit()
        until(dialog.run.start.isEnabled)
        assert dialog.found.text().endswith(": 1 case.")
        assert "case1.nii.gz" in dialog.notes.text()
        assert dialog.notes.level == "warning"

    def test_what_cannot_be_read_is_one_sentence(self, read, tmp_path, until):
        read.use_source(tmp_path / "gone")
        until(lambda: read.notes.level == "error")
        assert len(read.notes.text().splitlines()) == 1
        assert read.notes.text().endswith(".")
        assert not read.run.start.isEnabled()
        assert not read.found.isVisible()

    def test_buttons_ask(self, dialog, scans, until, monkeypatch, tmp_path):
        answers = iter([str(scans), str(tmp_path / "place"), ""])
        monkeypatch.setattr(
            QFileDialog, "getExistingDirectory", lambda *_: next(answers)
        )
        monkeypatch.setattr(
            QFileDialog,
            "getOpenFileName",
            lambda *_: (str(scans / "case1.nii.gz"), ""),
        )
        dialog.source_folder.click()
        until(dialog.run.start.isEnabled)
        dialog.folder_button.click()
        dialog.folder_button.click()
        assert dialog.folder.text() == str(tmp_path / "place")
        dialog.source_file.click()
        until(dialog.run.start.isEnabled)
        assert dialog.found.text() == "Scans: 1 case."
        assert dialog.folder.text() == str(tmp_path / "place")


class TestLabels:
    def offered(self, choice):
        where = choice.where
        return [where.itemText(row) for row in range(where.count())]

    def test_none_at_first(self, dialog):
        assert self.offered(dialog.labels) == ["None yet", "From a table…"]
        assert len(dialog.labels.labels()) == 0
        assert dialog.labels.line.text() == "Labels can be added in the study."

    def test_those_of_the_model_follow_it(self, read):
        (info, *_) = ModelSession().models()
        choose(read.model.models, str(info.path))
        assert read.labels.labels() == info.labels
        assert f"and {len(info.labels) - 6} more" in read.labels.line.text()
        choose(read.labels.where, "none")
        choose(read.model.models, "")
        choose(read.model.models, str(info.path))
        assert len(read.labels.labels()) == 0
        choose(read.labels.where, "model")
        assert read.labels.labels() == info.labels

    def test_those_of_a_list_come_first(self, qtbot):
        choice = LabelsChoice()
        qtbot.addWidget(choice)
        qtbot.addWidget(choice.line)
        (info, *_) = ModelSession().models()
        choice.offer(LABELS, info)
        assert self.offered(choice)[:2] == ["Of the list (2)", "Of the model (10)"]
        assert choice.labels() == LABELS
        assert choice.line.text() == "dark, bright"

    def test_a_table(self, dialog, table, monkeypatch):
        answers = iter(["", str(table)])
        monkeypatch.setattr(
            QFileDialog, "getOpenFileName", lambda *_: (next(answers), "")
        )
        choose(dialog.labels.where, "table")
        assert dialog.labels.where.currentData() == "none"
        choose(dialog.labels.where, "table")
        assert dialog.labels.where.currentText() == "Of labels.txt (2)"
        assert dialog.labels.labels().names == LABELS.names
        assert dialog.labels.line.text() == "dark, bright"

    def test_a_bad_table_gets_a_sentence(self, dialog, table):
        table.write_text("nothing of use")
        dialog.labels.use_table(table)
        assert dialog.run.notice.level == "error"
        assert "must be a label table" in dialog.run.notice.text()
        assert dialog.labels.where.currentData() == "none"


class TestMaking:
    def test_a_study_with_its_model(self, read, table, until):
        (info, *_) = ModelSession().models()
        choose(read.model.models, str(info.path))
        read.labels.use_table(table)
        read.name.setText("Livers")
        read.run.start.click()
        assert "the study is being made" in read.source.toolTip()
        until(lambda: read.made is not None)
        until(lambda: not read.isVisible())
        study = read.made.study
        assert (study.name, len(study.cases())) == ("Livers", 2)
        assert study.labels.names == LABELS.names
        assert read.made.model == info.path
        assert remembered_model(study.path, ModelSession().models()) == info.path

    def test_a_problem_is_one_sentence_and_the_form_stays(self, read, scans, until):
        folder = scans.parent / "taken"
        Study.create(folder).close()
        read.folder.setText(str(folder))
        read.make()
        until(lambda: read.run.notice.level == "error")
        assert "holds a study already" in read.run.notice.text()
        assert len(read.run.notice.text().splitlines()) == 1
        until(read.run.start.isEnabled)
        assert read.isVisible()
        assert read.source.isEnabled()

    def test_cancel_leaves_nothing(self, read, scans, until, monkeypatch):
        goes, begun = threading.Event(), threading.Event()
        copy = image_copies._copy_file

        def held(image, target):
            begun.set()
            goes.wait(30)
            copy(image, target)

        monkeypatch.setattr(image_copies, "_copy_file", held)
        read.copy.setChecked(True)
        read.make()
        assert begun.wait(30)
        read.close()
        assert read.isVisible()
        assert "is being stopped" in read.run.cancel.toolTip()
        goes.set()
        until(read.run.start.isEnabled)
        assert read.run.notice.text() == "Cancelled: nothing was made."
        assert not (scans.parent / "livers_study").exists()
        assert read.made is None
        read.run.cancel.click()
        assert not read.isVisible()

    def test_images_that_cannot_be_copied_are_named(self, dialog, scans, until):
        (scans / "bad.nii").write_bytes(b"not an image at all")
        dialog.use_source(scans)
        until(dialog.run.start.isEnabled)
        dialog.copy.setChecked(True)
        dialog.make()
        until(lambda: dialog.made is not None and dialog.run.start.isEnabled())
        assert dialog.isVisible()
        lines = dialog.run.notice.text().splitlines()
        assert lines[1].startswith("bad: ")
        assert dialog.run.start.text() == "&Open study"
        dialog.run.start.click()
        assert not dialog.isVisible()
        assert len(dialog.made.study.cases()) == 3


def test_asking(scans, until, monkeypatch):
    def refuse(dialog):
        until(dialog.run.start.isEnabled)
        dialog.reject()

    def agree(dialog):
        until(dialog.run.start.isEnabled)
        dialog.make()
        until(lambda: dialog.made is not None)

    monkeypatch.setattr(new_study.NewStudyDialog, "exec", refuse)
    assert ask_new_study(ModelSession(), scans, None) is None
    monkeypatch.setattr(new_study.NewStudyDialog, "exec", agree)
    made = ask_new_study(ModelSession(), scans, None)
    assert [case.name for case in made.study.cases()] == ["case0", "case1"]
    assert made.model is None
    made.study.close()
