"""Surface elements and distances: by hand, by brute force, and as two others count."""

import itertools
import json
import math

import numpy as np
import pytest

from napari_mednext.evaluation.surfaces import element_areas, surface_distances
from tests.evaluation.reference_numbers import (
    NUMBERS,
    SPACINGS,
    TOLERANCES_MM,
    at_the_border,
    blobs,
    cases,
)

STORED = json.loads(NUMBERS.read_text())


def box_area(voxels, spacing):
    """Area of a box of voxels: flat faces, edges cut by half a voxel, corners too."""
    half = [mm / 2 for mm in spacing]
    area = 8 * 0.5 * math.hypot(*(a * b for a, b in itertools.combinations(half, 2)))
    for axis in range(3):
        i, j = (other for other in range(3) if other != axis)
        area += 2 * (voxels[i] - 1) * spacing[i] * (voxels[j] - 1) * spacing[j]
        area += 4 * (voxels[axis] - 1) * spacing[axis] * math.hypot(half[i], half[j])
    return area


def by_brute_force(prediction, reference, spacing, areas):
    """Distances and areas of both sides, element by element."""
    sides = []
    for mask in (prediction, reference):
        points = {}
        for z, y, x in itertools.product(*(range(n + 1) for n in mask.shape)):
            code = 0
            for i, j, k in itertools.product((0, 1), repeat=3):
                place = (z - 1 + i, y - 1 + j, x - 1 + k)
                inside = all(0 <= p < n for p, n in zip(place, mask.shape, strict=True))
                if inside and mask[place]:
                    code += 2 ** (4 * i + 2 * j + k)
            if code not in (0, 255):
                points[z, y, x] = areas[code]
        sides.append(points)
    result = []
    for ours, theirs in (sides, sides[::-1]):
        others = np.array(list(theirs)) * spacing
        result.append(
            [
                (np.sqrt(((np.array(p) * spacing - others) ** 2).sum(1).min()), area)
                for p, area in ours.items()
            ]
        )
    return result


@pytest.mark.parametrize("number", range(len(SPACINGS)))
def test_areas_of_all_configurations_equal_those_of_monai(number):
    ours = element_areas(SPACINGS[number])
    np.testing.assert_allclose(ours, STORED["areas"][number], atol=2e-6)


def test_areas_of_a_mask_and_its_opposite_are_equal():
    areas = element_areas((3.0, 0.7, 1.1))
    np.testing.assert_array_equal(areas, areas[::-1])
    assert areas[0] == 0
    assert (areas[1:255] > 0).all()


@pytest.mark.parametrize("voxels", [(1, 1, 1), (1, 4, 2), (3, 2, 5)])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_box_has_the_area_that_a_hand_counts(voxels, spacing):
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[tuple(slice(0, n) for n in voxels)] = True  # touches the border
    found = surface_distances(mask, mask, spacing)
    assert found.prediction_mm2.sum() == pytest.approx(box_area(voxels, spacing))
    assert found.dice(0.0) == 1.0
    assert found.percentile_mm(100) == 0.0


def test_neighbouring_voxels_share_half_of_their_elements():
    first, second = np.zeros((2, 3, 4, 5), dtype=bool)
    first[1, 1, 1] = second[1, 1, 2] = True
    found = surface_distances(first, second, (3.0, 0.7, 1.5))
    assert sorted(found.prediction_mm) == [0.0] * 4 + [1.5] * 4
    assert found.dice(1.4) == pytest.approx(0.5)
    assert found.dice(1.5) == 1.0
    assert found.percentile_mm(95) == 1.5
    assert found.percentile_mm(50) == 0.0


def test_shifted_cube_is_far_where_a_hand_finds_it_far():
    # So wide in the plane that the nearest place is always one slice of 3 mm away.
    first, second = np.zeros((2, 8, 6, 6), dtype=bool)
    first[1:5, 1:5, 1:5] = second[2:6, 1:5, 1:5] = True
    spacing = (3.0, 10.0, 10.0)
    found = surface_distances(first, second, spacing)
    corner = box_area((1, 1, 1), spacing) / 8
    inner = 9 * 10.0 * 10.0
    near = 4 * 3 * 10.0 * math.hypot(1.5, 5.0)
    # One end of each is off as a whole, of the other end what lies inside the walls.
    far = inner + near + 4 * corner + inner
    whole = box_area((4, 4, 4), spacing)
    assert set(found.prediction_mm) == {0.0, 3.0}
    assert found.dice(2.9) == pytest.approx(1 - far / whole)
    assert found.dice(3.0) == 1.0
    assert found.percentile_mm(95) == 3.0


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("masks", [blobs(11, (4, 7, 6)), at_the_border()])
def test_equals_brute_force(masks, spacing):
    found = surface_distances(*masks, spacing)
    ours, theirs = by_brute_force(*masks, spacing, element_areas(spacing))
    for side, distances, areas in (
        (ours, found.prediction_mm, found.prediction_mm2),
        (theirs, found.reference_mm, found.reference_mm2),
    ):
        expected = np.array(sorted(side))
        order = np.lexsort((areas, distances))
        np.testing.assert_allclose(distances[order], expected[:, 0], atol=1e-9)
        assert areas.sum() == pytest.approx(expected[:, 1].sum())
    for percent in (5, 50, 95, 100):
        # The smallest distance that enough of the area does not exceed.
        wanted = []
        for side in (ours, theirs):
            whole = sum(area for _, area in side)
            reached = (
                d
                for d, _ in sorted(side)
                if sum(a for e, a in side if e <= d) >= whole * percent / 100 - 1e-9
            )
            wanted.append(next(reached))
        assert found.percentile_mm(percent) == pytest.approx(max(wanted))


@pytest.mark.parametrize("stored", STORED["cases"], ids=lambda c: c["name"])
def test_equals_surface_distance_and_monai(stored):
    found = surface_distances(*cases()[stored["name"]], tuple(stored["spacing"]))
    assert found.percentile_mm(95) == pytest.approx(stored["hd95_mm"])
    assert found.percentile_mm(100) == pytest.approx(stored["hd100_mm"])
    ours = [found.dice(tolerance) for tolerance in TOLERANCES_MM]
    assert ours == pytest.approx(stored["surface_dice"], abs=1e-9)
    assert ours == pytest.approx(stored["surface_dice_monai"], abs=1e-6)


def test_swapping_the_masks_changes_nothing():
    first, second = blobs(5)
    one = surface_distances(first, second, (3.0, 0.7, 1.1))
    two = surface_distances(second, first, (3.0, 0.7, 1.1))
    assert one.dice(1.0) == two.dice(1.0)
    assert one.percentile_mm(95) == two.percentile_mm(95)


def test_cropping_changes_nothing():
    first, second = blobs(6, (9, 11, 10))
    wide = [np.pad(mask, ((3, 1), (0, 4), (2, 2))) for mask in (first, second)]
    one = surface_distances(first, second, (3.0, 0.7, 1.1))
    two = surface_distances(*wide, (3.0, 0.7, 1.1))
    np.testing.assert_allclose(
        np.sort(one.prediction_mm), np.sort(two.prediction_mm), atol=1e-9
    )
    assert one.dice(1.0) == pytest.approx(two.dice(1.0))
