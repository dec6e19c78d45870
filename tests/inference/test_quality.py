"""Findings on made-up scans and label maps whose answers are known."""

import numpy as np
import pytest
from scipy import ndimage

from napari_mednext.inference import evidence
from napari_mednext.inference.evidence import (
    border_contact,
    label_counts,
    largest_piece,
)
from napari_mednext.inference.grey import look_at
from napari_mednext.inference.quality import judge, known_of
from napari_mednext.labels import LabelSet
from napari_mednext.models import Card, Expectations
from napari_mednext.preprocessing import Geometry
from napari_mednext.volume import SourceHeader, Volume, VoxelGrid
from tests.inference.standins import StandinFolder, make_plan

SHAPE, SPACING = (40, 52, 61), (2.5, 1.5, 1.25)
KNOWN = {
    "modality": "MR",
    "extent_mm": 60.0,
    "slice_mm": 4.0,
    "whole_name": "ball",
    "whole": (1, 2),
    "whole_ml": (50.0, 120.0),
    "volumes_ml": {2: (5.0, 20.0)},
    "confidence": {"0.05": 0.6, "0.5": 0.8},
}


class Sure:
    """A meter that was shown something of this confidence."""

    def __init__(self, value):
        self.value = value

    def mean(self, labels):
        self.labels = labels
        return self.value


def ball(centre=(0.5, 0.5, 0.5), radius_mm=27.0, shape=SHAPE, spacing=SPACING):
    """A ball of label 1 with a core of label 2."""
    where = np.indices(shape).astype(float)
    square = sum(
        ((p - c * (n - 1)) * s) ** 2
        for p, c, n, s in zip(where, centre, shape, spacing, strict=True)
    )
    labels = (square < radius_mm**2).astype(np.uint8)
    labels[square < (0.55 * radius_mm) ** 2] = 2
    return labels


def like_mr(shape=SHAPE, seed=0):
    noise = np.random.default_rng(seed).gamma(2.0, 80.0, shape)
    return ndimage.gaussian_filter(noise, 1).astype(np.int16)


def like_ct(shape=SHAPE, seed=0):
    """Air around a body of fat and soft tissue, on a scanner's padding of -2000."""
    rng = np.random.default_rng(seed)
    array = rng.normal(-1000, 15, shape)
    inner = (slice(None), slice(8, -8), slice(9, -9))
    array[inner] = rng.choice([-90.0, 40.0, 55.0], array[inner].shape)
    array[:, :3, :3] = -2000
    return array.astype(np.int16)


def folder(known=KNOWN, card=None, **plan):
    plan.setdefault("spacing", SPACING)
    plan.setdefault("patch_size", (32, 48, 48))
    names = LabelSet.from_names({1: "shell", 2: "core"})
    stated = card or Card(expects=Expectations(**(known or {})))
    return StandinFolder(make_plan(**plan), 3, labels=names, card=stated)


def look(array, labels, model=None, *, spacing=SPACING, modality="", **more):
    shape = labels.shape
    volume = Volume(
        array, VoxelGrid(shape, spacing), source=SourceHeader(modality=modality)
    )
    model = model or folder()
    box = tuple((0, n) for n in shape)
    plan_spacing = model.plan.spacing
    geometry = Geometry((0, 1, 2), shape, spacing, box, shape, plan_spacing)
    more.setdefault("confidence", Sure(0.75))
    return judge(volume, labels, model, geometry, **more)


def codes(quality):
    return [each.code for each in quality.findings]


def sentence_of(quality, code):
    return next(each.sentence for each in quality.findings if each.code == code)


def test_a_scan_like_the_known_ones_has_no_findings():
    quality = look(like_mr(), ball())
    assert quality.findings == ()
    volume_ml = 4 / 3 * np.pi * 2.7**3
    assert quality.figures["whole_ml"] == pytest.approx(volume_ml, rel=0.02)
    assert quality.figures["confidence"] == 0.75
    assert quality.figures["largest_piece"] == 1.0
    assert quality.figures["border_contact"] == 0.0
    assert quality.figures["smallest_extent_mm"] == pytest.approx(61 * 1.25)
    assert quality.figures["largest_spacing_mm"] == 2.5


def test_confidence_is_asked_of_the_whole_or_of_all_labels():
    meter = Sure(0.75)
    look(like_mr(), ball(), confidence=meter)
    assert meter.labels == (1, 2)
    look(like_mr(), ball(), folder({}), confidence=meter)
    assert meter.labels is None


def test_a_model_without_knowledge_finds_nothing_on_a_sound_scan():
    for array in (like_mr(), like_ct()):
        assert look(array, ball((0, 0.5, 0.5)), folder({})).findings == ()


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_a_ct_given_to_an_mr_model_is_told_by_its_values(dtype):
    quality = look(like_ct().astype(dtype), ball())
    assert codes(quality) == ["modality"]
    assert quality.warnings == quality.findings
    scattered = np.indices(SHAPE).sum(axis=0) % 3 % 2
    alike = look(like_ct(), scattered.astype(np.uint8), confidence=Sure(0.1))
    assert codes(alike) == ["modality"], "the rest follows from it"
    assert "knows MR" in quality.findings[0].sentence
    assert "-1000" in quality.findings[0].sentence


