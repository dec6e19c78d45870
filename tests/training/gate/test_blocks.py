"""Parts of a case are disjoint, and what is trained on keeps its distance."""

import numpy as np
import pytest

from napari_mednext.errors import InputError
from napari_mednext.training.gate import cut_blocks
from napari_mednext.training.gate.blocks import GAP_PLANES, runs_of_planes

SHAPE = (25, 34, 41)


def reviews(rng):
    """A review: all of it, a box, slices along any axis, or scribbles."""
    known = np.zeros(SHAPE, bool)
    kind = rng.integers(0, 4)
    if kind == 0:
        known[:] = True
    elif kind == 1:
        low = [int(rng.integers(0, n // 3)) for n in SHAPE]
        known[tuple(slice(s, s + int(rng.integers(3, 25))) for s in low)] = True
    elif kind == 2:
        axis = int(rng.integers(0, 3))
        count = int(rng.integers(1, 7))
        planes = rng.choice(SHAPE[axis], count, replace=False)
        np.moveaxis(known, axis, 0)[planes] = True
    else:
        known = rng.random(SHAPE) < 0.2
    return known


@pytest.mark.parametrize("seed", range(60))
def test_parts_are_disjoint_with_a_gap(seed):
    rng = np.random.default_rng(seed)
    known = reviews(rng)
    labels = (rng.random(SHAPE) < 0.1).astype(np.uint8)
    labels[:10] = 0
    least = int(rng.choice([1, 300, 1000]))
    blocks = cut_blocks(known, labels, least_voxels=least)
    assert len(blocks) in (0, 2, 3)
    judged = [block.judged_mask(known) for block in blocks]
    if blocks:
        assert (sum(each.astype(int) for each in judged) == known).all()
    for block, mask in zip(blocks, judged, strict=True):
        trained = known & ~block.hidden_mask(SHAPE)
        assert mask.sum() >= least
        assert trained.sum() >= least
        axes = tuple(axis for axis in range(3) if axis != block.axis)
        ours, theirs = (np.flatnonzero(each.any(axes)) for each in (mask, trained))
        assert np.abs(ours[:, None] - theirs).min() > GAP_PLANES


def test_slices_that_lie_apart_are_dealt_out():
    known = np.zeros(SHAPE, bool)
    known[[2, 7, 12, 17, 22]] = True
    blocks = cut_blocks(known, least_voxels=100)
    assert [block.axis for block in blocks] == [0, 0, 0]
    assert [block.judged for block in blocks] == [(2, 17), (7, 22), (12,)]
    assert blocks[2].hidden == (10, 11, 12, 13, 14)


def test_dense_review_is_cut_along_the_longest_axis_by_its_labels():
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, :, 30:] = 1
    first, second = cut_blocks(np.ones(SHAPE, bool), labels, parts=2)
    assert first.axis == second.axis == 2
    assert 33 <= first.judged[-1] <= 36
    assert second.judged[0] == first.judged[-1] + 1


def test_a_single_slice_is_cut_in_its_plane():
    known = np.zeros(SHAPE, bool)
    known[4] = True
    assert {block.axis for block in cut_blocks(known, least_voxels=100)} == {2}
    assert cut_blocks(known, least_voxels=1000) == ()


def test_nothing_known_gives_no_parts():
    known = np.zeros(SHAPE, bool)
    assert cut_blocks(known) == ()
    assert runs_of_planes(known, known, 5) == (0, [])


def test_one_part_is_refused():
    with pytest.raises(InputError, match="at least 2 parts, got 1"):
        cut_blocks(np.ones(SHAPE, bool), parts=1)
