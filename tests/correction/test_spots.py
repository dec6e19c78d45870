"""Spots in doubts whose places, shells and sizes are known, and slow versions."""

import math
import time

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import expand_labels

from napari_mednext.correction.cells import Cells, offsets_within
from napari_mednext.correction.places import find_places
from napari_mednext.correction.spots import (
    Spot,
    case_doubt,
    doubt_by_label,
    find_spots,
    next_spot,
    spot_threshold,
)
from napari_mednext.errors import GeometryError, InputError, SettingsError

SPACING = (3.0, 0.9, 1.1)
SHAPE = (29, 81, 75)


def far_mm(center, shape=SHAPE, spacing=SPACING):
    """Distance of every voxel from a point in voxels."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    parts = zip(axes, center, spacing, strict=True)
    return np.sqrt(sum(((axis - at) * mm) ** 2 for axis, at, mm in parts))


def organ(center=(14, 40, 37), radius_mm=28.0, width_mm=1.0, height=160):
    """A ball with label 3 and the doubt of its border: full on it, falling off."""
    away = far_mm(center)
    labels = np.where(away <= radius_mm, 3, 0).astype(np.uint8)
    doubt = height * np.exp(-(((away - radius_mm) / width_mm) ** 2))
    return labels, doubt.astype(np.uint8)


def place(doubt, center, radius_mm, height):
    doubt[far_mm(center) <= radius_mm] = height


def contains(box, voxel):
    return all(part.start <= n < part.stop for part, n in zip(box, voxel, strict=True))


def test_a_shell_is_no_spot_and_places_on_it_are():
    labels, doubt = organ()
    assert find_spots(doubt, labels, SPACING) == ()
    place(doubt, (14, 40 + 31, 37), 7.0, 150)  # on the border
    place(doubt, (14, 40, 37), 5.0, 150)  # inside
    first, second = find_spots(doubt, labels, SPACING)
    assert (first.number, second.number) == (1, 2)
    assert (first.label, second.label) == (3, 3)
    assert contains(first.box, (14, 71, 37))
    assert contains(second.box, (14, 40, 37))
    for spot, radius_mm in ((first, 7.0), (second, 5.0)):
        wanted_ml = 4 / 3 * math.pi * radius_mm**3 / 1000
        assert 0.3 * wanted_ml < spot.volume_ml < 1.5 * wanted_ml
        assert 0.35 < spot.mean_doubt <= 150 / 255
        assert spot.rank == pytest.approx(spot.volume_ml * spot.mean_doubt)
    assert far_mm((14, 71, 37))[first.center] < 4
    assert far_mm((14, 40, 37))[second.center] < 3


def test_the_threshold_follows_the_usual_doubt_of_borders():
    """A model with many classes says the same with smaller numbers."""
    labels, doubt = organ()
    place(doubt, (14, 71, 37), 7.0, 150)
    full = find_spots(doubt, labels, SPACING)
    faint = find_spots(doubt // 4, labels, SPACING)
    assert len(full) == len(faint) == 1
    assert faint[0].box == full[0].box
    assert spot_threshold(doubt // 4, labels) == pytest.approx(
        spot_threshold(doubt, labels) / 4, rel=0.1
    )


def test_the_usual_doubt_is_the_median_of_both_sides_of_borders():
    rng = np.random.default_rng(0)
    labels = ndimage.zoom(rng.integers(0, 4, (5, 6, 7)), (2, 3, 4), order=0)
    doubt = rng.integers(0, 256, labels.shape).astype(np.uint8)
    found = []
    for axis in (1, 2):
        cut = np.diff(labels, axis=axis) != 0
        for part in (slice(1, None), slice(-1)):
            box = [slice(None)] * 3
            box[axis] = part
            found.append(doubt[tuple(box)][cut])
    median = np.median(np.concatenate(found))
    assert spot_threshold(doubt, labels) == pytest.approx(0.6 * median / 255, rel=0.01)
    assert spot_threshold(doubt, np.zeros_like(labels)) == 0.25
    assert spot_threshold(np.zeros_like(doubt), labels) == 0.02


def test_a_place_in_a_case_without_labels_is_found():
    doubt = np.zeros(SHAPE, np.uint8)
    place(doubt, (9, 20, 50), 6.0, 200)
    (spot,) = find_spots(doubt, np.zeros(SHAPE, np.uint16), SPACING)
    assert spot.label == 0
    assert contains(spot.box, (9, 20, 50))


def test_nothing_is_found_without_doubt():
    labels, doubt = organ()
    assert find_spots(np.zeros_like(doubt), labels, SPACING) == ()
    assert find_spots(np.zeros((3, 0, 5), np.uint8), labels[:3, :0, :5], SPACING) == ()


def test_the_label_is_the_most_frequent_one_that_is_no_background():
    labels = np.zeros(SHAPE, np.uint16)
    labels[:, 30:, :] = 700
    labels[:, 30:, 50:] = 2
    doubt = np.zeros(SHAPE, np.uint8)
    place(doubt, (14, 28, 20), 6.0, 200)
    place(doubt, (14, 45, 48), 5.0, 200)
    place(doubt, (14, 60, 66), 4.5, 200)
    spots = find_spots(doubt, labels, SPACING, threshold=0.4)
    assert [spot.label for spot in spots] == [700, 700, 2]


def test_the_centre_lies_in_the_spot_even_of_a_bow():
    doubt = np.zeros(SHAPE, np.uint8)
    ring = np.abs(far_mm((14, 40, 37)) - 22) <= 5.5
    half = np.zeros(SHAPE, bool)
    half[11:18, 40:] = True
    doubt[ring & half] = 200
    doubt[ring & half & (far_mm((14, 65, 37)) < 3)] = 230
    labels = np.zeros(SHAPE, np.uint8)
    (spot,) = find_spots(doubt, labels, SPACING, threshold=0.4)
    assert contains(spot.box, (14, 55, 37))
    assert doubt[14, 55, 37] == 0, "the middle of its box is not in it"
    assert doubt[spot.center] >= 200


def test_a_large_area_falls_apart_into_what_stands_out_and_a_plateau_stays_whole():
    labels = np.zeros(SHAPE, np.uint8)
    doubt = np.full(SHAPE, 120, np.uint8)
    whole = find_spots(doubt, labels, SPACING, threshold=0.3)
    assert len(whole) == 1
    assert whole[0].volume_ml == pytest.approx(doubt.size * math.prod(SPACING) / 1000)
    assert whole[0].mean_doubt == pytest.approx(120 / 255)
    assert whole[0].box == tuple(slice(0, n) for n in SHAPE)
    centers = [(6, 20, 20), (20, 60, 22), (14, 40, 60)]
    for center, height in zip(centers, (200, 210, 190), strict=True):
        place(doubt, center, 8.0, height)
    spots = find_spots(doubt, labels, SPACING, threshold=0.3)
    assert len(spots) == 3
    for center in centers:
        (at,) = [spot for spot in spots if contains(spot.box, center)]
        assert far_mm(center)[at.center] < 5
    assert all(spot.volume_ml < 10 for spot in spots)


def many_places(count=9):
    rng = np.random.default_rng(4)
    doubt = np.zeros(SHAPE, np.uint8)
    for index in range(count):
        center = (
            4 + 10 * (index // 3 % 3),
            14 + 26 * (index % 3),
            14 + 22 * (index // 3),
        )
        place(doubt, center, rng.uniform(3.5, 7.5), int(rng.integers(150, 255)))
    return doubt


def test_spots_come_by_rank_and_are_limited():
    doubt, labels = many_places(), np.zeros(SHAPE, np.uint8)
    spots = find_spots(doubt, labels, SPACING)
    ranks = [spot.rank for spot in spots]
    assert len(spots) == 9
    assert ranks == sorted(ranks, reverse=True)
    assert [spot.number for spot in spots] == list(range(1, 10))
    assert find_spots(doubt, labels, SPACING, most=4) == spots[:4]
    middle_ml = sorted(spot.volume_ml for spot in spots)[4]
    large = find_spots(doubt, labels, SPACING, smallest_ml=middle_ml)
    assert len(large) == 5
    assert min(spot.volume_ml for spot in large) == pytest.approx(middle_ml)


def test_turned_arrays_give_the_same_spots_and_nothing_is_changed():
    labels, doubt = organ()
    place(doubt, (14, 71, 37), 7.0, 150)
    plain = find_spots(doubt, labels, SPACING)
    other = find_spots(np.asfortranarray(doubt), np.asfortranarray(labels), SPACING)
    assert other == plain
    before = doubt.copy(), labels.copy()
    case_doubt(doubt, labels, SPACING)
    assert np.array_equal(doubt, before[0])
    assert np.array_equal(labels, before[1])


def spot(number):
    box = (slice(0, 1),) * 3
    return Spot(number, box, (0, 0, 0), 1, 1.0, 0.5)


def test_next_is_the_biggest_that_nobody_saw():
    spots = tuple(spot(n) for n in range(1, 6))
    assert next_spot(spots, ()).number == 1
    assert next_spot(spots, {1, 2, 4}).number == 3
    assert next_spot(spots, set(), after=3).number == 4
    assert next_spot(spots, {4, 5}, after=3).number == 1
    assert next_spot(spots, {1, 2, 4, 5}, after=3).number == 3
    assert next_spot(spots, {1, 2, 3, 4, 5}) is None
    assert next_spot((), set(), after=1) is None


@pytest.mark.parametrize("spacing", [SPACING, (1.0, 1.0, 0.7), (5.0, 2.0, 2.5)])
def test_cells_hold_the_sums_of_their_voxels(spacing):
    values = np.random.default_rng(1).integers(0, 256, (7, 11, 13)).astype(np.uint8)
    cells = Cells.of(values, spacing)
    for edge, mm in zip(cells.edges, spacing, strict=True):
        assert edge * mm >= 2.0
        assert edge == 1 or (edge - 1) * mm < 2.0
    for at in np.ndindex(cells.sums.shape):
        box = cells.voxels(tuple(slice(n, n + 1) for n in at))
        assert cells.sums[at] == values[box].sum()
        assert cells.counts[at] == values[box].size
    assert cells.sums.sum() == values.sum()


def test_local_means_are_those_of_a_ball_of_cells():
    values = np.random.default_rng(2).integers(0, 256, (7, 23, 17)).astype(np.uint8)
    cells = Cells.of(values, SPACING)
    got = cells.local_means(4.0)
    steps = np.array(cells.cell_mm)
    places = np.argwhere(np.ones(got.shape, bool))
    for at in ((0, 0, 0), (3, 4, 2), (6, 7, 8), (2, 1, 8)):
        near = ((((places - at) * steps) ** 2).sum(axis=1)) <= 16.0
        inside = tuple(places[near].T)
        wanted = cells.sums[inside].sum() / cells.counts[inside].sum()
        assert got[at] == pytest.approx(wanted, rel=1e-5)


def test_offsets_are_those_within_the_radius_nearest_first():
    steps = (3.0, 1.8, 2.2)
    found = offsets_within(4.0, steps)
    every = np.argwhere(np.ones((7, 7, 7), bool)) - 3
    far = np.sqrt(((every * steps) ** 2).sum(axis=1))
    assert sorted(found) == sorted(map(tuple, every[far <= 4.0].tolist()))
    assert found[0] == (0, 0, 0)
    lengths = [np.linalg.norm(np.multiply(offset, steps)) for offset in found]
    assert np.all(np.diff(lengths) >= -1e-6)


def test_places_are_the_connected_components_at_the_threshold():
    rng = np.random.default_rng(3)
    means = ndimage.gaussian_filter(rng.normal(size=(14, 21, 17)), 1.5) * 1000
    counts = rng.integers(1, 5, means.shape).astype(np.int32)
    found = find_places(
        means.astype(np.float32), counts, 40.0, smallest=9, largest=math.inf
    )
    numbers, last = ndimage.label(means.astype(np.float32) >= 40.0)
    sizes = ndimage.sum(counts, numbers, range(1, last + 1))
    assert sorted(p.voxels for p in found) == sorted(sizes[sizes >= 9].astype(int))
    for each in found:
        ids = np.unique(numbers[each.box][each.mask])
        assert ids.size == 1
        assert each.voxels == counts[numbers == ids[0]].sum()


def blocks(spacing=(2.0, 2.5, 3.0), seed=5):
    rng = np.random.default_rng(seed)
    labels = np.zeros((12, 15, 14), np.uint8)
    labels[2:6, 3:8, 3:7] = 2
    labels[2:6, 8:11, 3:7] = 5
    labels[8:10, 2:4, 9:12] = 1
    return labels, rng.integers(0, 256, labels.shape).astype(np.uint8), spacing


def test_doubt_of_a_label_is_the_mean_of_it_and_of_the_background_around_it():
    labels, doubt, spacing = blocks()
    grown = expand_labels(labels, 3.0, spacing=spacing)
    got = doubt_by_label(doubt, labels, spacing)
    assert sorted(got) == [1, 2, 5]
    away = ndimage.distance_transform_edt(labels == 0, sampling=spacing)
    shell = (labels == 0) & (away <= 3.0)
    # Which of two equally near labels is taken differs, so compare where it is clear.
    lone = doubt[(labels == 1) | (shell & (grown == 1))]
    assert got[1] == pytest.approx(lone.mean() / 255)
    whole = doubt[(labels > 0) | shell].mean() / 255
    assert case_doubt(doubt, labels, spacing) == pytest.approx(whole)


def test_a_voxel_between_two_labels_counts_for_the_nearest_and_then_the_lowest():
    labels = np.zeros((1, 1, 5), np.uint8)
    labels[0, 0, 0], labels[0, 0, 4] = 9, 4
    doubt = np.array([[[0, 10, 20, 30, 0]]], np.uint8)
    near = doubt_by_label(doubt, labels, (2.0, 2.0, 2.0))
    assert near[9] == pytest.approx(10 / 2 / 255)
    assert near[4] == pytest.approx(30 / 2 / 255)
    labels = np.array([[[9, 0, 4]]], np.uint8)
    near = doubt_by_label(doubt[..., :3], labels, (2.0, 2.0, 2.0))
    assert near == pytest.approx({4: (20 + 10) / 2 / 255, 9: 0.0})


def test_doubts_of_fine_voxels_are_those_of_all_voxels_to_a_sampling_step():
    labels, doubt = organ()
    doubt[labels == 3] += 20
    away = far_mm((14, 40, 37)) - 28.0
    wanted = doubt[away <= 3.0].mean() / 255
    assert case_doubt(doubt, labels, SPACING) == pytest.approx(wanted, rel=0.15)
    assert doubt_by_label(doubt, labels, SPACING)[3] == pytest.approx(
        case_doubt(doubt, labels, SPACING)
    )


def test_case_doubt_without_labels_is_the_mean_of_the_volume():
    _, doubt = organ()
    nothing = np.zeros_like(doubt)
    assert doubt_by_label(doubt, nothing, SPACING) == {}
    assert case_doubt(doubt, nothing, SPACING) == pytest.approx(doubt.mean() / 255)
    assert case_doubt(doubt[:0], nothing[:0], SPACING) == 0


@pytest.mark.parametrize("use", [find_spots, case_doubt, doubt_by_label])
def test_what_does_not_belong_together_is_refused(use):
    labels, doubt = organ()
    with pytest.raises(GeometryError, match=r"doubt \(28, 81, 75\) must .* \(29, 81"):
        use(doubt[1:], labels, SPACING)
    with pytest.raises(InputError, match="must be uint8, 0 to 255, got float32"):
        use(doubt.astype(np.float32), labels, SPACING)
    with pytest.raises(
        InputError, match=r"three positive lengths in mm, got \(1, 0, 1"
    ):
        use(doubt, labels, (1, 0, 1))


@pytest.mark.parametrize("threshold", [0.0, 1.001, -1.0])
def test_a_threshold_outside_its_range_is_refused(threshold):
    labels, doubt = organ()
    with pytest.raises(SettingsError, match=rf"at most 1, got {threshold}: leave"):
        find_spots(doubt, labels, SPACING, threshold=threshold)
    assert find_spots(doubt, labels, SPACING, threshold=1.0) == ()


def test_other_limits_outside_their_range_are_refused():
    labels, doubt = organ()
    with pytest.raises(SettingsError, match=r"must be 0 mL or more, got -0\.1"):
        find_spots(doubt, labels, SPACING, smallest_ml=-0.1)
    with pytest.raises(SettingsError, match="at least one spot must be allowed, got 0"):
        find_spots(doubt, labels, SPACING, most=0)
    assert find_spots(doubt, labels, SPACING, smallest_ml=0, most=1) == ()


def test_a_large_scan_is_quick():
    """A quarter of 512 x 512 x 300 voxels, in CPU time of this thread."""
    shape, spacing = (150, 256, 512), (1.5, 0.8, 0.8)
    away = np.zeros((1, 1, 1), np.float32)
    for n, mm, axis in zip(shape, spacing, range(3), strict=True):
        size = [1, 1, 1]
        size[axis] = n
        away = away + (((np.arange(n) - n / 2) * mm) ** 2).reshape(size)
    away = np.sqrt(away, dtype=np.float32)
    labels = (away < 80).astype(np.uint8)
    doubt = (160 * np.exp(-((away - 80) ** 2))).astype(np.uint8)
    doubt[70:80, 100:110, 200:212] = 180
    before = time.thread_time()
    spots = find_spots(doubt, labels, spacing)
    assert time.thread_time() - before < 1.5
    assert contains(spots[0].box, (75, 105, 206))
