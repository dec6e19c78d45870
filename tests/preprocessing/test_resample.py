"""Resampling against skimage and scipy, which nnU-Net calls."""

import threading

import numpy as np
import pytest
from scipy import ndimage
from skimage.transform import resize

from napari_mednext.errors import Cancelled, ModelError
from napari_mednext.models import Resampling
from napari_mednext.preprocessing import (
    resample,
    resampled_shape,
    sample_axis,
    separate_axis,
)
from napari_mednext.preprocessing import resample as resample_function

SHAPES = [(19, 9, 8), (6, 31, 22), (1, 1, 1), (11, 15, 5), (12, 15, 17)]


@pytest.fixture(scope="module")
def channel():
    return np.random.default_rng(0).normal(size=(11, 15, 17)).astype(np.float32)


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_skimage(channel, order, shape):
    wanted = resize(
        channel.astype(float), shape, order, mode="edge", anti_aliasing=False
    )
    result = resample(channel, shape, Resampling(order, 0), None)
    assert result.dtype == np.float32
    assert np.abs(result - wanted).max() < 5e-7


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("order_z", [0, 1, 3])
@pytest.mark.parametrize("shape", [(19, 9, 8), (4, 31, 22), (11, 15, 5)])
def test_separate_axis_equals_planes_then_map_coordinates(
    channel, axis, order_z, shape
):
    planes = [
        resize(plane, np.delete(shape, axis), 3, mode="edge", anti_aliasing=False)
        for plane in np.moveaxis(channel.astype(float), axis, 0)
    ]
    stack = np.moveaxis(np.stack(planes), 0, axis)
    grids = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    coordinates = [
        n / m * (g + 0.5) - 0.5
        for g, n, m in zip(grids, stack.shape, shape, strict=True)
    ]
    wanted = ndimage.map_coordinates(stack, coordinates, order=order_z, mode="nearest")
    result = resample(channel, shape, Resampling(3, order_z), axis)
    assert np.abs(result - wanted).max() < 5e-7


def test_slabs_do_not_show(channel, monkeypatch):
    whole = resample(channel, (19, 9, 8), Resampling(3, 0), None)
    module = __import__(resample_function.__module__, fromlist=["SLAB_VOXELS"])
    monkeypatch.setattr(module, "SLAB_VOXELS", 100)
    pieces = resample(channel, (19, 9, 8), Resampling(3, 0), None)
    assert np.array_equal(whole, pieces)


def test_equal_shape_is_returned_itself(channel):
    assert resample(channel, channel.shape, Resampling(3, 0), None) is channel


def test_there_and_back_keeps_a_smooth_image():
    z, y, x = np.meshgrid(*[np.linspace(0, 3, n) for n in (21, 25, 29)], indexing="ij")
    image = (np.sin(z) + np.cos(y) * np.sin(x)).astype(np.float32)
    finer = resample(image, (42, 50, 58), Resampling(3, 0), None)
    back = resample(finer, image.shape, Resampling(3, 0), None)
    assert np.abs(back - image)[2:-2, 2:-2, 2:-2].max() < 2e-3


def test_cancel_stops_between_slabs(channel):
    flag = threading.Event()
    flag.set()
    with pytest.raises(Cancelled, match="cancelled"):
        resample(channel, (19, 9, 8), Resampling(3, 0), None, cancel=flag)


def test_shape_rounds_halves_to_even():
    assert resampled_shape((5, 7, 9), (1, 1, 1), (2, 2, 2)) == (2, 4, 4)
    assert resampled_shape((1, 1, 3), (0.1, 1, 1), (5, 1, 1)) == (1, 1, 3)


@pytest.mark.parametrize(
    ("old", "new", "force", "axis"),
    [
        ((1, 1, 1), (1, 1, 1), None, None),
        ((3, 1, 1), (1, 1, 1), None, None),
        ((3.01, 1, 1), (1, 1, 1), None, 0),
        ((1, 1, 1), (1, 4, 1), None, 1),
        ((1, 1, 6.5), (4, 1, 1), None, 2),
        ((0.24, 1.25, 1.25), (1, 1, 1), None, None),
        ((6.5, 1, 1), (1, 1, 1), False, None),
        ((2, 1, 1), (1, 1, 1), True, 0),
        ((1, 1, 1), (5, 1, 1), True, None),
    ],
)
def test_separate_axis_follows_the_threshold(old, new, force, axis):
    assert separate_axis(old, new, force=force) == axis


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(("size", "new"), [(7, 16), (16, 7), (5, 5), (1, 4), (4, 1)])
def test_sampling_equals_skimage_along_an_axis(order, size, new):
    values = np.random.default_rng(size).normal(size=(size, 3))
    wanted = resize(values, (new, 3), order, mode="edge", anti_aliasing=False)
    s = sample_axis(size, new, order)
    weight = s.weight[:, None]
    result = values[s.low] * (1 - weight) + values[s.high] * weight
    assert np.abs(result - wanted).max() < 1e-14
    assert s.is_identity == (size == new)


def test_logits_of_higher_order_are_refused():
    with pytest.raises(ModelError, match="order 0 or 1, the plan asks for 3"):
        sample_axis(4, 5, 3)
