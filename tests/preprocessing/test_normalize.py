import numpy as np
import pytest

from napari_mednext import extensions
from napari_mednext.errors import InputError, ModelError
from napari_mednext.preprocessing import Affine, normalisation, normalise

CT = {"mean": 50.0, "std": 20.0, "percentile_00_5": -10.0, "percentile_99_5": 120.0}


@pytest.fixture
def channel():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(5, 7, 9)) * 40 + 60).astype(np.float32)


def test_zscore_has_zero_mean_and_unit_deviation(channel):
    original = channel.copy()
    affine = normalise(channel, "ZScoreNormalization", None, {})
    assert abs(channel.mean(dtype=np.float64)) < 1e-6
    assert channel.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert np.allclose(affine.inverse(channel), original, atol=1e-3)


def test_zscore_in_a_mask_leaves_the_rest(channel):
    original = channel.copy()
    mask = np.zeros(channel.shape, bool)
    mask[1:4, 2:6, 3:8] = True
    normalise(channel, "ZScoreNormalization", mask, {})
    assert abs(channel[mask].mean()) < 1e-6
    assert channel[mask].std() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(channel[~mask], original[~mask])


@pytest.mark.parametrize("scheme", ["ZScoreNormalization", "RescaleTo01Normalization"])
@pytest.mark.parametrize("value", [0.0, 5.0, -1e6])
def test_constant_image_becomes_zeros(scheme, value):
    channel = np.full((2, 3, 4), value, np.float32)
    normalise(channel, scheme, None, {})
    assert np.array_equal(channel, np.zeros((2, 3, 4)))


def test_ct_clips_then_shifts_and_scales():
    channel = np.array([-1000, -10, 50, 120, 3000], np.float32).reshape(1, 1, 5)
    affine = normalise(channel, "CTNormalization", None, CT)
    assert channel.ravel().tolist() == [-3.0, -3.0, 0.0, 3.5, 3.5]
    assert affine.inverse(channel).ravel().tolist() == [-10, -10, 50, 120, 120]


def test_ct_without_properties_names_what_is_missing():
    with pytest.raises(ModelError, match="percentile_99_5, std"):
        normalise(
            np.zeros((1, 1, 1), np.float32),
            "CTNormalization",
            None,
            {"mean": 0.0, "percentile_00_5": 0.0},
        )


def test_rescale_spans_zero_to_one(channel):
    original = channel.copy()
    affine = normalise(channel, "RescaleTo01Normalization", None, {})
    assert (channel.min(), channel.max()) == (0, 1)
    assert np.allclose(affine.inverse(channel), original, atol=1e-3)


def test_rgb_divides_by_255():
    channel = np.array([0, 51, 255], np.float32).reshape(1, 1, 3)
    normalise(channel, "RGBTo01Normalization", None, {})
    assert channel.ravel().tolist() == [0, np.float32(0.2), 1]


@pytest.mark.parametrize("value", [-1, 256])
def test_rgb_refuses_other_ranges(value):
    channel = np.array([0, value], np.float32).reshape(1, 1, 2)
    with pytest.raises(InputError, match=f"got .*{value}.*: choose a model"):
        normalise(channel, "RGBTo01Normalization", None, {})


def test_no_normalisation_changes_nothing(channel):
    original = channel.copy()
    assert normalise(channel, "NoNormalization", None, {}) == Affine()
    assert np.array_equal(channel, original)


def test_unknown_name_lists_the_known_ones(monkeypatch):
    monkeypatch.setattr(extensions, "normalisations", dict)
    with pytest.raises(ModelError, match="'Odd', known are CTNormalization, NoNorm"):
        normalisation("Odd")


def halve(channel, mask, properties):
    channel /= 2
    return Affine(0, 2)


def test_another_package_brings_a_scheme(monkeypatch, channel):
    places = {"Halve": f"{__name__}:halve", "Lost": "no_such_module:f"}
    monkeypatch.setattr(extensions, "normalisations", lambda: places)
    original = channel.copy()
    affine = normalise(channel, "Halve", None, {})
    assert np.array_equal(channel * 2, original)
    assert np.array_equal(affine.inverse(channel), original)
    with pytest.raises(ModelError, match="'Lost' must be importable from 'no_such"):
        normalisation("Lost")
