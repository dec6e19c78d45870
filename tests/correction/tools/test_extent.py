"""Where labels lie, and boxes of boxes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_mednext.correction import bounding_box
from napari_mednext.correction.tools.extent import hull, label_box, overlap, within
from tests.correction.tools.phantoms import SHAPE, labelled

boxes = st.tuples(
    *(
        st.tuples(st.integers(0, n - 1), st.integers(1, n)).map(
            lambda ends: slice(min(ends), max(*ends, min(ends) + 1))
        )
        for n in SHAPE
    )
)


@given(labelled, st.permutations(range(3)), st.integers(1, 300))
def test_the_box_of_a_label_in_any_order_of_memory(labels, order, label):
    labels[1:] = 0
    stored = np.ascontiguousarray(labels.transpose(order)).transpose(np.argsort(order))
    np.testing.assert_array_equal(stored, labels)
    assert label_box(stored[:, ::-1], label) == bounding_box(labels[:, ::-1] == label)


@given(boxes, boxes)
def test_the_overlap_and_the_hull_of_boxes(first, second):
    one, other = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    one[first] = other[second] = True
    assert overlap(first, second) == bounding_box(one & other)
    assert hull(first, second) == bounding_box(one | other)
    assert hull(first, None) == first
    whole = hull(first, second)
    np.testing.assert_array_equal(one[whole][within(second, whole)], one[second])
