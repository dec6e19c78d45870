"""The rules that every tool keeps, and the boxes that changes lie in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_mednext.correction import Change, Scope, bounding_box, grown, whole_box
from napari_mednext.errors import GeometryError, InputError

SHAPE = (4, 5, 6)


@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1)),
)
def test_a_bounding_box_is_the_smallest_that_holds_everything(mask):
    box = bounding_box(mask)
    if box is None:
        assert not mask.any()
        return
    assert mask[box].sum() == mask.sum()
    for axis, part in enumerate(box):
        assert mask.take(part.start, axis).any()
        assert mask.take(part.stop - 1, axis).any()


@given(st.data())
def test_a_change_written_into_the_old_labels_gives_the_new_ones(data):
    arrays = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 2))
    before, after = data.draw(arrays), data.draw(arrays)
    whole = np.full((9, 9, 9), 7, np.uint8)
    whole[2:6, 3:8, 1:7] = before
    expected = whole.copy()
    expected[2:6, 3:8, 1:7] = after
    change = Change.between(before, after, (2, 3, 1))
    if change is None:
        np.testing.assert_array_equal(before, after)
        return
    whole[change.box] = change.labels
    np.testing.assert_array_equal(whole, expected)


def test_a_grown_box_stays_in_the_array():
    box = (slice(1, 2), slice(0, 5), slice(3, 4))
    assert grown(box, (2, 1, 2), SHAPE) == (slice(0, 4), slice(0, 5), slice(1, 6))
    assert whole_box(SHAPE) == (slice(0, 4), slice(0, 5), slice(0, 6))


def test_the_window_and_protection_say_what_may_change():
    labels = np.zeros((1, 1, 6), np.uint8)
    labels[0, 0] = [0, 1, 2, 0, 1, 2]
    image = np.array([[[0, 0, 0, 9, 9, 9]]])
    mask = np.ones(labels.shape, bool)
    everything = Scope(1).change(labels, mask)
    np.testing.assert_array_equal(everything.labels[0, 0], [1] * 6)
    free = Scope(1, image=image, window=(5, 9), protect=True).change(labels, mask)
    assert free.box == (slice(0, 1), slice(0, 1), slice(3, 4))
    removed = Scope(1, image=image, window=(5, 9)).change(labels, ~mask)
    assert removed.box[2] == slice(4, 5)
    assert removed.labels.ravel() == [0]
    assert Scope(1).change(labels, ~mask, remove=False) is None
    np.testing.assert_array_equal(labels[0, 0], [0, 1, 2, 0, 1, 2])


def test_a_mask_may_lie_in_a_box():
    labels = np.zeros(SHAPE, np.uint8)
    box = (slice(1, 3), slice(2, 4), slice(0, 2))
    change = Scope(4).change(labels, np.ones((2, 2, 2), bool), box)
    assert change.box == box
    assert (change.labels == 4).all()


def test_a_length_in_voxels_follows_the_spacing():
    assert Scope(1, (3.0, 0.5, 1.0)).voxels(1.5) == (0.5, 3.0, 1.5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label": 0}, "label from 1 to 65535, got 0"),
        ({"label": 1, "spacing": (1.0, 0.0, 1.0)}, "three positive lengths in mm"),
        ({"label": 1, "spacing": (1.0, 1.0)}, "three positive lengths in mm"),
        ({"label": 1, "window": (0, 1)}, "needs an image"),
        (
            {"label": 1, "window": (2, 1), "image": np.zeros(SHAPE)},
            "from low to high",
        ),
    ],
)
def test_refuses_rules_that_mean_nothing(options, words):
    with pytest.raises(InputError, match=words):
        Scope(**options)


def test_refuses_an_image_of_another_shape():
    scope = Scope(1, image=np.zeros((1, 1, 1)), window=(0, 1))
    labels = np.zeros(SHAPE, np.uint8)
    with pytest.raises(GeometryError, match="must have the shape of the labels"):
        scope.change(labels, labels > 0)


def test_refuses_a_label_that_the_array_cannot_hold():
    labels = np.zeros(SHAPE, np.uint8)
    with pytest.raises(InputError, match="hold values up to 255, got 300"):
        Scope(300).change(labels, labels == 0)
