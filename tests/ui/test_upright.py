import numpy as np
import pytest
from napari.components import ViewerModel

from napari_mednext.ui.upright import Upright


@pytest.fixture
def viewer():
    model = ViewerModel()
    model.add_image(np.zeros((3, 4, 5), dtype=np.uint8))
    return model


def sides(viewer):
    return tuple(str(side) for side in viewer.scene.camera.orientation2d)


@pytest.mark.parametrize(
    ("order", "vertical"),
    [((0, 1, 2), "down"), ((1, 0, 2), "up"), ((2, 0, 1), "up"), ((2, 1, 0), "down")],
)
def test_the_head_is_up_where_it_stands(viewer, order, vertical):
    _upright = Upright(viewer)  # events hold it weakly
    viewer.dims.order = order
    assert sides(viewer) == (vertical, "right")
    viewer.dims.ndisplay = 3
    assert sides(viewer) == ("down", "right")


def test_a_chosen_orientation_stays(viewer):
    _upright = Upright(viewer)  # events hold it weakly
    viewer.scene.camera.orientation2d = ("down", "left")
    viewer.dims.order = (1, 0, 2)
    assert sides(viewer) == ("down", "left")


def test_nothing_happens_after_the_end(viewer):
    upright = Upright(viewer)
    upright.stop()
    viewer.dims.order = (1, 0, 2)
    assert sides(viewer) == ("down", "right")
