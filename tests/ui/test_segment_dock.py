"""The dock in a model of the viewer: every control, no GL."""

import gc

import numpy as np
import psutil
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QAbstractButton, QComboBox, QFileDialog

from napari_mednext.errors import Cancelled
from napari_mednext.formats import Series, open_volume
from napari_mednext.ui import opening
from napari_mednext.ui.bridge import layer_origin
from napari_mednext.ui.segment_dock import Phase, SegmentDock
from napari_mednext.volume import reorient
from tests.ui.conftest import scan
from tests.ui.fake_engine import LABELS, FakeSession


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def dock(qtbot, viewer, session, until):
    dock = SegmentDock(viewer, session=session)
    qtbot.addWidget(dock)
    dock.show()
    yield dock
    dock.cancel()
    until(lambda: dock.phase is Phase.IDLE)
    until(lambda: dock._warming is None or dock._warming.is_over)


def drop(widget, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    widget.dropEvent(event)
    assert event.isAccepted()


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def choose_model(dock, title):
    dock.model.models.setCurrentText(title)


def expected(volume):
    """What the fake engine makes of a volume, computed here on the whole array."""
    array = volume.array[0]
    low, high = np.percentile(array[::4, ::4, ::4], (40, 99))
    return np.digitize(array, np.linspace(low, high, 4)[:3]).astype(np.uint8)


def open_scan(dock, until, path):
    drop(dock, path)
    until(lambda: dock.phase is Phase.IDLE and dock.scan.layer() is not None)


def test_an_empty_viewer_says_what_to_do(dock):
    assert dock.scan.drop.isVisible()
    assert not dock.scan.layers.isVisible()
    assert not dock.run.start.isEnabled()
    assert "drop one here or open a sample" in dock.run.start.toolTip()


def test_every_control_has_a_tooltip_and_a_name(dock):
    controls = dock.findChildren(QAbstractButton) + dock.findChildren(QComboBox)
    ours = [c for c in controls if c.parent() is not dock.result.table]
    for control in ours:
        name = getattr(control, "text", str)() or control.accessibleName()
        assert name, control
        assert control.toolTip(), name
        if isinstance(control, QAbstractButton):
            assert control.focusPolicy() != Qt.FocusPolicy.NoFocus, name


def test_drop_segment_save_and_read_back(
    qtbot, dock, viewer, until, scan_file, tmp_path, monkeypatch
):
    drop(dock, scan_file)
    assert dock.phase is Phase.OPENING
    assert "a scan is being opened" in dock.run.start.toolTip()
    until(lambda: dock.phase is Phase.IDLE)
    assert "Oblique by 12.0°" in dock.scan.notes.text()
    source = open_volume(scan_file)
    shown = reorient(source, "LPS")
    assert np.array_equal(viewer.layers[0].data, shown.array[0])

    click(qtbot, dock.run.start)
    assert dock.phase is Phase.SEGMENTING
    assert "a segmentation is running" in dock.run.start.toolTip()
    until(lambda: dock.phase is Phase.IDLE)
    labels = viewer.layers[1]
    want = expected(shown)
    assert gc.get_freeze_count() == 0, "the garbage collection was not given back"
    assert isinstance(labels, Labels)
    assert np.array_equal(labels.data, want)
    assert labels.data.dtype == np.uint8
    assert labels.editable
    assert dock.run.notice.level == "done"
    per_voxel_ml = 2.5 * 0.8 * 1.1 / 1000
    counts = np.bincount(want.ravel(), minlength=4)
    assert dock.result.table.labels.volumes_ml() == pytest.approx(
        {v: counts[v] * per_voxel_ml for v in (1, 2, 3)}
    )

    target = dock.result.default_path()
    assert target == scan_file.with_name("case_mask.nii.gz")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    click(qtbot, dock.result.save)
    until(lambda: dock.phase is Phase.IDLE)
    assert "case_mask.nii.gz" in dock.run.notice.text()
    mask = open_volume(target)
    assert mask.grid.is_close(source.grid)
    assert np.array_equal(reorient(mask, "LPS").array[0], want)

    drop(dock, target)
    until(lambda: dock.phase is Phase.IDLE and len(viewer.layers) == 3)
    again = viewer.layers[2]
    assert isinstance(again, Labels)
    assert np.array_equal(again.data, want)


def test_cancel_keeps_what_was_found_and_the_engine_warm(
    qtbot, dock, viewer, session, until, scan_file
):
    open_scan(dock, until, scan_file)
    choose_model(dock, "Fake endless")
    click(qtbot, dock.run.start)
    until(lambda: len(viewer.layers) == 2 and viewer.layers[1].data.any())
    labels, engine = viewer.layers[1], session.service.pid
    assert not labels.editable
    assert "s left" in dock.run.line.text() or dock.run.line.text()
    click(qtbot, dock.run.cancel)
    assert dock.phase is Phase.STOPPING
    assert "being stopped" in dock.run.cancel.toolTip()
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.text().startswith("Cancelled.")
    assert labels.name.endswith("(unfinished)")
    assert labels.editable
    assert session.service.pid == engine

    choose_model(dock, "Fake quick")
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.level == "done"


def test_a_run_again_writes_over_what_nobody_touched(
    qtbot, dock, viewer, until, scan_file
):
    open_scan(dock, until, scan_file)
    for _ in range(2):
        click(qtbot, dock.run.start)
        until(lambda: dock.phase is Phase.IDLE)
    assert len(viewer.layers) == 2
    viewer.layers[1].paint((5, 5, 5), 2)
    painted = viewer.layers[1].data.copy()
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    assert len(viewer.layers) == 3
    assert np.array_equal(viewer.layers[1].data, painted)


def test_undo_does_not_reach_behind_a_segmentation(
    qtbot, dock, viewer, until, scan_file
):
    open_scan(dock, until, scan_file)
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    labels = viewer.layers[1]
    found = labels.data.copy()
    labels.undo()
    assert np.array_equal(labels.data, found)
    labels.paint((5, 5, 5), 2)
    labels.undo()
    assert np.array_equal(labels.data, found)


def test_volumes_follow_corrections(qtbot, dock, viewer, until, scan_file):
    open_scan(dock, until, scan_file)
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    before = dock.result.table.labels.volumes_ml()
    labels = viewer.layers[1]
    labels.n_edit_dimensions = 3
    labels.brush_size = 9
    labels.paint((10, 30, 30), 3)
    until(lambda: dock.result.table.labels.volumes_ml()[3] != before[3])
    count = np.count_nonzero(labels.data == 3)
    want = count * 2.5 * 0.8 * 1.1 / 1000
    assert dock.result.table.labels.volumes_ml()[3] == pytest.approx(want)


def test_two_scans_have_labels_of_their_own(qtbot, dock, viewer, until):
    for seed, name in ((1, "first"), (2, "second")):
        array = np.random.default_rng(seed).integers(0, 900, (7, 11, 13))
        viewer.add_layer(Image(array, name=name, scale=(3, 1, 2), units="mm"))
    for name in ("first", "second"):
        dock.scan.layers.setCurrentText(name)
        click(qtbot, dock.run.start)
        until(lambda: dock.phase is Phase.IDLE)
    one, two = (viewer.layers[f"{name} labels"] for name in ("first", "second"))
    assert not np.array_equal(one.data, two.data)
    assert tuple(one.scale) == (3, 1, 2)
    assert layer_origin(two).labels == LABELS


def test_what_the_engine_refuses_is_one_sentence(qtbot, dock, viewer, until, scan_file):
    open_scan(dock, until, scan_file)
    choose_model(dock, "Fake refuse")
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.level == "error"
    assert dock.run.notice.text() == (
        "The model expects 2 channels, got 1: choose another model."
    )


def test_a_killed_engine_is_one_sentence_and_the_next_run_works(
    qtbot, dock, viewer, session, until, scan_file
):
    open_scan(dock, until, scan_file)
    choose_model(dock, "Fake endless")
    click(qtbot, dock.run.start)
    until(lambda: len(viewer.layers) == 2 and viewer.layers[1].data.any())
    psutil.Process(session.service.pid).kill()
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.level == "error"
    assert "\n" not in dock.run.notice.text()
    choose_model(dock, "Fake quick")
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.level == "done"


def test_fall_backs_are_told(qtbot, dock, until, scan_file):
    open_scan(dock, until, scan_file)
    choose_model(dock, "Fake notes")
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    assert "The GPU ran out of memory: went on slowly." in dock.run.notice.text()


def test_a_bad_file_is_one_sentence(dock, viewer, until, tmp_path):
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"not an image")
    drop(dock, bad)
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.level == "error"
    assert dock.run.notice.text().startswith("bad.nii.gz: ")
    assert not viewer.layers


