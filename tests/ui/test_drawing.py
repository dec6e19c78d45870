"""Brushes, lassos, boxes and scribbles with a real mouse on a real canvas."""

import napari
import numpy as np
import pytest
from napari.layers import Shapes
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.brush import stamp
from napari_mednext.correction.tools.cut import cut_lasso
from napari_mednext.correction.tools.islands import remove_one
from tests.ui.tools_parts import ToolsWindow, changed, labels

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
MIDDLE = Qt.MouseButton.MiddleButton
CTRL = Qt.KeyboardModifier.ControlModifier
ALT = Qt.KeyboardModifier.AltModifier
NONE = Qt.KeyboardModifier.NoModifier
SLICE = 3
PATH = [(SLICE, 2, 2), (SLICE, 5, 5), (SLICE, 8, 3)]


class Mouse:
    """Drags on the canvas from voxel to voxel, and notes what napari makes of it."""

    def __init__(self, window, viewer):
        self.window, self.viewer = window, viewer
        self.canvas = viewer.window._qt_viewer.canvas.native
        self.path = []
        viewer.mouse_drag_callbacks.append(self._note)

    def _note(self, _, event):
        self.path = [self._voxel(event)]
        yield
        while event.type == "mouse_move":
            self.path.append(self._voxel(event))
            yield

    def _voxel(self, event):
        return tuple(self.window.layer.world_to_data(event.position))

    def pixel(self, voxel):
        world = np.array(self.window.layer.data_to_world(voxel))
        camera = self.viewer.scene.camera
        shift = world[list(self.viewer.dims.displayed)] - camera.center[-2:]
        row, column = shift * camera.zoom
        middle = self.canvas.rect().center()
        return QPoint(round(middle.x() + column), round(middle.y() + row))

    def press(self, voxel, button=LEFT, key=NONE):
        QTest.mousePress(self.canvas, button, key, self.pixel(voxel))
        self.window.settle()

    def move(self, voxel):
        QTest.mouseMove(self.canvas, self.pixel(voxel))
        self.window.settle()

    def release(self, voxel, button=LEFT, key=NONE):
        QTest.mouseRelease(self.canvas, button, key, self.pixel(voxel))
        self.window.settle()

    def drag(self, path, button=LEFT, key=NONE):
        self.press(path[0], button, key)
        for voxel in path[1:]:
            self.move(voxel)
        self.release(path[-1], button, key)
        self.window.idle()

    def key(self, key):
        QTest.keyClick(self.canvas, key)
        self.window.settle()


