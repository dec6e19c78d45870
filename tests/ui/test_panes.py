import gc

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.qt import QtViewer
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_mednext.ui.crosshair import Crosshair
from napari_mednext.ui.keys import KeyBinder
from napari_mednext.ui.panes import Panes
from napari_mednext.ui.planes import reveal

SPACING = np.array((3.0, 0.9, 1.1))
ORIGIN = np.array((-40.0, 12.5, 7.0))
SHAPE = (21, 61, 45)
PLACE = {"scale": SPACING, "translate": ORIGIN, "units": ("mm",) * 3}


def world(*voxel):
    return ORIGIN + SPACING * voxel


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 500)
    scan = np.random.default_rng(1).integers(-200, 200, SHAPE).astype(np.int16)
    viewer.add_image(scan, contrast_limits=(-2000, 8000), colormap="gray", **PLACE)
    viewer.add_labels(np.zeros(SHAPE, np.uint8), opacity=1.0, **PLACE)
    return viewer


def open_dock(viewer, until):
    """Show the panes as napari does, handed a proxy as all docks are."""
    panes = Panes(PublicOnlyProxy(viewer))
    dock = viewer.window.add_dock_widget(panes, name="panes", area="right")
    until(lambda: panes.panes[0].mirrors and panes.panes[1].mirrors)
    return dock, panes


def canvas(pane):
    return pane.view.canvas.native


def pixel(pane, point):
    """Where a point is on a pane, by the crosshair's own account."""
    pane.crosshair.set_point(point)
    return pane.crosshair.position().toPoint()


def color_at(pane, point):
    """The colour that a pane has drawn at a point."""
    where = pixel(pane, point)
    picture = pane.view.screenshot(flash=False)
    return tuple(int(v) for v in picture[where.y(), where.x(), :3])


