"""Numbers of hand-made cases; those of the evaluation where all is known."""

import math

import numpy as np
import pytest

from napari_mednext.errors import GeometryError, InputError
from napari_mednext.evaluation import Regions, evaluate_arrays
from napari_mednext.training.gate import GateCase
from napari_mednext.training.gate.contours import contour_dice
from napari_mednext.training.gate.measuring import measure, tolerance_mm
from tests.training.gate import phantoms

SPACING = (3.0, 0.7, 1.1)
SHAPE = (7, 10, 9)


def gate_case(known=None, **arrays):
    zeros = np.zeros(SHAPE, np.uint8)
    known = np.ones(SHAPE, bool) if known is None else known
    sides = {"reference": zeros, "before": zeros, "after": zeros, **arrays}
    return GateCase("case", "corrected", known=known, spacing=SPACING, **sides)


def test_counts_of_a_hand():
    reference, before, after = np.zeros((3, *SHAPE), np.uint8)
    reference[2:4, 2:6, 0:5] = 1  # 40 voxels
    before[3:5, 2:6, 0:5] = 1  # 20 of them
    after[2:4, 2:6, 0:4] = 1  # 32 of them, and none besides
    before[6, 9, 8] = 3
    known = np.ones(SHAPE, bool)
    scores = measure(
        gate_case(known, reference=reference, before=before, after=after), [1, 2, 3]
    )
    one, two, three = (scores.labels[value] for value in (1, 2, 3))
    assert (one.voxels, one.extra_before, one.extra_after) == (40, 20, 0)
    assert one.before == pytest.approx(2 * 20 / 80)
    assert one.after == pytest.approx(2 * 32 / 72)
    assert (two.before, two.after, two.surface_before) == (None, None, None)
    assert (three.before, three.after, three.extra_before) == (0.0, None, 1)
    known[3] = False
    known[2, 2] = False
    part = measure(
        gate_case(known, reference=reference, before=before, after=after), [1]
    )
    # Plane 2 has 3 known rows of 5: 15 reference voxels, none before, 12 after.
    assert (part.labels[1].voxels, part.known) == (15, 6 * 90 - 9)
    assert part.labels[1].before == 0.0
    assert part.labels[1].after == pytest.approx(2 * 12 / 27)
    assert part.labels[1].extra_before == 20


@pytest.mark.parametrize("seed", range(4))
def test_fully_known_cases_have_the_numbers_of_the_evaluation(seed):
    rng = np.random.default_rng(seed)
    reference = phantoms.truth(rng, 3)
    before, after = (phantoms.answer_of(rng, reference) for _ in range(2))
    case = GateCase(
        "case", "old", reference, reference >= 0, before, after, phantoms.SPACING
    )
    scores = measure(case, [1, 2, 3, 7])
    for side, answer in (("before", before), ("after", after)):
        for result in evaluate_arrays(
            answer,
            reference,
            phantoms.SPACING,
            Regions.of_labels([1, 2, 3, 7]),
            tolerances_mm=(2.5,),
        ):
            score = scores.labels[result.value]
            surface = "surface_" + side
            assert getattr(score, side) == result.dice
            assert getattr(score, surface) == result.surface_dice[2.5]


def test_tolerance_is_two_mm_or_the_largest_spacing():
    assert tolerance_mm((1.0, 0.5, 0.5)) == 2.0
    assert tolerance_mm((5.0, 0.5, 0.5)) == 5.0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_whole_slices_have_surface_dice_in_their_plane(axis):
    reference, before, after = np.zeros((3, *SHAPE), np.uint8)
    reference[1:6, 1:8, 1:8] = 1
    before[1:6, 1:8, 1:8] = 1
    after[2:5, 3:6, 3:6] = 1
    known = np.zeros(SHAPE, bool)
    np.moveaxis(known, axis, 0)[[3, 4]] = True
    case = gate_case(known, reference=reference, before=before, after=after)
    score = measure(case, [1]).labels[1]
    assert score.surface_before == 1.0
    in_plane = [mm for number, mm in enumerate(SPACING) if number != axis]
    one, other = (
        np.moveaxis(each, axis, 0)[[3, 4]] == 1 for each in (after, reference)
    )
    assert score.surface_after == contour_dice(one, other, in_plane, 3.0)
    # Half of every slice is not enough.
    np.moveaxis(known, axis, 0)[:, ::2] = False
    score = measure(case, [1]).labels[1]
    assert score.surface_after is None
    assert score.after is not None


def test_contours_of_a_hand():
    one, other = np.zeros((2, 1, 9, 9), bool)
    one[0, 2:6, 2:6] = True
    other[0, 2:6, 3:7] = True  # a pixel to the right
    # Corners are cut: each outline is 4 sides of 3 and 4 corners.
    spacing = (2.0, 1.0)
    corner = math.hypot(2.0, 1.0) / 2
    whole = 2 * (6 * 2.0 + 6 * 1.0 + 4 * corner)
    # Of each, the rows above and below are shared but for the outer corner; the
    # outer column has its distance of one pixel, the inner one too.
    assert contour_dice(one, other, spacing, 1.0) == 1.0
    apart = 2 * (2 * 3 * 2.0 + 2 * corner - 0.0)
    found = contour_dice(one, other, spacing, 0.5)
    assert (1 - found) * whole == pytest.approx(apart, abs=4 * corner)
    assert contour_dice(one, one, spacing, 0.0) == 1.0
    assert contour_dice(one, np.zeros_like(one), spacing, 9.0) == 0.0
    assert contour_dice(one & False, one & False, spacing, 9.0) is None


@pytest.mark.parametrize("seed", range(5))
def test_contours_agree_with_surfaces_of_a_long_prism(seed):
    """A prism whose caps weigh nothing has the surface Dice of its outline."""
    from napari_mednext.evaluation.surfaces import surface_distances

    rng = np.random.default_rng(seed)
    one, other = (
        phantoms.ellipsoid(rng, (8, 9, 10), (4, 4, 5), 0.3, (17, 18, 21))[8]
        for _ in range(2)
    )
    prisms = [np.repeat(each[None], 400, axis=0) for each in (one, other)]
    distances = surface_distances(*prisms, (1.0, 0.8, 1.3))
    flat = contour_dice(one[None], other[None], (0.8, 1.3), 1.0)
    assert flat == pytest.approx(distances.dice(1.0), abs=0.01)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(GeometryError, match=r"'case' must have one .*\(2, 2, 2\)"):
        gate_case(after=np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(InputError, match="after of 'case' must hold whole label"):
        gate_case(after=np.full(SHAPE, 0.5))
    zeros = np.zeros(SHAPE, np.uint8)
    with pytest.raises(InputError, match="corrected or old, got 'new'"):
        GateCase("case", "new", zeros, zeros > 0, zeros, zeros, SPACING)
