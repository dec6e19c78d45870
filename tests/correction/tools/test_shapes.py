"""Distances to outlines, and parts that continue each other."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis.extra import numpy as hnp

from napari_mednext.correction.tools.shapes import (
    Shape,
    matched_shapes,
    signed_distance,
)

few = settings(max_examples=40, deadline=None)
SPACING = (0.9, 1.7)


def outline(mask):
    """Return the middles (row, column) between neighbours of which one is inside."""
    for row, column in np.ndindex(mask.shape):
        for down, right in ((1, 0), (0, 1)):
            there = mask[
                row + down : row + down + 1, column + right : column + right + 1
            ]
            if (there != mask[row, column]).any():
                yield (row + down / 2, column + right / 2)


@few
@given(hnp.arrays(np.bool_, (5, 7)))
def test_distances_run_to_the_outline(mask):
    assume(mask.any() and not mask.all())
    points = np.array(list(outline(mask)))
    found = signed_distance(mask, SPACING)
    for place in np.ndindex(mask.shape):
        nearest = np.linalg.norm((points - place) * SPACING, axis=1).min()
        assert np.isclose(found[place], nearest if mask[place] else -nearest)


def test_both_sides_of_a_straight_edge_are_equally_far():
    mask = np.zeros((6, 8), np.bool_)
    mask[:, 3:] = True
    expected = (np.arange(8) - 2.5) * SPACING[1]
    np.testing.assert_allclose(signed_distance(mask, SPACING)[2], expected)


def plane(*boxes):
    """Return a slice with rectangles."""
    mask = np.zeros((21, 33), np.bool_)
    for rows, columns in boxes:
        mask[rows[0] : rows[1], columns[0] : columns[1]] = True
    return mask


def matched(first, second, between_mm=3.0):
    """Return where the shapes of pairs begin."""
    pairs = matched_shapes(first, second, SPACING, between_mm)
    return {
        tuple(None if shape is None else shape.start for shape in pair)
        for pair in pairs
    }


def test_a_shape_knows_its_place():
    shape = Shape.of(plane(((4, 7), (10, 15))))
    assert (shape.start, shape.stop) == ((4, 10), (7, 15))
    assert shape.mask.all()
    np.testing.assert_allclose(shape.center, (5, 12))
    frame = shape.placed(np.array([3, 8]), np.array([6, 9]))
    np.testing.assert_array_equal(np.argwhere(frame)[[0, -1]], [[1, 2], [3, 6]])
    assert frame.sum() == 15


def test_parts_that_overlap_most_belong_together():
    first = plane(((1, 6), (2, 8)), ((1, 6), (12, 18)))
    second = plane(((2, 7), (3, 11)), ((2, 7), (14, 20)))
    assert matched(first, second) == {((1, 2), (2, 3)), ((1, 12), (2, 14))}


def test_a_part_may_become_two():
    first = plane(((2, 9), (2, 20)))
    second = plane(((2, 9), (2, 9)), ((2, 9), (13, 20)))
    (pair,) = matched_shapes(first, second, SPACING, 3.0)
    assert pair[1].mask.sum() == second.sum()
    (pair,) = matched_shapes(second, first, SPACING, 3.0)
    assert pair[0].mask.sum() == second.sum()


def test_lone_parts_belong_together_however_far():
    first, second = plane(((0, 2), (0, 2))), plane(((18, 20), (30, 32)))
    assert matched(first, second, 0.1) == {((0, 0), (18, 30))}


def test_the_nearest_of_the_rest_belong_together_within_reach():
    # The large part keeps both centres in place, so nothing else overlaps.
    first = plane(((8, 14), (10, 24)), ((0, 2), (1, 3)))
    near = plane(((8, 14), (10, 24)), ((0, 2), (5, 7)))
    far = plane(((8, 14), (10, 24)), ((19, 21), (29, 31)))
    large = ((8, 10), (8, 10))
    assert matched(first, near) == {((0, 1), (0, 5)), large}
    assert matched(first, far) == {((0, 1), None), large, (None, (19, 29))}
    assert matched(first, far, 30.0) == {((0, 1), (19, 29)), large}
