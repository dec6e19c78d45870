"""Left and right, on phantoms whose sides are known and on real maps where they are."""

import dataclasses

import numpy as np
import pytest

from napari_mednext.inference.sides import LEAST_SYMMETRY, split_sides, with_sides
from napari_mednext.labels import LabelSet, SidedLabels
from napari_mednext.volume import (
    Segmentation,
    SourceHeader,
    Volume,
    VoxelGrid,
    reorient,
)
from tests.inference.phantom import (
    CORTEX,
    HEAD,
    PAIRED,
    SIDED,
    STEM,
    VENTRICLES,
    accuracy,
    grid_around,
    head,
    tilt,
)
from tests.inference.standins import NearestClass, make_model

SHAPE, SPACING = (79, 103, 85), (2.3, 2.1, 2.2)
#: Turned by 30 degrees about one axis, rows to the right and planes downwards.
OBLIQUE = tilt(0, 0, 30) @ np.diag((-1.0, 1.0, -1.0))


def assert_told_apart(found):
    """The phantom's cortex touches along the whole middle, more than in any brain."""
    assert found.pop(CORTEX) > 0.96
    assert min(found.values()) > 0.985


@pytest.fixture(scope="module")
def upright():
    grid = grid_around(SHAPE, SPACING)
    return (grid, *head(grid))


@pytest.fixture(scope="module")
def split(upright):
    grid, labels, _ = upright
    return split_sides(labels, grid, SIDED)


def test_both_halves_get_their_side(upright, split):
    _, labels, side = upright
    assert split.is_split
    assert split.note == ""
    found = accuracy(split.array, labels, side)
    assert_told_apart(dict(found))
    # A plane alone cuts through the left half where it reaches over the middle.
    is_left = sum(split.plane.distances(upright[0])) > 0
    cut = np.where(is_left, SIDED.left(CORTEX), SIDED.right(CORTEX))
    cortex = labels == CORTEX
    by_plane = accuracy(np.where(cortex, cut, split.array), labels, side)
    assert found[CORTEX] > by_plane[CORTEX]


def test_left_is_where_the_world_says_it_is(upright, split):
    grid = upright[0]
    for value in PAIRED:
        left = grid.to_world(np.argwhere(split.array == SIDED.left(value)))[:, 0]
        right = grid.to_world(np.argwhere(split.array == SIDED.right(value)))[:, 0]
        assert left.mean() > right.mean() + 20.0


def test_what_has_no_sides_keeps_its_value(upright, split):
    _, labels, _ = upright
    for value in (0, VENTRICLES, STEM, HEAD):
        assert ((split.array == value) == (labels == value)).all()
    assert not np.isin(split.array, PAIRED).any()
    assert split.array.dtype == np.uint8
    assert split.labels == SIDED.split


def test_the_input_is_left_alone(upright, split):
    _, labels, _ = upright
    assert labels.max() == HEAD
    assert not np.shares_memory(labels, split.array)


@pytest.mark.parametrize(
    "angles", [(40, 0, 0), (-40, 0, 0), (0, 40, 0), (0, -40, 0), (25, -30, 20)]
)
def test_a_tilted_head_keeps_its_sides(angles):
    rotation = tilt(*angles)
    grid = grid_around((89, 101, 97), SPACING, OBLIQUE)
    labels, side = head(grid, rotation)
    split = split_sides(labels, grid, SIDED)
    assert_told_apart(accuracy(split.array, labels, side))
    # The rotation's first column is the head's own left.
    assert np.degrees(np.arccos(split.plane.normal @ rotation[:, 0])) < 2.5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_thick_slices(axis):
    spacing = [2.0, 2.0, 2.0]
    spacing[axis] = 5.5
    shape = tuple(int(200 / s) | 1 for s in spacing)
    grid = grid_around(shape, tuple(spacing), tilt(10, -8, 5))
    labels, side = head(grid)
    split = split_sides(labels, grid, SIDED)
    assert_told_apart(accuracy(split.array, labels, side))


