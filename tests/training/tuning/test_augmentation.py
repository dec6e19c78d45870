import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from napari_mednext.training.tuning import augmentation
from napari_mednext.training.tuning.augmentation import (
    add_noise,
    augment_intensity,
    blur,
    change_contrast,
    change_gamma,
    draw_affine,
    lower_resolution,
    scale_brightness,
    turning_axes,
)

SPACING = (2.0, 1.5, 1.2)


@pytest.fixture
def channel():
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.standard_normal((19, 26, 23)), 1.5)
    return (3 * smooth + 0.7).astype(np.float32)


def test_noise_has_its_spread_and_no_mean(channel):
    before = channel.copy()
    add_noise(channel, 0.3, np.random.default_rng(1))
    noise = channel - before
    n = noise.size
    assert abs(noise.mean()) < 5 * 0.3 / math.sqrt(n)
    assert noise.std() == pytest.approx(0.3, rel=5 / math.sqrt(2 * n))
    assert stats.kstest(noise.ravel() / 0.3, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(noise.ravel(), before.ravel())[0, 1]) < 5 / math.sqrt(n)


def test_blur_is_a_gaussian_along_each_axis():
    sigmas = (0.5, 0.8, 1.0)
    point = np.zeros((17, 19, 21), np.float32)
    point[8, 9, 10] = 1
    blur(point, sigmas)
    profiles = []
    for sigma in sigmas:
        taps = np.exp(-0.5 * (np.arange(-4, 5) / sigma) ** 2)
        taps[np.abs(np.arange(-4, 5)) > round(4 * sigma)] = 0
        profiles.append(taps / taps.sum())
    z, y, x = profiles
    expected = z[:, None, None] * y[:, None] * x
    assert np.allclose(point[4:13, 5:14, 6:15], expected, atol=1e-6)
    assert point.sum() == pytest.approx(1, abs=1e-5)


def test_blur_keeps_a_constant_to_the_border():
    flat = np.full((5, 6, 7), 2.5, np.float32)
    blur(flat, (1, 1, 1))
    assert np.allclose(flat, 2.5)


def test_brightness_is_a_factor(channel):
    before = channel.copy()
    scale_brightness(channel, 1.2)
    assert np.allclose(channel, before * 1.2, rtol=1e-6)


@pytest.mark.parametrize("factor", [0.75, 1.25])
def test_contrast_stretches_around_the_mean_within_the_range(channel, factor):
    before = channel.astype(float)
    change_contrast(channel, factor)
    expected = (before - before.mean()) * factor + before.mean()
    expected = np.clip(expected, before.min(), before.max())
    assert np.allclose(channel, expected, atol=1e-5)
    clipped = factor > 1
    assert (channel.max() == pytest.approx(before.max(), abs=1e-6)) == clipped


@pytest.mark.parametrize("scale", [0.5, 0.73, 1.0])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2)])
def test_low_resolution_is_nearest_down_and_linear_up(channel, scale, axes):
    before = torch.from_numpy(channel.copy())[None, None]
    lower_resolution(channel, scale, axes)
    fewer = [round(n * scale) if k in axes else n for k, n in enumerate(channel.shape)]
    down = F.interpolate(before, fewer, mode="nearest-exact")
    expected = F.interpolate(down, channel.shape, mode="trilinear")[0, 0].numpy()
    assert np.allclose(channel, expected, atol=2e-5)


def test_low_resolution_leaves_a_voxel():
    one = np.array([[[1.0, 2.0]]], np.float32)
    lower_resolution(one, 0.1, (0, 1, 2))
    assert one[0, 0, 0] == one[0, 0, 1]


