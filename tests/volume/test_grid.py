import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mednext.errors import GeometryError
from napari_mednext.volume import VoxelGrid, nearest_grid, nearest_rotation
from tests.formats.makers import make_grid, rotated

laws = settings(deadline=None, derandomize=True, max_examples=60)
small = st.floats(-0.04, 0.04)


def test_positions_of_a_grid_written_by_hand():
    # x runs to the back, y to the right, z upwards.
    grid = VoxelGrid(
        (4, 3, 2),
        (5.0, 2.0, 0.5),
        (10.0, 20.0, 30.0),
        ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    )
    np.testing.assert_allclose(grid.to_world([1, 2, 1]), [10 - 4, 20 + 0.5, 30 + 5])
    np.testing.assert_allclose(
        grid.affine, [[0, -2, 0, 10], [0, 0, 0.5, 20], [5, 0, 0, 30], [0, 0, 0, 1]]
    )
    assert grid.voxel_volume_mm3 == 5.0
    assert grid.obliquity_deg == 0.0


def test_obliquity_is_the_angle_to_the_nearest_axis():
    assert make_grid(degrees=(0, 0, 20), code="RSA").obliquity_deg == pytest.approx(20)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("shape", (3, 4), r"shape must have three entries .* got \(3, 4\)"),
        ("spacing", 1.0, "spacing must have three entries .* got 1.0"),
        ("origin", (0, 0, 0, 0), "origin must have three entries"),
        ("shape", (3, 0, 5), r"at least one voxel, got shape \(3, 0, 5\)"),
        ("spacing", (1, -1, 1), r"positive number of mm, got \(1.0, -1.0, 1.0\)"),
        ("spacing", (1, 0, 1), "positive number of mm"),
        ("spacing", (1, np.nan, 1), "positive number of mm"),
        ("spacing", (1, np.inf, 1), "positive number of mm"),
        ("origin", (0, np.nan, 0), "the origin must be finite"),
        ("direction", np.eye(2), "finite 3 x 3 matrix"),
        ("direction", np.full((3, 3), np.nan), "finite 3 x 3 matrix"),
        (
            "direction",
            2 * np.eye(3),
            "perpendicular unit vectors, got a deviation of 3",
        ),
    ],
)
def test_impossible_grids_are_refused(field, value, sentence):
    fields = {"shape": (3, 4, 5)} | {field: value}
    with pytest.raises(GeometryError, match=sentence):
        VoxelGrid(**fields)


@pytest.mark.parametrize(("shear", "is_kept"), [(0.99e-4, True), (1.01e-4, False)])
def test_rounding_of_directions_is_allowed_up_to_the_tolerance(shear, is_kept):
    direction = np.eye(3)
    direction[0, 1] = shear
    if is_kept:
        assert VoxelGrid((3, 4, 5), direction=direction).direction[0][1] == shear
    else:
        with pytest.raises(GeometryError, match=r"deviation of 0\.0001"):
            VoxelGrid((3, 4, 5), direction=direction)


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.ones((3, 3)), "must span three axes"),
        (np.zeros((3, 3)), "must span three axes"),
        (np.diag([1.0, 1.0, np.inf]), "finite 3 x 3"),
        (np.eye(4), "finite 3 x 3"),
    ],
)
def test_no_rotation_is_near_a_singular_matrix(matrix, sentence):
    with pytest.raises(GeometryError, match=sentence):
        nearest_rotation(matrix)


@laws
@given(errors=st.tuples(*[small] * 9), mirrored=st.booleans())
def test_the_nearest_rotation_is_orthonormal_and_nearer_than_others(errors, mirrored):
    code = "RPS" if mirrored else "LPS"
    matrix = rotated((20, -50, 70), code) + np.reshape(errors, (3, 3))
    nearest = nearest_rotation(matrix)
    np.testing.assert_allclose(nearest.T @ nearest, np.eye(3), atol=1e-12)
    assert np.sign(np.linalg.det(nearest)) == (-1 if mirrored else 1)
    distance = np.linalg.norm(nearest - matrix)
    for turn in itertools.product((-0.01, 0.0, 0.01), repeat=3):
        other = rotated(np.degrees(turn)) @ nearest
        assert np.linalg.norm(other - matrix) >= distance - 1e-12


def test_an_exact_affine_gives_its_grid_and_moves_nothing():
    grid = make_grid(degrees=(10, 20, 30), code="SRA")
    again, moved_mm = nearest_grid(grid.shape, grid.affine)
    assert moved_mm == 0.0
    assert again.is_close(grid, tolerance_mm=1e-12)


def test_a_repair_keeps_spacing_and_origin_and_says_how_far_it_moves():
    grid = make_grid(shape=(5, 6, 11))
    affine = grid.affine
    affine[0, 1] += 0.05 * grid.spacing[1]  # y leans towards the left
    again, moved_mm = nearest_grid(grid.shape, affine)
    np.testing.assert_allclose(again.origin, grid.origin)
    np.testing.assert_allclose(again.spacing, np.linalg.norm(affine[:3, :3], axis=0))
    farthest = 0.0
    for index in itertools.product(*map(range, grid.shape)):
        gap = again.to_world(np.array(index)) - (affine @ [*index, 1])[:3]
        farthest = max(farthest, np.abs(gap).max())
    assert moved_mm == pytest.approx(farthest)
    # A lean of 0.05 is shared by both axes: each turns by half of it.
    assert moved_mm == pytest.approx(0.025 * 10 * grid.spacing[2], rel=0.02)


@pytest.mark.parametrize(("lean", "is_repaired"), [(0.2, True), (0.21, False)])
def test_leaning_axes_are_repaired_up_to_a_limit(lean, is_repaired):
    affine = np.eye(4)
    # Columns with the scalar product ``lean``.
    affine[:2, 1] = [lean - 1e-9, np.sqrt(1 - lean**2)]
    if is_repaired:
        assert nearest_grid((3, 4, 5), affine)[1] > 0.1
    else:
        with pytest.raises(GeometryError, match="axes that are 12 degrees off"):
            nearest_grid((3, 4, 5), affine)


@pytest.mark.parametrize(
    ("affine", "sentence"),
    [
        (np.diag([1, 1, np.nan, 1]), "an affine must be finite"),
        (np.diag([1.0, 0, 1, 1]), r"axis must have a length, got .*\(1.0, 0.0, 1.0\)"),
        (np.ones((4, 4)), "must span three axes"),
    ],
)
def test_affines_without_a_grid_are_refused(affine, sentence):
    with pytest.raises(GeometryError, match=sentence):
        nearest_grid((3, 4, 5), affine)


def test_grids_are_close_when_their_farthest_corners_are():
    grid = VoxelGrid((3, 4, 101))
    wider = VoxelGrid((3, 4, 101), spacing=(1, 1, 1 + 1e-6))
    assert grid.is_close(wider, tolerance_mm=1.1e-4)
    assert not grid.is_close(wider, tolerance_mm=0.9e-4)
    assert not grid.is_close(VoxelGrid((3, 4, 100)))
