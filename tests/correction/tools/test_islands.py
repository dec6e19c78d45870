"""Islands are kept, removed and renamed by size and by place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import measure

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.islands import (
    keep_largest,
    keep_one,
    remove_one,
    remove_smaller,
    split,
)
from napari_mednext.errors import InputError
from tests.correction.tools.phantoms import SHAPE, SPACING, check_rules, written

few = settings(max_examples=40, deadline=None)
connectivities = st.sampled_from([6, 26])
scattered = hnp.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 0, 0, 1, 2]))
SCOPE = Scope(1, SPACING)
VOXEL_ML = 3.0 * 0.9 * 1.1 / 1000


def found(labels, connectivity):
    """Return the islands of label 1 by scikit-image, biggest first."""
    numbers = measure.label(labels == 1, connectivity=1 if connectivity == 6 else 3)
    islands = [numbers == number for number in range(1, numbers.max() + 1)]
    return sorted(islands, key=lambda island: -island.sum())


@few
@given(scattered, connectivities)
def test_only_the_largest_island_stays(labels, connectivity):
    after = written(labels, keep_largest(labels, SCOPE, connectivity=connectivity))
    islands = found(labels, connectivity)
    if islands:
        assert (after == 1).sum() == islands[0].sum()
        assert len(found(after, connectivity)) == 1
    assert (after[after != labels] == 0).all()
    assert keep_largest(after, SCOPE, connectivity=connectivity) is None


@few
@given(scattered, connectivities, st.integers(0, 6))
def test_islands_smaller_than_a_volume_go(labels, connectivity, voxels):
    size = {"volume_ml": voxels * VOXEL_ML, "connectivity": connectivity}
    expected = labels.copy()
    for island in found(labels, connectivity):
        expected[island] = island.sum() >= voxels
    after = written(labels, remove_smaller(labels, SCOPE, **size))
    np.testing.assert_array_equal(after, expected)
    assert remove_smaller(after, SCOPE, **size) is None


@few
@given(scattered, connectivities, st.data())
def test_the_island_under_a_point_is_kept_or_removed(labels, connectivity, data):
    labels[2, 3, 4] = 1
    island = data.draw(st.sampled_from(found(labels, connectivity)))
    at = data.draw(st.sampled_from(np.argwhere(island).tolist()))
    near = np.add(at, 0.4)
    picked = {"at": near, "connectivity": connectivity}
    kept = written(labels, keep_one(labels, SCOPE, **picked))
    np.testing.assert_array_equal(kept == 1, island)
    removed = written(labels, remove_one(labels, SCOPE, **picked))
    np.testing.assert_array_equal(removed == 1, (labels == 1) & ~island)
    np.testing.assert_array_equal(kept == 2, labels == 2)
    assert keep_one(kept, SCOPE, **picked) is None


@few
@given(scattered, connectivities, st.integers(0, 4))
def test_islands_get_labels_biggest_first(labels, connectivity, count):
    new = [7, 9, 8, 3][:count]
    change = split(labels, SCOPE, new_labels=new, connectivity=connectivity)
    after = written(labels, change)
    sizes = [island.sum() for island in found(labels, connectivity)]
    for value, size in zip(new, sizes[1:] + [0] * count, strict=False):
        assert (after == value).sum() == size
    assert (after == 1).sum() == sum(sizes[:1] + sizes[1 + count :])
    np.testing.assert_array_equal(np.isin(after, [1, *new]), labels == 1)


def test_corners_connect_by_26_neighbours_only():
    labels = np.zeros((1, 4, 5), np.uint8)
    labels[0] = [
        [1, 1, 0, 0, 0],
        [1, 0, 1, 1, 0],
        [0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
    ]
    labels = labels.astype(np.uint16)
    # The islands of 3 and 2 voxels share an edge.
    assert (written(labels, keep_largest(labels, SCOPE)) == 1).sum() == 5
    after = written(labels, split(labels, SCOPE, new_labels=[300, 5], connectivity=6))
    expected = [
        [1, 1, 0, 0, 0],
        [1, 0, 300, 300, 0],
        [0, 0, 0, 0, 0],
        [5, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(after[0], expected)


@few
@given(scattered, st.sampled_from(["largest", "smaller", "one", "other", "split"]))
def test_keeps_the_rules(labels, kind):
    labels[2, 3, 4] = 1
    tool = {
        "largest": keep_largest,
        "smaller": lambda a, s: remove_smaller(a, s, volume_ml=3 * VOXEL_ML),
        "one": lambda a, s: keep_one(a, s, at=(2, 3, 4)),
        "other": lambda a, s: remove_one(a, s, at=(2, 3, 4)),
        "split": lambda a, s: split(a, s, new_labels=[2, 5]),
    }[kind]
    check_rules(tool, labels, new=[2, 5] if kind == "split" else [0])


def test_a_label_that_is_not_there_has_no_islands():
    labels = np.full(SHAPE, 2, np.uint8)
    assert keep_largest(labels, SCOPE) is None
    assert remove_smaller(labels, SCOPE, volume_ml=1) is None
    assert split(labels, SCOPE, new_labels=[3]) is None


@pytest.mark.parametrize(
    ("tool", "options", "words"),
    [
        (keep_largest, {"connectivity": 18}, "by 6 or 26 neighbours, got 18"),
        (remove_smaller, {"volume_ml": -1}, "0 mL or more, got -1 mL"),
        (keep_one, {"at": (0, 0, 0)}, r"island of label 1, but voxel \(0, 0, 0\)"),
        (remove_one, {"at": (0, 0, 1)}, r"holds 2: choose a point on the island"),
        (remove_one, {"at": (4, 7, 6)}, r"voxel \(4, 7, 6\) holds 0"),
        (keep_one, {"at": (0, 0, 6.5)}, r"in the volume of \(5, 8, 7\) voxels"),
        (keep_one, {"at": (0, np.nan, 0)}, "must lie in the volume"),
        (keep_one, {"at": (0, 0)}, "must lie in the volume"),
        (split, {"new_labels": [2, 256]}, "from 1 to 255, got 256"),
        (split, {"new_labels": [0]}, "from 1 to 255, got 0"),
    ],
)
def test_refuses_what_means_nothing(tool, options, words):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0, 1] = 2
    labels[2:4, 2, 2] = 1
    with pytest.raises(InputError, match=words):
        tool(labels, SCOPE, **options)


def test_refuses_a_point_when_the_label_is_nowhere():
    labels = np.zeros(SHAPE, np.uint8)
    with pytest.raises(InputError, match="must lie on an island of label 1"):
        keep_one(labels, SCOPE, at=(1, 1, 1))
