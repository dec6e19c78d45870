"""The batch dock, with a real child process whose engine needs no torch."""

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog

from napari_mednext.formats import open_volume, save_volume
from napari_mednext.ui.batch_dock import BatchDock
from tests.ui.conftest import scan


@pytest.fixture
def dock(qtbot, session, until):
    dock = BatchDock(session=session)
    qtbot.addWidget(dock)
    dock.show()
    yield dock
    dock.cancel()
    until(lambda: dock.run.start.isEnabled() or not dock.run.cancel.isEnabled())


@pytest.fixture
def folder(tmp_path):
    """Two scans and a file that is none."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for seed, name in ((1, "anna"), (2, "carl")):
        save_volume(scan(seed=seed), folder / f"{name}.nii.gz")
    (folder / "bert.nii.gz").write_bytes(b"not an image at all")
    return folder


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def idle(dock):
    return not dock._is_running


def states(dock):
    scans = dock.table.scans
    return {
        scans.index(row, 0).data(): scans.state(row) for row in range(scans.rowCount())
    }


def test_it_says_what_is_missing(dock):
    assert "choose the folder with the scans" in dock.run.start.toolTip()
    assert "nothing is running" in dock.run.cancel.toolTip()


def test_a_bad_file_is_named_and_the_others_are_done(
    qtbot, dock, folder, until, monkeypatch
):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    click(qtbot, dock.source_button)
    until(lambda: idle(dock))
    assert "3 scans found." in dock.found.text()
    assert dock.output.text() == str(folder.with_name("scans_masks"))
    click(qtbot, dock.run.start)
    assert "a batch is running" in dock.run.start.toolTip()
    until(lambda: idle(dock))
    assert states(dock) == {"anna": "saved", "bert": "failed", "carl": "saved"}
    assert "2 of 3 masks saved" in dock.run.notice.text()
    assert "\nbert: " in dock.run.notice.text()
    row = list(states(dock)).index("bert")
    assert dock.table.scans.detail(row).endswith(".")
    for name in ("anna", "carl"):
        mask = open_volume(folder.with_name("scans_masks") / f"{name}.nii.gz")
        assert mask.grid.is_close(scan().grid)
        assert set(np.unique(mask.array)) == {0, 1, 2, 3}


def test_masks_that_exist_are_left_alone_unless_asked(qtbot, dock, folder, until):
    (folder / "bert.nii.gz").unlink()
    dock.file_format.setCurrentText("nrrd")
    dock.use_folder(folder)
    until(lambda: idle(dock))
    click(qtbot, dock.run.start)
    until(lambda: idle(dock))
    assert set(states(dock).values()) == {"saved"}
    click(qtbot, dock.run.start)
    until(lambda: idle(dock))
    assert set(states(dock).values()) == {"failed"}
    dock.overwrite.setChecked(True)
    click(qtbot, dock.run.start)
    until(lambda: idle(dock))
    assert set(states(dock).values()) == {"saved"}
    assert dock.run.notice.level == "done"


def test_cancel_stops_within_a_tile(qtbot, dock, folder, until):
    dock.model.models.setCurrentText("Fake endless")
    dock.use_folder(folder)
    until(lambda: idle(dock))
    click(qtbot, dock.run.start)
    until(lambda: "segmenting" in states(dock).values())
    until(lambda: "of 3 scans" in dock.run.line.text())
    click(qtbot, dock.run.cancel)
    assert "being stopped" in dock.run.cancel.toolTip()
    until(lambda: idle(dock))
    assert dock.run.notice.text().startswith("Cancelled.")
    assert not list(folder.with_name("scans_masks").glob("*"))


def test_a_folder_can_be_dropped(dock, folder, until):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    dock.dropEvent(event)
    until(lambda: idle(dock))
    assert event.isAccepted()
    assert dock.source.text() == str(folder)


def test_a_typed_folder_without_scans_is_told(qtbot, dock, tmp_path, until):
    dock.source.setText(str(tmp_path))
    dock.source.editingFinished.emit()
    until(lambda: idle(dock))
    assert "must hold a volume" in dock.found.text()
    assert "the folder has no scans" in dock.run.start.toolTip()


def test_a_model_that_is_refused_fails_each_scan_with_a_sentence(
    qtbot, dock, folder, until
):
    dock.model.models.setCurrentText("Fake refuse")
    dock.use_folder(folder)
    until(lambda: idle(dock))
    click(qtbot, dock.run.start)
    until(lambda: idle(dock))
    assert set(states(dock).values()) == {"failed"}
    assert "2 channels, got 1" in dock.table.scans.detail(0)


def test_a_place_that_cannot_be_written_to_ends_the_batch(qtbot, dock, folder, until):
    dock.use_folder(folder)
    until(lambda: idle(dock))
    blocked = folder / "bert.nii.gz"
    dock.output.setText(str(blocked / "masks"))
    click(qtbot, dock.run.start)
    until(lambda: idle(dock))
    assert dock.run.notice.level == "error"
    assert "\n" not in dock.run.notice.text()


def test_advanced_settings_are_made_when_looked_at(dock):
    assert dock.form is None
    assert dock._settings().step == 0.5
    dock.advanced.expand(animate=False)
    dock.form.controls["step"].value = 1.0
    assert dock._settings().step == 1.0
