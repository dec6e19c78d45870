import itertools

import pytest

from napari_mednext.inference.passes import Target, cut_passes, whole_pass
from napari_mednext.inference.tiles import TileGrid
from napari_mednext.preprocessing import sample_axis


def make(shape=(20, 61, 24), out=(31, 40, 24), tile=(8, 10, 8), step=0.5, region=None):
    samplings = tuple(sample_axis(n, m, 1) for n, m in zip(shape, out, strict=True))
    region = region or tuple((0, n) for n in out)
    return TileGrid(shape, tile, step), Target(region, samplings)


def test_whole_pass_covers_what_the_target_reads():
    grid, target = make(region=((3, 9), (20, 30), (0, 5)))
    part = whole_pass(grid, target)
    assert set(part.tiles) == set(grid.tiles(target.source))
    for (low, high), (start, stop) in zip(part.window, target.source, strict=True):
        assert low <= start
        assert high >= stop


@pytest.mark.parametrize("step", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("out", [(31, 40, 24), (31, 61, 24), (10, 100, 9)])
def test_passes_share_the_output_and_each_voxel_gets_all_its_tiles(step, out):
    grid, target = make(out=out, step=step)
    everything = whole_pass(grid, target)
    rows = len({tile[1] for tile in everything.tiles})
    fewest = rows
    for count in range(rows, 0, -1):
        passes = cut_passes(grid, target, count)
        if passes is None:
            continue
        fewest = count
        covered = [y for part in passes for y in range(*part.region[1])]
        assert covered == list(range(out[1]))
        for part in passes:
            assert len({tile[1] for tile in part.tiles}) <= count
            low = int(target.samplings[1].low[part.region[1][0]])
            high = int(target.samplings[1].high[part.region[1][1] - 1])
            needed = set(
                grid.tiles((target.source[0], (low, high + 1), target.source[2]))
            )
            assert needed <= set(part.tiles)
            assert list(part.tiles) == sorted(part.tiles)
    assert fewest < rows


def test_enough_rows_are_one_pass():
    grid, target = make()
    assert cut_passes(grid, target, 99) == [whole_pass(grid, target)]


def test_too_few_rows_never_finish():
    grid, target = make(step=0.5)
    assert cut_passes(grid, target, 1) is None


def test_windows_are_the_boxes_around_tiles():
    grid, target = make()
    for part in cut_passes(grid, target, 4):
        for axis, (low, high) in enumerate(part.window):
            starts = [tile[axis] for tile in part.tiles]
            assert low == min(starts)
            assert high == max(starts) + grid.tile[axis]
        assert part.window_shape == tuple(b - a for a, b in part.window)
    starts = {axis: {t[axis] for t in part.tiles} for axis in (0, 2)}
    assert set(itertools.product(starts[0], starts[2])) == {
        (t[0], t[2]) for t in part.tiles
    }
