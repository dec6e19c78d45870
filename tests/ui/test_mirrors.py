import numpy as np
import pytest
from napari.components import ViewerModel

from napari_mednext.ui.mirrors import Mirror, can_mirror

SHAPE = (5, 9, 7)
PLACE = {"scale": (3.0, 0.9, 1.1), "translate": (5.0, -3.0, 2.0), "units": ("mm",) * 3}


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def image(viewer):
    rng = np.random.default_rng(3)
    return viewer.add_image(rng.normal(size=SHAPE), **PLACE)


@pytest.fixture
def labels(viewer):
    return viewer.add_labels(np.zeros(SHAPE, np.uint8), **PLACE)


def test_voxels_and_place_are_shared(image, labels):
    for original in (image, labels):
        mirror = Mirror(original).layer
        assert np.shares_memory(mirror.data, original.data)
        np.testing.assert_array_equal(mirror.scale, PLACE["scale"])
        np.testing.assert_array_equal(mirror.translate, PLACE["translate"])
        assert [str(unit) for unit in mirror.units] == ["millimeter"] * 3
        assert not mirror.editable


def test_the_look_is_followed_until_the_end(image, labels):
    scan, mask = Mirror(image), Mirror(labels)
    image.contrast_limits = (-0.5, 0.25)
    image.colormap, image.gamma, image.opacity = "inferno", 0.7, 0.4
    labels.contour, labels.opacity = 2, 0.3
    labels.selected_label, labels.show_selected_label = 4, True
    assert tuple(scan.layer.contrast_limits) == (-0.5, 0.25)
    assert scan.layer.colormap.name == "inferno"
    assert (scan.layer.gamma, scan.layer.opacity) == (0.7, 0.4)
    assert (mask.layer.contour, mask.layer.opacity) == (2, 0.3)
    assert (mask.layer.selected_label, mask.layer.show_selected_label) == (4, True)
    other = np.ones((4, 3, 2), np.uint8)
    labels.data = other
    assert mask.layer.data is other
    scan.stop()
    mask.stop()
    image.opacity = labels.opacity = 0.9
    assert (scan.layer.opacity, mask.layer.opacity) == (0.4, 0.3)


def test_refreshing_shows_what_was_painted(labels):
    mirror = Mirror(labels)
    drawn = []
    mirror.layer.events.set_data.connect(lambda: drawn.append(mirror.layer.data.max()))
    labels.data[2, 3, 4] = 6
    mirror.refresh()
    assert drawn == [6]
    labels.visible = False
    assert mirror.layer.visible
    mirror.follow_visible()
    assert not mirror.layer.visible
    drawn.clear()
    mirror.refresh()
    assert drawn == []


def test_volumes_and_labels_have_mirrors(viewer, image, labels):
    assert can_mirror(image)
    assert can_mirror(labels)
    assert not can_mirror(viewer.add_points(np.zeros((1, 3))))
    assert not can_mirror(viewer.add_image(np.zeros((5, 6))))
