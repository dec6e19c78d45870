"""Two label maps side by side: laws, hand-made maps, and the evaluation's numbers."""

import csv
import io
import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_mednext.correction import measure as measure_module
from napari_mednext.correction.compare import (
    BOTH,
    ONLY_FIRST,
    ONLY_SECOND,
    compare,
    csv_text,
    difference_layer,
    plain_text,
    tsv_text,
)
from napari_mednext.errors import Cancelled, GeometryError, InputError
from napari_mednext.evaluation import evaluate_arrays
from napari_mednext.labels import LabelSet, default_color

SPACING = (3.0, 0.9, 1.1)
NAMES = LabelSet.from_names({1: "liver", 2: "spleen", 5: "cyst"}, {1: (1, 2, 3)})
TITLES = ("labels now", "the model")


@st.composite
def pairs(draw):
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=5))
    arrays = hnp.arrays(np.uint8, shape, elements=st.integers(0, 3))
    return draw(arrays), draw(arrays)


def small_steps(monkeypatch):
    monkeypatch.setattr(measure_module, "_STEP_VOXELS", 1)


@settings(max_examples=30, deadline=None)
@given(pairs())
def test_the_order_changes_only_the_sign(pair):
    first, second = pair
    there, back = (
        compare(first, second, SPACING, NAMES),
        compare(second, first, SPACING, NAMES),
    )
    assert (there.dice, there.differing, there.voxels) == (
        pytest.approx(back.dice),
        back.differing,
        back.voxels,
    )
    assert there.surface_dice == pytest.approx(back.surface_dice)
    for ours, theirs in zip(there.labels, back.labels, strict=True):
        assert (ours.value, ours.name, ours.differing) == (
            theirs.value,
            theirs.name,
            theirs.differing,
        )
        assert ours.dice == pytest.approx(theirs.dice)
        assert ours.surface_dice == pytest.approx(theirs.surface_dice)
        assert ours.difference_ml == pytest.approx(-theirs.difference_ml)
        assert (ours.first_ml, ours.second_ml) == (theirs.second_ml, theirs.first_ml)


@settings(max_examples=30, deadline=None)
@given(pairs())
def test_equal_maps_agree_wholly(pair):
    first, _ = pair
    result = compare(first, first.copy(), SPACING, NAMES)
    assert result.differing == 0
    assert not difference_layer(first, first).any()
    for label in result.labels:
        held = (first == label.value).any()
        assert label.state == ("both" if held else "absent")
        share = 1.0 if held else None
        assert (label.dice, label.surface_dice) == (share, share)
        assert (label.difference_ml, label.differing) == (0.0, 0)
    mean = 1.0 if first.any() else None
    assert (result.dice, result.surface_dice) == (mean, mean)


@settings(max_examples=30, deadline=None)
@given(pairs())
def test_voxels_that_differ_are_counted_as_in_the_layer(pair):
    first, second = pair
    layer = difference_layer(first, second)
    result = compare(first, second, SPACING, NAMES)
    assert np.count_nonzero(layer) == result.differing == (first != second).sum()
    for label in result.labels:
        one, other = first == label.value, second == label.value
        assert label.differing == (one ^ other).sum()
    # A voxel counts for each label that it has on one side only.
    twice = 2 * (layer == BOTH).sum() + ((layer > 0) & (layer < BOTH)).sum()
    assert sum(label.differing for label in result.labels) == twice


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_the_numbers_are_those_of_the_evaluation(dtype, monkeypatch):
    small_steps(monkeypatch)
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 4, (3, 4, 3))
    first = np.kron(coarse, np.ones((3, 4, 5), int)).astype(dtype)
    second = np.roll(first, 1, axis=1)
    second[first == 2] = 0
    second[second == 2] = 5
    result = compare(first, second, SPACING, LabelSet(), tolerance_mm=1.5)
    expected = evaluate_arrays(first, second, SPACING, tolerances_mm=(1.5,))
    assert [label.value for label in result.labels] == [1, 2, 3, 5]
    for ours, theirs in zip(result.labels, expected, strict=True):
        assert (ours.value, ours.state, ours.dice, ours.surface_dice) == (
            theirs.value,
            theirs.state,
            theirs.dice,
            theirs.surface_dice[1.5],
        )
        assert ours.difference_ml == pytest.approx(theirs.volume_error_ml)
        assert ours.difference_percent == theirs.volume_error_percent
    assert {label.state for label in result.labels} == {"both", "extra", "missing"}
    assert result.dice == pytest.approx(np.mean([each.dice for each in expected]))


