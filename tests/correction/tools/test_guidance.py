"""Boxes and images are refused where they cannot guide a tool."""

import numpy as np
import pytest

from napari_mednext.correction import Scope
from napari_mednext.correction.tools.guidance import checked_box, needed_image
from napari_mednext.errors import GeometryError, InputError

SHAPE = (5, 8, 7)


def test_open_ends_reach_to_the_border():
    box = checked_box((slice(None), slice(2, None), slice(None, 7)), SHAPE)
    assert box == (slice(0, 5), slice(2, 8), slice(0, 7))


@pytest.mark.parametrize(
    "part", [slice(-1, 3), slice(3, 3), slice(4, 2), slice(0, 9), slice(8, 9)]
)
def test_a_box_must_lie_in_the_volume(part):
    box = (slice(0, 5), part, slice(0, 7))
    with pytest.raises(
        InputError, match=rf"got \[\(0, 5\), \({part.start}, {part.stop}"
    ):
        checked_box(box, SHAPE)


def test_a_box_must_have_three_ranges():
    with pytest.raises(
        InputError, match=r"three ranges .* \(5, 8, 7\), got \[\(0, 2\)\]"
    ):
        checked_box((slice(0, 2),), SHAPE)


def test_an_image_of_the_same_shape_is_needed():
    labels = np.zeros(SHAPE, np.uint8)
    image = np.zeros(SHAPE)
    assert needed_image(labels, Scope(1, image=image)) is image
    with pytest.raises(
        InputError, match="edges of an image, got none: choose the scan"
    ):
        needed_image(labels, Scope(1))
    with pytest.raises(GeometryError, match=r"\(5, 8, 6\) must have .* \(5, 8, 7\)"):
        needed_image(labels, Scope(1, image=image[:, :, 1:]))
