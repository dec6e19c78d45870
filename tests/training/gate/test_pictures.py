"""The changed place is on the picture, in the colours of the labels."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_mednext.labels import LabelSet
from napari_mednext.training.gate import GateCase, change_pictures, write_pictures
from napari_mednext.training.gate.pictures import _GAP_PX, _TITLE_PX, PANELS

LABELS = LabelSet.from_names({1: "a", 2: "b"}, {1: (255, 0, 0), 2: (0, 0, 255)})
SHAPE = (40, 90, 33)


def case(spacing=(1.0, 1.0, 3.0), scan=True):
    rng = np.random.default_rng(0)
    before, after = np.zeros((2, *SHAPE), np.uint8)
    before[10:20, 10:30, 5:25] = 1
    after[:] = before
    after[12:18, 60:75, 6:10] = 2  # 6 x 15 x 4: the largest
    after[12:18, 61:74, 8] = 2
    after[30:33, 40:43, 20:23] = 1
    after[35, 80, 30] = 2
    known = np.ones(SHAPE, bool)
    known[:, 70:-1] = False
    grey = rng.normal(100, 20, SHAPE) if scan else None
    return GateCase("c", "corrected", before, known, before, after, spacing, scan=grey)


def pixel(picture, panel, place):
    """The colour of a voxel on a panel."""
    image = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)
    width = (image.shape[1] - (len(PANELS) - 1) * _GAP_PX) // len(PANELS)
    at = [c for axis, c in enumerate(place) if axis != picture.axis]
    row, column = (
        int((c - first + 0.5) * scale)
        for c, first, scale in zip(at, picture.corner, picture.scale_px, strict=True)
    )
    return image[_TITLE_PX + row, PANELS.index(panel) * (width + _GAP_PX) + column]


@pytest.mark.parametrize("spacing", [(3.0, 1.0, 1.0), (1.0, 3.0, 0.8), (1.0, 1.0, 3.0)])
@pytest.mark.parametrize("scan", [True, False])
def test_the_largest_change_is_shown_where_it_is(spacing, scan):
    first, second = change_pictures([case(spacing, scan)], LABELS)
    assert (first.voxels, second.voxels) == (6 * 15 * 4, 27)
    assert first.axis == int(np.argmax(spacing))
    z, y, x = first.centre
    assert case().after[z, y, x] == 2
    assert first.index == first.centre[first.axis]
    red, _, blue = pixel(first, "after", first.centre)
    assert blue > red + 100
    for panel in ("before", "reference"):
        red, green, blue = pixel(first, panel, first.centre)
        assert max(red, green, blue) - min(red, green, blue) <= 2
    red, _, blue = pixel(second, "after", second.centre)
    assert red > blue + 100
    # Voxels are drawn in their true proportions.
    height, width = first.scale_px
    others = [mm for axis, mm in enumerate(spacing) if axis != first.axis]
    assert height / width == pytest.approx(others[0] / others[1])


def test_what_nobody_reviewed_is_dark_in_the_reference():
    picture = change_pictures([case(scan=False)], LABELS)[0]
    z, _, x = picture.centre
    dark, bright = (pixel(picture, "reference", (z, y, x)) for y in (72, 68))
    assert dark.max() < bright.min()
    assert (pixel(picture, "before", (z, 72, x)) == bright).all()


def test_the_largest_places_of_all_cases_at_most_two_of_one(tmp_path):
    cases = [replace(case(), name=name) for name in "abc"]
    small = np.zeros(SHAPE, np.uint8)
    small[5:7, 5:7, 5:7] = 2
    cases[2] = replace(cases[2], before=small * 0, after=small)
    pictures = change_pictures(cases, LABELS, count=5)
    found = [(each.case, each.voxels) for each in pictures]
    assert found == [("a", 360), ("b", 360), ("a", 27), ("b", 27), ("c", 8)]
    assert len(change_pictures(cases, LABELS)) == 4
    paths = write_pictures(pictures, tmp_path)
    assert [path.name for path in paths] == [f"change_{n}.png" for n in range(1, 6)]
    assert paths[4].read_bytes() == pictures[4].png
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_equal_answers_have_no_picture():
    same = replace(case(), after=case().before)
    assert change_pictures([same], LABELS) == ()


def test_where_no_model_was_asked_is_no_change():
    whole = case()
    known = np.zeros(SHAPE, bool)
    known[28:36] = True
    after = np.where(known, whole.after, 0).astype(np.uint8)
    shown = change_pictures([replace(whole, known=known, after=after)], LABELS)
    assert [picture.voxels for picture in shown] == [27, 1]
    picture = shown[0]
    assert picture.index == picture.centre[picture.axis]
    z, y, x = picture.centre
    assert after[z, y, x] == 1
    nothing = replace(whole, known=np.zeros(SHAPE, bool))
    assert change_pictures([nothing], LABELS) == ()
