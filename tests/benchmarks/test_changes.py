"""The changes of a scan keep the head in it: laws against slow, plain versions."""

import numpy as np
import pytest

from benchmarks.brain_mr.changes import CHANGES
from napari_mednext.volume import Volume, VoxelGrid, reorient

# RAS as seen from LPS: x and y run against the axes.
RAS = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    labels = np.zeros((23, 31, 27), np.uint8)
    labels[5:18, 6:25, 4:22] = 2
    labels[8:15, 10:21, 8:17] = 1
    labels[10:12, 14:17, 11:13] = 3
    image = np.array([0, 200, 120, 30], np.float32)[labels]
    image += rng.uniform(0, 5, image.shape)
    grid = VoxelGrid(image.shape, (1.0, 1.0, 1.0), (3.0, -7.0, 11.0), RAS)
    return Volume(image, grid, name="scan"), Volume(labels, grid, name="labels")


@pytest.mark.parametrize("name", CHANGES)
def test_scan_and_reference_stay_together(pair, name):
    scan, reference = CHANGES[name](*pair)
    assert scan.grid.is_close(reference.grid)
    ml = np.isin(reference.array, (1, 2)).sum() * reference.grid.voxel_volume_mm3
    true = np.isin(pair[1].array, (1, 2)).sum() * pair[1].grid.voxel_volume_mm3
    # Five of the small head's thirteen slices make one: its ends round away.
    assert ml == pytest.approx(true, rel=0.2 if "5 mm" in name else 0.02)
    inside = scan.array[0][reference.array[0] == 1].mean()
    between = scan.array[0][reference.array[0] == 2].mean()
    assert (inside < between) == (name == "inverted")


@pytest.mark.parametrize(("axis", "name"), [(0, "feet-head"), (1, "back-front")])
def test_thick_slices_are_means_of_whole_slices(pair, axis, name):
    scan, reference = CHANGES[f"5 mm slices {name}"](*pair)
    for i in range(scan.grid.shape[axis]):
        part = np.take(pair[0].array[0], range(5 * i, 5 * i + 5), axis)
        assert np.allclose(np.take(scan.array[0], i, axis), part.mean(axis), atol=1e-3)
        labels = np.take(pair[1].array[0], range(5 * i, 5 * i + 5), axis)
        counts = [(labels == value).sum(axis) for value in range(4)]
        chosen = np.take(reference.array[0], i, axis)
        most = np.take_along_axis(np.array(counts), chosen[None].astype(int), 0)[0]
        assert (most == np.max(counts, axis=0)).all()


@pytest.mark.parametrize("name", ["feet-head", "back-front", "left-right"])
def test_four_quarter_turns_are_none(pair, name):
    scan, reference = pair
    for _ in range(4):
        scan, reference = CHANGES[f"turned 90 about {name}"](scan, reference)
    assert np.array_equal(scan.array, pair[0].array)
    assert np.array_equal(reference.array, pair[1].array)


@pytest.mark.parametrize("axes", ["LPI", "PIR", "SAL"])
def test_storage_does_not_move_the_head(pair, axes):
    scan, _ = CHANGES[f"stored as {axes}"](*pair)
    assert not scan.grid.is_close(pair[0].grid)
    assert np.array_equal(reorient(scan, "RAS").array, pair[0].array)


def test_without_skull_only_brain_and_fluid_are_left(pair):
    scan, reference = CHANGES["skull-stripped"](*pair)
    assert (scan.array[reference.array == 0] == 0).all()
    assert (scan.array[reference.array > 0] > 0).all()
