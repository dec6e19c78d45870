"""The check box "Left and right" of both docks."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QSettings

from napari_mednext.formats import open_volume
from napari_mednext.ui.batch_dock import BatchDock
from napari_mednext.ui.bridge import layer_origin
from napari_mednext.ui.model_picker import ModelPicker
from napari_mednext.ui.segment_dock import Phase, SegmentDock
from tests.ui.fake_engine import LABELS, SIDED, FakeSession


@pytest.fixture(autouse=True)
def _settings_elsewhere(tmp_path):
    places = QSettings.Format.IniFormat, QSettings.Scope.UserScope
    before = QSettings(*places, "napari-mednext").fileName()
    QSettings.setPath(*places, str(tmp_path / "settings"))
    yield
    folder = before.rsplit("/", 1)[0]
    QSettings.setPath(*places, folder)


@pytest.fixture
def sided():
    with FakeSession("quick", "sided") as session:
        yield session


@pytest.fixture
def picker(qtbot, sided):
    picker = ModelPicker(sided)
    qtbot.addWidget(picker)
    picker.show()
    return picker


def test_it_is_there_for_models_that_can(picker):
    assert not picker.sides.isVisible()
    picker.models.setCurrentText("Fake sided")
    assert picker.sides.isVisible()
    assert not picker.tells_sides()
    picker.sides.click()
    assert picker.tells_sides()
    picker.models.setCurrentText("Fake quick")
    assert not picker.sides.isVisible()
    assert not picker.tells_sides()


def test_it_is_remembered(qtbot, sided, picker):
    picker.models.setCurrentText("Fake sided")
    for wanted in (True, False):
        picker.sides.click()
        later = ModelPicker(sided)
        qtbot.addWidget(later)
        later.models.setCurrentText("Fake sided")
        assert later.tells_sides() is wanted


def test_table_layer_and_mask_follow(qtbot, sided, until, scan_file, tmp_path):
    viewer = ViewerModel()
    dock = SegmentDock(viewer, session=sided)
    qtbot.addWidget(dock)
    dock.show()
    dock.model.models.setCurrentText("Fake sided")
    dock.open_paths([scan_file])
    until(lambda: dock.phase is Phase.IDLE and len(viewer.layers))
    table = dock.result.table.labels

    def run():
        dock.run.start.click()
        assert not dock.model.sides.isEnabled()
        until(lambda: dock.phase is Phase.IDLE)
        return viewer.layers[1]

    layer = run()
    assert table.labels() == LABELS
    whole = table.volumes_ml()
    dock.model.sides.click()
    assert run() is layer  # written over, not added
    assert table.labels() == SIDED.split
    parts = table.volumes_ml()
    for value in SIDED.paired:
        both = parts[SIDED.left(value)] + parts[SIDED.right(value)]
        assert both == pytest.approx(whole[value])
    assert layer_origin(layer).labels == SIDED.split
    assert {101, 201, 102, 202, 3} == set(np.unique(layer.data)) - {0}
    shown = layer.colormap.color_dict
    for label in SIDED.split:
        assert np.allclose(shown[label.value][:3], np.array(label.color) / 255)
    dock.result.save_to(tmp_path / "mask.nii.gz")
    until(lambda: (tmp_path / "mask.nii.gz").exists() and dock.phase is Phase.IDLE)
    saved = open_volume(tmp_path / "mask.nii.gz").array
    assert set(np.unique(saved)) == set(np.unique(layer.data))
    dock.model.sides.click()
    assert run() is layer
    assert table.labels() == LABELS
    until(lambda: dock._warming is None or dock._warming.is_over)


def test_a_batch_tells_sides(qtbot, sided, until, scan_file, tmp_path):
    dock = BatchDock(session=sided)
    qtbot.addWidget(dock)
    dock.show()
    dock.model.models.setCurrentText("Fake sided")
    dock.model.sides.click()
    dock.use_folder(scan_file.parent)
    until(lambda: not dock._is_running and dock._sources)
    dock.output.setText(str(tmp_path / "masks"))
    dock.segment_all()
    assert not dock.model.sides.isEnabled()
    until(lambda: not dock._is_running)
    (mask,) = (tmp_path / "masks").iterdir()
    assert {101, 201} <= set(np.unique(open_volume(mask).array))
