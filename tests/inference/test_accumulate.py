import numpy as np
import pytest
import torch

from napari_mednext.inference.accumulate import Accumulator
from napari_mednext.inference.tiles import TileGrid, importance

SHAPE, TILE = (19, 11, 13), (6, 5, 7)


@pytest.fixture
def tiles():
    rng = np.random.default_rng(0)
    grid = TileGrid(SHAPE, TILE, 0.5)
    return [
        (at, torch.from_numpy(rng.normal(size=(3, *TILE)).astype(np.float32)))
        for at in grid.tiles()
    ]


def slow_mean(tiles):
    weight = importance(TILE).astype(np.float64)
    total, norm = np.zeros((3, *SHAPE)), np.zeros(SHAPE)
    for at, values in tiles:
        box = tuple(slice(a, a + n) for a, n in zip(at, TILE, strict=True))
        total[(slice(None), *box)] += values.numpy() * weight
        norm[box] += weight
    return total / norm


def test_sums_of_a_window_are_weighted_means(tiles):
    sums = Accumulator(3, SHAPE, SHAPE[0], "cpu")
    weights = torch.from_numpy(importance(TILE).copy())
    for at, values in tiles:
        sums.add(values, weights, at)
    wanted = slow_mean(tiles)
    for z in range(SHAPE[0]):
        assert np.abs(sums.plane(z).numpy() - wanted[:, z]).max() < 1e-5
    block = sums.block(4, slice(2, 5), slice(1, 9))
    assert np.abs(block.numpy() - wanted[:, 4, 2:5, 1:9]).max() < 1e-5


@pytest.mark.parametrize("depth", [6, 7, 11])
def test_a_moving_slab_gives_the_same_planes(tiles, depth):
    whole = Accumulator(3, SHAPE, SHAPE[0], "cpu")
    slab = Accumulator(3, SHAPE, depth, "cpu")
    weights = torch.from_numpy(importance(TILE).copy())
    for at, values in tiles:
        whole.add(values, weights, at)
    done = 0
    for at, values in tiles:
        while done < at[0]:
            assert torch.equal(slab.plane(done), whole.plane(done))
            done += 1
        slab.release(at[0])
        slab.add(values, weights, at)
    while done < SHAPE[0]:
        assert torch.equal(slab.plane(done), whole.plane(done))
        done += 1


def test_planes_without_tiles_are_zero():
    sums = Accumulator(2, (4, 3, 3), 4, "cpu")
    assert torch.equal(sums.plane(1), torch.zeros(2, 3, 3))


def test_planes_outside_the_slab_are_refused(tiles):
    slab = Accumulator(3, SHAPE, 6, "cpu")
    weights = torch.ones(TILE)
    slab.release(4)
    with pytest.raises(IndexError, match=r"3\.\.9 must lie in the slab \(4, 10\)"):
        slab.add(tiles[0][1], weights, (3, 0, 0))
    with pytest.raises(IndexError, match=r"10\.\.11"):
        slab.plane(10)


def test_moving_keeps_the_sums(tiles):
    sums = Accumulator(3, SHAPE, SHAPE[0], "cpu")
    sums.add(tiles[0][1], torch.ones(TILE), tiles[0][0])
    before = sums.plane(0).clone()
    sums.move("cpu")
    assert torch.equal(sums.plane(0), before)
    assert sums.device.type == "cpu"