@pytest.mark.parametrize("gamma", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("is_inverted", [False, True])
def test_gamma_is_a_power_that_keeps_mean_and_spread(channel, gamma, is_inverted):
    before = channel.astype(float)
    change_gamma(channel, gamma, is_inverted=is_inverted)
    sign = -1 if is_inverted else 1
    turned = sign * before
    power = ((turned - turned.min()) / np.ptp(turned)) ** gamma
    expected = (power - power.mean()) / power.std() * turned.std() + turned.mean()
    assert np.allclose(channel, sign * expected, atol=2e-4)
    assert channel.mean() == pytest.approx(before.mean(), abs=1e-4)
    assert channel.std() == pytest.approx(before.std(), rel=1e-4)
    assert stats.spearmanr(channel.ravel(), before.ravel())[0] > 0.9999


def test_nothing_breaks_a_constant():
    flat = np.full((1, 4, 5, 6), 1.5, np.float32)
    change_gamma(flat[0], 0.7)
    change_contrast(flat[0], 1.2)
    blur(flat[0], (1, 1, 1))
    lower_resolution(flat[0], 0.5, (0, 1, 2))
    assert np.allclose(flat, 1.5)


CHANGES = {
    "add_noise": (0.1, 1.0),
    "blur": (0.2, 0.5),
    "scale_brightness": (0.15, 1.0),
    "change_contrast": (0.15, 1.0),
    "lower_resolution": (0.25, 0.5),
    "change_gamma": (0.4, 1.0),
}


def test_changes_come_in_their_shares_and_ranges(monkeypatch):
    seen = {name: [] for name in CHANGES}
    for name in CHANGES:
        monkeypatch.setattr(
            augmentation,
            name,
            lambda channel, *a, name=name, **k: seen[name].append((a, k)),
        )
    image = np.zeros((2, 2, 2, 2), np.float32)
    n = 4000
    for seed in range(n):
        augment_intensity(image, np.random.default_rng(seed), SPACING)
    for name, (share, channel_share) in CHANGES.items():
        mean = 2 * n * share * channel_share
        assert abs(len(seen[name]) - mean) < 5 * math.sqrt(2 * mean)

    def check(values, low, high, middle):
        values = np.array(values)
        assert low <= values.min() < low + 0.03 * (high - low)
        assert high - 0.03 * (high - low) < values.max() <= high
        below = int((values < middle).sum())
        near, far = stats.binom.ppf([1e-6, 1 - 1e-6], len(values), 0.5)
        assert near <= below <= far

    check([a[0] ** 2 for a, _ in seen["add_noise"]], 0, 0.1, 0.05)
    check([s for a, _ in seen["blur"] for s in a[0]], 0.5, 1.0, 0.75)
    check([a[0] for a, _ in seen["scale_brightness"]], 0.75, 1.25, 1)
    check([a[0] for a, _ in seen["change_contrast"]], 0.75, 1.25, 1)
    check([a[0] for a, _ in seen["lower_resolution"]], 0.5, 1.0, 0.75)
    check([a[0] for a, _ in seen["change_gamma"]], 0.7, 1.5, 1)
    inverted = sum(k.get("is_inverted", False) for _, k in seen["change_gamma"])
    assert abs(inverted - 2 * n * 0.1) < 5 * math.sqrt(2 * 2 * n * 0.1)


def test_channels_are_changed_by_themselves():
    """Two equal channels differ after a change that both had."""
    rng = np.random.default_rng(0)
    one = rng.standard_normal((1, 6, 7, 8)).astype(np.float32)
    differing = 0
    for seed in range(60):
        image = np.concatenate([one, one])
        augment_intensity(image, np.random.default_rng(seed), SPACING)
        assert np.isfinite(image).all()
        if not np.array_equal(image[0], one[0]):
            differing += not np.array_equal(image[0], image[1])
    assert differing > 20


@pytest.mark.parametrize(
    ("spacing", "axes"),
    [
        ((1, 1, 1), (0, 1, 2)),
        ((3, 1, 1), (0, 1, 2)),
        ((3.01, 1, 1), (0,)),
        ((1, 1, 5), (2,)),
        ((1, 5, 5), (0,)),
        ((1, 2, 4), (0, 2)),
        ((1, 4, 16), ()),
    ],
)
def test_thick_slices_are_not_tilted(spacing, axes):
    assert turning_axes(spacing) == axes


def affines(spacing, mirror_axes=(), n=1500):
    return [
        draw_affine(np.random.default_rng(seed), spacing, mirror_axes)
        for seed in range(n)
    ]


def test_turns_and_scalings_are_similarities_in_millimetres():
    n = 1500
    plain, turned, scaled, angles, factors = 0, 0, 0, [], []
    for matrix in affines(SPACING, n=n):
        mm = np.array(SPACING)[:, None] * matrix / np.array(SPACING)
        factor = np.cbrt(np.linalg.det(mm))
        turn = mm / factor
        assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-9)
        is_turned = not np.allclose(turn, np.eye(3), atol=1e-9)
        is_scaled = abs(factor - 1) > 1e-9
        turned, scaled = turned + is_turned, scaled + is_scaled
        if not is_turned and not is_scaled:
            assert np.array_equal(matrix, np.eye(3))
            plain += 1
        if is_turned:
            # Of the three turns, one after another, as Tait-Bryan angles.
            angles.append(math.degrees(math.asin(np.clip(abs(turn[0, 2]), 0, 1))))
        if is_scaled:
            factors.append(factor)
    for count, share in ((turned, 0.2), (scaled, 0.2), (plain, 0.64)):
        low, high = stats.binom.ppf([1e-6, 1 - 1e-6], n, share)
        assert low <= count <= high
    assert 28 < max(angles) <= 30 + 1e-9
    assert 0.7 <= min(factors) < 0.72
    assert 1.38 < max(factors) <= 1.4
    below = sum(f < 1 for f in factors)
    low, high = stats.binom.ppf([1e-6, 1 - 1e-6], len(factors), 0.5)
    assert low <= below <= high


def test_thick_slices_are_changed_in_plane_only():
    for matrix in affines((5.0, 1.0, 0.8), (0, 1, 2)):
        assert abs(matrix[0, 0]) == 1
        assert (matrix[0, 1:] == 0).all()
        assert (matrix[1:, 0] == 0).all()


def test_mirrors_are_signs_on_allowed_axes():
    n = 1500
    signs = np.array([np.sign(m.diagonal()) for m in affines(SPACING, (0, 2), n)])
    assert (signs[:, 1] == 1).all()
    for axis in (0, 2):
        low, high = stats.binom.ppf([1e-6, 1 - 1e-6], n, 0.5)
        assert low <= (signs[:, axis] < 0).sum() <= high
    both = ((signs[:, 0] < 0) & (signs[:, 2] < 0)).sum()
    assert abs(both - n / 4) < 5 * math.sqrt(n * 3 / 16)