def test_a_folder_without_scans_is_one_sentence(dock, until, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    drop(dock, tmp_path)
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.level == "error"
    assert "must hold a volume or a DICOM series" in dock.run.notice.text()


def test_a_read_only_place_is_one_sentence(qtbot, dock, until, scan_file, tmp_path):
    open_scan(dock, until, scan_file)
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    dock.result.save_to(tmp_path / "there is no such folder" / "mask.nii.gz")
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.level == "error"
    assert not (tmp_path / "there is no such folder").exists()


def test_a_4d_file_asks_for_its_frame(dock, viewer, until, tmp_path, monkeypatch):
    frames = np.random.default_rng(0).integers(0, 900, (4, 5, 6, 7)).astype(np.int16)
    path = tmp_path / "dynamic.nii.gz"
    image = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in frames])
    sitk.WriteImage(image, str(path))
    asked = []
    monkeypatch.setattr(opening, "ask_frame", lambda n, _: asked.append(n) or 2)
    open_scan(dock, until, path)
    assert asked == [4]
    shown = reorient(open_volume(path, frame=2), "LPS")
    assert np.array_equal(viewer.layers[0].data, shown.array[0])


def test_a_dicom_folder_of_several_series_asks_which(
    dock, viewer, session, until, tmp_path, monkeypatch
):
    listed = [
        Series(uid, uid, "CT", (tmp_path / uid,), (20, 61, 55), ())
        for uid in ("scout", "thorax")
    ]
    opened = []

    def open_series(folder, *, series, frame):
        opened.append((folder, series, frame))
        return scan()

    monkeypatch.setattr(session, "series", lambda _: listed)
    monkeypatch.setattr(session, "open", open_series)
    monkeypatch.setattr(opening, "ask_series", lambda series, _: series[1].uid)
    open_scan(dock, until, tmp_path)
    assert opened == [(tmp_path, "thorax", None)]
    assert [layer.name for layer in viewer.layers] == ["case"]


