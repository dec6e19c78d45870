"""Scans and targets show the same place: laws of centroids, sizes and sides."""

import numpy as np
import pytest
import torch

from napari_mednext.training import synthesis
from napari_mednext.training.contrast import Contrast
from napari_mednext.training.label_maps import LabelMaps
from napari_mednext.training.synthesis import Synthesizer

CPU = torch.device("cpu")


@pytest.fixture
def bright_core(monkeypatch):
    """Scans in which the core alone is bright, before anything degrades them."""

    def contrast(rng, maps, table):
        mean = (maps.values == 2).astype(np.float32)
        return Contrast(mean, np.zeros_like(mean))

    monkeypatch.setattr(synthesis, "draw_contrast", contrast)
    monkeypatch.setattr(Synthesizer, "_image", lambda self, scan, rng, noise: scan)


def centroid(weights):
    """Return the centroid (z, y, x) in voxels."""
    weights = np.asarray(weights, float)
    places = np.indices(weights.shape).reshape(3, -1)
    return places @ weights.ravel() / weights.sum()


def _touches_the_border(mask):
    inner = mask[1:-1, 1:-1, 1:-1]
    return int(mask.sum()) != int(inner.sum())


@pytest.mark.usefixtures("bright_core")
@pytest.mark.parametrize("oversampling", [2, 3])
def test_bright_voxels_lie_where_the_target_does(maps, table, oversampling):
    draw = Synthesizer(
        maps,
        table,
        names=["a", "b"],
        patch=(32, 48, 32),
        spacing_mm=6.0,
        oversampling=oversampling,
        device=CPU,
    ).draw
    with_offset, without = [], []
    for seed in range(12):
        scan, target, offset = draw(seed)
        core = target == 2
        if not core.any() or _touches_the_border(core):
            continue
        apart = centroid(scan[0]) - centroid(core)
        with_offset.append(np.abs(apart - offset.numpy()).max())
        without.append(np.abs(apart).max())
    assert len(with_offset) >= 6
    assert np.median(with_offset) < 0.04
    assert max(with_offset) < 0.1
    # Targets that ignore their offset are visibly beside the scan.
    assert np.median(without) > 0.2


@pytest.mark.parametrize("seed", range(6))
def test_thick_slices_and_blur_move_nothing(seed):
    rng = np.random.default_rng(seed)
    scan = torch.zeros(1, 1, 24, 31, 27)
    scan[..., 9:15, 12:19, 10:17] = 1
    for spoilt in (
        synthesis._thick_slices(scan, rng, 2.0),
        synthesis._blur(scan, rng.uniform(0.3, 0.9, 3)),
    ):
        apart = centroid(spoilt[0, 0]) - centroid(scan[0, 0])
        assert np.abs(apart).max() < 0.25
    symmetric = torch.zeros(1, 1, 24, 24, 24)
    symmetric[..., 9:15, 9:15, 9:15] = 1
    spoilt = synthesis._thick_slices(symmetric, rng, 2.0)[0, 0]
    np.testing.assert_allclose(centroid(spoilt), 11.5, atol=1e-3)


def test_thick_voxels_are_read_like_the_thin_ones_that_fill_them(maps, table):
    """A map of (8, 4, 4) mm voxels is a 4 mm map whose planes stand twice."""
    thin = {k: np.repeat(m, 2, axis=0) for k, m in maps.maps.items()}
    fine = LabelMaps(thin, maps.values, maps.intensity_class, 4.0)
    thick = LabelMaps(
        maps.maps,
        maps.values,
        maps.intensity_class,
        dict.fromkeys(maps.maps, (8.0, 4.0, 4.0)),
    )
    arguments = {
        "names": ["a"],
        "patch": (48, 32, 32),
        "spacing_mm": 8.0,
        "oversampling": 1,
        "device": CPU,
    }
    same = [
        float(
            (
                Synthesizer(fine, table, **arguments).draw(seed).target
                == Synthesizer(thick, table, **arguments).draw(seed).target
            )
            .float()
            .mean()
        )
        for seed in range(8)
    ]
    # One draw in ten is centred anywhere, half a thin voxel apart.
    assert sum(share > 0.999 for share in same) >= 6
    assert min(same) > 0.9


def test_a_left_hand_stays_one_where_sides_differ():
    for seed in range(150):
        free = synthesis._random_affine(np.random.default_rng(seed), mirror=True)
        kept = synthesis._random_affine(np.random.default_rng(seed), mirror=False)
        assert np.linalg.det(kept) > 0
        flip = np.diag([1, 1, 1 if np.linalg.det(free) > 0 else -1])
        np.testing.assert_array_equal(kept, flip @ free)
    seeds = (np.random.default_rng(seed) for seed in range(150))
    sides = [
        np.linalg.det(synthesis._random_affine(rng, mirror=True)) > 0 for rng in seeds
    ]
    assert 0.35 < np.mean(sides) < 0.65
