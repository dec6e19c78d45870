"""The panel that measures, with a viewer that needs no screen."""

import csv
import io

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_mednext.correction.measure import LabelMeasure, csv_text, measure, tsv_text
from napari_mednext.labels import LabelSet
from napari_mednext.ui.bridge import labels_layer
from napari_mednext.ui.figures_table import NOTHING
from napari_mednext.ui.measure_panel import MeasurePanel
from napari_mednext.ui.wording import TIMES
from napari_mednext.volume import Segmentation, VoxelGrid

SHAPE = (7, 9, 11)
GRID = VoxelGrid(SHAPE, (3.0, 0.9, 1.1), (33.0, -20.5, 7.25))
NAMES = LabelSet.from_names({1: "liver", 2: "spleen", 3: "cyst"})


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def panel(qtbot, viewer):
    panel = MeasurePanel(viewer)
    qtbot.addWidget(panel)
    panel.show()
    return panel


def volumes():
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2:7, 3:5] = 1
    labels[5, 5, 5:9] = 2
    baseline = labels.copy()
    baseline[1, 2, 3] = 0
    image = np.random.default_rng(3).normal(40, 9, SHAPE)
    return labels, baseline, image


def row(value=1, **figures):
    given = {"voxels": 1000, "volume_mm3": 2970.0} | figures
    return LabelMeasure(value, f"label {value}", (1, 2, 3), **given)


def press(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_shows_the_figures_of_the_labels_as_they_are(panel, qtbot, until):
    labels, baseline, image = volumes()
    panel.set_source(
        lambda: labels,
        grid=GRID,
        labels=NAMES,
        image=image,
        baseline=lambda: baseline,
    )
    assert panel.table.shown() == []
    assert "Press Measure" in panel.notice.text()
    press(qtbot, panel.measure)
    assert not panel.measure.isEnabled()
    assert panel.measure.toolTip().endswith("Not now: work is going on")
    labels[0] = 3  # a stroke that comes too late
    until(lambda: panel.measure.isEnabled())
    labels[0] = 0
    expected = measure(labels, GRID.spacing, NAMES, image=image, baseline=baseline)
    assert panel.rows() == expected
    assert [cells[0] for cells in panel.table.shown()] == ["liver", "spleen"]
    assert panel.table.shown()[0][1:3] == ["0.09", "+1 \u22120"]
    assert panel.total.text() == "0.10 mL in all"
    panel.only_occurring.setChecked(False)
    assert [cells[0] for cells in panel.table.shown()] == ["liver", "spleen", "cyst"]


def test_figures_read_as_people_write_them(panel):
    panel.show_measures(
        [
            row(mean=-1234.5, spread=12.34, added=0, removed=1200),
            row(2, size_mm=(3.0, 0.9, 110.0), added=0, removed=0),
            row(3, voxels=0, volume_mm3=0.0, added=0, removed=7),
        ]
    )
    texts = [cells[1:] for cells in panel.table.shown()]
    assert texts == [
        ["2.97", "+0 \u22121,200", "\u22121,234 ± 12.3", NOTHING, "2,970", "1,000"],
        ["2.97", "0", NOTHING, f"110 {TIMES} 0.900 {TIMES} 3.00", "2,970", "1,000"],
        ["0", "+0 \u22127", NOTHING, NOTHING, "0.00", "0"],
    ]


def test_copies_and_saves_every_label(panel, qtbot, until, tmp_path, monkeypatch):
    rows = (row(), row(2, voxels=0, volume_mm3=0.0))
    panel.show_measures(rows)
    assert len(panel.table.shown()) == 1
    press(qtbot, panel.copy)
    assert QApplication.clipboard().text() == tsv_text(rows)
    target = tmp_path / "figures"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    press(qtbot, panel.save)
    until(lambda: panel.notice.level == "done")
    assert panel.notice.text() == "Saved as figures.csv."
    written = target.with_suffix(".csv").read_text(encoding="utf-8")
    assert written == csv_text(rows)
    assert [line["value"] for line in csv.DictReader(io.StringIO(written))] == [
        "1",
        "2",
    ]


def test_a_file_that_cannot_be_written_is_told(panel, until, tmp_path):
    panel.show_measures([row()])
    panel.save_to(tmp_path / "missing" / "figures.csv")
    until(lambda: panel.notice.level == "error")
    assert "must exist: make it first." in panel.notice.text()
    assert panel.rows()


def test_says_why_nothing_can_be_done(panel):
    hints = [
        each.toolTip().splitlines()[-1]
        for each in (panel.measure, panel.save, panel.copy, panel.only_occurring)
    ]
    assert hints == [
        "Not now: nothing is segmented yet",
        *["Not now: nothing is measured yet"] * 3,
    ]
    panel.refresh()
    panel.copy_table()
    panel.go_to(1)
    assert "Open a case" in panel.notice.text()
    panel.show_measures([row()])
    panel.clear()
    assert panel.rows() == ()


def test_says_when_the_figures_are_old_or_missing(panel, until):
    labels, *_ = volumes()
    panel.mark_stale()
    assert "changed since" not in panel.notice.text()
    panel.set_source(lambda: labels, grid=GRID, labels=LabelSet())
    panel.refresh()
    panel.mark_stale()  # while it is measured
    until(lambda: panel.rows())
    assert "changed since" in panel.notice.text()
    panel.refresh()
    until(lambda: panel.notice.text() == "")
    panel.mark_stale()
    assert "changed since" in panel.notice.text()
    panel.set_source(lambda: np.zeros(SHAPE, np.uint8), grid=GRID, labels=LabelSet())
    panel.refresh()
    until(lambda: panel.notice.text() == "No voxel is labelled.")
    panel.set_source(lambda: None, grid=GRID, labels=NAMES)
    panel.refresh()
    until(lambda: panel.notice.text() == "There are no labels to measure.")
    panel.set_source(lambda: labels[0], grid=GRID, labels=NAMES)
    panel.refresh()
    until(lambda: panel.notice.level == "error")
    assert "axes z, y, x" in panel.notice.text()


def test_a_double_click_goes_to_the_label(panel, qtbot, viewer):
    labels, *_ = volumes()
    segmentation = Segmentation(labels, GRID, NAMES.names, NAMES.colors)
    data, options, _ = labels_layer(segmentation, "labels")
    panel.set_source(lambda: labels, grid=GRID, labels=NAMES)
    panel.show_measures(measure(labels, GRID.spacing, NAMES))
    panel.go_to(2)  # there is nothing to go to in an empty viewer
    layer = viewer.add_labels(data, **options)
    chosen = []
    panel.labelChosen.connect(chosen.append)
    place = panel.table.visualRect(panel.table.model().index(1, 1)).center()
    viewport = panel.table.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=place)
    assert chosen == [2]
    place = np.round(layer.world_to_data(viewer.dims.point)).astype(int)
    assert place.tolist()[:2] == [5, 5]
    assert place[2] in (6, 7)
