"""Labels grow, shrink and get smooth by lengths in mm."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.morphology import dilate, erode, smooth
from napari_mednext.errors import InputError
from tests.correction.tools.phantoms import (
    SHAPE,
    SPACING,
    ball,
    check_rules,
    labelled,
    positions,
    written,
)

few = settings(max_examples=40, deadline=None)
SCOPE = Scope(1, SPACING)
lengths = st.floats(0, 6)
tools = st.sampled_from([dilate, erode, smooth])


def distance_to(mask):
    """Return how far each voxel's centre is from those of a mask, in mm."""
    if not mask.any():
        return np.full(SHAPE, np.inf)
    where = positions(SHAPE)
    away = where[..., None, :] - where[mask]
    return np.sqrt((away**2).sum(axis=-1).min(axis=-1))


def sure(distance, length):
    """Return where rounding does not decide."""
    return np.abs(distance - length) > 1e-6


@few
@given(labelled, lengths)
def test_a_label_grows_by_a_length_in_mm(labels, length):
    labels[2:] = np.where(labels[2:] == 1, 0, labels[2:])
    after = written(labels, dilate(labels, SCOPE, mm=length))
    distance = distance_to(labels == 1)
    expected = np.where(distance <= length, 1, labels)
    certain = sure(distance, length)
    np.testing.assert_array_equal(after[certain], expected[certain])


@few
@given(labelled, lengths)
def test_a_label_shrinks_by_a_length_in_mm_but_not_at_the_border(labels, length):
    labels[labels == 0] = 1
    after = written(labels, erode(labels, SCOPE, mm=length))
    distance = distance_to(labels != 1)
    expected = np.where((labels == 1) & (distance <= length), 0, labels)
    certain = sure(distance, length)
    np.testing.assert_array_equal(after[certain], expected[certain])


def test_a_label_that_fills_the_volume_does_not_shrink():
    assert erode(np.ones(SHAPE, np.uint8), SCOPE, mm=50) is None


@few
@given(labelled, lengths)
def test_growing_and_shrinking_again_loses_nothing(labels, length):
    labels[labels == 2] = 0
    grown = written(labels, dilate(labels, SCOPE, mm=length))
    closed = written(grown, erode(grown, SCOPE, mm=length))
    assert (closed[labels == 1] == 1).all()
    shrunk = written(labels, erode(labels, SCOPE, mm=length))
    opened = written(shrunk, dilate(shrunk, SCOPE, mm=length))
    assert (labels[opened == 1] == 1).all()


@few
@given(labelled, lengths, tools, st.data())
def test_a_box_limits_a_tool_and_changes_nothing_else(labels, length, tool, data):
    box = []
    for size in SHAPE:
        start = data.draw(st.integers(0, size - 1))
        box.append(slice(start, data.draw(st.integers(start + 1, size))))
    box = tuple(box)
    labels[3:] = np.where(labels[3:] == 1, 0, labels[3:])
    whole = written(labels, tool(labels, SCOPE, mm=length))
    after = written(labels, tool(labels, SCOPE, mm=length, box=box))
    expected = labels.copy()
    expected[box] = whole[box]
    np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("length", [0.5, 2.0, 3.3])
def test_smoothing_leaves_a_flat_surface_where_it_is(axis, length):
    labels = np.zeros((25, 29, 31), np.uint8)
    np.moveaxis(labels, axis, 0)[:13] = 1
    assert smooth(labels, SCOPE, mm=length) is None


def test_smoothing_leaves_an_oblique_surface_where_it_is():
    z, y, x = np.moveaxis(positions((25, 31, 33)), -1, 0)
    labels = (0.5 * z + 0.9 * y + 0.7 * x < 40.3).astype(np.uint8)
    after = written(labels, smooth(labels, SCOPE, mm=2))
    assert (after != labels).sum() < 0.02 * labels.sum()
    inside = (slice(3, -3), slice(8, -8), slice(8, -8))
    moved = after[inside].sum() - labels[inside].sum(dtype=int)
    assert abs(int(moved)) < 0.001 * labels[inside].sum()


@pytest.mark.parametrize("length", [1.0, 2.0, 4.0])
def test_smoothing_keeps_the_volume_of_a_ball(length):
    shape = (19, 51, 43)
    labels = ball(shape, (9, 25, 21), 18.0).astype(np.uint8)
    after = written(labels, smooth(labels, SCOPE, mm=length))
    volume = labels.sum(dtype=int)
    assert abs(int(after.sum()) - int(volume)) < 0.01 * volume


def test_smoothing_evens_out_bumps_and_dents_and_drops_specks():
    clean = np.zeros((9, 31, 33), np.uint8)
    clean[:, :15] = 1
    rough = clean.copy()
    rough[4, 15, 16] = rough[4, 16, 16] = 1
    rough[4, 14, 7] = 0
    rough[4, 28, 28] = 1
    after = written(rough, smooth(rough, SCOPE, mm=2))
    np.testing.assert_array_equal(after, clean)


@few
@given(labelled, tools)
def test_keeps_the_rules(labels, tool):
    labels[2:] = np.where(labels[2:] == 1, 0, labels[2:])
    check_rules(partial(tool, mm=2.0), labels)


@pytest.mark.parametrize("tool", [dilate, erode, smooth])
def test_nothing_comes_of_no_length_no_label_or_a_box_elsewhere(tool):
    labels = np.zeros(SHAPE, np.uint8)
    assert tool(labels, SCOPE, mm=3) is None
    labels[1, 2, 2] = labels[3, 4, 4] = 1
    assert tool(labels, SCOPE, mm=0) is None
    far = (slice(0, 1), slice(7, 8), slice(6, 7))
    assert tool(labels, SCOPE, mm=1, box=far) is None


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        (dilate, "length to grow by must be 0 mm or more, got -1 mm"),
        (erode, "length to shrink by must be 0 mm or more, got -1 mm"),
        (smooth, "length to smooth by must be 0 mm or more, got -1 mm"),
    ],
)
def test_refuses_a_negative_length(tool, words):
    with pytest.raises(InputError, match=words):
        tool(np.ones(SHAPE, np.uint8), SCOPE, mm=-1)
