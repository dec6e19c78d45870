"""A brush touches what lies within its radius of the stroke, in mm."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.brush import footprint, stamp
from napari_mednext.errors import InputError
from tests.correction.tools.phantoms import (
    SHAPE,
    SPACING,
    check_rules,
    labelled,
    positions,
    written,
)

places = st.tuples(*(st.floats(-4, size + 3) for size in SHAPE))
strokes = st.lists(places, min_size=1, max_size=4)
radii = st.floats(0, 5)


def distance_to_piece(start, end):
    """Return the distance in mm of each voxel's centre to a piece of a stroke."""
    start, end = np.multiply(start, SPACING), np.multiply(end, SPACING)
    way, away = end - start, positions(SHAPE) - start
    length = way @ way
    share = np.clip(away @ way / length, 0, 1) if length else np.zeros(SHAPE)
    return np.linalg.norm(away - share[..., None] * way, axis=-1)


def under(point):
    """Return a mask of the voxel under a point, empty outside the volume."""
    mask = np.zeros(SHAPE, bool)
    voxel = np.floor(np.asarray(point) + 0.5).astype(int)
    if ((voxel >= 0) & (voxel < SHAPE)).all():
        mask[tuple(voxel)] = True
    return mask


def painted(points, **options):
    labels = np.zeros(SHAPE, np.uint8)
    return written(labels, stamp(labels, Scope(1, SPACING), points, **options)) == 1


@settings(deadline=None)
@given(strokes, radii)
def test_a_ball_touches_what_lies_within_its_radius_of_the_stroke(points, radius):
    ends = points[1:] or points
    distance = np.min(
        [distance_to_piece(a, b) for a, b in zip(points, ends, strict=False)], axis=0
    )
    touched = painted(points, radius_mm=radius)
    sure = np.abs(distance - radius) > 1e-6
    assert touched[sure & (distance < radius)].all()
    # What is touched beyond the radius lies under the stroke: half a voxel from it.
    assert (distance[touched] <= max(radius + 1e-6, np.linalg.norm(SPACING) / 2)).all()
    beyond = touched & sure & (distance > radius)
    if len(points) == 1 and radius > 0:
        assert not (beyond & ~under(points[0])).any()
    for point in points:
        assert touched[under(point)].all()


@settings(deadline=None)
@given(strokes, radii, st.integers(0, 2))
def test_a_disc_stays_in_the_slices_of_its_points(points, radius, axis):
    flat = np.array(points)
    flat[:, axis] = np.floor(flat[:, axis] + 0.5)
    touched = painted(points, radius_mm=radius, sphere=False, axis=axis)
    planes = np.moveaxis(touched, axis, 0)
    for number, plane in enumerate(planes):
        here = flat[:, axis] == number
        assert plane.any() <= here.any()
        pieces = [
            (a, b) for a, b in itertools.pairwise(flat) if a[axis] == b[axis] == number
        ]
        pieces += [(a, a) for a in flat[here]]
        if pieces:
            distance = np.min([distance_to_piece(a, b) for a, b in pieces], axis=0)
            distance = np.moveaxis(distance, axis, 0)[number]
            assert plane[distance < radius - 1e-6].all()
            limit = max(radius + 1e-6, np.linalg.norm(SPACING) / 2)
            assert (distance[plane] <= limit).all()


def test_a_disc_by_hand():
    expected = np.zeros((5, 5), bool)
    # 0.9 mm along y and 1.1 mm along x: 1.1 reaches one voxel along x, and just not the
    # corner at 1.42 mm.
    expected[2, 1:4] = expected[1:4, 2] = True
    touched = painted([(3, 2, 2)], radius_mm=1.1, sphere=False)
    np.testing.assert_array_equal(touched[3, :5, :5], expected)
    assert touched.sum() == 5


@pytest.mark.parametrize("sphere", [True, False])
def test_a_thin_quick_stroke_has_no_gaps(sphere):
    labels = np.zeros((1, 60, 90), np.uint8)
    change = stamp(
        labels, Scope(1, SPACING), [(0, 2, 3), (0, 55, 84)], radius_mm=0, sphere=sphere
    )
    line = np.argwhere(written(labels, change))
    assert len(line) == 82
    assert (np.abs(np.diff(line, axis=0)).max(axis=1) == 1).all()


@given(radii, st.booleans(), st.integers(0, 2))
def test_the_footprint_is_what_one_point_paints(radius, sphere, axis):
    shape = footprint(SPACING, radius, sphere=sphere, axis=axis)
    assert all(size % 2 for size in shape.shape)
    labels = np.zeros(np.add(shape.shape, 4), np.uint8)
    centre = np.array(labels.shape) // 2
    change = stamp(
        labels,
        Scope(1, SPACING),
        [centre],
        radius_mm=radius,
        sphere=sphere,
        axis=axis,
    )
    np.testing.assert_array_equal(change.labels == 1, shape)
    assert tuple(part.start for part in change.box) == (2, 2, 2)


def test_a_large_ball_is_a_ball_exactly_at_its_radius():
    # 3 steps of 0.3 mm are 0.9 mm, though not in binary numbers.
    assert footprint((0.1, 0.3, 0.3), 0.9).shape == (19, 7, 7)


@given(labelled, st.booleans())
def test_keeps_the_rules(labels, erase):
    def tool(array, scope):
        stroke = [(1, 2, 2), (3.4, 4, 4)]
        return stamp(array, scope, stroke, radius_mm=2.5, erase=erase)

    check_rules(tool, labels, new=[0] if erase else [1])


@given(labelled, strokes, radii)
def test_erasing_takes_only_the_selected_label_away(labels, points, radius):
    touched = painted(points, radius_mm=radius)
    change = stamp(labels, Scope(2, SPACING), points, radius_mm=radius, erase=True)
    expected = np.where(touched & (labels == 2), 0, labels)
    np.testing.assert_array_equal(written(labels, change), expected)


def test_a_stroke_that_touches_nothing_changes_nothing():
    labels = np.ones(SHAPE, np.uint8)
    scope = Scope(1, SPACING)
    assert stamp(labels, scope, [(2, 2, 2)], radius_mm=3) is None
    assert stamp(np.zeros_like(labels), scope, [], radius_mm=3) is None
    outside = [(2, 2, -9), (2, 2, 30)]
    assert stamp(labels, Scope(2, SPACING), outside[:1], radius_mm=3) is None
    disc = {"radius_mm": 3, "sphere": False, "axis": 2}
    assert stamp(labels, Scope(2, SPACING), outside, **disc) is None


@pytest.mark.parametrize(
    ("points", "options", "words"),
    [
        ([(1, 1, 1)], {"radius_mm": -1}, "radius of the brush must be 0 mm or more"),
        ([(1, 1, 1)], {"radius_mm": np.nan}, "must be 0 mm or more, got nan mm"),
        ([(1, 1, 1)], {"radius_mm": 1, "axis": 3}, "axis must be 0, 1 or 2"),
        ([1, 1, 1], {"radius_mm": 1}, r"must be \(n, 3\) finite numbers"),
        ([(1, 1)], {"radius_mm": 1}, r"got an array of shape \(1, 2\)"),
        ([(1, 1, np.inf)], {"radius_mm": 1}, "finite numbers"),
    ],
)
def test_refuses_strokes_that_are_none(points, options, words):
    with pytest.raises(InputError, match=words):
        stamp(np.zeros(SHAPE, np.uint8), Scope(1), points, **options)
