"""A slice is copied to others, and to no more than those."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.slices import copy_slice, extend
from napari_mednext.errors import InputError
from tests.correction.tools.phantoms import (
    SHAPE,
    SPACING,
    check_rules,
    labelled,
    written,
)

few = settings(max_examples=40, deadline=None)
SCOPE = Scope(1, SPACING)


@few
@given(labelled, st.integers(0, 2), st.booleans(), st.data())
def test_slices_get_the_form_of_another(labels, axis, union, data):
    numbers = st.integers(0, SHAPE[axis] - 1)
    index, to = data.draw(numbers), data.draw(st.lists(numbers))
    slices = np.moveaxis(labels, axis, 0)
    slices[index].flat[5] = 1
    expected = labels.copy()
    for number in to:
        plane = np.moveaxis(expected, axis, 0)[number]
        if not union:
            plane[plane == 1] = 0
        plane[slices[index] == 1] = 1
    options = {"axis": axis, "index": index, "to": to, "union": union}
    after = written(labels, copy_slice(labels, SCOPE, **options))
    np.testing.assert_array_equal(after, expected)
    assert copy_slice(after, SCOPE, **options) is None


@pytest.mark.parametrize(
    ("direction", "count", "reached"),
    [(1, 2, [4, 5]), (1, 9, [4, 5, 6, 7]), (-1, 1, [2]), (-1, 5, [2, 1, 0])],
)
def test_a_slice_is_extended_to_one_side_up_to_the_end(direction, count, reached):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 3, 2:4] = 1
    change = extend(
        labels, SCOPE, axis=1, index=3, count=count, direction=direction, union=True
    )
    after = written(labels, change)
    expected = labels.copy()
    expected[1:3, reached, 2:4] = 1
    np.testing.assert_array_equal(after, expected)


def test_nothing_comes_of_a_slice_at_the_end():
    labels = np.ones(SHAPE, np.uint8)
    assert extend(labels, SCOPE, axis=0, index=4, count=3) is None
    assert copy_slice(labels, SCOPE, axis=0, index=4, to=[]) is None


@few
@given(labelled, st.integers(0, 2))
def test_keeps_the_rules(labels, axis):
    np.moveaxis(labels, axis, 0)[2].flat[5] = 1
    check_rules(lambda a, s: copy_slice(a, s, axis=axis, index=2, to=[4, 0]), labels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axis": 3, "index": 0, "to": [1]}, "axis must be 0, 1 or 2"),
        ({"axis": 1, "index": 8, "to": [1]}, "along axis 1 must be from 0 to 7, got 8"),
        ({"axis": 2, "index": 0, "to": [1, -1]}, "from 0 to 6, got -1"),
        ({"axis": 0, "index": 1, "to": [0]}, "hold label 1, but axial slice 1 does"),
    ],
)
def test_refuses_slices_that_cannot_be_copied(options, words):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 2, 2] = 1
    with pytest.raises(InputError, match=words):
        copy_slice(labels, SCOPE, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axis": -1, "count": 1}, "axis must be 0, 1 or 2"),
        ({"axis": 0, "count": 0}, "1 or more slices in direction -1 or 1, got 0"),
        ({"axis": 0, "count": 1, "direction": 0}, "got 1 in direction 0"),
    ],
)
def test_refuses_to_extend_nowhere(options, words):
    with pytest.raises(InputError, match=words):
        extend(np.ones(SHAPE, np.uint8), SCOPE, index=0, **options)
