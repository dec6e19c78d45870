import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QDockWidget

from napari_mednext.ui.keys import KeyBinder
from napari_mednext.ui.look import Look
from napari_mednext.ui.look_panel import LookPanel
from napari_mednext.ui.panes import Panes

SPACING = (3.0, 0.9, 1.1)
SHAPE = (11, 31, 25)


def fill(viewer):
    rng = np.random.default_rng(5)
    ct = rng.integers(-1000, 1500, SHAPE).astype(np.int16)
    viewer.add_image(ct, name="ct", scale=SPACING, contrast_limits=(-160, 240))
    viewer.add_labels(np.zeros(SHAPE, np.uint8), scale=SPACING, opacity=0.6)


@pytest.fixture
def viewer():
    model = ViewerModel()
    fill(model)
    return model


@pytest.fixture
def panel(viewer, qtbot):
    panel = LookPanel(viewer, Look(viewer))
    qtbot.addWidget(panel)
    return panel


def checked(panel):
    return [name for name, button in panel.planes.items() if button.isChecked()]


def test_planes_are_chosen_and_shown(viewer, panel):
    assert checked(panel) == ["axial"]
    panel.planes["sagittal"].click()
    assert viewer.dims.order == (2, 0, 1)
    assert checked(panel) == ["sagittal"]
    panel.planes["sagittal"].click()  # stays pressed
    assert checked(panel) == ["sagittal"]
    viewer.dims.order = (1, 0, 2)
    assert checked(panel) == ["coronal"]
    panel.view_3d.click()
    assert viewer.dims.ndisplay == 3
    assert checked(panel) == []
    assert panel.view_3d.isChecked()
    assert not panel.outline.isEnabled()
    assert "no outlines in 3D" in panel.outline.toolTip()
    panel.view_3d.click()
    assert checked(panel) == ["coronal"]
    assert not panel.view_3d.isChecked()


def test_windows_are_chosen_and_shown(viewer, panel):
    box = panel.windows
    titles = [box.itemText(n) for n in range(box.count())]
    assert titles[:4] == [
        "Automatic",
        "Soft tissue  40 / 400",
        "Liver  60 / 160",
        "Lung  \N{MINUS SIGN}600 / 1500",
    ]
    assert box.currentData() == "soft tissue"
    panel.next_window()
    assert box.currentData() == "liver"
    box.setCurrentIndex(4)
    box.activated.emit(4)
    assert tuple(viewer.layers["ct"].contrast_limits) == (-500, 1300)
    viewer.layers["ct"].contrast_limits = (1, 2)
    assert box.currentIndex() == -1
    assert box.placeholderText() == "Set by hand"

    viewer.layers["ct"].visible = False
    assert not box.isEnabled()
    assert box.toolTip().endswith("Not now: no scan is shown")
    viewer.add_image(np.abs(viewer.layers["ct"].data), name="mr")
    assert box.isEnabled()
    assert [box.itemText(n) for n in range(box.count())] == ["Automatic"]
    assert "no CT" in box.toolTip()
    viewer.layers["mr"].visible = False
    viewer.layers["ct"].visible = True
    assert "Shift+W" in box.toolTip()


def test_labels_are_made_faint_and_outlined(viewer, panel):
    labels = viewer.layers[1]
    assert panel.opacity.value() == 60
    panel.opacity.setValue(35)
    assert labels.opacity == pytest.approx(0.35)
    labels.opacity = 0.8
    assert panel.opacity.value() == 80
    assert labels.opacity == 0.8  # what is shown is not written back
    panel.outline.click()
    assert labels.contour == 1
    assert panel.outline.isChecked()
    labels.contour = 0
    assert not panel.outline.isChecked()
    viewer.layers.remove(labels)
    for control in (panel.opacity, panel.outline):
        assert not control.isEnabled()
        assert "there are no labels" in control.toolTip()


def test_controls_say_what_they_do_and_why_not(viewer, panel):
    for button in panel.findChildren(QAbstractButton):
        assert button.toolTip()
        assert not button.grab().isNull()
    assert "Shift+A" in panel.planes["axial"].toolTip()
    assert "Shift+Y" in panel.view_3d.toolTip()
    viewer.layers.clear()
    viewer.add_image(np.zeros((5, 6)))
    for button in (*panel.planes.values(), panel.view_3d, panel.linked):
        assert not button.isEnabled()
        assert "no volume is open" in button.toolTip()


def test_a_checked_button_is_filled(panel):
    panel.resize(320, 60)
    on, off = panel.planes["axial"], panel.planes["coronal"]

    def blue(button):
        color = button.grab().toImage().pixelColor(4, 4)
        return color.blue() - color.red()

    assert blue(on) > 100 > blue(off)


def test_panes_open_beside_the_dock_and_close(make_napari_viewer, until):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1100, 600)
    fill(viewer)
    proxy = PublicOnlyProxy(viewer)
    panel = LookPanel(proxy, Look(proxy))
    dock = viewer.window.add_dock_widget(panel, name="study", area="right")
    keys = KeyBinder(viewer)
    panel.bind_keys(keys)
    panel.windows.setFocus()
    QTest.keyClick(panel.windows, Qt.Key.Key_A, Qt.KeyboardModifier.ShiftModifier)
    assert checked(panel) == ["coronal"]
    assert "view_3d" in keys.bound
    keys.close()

    panel.linked.click()
    panes = dock.window().findChild(Panes)
    assert panes is not None
    assert panel.linked.isChecked()
    theirs = next(
        other
        for other in dock.window().findChildren(QDockWidget)
        if other.isAncestorOf(panes)
    )
    until(lambda: theirs.geometry().right() < dock.geometry().left())
    until(lambda: [pane.plane for pane in panes.panes] == ["axial", "sagittal"])
    width = dock.width()
    panel.linked.click()
    assert not panel.linked.isChecked()
    until(lambda: not theirs.isVisible())
    # The canvas gets the room of the panes, not the dock.
    until(lambda: dock.width() == width)

    panel.linked.click()
    panes = dock.window().findChild(Panes)
    viewer.window.remove_dock_widget(panes)  # by its own button
    assert not panel.linked.isChecked()
    panel.linked.click()  # and stays open while the window closes
