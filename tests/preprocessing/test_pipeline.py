import threading
from dataclasses import replace

import numpy as np
import pytest
from skimage.transform import resize

from napari_mednext.errors import Cancelled, ChannelError, InputError
from napari_mednext.models import ConfigurationPlan, Resampling
from napari_mednext.preprocessing import plan_geometry, preprocess

PLAN = ConfigurationPlan(
    name="3d_fullres",
    spacing=(2.0, 1.5, 1.25),
    patch_size=(16, 16, 16),
    transpose_forward=(0, 1, 2),
    transpose_backward=(0, 1, 2),
    normalization_schemes=("ZScoreNormalization", "NoNormalization"),
    use_mask_for_norm=(False, False),
    intensity_properties=({}, {}),
    resampling_data=Resampling(3, 0, None),
    resampling_probabilities=Resampling(1, 0, None),
    image_reader_writer="SimpleITKIO",
    network_class_name="any",
    arch_kwargs={},
)
SPACING = (2.5, 1.2, 1.0)


@pytest.fixture
def array():
    rng = np.random.default_rng(0)
    array = np.zeros((2, 11, 13, 17), np.int16)
    array[:, 2:9, 1:12, 4:16] = rng.integers(1, 900, size=(2, 7, 11, 12))
    return array


def test_crops_normalises_then_resamples(array):
    original = array.copy()
    result = preprocess(array, SPACING, PLAN)
    cropped = array[:, 2:9, 1:12, 4:16].astype(float)
    cropped[0] = (cropped[0] - cropped[0].mean()) / cropped[0].std()
    assert result.geometry.box == ((2, 9), (1, 12), (4, 16))
    assert result.data.shape == (2, 9, 9, 10)
    assert result.data.dtype == np.float32
    for ours, channel in zip(result.data, cropped, strict=True):
        wanted = resize(channel, (9, 9, 10), 3, mode="edge", anti_aliasing=False)
        assert np.allclose(ours, wanted, atol=1e-4 * np.abs(wanted).max())
    assert result.notes == ()
    assert np.array_equal(array, original)


def test_axes_are_turned_first(array):
    plan = replace(PLAN, transpose_forward=(2, 0, 1), transpose_backward=(1, 2, 0))
    turned = preprocess(array, SPACING, plan)
    before = array.transpose(0, 3, 1, 2)
    plain = preprocess(before, (1.0, 2.5, 1.2), PLAN)
    assert turned.geometry.shape == (17, 11, 13)
    assert turned.geometry.spacing == (1.0, 2.5, 1.2)
    assert turned.geometry.box == plain.geometry.box
    assert np.array_equal(turned.data, plain.data)


def test_mask_is_used_where_the_plan_says(array):
    array[0, 3, 3, 5] = 0  # a hole: inside the mask
    array[0, 2, 1, 4] = array[1, 2, 1, 4] = 0  # a corner: outside
    plan = replace(PLAN, use_mask_for_norm=(True, False), spacing=SPACING)
    data = preprocess(array, SPACING, plan).data
    inside = array[0, 2:9, 1:12, 4:16].astype(float)
    mask = np.ones(inside.shape, bool)
    mask[0, 0, 0] = False
    wanted = (inside - inside[mask].mean()) / inside[mask].std()
    assert data[0, 0, 0, 0] == 0
    assert np.allclose(data[0][mask], wanted[mask], atol=1e-5)


def test_equal_spacing_is_not_resampled(array):
    plan = replace(
        PLAN, spacing=SPACING, normalization_schemes=("NoNormalization",) * 2
    )
    data = preprocess(array, SPACING, plan).data
    assert np.array_equal(data, array[:, 2:9, 1:12, 4:16])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_is_replaced_and_told(array, dtype):
    plan = replace(
        PLAN, spacing=SPACING, normalization_schemes=("NoNormalization",) * 2
    )
    clean = array.astype(dtype)
    spoilt = clean.copy()
    spoilt[0, 3, 3, 5] = np.nan
    spoilt[0, 3, 3, 6] = np.inf
    spoilt[0, 3, 3, 7] = -np.inf
    if dtype == np.float64:
        spoilt[0, 3, 3, 8] = 1e300  # infinite as float32
    result = preprocess(spoilt, SPACING, plan)
    low, high = 0.0 if 0 in clean[0, 2:9, 1:12, 4:16] else None, clean[0].max()
    low = np.delete(clean[0, 2:9, 1:12, 4:16].ravel(), 0).min() if low is None else low
    assert result.data[0, 1, 2, 1] == low
    assert result.data[0, 1, 2, 2] == high
    assert result.data[0, 1, 2, 3] == low
    count = 4 if dtype == np.float64 else 3
    assert result.notes == (
        f"{count} voxels of channel 0 were not finite: NaN was read as {low:g}, "
        f"infinity as {high:g}",
    )


def test_channel_without_numbers_is_refused(array):
    spoilt = array.astype(np.float32)
    spoilt[1] = np.nan
    with pytest.raises(InputError, match="channel 1 has no finite voxel"):
        preprocess(spoilt, SPACING, PLAN)


def test_wrong_number_of_channels_is_refused(array):
    with pytest.raises(ChannelError, match=r"2 channels, got shape \(1, 11, 13, 17\)"):
        preprocess(array[:1], SPACING, PLAN)
    with pytest.raises(ChannelError, match=r"got shape \(11, 13, 17\)"):
        plan_geometry(array[0], SPACING, PLAN)


def test_cancel_takes_effect(array):
    flag = threading.Event()
    flag.set()
    with pytest.raises(Cancelled, match="cancelled"):
        preprocess(array, SPACING, PLAN, cancel=flag)


def test_single_voxel_and_all_zero_images_work():
    for array in (np.zeros((2, 1, 5, 3)), np.full((2, 1, 1, 1), 7.0)):
        result = preprocess(array, SPACING, PLAN)
        assert np.isfinite(result.data).all()
        assert min(result.data.shape) >= 1