def test_a_question_closed_without_an_answer_opens_nothing(
    dock, viewer, session, until, tmp_path, monkeypatch
):
    def refuse(*_):
        raise Cancelled

    monkeypatch.setattr(session, "series", lambda _: ["one", "two"])
    monkeypatch.setattr(opening, "ask_series", refuse)
    drop(dock, tmp_path)
    until(lambda: dock.phase is Phase.IDLE)
    assert not viewer.layers
    assert not dock.run.notice.isVisible()


def test_the_buttons_open_files_folders_and_samples(
    qtbot, dock, viewer, until, scan_file, monkeypatch
):
    def files(*_):
        return [str(scan_file)], ""

    monkeypatch.setattr(QFileDialog, "getOpenFileNames", files)
    click(qtbot, dock.scan.drop_file)
    until(lambda: dock.phase is Phase.IDLE and len(viewer.layers) == 1)
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *_: str(scan_file.parent)
    )
    click(qtbot, dock.scan.open_folder)
    until(lambda: dock.phase is Phase.IDLE and len(viewer.layers) == 2)
    dock.scan.drop_sample.menu().actions()[2].trigger()
    until(lambda: dock.phase is Phase.IDLE and len(viewer.layers) == 3)
    assert viewer.layers[2].name == "Abdomen CT"
    assert dock.scan.layer() is viewer.layers[2]


def test_a_folder_of_several_scans_asks_which(
    dock, viewer, until, scan_file, monkeypatch
):
    scan_file.with_name("other.nii.gz").write_bytes(scan_file.read_bytes())
    monkeypatch.setattr(opening, "ask_source", lambda found, _: found[1])
    open_scan(dock, until, scan_file.parent)
    assert [layer.name for layer in viewer.layers] == ["other"]


def test_devices_come_from_the_engine(dock, until):
    until(lambda: dock.model.devices.count() == 3)
    titles = [dock.model.devices.itemText(i) for i in range(3)]
    assert titles == ["Automatic", "Processor (CPU)", "NVIDIA GPU 0"]


