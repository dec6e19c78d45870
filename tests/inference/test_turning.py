import itertools

import numpy as np
import pytest

from napari_mednext.errors import InputError
from napari_mednext.inference.turning import (
    after,
    block_back,
    box_back,
    box_there,
    checked_roi,
    point_there,
)
from napari_mednext.volume.orientation import Turn

SHAPE = (5, 7, 9)
TURNS = [
    Turn(axes, flips)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
]
BOX = (slice(1, 3), slice(2, 7), slice(0, 4))


@pytest.fixture(scope="module")
def array():
    return np.arange(np.prod(SHAPE)).reshape(SHAPE)


@pytest.mark.parametrize("turn", TURNS)
def test_boxes_points_and_blocks_follow_the_array(turn, array):
    turned = turn.array(array)
    region = box_there(turn, SHAPE, BOX)
    block = turned[tuple(slice(*limits) for limits in region)]
    assert set(block.ravel()) == set(array[BOX].ravel())
    assert box_back(turn, SHAPE, region) == BOX
    assert np.array_equal(block_back(turn, block), array[BOX])
    point = tuple(int(p) for p in point_there(turn, SHAPE, (1, 2, 3)))
    assert turned[point] == array[1, 2, 3]


@pytest.mark.parametrize("turn", TURNS[::5])
@pytest.mark.parametrize("transpose", list(itertools.permutations(range(3))))
def test_a_transposition_after_a_turn_is_a_turn(turn, transpose, array):
    both = after(turn, transpose).array(array)
    assert np.array_equal(both, turn.array(array).transpose(transpose))


def test_open_and_negative_bounds_are_made_plain():
    roi = (slice(None), slice(-3, None), slice(2, 100))
    assert checked_roi(roi, SHAPE) == (slice(0, 5), slice(4, 7), slice(2, 9))


@pytest.mark.parametrize(
    "roi",
    [(slice(0, 1), slice(0, 1)), (slice(0, 4, 2), slice(None), slice(None))],
)
def test_other_shapes_of_regions_are_refused(roi):
    with pytest.raises(InputError, match=r"three ranges .* got"):
        checked_roi(roi, SHAPE)


def test_empty_regions_are_refused():
    roi = (slice(3, 3), slice(None), slice(None))
    with pytest.raises(InputError, match=r"volume \(5, 7, 9\), got \[\(3, 3\)"):
        checked_roi(roi, SHAPE)