def test_a_hand_made_pair():
    first, second = np.zeros((2, 3, 9), np.uint8), np.zeros((2, 3, 9), np.uint8)
    first[0, 0, :4] = 1  # four voxels, three of them shared
    second[0, 0, 1:4] = 1
    second[1, 2, 6] = 7
    result = compare(first, second, SPACING, NAMES)
    liver, spleen, cyst, unnamed = result.labels
    voxel_ml = math.prod(SPACING) / 1000
    assert (liver.name, liver.color, liver.state) == ("liver", (1, 2, 3), "both")
    assert liver.dice == pytest.approx(6 / 7)
    assert (liver.first_ml, liver.second_ml) == pytest.approx(
        (4 * voxel_ml, 3 * voxel_ml)
    )
    assert liver.difference_ml == pytest.approx(voxel_ml)
    assert liver.difference_percent == pytest.approx(100 / 3)
    assert liver.differing == 1
    for absent in (spleen, cyst):
        assert (absent.state, absent.dice, absent.surface_dice) == (
            "absent",
            None,
            None,
        )
        assert absent.difference_percent is None
    assert (unnamed.name, unnamed.color) == ("label 7", default_color(7))
    assert (unnamed.state, unnamed.dice, unnamed.surface_dice) == ("missing", 0, 0)
    assert unnamed.difference_percent == -100
    assert result.dice == pytest.approx(3 / 7)
    assert (result.voxels, result.differing) == (54, 2)
    assert [label.value for label in result.occurring] == [1, 7]


@pytest.mark.parametrize(("axis", "step_mm"), list(enumerate(SPACING)))
def test_surfaces_are_apart_by_the_spacing(axis, step_mm):
    first = np.zeros((9, 9, 9), np.uint8)
    first[2:7, 2:7, 2:7] = 1
    second = np.roll(first, 1, axis)
    at, below = (
        compare(first, second, SPACING, LabelSet(), tolerance_mm=mm).surface_dice
        for mm in (step_mm, step_mm * 0.99)
    )
    assert at == 1.0
    assert below < 1.0


def test_both_empty_leaves_the_means_open():
    empty = np.zeros((2, 3, 4), np.uint8)
    result = compare(empty, empty, SPACING, NAMES)
    assert (result.dice, result.surface_dice, result.occurring) == (None, None, ())
    assert [label.dice for label in result.labels] == [None] * 3
    assert compare(empty, empty, SPACING, LabelSet()).labels == ()


def test_a_box_is_compared_as_if_it_were_everything():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 3, (2, 5, 6, 7)).astype(np.uint8)
    box = (slice(1, 4), slice(0, 5), slice(2, 7))
    part = compare(first, second, SPACING, NAMES, box=box)
    assert part == compare(first[box].copy(), second[box].copy(), SPACING, NAMES)
    assert part.voxels == 3 * 5 * 5


def test_the_difference_layer_tells_the_sides_apart(monkeypatch):
    small_steps(monkeypatch)
    first = np.array([[[0, 1, 0, 1, 300, 300]], [[0] * 6]], np.uint16)
    second = np.array([[[0, 1, 2, 0, 300, 44]], [[3] * 6]], np.uint16)
    kept = first.copy(), second.copy()
    layer = difference_layer(first, second)
    assert layer.dtype == np.uint8
    np.testing.assert_array_equal(
        layer,
        [[[0, 0, ONLY_SECOND, ONLY_FIRST, 0, BOTH]], [[ONLY_SECOND] * 6]],
    )
    np.testing.assert_array_equal((first, second), kept)


