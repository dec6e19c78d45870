"""The panel that compares, in a real viewer where its layer is looked at."""

import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_mednext.correction import compare as compare_module
from napari_mednext.correction.compare import (
    compare,
    csv_text,
    difference_layer,
    tsv_text,
)
from napari_mednext.labels import LabelSet
from napari_mednext.ui.bridge import image_layers, labels_layer
from napari_mednext.ui.compare_columns import compare_columns, share
from napari_mednext.ui.compare_panel import ComparePanel
from napari_mednext.ui.difference_layer import COLORS, meanings
from napari_mednext.ui.figures_table import NOTHING
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

SHAPE = (7, 31, 43)
GRID = VoxelGrid(SHAPE, (3.0, 0.9, 1.1), (33.0, -20.5, 7.25))
NAMES = LabelSet.from_names({1: "liver", 2: "spleen", 3: "cyst"})
NOW, MODEL, RATER = "labels now", "model's answer", "rater.nii.gz"


def maps():
    first = np.zeros(SHAPE, np.uint8)
    first[1:6, 5:20, 8:20] = 1
    first[2:5, 22:30, 30:40] = 2
    second = np.roll(first, 3, axis=2)
    second[3, 24:28, 34:37] = 1
    return first, second


@pytest.fixture
def panel(qtbot):
    panel = ComparePanel(ViewerModel())
    qtbot.addWidget(panel)
    panel.show()
    return panel


@pytest.fixture
def ready(panel):
    first, second = maps()
    panel.set_case(GRID, NAMES)
    panel.set_sources({NOW: lambda: first, MODEL: lambda: second})
    return panel


def press(qtbot, control):
    qtbot.mouseClick(control, Qt.MouseButton.LeftButton)


def why(control):
    return control.toolTip().splitlines()[-1]


def test_differences_are_a_layer_that_comes_and_goes(make_napari_viewer, qtbot, until):
    viewer = make_napari_viewer(show=True)
    panel = ComparePanel(viewer)
    viewer.window.add_dock_widget(panel, name="compare")
    first, second = maps()
    grey = Volume(np.zeros((1, *SHAPE), np.int16), GRID, "scan")
    ((data, options, _),) = image_layers(grey)
    viewer.add_image(data, **options)
    held = Segmentation(first, GRID, NAMES.names, NAMES.colors)
    data, options, _ = labels_layer(held, "labels")
    labels = viewer.add_labels(data, **options | {"visible": False})
    panel.set_case(GRID, NAMES)
    panel.set_sources({NOW: lambda: labels.data, MODEL: lambda: second})
    press(qtbot, panel.compare)
    until(lambda: panel.comparison() is not None)
    assert len(viewer.layers) == 2
    assert not panel.legend.isVisible()

    panel.show_differences.click()
    layer = viewer.layers["differences"]
    np.testing.assert_array_equal(layer.data, difference_layer(first, second))
    np.testing.assert_allclose(layer.scale, labels.scale)
    np.testing.assert_allclose(layer.translate, labels.translate)
    assert viewer.layers.selection.active is labels
    assert not layer.editable
    assert panel.legend.isVisible()
    assert panel.legend.texts() == list(meanings((NOW, MODEL)).values())
    viewer.dims.set_current_step(0, 3)
    viewer.reset_view()
    drawn = viewer.screenshot(flash=False)[..., :3].reshape(-1, 3).astype(float)
    for color in COLORS.values():
        aside = np.abs(drawn - np.array(color) * layer.opacity).max(axis=1)
        assert (aside < 4).any(), f"{color} is not drawn"

    panel.show_differences.click()
    assert len(viewer.layers) == 2
    panel.show_differences.click()
    viewer.layers.remove("differences")  # by hand
    assert not panel.show_differences.isChecked()
    assert not panel.legend.isVisible()
    panel.show_differences.click()
    panel.choice.tolerance.setValue(2.0)  # what was found is of another tolerance
    assert "differences" not in viewer.layers
    press(qtbot, panel.compare)
    until(lambda: "differences" in viewer.layers)