def test_interpolated_ct_is_still_told():
    soft = ndimage.zoom(like_ct().astype(np.float32), 0.7, order=3)
    assert look_at(soft).is_like_ct


@pytest.mark.parametrize(
    ("known", "given", "found"),
    [
        ("MR", "CT", ["modality"]),
        ("MR", "PT", ["modality"]),
        ("CT", "MR", ["modality"]),
        ("MR", "MR", []),
        ("MR", "OT", []),
        ("", "CT", []),
    ],
)
def test_the_header_of_dicom_says_the_modality(known, given, found):
    model = folder(KNOWN | {"modality": known})
    assert codes(look(like_mr(), ball(), model, modality=given)) == found


def test_the_header_outweighs_the_values():
    assert look(like_ct(), ball(), modality="MR").findings == ()


@pytest.mark.parametrize(
    "array",
    [
        like_mr(),
        like_mr().astype(np.float32) / 300,
        like_mr() - np.int16(2),  # a few values below zero, as ringing makes
        like_ct().astype(np.float32).clip(0, 80),
    ],
)
def test_values_that_are_no_hounsfield_units_are_told(array):
    model = folder({"modality": "CT", "intensity": "CT in HU"})
    quality = look(array, ball(), model)
    assert codes(quality) == ["intensity"]
    assert "Hounsfield" in quality.findings[0].sentence


def test_a_ct_without_air_is_a_ct():
    model = folder({"modality": "CT", "intensity": "CT in HU"})
    inside = like_ct()[:, 8:-8, 9:-9]
    assert not look_at(inside).is_like_ct
    for array, labels in ((like_ct(), ball()), (inside, ball(shape=inside.shape))):
        assert look(array, labels, model).findings == ()


def test_knowledge_also_comes_from_card_and_plans():
    ct = folder({}, normalization_schemes=("CTNormalization",))
    assert (known_of(ct).modality, known_of(ct).intensity) == ("CT", "CT in HU")
    mr = folder(card=Card(modality="MR"))
    assert (known_of(mr).modality, known_of(mr).intensity) == ("MR", "")
    assert not known_of(folder(card=Card(modality="any")))
    both = Card(modality="CT", expects=Expectations(modality="MR"))
    assert known_of(folder(card=both)).modality == "MR"


def test_one_value_everywhere_is_told():
    array = np.full(SHAPE, 7, np.int16)
    empty = np.zeros(SHAPE, np.uint8)
    assert codes(look(array, empty, folder({}))) == ["constant"]
    array[-1, -1, -1] = 8  # no voxel of the sample
    assert codes(look(array, empty, folder({}))) == ["empty"]


def test_only_the_bad_channel_is_named():
    array = np.stack([like_mr(), np.zeros(SHAPE, np.int16)])
    quality = look(array, ball())
    assert codes(quality) == ["constant"]
    assert "channel 1" in quality.findings[0].sentence


def test_voxels_that_are_no_numbers_are_a_notice():
    array = like_mr().astype(np.float32)
    array[:4] = np.nan
    quality = look(array, ball())
    assert codes(quality) == ["not_finite"]
    assert quality.warnings == ()
    assert "10.0%" in quality.findings[0].sentence
    array[...] = np.inf
    assert "constant" in codes(look(array, ball()))


def test_nothing_found_is_told_but_not_in_a_region():
    empty = np.zeros(SHAPE, np.uint8)
    assert codes(look(like_mr(), empty)) == ["empty"]
    assert look(like_mr(), empty, is_complete=False).findings == ()


