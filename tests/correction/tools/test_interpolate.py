"""Slices between drawn ones are filled: exactly where that can be, else nearly."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.interpolate import interpolate
from napari_mednext.errors import InputError
from tests.correction.tools.phantoms import SPACING, check_rules, written

few = settings(max_examples=40, deadline=None)
axes = st.sampled_from([0, 1, 2])
SCOPE = Scope(1, SPACING)
#: Slices, rows and columns of the volumes, before they are turned.
SIZE = (9, 43, 47)


def tube(axis, centre, radius_mm, tilt=(0, 0), growth_mm=0.0, size=SIZE):
    """Return the distances to the wall of a tilted cone in mm, negative inside."""
    row_mm, column_mm = (mm for a, mm in enumerate(SPACING) if a != axis)
    slices, rows, columns = np.ogrid[: size[0], : size[1], : size[2]]
    apart = np.hypot(
        (rows - centre[0] - tilt[0] * slices) * row_mm,
        (columns - centre[1] - tilt[1] * slices) * column_mm,
    )
    return np.moveaxis(apart - radius_mm - growth_mm * slices, 0, axis)


def drawn(mask, axis, numbers):
    """Return labels with a mask on some slices."""
    labels = np.zeros(mask.shape, np.uint8)
    np.moveaxis(labels, axis, 0)[numbers] = np.moveaxis(mask, axis, 0)[numbers]
    return labels


def borders_are_free(mask, axis):
    """Return whether a mask is on all slices and touches no side of them."""
    planes = np.moveaxis(mask, axis, 0)
    inside = planes[:, 1:-1, 1:-1]
    return planes.any(axis=(1, 2)).all() and planes.sum() == inside.sum()


@few
@given(axes, st.floats(1.6, 14), st.sampled_from([[0, 8], [0, 3, 8], [1, 2, 7]]))
def test_a_cylinder_comes_back_voxel_by_voxel(axis, radius_mm, numbers):
    mask = tube(axis, (21.3, 22.9), radius_mm) <= 0
    after = written(
        labels := drawn(mask, axis, numbers), interpolate(labels, SCOPE, axis=axis)
    )
    expected = drawn(mask, axis, list(range(numbers[0], numbers[-1] + 1)))
    np.testing.assert_array_equal(after, expected)


@few
@given(axes, st.floats(1.6, 8), st.integers(-2, 2), st.integers(-2, 2))
def test_a_cylinder_tilted_by_whole_voxels_comes_back(axis, radius_mm, down, right):
    centre = (21.3 - 4 * down, 22.9 - 4 * right)
    mask = tube(axis, centre, radius_mm, (down, right)) <= 0
    assume(borders_are_free(mask, axis))
    for numbers in ([0, 8], [0, 5, 8]):
        labels = drawn(mask, axis, numbers)
        after = written(labels, interpolate(labels, SCOPE, axis=axis))
        np.testing.assert_array_equal(after, mask)


@few
@given(
    axes,
    st.floats(4.5, 8),
    st.floats(-0.9, 0.9),
    st.floats(-0.9, 0.9),
    st.floats(0, 0.8),
)
def test_other_tilts_and_cones_are_met_within_half_a_voxel(
    axis, radius_mm, down, right, growth_mm
):
    centre = (21.3 - 4 * down, 22.9 - 4 * right)
    wall = tube(axis, centre, radius_mm, (down, right), growth_mm)
    assume(borders_are_free(wall <= 0, axis))
    labels = drawn(wall <= 0, axis, [0, 8])
    after = written(labels, interpolate(labels, SCOPE, axis=axis))
    wrong = (after == 1) != (wall <= 0)
    coarsest = max(mm for a, mm in enumerate(SPACING) if a != axis)
    assert np.abs(wall[wrong]).max(initial=0) <= coarsest / 2


def test_a_cylinder_that_leaves_the_volume_comes_back():
    mask = tube(0, (-2.0, 45.0), 12.0) <= 0
    labels = drawn(mask, 0, [0, 8])
    np.testing.assert_array_equal(written(labels, interpolate(labels, SCOPE)), mask)


def test_what_moves_out_of_the_volume_is_cut_off():
    labels = np.zeros((3, 9, 9), np.uint8)
    labels[0, 2:7, :5] = 1
    labels[2, 2:7, 0] = 1
    labels[2, 2:4, 0:2] = 1
    labels[2, 2:7, 7:] = 1
    after = written(labels, interpolate(labels, SCOPE))
    assert (after[1] == 1).any()
    np.testing.assert_array_equal(after[[0, 2]], labels[[0, 2]])


def test_widths_lie_between_those_of_the_drawn_slices():
    labels = np.zeros((5, 9, 13), np.uint8)
    labels[0, :, 5:7] = 1
    labels[4, :, 1:11] = 1
    after = written(labels, interpolate(labels, SCOPE))
    assert after[:, 4].sum(axis=1).tolist() == [2, 4, 6, 8, 10]
    assert np.flatnonzero(after[2, 4]).tolist() == [3, 4, 5, 6, 7, 8]


def test_parts_that_cross_the_volume_each_keep_their_way():
    first = tube(0, (12.0, 10.0), 4.0, (0, 1)) <= 0
    second = tube(0, (30.0, 36.0), 5.0, (0, -2)) <= 0
    labels = drawn(first | second, 0, [0, 8])
    after = written(labels, interpolate(labels, SCOPE))
    np.testing.assert_array_equal(after, first | second)


def test_neighbours_that_move_together_are_not_mistaken_for_each_other():
    tubes = [tube(0, (21.0, column), 4.0, (0, 1)) for column in (8.0, 16.0, 24.0)]
    mask = np.logical_or.reduce([wall <= 0 for wall in tubes])
    labels = drawn(mask, 0, [0, 8])
    np.testing.assert_array_equal(written(labels, interpolate(labels, SCOPE)), mask)


def test_a_part_without_continuation_is_gone_halfway():
    stays = tube(0, (12.0, 12.0), 6.0) <= 0
    ends = tube(0, (32.0, 32.0), 7.0) <= 0
    labels = drawn(stays, 0, [0, 8])
    labels[0][ends[0]] = 1
    after = written(labels, interpolate(labels, SCOPE))
    np.testing.assert_array_equal(after[stays], 1)
    areas = ((after == 1) & ~stays).sum(axis=(1, 2))
    assert (np.diff(areas[:5]) < 0).all()
    assert areas[4:].tolist() == [0] * 5
    assert not (after[(~stays) & (~ends)]).any()
    backwards = written(labels[::-1], interpolate(labels[::-1].copy(), SCOPE))
    np.testing.assert_array_equal(backwards, after[::-1])


def test_one_part_that_becomes_two_stays_whole_between():
    whole = tube(0, (21.0, 23.0), 11.0) <= 0
    twins = (tube(0, (21.0, 15.0), 4.0) <= 0) | (tube(0, (21.0, 31.0), 4.0) <= 0)
    labels = drawn(whole, 0, [0])
    labels[8][twins[8]] = 1
    after = written(labels, interpolate(labels, SCOPE))
    areas = after.sum(axis=(1, 2))
    assert (np.diff(areas.astype(int)) < 0).all()
    np.testing.assert_array_equal(after, after[:, :, 46::-1][:, :, :47])


@few
@given(hnp.arrays(np.bool_, (2, 9, 7)), axes)
def test_turning_the_volume_turns_the_answer(planes, axis):
    assume(planes.any(axis=(1, 2)).all())
    mask = np.zeros((5, 9, 7), np.bool_)
    mask[[0, 4]] = planes
    labels = drawn(np.moveaxis(mask, 0, axis), axis, [0, 4])
    forth = written(labels, interpolate(labels, SCOPE, axis=axis))
    turned = np.flip(labels, axis)
    back = written(turned, interpolate(turned, SCOPE, axis=axis))
    np.testing.assert_array_equal(np.flip(back, axis), forth)


def test_outlines_are_filled():
    mask = tube(1, (21.3, 22.9), 9.0, (1, 0)) <= 0
    full = drawn(mask, 1, [0, 8])
    outlines = full.copy()
    inner = tube(1, (21.3, 22.9), 5.0, (1, 0)) <= 0
    outlines[inner] = 0
    after = written(outlines, interpolate(outlines, SCOPE, axis=1, contours=True))
    np.testing.assert_array_equal(after, mask)
    hollow = written(outlines, interpolate(outlines, SCOPE, axis=1))
    np.testing.assert_array_equal(hollow == 1, mask & ~inner)


def test_slices_between_named_ones_are_replaced():
    mask = tube(0, (21.3, 22.9), 9.0) <= 0
    labels = mask.astype(np.uint8)
    labels[3] = np.roll(labels[3], 9, axis=0)
    labels[5] = 0
    labels[5, 0, 0] = 1
    labels[8, 40:, 40:] = 1
    after = written(labels, interpolate(labels, SCOPE, drawn=[7, 2, 7]))
    np.testing.assert_array_equal(after[:8] == 1, mask[:8])
    np.testing.assert_array_equal(after[8], labels[8])


def test_slices_that_hold_the_label_count_as_drawn():
    labels = (tube(0, (21.3, 22.9), 9.0) <= 0).astype(np.uint8)
    labels[4:] = 0
    labels[6, 3:5, 3:5] = 1
    after = written(labels, interpolate(labels, SCOPE))
    differing = (after != labels).any(axis=(1, 2))
    assert np.flatnonzero(differing).tolist() == [4, 5]


def test_nothing_changes_without_a_gap():
    labels = np.zeros((5, 8, 7), np.uint8)
    labels[1:4, 2:5, 3] = 1
    assert interpolate(labels, SCOPE) is None
    assert interpolate(labels, SCOPE, contours=True) is None


@few
@given(hnp.arrays(np.uint8, (5, 8, 7), elements=st.sampled_from([0, 1, 2])))
def test_the_rules_of_the_scope_hold(labels):
    labels[[0, 4], 3, 2] = 1
    labels[1:4][labels[1:4] == 1] = 0
    check_rules(lambda array, scope: interpolate(array, scope), labels)


@few
@given(hnp.arrays(np.uint8, (5, 8, 7), elements=st.sampled_from([0, 1, 2])))
def test_the_rules_of_the_scope_hold_where_slices_are_replaced(labels):
    labels[[0, 4], 3, 2] = 1
    check_rules(lambda array, scope: interpolate(array, scope, drawn=[0, 4]), labels)


def test_two_slices_must_be_drawn():
    labels = np.zeros((5, 8, 7), np.uint8)
    with pytest.raises(InputError, match="on two axial slices or more, got none"):
        interpolate(labels, SCOPE)
    labels[2, 3, 4] = 1
    with pytest.raises(InputError, match=r"on two coronal slices or more, got \[3\]"):
        interpolate(labels, SCOPE, axis=1)
    with pytest.raises(InputError, match=r"got \[2, 4\] of which \[4\] do not hold it"):
        interpolate(labels, SCOPE, drawn=[4, 2])


def test_slices_and_axis_must_exist():
    labels = np.ones((5, 8, 7), np.uint8)
    with pytest.raises(
        InputError, match="a slice along axis 0 must be from 0 to 4, got 5"
    ):
        interpolate(labels, SCOPE, drawn=[0, 5])
    with pytest.raises(InputError, match=r"an axis must be 0, 1 or 2 .*, got 3"):
        interpolate(labels, SCOPE, axis=3)
