import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_mednext.inference.tiles import TileGrid, importance, tile_starts


@settings(max_examples=200, deadline=None)
@given(st.integers(10, 80), st.integers(0, 300), st.floats(0.1, 1))
def test_tiles_cover_the_axis_evenly(tile, room, step):
    size = tile + room
    starts = tile_starts(size, tile, step)
    gaps = np.diff(starts)
    assert starts[0] == 0
    assert starts[-1] == room
    assert (gaps > 0).all() or room == 0
    assert gaps.max(initial=0) <= int(np.ceil(tile * step))
    assert gaps.max(initial=0) <= tile
    assert gaps.max(initial=1) - gaps.min(initial=gaps.max(initial=1)) <= 1


def test_starts_are_those_of_the_hand_made_example():
    assert tile_starts(110, 64, 0.5) == (0, 23, 46)
    assert tile_starts(64, 64, 0.5) == (0,)
    assert tile_starts(65, 64, 0.5) == (0, 1)
    assert tile_starts(97, 32, 0.5) == (0, 13, 26, 39, 52, 65)
    assert tile_starts(7, 2, 0.5) == (0, 1, 2, 3, 4, 5)
    # 2.5 and 7.5 round to even.
    assert tile_starts(20, 10, 0.25) == (0, 2, 5, 8, 10)


def test_starts_equal_numpy_rounding():
    for size, tile in itertools.product(range(8, 60, 3), (5, 8)):
        count = int(np.ceil((size - tile) / (tile * 0.5))) + 1
        gap = (size - tile) / (count - 1) if count > 1 else 0
        wanted = tuple(int(np.round(gap * i)) for i in range(count))
        assert tile_starts(size, tile, 0.5) == wanted


def test_short_axes_and_bad_steps_are_refused():
    with pytest.raises(ValueError, match="whole tile of 8 voxels, got 7"):
        tile_starts(7, 8, 0.5)
    for step in (0, 1.01, -1):
        with pytest.raises(ValueError, match=f"got {step}"):
            tile_starts(9, 8, step)


@pytest.mark.parametrize("tile", [(16, 16, 16), (5, 12, 31), (48, 20, 7), (1, 2, 3)])
def test_importance_is_the_gaussian_in_half_precision(tile):
    impulse = np.zeros(tile)
    impulse[tuple(n // 2 for n in tile)] = 1
    wanted = ndimage.gaussian_filter(impulse, [n / 8 for n in tile], mode="constant")
    wanted = (wanted / (wanted.max() / 10)).astype(np.float16)
    wanted[wanted == 0] = wanted[wanted > 0].min()
    result = importance(tile)
    assert result.dtype == np.float32
    assert result.max() == 10
    assert result.min() > 0
    # The last bit of half precision may turn on a sum in another order.
    assert np.allclose(result, wanted.astype(np.float32), rtol=1e-3, atol=1e-7)
    assert (result == wanted.astype(np.float32)).mean() > 0.999


def test_importance_cannot_be_changed_by_a_caller():
    with pytest.raises(ValueError, match="read-only"):
        importance((4, 4, 4))[0, 0, 0] = 1


def test_tiles_of_a_region_are_those_that_touch_it():
    grid = TileGrid((23, 17, 31), (8, 6, 10), 0.5)
    region = ((5, 9), (0, 1), (30, 31))
    chosen = set(grid.tiles(region))
    for start in grid.tiles():
        touches = all(
            s < stop and s + size > low
            for s, size, (low, stop) in zip(start, grid.tile, region, strict=True)
        )
        assert (start in chosen) == touches


def test_tiles_run_z_outermost():
    tiles = TileGrid((12, 6, 10), (8, 6, 6), 0.5).tiles()
    assert tiles == [(0, 0, 0), (0, 0, 2), (0, 0, 4), (4, 0, 0), (4, 0, 2), (4, 0, 4)]


def test_nearest_tile_comes_first_in_mm():
    grid = TileGrid((24, 24, 24), (8, 8, 8), 0.5)
    tiles = grid.tiles()
    ordered = grid.nearest_first(tiles, (20, 4, 12), (5.0, 1.0, 1.0))
    assert sorted(ordered) == sorted(tiles)
    assert ordered[0] == (16, 0, 8)
    gaps = [abs(z + 3.5 - 20) * 5 for z, _, _ in ordered]
    assert gaps[-1] == max(gaps)
