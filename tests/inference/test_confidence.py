"""The meter against the mean of the largest probability, computed here."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from napari_mednext.inference.confidence import ConfidenceMeter
from napari_mednext.inference.decide import Decision, PlaneDecider
from napari_mednext.preprocessing import sample_axis
from napari_mednext.settings import InferenceSettings
from tests.inference.standins import Context, NearestClass, make_model, make_volume


def logits(heads=5, shape=(7, 9, 12), seed=0):
    return np.random.default_rng(seed).normal(0, 2, (heads, *shape)).astype(np.float32)


def shown(values, decision=None):
    meter = ConfidenceMeter(decision or Decision())
    for plane in range(values.shape[1]):
        meter.add(torch.from_numpy(values[:, plane]))
    return meter


def test_it_is_the_mean_of_the_largest_probability_by_label():
    values = logits()
    best = softmax(values.astype(float), axis=0)[:, ::2, ::2, ::2]
    which, sure = best.argmax(axis=0), best.max(axis=0)
    meter = shown(values)
    assert meter.mean() == pytest.approx(sure[which > 0].mean(), rel=1e-6)
    chosen = np.isin(which, (2, 4))
    assert meter.mean((2, 4, 77)) == pytest.approx(sure[chosen].mean(), rel=1e-6)


def test_with_regions_it_is_the_surest_region_above_a_half():
    values = logits(heads=3, seed=2)
    best = expit(values.astype(float))[:, ::2, ::2, ::2]
    sure = best.max(axis=0)
    label = np.where(sure > 0.5, np.array([1, 4, 2])[best.argmax(axis=0)], 0)
    meter = shown(values, Decision(region_values=(1, 4, 2)))
    assert meter.mean() == pytest.approx(sure[label > 0].mean(), rel=1e-6)
    assert meter.mean((4,)) == pytest.approx(sure[label == 4].mean(), rel=1e-6)


def test_without_labels_there_is_no_confidence():
    values = np.zeros((3, 2, 4, 4), np.float32)
    values[0] = 1
    assert ConfidenceMeter(Decision()).mean() is None
    assert shown(values).mean() is None
    assert shown(values).mean((1,)) is None


@pytest.mark.parametrize("planes", [4, 7, 15])
def test_a_decider_shows_every_plane_once_even_when_it_reads_again(planes):
    values = logits(shape=(7, 9, 12))
    samplings = [
        sample_axis(n, m, 1) for n, m in zip((7, 9, 12), (planes, 9, 12), strict=True)
    ]
    seen = []

    class Meter:
        def add(self, plane):
            seen.append(plane)

    decider = PlaneDecider(
        np.zeros((planes, 9, 12), np.uint8),
        samplings,
        lambda z: torch.from_numpy(values[:, z]),
        Decision(),
        confidence=Meter(),
    )
    for final in range(8):
        decider.advance(final)
        decider.forget()  # as when a device is full
    read = sorted({*samplings[0].low.tolist(), *samplings[0].high.tolist()})
    assert len(seen) == len(read)
    for plane, index in zip(seen, read, strict=True):
        assert torch.equal(plane, torch.from_numpy(values[:, index]))


def test_a_segmentation_carries_the_confidence_of_its_probabilities():
    model = make_model(Context(1, 5, 4), heads=5, spacing=(2.5, 1.2, 1.0))
    volume = make_volume((13, 18, 21))
    settings = InferenceSettings(device="cpu", mirror=False)
    found = model.segment(volume, settings=settings, probabilities=True)
    # The same grid, so every second voxel of the result is what the meter saw.
    sample = found.probabilities[:, ::2, ::2, ::2]
    foreground = sample.argmax(axis=0) > 0
    wanted = sample.max(axis=0)[foreground].mean()
    figure = found.quality.figures["confidence"]
    assert figure == pytest.approx(float(wanted), rel=1e-5)
    labels_only = model.segment(volume, settings=settings)
    assert labels_only.quality.figures["confidence"] == pytest.approx(figure, rel=1e-6)
    previewed = model.segment(volume, settings=settings, on_preview=lambda _: None)
    assert previewed.quality == labels_only.quality


def test_a_region_of_interest_is_not_taken_for_a_cut_scan():
    model = make_model(NearestClass(3), heads=3)
    volume = make_volume()
    settings = InferenceSettings(device="cpu")
    part = model.segment(
        volume, settings=settings, roi=(slice(0, 2), slice(0, 2), slice(0, 2))
    )
    assert "empty" not in [each.code for each in part.quality.findings]
