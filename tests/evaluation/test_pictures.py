"""Slices and pictures: the worst ones, the right way round, in true proportions."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from napari_mednext.errors import GeometryError, InputError
from napari_mednext.evaluation import drawing, pictures
from napari_mednext.evaluation.regions import Region
from napari_mednext.evaluation.slices import PLANES, field_around, worst_slices
from napari_mednext.formats import save_volume
from napari_mednext.volume import Segmentation, Volume, VoxelGrid, reorient

#: Axes of 40, 30 and 60 mm.
GRID = VoxelGrid((10, 30, 30), (4.0, 1.0, 2.0), (-10.0, 5.0, -20.0))
ORGAN = (Region("organ", (1,), (1,)), Region("other", (2,), (2,)))
NESTED = (Region("brain", (1, 2), (1, 2)), Region("grey", (2,), (1,)))
CODES = [
    "".join(letters)
    for axes in itertools.permutations(("LR", "PA", "SI"))
    for letters in itertools.product(*axes)
]


def rgb(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def like(picture, colour, tolerance=70):
    return np.abs(picture - np.asarray(colour)).sum(axis=-1) < tolerance


def extent(there):
    """First and last row, first and last column."""
    rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    return rows[0], rows[-1], columns[0], columns[-1]


def masks(prediction, reference, grid=GRID):
    return tuple(
        Segmentation(array.astype(np.uint8), grid) for array in (prediction, reference)
    )


@pytest.fixture
def corner():
    """The reference has a block at the right front top that the prediction lacks.

    A correct block at the left back bottom makes the whole volume be shown.
    """
    reference = np.zeros(GRID.shape)
    reference[0:2, 20:, 20:] = 2  # low z is the bottom, high y the back, high x left
    prediction = reference.copy()
    reference[7:, :10, :5] = 1
    return masks(prediction, reference)


# which slices


@pytest.mark.parametrize("seed", range(5))
def test_worst_slices_against_a_slow_search(seed):
    random = np.random.default_rng(seed)
    grid = VoxelGrid((5, 7, 9), (4.0, 1.0, 2.5))
    wrong = random.random(grid.shape) < random.uniform(0.02, 0.5)
    expected = {}
    for axis in range(3):
        area = np.prod([mm for other, mm in enumerate(grid.spacing) if other != axis])
        best = (-1.0, 0)
        for index in range(grid.shape[axis]):
            count = sum(bool(v) for v in np.take(wrong, index, axis).flat)
            if count * area > best[0]:
                best = (count * area, index)
        expected[axis] = best
    found = worst_slices(wrong, wrong, grid)
    assert {s.plane.axis: (s.wrong_mm2, s.index) for s in found} == expected
    areas = [s.wrong_mm2 for s in found]
    assert areas == sorted(areas, reverse=True)


def test_without_an_error_the_fullest_slice_is_shown():
    labelled = np.zeros((5, 7, 9), bool)
    labelled[3, 2:5, 4] = labelled[3, 5, 5] = labelled[1, 5, 1] = True
    found = worst_slices(np.zeros_like(labelled), labelled, VoxelGrid((5, 7, 9)))
    assert [(s.plane.name, s.index, s.wrong_mm2) for s in found] == [
        ("axial", 3, 0.0),
        ("coronal", 5, 0.0),
        ("sagittal", 4, 0.0),
    ]


def test_of_nothing_the_middle_is_shown():
    empty = np.zeros((5, 7, 10), bool)
    found = worst_slices(empty, empty, VoxelGrid(empty.shape))
    assert [s.index for s in found] == [2, 3, 5]


def test_the_field_has_room_around_what_is_labelled():
    labelled = np.zeros((100, 100, 40), bool)
    labelled[50:80, 3:90, 20] = True
    box = field_around(labelled, (3.0, 1.0, 2.0))
    # 15 mm are 5 voxels of 3 mm; the edge of the volume; 1 voxel of 2 mm grows to 60 mm
    assert box == (slice(45, 85), slice(0, 100), slice(5, 36))
    assert field_around(labelled & False, (1, 1, 1))[0] == slice(0, 100)


# the way round


@pytest.mark.parametrize(
    ("plane", "letters"),
    [(0, ("R", "L", "A", "P")), (1, ("R", "L", "S", "I")), (2, ("A", "P", "S", "I"))],
)
def test_letters_of_a_straight_scan(plane, letters):
    assert PLANES[plane].edges(GRID) == letters


def turned(degrees):
    """A grid turned about the axis from feet to head."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return VoxelGrid((9, 9, 9), direction=((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)))


def test_letters_of_an_oblique_scan():
    # At 30 degrees x runs to the left and back, y to the back and right.
    axial, coronal, sagittal = PLANES
    assert axial.edges(turned(30)) == ("RA", "LP", "AL", "PR")
    assert coronal.edges(turned(30)) == ("RA", "LP", "S", "I")
    assert sagittal.edges(turned(30)) == ("AL", "PR", "S", "I")
    assert axial.edges(turned(10)) == ("R", "L", "A", "P")