@pytest.fixture(scope="module")
def viewer(qapp):
    """One for all tests here: each costs seconds."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(700, 500)
    yield viewer
    viewer.close()


@pytest.fixture(scope="module")
def shared(viewer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawing")
    window = ToolsWindow(PublicOnlyProxy(viewer), folder, count=2)
    window.open()
    yield window
    window.close()


@pytest.fixture
def window(shared, viewer):
    """The shared window as it is at first."""
    shared.open("case0")
    shared.panel.options.radius.setValue(2.0)
    viewer.reset_view()
    viewer.dims.set_point(0, shared.layer.data_to_world((SLICE, 0, 0))[0])
    shared.settle()
    yield shared
    shared.panel.drawing.end()
    shared.idle()


@pytest.fixture
def mouse(window, viewer):
    mouse = Mouse(window, viewer)
    yield mouse
    viewer.mouse_drag_callbacks.remove(mouse._note)


def scope(window, span=None, *, protect=False):
    case = window.flow.case
    return Scope(1, case.spacing, case.volume.array[0], span, protect)


def is_at_rest(window):
    """No mode is on, no layer of one is left, and the labels are chosen."""
    layers = window.viewer.layers
    assert window.panel.drawing.mode is None
    assert not any(button.isChecked() for button in window.panel.buttons.values())
    assert [layer.name for layer in layers] == [
        f"{window.flow.case.name}{suffix}" for suffix in ("", " labels")
    ]
    assert layers.selection.active == window.layer
    assert window.layer.mouse_pan
    assert window.layer.cursor == "standard"
    return True


def stamped(window, before, path, radius_mm, *, span=None, **options):
    """Return labels after the same stroke by the function; limits as set."""
    path = [(SLICE, y, x) for _, y, x in path]
    limits = scope(window, span, protect=span is not None)
    return changed(before, stamp(before, limits, path, radius_mm=radius_mm, **options))


def test_the_brush_paints_as_the_stamp_does(window, mouse, viewer):
    layer, size = window.layer, window.layer.brush_size
    window.press("ball")
    assert (layer.mode, layer.cursor, layer.mouse_pan) == ("pan_zoom", "circle", False)
    assert layer.cursor_size == 4.0
    # The box behind it would end the process between two cases, with Mesa.
    assert not viewer.canvas.overlays["_brush_circle"].box

    before, count = window.array.copy(), len(window.titles)
    mouse.press(PATH[0])
    for voxel in PATH[1:]:
        mouse.move(voxel)
        assert (window.array != before).any(), "it shows while the button is down"
    assert len(window.titles) == count
    mouse.release(PATH[-1])
    after = stamped(window, before, mouse.path, 2.0)
    np.testing.assert_array_equal(window.array, after)
    assert window.titles[count:] == ["ball brush"]
    layer.undo()
    np.testing.assert_array_equal(window.array, before)
    layer.redo()

    for keys, button in ((NONE, RIGHT), (CTRL, LEFT)):
        before = window.array.copy()
        mouse.drag(PATH[:2], button, keys)
        after = stamped(window, before, mouse.path, 2.0, erase=True)
        np.testing.assert_array_equal(window.array, after)
        assert window.titles[-1] == "ball eraser"
        layer.undo()

    # Its button ends it; napari's brush is as it was.
    window.press("ball")
    assert is_at_rest(window)
    assert layer.brush_size == size


def test_the_brush_keeps_to_the_limits_and_leaves_the_scan(window, mouse):
    window.press("ball")
    window.panel.limits.set_window(30, 130)
    window.panel.limits.protect.setChecked(True)
    before = window.array.copy()
    mouse.drag([(SLICE, 9, 2), (SLICE, 9, 14), (SLICE, -6, 7)])
    after = stamped(window, before, mouse.path, 2.0, span=(30, 130))
    np.testing.assert_array_equal(window.array, after)
    assert (window.array[before == 2] == 2).all()
    window.panel.limits.window_on.setChecked(False)
    window.panel.limits.protect.setChecked(False)


def test_the_keys_of_napari_change_the_size_of_the_disc(window, mouse):
    layer, options = window.layer, window.panel.options
    window.press("ball")
    mouse.key(Qt.Key.Key_BracketRight)
    radius = options.radius.value()
    assert radius == pytest.approx(2.5, abs=0.1)
    assert layer.cursor_size == pytest.approx(2 * radius)
    window.press("disc")
    window.start_with(labels())
    before = window.array.copy()
    mouse.drag(PATH)
    after = stamped(window, before, mouse.path, radius, sphere=False)
    np.testing.assert_array_equal(window.array, after)
    assert window.titles[-1] == "disc brush"


def test_the_middle_button_and_alt_do_not_paint(window, mouse, viewer):
    window.press("disc")
    count, center = len(window.titles), np.array(viewer.scene.camera.center)
    held, there = (SLICE, 5, 5), (SLICE, 7, 6)
    mouse.drag([held, there], MIDDLE)
    moved = center - viewer.scene.camera.center
    expected = np.subtract(there, held) * window.flow.case.spacing
    np.testing.assert_allclose(moved[-2:], expected[-2:], atol=0.05)
    mouse.drag(PATH, LEFT, ALT)
    assert len(window.titles) == count


def test_a_brush_ends_in_time(window, mouse, viewer):
    layer = window.layer
    window.press("ball")
    mouse.press(PATH[0])
    mouse.move(PATH[1])
    mouse.key(Qt.Key.Key_Escape)
    assert window.titles[-1] == "ball brush", "the stroke is kept"
    now = window.array.copy()
    mouse.move(PATH[2])
    mouse.release(PATH[2])
    np.testing.assert_array_equal(window.array, now)
    assert is_at_rest(window)

    window.press("ball")
    layer.mode = "paint"
    assert window.panel.drawing.mode is None
    assert layer.mode == "paint"
    layer.mode = "pan_zoom"

    window.press("ball")
    viewer.dims.ndisplay = 3
    viewer.dims.ndisplay = 2
    assert is_at_rest(window)

    window.press("ball")
    viewer.layers.selection.active = viewer.layers["case0"]
    window.settle()
    assert window.panel.drawing.mode is None
    assert viewer.layers.selection.active.name == "case0"

    # A layer that is only added does not end it.
    window.press("ball")
    viewer.add_points(ndim=3, units=layer.units, name="extra")
    viewer.layers.selection = {layer}
    window.settle()
    assert window.panel.drawing.name == "ball"
    viewer.layers.remove("extra")
    viewer.layers.selection = {layer}
    window.settle()


def test_nothing_is_painted_without_a_label_or_in_between(window, mouse, monkeypatch):
    layer = window.layer
    window.press("ball")
    count = len(window.titles)
    layer.selected_label = 0
    mouse.drag(PATH)
    assert "choose a label first" in window.said[-1][0]
    layer.selected_label = 1
    with monkeypatch.context() as patch:
        patch.setattr(window.flow, "why_not_editable", lambda: "it is busy")
        mouse.drag(PATH)
    assert window.said[-1][0] == "Painting is not possible: it is busy."
    assert len(window.titles) == count


def test_a_stroke_in_the_hand_is_kept_when_the_case_goes(window, mouse):
    window.press("ball")
    mouse.press(PATH[0])
    mouse.move(PATH[1])
    window.start_with(labels())
    case = window.flow.case
    window.layer.selected_label = 2
    mouse.move(PATH[2])
    steps = len(case.editing.history.done)
    window.flow.open_case("case1")
    assert len(case.editing.history.done) == steps + 1
    window.wait(lambda: window.layer is not None)
    window.idle()
    mouse.release(PATH[2])
    assert is_at_rest(window)


def test_shapes_are_drawn_on_a_layer_that_goes(window, mouse, viewer):
    before, count = window.array.copy(), len(window.titles)
    drawn = []
    window.press("lasso")
    shapes = viewer.layers["lasso"]
    assert isinstance(shapes, Shapes)
    assert [str(unit) for unit in shapes.units] == ["millimeter"] * 3
    shapes.events.data.connect(
        lambda event: drawn.append([np.array(data) for data in shapes.data])
    )
    turn = np.linspace(0, 6.2, 16)
    mouse.drag([(SLICE, 4 + 3 * np.sin(a), 3 + 2 * np.cos(a)) for a in turn])
    change = cut_lasso(before, scope(window), polygon=drawn[-1][-1][:, 1:])
    np.testing.assert_array_equal(window.array, changed(before, change))
    assert window.titles[count:] == ["cut with a lasso"]
    assert is_at_rest(window)

    # Escape cancels in the middle of it; taking the layer away does, too.
    count = len(window.titles)
    window.press("lasso")
    mouse.press((SLICE, 1, 1))
    mouse.move((SLICE, 8, 1))
    mouse.key(Qt.Key.Key_Escape)
    assert is_at_rest(window)
    mouse.release((SLICE, 8, 1))
    window.press("plane")
    viewer.layers.remove("line")
    window.settle()
    assert is_at_rest(window)
    assert len(window.titles) == count

    # A click is no box, and does not end the mode.
    window.panel.options.depth.setValue(0)
    window.press("review_box")
    mouse.drag([(SLICE, 4, 3)])
    assert window.panel.drawing.name == "review_box"
    mouse.drag([(SLICE, 1.7, 2.2), (SLICE, 4, 4), (SLICE, 6.4, 7.3)])
    box = window.flow.case.editing.history.done[-1].box
    assert box == (slice(3, 4), slice(2, 7), slice(3, 8))
    assert is_at_rest(window)

    before = window.array.copy()
    window.press("remove_one")
    mouse.drag([(SLICE, 5, 1)])
    change = remove_one(before, scope(window), at=(SLICE, 5, 1))
    np.testing.assert_array_equal(window.array, changed(before, change))
    assert is_at_rest(window)


def test_scribbles_are_drawn_and_grow(window, mouse, viewer):
    window.press("inside")
    mouse.drag([(SLICE, 2, 2), (SLICE, 2, 4)])
    window.press("outside")
    mouse.drag([(SLICE, 9, 2), (SLICE, 9, 4)])
    mode = window.panel.drawing.mode
    scribbles = mode.layer.data
    np.testing.assert_array_equal(mode.voxels(1), np.argwhere(scribbles == 1))
    np.testing.assert_array_equal(mode.voxels(2), np.argwhere(scribbles == 2))
    assert len(mode.voxels(1))
    assert len(mode.voxels(2))
    viewer.layers.selection = {window.layer}
    window.settle()
    assert window.panel.drawing.mode is mode, "the scribbles are not lost"
    window.press("grow")
    assert window.titles[-1] == "grow from scribbles"
    assert is_at_rest(window)

    window.press("inside")
    window.press("ball")
    assert window.panel.drawing.name == "ball"
    assert "scribbles" not in viewer.layers
    window.press("inside")
    window.flow.open_case("case1")
    window.wait(lambda: window.layer is not None)
    window.idle()
    assert is_at_rest(window)
