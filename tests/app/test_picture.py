"""Pictures: the right voxels at the right place, whatever the orientation."""

import numpy as np
import pytest
from PIL import Image

from napari_mednext.app import picture
from napari_mednext.volume import Segmentation, Volume, VoxelGrid, reorient

GRID = VoxelGrid((12, 30, 20), spacing=(4.0, 1.0, 2.0), origin=(5.0, -7.0, 3.0))
RED, BLUE = (230, 10, 20), (20, 30, 240)


@pytest.fixture
def scan():
    array = np.random.default_rng(0).uniform(10, 20, size=(1, *GRID.shape))
    return Volume(array.astype(np.float32), GRID, "head")


@pytest.fixture
def mask():
    """Red fills the patient's right half, blue a block at the left back top."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:, :, :10] = 1  # x grows to the left
    labels[6:, 20:, 14:] = 2
    return Segmentation(labels, GRID, {1: "right", 2: "block"}, {1: RED, 2: BLUE})


def reddish(page):
    page = page.astype(int)
    return (page[..., 0] > page[..., 1] + 60) & (page[..., 0] > page[..., 2] + 60)


def bluish(page):
    page = page.astype(int)
    return (page[..., 2] > page[..., 0] + 60) & (page[..., 2] > page[..., 1] + 60)


def test_radiological_sides(scan, mask):
    """The patient's right is on the left of the axial and of the coronal slice."""
    page = picture.draw(scan, mask)
    assert page.dtype == np.uint8
    assert page.shape[2] == 3
    columns = np.flatnonzero(reddish(page).sum(axis=0) > 100)
    first = columns[: np.flatnonzero(np.diff(columns) > 20)[0] + 1]
    left = picture._MARGIN_PX
    width = 420 * 40 / 48  # 20 voxels of 2 mm; the longest axis is 12 of 4 mm
    assert first[0] == pytest.approx(left, abs=2)
    assert first[-1] == pytest.approx(left + width / 2, abs=3)


def test_head_is_up_and_back_is_down(scan, mask):
    top_left = Segmentation(
        np.where(mask.array == 2, 2, 0).astype(np.uint8), GRID, mask.names, mask.colors
    )
    page = picture.draw(scan, top_left)
    top = picture._MARGIN_PX + 74
    slices = page[top : top + 420, : -picture._LEGEND_PX]
    columns = np.flatnonzero(bluish(slices).any(axis=0))
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 20) + 1)
    # Behind the three slices comes the legend.
    axial, coronal, sagittal = (
        np.flatnonzero(bluish(slices[:, g[0] : g[-1]]).any(axis=1)) for g in groups[:3]
    )
    assert axial.min() > 210, "the back of the head must be below the middle"
    assert coronal.max() < 212, "the upper half must be above the middle"
    assert sagittal.max() < 212


@pytest.mark.parametrize("code", ["RAS", "PIR", "LPS", "ASL"])
def test_orientation_of_the_arrays_does_not_matter(scan, mask, code):
    expected = picture.draw(scan, mask, subtitle="same")
    turned = picture.draw(reorient(scan, code), reorient(mask, code), subtitle="same")
    np.testing.assert_array_equal(turned, expected)


def test_input_is_not_changed_and_odd_volumes_are_drawn():
    grid = VoxelGrid((1, 2, 300), spacing=(5.0, 9.0, 0.2))
    array = np.full((2, *grid.shape), np.nan, np.float32)
    labels = np.zeros(grid.shape, np.uint16)
    labels[0, 1, 5] = 1000
    before = array.copy()
    page = picture.draw(Volume(array, grid), Segmentation(labels, grid))
    np.testing.assert_array_equal(array, before)
    assert page.shape[0] > 400
    constant = Volume(np.zeros(GRID.shape, np.int16), GRID)
    nothing = Segmentation(np.zeros(GRID.shape, np.uint8), GRID)
    assert not reddish(picture.draw(constant, nothing)).any()


def test_many_labels_get_columns(scan):
    labels = np.arange(np.prod(GRID.shape)).reshape(GRID.shape) % 60
    many = Segmentation(
        labels.astype(np.uint8),
        GRID,
        {n: f"label number {n}" * 3 for n in range(1, 60)},
    )
    few = Segmentation((labels % 2).astype(np.uint8), GRID)
    wide, narrow = picture.draw(scan, many), picture.draw(scan, few)
    assert wide.shape[0] == narrow.shape[0]
    assert wide.shape[1] == narrow.shape[1] + 3 * picture._LEGEND_PX


def test_saved_picture_is_the_picture(scan, mask, tmp_path):
    page = picture.draw(scan, mask)
    path = picture.save(page, tmp_path / "page.png")
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), page)
    picture.save(page[:50], path)
    with Image.open(path) as image:
        assert image.height == 50
    assert [each.name for each in tmp_path.iterdir()] == ["page.png"]
