import copy
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_mednext.errors import ChannelError, GeometryError
from napari_mednext.labels import LabelSet
from napari_mednext.ui import bridge
from napari_mednext.volume import Segmentation, Volume, VoxelGrid, reorient
from tests.ui.conftest import oblique_grid, scan


def layer_of(volume):
    ((array, options, _),) = bridge.image_layers(volume)
    return Image(array, **options)


def test_a_volume_comes_back_from_its_layer_with_its_true_grid():
    volume = reorient(scan(), "LPS")
    back = bridge.volume_of(layer_of(volume))
    assert np.array_equal(back.array, volume.array)
    assert back.grid == volume.grid
    assert back.source == volume.source


def test_a_layer_is_placed_by_scale_and_translation_in_mm_only():
    volume = reorient(scan(), "LPS")
    layer = layer_of(volume)
    assert tuple(layer.scale) == pytest.approx(volume.grid.spacing)
    assert tuple(layer.translate) == pytest.approx(volume.grid.origin[::-1])
    assert np.array_equal(layer.rotate, np.eye(3))
    assert np.allclose(layer.shear, 0)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")


def test_channels_become_layers_and_one_volume_again():
    grid = oblique_grid((3, 4, 5))
    array = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    layers = [Image(a, **o) for a, o, _ in bridge.image_layers(Volume(array, grid))]
    assert [layer.visible for layer in layers] == [True, False]
    back = bridge.volume_of(layers[0], layers)
    assert np.array_equal(back.array, array)


def test_a_removed_channel_is_named():
    array = np.zeros((3, 3, 4, 5), np.float32)
    layers = [
        Image(a, **o)
        for a, o, _ in bridge.image_layers(Volume(array, oblique_grid((3, 4, 5))))
    ]
    with pytest.raises(ChannelError, match=r"3 channels, the layers of \[1\]"):
        bridge.volume_of(layers[0], [layers[0], layers[2]])


def test_a_foreign_layer_takes_its_grid_from_scale_and_translation():
    layer = Image(
        np.zeros((3, 4, 5)), scale=(2, -0.5, 3), translate=(10, 20, 30), units="mm"
    )
    grid = bridge.layer_grid(layer)
    assert grid.spacing == (2, 0.5, 3)
    assert grid.origin == (30, 20, 10)
    assert grid.direction == ((1, 0, 0), (0, -1, 0), (0, 0, 1))


def test_micrometres_become_millimetres():
    layer = Image(np.zeros((3, 4, 5)), scale=(2000, 500, 250), units="um")
    assert bridge.layer_grid(layer).spacing == pytest.approx((2, 0.5, 0.25))


def test_the_finest_level_of_a_pyramid_is_the_volume():
    levels = [np.ones((4, 8, 6)), np.ones((2, 4, 3))]
    volume = bridge.volume_of(Image(levels, multiscale=True, scale=(2, 1, 1)))
    assert volume.array.shape == (1, 4, 8, 6)


def test_a_cropped_layer_is_not_ours_any_more():
    layer = layer_of(reorient(scan(), "LPS"))
    layer.data = layer.data[:, 5:, :]
    assert bridge.layer_origin(layer) is None
    assert bridge.layer_grid(layer).shape == layer.data.shape


def test_a_picture_is_refused():
    with pytest.raises(GeometryError, match=r"'flat' has shape \(4, 5\)"):
        bridge.layer_grid(Image(np.zeros((4, 5)), name="flat"))
    colours = Image(np.zeros((3, 4, 5, 3)), rgb=True, name="photo")
    with pytest.raises(ChannelError, match="'photo' shows colours"):
        bridge.volume_of(colours)


def test_labels_keep_names_colours_and_grid():
    grid = oblique_grid((3, 4, 5))
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 3
    mask = Segmentation(array, grid, {1: "liver", 2: "spleen"}, {1: (9, 8, 7)})
    data, options, _ = bridge.labels_layer(mask, "organs")
    layer = Labels(data, **options)
    back = bridge.segmentation_of(layer.data, layer)
    assert np.array_equal(back.array, array)
    assert back.grid == grid
    assert back.names == {1: "liver", 2: "spleen"}
    assert np.allclose(layer.get_color(1)[:3], np.array([9, 8, 7]) / 255, atol=1e-6)
    assert layer.data.dtype == np.uint8


@pytest.mark.parametrize(
    ("highest", "dtype"), [(255, np.uint8), (256, np.uint16), (65535, np.uint16)]
)
def test_labels_are_as_small_as_they_can_be(highest, dtype):
    layer = Labels(np.zeros((2, 3, 4), np.int32))
    data = np.full((2, 3, 4), highest, np.int32)
    assert bridge.segmentation_of(data, layer).array.dtype == dtype


@pytest.mark.parametrize("value", [65536, -1])
def test_label_values_out_of_range_are_refused(value):
    layer = Labels(np.zeros((2, 3, 4), np.int32), name="odd")
    data = np.full((2, 3, 4), value, np.int32)
    with pytest.raises(GeometryError, match="from 0 to 65535, 'odd' holds int32"):
        bridge.segmentation_of(data, layer)


def test_metadata_survives_the_copy_of_a_layer():
    origin = bridge.LayerOrigin(oblique_grid(), "case")
    assert copy.deepcopy({"mednext": origin})["mednext"] is origin


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.arange(64).reshape(4, 4, 4) % 5, True),
        (np.arange(64).reshape(4, 4, 4) % 5 - 1, False),
        (np.zeros((4, 4, 4), int), False),
        (np.random.default_rng(0).integers(0, 200, (9, 9, 9)), False),
        (np.ones((4, 4, 4), np.float32), False),
        (np.full((4, 4, 4), 70000), False),
    ],
)
def test_label_maps_are_told_from_images(array, expected):
    volume = Volume(array, VoxelGrid(array.shape))
    assert bridge.looks_like_labels(volume) is expected


def test_grey_values_span_what_is_there():
    rng = np.random.default_rng(1)
    low, high = bridge.display_range(rng.uniform(-5, 5, (20, 20, 20)))
    assert -5 <= low < -4.8
    assert 4.8 < high <= 5
    assert bridge.display_range(np.full((2, 2, 2), 7.0)) == (7.0, 8.0)
    assert bridge.display_range(np.full((2, 2, 2), np.nan)) == (0.0, 1.0)


def test_an_empty_segmentation_fits_its_labels():
    volume = scan()
    many = LabelSet.numbered(range(1, 301))
    assert bridge.empty_segmentation(volume, many).array.dtype == np.uint16
    few = bridge.empty_segmentation(volume, LabelSet.numbered([1]))
    assert few.array.dtype == np.uint8
    assert not few.array.any()


def test_a_layer_without_metadata_needs_no_attribute_of_ours():
    layer = SimpleNamespace(metadata={"mednext": "something else"}, data=np.zeros(3))
    assert bridge.layer_origin(layer) is None