@pytest.mark.parametrize("axis", range(3))
def test_a_field_of_view_cut_in_the_middle_is_told(axis):
    half = [slice(None)] * 3
    half[axis] = slice(SHAPE[axis] // 2, None)
    labels, array = ball()[tuple(half)], like_mr()[tuple(half)]
    quality = look(array, labels)
    assert {"border", "volume", "extent"} <= set(codes(quality))
    area_cm2 = np.pi * 2.7**2
    assert f"{area_cm2:.0f} cm²" in sentence_of(quality, "border")
    assert look(array, labels, is_complete=False).warnings == tuple(
        each for each in quality.warnings if each.code == "extent"
    )


@pytest.mark.parametrize(("gap_mm", "found"), [(2.5, False), (-1.2, False), (-6, True)])
def test_touching_the_border_is_not_being_cut(gap_mm, found):
    height_mm = (SHAPE[0] - 1) * SPACING[0]
    labels = ball(((27 + gap_mm) / height_mm, 0.5, 0.5))
    assert ("border" in codes(look(like_mr(), labels))) is found


def test_contact_is_the_area_of_the_worst_face():
    labels = np.zeros((7, 8, 9), np.uint8)
    labels[2:, 1:4, 3:5] = 3
    whole = np.arange(4) == 3
    volume_mm3 = 5 * 3 * 2 * (2.0 * 3.0 * 5.0)
    contact = border_contact(labels, whole, (2.0, 3.0, 5.0), volume_mm3)
    assert contact == pytest.approx(3 * 2 * 15.0 / volume_mm3 ** (2 / 3))


def test_counts_are_those_of_bincount():
    labels = np.random.default_rng(0).integers(0, 300, (5, 7, 3)).astype(np.uint16)
    labels[0] = 0
    assert np.array_equal(label_counts(labels), np.bincount(labels.ravel()))


def test_scattered_pieces_are_told():
    labels = ball(radius_mm=24)
    labels[:, :, 28:31] = 0
    quality = look(like_mr(), labels)
    assert codes(quality) == ["pieces"]
    assert "the ball should be one piece" in quality.findings[0].sentence
    assert 0.4 < quality.figures["largest_piece"] < 0.6


def test_pieces_are_the_same_on_a_coarser_grid(monkeypatch):
    labels = ball(radius_mm=24)
    labels[:, :, 26:32] = 0
    whole = np.array([False, True, True])
    fine = largest_piece(labels, whole, SPACING)
    monkeypatch.setattr(evidence, "PIECE_VOXELS", 20_000)
    assert largest_piece(labels, whole, SPACING) == pytest.approx(fine, abs=0.04)


@pytest.mark.parametrize(("radius_mm", "found"), [(22, ["volume"]), (31, ["volume"])])
def test_volumes_outside_the_known_range_are_told(radius_mm, found):
    model = folder(KNOWN | {"volumes_ml": {}})
    quality = look(like_mr(), ball(radius_mm=radius_mm), model)
    assert codes(quality) == found
    assert "50 to 120 mL" in quality.findings[0].sentence


def test_odd_volumes_of_single_labels_are_a_notice():
    labels = ball()
    labels[labels == 2] = 1
    quality = look(like_mr(), labels)
    assert codes(quality) == ["volumes"]
    assert quality.warnings == ()
    assert "core 5 to 20 mL, got 0" in quality.findings[0].sentence


@pytest.mark.parametrize(("value", "found"), [(0.599, True), (0.601, False)])
def test_low_confidence_is_told(value, found):
    quality = look(like_mr(), ball(), confidence=Sure(value))
    assert codes(quality) == ["confidence"] * found


@pytest.mark.parametrize("meter", [None, Sure(None)])
def test_without_a_confidence_there_is_no_figure(meter):
    quality = look(like_mr(), ball(), confidence=meter)
    assert quality.findings == ()
    assert "confidence" not in quality.figures


@pytest.mark.parametrize(
    ("known", "spacing", "found"),
    [
        ({}, (2.5 * 4.1, 1.5, 1.25), True),
        ({}, (2.5 * 3.9, 1.5, 1.25), False),
        ({}, (0.24, 0.14, 0.12), True),
        ({}, (0.26, 0.14, 0.12), False),
        ({"slice_mm": 11}, (2.5 * 4.1, 1.5, 1.25), False),
        ({"slice_mm": 11}, (2.5, 1.5, 11.1), True),
    ],
)
def test_voxels_far_from_the_known_ones_are_told(known, spacing, found):
    model = folder(known, patch_size=(2, 2, 2))
    quality = look(like_mr(), ball(), model, spacing=spacing)
    assert ("spacing" in codes(quality)) is found


@pytest.mark.parametrize(("planes", "found"), [(7, True), (8, False)])
def test_without_knowledge_a_quarter_of_a_tile_is_too_little(planes, found):
    labels, array = ball()[16 : 16 + planes], like_mr()[:planes]
    quality = look(array, labels, folder({}))
    assert codes(quality) == ["extent"] * found


def test_warnings_come_before_notices():
    labels = ball()
    labels[labels == 2] = 1
    array = like_mr().astype(np.float32)
    array[:2] = np.nan
    quality = look(array, labels, confidence=Sure(0.1))
    assert codes(quality) == ["confidence", "not_finite", "volumes"]


def test_nothing_given_is_changed():
    array, labels = like_ct(), ball()
    before = array.copy(), labels.copy()
    look(array, labels)
    assert np.array_equal(array, before[0])
    assert np.array_equal(labels, before[1])


def test_sentences_are_one_sentence_in_lower_case():
    cut = (slice(None), slice(None), slice(20, None))
    quality = look(
        like_mr()[cut], ball()[cut], confidence=Sure(0.1), spacing=(5.0, 1.5, 1.25)
    )
    model = folder(KNOWN | {"volumes_ml": {1: (1e4, 2e4)}})
    more = look(like_ct(), ball(), modality="CT"), look(like_mr(), ball(), model)
    findings = [each for q in (quality, *more) for each in q.findings]
    assert len({each.code for each in findings}) >= 6
    for each in findings:
        assert each.sentence[0].islower(), each
        assert not each.sentence.endswith("."), each
        assert "\n" not in each.sentence
        assert ": " in each.sentence, "it says what to do"
    assert "10000 to 20000 mL" in sentence_of(more[1], "volumes")
