"""Distances are those of the cheapest paths, by a slow search one voxel at a time."""

import heapq
import itertools

import numpy as np
import pytest

from napari_mednext.correction.tools.geodesic import geodesic_distances

SPACING = (3.0, 0.9, 1.1)


def searched(price, start):
    """Return the distances of one class by Dijkstra's search."""
    found = start.astype(np.float64)
    queue = [(length, place) for place, length in np.ndenumerate(found)]
    heapq.heapify(queue)
    steps = [s for s in itertools.product((-1, 0, 1), repeat=3) if any(s)]
    while queue:
        length, place = heapq.heappop(queue)
        if length > found[place]:
            continue
        for step in steps:
            there = tuple(int(p + s) for p, s in zip(place, step, strict=True))
            if all(0 <= p < n for p, n in zip(there, price.shape, strict=True)):
                step_mm = np.linalg.norm(np.multiply(step, SPACING))
                longer = length + step_mm * (price[place] + price[there]) / 2
                if longer < found[there]:
                    found[there] = longer
                    heapq.heappush(queue, (longer, there))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_nearest_class_is_as_far_as_the_cheapest_path(seed):
    rng = np.random.default_rng(seed)
    shape = [(5, 9, 7), (1, 11, 8), (6, 1, 9), (7, 5, 6)][seed]
    price = rng.choice([0.1, 1, 30], shape).astype(np.float32)
    price[rng.random(shape) < 0.3] = np.inf
    starts = np.full((3, *shape), np.inf, np.float32)
    for number, start in enumerate(starts):
        start[tuple(rng.integers(0, shape))] = number
    before = starts.copy()
    found = geodesic_distances(price, starts, SPACING)
    np.testing.assert_array_equal(starts, before)
    expected = np.stack([searched(price, start) for start in starts])
    np.testing.assert_allclose(found.min(axis=0), expected.min(axis=0), rtol=1e-4)
    # What is not nearest may be too far, never too near.
    assert (found >= expected * (1 - 1e-4)).all()


def test_one_class_is_exact_everywhere():
    rng = np.random.default_rng(9)
    price = rng.uniform(0, 5, (4, 9, 7)).astype(np.float32)
    start = np.full((1, 4, 9, 7), np.inf, np.float32)
    start[0, 1, 2, 3] = 0
    found = geodesic_distances(price, start, SPACING)
    np.testing.assert_allclose(found[0], searched(price, start[0]), rtol=1e-4)


def test_walls_cut_off():
    price = np.ones((3, 5, 7), np.float32)
    price[:, :, 3] = np.inf
    start = np.full((1, 3, 5, 7), np.inf, np.float32)
    start[0, 1, 2, 0] = 0
    found = geodesic_distances(price, start, SPACING)[0]
    assert np.isfinite(found[:, :, :3]).all()
    assert np.isinf(found[:, :, 3:]).all()


def test_along_an_axis_the_distance_is_the_length():
    price = np.ones((4, 5, 7), np.float32)
    start = np.full((1, 4, 5, 7), np.inf, np.float32)
    start[0, 0, 0, 0] = 0
    found = geodesic_distances(price, start, SPACING)[0]
    np.testing.assert_allclose(found[:, 0, 0], np.arange(4) * 3.0, rtol=1e-6)
    np.testing.assert_allclose(found[0, :, 0], np.arange(5) * 0.9, rtol=1e-6)
    np.testing.assert_allclose(found[0, 0], np.arange(7) * 1.1, rtol=1e-6)
