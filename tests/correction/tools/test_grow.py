"""Growing from scribbles fills what the edges enclose, and nothing that it may not."""

import numpy as np
import pytest

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.grow import grow
from napari_mednext.errors import GeometryError, InputError
from tests.correction.tools.phantoms import SPACING, ball, written

SHAPE = (17, 53, 47)
CENTRE = (8, 26, 22)
BALL = ball(SHAPE, CENTRE, 14.0)
SCRIBBLE = [(8, 26, x) for x in range(18, 26)]
both_methods = pytest.mark.parametrize("method", ["geodesic", "walker"])


def noisy(mask, noise):
    """Return an image in which a mask is 100 brighter than the rest."""
    rng = np.random.default_rng(5)
    return (mask * 100 + rng.normal(0, noise, mask.shape)).astype(np.int16)


IMAGE = noisy(BALL, 10)
SCOPE = Scope(3, SPACING, IMAGE)
EMPTY = np.zeros(SHAPE, np.uint8)
EMPTY.setflags(write=False)


def dice(found, expected):
    return 2 * (found & expected).sum() / (found.sum() + expected.sum())


@both_methods
@pytest.mark.parametrize("noise", [0, 10, 25])
def test_a_scribble_fills_its_ball(method, noise):
    scope = Scope(3, SPACING, noisy(BALL, noise))
    after = written(EMPTY, grow(EMPTY, scope, SCRIBBLE, method=method))
    assert dice(after == 3, BALL) > 0.96


@both_methods
def test_a_scribble_on_the_rest_takes_the_label_away(method):
    labels = np.where(np.roll(BALL, 6, axis=2), 3, 0).astype(np.uint8)
    labels[:, :, :2] = 3  # outside of the scribbles' box
    rest = [(8, 4, x) for x in range(10, 30)]
    place = (slice(None), slice(None), slice(2, None))
    after = written(
        labels,
        grow(labels, SCOPE, SCRIBBLE, box=place, method=method, background_seeds=rest),
    )
    assert dice(after[place] == 3, BALL[place]) > 0.96
    assert (after[:, :, :2] == 3).all()


@both_methods
def test_without_scribbles_on_the_rest_the_label_only_grows(method):
    labels = np.where(np.roll(BALL, 6, axis=2), 3, 0).astype(np.uint8)
    after = written(labels, grow(labels, SCOPE, SCRIBBLE, method=method))
    assert (after[labels == 3] == 3).all()
    assert dice((after == 3) & (labels == 0), BALL & (labels == 0)) > 0.95


def test_masks_and_voxels_are_the_same_scribbles():
    mask = np.zeros(SHAPE, np.bool_)
    mask[tuple(np.transpose(SCRIBBLE))] = True
    rest = np.zeros(SHAPE, np.bool_)
    rest[8, 4, 10:30] = True
    one = grow(EMPTY, SCOPE, mask, background_seeds=rest)
    other = grow(EMPTY, SCOPE, np.array(SCRIBBLE), background_seeds=np.argwhere(rest))
    assert one.box == other.box
    np.testing.assert_array_equal(one.labels, other.labels)


@both_methods
def test_scribbles_are_what_they_say(method):
    rest = [(8, 26, 30), (8, 30, 22)]  # inside of the ball
    after = written(
        EMPTY, grow(EMPTY, SCOPE, SCRIBBLE, method=method, background_seeds=rest)
    )
    assert (after[tuple(np.transpose(SCRIBBLE))] == 3).all()
    assert (after[tuple(np.transpose(rest))] == 0).all()


@both_methods
def test_other_labels_and_the_border_of_the_box_hold_it_back(method):
    flat = Scope(3, SPACING, np.zeros(SHAPE, np.int16))
    labels = EMPTY.copy()
    labels[:, :, 28] = 7
    place = (slice(2, 15), slice(5, 50), slice(4, 40))
    after = written(labels, grow(labels, flat, SCRIBBLE, box=place, method=method))
    grown = after == 3
    assert grown.any()
    np.testing.assert_array_equal(after[labels == 7], 7)
    assert not grown[:, :, 29:].any()
    inner = np.zeros(SHAPE, np.bool_)
    inner[3:14, 6:49, 5:39] = True
    assert not grown[~inner].any()


def test_on_flat_ground_the_border_is_halfway():
    flat = Scope(3, SPACING, np.zeros(SHAPE, np.int16))
    after = written(
        EMPTY, grow(EMPTY, flat, [(8, 26, 10)], background_seeds=[(8, 26, 31)])
    )
    np.testing.assert_array_equal(after[8, 26] == 3, np.arange(SHAPE[2]) <= 20)


