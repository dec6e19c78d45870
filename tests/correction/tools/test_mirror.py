"""A label is copied to the other side of a plane."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.mirror import mirror
from napari_mednext.errors import InputError
from tests.correction.tools.phantoms import (
    SHAPE,
    SPACING,
    check_rules,
    labelled,
    written,
)

few = settings(max_examples=60, deadline=None)
SCOPE = Scope(1, SPACING)


def expected(labels, *, axis, plane, side, to_label, union):
    """Return what a mirror makes of labels, voxel by voxel."""
    result = labels.copy()
    target = to_label or 1
    images = 0
    for voxel in np.ndindex(labels.shape):
        source = list(voxel)
        source[axis] = int(2 * plane) - voxel[axis]
        shown = False
        away = plane - voxel[axis]
        is_for_image = side is None or (away <= 0 if side == "low" else away >= 0)
        if is_for_image and 0 <= source[axis] < labels.shape[axis]:
            shown = labels[tuple(source)] == 1
        images += shown
        if shown and (target == 1 or labels[voxel] != 1):
            result[voxel] = target
        elif not union and is_for_image and labels[voxel] == target:
            result[voxel] = 0
    return result if images else labels


@few
@given(labelled, st.data())
def test_a_mirror_by_its_definition(labels, data):
    axis = data.draw(st.integers(0, 2))
    options = {
        "axis": axis,
        "plane": data.draw(st.integers(0, 2 * SHAPE[axis] - 2)) / 2,
        "side": data.draw(st.sampled_from([None, "low", "high"])),
        "to_label": data.draw(st.sampled_from([None, 1, 2, 9])),
        "union": data.draw(st.booleans()),
    }
    sparse = labels.copy()
    sparse[:, 3:, 2:5] = 0
    after = written(sparse, mirror(sparse, SCOPE, **options))
    wished = expected(sparse, **options)
    np.testing.assert_array_equal(after, wished)


@few
@given(labelled, st.integers(0, 2))
def test_adding_the_image_makes_a_label_symmetric(labels, axis):
    labels[labels == 2] = 0
    after = written(labels, mirror(labels, SCOPE, axis=axis))
    np.testing.assert_array_equal(after, np.maximum(labels, np.flip(labels, axis)))
    assert mirror(after, SCOPE, axis=axis) is None
    flipped = written(labels, mirror(labels, SCOPE, axis=axis, union=False))
    np.testing.assert_array_equal(flipped, np.flip(labels, axis))


def test_one_side_is_drawn_anew_after_the_other():
    labels = np.zeros((1, 1, 9), np.uint8)
    labels[0, 0] = [0, 1, 1, 0, 1, 0, 0, 0, 1]
    low = mirror(labels, SCOPE, side="low", union=False)
    np.testing.assert_array_equal(
        written(labels, low)[0, 0], [0, 1, 1, 0, 1, 0, 1, 1, 0]
    )
    other = mirror(labels, SCOPE, plane=3.5, side="low", to_label=2)
    np.testing.assert_array_equal(
        written(labels, other)[0, 0], [0, 1, 1, 0, 1, 2, 2, 0, 1]
    )


@few
@given(labelled, st.booleans(), st.sampled_from([None, 2]))
def test_keeps_the_rules(labels, union, to_label):
    labels[1, 1, 1] = 1
    tool = partial(mirror, axis=1, plane=2.5, to_label=to_label, union=union)
    check_rules(tool, labels, new=[0, to_label or 1], gets=to_label or 1)


def test_nothing_comes_of_no_label_or_an_image_outside():
    labels = np.zeros(SHAPE, np.uint8)
    assert mirror(labels, SCOPE) is None
    labels[2, 2, 6] = 1
    assert mirror(labels, SCOPE, plane=1) is None
    assert mirror(labels, SCOPE, side="low") is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axis": 4}, "axis must be 0, 1 or 2"),
        ({"side": "left"}, "'low', 'high' or None for both, got 'left'"),
        ({"plane": 2.25}, "a voxel from 0 to 6 or halfway between two, got 2.25"),
        ({"plane": -0.5}, "from 0 to 6 or halfway between two, got -0.5"),
        ({"plane": 6.5}, "got 6.5"),
        ({"plane": np.nan}, "got nan"),
        ({"to_label": 256}, "from 1 to 255, got 256"),
    ],
)
def test_refuses_mirrors_that_mean_nothing(options, words):
    with pytest.raises(InputError, match=words):
        mirror(np.ones(SHAPE, np.uint8), SCOPE, **options)
