"""Planes and lassos cut where their geometry says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.cut import cut_lasso, cut_plane
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
FULL = np.ones(SHAPE, np.uint8)
FULL.setflags(write=False)
#: Halves, so that corners and lines often meet voxel centres.
halves = st.integers(-4, 20).map(lambda n: n / 2)
points = st.tuples(halves, halves, halves)
polygons = st.lists(st.tuples(halves, halves), min_size=3, max_size=7)
axes = st.sampled_from([0, 1, 2])
normals = st.tuples(*[st.sampled_from([-1.0, 0.0, 0.5, 2.0])] * 3).filter(any)


@few
@given(labelled, points, normals)
def test_a_plane_cuts_by_the_distance_in_mm(labels, point, normal):
    after = written(labels, cut_plane(labels, SCOPE, points=[point], normal=normal))
    for place in np.ndindex(SHAPE):
        height = sum(
            n * mm * (p - q)
            for n, mm, p, q in zip(normal, SPACING, place, point, strict=True)
        )
        cut = labels[place] == 1 and height < -1e-9
        assert after[place] == (0 if cut else labels[place])


@few
@given(labelled, points, normals)
def test_each_voxel_lies_on_one_side(labels, point, normal):
    one, other = (
        written(labels, cut_plane(labels, SCOPE, points=[point], normal=n, keep=side))
        for n, side in ((normal, "positive"), (normal, "negative"))
    )
    kept = (one == 1).astype(int) + (other == 1)
    np.testing.assert_array_equal(kept, labels == 1)
    larger = written(
        labels, cut_plane(labels, SCOPE, points=point, normal=normal, keep="larger")
    )
    assert (larger == 1).sum() == max((one == 1).sum(), (other == 1).sum())


def test_the_right_hand_side_of_a_line_is_positive():
    # To the right along row 3: the right hand points down, to higher rows.
    after = written(FULL, cut_plane(FULL, SCOPE, points=[(2, 3, 1), (2, 3, 5)]))
    np.testing.assert_array_equal((after == 1).all(axis=(0, 2)), np.arange(8) >= 3)
    # Down along column 2: the right hand points to lower columns.
    after = written(FULL, cut_plane(FULL, SCOPE, points=[(2, 1, 2), (2, 6, 2)]))
    np.testing.assert_array_equal((after == 1).all(axis=(0, 1)), np.arange(7) <= 2)
    assert (after == 0).all(axis=(0, 1)).sum() == 4


@few
@given(axes, points, points)
def test_a_line_cuts_through_all_slices_alike(axis, first, second):
    row, column = (a for a in range(3) if a != axis)
    if (first[row], first[column]) == (second[row], second[column]):
        return
    after = written(FULL, cut_plane(FULL, SCOPE, points=[first, second], axis=axis))
    planes = np.moveaxis(after, axis, 0)
    down, right = second[row] - first[row], second[column] - first[column]
    for r, c in np.ndindex(planes.shape[1:]):
        turn = right * (r - first[row]) - down * (c - first[column])
        assert (planes[:, r, c] == (1 if turn >= 0 else 0)).all()


def test_the_cut_off_part_may_get_another_label():
    change = cut_plane(
        FULL, SCOPE, points=[(0, 3.5, 0), (0, 3.5, 6)], keep="negative", to_label=9
    )
    after = written(FULL, change)
    assert (after[:, :4] == 1).all()
    assert (after[:, 4:] == 9).all()


def crossings(polygon, row, column):
    """Return whether a point lies in a polygon, one side at a time."""
    inside = False
    for (r0, c0), (r1, c1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (r0 <= row) != (r1 <= row):
            # Left of the side or on it, by whole numbers (all are halves).
            over = (c1 - c0) * (row - r0) - (column - c0) * (r1 - r0)
            inside ^= over <= 0 if r1 > r0 else over >= 0
    return inside


@few
@given(labelled, axes, polygons, st.booleans())
def test_a_lasso_cuts_what_lies_in_it(labels, axis, polygon, inside):
    cut = cut_lasso(labels, SCOPE, polygon=polygon, axis=axis, inside=inside)
    after = np.moveaxis(written(labels, cut), axis, 0)
    before = np.moveaxis(labels, axis, 0)
    for r, c in np.ndindex(before.shape[1:]):
        lost = (before[:, r, c] == 1) & (crossings(polygon, r, c) == inside)
        np.testing.assert_array_equal(
            after[:, r, c], np.where(lost, 0, before[:, r, c])
        )


corners = st.tuples(st.floats(-3, 10), st.floats(-3, 10))


@few
@given(corners, corners, corners, corners)
def test_lassos_that_share_a_side_share_no_voxel(a, b, c, d):
    whole, one, other = (
        written(FULL, cut_lasso(FULL, SCOPE, polygon=polygon)) == 0
        for polygon in ((a, b, c, d), (a, b, c), (c, d, a))
    )
    np.testing.assert_array_equal(whole, one ^ other)


def test_a_lasso_may_keep_to_some_slices():
    square = [(1.5, 2.5), (1.5, 4.5), (5.5, 4.5), (5.5, 2.5)]
    after = written(
        FULL, cut_lasso(FULL, SCOPE, polygon=square, slices=slice(1, 3), to_label=2)
    )
    expected = FULL.copy()
    expected[1:3, 2:6, 3:5] = 2
    np.testing.assert_array_equal(after, expected)
    labels = FULL.copy()
    labels[1:] = 0
    assert cut_lasso(labels, SCOPE, polygon=square, slices=slice(1, None)) is None
    assert cut_lasso(labels, SCOPE, polygon=square, slices=slice(1)) is not None


@few
@given(labelled)
def test_the_rules_of_the_scope_hold(labels):
    line, lasso = [(0, 3.5, 0), (0, 4, 6)], [(0, 0), (6, 1), (3, 6)]
    check_rules(lambda a, s: cut_plane(a, s, points=line), labels, new=(0,))
    check_rules(lambda a, s: cut_lasso(a, s, polygon=lasso), labels, new=(0,))
    check_rules(
        lambda a, s: cut_lasso(a, s, polygon=lasso, to_label=2), labels, new=(2,)
    )


def test_nothing_changes_where_nothing_is_cut_off():
    line, lasso = [(0, -2, 0), (0, -2, 6)], [(20, 20), (20, 30), (30, 25)]
    assert cut_plane(FULL, SCOPE, points=line) is None
    assert cut_plane(FULL, Scope(2, SPACING), points=line, keep="negative") is None
    assert cut_lasso(FULL, SCOPE, polygon=lasso) is None
    assert cut_lasso(FULL, Scope(2, SPACING), polygon=lasso, inside=False) is None


LINE = [(0, 3, 0), (0, 3, 6)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"points": [(0, 1, 2)]}, r"two points .* got points \[\[0.0, 1.0, 2.0\]\]"),
        ({"points": LINE, "normal": (1, 0, 0)}, "one point and a normal, got points"),
        ({"points": [(0, 1, 2), (0, np.nan, 2)]}, "got points .*nan"),
        ({"points": [(0, 1, 2), (5, 1, 2)]}, r"the line \[\[0.0, 1.0, 2.0\], \[5.0"),
        ({"points": (0, 1, 2), "normal": (0, 0, 0)}, r"the normal \(0, 0, 0\)"),
        ({"points": (0, 1, 2), "normal": (1, 0)}, r"the normal \(1, 0\)"),
        ({"points": (0, 1, 2), "normal": (np.inf, 0, 0)}, r"the normal \(inf, 0"),
        ({"points": LINE, "axis": -1}, "an axis must be 0, 1 or 2 .* got -1"),
        ({"points": LINE, "keep": "left"}, '"negative" or "larger", got \'left\''),
        ({"points": LINE, "to_label": 1}, "another label than 1, got the same"),
        ({"points": LINE, "to_label": 256}, "from 1 to 255, got 256"),
        ({"points": LINE, "to_label": -1}, "from 1 to 255, got -1"),
    ],
)
def test_a_plane_must_be_usable(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        cut_plane(FULL, SCOPE, **arguments)


LASSO = [(1, 1), (1, 5), (5, 3)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"polygon": LASSO[:2]}, r"at least three corners .* an array \(2, 2\)"),
        ({"polygon": [(0, 1, 2)] * 4}, r"two coordinates .* an array \(4, 3\)"),
        ({"polygon": [(0, 1), (2, 3), (np.inf, 0)]}, "must be finite, got .*inf"),
        ({"polygon": LASSO, "axis": 3}, "an axis must be 0, 1 or 2 .* got 3"),
        ({"polygon": LASSO, "slices": slice(2, 6)}, r"in 0..5 .* got slice\(2, 6"),
        ({"polygon": LASSO, "slices": slice(-1, 2)}, r"in 0..5 .* got slice\(-1, 2"),
        ({"polygon": LASSO, "slices": slice(2, 2)}, r"in 0..5 .* got slice\(2, 2"),
        ({"polygon": LASSO, "slices": slice(0, 4, 2)}, r"got slice\(0, 4, 2\)"),
        ({"polygon": LASSO, "to_label": 1}, "another label than 1, got the same"),
    ],
)
def test_a_lasso_must_be_usable(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        cut_lasso(FULL, SCOPE, **arguments)
