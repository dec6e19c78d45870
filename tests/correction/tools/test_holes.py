"""Holes of a label are filled, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.holes import fill_holes
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
VOXEL_ML = 3.0 * 0.9 * 1.1 / 1000
axes = st.sampled_from([None, 0, 1, 2])


def filled(form, axis):
    """Return a form without holes, by scipy's own filling."""
    if axis is None:
        return ndimage.binary_fill_holes(form)
    planes = [ndimage.binary_fill_holes(plane) for plane in np.moveaxis(form, axis, 0)]
    return np.moveaxis(np.array(planes), 0, axis)


@few
@given(labelled, axes)
def test_fills_what_scipy_fills_where_nobody_else_is(labels, axis):
    after = written(labels, fill_holes(labels, SCOPE, axis=axis))
    expected = labels.copy()
    expected[filled(labels == 1, axis) & (labels == 0)] = 1
    np.testing.assert_array_equal(after, expected)
    assert fill_holes(after, SCOPE, axis=axis) is None


def box_with_a_tumour():
    """Return a box that holds a tumour in a cavity, and a smaller cavity."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[0:5, 1:8, 0:7] = 1
    labels[1:4, 2:5, 1:4] = 0
    labels[2, 3, 2] = 2
    labels[2, 6, 5] = 0
    return labels


def test_a_tumour_in_a_hole_keeps_its_label():
    labels = box_with_a_tumour()
    after = written(labels, fill_holes(labels, SCOPE))
    assert after[2, 3, 2] == 2
    assert (after == 1).sum() == 5 * 7 * 7 - 1


def test_larger_holes_stay():
    labels = box_with_a_tumour()
    small = written(labels, fill_holes(labels, SCOPE, max_ml=26 * VOXEL_ML))
    assert small[2, 6, 5] == 1
    assert (small != labels).sum() == 1
    both = written(labels, fill_holes(labels, SCOPE, max_ml=27 * VOXEL_ML))
    assert (both != labels).sum() == 27
    assert fill_holes(labels, SCOPE, max_ml=0) is None


def test_a_bowl_is_closed_in_its_slices_only():
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, 1:7, 1:6] = 1
    labels[1:, 3:5, 2:5] = 0
    assert fill_holes(labels, SCOPE) is None
    assert fill_holes(labels, SCOPE, axis=1) is None
    after = written(labels, fill_holes(labels, SCOPE, axis=0))
    assert (after[:, 1:7, 1:6] == 1).all()
    assert (after != labels).sum() == 4 * 2 * 3


def test_a_hole_that_opens_over_an_edge_only_is_closed():
    labels = np.ones((3, 3, 3), np.uint8)
    labels[1, 1, 1] = labels[0, 0, 1] = 0
    after = written(labels, fill_holes(labels, SCOPE))
    assert after[1, 1, 1] == 1
    assert after[0, 0, 1] == 0


@few
@given(labelled, axes)
def test_keeps_the_rules(labels, axis):
    check_rules(lambda a, s: fill_holes(a, s, axis=axis), labels, new=[1])


def test_a_label_that_is_not_there_has_no_holes():
    assert fill_holes(np.full(SHAPE, 2, np.uint8), SCOPE) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axis": 3}, "axis must be 0, 1 or 2"),
        ({"max_ml": -1}, "largest hole to fill must be 0 mL or more, got -1 mL"),
        ({"max_ml": np.nan}, "must be 0 mL or more, got nan mL"),
    ],
)
def test_refuses_what_means_nothing(options, words):
    with pytest.raises(InputError, match=words):
        fill_holes(np.ones(SHAPE, np.uint8), SCOPE, **options)
