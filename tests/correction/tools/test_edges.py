"""Edges have a price that depends on their contrast alone."""

import numpy as np
import pytest

from napari_mednext.correction.change import whole_box
from napari_mednext.correction.tools.edges import edge_price, local_contrast

SPACING = (3.0, 0.9, 1.1)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("ramp", [1, 6])
def test_crossing_an_edge_costs_its_contrast(axis, ramp):
    profile = np.concatenate([np.full(12, 0.2), np.linspace(0.2, 0.9, ramp + 1)[1:]])
    profile = np.concatenate([profile, np.full(13, 0.9)]).astype(np.float32)
    contrast = np.moveaxis(np.tile(profile, (5, 7, 1)), -1, axis)
    price = np.moveaxis(edge_price(contrast, SPACING, 50.0), axis, -1)
    extra = (price - 1).sum(axis=-1) * SPACING[axis]
    np.testing.assert_allclose(extra, 50 * 0.7, rtol=1e-3)


def test_flat_tissue_costs_its_length():
    flat = np.full((3, 5, 7), 0.4, np.float32)
    np.testing.assert_array_equal(edge_price(flat, SPACING, 50.0), 1)
    np.testing.assert_array_equal(edge_price(flat[:1, :1], SPACING, 50.0), 1)


def test_noise_costs_little_beside_an_edge():
    rng = np.random.default_rng(0)
    contrast = np.zeros((9, 31, 29), np.float32)
    contrast[:, 16:] = 1
    contrast += rng.normal(0, 0.1, contrast.shape).astype(np.float32)
    price = edge_price(contrast, SPACING, 50.0) - 1
    at_edge = price[:, 15:17].mean()
    assert price[:, 3:12].mean() < 0.02 * at_edge


def test_contrast_runs_over_the_local_range():
    image = np.zeros((6, 20, 20), np.int16)
    image[:, :, 10:] = 100
    image[0, 0, 0], image[1, 1, 1] = -3000, 30000
    image[5] = 500
    box = (slice(0, 5), slice(0, 20), slice(0, 20))
    found = local_contrast(image, box)
    assert found.dtype == np.float32
    assert found.shape == (5, 20, 20)
    expected = np.where(np.arange(20) < 10, 0, 1)
    differing = found != expected
    assert differing.sum() == 1  # the bright voxel stands on the dark side
    assert found[1, 1, 1] == 1
    assert found[0, 0, 0] == 0


def test_a_few_voxels_on_flat_ground_are_the_range():
    image = np.full((9, 20, 20), 7.0)
    image[4, 4, 4] = 9
    found = local_contrast(image, whole_box(image.shape))
    assert found[4, 4, 4] == 1
    assert found.sum() == 1


def test_nothing_to_see_is_flat():
    box = (slice(0, 2), slice(0, 2), slice(0, 3))
    np.testing.assert_array_equal(local_contrast(np.full((2, 2, 3), 5), box), 0)
    np.testing.assert_array_equal(local_contrast(np.full((2, 2, 3), np.nan), box), 0)


def test_values_that_are_no_numbers_count_as_the_lowest():
    image = np.linspace(0, 1, 60).reshape(3, 4, 5)
    image[1, 2, 3] = np.nan
    image[1, 2, 4] = np.inf
    found = local_contrast(image, whole_box(image.shape))
    assert found[1, 2, 3] == found[1, 2, 4] == 0
    assert np.isfinite(found).all()
