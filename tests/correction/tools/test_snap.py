"""The border of a label goes to the edge nearby, and stays where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.snap import snap
from napari_mednext.errors import GeometryError, InputError
from tests.correction.tools.phantoms import SPACING, ball, written

few = settings(max_examples=25, deadline=None)
SHAPE = (17, 53, 47)
CENTRE = (8, 26, 22)
RADIUS_MM = 15.0
BALL = ball(SHAPE, CENTRE, RADIUS_MM)


def noisy(mask, noise, seed=5):
    """Return an image in which a mask is 100 brighter than the rest."""
    rng = np.random.default_rng(seed)
    return (mask * 100 + rng.normal(0, noise, mask.shape)).astype(np.int16)


def labelled(mask):
    labels = np.where(mask, 3, 0).astype(np.uint8)
    labels.setflags(write=False)
    return labels


def dice(found, expected):
    return 2 * (found & expected).sum() / (found.sum() + expected.sum())


def band(mask, reach_mm):
    """Return the voxels within reach of the other side of the border."""
    sides = [ndimage.distance_transform_edt(m, sampling=SPACING) for m in (mask, ~mask)]
    return np.maximum(*sides) <= reach_mm + 1e-4


@pytest.mark.parametrize("noise", [5, 20])
@pytest.mark.parametrize("wrong_mm", [-2.0, -1.0, 1.0, 2.0])
def test_a_wrong_radius_becomes_right(noise, wrong_mm):
    labels = labelled(ball(SHAPE, CENTRE, RADIUS_MM + wrong_mm))
    scope = Scope(3, SPACING, noisy(BALL, noise))
    after = written(labels, snap(labels, scope))
    assert dice(after == 3, BALL) > 0.97
    assert dice(after == 3, BALL) > dice(labels == 3, BALL)
    differing = after != labels
    assert not differing[~band(labels == 3, 3.0)].any()


def test_a_dark_structure_snaps_as_well():
    labels = labelled(ball(SHAPE, CENTRE, RADIUS_MM - 2))
    scope = Scope(3, SPACING, -noisy(BALL, 10))
    assert dice(written(labels, snap(labels, scope)) == 3, BALL) > 0.97


@pytest.mark.parametrize("noise", [0, 10, 20])
def test_a_border_at_the_edge_stays(noise):
    labels = labelled(BALL)
    after = written(labels, snap(labels, Scope(3, SPACING, noisy(BALL, noise))))
    assert dice(after == 3, BALL) > 0.98


@pytest.mark.parametrize("noise", [0, 20])
def test_where_there_is_no_edge_the_border_stays(noise):
    labels = labelled(BALL)
    image = noisy(np.zeros(SHAPE), noise)
    after = written(labels, snap(labels, Scope(3, SPACING, image)))
    assert dice(after == 3, BALL) > 0.97


@few
@given(
    hnp.arrays(np.bool_, (5, 8, 7)),
    hnp.arrays(np.int16, (5, 8, 7), elements=st.integers(0, 100)),
    st.sampled_from([0.5, 3.0, 30.0]),
)
def test_no_part_vanishes_and_nothing_beyond_reach_changes(mask, image, reach_mm):
    labels = labelled(mask)
    after = written(labels, snap(labels, Scope(3, SPACING, image), reach_mm=reach_mm))
    parts, count = ndimage.label(mask)
    for number in range(1, count + 1):
        assert (after[parts == number] == 3).any()
    if not mask.all() and mask.any():
        assert (after == labels)[~band(mask, reach_mm)].all()
    else:
        np.testing.assert_array_equal(after, labels)


def test_a_thin_part_stays_beside_a_thick_one():
    mask = BALL.copy()
    mask[8, 26, :] = True
    image = noisy(mask, 5)
    labels = labelled(mask)
    after = written(labels, snap(labels, Scope(3, SPACING, image)))
    assert (after[8, 26] == 3).all()
    assert dice(after == 3, mask) > 0.95


def test_only_the_box_changes():
    labels = labelled(ball(SHAPE, CENTRE, RADIUS_MM - 2))
    scope = Scope(3, SPACING, noisy(BALL, 5))
    whole = written(labels, snap(labels, scope))
    place = (slice(3, 15), slice(30, 53), slice(10, 40))
    part = written(labels, snap(labels, scope, box=place))
    outside = np.ones(SHAPE, np.bool_)
    outside[place] = False
    np.testing.assert_array_equal(part[outside], labels[outside])
    assert dice(part[place] == 3, whole[place] == 3) > 0.98
    assert (part != labels).any()


def test_the_rules_of_the_scope_hold():
    image = noisy(BALL, 5)
    mask = ball(SHAPE, CENTRE, RADIUS_MM - 2)
    labels = np.where(mask, 3, 0).astype(np.uint8)
    labels[:, 40:] = 7
    wished = written(labels, snap(labels, Scope(3, SPACING, image)))
    assert (wished[labels == 7] == 3).any()
    inside = (image >= 90) & (image <= 105)
    for scope, may in (
        (Scope(3, SPACING, image, protect=True), labels != 7),
        (Scope(3, SPACING, image, window=(90, 105)), inside),
    ):
        after = written(labels, snap(labels, scope))
        np.testing.assert_array_equal(after, np.where(may, wished, labels))


def test_nothing_changes_without_the_label_there():
    image = noisy(BALL, 5)
    labels = labelled(BALL)
    assert snap(labels, Scope(4, SPACING, image)) is None
    far = (slice(0, 2), slice(0, 3), slice(0, 3))
    assert snap(labels, Scope(3, SPACING, image), box=far) is None
    small = np.zeros((5, 60, 60), np.uint8)
    small[2, 50, 50] = 3
    scope = Scope(3, SPACING, np.zeros(small.shape))
    assert snap(small, scope, box=(slice(0, 5), slice(0, 3), slice(0, 3))) is None
    # Near enough to be looked at, yet not to be reached.
    assert snap(small, scope, box=(slice(0, 5), slice(40, 44), slice(40, 44))) is None


def test_the_reach_and_the_box_must_be_usable():
    labels = labelled(BALL)
    scope = Scope(3, SPACING, noisy(BALL, 5))
    with pytest.raises(InputError, match="the reach must be 0 mm or more, got nan"):
        snap(labels, scope, reach_mm=float("nan"))
    with pytest.raises(InputError, match="the reach must be more than 0 mm, got 0 mm"):
        snap(labels, scope, reach_mm=0)
    with pytest.raises(
        InputError, match=r"inside the volume \(17, 53, 47\), got \[\(0, 18"
    ):
        snap(labels, scope, box=(slice(0, 18), slice(0, 2), slice(0, 2)))


def test_an_image_is_needed():
    labels = labelled(BALL)
    with pytest.raises(InputError, match="got none: choose the scan first"):
        snap(labels, Scope(3, SPACING))
    with pytest.raises(GeometryError, match="must have the shape of the labels"):
        snap(labels, Scope(3, SPACING, np.zeros((17, 53, 46))))
