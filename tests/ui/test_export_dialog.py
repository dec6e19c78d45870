"""The export form: which cases, which names, and what is said of each."""

import shutil
import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_mednext.app import exporting
from napari_mednext.app.desk import Desk
from napari_mednext.correction.change import Change
from napari_mednext.formats import open_volume
from napari_mednext.study import Study
from napari_mednext.ui.effort_dialog import EffortDialog
from napari_mednext.ui.export_dialog import ExportDialog
from tests.app.desk_parts import GRID, DeskSession, make_study
from tests.ui.study_parts import Desktop

BOX = (slice(1, 3), slice(2, 5), slice(4, 6))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A study of five: three accepted, one in progress, one new."""
    folder = tmp_path_factory.mktemp("template")
    with make_study(folder, 5) as study:
        desk = Desk(DeskSession(), study)
        for number in range(4):
            case = desk.open(f"case{number}")
            labels = np.full((2, 3, 2), 1 + number % 2, np.uint8)
            case.editing.apply(Change(BOX, labels), "brush")
            if number < 3:
                desk.accept(case)
            else:
                desk.touch(case)
                desk.save(case)
            case.close()
        desk.close()
    return folder / "study"


@pytest.fixture
def desktop(qtbot, template, tmp_path, until):
    desktop = Desktop(qtbot)
    desktop.flow.use(Study.open(shutil.copytree(template, tmp_path / "study")))
    yield desktop
    desktop.close(until)


@pytest.fixture
def dialog(desktop, tmp_path):
    dialog = ExportDialog(desktop.flow, desktop.top)
    dialog.folder.setText(str(tmp_path / "out"))
    dialog.open()
    yield dialog
    dialog.close()


def choose(combo, data):
    combo.setCurrentIndex(combo.findData(data))
    combo.activated.emit(combo.currentIndex())


def reason(dialog):
    return dialog.run.start.toolTip().rpartition("Not now: ")[2]


def export(dialog, until):
    dialog.run.start.click()
    assert dialog._job.is_busy
    until(lambda: not dialog._job.is_busy)


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


class TestChoosing:
    def test_groups_have_their_counts(self, dialog):
        which = dialog.which
        texts = [which.itemText(row) for row in range(which.count())]
        assert texts == [
            "Accepted (3)",
            "In progress (1)",
            "Predicted (0)",
            "Flagged (0)",
            "Shown in the list (5)",
            "All but new ones (4)",
        ]
        assert dialog.example.text() == "case0.nii.gz, and 2 more"

    def test_those_shown_in_the_list(self, desktop, qtbot):
        desktop.flow.filter = {"state": None, "text": "case3", "order": "name"}
        dialog = ExportDialog(desktop.flow)
        qtbot.addWidget(dialog)
        choose(dialog.which, "shown")
        assert dialog.which.currentText() == "Shown in the list (1)"
        assert dialog.example.text() == "case3.nii.gz"

    def test_it_says_what_is_missing(self, dialog):
        dialog.folder.clear()
        assert reason(dialog) == "choose the folder for the masks"
        choose(dialog.which, "flagged")
        assert reason(dialog) == "no case is chosen: choose others"
        assert dialog.example.text() == "No case is chosen."
        dialog.export()
        assert not dialog._job.is_busy

    def test_the_example_follows_the_pattern(self, dialog, until):
        dialog.pattern.setText("{number} {case} {state}")
        dialog.file_format.setCurrentText("nrrd")
        dialog.refresh()
        assert dialog.example.text() == "0001_case0_accepted.nrrd, and 2 more"
        for pattern, words in (
            ("{who}", "A naming pattern must be a file name"),
            ("{patient}", "must give every case a name of its own"),
        ):
            dialog.pattern.setText(pattern)
            until(lambda words=words: words in dialog.example.text())
            assert reason(dialog) == "the names cannot be used: see below them"

    def test_a_button_asks_for_the_folder(self, dialog, monkeypatch, tmp_path):
        answers = iter([str(tmp_path / "there"), ""])
        monkeypatch.setattr(
            QFileDialog, "getExistingDirectory", lambda *_: next(answers)
        )
        dialog.folder_button.click()
        dialog.folder_button.click()
        assert dialog.folder.text() == str(tmp_path / "there")


class TestExporting:
    def test_every_accepted_mask(self, dialog, until, tmp_path):
        export(dialog, until)
        out = tmp_path / "out"
        assert dialog.table.texts() == [
            (f"case{n}", f"case{n}.nii.gz") for n in range(3)
        ]
        assert dialog.run.notice.level == "done"
        assert dialog.run.notice.text().startswith("3 of 3 masks saved in ")
        assert open_volume(out / "case1.nii.gz").grid.is_close(GRID)
        assert (out / "case1_provenance.json").is_file()
        assert dialog.isVisible()
        assert dialog.run.start.isEnabled()

    def test_each_failure_is_named_and_the_others_are_done(
        self, desktop, dialog, until, tmp_path
    ):
        paths = desktop.flow.study.paths("case1")
        paths.annotation.write_bytes(b"damaged")
        choose(dialog.which, "shown")
        dialog.provenance.setChecked(False)
        export(dialog, until)
        texts = dict(dialog.table.texts())
        assert texts["case1"].startswith("'case1.nii.gz' must be an image")
        assert "was never opened" in texts["case4"]
        out = ["case0.nii.gz", "case2.nii.gz", "case3.nii.gz"]
        assert listing(tmp_path / "out") == out
        lines = dialog.run.notice.text().splitlines()
        assert lines[0].startswith("3 of 5 masks saved in ")
        assert [line[:6] for line in lines[1:]] == ["case1:", "case4:"]
        assert dialog.run.notice.level == "warning"
        hint = dialog.table.item(1, 1).toolTip()
        assert hint == f"case1\n{texts['case1']}"

    def test_files_are_replaced_only_if_wished(self, dialog, until, tmp_path):
        (tmp_path / "out").mkdir()
        mask = tmp_path / "out" / "case2.nii.gz"
        mask.write_bytes(b"precious")
        export(dialog, until)
        assert "exists already" in dict(dialog.table.texts())["case2"]
        assert mask.read_bytes() == b"precious"
        dialog.overwrite.setChecked(True)
        export(dialog, until)
        assert len(dialog.table.texts()) == 3
        assert dialog.run.notice.level == "done"
        assert open_volume(mask).grid.is_close(GRID)

    def test_many_failures_are_counted(self, dialog, until, tmp_path):
        choose(dialog.which, "opened")
        export(dialog, until)
        export(dialog, until)
        lines = dialog.run.notice.text().splitlines()
        assert lines[-1] == "2 more failed, see the table."

    def test_a_folder_that_cannot_be_made_is_a_sentence(self, dialog, until, tmp_path):
        (tmp_path / "file").write_text("")
        dialog.folder.setText(str(tmp_path / "file"))
        export(dialog, until)
        assert dialog.run.notice.level == "error"
        assert "must be writable" in dialog.run.notice.text()

    def test_cancel_keeps_what_is_written(self, dialog, until, monkeypatch, tmp_path):
        goes, begun = threading.Event(), threading.Event()
        write = exporting._write

        def held(*arguments, **options):
            begun.set()
            goes.wait(30)
            write(*arguments, **options)

        monkeypatch.setattr(exporting, "_write", held)
        dialog.provenance.setChecked(False)
        dialog.run.start.click()
        assert begun.wait(30)
        assert "the export is running" in dialog.pattern.toolTip()
        assert "the export is running" in dialog.run.start.toolTip()
        assert dialog.run.cancel.text() == "&Cancel"
        dialog.close()
        assert dialog.isVisible()
        assert "is being stopped" in dialog.run.cancel.toolTip()
        goes.set()
        until(lambda: not dialog._job.is_busy)
        text = dialog.run.notice.text()
        assert text.startswith("Cancelled. 1 of 3 masks saved in ")
        assert listing(tmp_path / "out") == ["case0.nii.gz"]
        assert dialog.pattern.isEnabled()
        assert dialog.run.cancel.text() == "&Close"


class TestEffort:
    @pytest.fixture
    def effort(self, desktop):
        study = desktop.flow.study
        code = study.model_code("liver", "0a1b2c3d4e5f6a7b")
        study.add_effort(
            "case1",
            model=code,
            seconds=90.0,
            strokes=4,
            voxels_changed=12345,
            dice={1: 0.9, 2: 0.8},
        )
        dialog = EffortDialog(study, desktop.top)
        dialog.open()
        yield dialog
        dialog.close()

    def cells(self, table):
        columns = range(table.columnCount())
        return [
            [table.item(row, column).text() for column in columns]
            for row in range(table.rowCount())
        ]

    def test_by_model_and_by_case(self, effort):
        by_hand, liver = self.cells(effort.summary)
        assert (by_hand[:2], by_hand[-1]) == (["no model", "3"], "\u2013")
        assert liver == ["liver 0a1b2c3d", "1", "1.5", "4.0", "12,345", "0.850"]
        rows = self.cells(effort.cases)
        assert [row[0] for row in rows] == ["case0", "case1", "case1", "case2", "case3"]
        assert rows[2][1:6] == ["liver 0a1b2c3d", "1.5", "4", "12,345", "0.850"]
        assert rows[4][-1] == "\u2013"

    def test_saved_as_csv(self, effort, monkeypatch, tmp_path):
        answers = iter([str(tmp_path / "effort"), "", str(tmp_path / "no" / "e.csv")])
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", lambda *_: (next(answers), "")
        )
        for _ in range(2):
            effort.save.click()
        lines = (tmp_path / "effort.csv").read_text().splitlines()
        assert lines[0].endswith("dice dark,dice bright")
        assert lines[3].startswith("case1,liver,0a1b2c3d4e5f6a7b,1.500,4,12345,0.8500,")
        assert effort.notice.level == "done"
        effort.save.click()
        assert effort.notice.level == "error"
        assert "e.csv" in effort.notice.text()

    def test_without_any(self, desktop, qtbot, tmp_path):
        with Study.create(tmp_path / "empty") as study:
            dialog = EffortDialog(study)
            qtbot.addWidget(dialog)
            assert "nobody has worked on a case yet" in dialog.save.toolTip()