def test_places_in_mm():
    axial, coronal, sagittal = PLANES
    # The origin is L -10, P 5, S -20.
    assert axial.place(GRID, 0) == "I 20.0 mm"
    assert axial.place(GRID, 7) == "S 8.0 mm"
    assert coronal.place(GRID, 3) == "P 8.0 mm"
    assert sagittal.place(GRID, 1) == "R 8.0 mm"
    assert sagittal.place(GRID, 5) == "L 0.0 mm"


def test_right_front_and_top_are_left_and_up(corner):
    drawn = {p.plane: p for p in pictures.slice_pictures(*corner, None, ORGAN)}
    scale = 440 / 60  # px per mm: the longest axis is 60 mm
    assert drawn["axial"].size_px == (440, round(40 * scale))
    height = round(40 * scale)
    # rows in mm from the top of the slice, columns from its left
    axial_top = (height - 30 * scale) / 2
    sagittal_left = (440 - 30 * scale) / 2
    expected = {
        "axial": (axial_top, axial_top + 10 * scale, 0, 10 * scale),
        "coronal": (0, 12 * scale, 0, 10 * scale),
        "sagittal": (0, 12 * scale, sagittal_left, sagittal_left + 10 * scale),
    }
    for plane, box in expected.items():
        ground = np.asarray((77, 77, 77)) * 0.38
        blue = ground + np.asarray(drawing.MISSED) * 0.62
        found = extent(like(rgb(drawn[plane].errors), blue, 30))
        np.testing.assert_allclose(found, box, atol=2)


@pytest.mark.parametrize("code", CODES[3::9])
def test_every_orientation_of_storage_gives_the_same_pictures(corner, code):
    random = np.random.default_rng(1)
    scan = Volume(random.random(GRID.shape).astype(np.float32), GRID)
    expected = pictures.slice_pictures(*corner, scan, ORGAN)
    stored = [reorient(each, code) for each in (*corner, scan)]
    assert pictures.slice_pictures(*stored, ORGAN) == expected
    # The scan may be stored in another orientation than the masks.
    assert pictures.slice_pictures(*stored[:2], scan, ORGAN) == expected


# what is wrong


def test_areas_of_nested_regions_against_hand_counts():
    grid = VoxelGrid((3, 4, 5), (5.0, 2.0, 1.0))
    reference, prediction = np.zeros(grid.shape), np.zeros(grid.shape)
    reference[1, :, 0] = 1  # grey and brain
    reference[1, :, 1] = 2  # brain only
    prediction[1, 0:2, 0] = 2  # grey and brain: right; the other two are missed
    prediction[1, :, 1] = 2  # grey, but should be brain only: mixed up
    prediction[1, 0, 4] = 1  # added
    prediction[1, 3, 3] = 9  # no region
    drawn = pictures.slice_pictures(*masks(prediction, reference, grid), None, NESTED)
    axial = next(p for p in drawn if p.plane == "axial")
    assert axial.index == 1
    assert axial.missed_mm2 == 2 * 2.0
    assert axial.added_mm2 == 1 * 2.0
    assert axial.mixed_mm2 == 4 * 2.0
    assert axial.wrong_mm2 == 7 * 2.0
    assert axial.worst_region == "grey"  # 2 + 4 against 2 + 1 of the brain
    # The coronal slice at y = 0 has a mixed and an added voxel of 5 mm2; at y = 3 a
    # mixed and a missed one: equal, and the first is taken.
    coronal = next(p for p in drawn if p.plane == "coronal")
    assert (coronal.index, coronal.wrong_mm2) == (0, 10.0)


def test_ignored_voxels_are_not_wrong():
    reference, prediction = np.zeros(GRID.shape), np.zeros(GRID.shape)
    reference[5, 3:9, 3:9] = 255
    prediction[5, 3:9, 3:9] = 1
    reference[2, 3, 3] = 1
    both = masks(prediction, reference)
    axial = next(
        p
        for p in pictures.slice_pictures(*both, None, ORGAN, ignore=[255])
        if p.plane == "axial"
    )
    assert (axial.index, axial.wrong_mm2) == (2, 2.0)


def test_a_perfect_case_shows_both_outlines_and_no_error():
    array = np.zeros(GRID.shape)
    array[3:7, 8:24, 8:24] = 1
    for drawn in pictures.slice_pictures(*masks(array, array), None, ORGAN):
        assert (drawn.wrong_mm2, drawn.worst_region) == (0.0, "")
        outlines = rgb(drawn.outlines)
        solid = like(outlines, drawing.PREDICTION).sum()
        dashed = like(outlines, drawing.REFERENCE).sum()
        assert min(solid, dashed) > 0.3 * max(solid, dashed) > 30
        errors = rgb(drawn.errors)
        assert (errors.min(axis=-1) == errors.max(axis=-1)).all()  # no colour