def test_labels_of_two_types_are_compared_by_value():
    first = np.array([[[44, 0, 1]]], np.uint8)
    second = np.array([[[300, 0, 1]]], np.uint16)
    np.testing.assert_array_equal(difference_layer(first, second), [[[BOTH, 0, 0]]])
    result = compare(first, second, SPACING, LabelSet())
    assert [(label.value, label.state) for label in result.labels] == [
        (1, "both"),
        (44, "extra"),
        (300, "missing"),
    ]


def test_tables_hold_the_numbers_and_leave_open_what_is_not_defined():
    first, second = np.zeros((1, 2, 5), np.uint8), np.zeros((1, 2, 5), np.uint8)
    first[0, 0, :4], second[0, 0, :2] = 1, 1
    first[0, 1, 0] = 2
    result = compare(first, second, (10, 10, 10), NAMES, tolerance_mm=2)
    text = csv_text(result, TITLES)
    assert text.splitlines() == [
        "first,second,value,name,state,dice,surface_dice_2mm,first_ml,second_ml,"
        "difference_ml,difference_percent,differing_voxels",
        "labels now,the model,1,liver,both,0.666667,"
        f"{result.labels[0].surface_dice:.6f},4.000000,2.000000,2.000000,100.000,2",
        "labels now,the model,2,spleen,extra,0.000000,0.000000,1.000000,0.000000,"
        "1.000000,,1",
        "labels now,the model,5,cyst,absent,,,0.000000,0.000000,0.000000,,0",
    ]
    read = csv.reader(io.StringIO(tsv_text(result, TITLES)), delimiter="\t")
    assert list(read) == list(csv.reader(io.StringIO(text)))
    surface = [
        f"{value:.3f}" for value in (result.labels[0].surface_dice, result.surface_dice)
    ]
    lines = plain_text(result, TITLES).splitlines()
    assert lines[0] == "labels now compared with the model"
    assert [line.split() for line in lines[2:]] == [
        ["1", "liver", "0.667", surface[0], "+2.000", "+100.0", "2"],
        ["2", "spleen", "0.000", "0.000", "+1.000", "-", "1"],
        ["mean", "0.333", surface[1], "3"],
    ]
    assert len({len(line) for line in lines[1:]}) == 1


def test_tells_how_far_it_is_and_stops_when_asked():
    first = np.array([[[1, 2, 3]]], np.uint8)
    told, flag = [], threading.Event()
    compare(first, first, SPACING, NAMES, on_label=lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled, match="cancelled"):
        compare(
            first, first, SPACING, NAMES, on_label=lambda *_: flag.set(), cancel=flag
        )
    with pytest.raises(Cancelled, match="cancelled"):
        compare(first * 0, first * 0, SPACING, NAMES, cancel=flag)


def test_refuses_what_cannot_be_compared():
    good = np.zeros((2, 3, 4), np.uint8)
    for act in (lambda a, b: compare(a, b, SPACING, NAMES), difference_layer):
        with pytest.raises(GeometryError, match=r"\(2, 3, 4\) and \(2, 3, 5\)"):
            act(good, np.zeros((2, 3, 5), np.uint8))
        with pytest.raises(InputError, match=r"whole label values .* from 0 to 0\.5"):
            act(good, np.linspace(0, 0.5, 24).reshape(2, 3, 4))
    with pytest.raises(GeometryError, match=r"axes z, y, x, got the shape \(2, 3\)"):
        compare(good[..., 0], good[..., 0], SPACING, NAMES)
    with pytest.raises(InputError, match=r"three positive lengths .* \(1, -1, 1\)"):
        compare(good, good, (1, -1, 1), NAMES)
    for wrong in (-0.5, math.nan, math.inf):
        with pytest.raises(InputError, match=f"at least 0 mm, got {wrong}: change it"):
            compare(good, good, SPACING, NAMES, tolerance_mm=wrong)
    with pytest.raises(GeometryError, match="at least one voxel, got"):
        compare(good, good, SPACING, NAMES, box=(slice(1, 1), slice(0, 3), slice(0, 4)))
