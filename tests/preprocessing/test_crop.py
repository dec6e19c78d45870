import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_mednext.preprocessing import filled_mask, nonzero_box, uncrop


def slow_box(array):
    """nnU-Net's way: fill the holes of the whole mask, then find its limits."""
    mask = ndimage.binary_fill_holes((array != 0).any(axis=0))
    places = np.argwhere(mask)
    if not len(places):
        return tuple((0, n) for n in array.shape[1:])
    low, high = places.min(axis=0), places.max(axis=0) + 1
    return tuple((int(a), int(b)) for a, b in zip(low, high, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 8)),
    st.floats(0, 0.6),
)
def test_box_is_that_of_the_filled_mask(seed, shape, density):
    rng = np.random.default_rng(seed)
    array = (rng.random((2, *shape)) < density / 2) * rng.normal(size=(2, *shape))
    assert nonzero_box(array) == slow_box(array)


def test_all_zero_image_keeps_the_whole_box():
    assert nonzero_box(np.zeros((1, 3, 4, 5), np.int16)) == ((0, 3), (0, 4), (0, 5))


def test_nan_counts_as_not_zero():
    array = np.zeros((1, 3, 4, 5), np.float32)
    array[0, 1, 2, 3] = np.nan
    assert nonzero_box(array) == ((1, 2), (2, 3), (3, 4))


def test_mask_of_the_crop_is_the_crop_of_the_mask():
    rng = np.random.default_rng(3)
    array = np.zeros((2, 9, 11, 13), np.int16)
    array[:, 2:7, 3:9, 1:12] = rng.random((2, 5, 6, 11)) < 0.7
    whole = ndimage.binary_fill_holes((array != 0).any(axis=0))
    box = nonzero_box(array)
    slices = tuple(slice(*limits) for limits in box)
    cropped = filled_mask(array[(slice(None), *slices)])
    assert np.array_equal(cropped, whole[slices])
    assert cropped.sum() > (array[(slice(None), *slices)] != 0).any(axis=0).sum()


def test_uncrop_puts_labels_back():
    labels = np.arange(1, 9, dtype=np.uint8).reshape(2, 2, 2)
    full = uncrop(labels, ((1, 3), (0, 2), (2, 4)), (4, 3, 5))
    assert full.shape == (4, 3, 5)
    assert np.array_equal(full[1:3, 0:2, 2:4], labels)
    assert full.sum() == labels.sum()