def test_outlines_lie_on_the_border():
    reference, prediction = np.zeros(GRID.shape), np.zeros(GRID.shape)
    prediction[4, 6:20, 5:25] = 1  # 20 x 14 voxels: 40 mm wide and 14 mm high
    reference[0, 0, 0] = reference[-1, -1, -1] = 2  # shows the whole volume
    prediction[0, 0, 0] = prediction[-1, -1, -1] = 2
    drawn = pictures.slice_pictures(*masks(prediction, reference), None, ORGAN)
    axial = next(p for p in drawn if p.plane == "axial")
    scale = 440 / 60
    top = (axial.size_px[1] - 30 * scale) / 2
    found = extent(like(rgb(axial.outlines), drawing.PREDICTION))
    wanted = (top + 6 * scale, top + 20 * scale, 10 * scale, 50 * scale)
    np.testing.assert_allclose(found, wanted, atol=3)


def test_a_border_of_two_regions_is_drawn_once():
    left, right = np.zeros((2, 4, 6), bool)
    left[:, :3], right[:, 3:] = True, True
    drawn = set()
    lengths = [
        sum(len(chain) - 1 for chain in drawing._new_borders(region, drawn))
        for region in (left, right)
    ]
    # 4 x 3 voxels: 2 (4 + 3) - 4 straight pieces and a slanted one at every corner;
    # the second region lacks the 3 pieces inside the shared border.
    assert lengths == [14, 11]


def test_dashes_cover_the_start_of_every_period():
    line = np.asarray([[0.0, 0.0], [0.0, 4.0], [0.0, 13.0]])
    found = [part[:, 1].tolist() for part in drawing._dashes(line, 5.0, 4.0)]
    assert found == [[0.0, 4.0, 5.0], [9.0, 13.0]]


# the image


def test_the_image_is_looked_up_where_the_masks_lie():
    """A ramp along world axes stays that ramp on an oblique grid inside the image."""
    scan = VoxelGrid((20, 30, 40), (3.0, 2.0, 1.5), (-30.0, -30.0, -30.0))
    slope = np.asarray((0.7, -1.3, 2.0))

    def ramp(grid):
        index = np.moveaxis(np.indices(grid.shape), 0, -1)
        return grid.to_world(index) @ slope

    inner = turned(25)
    found = pictures._on_grid(ramp(scan).astype(np.float32), scan, inner, order=1)
    np.testing.assert_allclose(found, ramp(inner), atol=1e-3)


def test_without_an_image_the_ground_is_one_grey(corner):
    for drawn in pictures.slice_pictures(*corner, None, ORGAN):
        picture = rgb(drawn.errors)
        grey = (picture[..., 0] == picture[..., 1]) & (
            picture[..., 1] == picture[..., 2]
        )
        values, counts = np.unique(picture[grey][:, 0], return_counts=True)
        shown = set(values[np.argsort(-counts)][:2].tolist())
        assert shown <= {0, 77}  # the ground, and black around it
        assert 77 in shown


def test_the_window_fits_what_is_labelled():
    image = np.full(GRID.shape, -1000.0)
    labelled = np.zeros(GRID.shape, bool)
    labelled[2:5] = True
    image[2:5] = np.linspace(0, 100, 3)[:, None, None]
    low, high = pictures._window(image, labelled)
    assert (low, high) == (-35.0, 135.0)
    assert pictures._window(image * np.nan, labelled) == (0.0, 1.0)


def test_pictures_are_small_and_have_a_palette(corner):
    random = np.random.default_rng(0)
    scan = Volume(random.random(GRID.shape).astype(np.float32), GRID)
    for drawn in pictures.slice_pictures(*corner, scan, ORGAN):
        for png in (drawn.outlines, drawn.errors):
            assert Image.open(io.BytesIO(png)).mode == "P"
            assert Image.open(io.BytesIO(png)).size == drawn.size_px


# files


def test_files_are_drawn_as_arrays(corner, tmp_path):
    paths = []
    for name, each in zip(("guess", "true"), corner, strict=True):
        paths.append(tmp_path / f"{name}.nii.gz")
        save_volume(Volume(each.array, each.grid), paths[-1])
    expected = pictures.slice_pictures(*corner, None, ORGAN)
    assert pictures.draw_case(*paths, None, ORGAN) == expected
    flipped = tmp_path / "flipped.nii.gz"
    other = reorient(corner[0], "RAS")
    save_volume(Volume(other.array, other.grid), flipped)
    assert pictures.draw_case(flipped, paths[1], None, ORGAN) == expected


def test_a_mask_of_fractions_is_refused(corner, tmp_path):
    path = tmp_path / "scores.nii.gz"
    save_volume(Volume(np.full(GRID.shape, 0.5, np.float32), GRID), path)
    with pytest.raises(InputError, match=r"scores\.nii\.gz"):
        pictures.draw_case(path, path, None, ORGAN)


def test_masks_of_different_shapes_are_refused(corner):
    small = Segmentation(np.zeros((2, 2, 2), np.uint8), VoxelGrid((2, 2, 2)))
    with pytest.raises(GeometryError, match=r"\(2, 2, 2\).*resample"):
        pictures.slice_pictures(small, corner[1], None, ORGAN)
