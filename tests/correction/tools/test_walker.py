"""The probabilities of walks solve their linear system."""

import numpy as np
import pytest

from napari_mednext.correction.tools import walker
from napari_mednext.correction.tools.walker import walker_probability

SPACING = (3.0, 0.9, 1.1)


def sharpness(contrast, axis):
    """Return how sharply grey values are told apart along an axis."""
    return walker._sharpness((np.diff(contrast, axis=axis) ** 2).astype(np.float32))


def solved(contrast, seeds, spacing):
    """Return the probabilities from the full matrix, one equation a voxel."""
    size = contrast.size
    numbers = np.arange(size).reshape(contrast.shape)
    matrix, right = np.zeros((size, size)), np.zeros(size)
    for axis in range(3):
        sharp = sharpness(contrast, axis)
        here = np.take(numbers, range(contrast.shape[axis] - 1), axis).ravel()
        there = np.take(numbers, range(1, contrast.shape[axis]), axis).ravel()
        for i, j in zip(here, there, strict=True):
            if min(seeds.flat[i], seeds.flat[j]) < 0:
                continue
            difference = float(contrast.flat[i]) - float(contrast.flat[j])
            ease = (np.exp(-sharp * difference**2) + 1e-6) / spacing[axis] ** 2
            matrix[[i, j], [i, j]] += ease
            matrix[[i, j], [j, i]] -= ease
    fixed = (seeds.ravel() != 0) | (np.diag(matrix) == 0)
    matrix[fixed] = np.eye(size)[fixed]
    right[fixed] = seeds.ravel()[fixed] == 1
    return np.linalg.solve(matrix, right).reshape(contrast.shape)


@pytest.mark.parametrize("seed", range(3))
def test_the_solver_finds_what_the_full_matrix_gives(seed):
    rng = np.random.default_rng(seed)
    contrast = rng.uniform(0, 0.4, (4, 9, 7)).astype(np.float32)
    seeds = np.zeros(contrast.shape, np.int8)
    seeds[rng.random(seeds.shape) < 0.1] = -1
    seeds[1, 2, 3], seeds[2, 2, 3], seeds[0], seeds[3, 8, 6] = 1, 1, 2, 2
    found = walker_probability(contrast, seeds, SPACING)
    expected = solved(contrast, seeds, SPACING)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_array_equal(found[seeds == 1], 1)
    np.testing.assert_array_equal(found[(seeds == 2) | (seeds == -1)], 0)


def test_on_flat_ground_the_probability_falls_evenly():
    contrast = np.full((1, 1, 11), 0.5, np.float32)
    seeds = np.zeros(contrast.shape, np.int8)
    seeds[..., 0], seeds[..., -1] = 1, 2
    found = walker_probability(contrast, seeds, SPACING)
    np.testing.assert_allclose(found[0, 0], np.linspace(1, 0, 11), atol=1e-4)


def test_coarse_grids_lead_to_the_same_decision(monkeypatch):
    rng = np.random.default_rng(1)
    contrast = np.zeros((7, 41, 39), np.float32)
    contrast[2:5, 10:30, 8:27] = 1
    contrast += rng.normal(0, 0.02, contrast.shape).astype(np.float32)
    seeds = np.zeros(contrast.shape, np.int8)
    seeds[3, 15:20, 15], seeds[:, 0], seeds[3, 20, 30:] = 1, 2, -1
    whole = walker_probability(contrast, seeds, SPACING)
    monkeypatch.setattr(walker, "_COARSEST", 500)
    found = walker_probability(contrast, seeds, SPACING)
    assert np.abs(found - whole).max() < 0.1
    np.testing.assert_array_equal(found > 0.5, whole > 0.5)


def test_blocks_hold_the_means_and_the_seeds_of_their_voxels():
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    np.testing.assert_array_equal(
        walker._pooled(values, (1, 2, 2)), [[[2.5, 4.5], [8.5, 10.5]]]
    )
    seeds = np.array([[[1, 0, 1, 2], [0, 0, 0, 0], [-1, -1, -1, 2]]], np.int8)
    np.testing.assert_array_equal(
        walker._pooled_seeds(seeds, (1, 2, 2)), [[[1, 0], [-1, 2]]]
    )
    np.testing.assert_array_equal(
        walker._spread(np.array([[[1.0, 2.0]]]), (1, 2, 2), (1, 2, 3)),
        [[[1, 1, 2], [1, 1, 2]]],
    )
