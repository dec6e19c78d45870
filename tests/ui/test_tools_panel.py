"""The tools in the window do what the functions do, as one step each."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from qtpy.QtWidgets import QApplication

from napari_mednext.app.open_case import Answer
from napari_mednext.correction import Scope
from napari_mednext.correction.provenance import HUMAN, REVIEWED
from napari_mednext.correction.tools import (
    cut,
    grow,
    holes,
    interpolate,
    islands,
    mirror,
    morphology,
    slices,
    snap,
    touching,
)
from napari_mednext.errors import InputError
from napari_mednext.ui.keys import KEYS, KeyBinder
from napari_mednext.ui.tool_limits import ToolLimits
from napari_mednext.ui.tool_place import drawn_box, slice_box, slice_on_screen
from napari_mednext.ui.tool_runs import unused_labels
from napari_mednext.ui.tool_table import SECTIONS, TOOLS
from tests.app.desk_parts import GRID
from tests.ui.tools_parts import ToolsWindow, changed, labels

SLICE = 3
#: What each button that works at once does, on slice 3 with the sizes of the panel.
AT_ONCE = {
    "interpolate": lambda a, s: interpolate.interpolate(a, s, axis=0),
    "copy_next": lambda a, s: slices.copy_slice(a, s, axis=0, index=SLICE, to=[4]),
    "copy_previous": lambda a, s: slices.copy_slice(a, s, axis=0, index=SLICE, to=[2]),
    "mirror": lambda a, s: mirror.mirror(a, s),
    "smooth": lambda a, s: morphology.smooth(a, s, mm=2.0),
    "dilate": lambda a, s: morphology.dilate(a, s, mm=2.0),
    "erode": lambda a, s: morphology.erode(a, s, mm=2.0),
    "snap": lambda a, s: snap.snap(a, s, reach_mm=3.0),
    "fill_holes": lambda a, s: holes.fill_holes(a, s),
    "fill_slices": lambda a, s: holes.fill_holes(a, s, axis=0),
    "keep_largest": lambda a, s: islands.keep_largest(a, s),
    "remove_smaller": lambda a, s: islands.remove_smaller(a, s, volume_ml=0.01),
    "split": lambda a, s: islands.split(a, s, new_labels=[2]),
}
#: Grey values, and whether other labels are protected.
LIMITS = [(None, False), ((20.0, 140.0), True)]


@pytest.fixture(scope="module")
def shared(qapp, tmp_path_factory):
    window = ToolsWindow(ViewerModel(), tmp_path_factory.mktemp("tools"))
    window.open()
    yield window
    window.close()


@pytest.fixture
def window(shared):
    """The shared window as it is at first."""
    limits, options = shared.panel.limits, shared.panel.options
    limits.window_on.setChecked(False)
    limits.protect.setChecked(False)
    options.other.setCurrentIndex(0)
    options.contours.setChecked(False)
    options.cut.setCurrentIndex(0)
    options.method.setCurrentIndex(0)
    options.island.setValue(0.01)
    shared.viewer.dims.order = (0, 1, 2)
    shared.viewer.dims.ndisplay = 2
    go_to(shared, 0, SLICE)
    shared.flow.case.answer = None
    shared.start_with(labels())
    yield shared
    shared.panel.drawing.end()
    shared.idle()


def go_to(window, axis, number):
    point = [0.0, 0.0, 0.0]
    point[axis] = number
    world = window.layer.data_to_world(point)
    window.viewer.dims.set_point(axis, world[axis])


def scope_of(window, limits=(None, False)):
    image = window.flow.case.volume.array[0]
    return Scope(1, window.flow.case.spacing, image, *limits)


def set_limits(window, limits):
    span, protect = limits
    if span is not None:
        window.panel.limits.set_window(*span)
    window.panel.limits.protect.setChecked(protect)


def check_one_step(window, before, after, count):
    """One step was made; it is taken back and done again whole."""
    assert len(window.titles) == count + 1, window.said
    np.testing.assert_array_equal(window.array, after)
    window.layer.undo()
    np.testing.assert_array_equal(window.array, before)
    window.layer.redo()
    np.testing.assert_array_equal(window.array, after)


@pytest.mark.parametrize("limits", LIMITS, ids=["free", "limited"])
@pytest.mark.parametrize("name", AT_ONCE)
def test_a_button_does_what_its_function_does(window, name, limits):
    before, count = window.array.copy(), len(window.titles)
    set_limits(window, limits)
    if name == "split":
        window.panel.options.other.setCurrentIndex(2)
        assert window.panel.options.other_label == 2
    change = AT_ONCE[name](before, scope_of(window, limits))
    window.press(name)
    if change is None:
        assert "nothing to change" in window.said[-1][0]
        assert len(window.titles) == count
    else:
        check_one_step(window, before, changed(before, change), count)
        assert window.said[-1][1] == "done"


def test_tools_follow_the_plane_on_screen(window):
    window.viewer.dims.order = (2, 0, 1)  # sagittal
    go_to(window, 2, 4)
    before = window.array.copy()
    assert slice_on_screen(window.viewer, window.layer) == (2, 4)
    window.press("copy_next")
    change = slices.copy_slice(before, scope_of(window), axis=2, index=4, to=[5])
    np.testing.assert_array_equal(window.array, changed(before, change))
    assert slice_on_screen(window.viewer, window.layer) == (2, 5)
    before = window.array.copy()
    window.press("mirror")
    change = mirror.mirror(before, scope_of(window), plane=5.0)
    np.testing.assert_array_equal(window.array, changed(before, change))


def test_copying_past_the_last_slice_or_from_an_empty_one_stays(window):
    go_to(window, 0, 0)
    window.press("copy_previous")
    assert window.said[-1] == ("There is no further slice.", "info")
    window.press("copy_next")
    assert "must hold label 1" in window.said[-1][0]
    assert slice_on_screen(window.viewer, window.layer) == (0, 0)


def test_outlines_are_filled_before_interpolating(window):
    window.panel.options.contours.setChecked(True)
    before = window.array.copy()
    window.press("interpolate")
    change = interpolate.interpolate(before, scope_of(window), contours=True)
    np.testing.assert_array_equal(window.array, changed(before, change))


def test_mirror_images_go_to_the_other_label(window):
    window.panel.options.other.setCurrentIndex(2)
    before = window.array.copy()
    window.press("mirror")
    change = mirror.mirror(before, scope_of(window), to_label=2)
    np.testing.assert_array_equal(window.array, changed(before, change))


def test_splitting_takes_labels_that_are_not_used(window):
    window.press("split")
    assert "all 2 of the study are" in window.said[-1][0]
    array = labels()
    array[array == 2] = 0
    window.start_with(array)
    window.press("split")
    change = islands.split(array, scope_of(window), new_labels=[2])
    np.testing.assert_array_equal(window.array, changed(array, change))


def test_unused_labels_keep_their_order():
    array = labels()
    assert unused_labels(array, [3, 2, 1, 300]) == [3]
    assert unused_labels(array, [9, 2, 4]) == [9, 4]


def test_large_volumes_are_worked_on_in_the_background(window, monkeypatch):
    calls = []
    monkeypatch.setattr(
        window.flow, "apply", lambda title, tool, is_slow: calls.append(is_slow)
    )
    window.panel.runs.smooth()
    monkeypatch.setattr("napari_mednext.ui.tool_runs.LARGE", window.array.size)
    window.panel.runs.smooth()
    window.panel.runs.copy_next()
    assert calls == [False, True, False]


# ---- limits ----


def test_the_scope_says_what_is_set(window):
    scope = window.panel.scope()
    assert (scope.label, scope.window, scope.protect) == (1, None, False)
    assert scope.spacing == window.flow.case.spacing
    assert scope.image is not None
    assert np.shares_memory(scope.image, window.flow.case.volume.array)
    set_limits(window, ((3.0, 70.0), True))
    scope = window.panel.scope()
    assert (scope.window, scope.protect) == ((3.0, 70.0), True)


def test_the_background_is_no_label_to_work_on(window):
    window.layer.selected_label = 0
    with pytest.raises(InputError, match="selected one is 0, the background"):
        window.panel.scope()
    count = len(window.titles)
    window.press("dilate")
    assert "choose a label first" in window.said[-1][0]
    assert len(window.titles) == count
    window.panel.limits.take_from_label()
    assert "choose a label first" in window.said[-1][0]


def test_grey_values_the_wrong_way_round_are_refused(window):
    set_limits(window, ((70.0, 3.0), False))
    window.press("dilate")
    assert "from low to high" in window.said[-1][0]


@pytest.mark.parametrize("name", ["dilate", "erode"])
def test_less_than_a_voxel_is_said(window, name):
    least, count = min(window.flow.case.spacing), len(window.titles)
    window.panel.options.size.setValue(least - 0.2)
    window.press(name)
    assert "is less than a voxel" in window.said[-1][0]
    assert len(window.titles) == count
    window.panel.options.size.setValue(np.ceil(least * 10) / 10)
    window.press(name)
    assert window.titles[-1] == name


def test_grey_values_come_from_the_label(window):
    limits = window.panel.limits
    limits.from_label.click()
    inside = window.flow.case.volume.array[0][window.array == 1]
    low, high = np.percentile(inside, (5, 95))
    assert limits.window_on.isChecked()
    assert (limits.low.value(), limits.high.value()) == pytest.approx(
        (low, high), abs=0.5
    )
    window.start_with(np.zeros_like(window.array))
    limits.from_label.click()
    assert window.said[-1] == ("Label 1 is not drawn yet.", "warning")


def test_grey_values_come_from_a_spot(window):
    limits, image = window.panel.limits, window.flow.case.volume.array[0]
    limits.take_from_spot((0.2, 11.0, 4.4))
    offsets = np.stack(np.meshgrid(*(np.arange(n) for n in image.shape), indexing="ij"))
    way = (offsets.reshape(3, -1).T - (0, 11, 4)) * window.flow.case.spacing
    near = (np.linalg.norm(way, axis=1) <= 3.0).reshape(image.shape)
    low, high = np.percentile(image[near], (5, 95))
    spot = image[0, 11, 4]
    assert limits.low.value() == pytest.approx(min(low, spot), abs=0.5)
    assert limits.high.value() == pytest.approx(max(high, spot), abs=0.5)
    limits.take_from_spot((0.0, 12.0, 4.0))
    assert window.said[-1] == ("Click on the scan.", "warning")


def test_grey_values_of_fractions_have_digits(window):
    limits = window.panel.limits
    volume = SimpleNamespace(array=np.linspace(0, 1, 60).reshape(1, 3, 4, 5))
    limits._on_case(SimpleNamespace(volume=volume))
    limits.set_window(0.125, 0.5)
    assert limits.low.value() == 0.125
    limits._on_case(window.flow.case)
    assert limits.low.decimals() == 0


def test_turning_a_value_turns_the_window_on(window):
    window.panel.limits.low.setValue(17)
    assert window.panel.limits.window_on.isChecked()


# ---- picks ----


def click(window, voxel, *, moves=()):
    """Click on the labels layer as the canvas would; moves are in pixels."""

    def event(kind, pixels=0.0):
        return ReadOnlyWrapper(
            SimpleNamespace(
                type=kind,
                position=tuple(window.layer.data_to_world(voxel)),
                pos=np.array((100.0 + pixels, 100.0)),
                button=1,
                modifiers=(),
                is_dragging=True,
            )
        )

    mouse_press_callbacks(window.layer, event("mouse_press"))
    for pixels in moves:
        mouse_move_callbacks(window.layer, event("mouse_move", pixels))
    mouse_release_callbacks(window.layer, event("mouse_release"))
    window.settle()
    window.idle()


@pytest.mark.parametrize("name", ["keep_one", "remove_one"])
def test_a_click_picks_an_island(window, name):
    before, count = window.array.copy(), len(window.titles)
    window.layer.mode = "paint"
    window.press(name)
    assert window.panel.buttons[name].isChecked()
    assert (window.layer.mode, window.layer.cursor) == ("pan_zoom", "crosshair")
    click(window, (6, 3, 6), moves=(2.0, 30.0))
    assert window.panel.drawing.name == name, "dragging is no click"
    click(window, (6, 3, 6), moves=(1.0,))
    assert not window.panel.buttons[name].isChecked()
    assert (window.layer.mode, window.layer.cursor) == ("paint", "circle")
    window.layer.mode = "pan_zoom"
    tool = getattr(islands, name)
    change = tool(before, scope_of(window), at=(6, 3, 6))
    check_one_step(window, before, changed(before, change), count)


def test_two_clicks_part_two_bodies(window):
    array = np.zeros_like(window.array)
    array[2:5, 2:6, 1:4] = array[2:5, 2:6, 5:8] = array[3, 3, 4] = 1
    window.start_with(array)
    before, count = window.array.copy(), len(window.titles)
    window.press("part")
    click(window, (3, 3, 2))
    assert window.said[-1][0].startswith("Now click")
    click(window, (3, 3, 6))
    change = touching.split_touching(
        array, scope_of(window), seeds=[(3, 3, 2), (3, 3, 6)], new_labels=[2]
    )
    check_one_step(window, before, changed(before, change), count)


def test_a_click_beside_the_island_is_explained(window):
    count = len(window.titles)
    window.press("keep_one")
    click(window, (0, 0, 0))
    assert "must lie on an island" in window.said[-1][0]
    assert len(window.titles) == count


def test_a_click_takes_grey_values(window):
    window.panel.limits.from_spot.click()
    assert window.panel.drawing.name == "spot"
    click(window, (3, 3, 3))
    assert window.panel.limits.window_on.isChecked()
    assert window.panel.drawing.name == ""


# ---- shapes, by what is drawn ----


def draw(window, name, corners):
    """Finish a shape as napari would when it is drawn."""
    window.press(name)
    shapes = window.panel.drawing.mode.layer
    assert tuple(shapes.scale) == tuple(window.layer.scale)
    assert tuple(shapes.translate) == tuple(window.layer.translate)
    assert [str(unit) for unit in shapes.units] == ["millimeter"] * 3
    kind = {"lasso": "polygon", "plane": "line"}.get(name, "rectangle")
    shapes.add(np.array(corners, dtype=float), shape_type=kind)
    window.settle()
    window.idle()
    assert window.panel.drawing.mode is None
    assert window.viewer.layers.selection.active is window.layer
    assert [layer.name for layer in window.viewer.layers] == ["case0", "case0 labels"]


POLYGON = [(3, 1.5, 0.4), (3, 5.2, 0.4), (3, 5.6, 4.7), (3, 1.5, 3.3)]


@pytest.mark.parametrize("row", range(4))
def test_a_lasso_cuts(window, row):
    window.panel.options.cut.setCurrentIndex(row)
    before, count = window.array.copy(), len(window.titles)
    draw(window, "lasso", POLYGON)
    change = cut.cut_lasso(
        before,
        scope_of(window),
        polygon=np.array(POLYGON)[:, 1:],
        inside=row % 2 == 0,
        slices=slice(3, 4) if row > 1 else None,
    )
    check_one_step(window, before, changed(before, change), count)


def test_a_line_cuts_the_smaller_part_off_and_gives_it_away(window):
    window.panel.options.other.setCurrentIndex(2)
    window.viewer.dims.order = (1, 0, 2)  # coronal
    go_to(window, 1, 4)
    line = [(0.2, 4, 2.4), (6.0, 4, 3.1)]
    before, count = window.array.copy(), len(window.titles)
    draw(window, "plane", line)
    change = cut.cut_plane(
        before, scope_of(window), points=line, axis=1, keep="larger", to_label=2
    )
    check_one_step(window, before, changed(before, change), count)


BOX_CORNERS = [(3, 1.6, 2.0), (3, 1.6, 6.4), (3, 7.7, 6.4), (3, 7.7, 2.0)]
BOX = (slice(2, 5), slice(2, 8), slice(2, 7))


def test_a_box_is_reviewed(window):
    window.panel.options.depth.setValue(3.0)
    draw(window, "review_box", BOX_CORNERS)
    reviewed = window.flow.case.editing.provenance & REVIEWED > 0
    painted = window.flow.case.editing.provenance == HUMAN
    expected = np.zeros(window.array.shape, bool)
    expected[BOX] = True
    np.testing.assert_array_equal(reviewed | painted, expected | painted)
    assert window.titles[-1] == "review a box"
    draw(window, "review_box", BOX_CORNERS)
    assert window.said[-1] == ("The box was reviewed already.", "info")


def test_a_box_is_segmented_again(window, monkeypatch):
    boxes = []
    monkeypatch.setattr(window.flow, "segment_box", boxes.append)
    window.panel.options.depth.setValue(3.0)
    window.panel.modes.segment_box()
    window.panel.drawing.end()
    monkeypatch.setattr(window.flow.desk, "model", "any")
    window.panel._refresh()
    draw(window, "segment_box", BOX_CORNERS)
    assert boxes == [BOX]


def test_the_answer_comes_back_in_a_box_and_on_a_slice(window):
    rng = np.random.default_rng(4)
    answer = rng.integers(0, 3, window.array.shape).astype(np.uint8)
    window.panel.runs.take_answer(BOX)
    assert "no model has seen this case" in window.said[-1][0]
    window.flow.case.answer = Answer(SimpleNamespace(code=2), answer)
    window.panel._refresh()
    window.panel.options.depth.setValue(3.0)
    before, count = window.array.copy(), len(window.titles)
    draw(window, "answer_box", BOX_CORNERS)
    after = before.copy()
    after[BOX] = answer[BOX]
    check_one_step(window, before, after, count)
    window.press("answer_slice")
    after[SLICE] = answer[SLICE]
    np.testing.assert_array_equal(window.array, after)
    window.press("answer_slice")
    assert "already" in window.said[-1][0]
    window.flow.case.answer = Answer(SimpleNamespace(code=2), answer[:3])
    window.press("answer_slice")
    assert "segment the case again" in window.said[-1][0]


def test_a_box_beside_the_scan_is_refused(window):
    count = len(window.titles)
    draw(window, "review_box", np.array(BOX_CORNERS) + (0, 40, 0))
    assert window.said[-1] == ("The box lies outside of the scan.", "warning")
    assert len(window.titles) == count


@pytest.mark.parametrize("axis", range(3))
def test_a_drawn_box_holds_the_centres_in_it(axis):
    shape, spacing = (7, 12, 9), (3.0, 0.9, 1.1)
    corners = np.array([(2.0, 3.1, 1.5), (4.0, 7.0, 5.5)])
    number = 4
    corners[:, axis] = number
    box = drawn_box(corners, (axis, number), 2.5, spacing, shape)
    expected = np.ones(shape, bool)
    for other in range(3):
        place = np.arange(shape[other])
        if other == axis:
            inside = np.abs(place - number) * spacing[other] <= 2.5
        else:
            inside = (place >= corners[0, other]) & (place <= corners[1, other])
        expected &= np.moveaxis(inside[:, None, None], 0, other)
    found = np.zeros(shape, bool)
    found[box] = True
    np.testing.assert_array_equal(found, expected)
    assert drawn_box(corners + 20, (axis, number), 0.0, spacing, shape) is None


def test_a_slice_is_a_box():
    assert slice_box(1, 5, (7, 12, 9)) == (slice(0, 7), slice(5, 6), slice(0, 9))


# ---- scribbles ----


@pytest.mark.parametrize("method", [0, 1])
def test_scribbles_grow(window, method):
    array = np.zeros_like(window.array)
    array[0, 0, 0] = 2
    window.start_with(array)
    window.panel.options.method.setCurrentIndex(method)
    window.press("grow")
    assert window.panel.buttons["inside"].isChecked()
    window.press("grow")
    assert window.said[-1] == ("Scribble inside of the label first.", "warning")
    scribbles = window.panel.drawing.mode.layer
    assert tuple(scribbles.translate) == tuple(window.layer.translate)
    scribbles.data[3, 4:7, 4] = 1
    window.press("outside")
    assert window.panel.buttons["outside"].isChecked()
    assert not window.panel.buttons["inside"].isChecked()
    assert (scribbles.selected_label, scribbles.mode) == (2, "paint")
    scribbles.data[3, 4:7, 8] = 2
    before, count = window.array.copy(), len(window.titles)
    window.press("grow")
    change = grow.grow(
        before,
        scope_of(window),
        [(3, y, 4) for y in (4, 5, 6)],
        background_seeds=[(3, y, 8) for y in (4, 5, 6)],
        method=("geodesic", "walker")[method],
    )
    check_one_step(window, before, changed(before, change), count)
    assert scribbles not in window.viewer.layers
    assert window.viewer.layers.selection.active is window.layer


# ---- the panel ----


def test_every_tool_has_a_button_with_words(window):
    placed = {name for rows in SECTIONS.values() for row in rows for name in row}
    assert placed | {"other"} == set(TOOLS) | set(window.panel.options.controls)
    for name, button in window.panel.buttons.items():
        assert button.accessibleName(), name
        assert callable(window.panel.action(name))
        if TOOLS[name].key:
            assert KEYS[TOOLS[name].key].text in button.toolTip()
    for control in window.panel.options.controls.values():
        assert control.toolTip()
        assert control.accessibleName()
    with pytest.raises(KeyError):
        window.panel.action("knife")


def test_buttons_say_why_they_cannot_be_used(window, monkeypatch):
    buttons = window.panel.buttons
    assert "no model has seen this case" in buttons["answer_box"].toolTip()
    assert "no model is chosen" in buttons["segment_box"].toolTip()
    monkeypatch.setattr(window.flow, "why_not_editable", lambda: "no case is open")
    window.panel._refresh()
    for button in buttons.values():
        assert not button.isEnabled()
        assert "Not now: no case is open" in button.toolTip()
    count = len(window.titles)
    for name in TOOLS:
        window.said.clear()
        window.panel.action(name)()
        assert "no case is open" in window.said[-1][0], name
        assert window.panel.drawing.mode is None
    assert len(window.titles) == count
    monkeypatch.undo()
    window.panel._refresh()
    assert buttons["dilate"].isEnabled()


def test_the_3d_view_is_refused(window):
    window.viewer.dims.ndisplay = 3
    for name in ("ball", "lasso", "keep_one", "inside", "review_box"):
        window.said.clear()
        window.press(name)
        assert window.said[-1][0].endswith("works on slices: leave the 3D view first.")
        assert not window.panel.buttons[name].isChecked()
    for name in ("interpolate", "copy_next", "fill_slices"):
        window.said.clear()
        window.press(name)
        assert "must see one slice" in window.said[-1][0]
    before = window.array.copy()
    window.press("mirror")
    change = mirror.mirror(before, scope_of(window))
    np.testing.assert_array_equal(window.array, changed(before, change))


def test_a_slice_beside_the_scan_is_no_slice(window):
    far = window.layer.data_to_world((40, 0, 0))
    window.viewer.add_image(np.zeros((60, 12, 9)), **_placed(window))
    window.viewer.dims.set_point(0, far[0])
    window.press("fill_slices")
    assert "from 0 to 6 of the scan must be on screen, got 40" in window.said[-1][0]
    window.viewer.layers.remove(window.viewer.layers[-1])
    window.viewer.layers.selection = {window.layer}


def _placed(window):
    layer = window.layer
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
        "name": "long",
    }


def test_keys_press_the_buttons(window):
    binder = KeyBinder(window.viewer)
    window.panel.bind_keys(binder)
    keys = {entry.key for entry in TOOLS.values() if entry.key}
    assert set(binder.bound) == keys
    count = len(window.titles)
    _press(window, "keep_largest")
    assert len(window.titles) == count + 1
    _press(window, "lasso")
    assert window.panel.drawing.name == "lasso"
    _press(window, "ball_brush")
    assert window.panel.drawing.name == "ball"
    _press(window, "ball_brush")
    assert window.panel.drawing.name == "disc"
    _press(window, "ball_brush")
    assert window.panel.drawing.name == "ball"
    _press(window, "restore")
    assert window.said[-1][0] == (
        "Answer is not possible: no model has seen this case."
    )
    binder.close()


def _press(window, name):
    from napari.utils.key_bindings import coerce_keybinding

    window.viewer.keymap[coerce_keybinding(KEYS[name].key)](window.viewer)
    window.idle()


def test_other_labels_are_those_of_the_study(window):
    other = window.panel.options.other
    texts = [other.itemText(row) for row in range(other.count())]
    assert texts == ["no other label", "other: 1 dark", "other: 2 bright"]
    other.setCurrentIndex(1)
    window.panel.options.refresh_labels()
    assert window.panel.options.other_label == 1


def test_without_a_case_there_is_no_scope(qtbot, tmp_path):
    window = ToolsWindow(ViewerModel(), tmp_path)
    with pytest.raises(InputError, match="none is open: open one"):
        window.panel.scope()
    window.panel.limits.take_from_spot((0, 0, 0))
    assert isinstance(window.panel.limits, ToolLimits)
    assert not window.panel.buttons["ball"].isEnabled()
    assert "no case is open" in window.panel.limits.from_spot.toolTip()
    window.study.close()
    window.close()


def test_the_panel_leaves_the_viewer_alone_when_it_is_gone(qtbot, tmp_path):
    viewer = ViewerModel()
    window = ToolsWindow(viewer, tmp_path)
    drawing = window.panel.drawing
    window.study.close()
    window.close()
    QApplication.processEvents()
    assert drawing.on_change == []
    viewer.add_labels(np.zeros(GRID.shape, np.uint8))
    viewer.dims.ndisplay = 3
    viewer.layers.clear()