@pytest.mark.parametrize("code", ["RAS", "PSR", "IAL"])
def test_the_order_of_the_array_does_not_matter(upright, split, code):
    grid, labels, _ = upright
    turned = reorient(Segmentation(labels, grid), code)
    result = split_sides(turned.array, turned.grid, SIDED)
    back = reorient(Segmentation(result.array, turned.grid), "LPS")
    assert (back.array == split.array).mean() > 0.999


def test_a_mirrored_world_swaps_the_sides(upright, split):
    grid, labels, _ = upright
    mirror = np.diag((-1.0, 1.0, 1.0))
    mirrored = dataclasses.replace(
        grid,
        origin=tuple(mirror @ grid.origin),
        direction=tuple(map(tuple, mirror @ grid.matrix)),
    )
    swapped = split_sides(labels, mirrored, SIDED).array
    for value in PAIRED:
        left, right = SIDED.left(value), SIDED.right(value)
        assert ((split.array == left) == (swapped == right)).mean() > 0.999


def test_a_field_of_view_that_cuts_one_side(upright):
    grid, labels, side = upright
    low = 28  # a third of the brain's width is out of view
    cut = grid_around((79, 103, 85 - low), SPACING)
    cut = dataclasses.replace(cut, origin=tuple(grid.to_world((0, 0, low))))
    split = split_sides(labels[:, :, low:], cut, SIDED)
    found = accuracy(split.array, labels[:, :, low:], side[:, :, low:])
    assert_told_apart(found)
    assert split.plane.coverage < 0.85


def test_a_region_of_interest_is_a_field_of_view(upright):
    grid, labels, side = upright
    roi = (slice(10, None), slice(None), slice(20, None))
    looked_at = np.zeros_like(labels)
    looked_at[roi] = labels[roi]
    split = split_sides(looked_at, grid, SIDED, roi=roi)
    side = np.where(looked_at > 0, side, 0)
    assert split.is_split
    assert split.array.shape == labels.shape
    assert_told_apart(accuracy(split.array, looked_at, side))


def unsplit(labels, grid):
    result = split_sides(labels, grid, SIDED)
    assert not result.is_split
    assert result.array is labels
    assert result.labels == SIDED.labels
    assert result.note.startswith("left and right were not told apart: ")
    return result.note


def test_half_a_brain_stays_whole(upright):
    grid, labels, side = upright
    half = np.where(side < 0, labels, 0).astype(np.uint8)
    assert "not symmetric enough" in unsplit(half, grid)
    # The same where the field of view ends at the middle.
    ends = (79, 103, 43)
    assert unsplit(labels[:, :, :43], VoxelGrid(ends, SPACING, grid.origin))


