import numpy as np
import pytest

from napari_mednext.preprocessing import pad_to, padding


@pytest.mark.parametrize(
    ("shape", "minimum", "padded", "low"),
    [
        ((34, 55, 3), (96, 64, 3), (96, 64, 3), (31, 4, 0)),
        ((3, 4, 5), (4, 4, 8), (4, 4, 8), (0, 0, 1)),
        ((9, 9, 9), (4, 8, 9), (9, 9, 9), (0, 0, 0)),
        ((1, 1, 1), (2, 3, 4), (2, 3, 4), (0, 1, 1)),
    ],
)
def test_extra_voxel_is_at_the_high_end(shape, minimum, padded, low):
    result, inside = padding(shape, minimum)
    assert result == padded
    assert tuple(part.start for part in inside) == low
    assert tuple(part.stop - part.start for part in inside) == shape


def test_padding_is_zero_and_undone_by_its_slices():
    array = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    padded, inside = pad_to(array, (6, 5, 7))
    assert padded.shape == (2, 6, 5, 7)
    assert np.array_equal(padded[(slice(None), *inside)], array)
    assert np.count_nonzero(padded) == np.count_nonzero(array)


def test_large_array_is_returned_itself():
    array = np.zeros((1, 3, 5, 4), np.float32)
    assert pad_to(array, (3, 5, 1))[0] is array
