"""The race of both sides against a slow version, and cases drawn by hand."""

import heapq
import itertools

import numpy as np
import pytest

from napari_mednext.inference import fissure
from napari_mednext.inference.fissure import left_of_fissure


def vectors(shape, spacing, normal, offset_mm):
    """A plane's distance as three vectors."""
    z, y, x = (
        np.arange(n) * s * c for n, s, c in zip(shape, spacing, normal, strict=True)
    )
    return (z - offset_mm)[:, None, None], y[:, None], x


def slow(paired, distances, spacing, inner):
    """Dijkstra's algorithm, one voxel at a time; the plane's own side wins ties."""
    far = sum(distances).astype(np.float32)
    rim = 1.01 * max(abs(float(d.ravel()[1] - d.ravel()[0])) for d in distances)
    band = max(fissure.BAND_MM, fissure.BAND_VOXELS * rim)
    unit = fissure.ROUNDING * min(spacing)
    plane = far > 0
    is_open = (paired > 0) & (np.abs(far) <= band)
    queue = []
    for at in map(tuple, np.argwhere(is_open & (np.abs(far) > band - rim))):
        heapq.heappush(queue, (0, False, at, bool(plane[at])))
    owner = plane.copy()
    done = np.zeros(paired.shape, bool)
    while queue:
        length, _, at, left = heapq.heappop(queue)
        if done[at]:
            continue
        done[at], owner[at] = True, left
        for axis, step in itertools.product(range(3), (-1, 1)):
            there = list(at)
            there[axis] += step
            there = tuple(there)
            if not 0 <= there[axis] < paired.shape[axis]:
                continue
            if not is_open[there] or done[there]:
                continue
            away = bool(plane[there]) != left
            pace = fissure.INNER_PACE if paired[there] in inner else 1.0
            pace *= fissure.BEYOND if away else 1.0
            way = max(1, round(spacing[axis] * pace / unit))
            if paired[there] != paired[at]:
                way += max(1, round(fissure.CROSSING_MM / unit))
            heapq.heappush(queue, (length + way, away, there, left))
    return owner


@pytest.mark.parametrize("seed", range(6))
def test_the_race_is_that_of_a_slow_version(seed):
    rng = np.random.default_rng(seed)
    shape, spacing = (9, 23, 31), (3.1, 1.4, 1.1)
    paired = rng.integers(0, 4, (5, 8, 11)).astype(np.uint8)
    paired = paired.repeat(2, 0).repeat(3, 1).repeat(3, 2)[:9, :23, :31]
    normal = np.array((0.3, 0.4, 1.0)) / np.linalg.norm((0.3, 0.4, 1.0))
    distances = vectors(shape, spacing, normal, 23.0)
    found = left_of_fissure(paired, distances, spacing, inner=(2,))
    assert found.any()
    assert not found.all()
    assert (found == slow(paired, distances, spacing, (2,))).all()


def test_a_fold_that_reaches_across_stays_with_its_side():
    """Rows of voxels along x; the plane lies between x = 19 and 20, left above it."""
    paired = np.full((3, 3, 40), 2, np.uint8)  # white matter on both sides
    paired[:, :, 12:27] = 1  # cortex between
    paired[1, 1, :24] = 2  # a fold of the right side's white matter, up to 23
    distances = vectors(paired.shape, (1, 1, 1), (0, 0, 1), 19.5)
    left = left_of_fissure(paired, distances, (1.0, 1.0, 1.0), inner=(2,))
    assert not left[1, 1, :24].any()
    assert left[1, 1, 27:].all()


def test_where_nothing_divides_the_plane_does():
    paired = np.ones((5, 7, 40), np.uint8)
    distances = vectors(paired.shape, (2, 1, 1), (0, 0, 1), 19.5)
    left = left_of_fissure(paired, distances, (2.0, 1.0, 1.0))
    assert (left == (np.arange(40) > 19.5)).all()


def test_islands_are_as_the_plane_says():
    paired = np.zeros((3, 3, 60), np.uint8)
    paired[1, 1, 27:33] = 1
    distances = vectors(paired.shape, (1, 1, 1), (0, 0, 1), 29.5)
    left = left_of_fissure(paired, distances, (1.0, 1.0, 1.0))
    assert left[1, 1, 27:33].tolist() == [False] * 3 + [True] * 3