def test_a_map_without_a_middle_stays_whole(upright):
    grid, labels, _ = upright
    z, y, x = np.indices(SHAPE)
    uneven = np.where(labels > 0, 1 + (x + y // 2 + z // 3) // 26 % 3, 0)
    uneven[:, :30, 50:] = 0
    uneven[40:, :, :20] = 0
    note = unsplit(np.array([0, 1, 5, 7], np.uint8)[uneven], grid)
    assert f"at least {LEAST_SYMMETRY} is needed" in note


def test_hardly_any_brain_stays_whole(upright):
    grid, labels, _ = upright
    empty = np.zeros(SHAPE, np.uint8)
    assert "only 0 mL" in unsplit(empty, grid)
    empty[:, 50:53, 50] = CORTEX
    assert "only 3 mL" in unsplit(empty, grid)  # 79 x 3 voxels of 10.6 microlitres
    assert "only 0 mL" in unsplit(np.where(labels == HEAD, HEAD, 0), grid)


def test_large_label_values_get_a_wider_array(upright):
    grid, labels, _ = upright
    table = np.zeros(HEAD + 1, np.uint16)
    table[[*PAIRED, HEAD]] = (301, 302, 305, 307, 310)
    names = {int(v): f"n{v}" for v in table if v}
    sided = SidedLabels(LabelSet.from_names(names), (301, 302, 305, 307))
    split = split_sides(table[labels], grid, sided)
    assert split.array.dtype == np.uint16
    assert {1301, 2301, 310} <= set(np.unique(split.array).tolist())


def test_a_segmentation_takes_names_colours_and_note(upright):
    grid, labels, side = upright
    source = SourceHeader(notes=("the header was repaired",))
    parts = {"names": SIDED.labels.names, "source": source}
    found = Segmentation(labels, grid, **parts)
    split = with_sides(found, SIDED)
    assert split.names[201] == "right cortex"
    assert split.colors == SIDED.split.colors
    assert split.source == source
    half = Segmentation(np.where(side < 0, labels, 0), grid, **parts)
    whole = with_sides(half, SIDED)
    assert whole.names == SIDED.labels.names
    assert whole.source.notes[0] == source.notes[0]
    assert "not told apart" in whole.source.notes[1]


def model_of(labels):
    model = make_model(
        NearestClass(HEAD + 1),
        heads=HEAD + 1,
        spacing=SPACING,
        patch_size=(40, 48, 48),
        normalization_schemes=("NoNormalization",),
        labels=labels,
    )
    model.folder.require_sides = lambda: SIDED
    return model


def test_a_model_tells_sides_when_it_is_asked_to(upright, split):
    grid, labels, _ = upright
    model = model_of(SIDED.labels)
    volume = Volume(labels.astype(np.float32), grid)
    assert (model.segment(volume).array == labels).all()
    found = model.segment(volume, sides=True)
    assert (found.array == split.array).all()
    assert found.names == SIDED.split.names
    both = model.segment(volume, sides=True, probabilities=True)
    assert (both.array == split.array).all()
    assert len(both.probabilities) == HEAD + 1


#: FreeSurfer's numbers of the left and right parts of the shipped model's classes.
LEFT_PARTS = {1: (3,), 2: (2, 25, 28), 5: (8,), 6: (7,), 7: (10, 11, 12, 13, 26)}
RIGHT_PARTS = {1: (42,), 2: (41, 57, 60), 5: (47,), 6: (46,), 7: (49, 50, 51, 52, 58)}
LEFT_PARTS[8], RIGHT_PARTS[8] = (17, 18), (53, 54)
WITHOUT_SIDES = {2: (85,), 3: (4, 5, 14, 15, 43, 44, 72), 9: (16,)}


@pytest.fixture(scope="module")
def real_maps(shared_data):
    path = shared_data / "training" / "synthseg20_1mm_ras_uint8.npz"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return np.load(path)


@pytest.mark.parametrize(
    ("name", "angles"), [("m03", (0, 0, 0)), ("m12", (-35, 30, 9))]
)
def test_real_maps_get_their_sides(real_maps, name, angles):
    from napari_mednext.models import find_model

    values = real_maps["fs_labels"]
    stored = real_maps[name].transpose(2, 1, 0)  # RAS
    table, sides = np.zeros(len(values), np.uint8), np.zeros(len(values), np.int8)
    for parts, sign in ((LEFT_PARTS, 1), (RIGHT_PARTS, -1), (WITHOUT_SIDES, 0)):
        for value, sources in parts.items():
            of_class = np.isin(values, sources)
            table[of_class], sides[of_class] = value, sign
    labels, side = table[stored], sides[stored]
    direction = tilt(*angles) @ np.diag((-1.0, -1.0, 1.0))
    grid = VoxelGrid(labels.shape, direction=tuple(map(tuple, direction)))
    sided = find_model("brain_mr").sides
    split = split_sides(labels, grid, sided)
    assert split.is_split
    for value in sided.paired:
        known = (labels == value) & (side != 0)
        is_left = split.array[known] == sided.left(value)
        right = (is_left == (side[known] > 0)).mean()
        # The cerebellum's halves grow together in the middle.
        assert right > (0.98 if value in (5, 6) else 0.995), (value, right)
