"""The parts of the docks on their own."""

import threading
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QApplication, QPushButton

from napari_mednext.errors import Cancelled, FormatError
from napari_mednext.formats import Series
from napari_mednext.labels import LabelSet
from napari_mednext.settings import Range, Settings
from napari_mednext.ui import choices, controls, icons
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.labels_table import LabelsTable
from napari_mednext.ui.result_panel import default_mask_path
from napari_mednext.ui.settings_form import SettingsForm
from napari_mednext.volume import SourceHeader


@dataclass(frozen=True)
class Example(Settings):
    """Every kind of field."""

    flag: bool = True
    """A flag."""
    count: Annotated[int, Range(1, 9)] = 3
    """A count."""
    free: float = 2.5
    """A number."""
    limit: Annotated[int | None, Range(2)] = None
    """A limit or nothing."""
    way: Literal["left", "right"] = "left"
    """A way."""


def test_a_form_returns_what_the_class_defaults_to(qtbot):
    form = SettingsForm(Example)
    qtbot.addWidget(form)
    assert form.settings() == Example()
    assert form.controls["count"].tooltip == "A count."
    assert (form.controls["count"].min, form.controls["count"].max) == (1, 9)
    assert form.controls["way"].choices == ("left", "right")


def test_a_form_returns_what_was_set(qtbot):
    form = SettingsForm(Example, leave_out=["free"])
    qtbot.addWidget(form)
    form.controls["flag"].value = False
    form.controls["limit"].value = 7
    form.controls["way"].value = "right"
    assert form.settings(free=1.5) == Example(
        flag=False, limit=7, way="right", free=1.5
    )


def test_a_disabled_control_says_why_and_forgets_it(qtbot):
    button = QPushButton("Go")
    qtbot.addWidget(button)
    button.setToolTip("Goes")
    controls.allow(button, "it rains")
    assert not button.isEnabled()
    assert button.toolTip() == "Goes\nNot now: it rains"
    controls.allow(button, None)
    assert button.isEnabled()
    assert button.toolTip() == "Goes"


def test_the_key_of_a_disabled_button_says_why(qtbot):
    button, said, clicks = QPushButton("Go"), [], []
    qtbot.addWidget(button)
    button.setToolTip("Goes")
    button.clicked.connect(lambda: clicks.append("click"))
    press = controls.pressing(button, "Going", lambda *words: said.append(words))
    press()
    assert (clicks, said) == (["click"], [])
    controls.allow(button, "it rains")
    press()
    assert clicks == ["click"]
    assert said == [("Going is not possible: it rains.", "warning")]
    assert controls.why_not(button) == "it rains"
    controls.allow(button, None)
    assert controls.why_not(button) == ""


def test_the_table_shows_copies_and_chooses(qtbot):
    table = LabelsTable()
    qtbot.addWidget(table)
    table.show()
    table.set_labels(LabelSet.from_names({2: "spleen", 1: "liver"}))
    table.labels.set_volumes({1: 1500.0, 2: 0.0})
    cells = [[table.labels.index(r, c).data() for c in (0, 1)] for r in (0, 1)]
    assert cells == [["liver", "1,500"], ["spleen", "0"]]
    chosen = []
    table.labelChosen.connect(chosen.append)
    qtbot.mouseClick(
        table.viewport(),
        Qt.MouseButton.LeftButton,
        pos=table.visualRect(table.labels.index(1, 0)).center(),
    )
    assert chosen == [2]
    table.copy()
    assert QApplication.clipboard().text() == (
        "value\tname\tvolume_ml\n1\tliver\t1500.0000\n2\tspleen\t0.0000\n"
    )


def test_icons_are_drawn_in_the_wanted_colour(qapp):
    picture = icons.pixmap("play", "#ff0000", 16).toImage()
    picture = picture.convertToFormat(QImage.Format.Format_ARGB32)
    colours = {
        picture.pixelColor(x, y).name()
        for x in range(picture.width())
        for y in range(picture.height())
        if picture.pixelColor(x, y).alpha() == 255
    }
    assert colours == {"#ff0000"}
    with pytest.raises(KeyError, match="no such icon"):
        icons.pixmap("no such icon", "#000000")


def test_work_that_fails_is_delivered_in_the_thread_of_the_window(qtbot):
    threads = []

    def work(_):
        threads.append(threading.get_ident())
        msg = "the file must be a volume, got a letter: choose another"
        raise FormatError(msg)

    job = Job(work, "testing")
    failures = []
    job.failed.connect(lambda error: failures.append((threading.get_ident(), error)))
    with qtbot.waitSignal(job.ended):
        job.start()
    ((thread, error),) = failures
    assert thread == threading.get_ident() != threads[0]
    assert explain(error) == (
        "The file must be a volume, got a letter: choose another."
    )


def test_work_that_is_cancelled_ends_so(qtbot):
    def work(job):
        while not job.is_set():
            threading.Event().wait(0.005)
        raise Cancelled

    job = Job(work, "testing")
    with qtbot.waitSignals([job.cancelled, job.ended]):
        job.start()
        job.cancel()
    assert job.is_over


def test_a_fault_of_ours_is_still_one_sentence(caplog):
    job = Job(lambda _: 1 / 0, "testing")
    assert explain(job.outcome().error) == (
        "Something unexpected happened (ZeroDivisionError: division by zero), see "
        "the log."
    )
    assert "testing failed" in caplog.text


def series(uid, files, shape, description=""):
    paths = tuple(f"{uid}/{i}" for i in range(files))
    return Series(uid, description, "CT", paths, shape, ("a gap",))


def test_the_largest_series_is_proposed(qtbot, monkeypatch):
    listed = [
        series("a", 2, (2, 9, 9)),
        series("b", 20, (20, 8, 7), "thorax"),
    ]
    seen = []

    def accept(dialog):
        seen.append([dialog.list.item(i).text() for i in range(2)])
        return choices.QDialog.DialogCode.Accepted

    monkeypatch.setattr(choices.ListDialog, "exec", accept)
    assert choices.ask_series(listed) == "b"
    by = choices.TIMES
    assert seen[0][1] == f"thorax · CT · 7 {by} 8 {by} 20"
    assert choices.ask_series(listed[:1]) == "a"


def test_a_closed_question_cancels(qtbot, monkeypatch):
    monkeypatch.setattr(
        choices.FrameDialog, "exec", lambda _: choices.QDialog.DialogCode.Rejected
    )
    with pytest.raises(Cancelled, match="nothing was chosen"):
        choices.ask_frame(7)


def test_the_frame_is_counted_from_one_on_screen(qtbot):
    dialog = choices.FrameDialog(7)
    qtbot.addWidget(dialog)
    assert (dialog.frame.minimum(), dialog.frame.maximum()) == (1, 7)
    dialog.frame.setValue(3)
    assert dialog.chosen() == 2


def test_a_mask_is_proposed_beside_its_scan(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.home", lambda *_: tmp_path / "home")
    beside = default_mask_path(SourceHeader(path=tmp_path / "a_0000.nii.gz"), "x")
    assert beside == tmp_path / "a_mask.nii.gz"
    packaged = tmp_path / "site-packages" / "pkg" / "b.nii.gz"
    assert default_mask_path(SourceHeader(path=packaged), "x") == (
        tmp_path / "home" / "b_mask.nii.gz"
    )
    assert default_mask_path(SourceHeader(), "a/b") == tmp_path / "home" / "a-b.nii.gz"