def test_the_table_and_its_copies_hold_the_comparison(
    ready, qtbot, until, tmp_path, monkeypatch
):
    ready.choice.tolerance.setValue(2.5)
    press(qtbot, ready.compare)
    until(lambda: ready.comparison() is not None)
    expected = compare(*maps(), GRID.spacing, NAMES, tolerance_mm=2.5)
    assert ready.comparison() == expected
    assert [cells[:3] for cells in ready.table.shown()] == [
        [label.name, f"{label.dice:.3f}", f"{label.surface_dice:.3f}"]
        for label in expected.occurring
    ]
    assert f"{expected.differing:,} voxels differ" in ready.summary.text()
    press(qtbot, ready.copy)
    assert QApplication.clipboard().text() == tsv_text(expected, (NOW, MODEL))
    target = tmp_path / "both"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    press(qtbot, ready.save)
    until(lambda: ready.notice.level == "done")
    written = target.with_suffix(".csv").read_text(encoding="utf-8")
    assert written == csv_text(expected, (NOW, MODEL))
    chosen = []
    ready.labelChosen.connect(chosen.append)
    ready.table.selectRow(1)
    assert chosen == [2]


def test_other_choices_empty_what_was_found(ready, until):
    for change in (
        lambda: ready.choice.first.setCurrentIndex(1),
        lambda: ready.choice.tolerance.setValue(4.0),
        lambda: ready.set_sources({NOW: lambda: None, MODEL: lambda: None}),
        lambda: ready.set_case(GRID, NAMES),
    ):
        first, second = maps()
        ready.set_sources({NOW: lambda f=first: f, MODEL: lambda s=second: s})
        ready.choice.first.setCurrentIndex(0)
        ready.choice.second.setCurrentIndex(1)
        ready.run()
        until(lambda: ready.comparison() is not None)
        change()
        assert ready.comparison() is None
        assert ready.table.shown() == []
        assert ready.summary.text() == ""
    ready.run()
    ready.copy_table()
    assert not ready.compare.isEnabled()


def test_says_why_nothing_can_be_done(panel):
    assert why(panel.compare) == "Not now: no case is open"
    assert panel.notice.text() == "No case is open."
    assert why(panel.show_differences) == "Not now: nothing is compared yet"
    assert why(panel.choice.open) == "Not now: no case is open"
    panel.set_case(GRID, NAMES)
    assert why(panel.compare) == "Not now: nothing is labelled yet"
    assert why(panel.choice.open) == "Not now: masks cannot be read here"
    panel.set_sources({NOW: lambda: None})
    assert why(panel.compare) == "Not now: there is only one label map"
    panel.set_sources({NOW: lambda: None, MODEL: lambda: None})
    assert panel.compare.isEnabled()
    panel.choice.first.setCurrentText(MODEL)
    assert why(panel.compare) == "Not now: both choices are the same"
    panel.clear()
    assert panel.choice.titles() == ("", "")


def test_what_was_chosen_stays_when_there_is_more_to_choose(ready):
    ready.choice.first.setCurrentText(MODEL)
    ready.choice.second.setCurrentText(NOW)
    ready.set_sources({"before": lambda: None, NOW: lambda: None, MODEL: lambda: None})
    assert ready.choice.titles() == (MODEL, NOW)


