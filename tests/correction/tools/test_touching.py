"""Touching bodies are parted where they are thinnest."""

import numpy as np
import pytest

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.touching import split_touching
from napari_mednext.errors import InputError
from tests.correction.tools.phantoms import SPACING, ball, check_rules, written

SHAPE = (9, 31, 41)
SCOPE = Scope(1, SPACING)
CENTRES = [(4, 14, 11), (4, 14, 27)]


def two_balls():
    """Return two balls that share a neck at x = 19, and a third ball apart."""
    labels = np.zeros(SHAPE, np.uint8)
    for centre in CENTRES:
        labels[ball(SHAPE, centre, 9.6)] = 1
    labels[ball(SHAPE, (4, 28, 38), 2)] = 1
    return labels


@pytest.mark.parametrize("aside", [0, 3])
def test_two_balls_are_parted_at_their_neck(aside):
    labels = two_balls()
    seeds = [np.subtract(CENTRES[0], (0, aside, 0)), np.add(CENTRES[1], (0, aside, 0))]
    after = written(labels, split_touching(labels, SCOPE, seeds=seeds, new_labels=[6]))
    np.testing.assert_array_equal(after > 0, labels > 0)
    first, second = (ball(SHAPE, centre, 9.6) for centre in CENTRES)
    assert (after[first & ~second] == 1).all()
    assert (after[second & ~first] == 6).all()
    assert (after[ball(SHAPE, (4, 28, 38), 2)] == 1).all()


def test_the_first_body_keeps_the_label_whichever_it_is():
    labels = two_balls()
    after = written(
        labels, split_touching(labels, SCOPE, seeds=CENTRES[::-1], new_labels=[6])
    )
    assert after[CENTRES[1]] == 1
    assert after[CENTRES[0]] == 6


def test_a_label_that_fills_the_volume_is_parted_too():
    labels = np.ones((3, 5, 9), np.uint8)
    seeds = [(1, 2, 0), (1, 2, 8)]
    after = written(labels, split_touching(labels, SCOPE, seeds=seeds, new_labels=[2]))
    assert (after[:, :, 0] == 1).all()
    assert (after[:, :, 8] == 2).all()


def test_keeps_the_rules():
    def tool(array, scope):
        return split_touching(array, scope, seeds=CENTRES, new_labels=[6])

    check_rules(tool, two_balls(), new=[6])


@pytest.mark.parametrize(
    ("seeds", "new", "words"),
    [
        (CENTRES[:1], [], "two seeds or more .* got 1 seeds and 0 new labels"),
        (CENTRES, [2, 3], "a new label for each but the first, got 2 seeds and 2"),
        (CENTRES, [999], "from 1 to 255, got 999"),
        ([CENTRES[0], (0, 0, 0)], [2], r"got \(0, 0, 0\), which holds 0"),
        ([CENTRES[0], CENTRES[0]], [2], "on a voxel of its own of label 1"),
        ([CENTRES[0], (0, 99, 0)], [2], "must lie in the volume"),
    ],
)
def test_refuses_seeds_that_part_nothing(seeds, new, words):
    with pytest.raises(InputError, match=words):
        split_touching(two_balls(), SCOPE, seeds=seeds, new_labels=new)