@both_methods
def test_the_label_grows_over_unprotected_neighbours_only(method):
    labels = EMPTY.copy()
    labels[:, 30:, :] = 7
    rest = [(8, 4, x) for x in range(10, 30)]
    free = written(
        labels, grow(labels, SCOPE, SCRIBBLE, method=method, background_seeds=rest)
    )
    assert dice(free == 3, BALL) > 0.95
    kept = Scope(3, SPACING, IMAGE, protect=True)
    after = written(
        labels, grow(labels, kept, SCRIBBLE, method=method, background_seeds=rest)
    )
    np.testing.assert_array_equal(after[labels == 7], 7)
    assert dice(after == 3, BALL & (labels == 0)) > 0.95


@both_methods
def test_growing_does_not_jump_over_what_the_window_closes(method):
    image = np.full(SHAPE, 50, np.int16)
    image[:, :, 30] = 90
    scope = Scope(3, SPACING, image, window=(40, 60))
    everywhere = (slice(None),) * 3
    after = written(EMPTY, grow(EMPTY, scope, SCRIBBLE, method=method, box=everywhere))
    np.testing.assert_array_equal((after == 3).any(axis=(0, 1)), np.arange(47) < 30)
    assert (after[:, :, :30] == 3).all()


def test_nothing_changes_where_all_is_the_label_already():
    labels = np.full(SHAPE, 3, np.uint8)
    assert grow(labels, SCOPE, SCRIBBLE) is None


def test_only_the_box_counts():
    place = (slice(4, 12), slice(20, 33), slice(15, 30))
    change = grow(EMPTY, SCOPE, SCRIBBLE + [(0, 0, 0)], box=place)
    for part, outer in zip(change.box, place, strict=True):
        assert outer.start <= part.start < part.stop <= outer.stop
    with pytest.raises(InputError, match="scribble of the label in its box, got none"):
        grow(EMPTY, SCOPE, [(0, 0, 0)], box=place)


def test_the_box_reaches_as_far_as_the_margin():
    flat = Scope(3, SPACING, np.zeros(SHAPE, np.int16))
    # Without background the border of the box is it: a margin of one voxel is filled.
    change = grow(EMPTY, flat, [(8, 26, 22)], margin_mm=0.9)
    assert change.box == (slice(8, 9), slice(26, 27), slice(22, 23))
    change = grow(EMPTY, flat, [(8, 26, 22)], margin_mm=6.0)
    assert all(
        part.start > place - 6 / mm - 1 and part.stop <= place + 6 / mm + 1
        for part, place, mm in zip(change.box, (8, 26, 22), SPACING, strict=True)
    )


@pytest.mark.parametrize(
    ("seeds", "sentence"),
    [
        ([], "growing needs a scribble of the label, got none"),
        (np.zeros((3, 4, 5), np.bool_), r"shape of the labels \(17, 53, 47\), got \(3"),
        ([(1, 2)], r"whole voxels \(n, 3\), got an array \(1, 2\) of int64"),
        ([(1.5, 2, 3)], r"whole voxels \(n, 3\), got an array \(1, 3\) of float64"),
        ([(8, 26, 22), (8, 53, 0)], r"in the volume .* got voxel \(8, 53, 0\)"),
        ([(8, 26, -1)], r"in the volume .* got voxel \(8, 26, -1\)"),
    ],
)
def test_scribbles_must_be_usable(seeds, sentence):
    with pytest.raises(InputError, match=sentence):
        grow(EMPTY, SCOPE, seeds)


def test_a_voxel_is_of_one_kind():
    with pytest.raises(InputError, match="something else, got 2 such voxels"):
        grow(EMPTY, SCOPE, SCRIBBLE, background_seeds=SCRIBBLE[:2] + [(1, 1, 1)])


def test_settings_must_be_usable():
    with pytest.raises(InputError, match='must be "geodesic" or "walker", got \'hop\''):
        grow(EMPTY, SCOPE, SCRIBBLE, method="hop")
    with pytest.raises(InputError, match="the margin must be 0 mm or more, got -1"):
        grow(EMPTY, SCOPE, SCRIBBLE, margin_mm=-1)
    with pytest.raises(InputError, match="a label must be from 1 to 255, got 300"):
        grow(EMPTY, Scope(300, SPACING, IMAGE), SCRIBBLE)
    with pytest.raises(InputError, match="got none: choose the scan first"):
        grow(EMPTY, Scope(3, SPACING), SCRIBBLE)
    with pytest.raises(GeometryError, match="must have the shape of the labels"):
        grow(EMPTY, Scope(3, SPACING, IMAGE[1:]), SCRIBBLE)