def test_advanced_settings_reach_the_engine(qtbot, dock):
    dock.advanced.expand(animate=False)
    assert set(dock.form.controls) == {"step", "mirror", "engine", "max_ram_gb"}
    dock.form.controls["step"].value = 0.75
    dock.form.controls["mirror"].value = False
    dock.form.controls["max_ram_gb"].value = 3
    settings = dock._settings()
    assert (settings.step, settings.mirror, settings.max_ram_gb) == (0.75, False, 3.0)
    dock.form.controls["max_ram_gb"].value = 0
    assert dock._settings().max_ram_gb is None


def test_keys_start_and_cancel(qtbot, dock, viewer, until, scan_file):
    open_scan(dock, until, scan_file)
    choose_model(dock, "Fake endless")
    dock.activateWindow()
    dock.model.devices.setFocus()
    until(dock.model.devices.hasFocus)
    qtbot.keyClick(
        dock.model.devices, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier
    )
    assert dock.phase is Phase.SEGMENTING
    until(lambda: len(viewer.layers) == 2)
    dock.run.cancel.setFocus()
    qtbot.keyClick(dock.run.cancel, Qt.Key.Key_Escape)
    assert dock.phase is Phase.STOPPING
    until(lambda: dock.phase is Phase.IDLE)


def test_removing_the_labels_stops_the_run(qtbot, dock, viewer, until, scan_file):
    open_scan(dock, until, scan_file)
    choose_model(dock, "Fake endless")
    click(qtbot, dock.run.start)
    until(lambda: len(viewer.layers) == 2 and viewer.layers[1].data.any())
    viewer.layers.remove(viewer.layers[1])
    until(lambda: dock.phase is Phase.IDLE)
    assert dock.run.notice.text().startswith("Cancelled.")
    assert not dock.result.save.isEnabled()


def test_a_removed_labels_layer_cannot_be_saved(qtbot, dock, viewer, until, scan_file):
    open_scan(dock, until, scan_file)
    click(qtbot, dock.run.start)
    until(lambda: dock.phase is Phase.IDLE)
    viewer.layers.remove(viewer.layers[1])
    assert not dock.result.save.isEnabled()
    assert "the labels layer was removed" in dock.result.save.toolTip()


def test_no_model_is_told(qtbot, viewer):
    session = FakeSession()
    session.names = ()
    dock = SegmentDock(viewer, session=session)
    qtbot.addWidget(dock)
    viewer.add_layer(Image(np.zeros((3, 4, 5))))
    assert "no model is installed" in dock.run.start.toolTip()
    assert dock.model.problem_notice.level == "warning"


def test_a_wrong_model_folder_is_one_sentence(qtbot, dock, tmp_path):
    dock.model.use_folder(tmp_path)
    assert dock.model.problem_notice.level == "error"
    assert dock.model.problem_notice.text().startswith(f"{tmp_path.name}: ")


def test_a_flat_picture_cannot_be_segmented(dock, viewer):
    viewer.add_layer(Image(np.zeros((4, 5)), name="flat"))
    assert not dock.run.start.isEnabled()
    assert "'flat' has shape (4, 5)" in dock.run.start.toolTip()


def test_scans_under_the_cursor_come_first(dock, viewer, until):
    from napari_mednext.ui.view import looked_at, shows

    layer = Image(np.zeros((20, 30, 40)), scale=(3, 1, 2), translate=(5, -7, 11))
    viewer.add_layer(layer)
    viewer.dims.set_point(0, 5 + 3 * 6)
    viewer.scene.camera.center = (0, -7 + 12, 11 + 2 * 31)
    assert looked_at(viewer, layer) == (6, 12, 31)
    viewer.scene.camera.center = (0, 1e6, -1e6)
    assert looked_at(viewer, layer) == (6, 29, 0)
    full = slice(0, 30), slice(0, 40)
    assert shows(viewer, layer, (slice(4, 9), *full))
    assert not shows(viewer, layer, (slice(9, 20), *full))
    viewer.dims.ndisplay = 3
    assert shows(viewer, layer, (slice(9, 20), *full))


def test_the_scan_in_use_is_that_of_the_series_grid(dock, viewer, until, scan_file):
    open_scan(dock, until, scan_file)
    assert layer_origin(viewer.layers[0]).source.grid.is_close(scan().grid)
