"""Labels and regions of one case; empty and missing ones have defined results."""

import json
import math
import threading

import numpy as np
import pytest

from napari_mednext.errors import Cancelled, InputError
from napari_mednext.evaluation import Region, Regions, evaluate_arrays
from napari_mednext.evaluation.surfaces import surface_distances
from tests.evaluation.reference_numbers import blobs

SPACING = (3.0, 0.7, 1.1)
SHAPE = (7, 10, 9)
VOXEL_ML = 3.0 * 0.7 * 1.1 / 1000
DIAGONAL_MM = math.sqrt(21.0**2 + 7.0**2 + 9.9**2)


def maps():
    """Two label maps: 1 in both, 2 only in the reference, 3 only in the prediction."""
    prediction, reference = np.zeros((2, *SHAPE), dtype=np.uint8)
    prediction[1:4, 2:6, 0:5] = 1
    reference[2:5, 2:6, 0:5] = 1
    reference[0, 0, 0] = 2
    prediction[6, 9, 7:9] = 3
    return prediction, reference


def by_name(results):
    return {result.name: result for result in results}


def test_counts_of_a_hand():
    one = by_name(evaluate_arrays(*maps(), SPACING))["label 1"]
    assert (one.value, one.state) == (1, "both")
    assert one.dice == pytest.approx(2 * 40 / 120)
    assert one.volume_ml == pytest.approx(60 * VOXEL_ML)
    assert one.volume_error_ml == 0
    assert one.volume_error_percent == 0
    assert one.hd95_mm == pytest.approx(3.0)
    assert one.surface_dice[1.0] < one.surface_dice[2.0] < 1


def test_missing_label_gets_the_worst_results():
    two = by_name(evaluate_arrays(*maps(), SPACING))["label 2"]
    assert two.state == "missing"
    assert (two.dice, two.surface_dice) == (0.0, {1.0: 0.0, 2.0: 0.0})
    assert two.hd95_mm == pytest.approx(DIAGONAL_MM)
    assert two.volume_error_ml == pytest.approx(-VOXEL_ML)
    assert two.volume_error_percent == -100


def test_extra_label_gets_the_worst_results_and_no_percentage():
    three = by_name(evaluate_arrays(*maps(), SPACING))["label 3"]
    assert three.state == "extra"
    assert (three.dice, three.surface_dice) == (0.0, {1.0: 0.0, 2.0: 0.0})
    assert three.hd95_mm == pytest.approx(DIAGONAL_MM)
    assert three.volume_error_ml == pytest.approx(2 * VOXEL_ML)
    assert three.volume_error_percent is None


def test_absent_label_counts_nowhere():
    regions = Regions((Region("tumour", (9,), (900,)), Region("one", (1,), (1,))))
    absent, _ = evaluate_arrays(*maps(), SPACING, regions)
    assert (absent.state, absent.value) == ("absent", None)
    assert (absent.dice, absent.hd95_mm) == (None, None)
    assert absent.surface_dice == {1.0: None, 2.0: None}
    assert absent.volume_error_percent is None
    assert all(
        absent.metric(key) is None
        for key in ("dice", "surface_dice_1mm", "volume_error_ml", "hd95_mm")
    )


def test_no_result_is_nan_or_infinite():
    regions = Regions((Region("a", (1,), (2,)), Region("b", (7,), (8,))))
    for given in (None, regions):
        for result in evaluate_arrays(*maps(), SPACING, given):
            json.dumps(result.to_dict(), allow_nan=False)


def test_identical_maps_are_perfect():
    reference = maps()[1]
    for result in evaluate_arrays(reference, reference, SPACING):
        assert (result.dice, result.hd95_mm) == (1.0, 0.0)
        assert set(result.surface_dice.values()) == {1.0}


def test_two_empty_maps_have_no_label():
    empty = np.zeros(SHAPE, dtype=np.uint8)
    assert evaluate_arrays(empty, empty, SPACING) == ()


