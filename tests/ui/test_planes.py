from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.interactions import mouse_move_callbacks

from napari_mednext.errors import SettingsError
from napari_mednext.ui.planes import PLANES, Planes, plane_of

SPACING = np.array((3.0, 0.9, 1.1))
ORIGIN = np.array((-40.0, 12.5, 7.0))
SHAPE = (11, 31, 25)


@pytest.fixture
def viewer():
    model = ViewerModel()
    model.add_image(np.zeros(SHAPE, np.uint8), scale=SPACING, translate=ORIGIN)
    return model


def world(voxel):
    return ORIGIN + SPACING * voxel


def in_the_middle(viewer):
    """What is at the centre of the view, on the slice that is shown."""
    point = np.array(viewer.dims.point)
    point[list(viewer.dims.displayed)] = viewer.scene.camera.center[-2:]
    return point


def hover(viewer, point):
    """Do as napari's canvas does when the mouse moves over it."""
    viewer.mouse_over_canvas = True
    viewer.cursor.position = tuple(point)
    event = SimpleNamespace(position=tuple(point), is_dragging=False)
    mouse_move_callbacks(viewer, event)


@pytest.mark.parametrize("start", PLANES)
@pytest.mark.parametrize("plane", PLANES)
def test_the_point_under_the_mouse_comes_to_the_middle(viewer, start, plane):
    planes = Planes(viewer)
    planes.show(start)
    viewer.scene.camera.zoom = 7.5
    voxel = np.array((8, 4, 21))
    shown = PLANES[start][0]
    point = world(voxel)
    viewer.dims.set_point(shown, point[shown])
    hover(viewer, point)
    planes.show(plane)
    assert plane_of(viewer) == plane
    assert viewer.dims.not_displayed == (PLANES[plane][0],)
    np.testing.assert_allclose(in_the_middle(viewer), point)
    np.testing.assert_allclose(viewer.dims.point, point)
    assert viewer.scene.camera.zoom == 7.5
    layer = viewer.layers[0]
    np.testing.assert_allclose(layer.world_to_data(viewer.dims.point), voxel)


def test_without_the_mouse_the_centre_of_the_view_stays(viewer):
    planes = Planes(viewer)
    point = world(np.array((2, 20, 6)))
    planes.center_on(point)
    for _ in range(4):
        viewer.mouse_over_canvas = True  # it is there, and has not moved
        planes.show_next()
        np.testing.assert_allclose(in_the_middle(viewer), point)
    hover(viewer, world(np.array((2, 40, 6))))  # beside the scan
    planes.show_next()
    np.testing.assert_allclose(in_the_middle(viewer), point)
    hover(viewer, world(np.array((2, 3, 3))))
    viewer.mouse_over_canvas = False
    planes.show_next()
    np.testing.assert_allclose(in_the_middle(viewer), point)


def test_a_mouse_at_rest_does_not_undo_a_step_through_the_slices(viewer):
    planes = Planes(viewer)
    hover(viewer, world(np.array((5, 4, 21))))
    viewer.dims.set_point(0, world(np.array((9, 0, 0)))[0])  # by a key
    expected = world(np.array((9, 4, 21)))
    for _ in range(3):
        planes.show_next()
        np.testing.assert_allclose(in_the_middle(viewer), expected)


def test_nothing_follows_the_mouse_after_the_end(viewer):
    planes = Planes(viewer)
    center = in_the_middle(viewer)
    planes.stop()
    hover(viewer, world(np.array((5, 4, 21))))
    planes.show_next()
    np.testing.assert_allclose(in_the_middle(viewer), center, atol=1.5)


def test_planes_follow_each_other(viewer):
    planes = Planes(viewer)
    assert [planes.show_next() for _ in range(4)] == [
        "coronal",
        "sagittal",
        "axial",
        "coronal",
    ]
    viewer.dims.ndisplay = 3
    assert plane_of(viewer) is None
    point = np.array(viewer.dims.point)
    np.testing.assert_array_equal(planes.point(), point)
    assert planes.show_next() == "axial"
    np.testing.assert_allclose(viewer.dims.point, point)


def test_a_turned_slice_is_still_of_its_plane(viewer):
    viewer.dims.order = (1, 2, 0)
    assert plane_of(viewer) == "coronal"


def test_leading_axes_stay(viewer):
    viewer.add_image(np.zeros((2, *SHAPE), np.uint8), scale=(1, *SPACING))
    viewer.dims.set_point(0, 1)
    planes = Planes(viewer)
    planes.show("sagittal")
    assert viewer.dims.order == (0, 3, 1, 2)
    assert viewer.dims.point[0] == 1
    assert plane_of(viewer) == "sagittal"
    viewer.dims.order = (1, 0, 2, 3)  # it is the leading axis that is not a plane's
    assert plane_of(viewer) is None


def test_flat_pictures_have_no_planes():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((5, 7)))
    planes = Planes(viewer)
    assert planes.show_next() is None
    assert viewer.dims.order == (0, 1)


def test_an_unknown_plane_is_refused(viewer):
    message = "one of axial, coronal, sagittal, not 'oblique': choose one"
    with pytest.raises(SettingsError, match=message):
        Planes(viewer).show("oblique")