def test_a_point_links_all_views(viewer, until):
    _, panes = open_dock(viewer, until)
    coronal, sagittal = panes.panes
    assert (coronal.plane, sagittal.plane) == ("coronal", "sagittal")

    # A click in a pane, at a voxel that is not in the middle of anything.
    viewer.scene.camera.zoom *= 4
    viewer.dims.set_point(1, world(0, 40, 0)[1])
    until(lambda: coronal.model.dims.point[1] == viewer.dims.point[1])
    target = world(6, 40, 11)
    spot = pixel(coronal, target)
    QTest.mouseClick(canvas(coronal), Qt.MouseButton.LeftButton, pos=spot)
    voxel = (np.array(viewer.dims.point) - ORIGIN) / SPACING
    np.testing.assert_allclose(voxel, (6, 40, 11))
    np.testing.assert_allclose(panes.point, target)
    until(lambda: np.allclose(sagittal.model.dims.point[2], target[2]))
    assert (coronal.crosshair.position().toPoint() - spot).manhattanLength() <= 1
    half = np.array(viewer.canvas.size) / 2 / viewer.scene.camera.zoom
    offset = np.abs(target[1:] - viewer.scene.camera.center[-2:])
    assert (offset <= half).all()  # the main view has followed

    # A drag.
    button = Qt.MouseButton.LeftButton
    center = sagittal.model.scene.camera.center
    QTest.mousePress(canvas(sagittal), button, pos=pixel(sagittal, target))
    target = world(15, 22, 11)
    QTest.mouseMove(canvas(sagittal), pixel(sagittal, target))
    until(lambda: np.allclose(viewer.dims.point, target))
    QTest.mouseRelease(canvas(sagittal), button, pos=pixel(sagittal, target))
    assert sagittal.model.scene.camera.center == center  # the picture stays

    # A step through the slices of a pane, as the wheel with Ctrl does.
    coronal.model.dims.set_point(1, world(0, 31, 0)[1])
    assert np.allclose(viewer.dims.point, world(15, 31, 11))

    # The main viewer turns and moves.
    viewer.dims.order = (1, 0, 2)
    assert [pane.plane for pane in panes.panes] == ["axial", "sagittal"]
    viewer.dims.set_point((0, 2), world(4, 0, 33)[[0, 2]])
    until(lambda: np.allclose(panes.panes[0].model.dims.point[0], world(4, 0, 0)[0]))
    until(lambda: np.allclose(panes.panes[1].model.dims.point[2], world(0, 0, 33)[2]))

    # A click in the main canvas, while its labels are not painted on.
    main = viewer.window._qt_viewer.canvas.native
    viewer.scene.camera.center = (0.0, *world(9, 0, 20)[[0, 2]])
    QTest.mouseClick(main, button, pos=QPoint(main.width() // 2, main.height() // 2))
    until(lambda: np.allclose(panes.panes[1].model.dims.point[2], world(0, 0, 20)[2]))
    np.testing.assert_allclose(panes.point, world(9, 31, 20))
    QTest.mousePress(main, button, pos=QPoint(30, 30))
    QTest.mouseMove(main, QPoint(50, 60))
    QTest.mouseRelease(main, button, pos=QPoint(50, 60))  # moves the picture only
    np.testing.assert_allclose(panes.point, world(9, 31, 20))


def test_painting_shows_in_the_panes(viewer, until):
    dock, panes = open_dock(viewer, until)
    labels = viewer.layers[1]
    refreshed = []
    for pane in panes.panes:
        shown = pane.mirrors[1].layer
        shown.events.set_data.connect(lambda event: refreshed.append(event.source))
    viewer.dims.set_point(range(3), world(10, 30, 22))
    until(lambda: panes.panes[0].model.dims.point[1] == world(0, 30, 0)[1])
    refreshed.clear()

    # Many dabs while the window has no time are drawn once.
    labels.brush_size, labels.n_edit_dimensions = 9, 3
    for z in range(9, 14):
        labels.paint((z, 30, 22), 3)
    assert refreshed == []
    until(lambda: len(refreshed) == 2)
    painted = [color_at(pane, world(11, 30, 22)) for pane in panes.panes]
    expected = tuple(round(255 * v) for v in labels.get_color(3)[:3])
    assert painted == [expected, expected]

    # Undo is shown, and a step to another slice of the main canvas is not.
    labels.undo()
    until(lambda: len(refreshed) == 4)
    viewer.dims.set_point(0, world(3, 0, 0)[0])
    until(lambda: panes._point_timer.isActive() is False)
    assert not panes._paint_timer.isActive()

    # While the dock is hidden nothing is drawn; it catches up.
    dock.hide()
    until(lambda: not panes.isVisible())
    labels.data[:] = 2
    labels.refresh()
    viewer.dims.set_point(0, world(5, 0, 0)[0])
    viewer.dims.order = (2, 0, 1)
    assert not panes._paint_timer.isActive()
    assert not panes._point_timer.isActive()
    dock.show()
    until(panes.isVisible)
    assert [pane.plane for pane in panes.panes] == ["axial", "coronal"]
    until(lambda: panes.panes[0].model.dims.point[0] == world(5, 0, 0)[0])
    expected = tuple(round(255 * v) for v in labels.get_color(2)[:3])
    assert color_at(panes.panes[1], world(8, 31, 20)) == expected


def layers_come_and_go(viewer, panes, until):
    """The panes follow which layers there are, and which are visible."""
    # What is hidden in 3D, to see the labels there, stays in the panes.
    scan = panes.panes[0].mirrors[0].layer
    viewer.dims.ndisplay = 3
    planes, point = [pane.plane for pane in panes.panes], panes.point
    main = viewer.window._qt_viewer.canvas.native
    QTest.mouseClick(main, Qt.MouseButton.LeftButton, pos=QPoint(30, 30))
    assert [pane.plane for pane in panes.panes] == planes
    np.testing.assert_array_equal(panes.point, point)
    viewer.layers[0].visible = False
    until(lambda: not panes._point_timer.isActive())
    assert scan.visible
    viewer.dims.ndisplay = 2
    until(lambda: not scan.visible)
    viewer.layers[0].visible = True
    until(lambda: scan.visible)

    # Layers come and go.
    doubt = viewer.add_image(np.zeros(SHAPE, np.float32), **PLACE)
    viewer.layers.move(2, 0)
    for pane in panes.panes:
        originals = [mirror.original for mirror in pane.mirrors]
        assert originals == [doubt, *viewer.layers[1:3]]
        assert [mirror.layer for mirror in pane.mirrors] == list(pane.model.layers)
        assert not pane.model.layers.selection
    viewer.layers.remove(viewer.layers[1])
    assert len(panes.panes[1].model.layers) == 2
    viewer.layers.clear()
    assert not panes.panes[1].model.layers
    viewer.add_image(np.zeros((2, *SHAPE), np.int16), scale=(1, *SPACING))
    viewer.dims.order = (0, 1, 2, 3)
    assert [pane.plane for pane in panes.panes] == ["coronal", "sagittal"]


def test_keys_and_the_end(viewer, until):
    dock, panes = open_dock(viewer, until)
    pressed = []
    binder = KeyBinder(viewer)
    binder.bind("next_spot", lambda: pressed.append("spot"))
    shift, control = (
        Qt.KeyboardModifier.ShiftModifier,
        Qt.KeyboardModifier.ControlModifier,
    )
    labels = viewer.layers[1]
    labels.paint((5, 6, 7), 2)
    for pane in panes.panes:
        QTest.keyClick(canvas(pane), Qt.Key.Key_N, shift)
    QTest.keyClick(canvas(panes.panes[1]), Qt.Key.Key_2)
    QTest.keyClick(canvas(panes.panes[0]), Qt.Key.Key_Z, control)
    assert pressed == ["spot", "spot"]
    assert labels.mode == "paint"
    assert labels.data.max() == 0
    binder.close()
    del labels, pane
    layers_come_and_go(viewer, panes, until)

    assert len(QtViewer._instances) == 3
    callbacks, ended = len(viewer.mouse_drag_callbacks), []
    panes.ended.connect(lambda: ended.append(1))
    viewer.window.remove_dock_widget(dock)
    assert len(viewer.mouse_drag_callbacks) == callbacks - 1
    assert ended == [1]
    panes.end()  # it has ended
    del panes, dock
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    viewer.dims.order = (0, 2, 1, 3)
    until(lambda: gc.collect() is not None and len(QtViewer._instances) == 1)


@pytest.mark.parametrize(
    ("order", "letters"),
    [
        ((0, 1, 2), ("A", "P", "R", "L")),
        ((1, 0, 2), ("F", "H", "R", "L")),
        ((2, 0, 1), ("F", "H", "A", "P")),
    ],
)
def test_letters_say_where_the_patient_is(qtbot, order, letters):
    model = ViewerModel()
    model.add_image(np.zeros(SHAPE, np.uint8), **PLACE)
    model.dims.order = order
    canvas = QWidget()
    qtbot.addWidget(canvas)
    canvas.resize(300, 200)
    crosshair = Crosshair(model, canvas)
    assert crosshair.directions() == letters
    assert crosshair.position() is None
    model.scene.camera.orientation2d = ("up", "left")
    top, bottom, left, right = letters
    assert crosshair.directions() == (bottom, top, right, left)

    model.scene.camera.zoom = 5.0
    point = world(6, 40, 11)
    row, column = point[list(order[1:])]
    model.scene.camera.center = (0.0, row + 2, column - 3)
    crosshair.set_point(point)
    position = crosshair.position()  # up and left: what is less is lower and right
    assert (position.x(), position.y()) == pytest.approx((150 - 15, 100 + 10))


def test_the_view_moves_only_where_it_must():
    model = ViewerModel()
    model.add_image(np.zeros(SHAPE, np.uint8), **PLACE)
    model.canvas.size = (200, 100)
    camera = model.scene.camera
    camera.zoom, camera.center = 10.0, (0.0, 30.0, 20.0)  # 20 mm high, 10 mm wide
    reveal(model, np.array((0.0, 21.0, 24.0)))
    assert tuple(camera.center[-2:]) == (30, 20)
    reveal(model, np.array((0.0, 21.0, 26.0)))
    assert tuple(camera.center[-2:]) == (30, 26)
    reveal(model, np.array((0.0, 19.0, 90.0)))
    assert tuple(camera.center[-2:]) == (19, 90)
    model.dims.ndisplay = 3
    before = camera.center
    reveal(model, np.array((0.0, 0.0, 0.0)))
    assert camera.center == before