def test_region_is_the_union_of_its_values():
    prediction, reference = maps()
    regions = Regions((Region("all", (1, 3), (1, 2)),))
    (whole,) = evaluate_arrays(prediction, reference, SPACING, regions)
    (same,) = evaluate_arrays(
        (prediction > 0).astype(int), (reference > 0).astype(float), SPACING
    )
    assert whole.value is None
    assert (whole.dice, whole.hd95_mm) == (same.dice, same.hd95_mm)
    assert whole.surface_dice == same.surface_dice


def test_ignored_voxels_are_cut_from_both():
    prediction, reference = maps()
    reference[2:5, 4:6] = 255
    regions = Regions((Region("one", (1,), (1,)),), ignore_reference=(255,))
    (cut,) = evaluate_arrays(prediction, reference, SPACING, regions)
    prediction[2:5, 4:6] = 0
    (by_hand,) = evaluate_arrays(
        prediction, reference, SPACING, Regions((Region("one", (1,), (1,)),))
    )
    assert cut == by_hand
    assert cut.volume_ml == pytest.approx(40 * VOXEL_ML)


def test_box_of_a_label_does_not_change_its_distances():
    first, second = blobs(3, (9, 14, 11))
    prediction, reference = np.zeros((2, 15, 20, 15), dtype=np.uint16)
    prediction[4:13, 3:17, 0:11][first] = 300
    reference[4:13, 3:17, 0:11][second] = 300
    (result,) = evaluate_arrays(prediction, reference, SPACING)
    whole = surface_distances(prediction == 300, reference == 300, SPACING)
    assert result.hd95_mm == pytest.approx(whole.percentile_mm(95))
    assert result.surface_dice[1.0] == pytest.approx(whole.dice(1.0))


def test_tolerance_bears_the_rounding_of_headers():
    prediction, reference = np.zeros((2, 6, 6, 6), dtype=np.uint8)
    prediction[1:4, 1:4, 1:4] = reference[2:5, 1:4, 1:4] = 1
    spacing = (float(np.float32(1.0000001)), 1.0, 1.0)
    assert spacing[0] > 1.0
    (result,) = evaluate_arrays(prediction, reference, spacing)
    assert result.surface_dice[1.0] == 1.0
    (result,) = evaluate_arrays(prediction, reference, (1.01, 1.0, 1.0))
    assert result.surface_dice[1.0] < 1.0


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (
            np.full(SHAPE, 0.5),
            "whole label values from 0 to 65535, got values from 0.5",
        ),
        (np.full(SHAPE, -1), "got values from -1 to -1"),
        (np.full(SHAPE, 65536), "to 65536: choose a label map"),
        (np.full(SHAPE, np.nan), "got values from nan"),
        (np.full(SHAPE, 1j), "must be a label map, got complex128"),
        (np.ones((7, 10, 8), dtype=int), r"got \(7, 10, 8\) and \(7, 10, 9\)"),
    ],
)
def test_what_is_no_label_map_is_refused(array, sentence):
    with pytest.raises(InputError, match=sentence):
        evaluate_arrays(array, np.zeros(SHAPE, dtype=np.uint8), SPACING)


def test_largest_label_value_is_taken():
    array = np.full(SHAPE, 65535)
    (result,) = evaluate_arrays(array, array, SPACING)
    assert (result.value, result.dice) == (65535, 1.0)


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (1.0, 1.0), (np.nan, 1.0, 1.0)])
def test_impossible_spacing_is_refused(spacing):
    with pytest.raises(InputError, match="must be a positive number of mm, got"):
        evaluate_arrays(*maps(), spacing)


@pytest.mark.parametrize("tolerance", [-0.1, math.inf])
def test_impossible_tolerance_is_refused(tolerance):
    with pytest.raises(InputError, match="at least 0 mm, got"):
        evaluate_arrays(*maps(), SPACING, tolerances_mm=(tolerance,))


def test_cancel_stops_before_the_next_region():
    cancel, seen = threading.Event(), []

    def on_region(done, total):
        seen.append((done, total))
        cancel.set()

    with pytest.raises(Cancelled):
        evaluate_arrays(*maps(), SPACING, cancel=cancel, on_region=on_region)
    assert seen == [(1, 3)]