def test_a_mask_that_was_opened_can_be_compared_with(
    ready, qtbot, until, tmp_path, monkeypatch
):
    path, asked = tmp_path / RATER, []

    def read(given):
        asked.append((given, threading.get_ident()))
        return maps()[1]

    ready.set_reader(read)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    press(qtbot, ready.choice.open)
    until(lambda: ready.choice.titles() == (NOW, RATER))
    ((given, thread),) = asked
    assert given == path
    assert thread != threading.get_ident()
    ready.set_sources({NOW: lambda: maps()[0], RATER: lambda: None})
    ready.open_mask(path)
    until(lambda: ready.choice.titles() == (NOW, f"{RATER} (file)"))
    press(qtbot, ready.compare)
    until(lambda: ready.comparison() is not None)
    assert ready.comparison() == compare(*maps(), GRID.spacing, NAMES)
    ready.set_case(GRID, NAMES)
    ready.set_sources({NOW: lambda: None})
    assert ready.choice.titles() == (NOW, NOW)
    ready.set_reader(None)
    ready.open_mask(path)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda: None, "must hold labels, but there are none: choose another."),
        (
            lambda: np.zeros((7, 31, 42), np.uint8),
            "must have the shape of the scan (7, 31, 43), got (7, 31, 42): choose a "
            "mask of this scan.",
        ),
    ],
    ids=["nothing", "another shape"],
)
def test_what_cannot_be_compared_is_told(ready, until, given, told):
    ready.set_sources({NOW: lambda: maps()[0], MODEL: given})
    ready.run()
    until(lambda: ready.notice.level == "error")
    assert ready.notice.text() == f'"{MODEL}" {told}'
    assert ready.comparison() is None


def test_two_empty_maps_have_nothing_to_compare(ready, until):
    empty = np.zeros(SHAPE, np.uint8)
    ready.set_sources({NOW: lambda: empty, MODEL: lambda: empty})
    ready.run()
    until(lambda: ready.comparison() is not None)
    assert ready.notice.text() == "Nothing is labelled in either of them."
    assert ready.table.shown() == []


def test_a_long_comparison_tells_how_far_it_is_and_can_be_stopped(
    ready, qtbot, until, monkeypatch
):
    go = threading.Event()

    def slow(*args, on_label, cancel, **kwargs):
        on_label(1, 3)
        while not cancel.is_set() and not go.is_set():
            go.wait(0.01)
        return compare(*args, cancel=cancel, **kwargs)

    monkeypatch.setattr(compare_module, "compare", slow)
    press(qtbot, ready.compare)
    assert "top" in ready.compare.text()
    assert why(ready.choice.first) == "Not now: work is going on"
    until(lambda: "1 of 3" in ready.summary.text())
    press(qtbot, ready.compare)
    assert ready.compare.text() == "Comp&are"
    assert ready.compare.isEnabled()
    assert ready.summary.text() == ""
    assert ready.choice.first.isEnabled()
    until(lambda: not ready._job._jobs)
    assert ready.comparison() is None


def test_numbers_read_as_people_write_them():
    assert [share(x) for x in (None, 0.0, 0.9999, 1.0)] == [
        NOTHING,
        "0.000",
        "0.999",
        "1.000",
    ]
    names = LabelSet.from_names({1: "a", 2: "b", 3: "c"})
    first, second = np.zeros((2, 40, 30), np.uint8), np.zeros((2, 40, 30), np.uint8)
    first[0, :4], second[0, :20] = 1, 1
    first[1, :3], second[1, :3] = 2, 2
    first[1, 5] = 3
    found = compare(first, second, (1.0, 10.0, 10.0), names)
    texts = [[column.text(row) for column in compare_columns()] for row in found.labels]
    assert [line[2:] for line in texts] == [
        ["\u221248.00", "\u221280.0", "480"],
        ["0", "0", "0"],
        ["+3.00", NOTHING, "30"],
    ]


def test_colours_differ_for_everybody():
    """Machado, Oliveira and Fernandes 2009, severity 1, distances in CIELAB."""
    from skimage.color import rgb2lab

    sights = {
        "normal": np.eye(3),
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "tritanopia": [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    }
    stored = np.array(list(COLORS.values())) / 255
    linear = np.where(
        stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4
    )
    for sight, matrix in sights.items():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1)
        small = seen <= 0.0031308
        shown = np.where(small, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = rgb2lab(shown[None])[0]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert np.linalg.norm(lab[one] - lab[other]) > 30, sight
