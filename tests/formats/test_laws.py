"""Read, turn, save, read back: the same voxels at the same points of the patient."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name everybody uses
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mednext import formats
from napari_mednext.volume import Segmentation, Volume, VoxelGrid, reorient
from tests.formats import makers

TOLERANCE_MM = 1e-4
AXES = ("LR", "PA", "SI")
CODES = sorted(
    "".join(letters)
    for order in itertools.permutations(AXES)
    for letters in itertools.product(*order)
)
SOURCES = (".nii", ".nii.gz", ".nrrd", ".mha", "dicom")
TARGETS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")

laws = settings(deadline=None, derandomize=True, max_examples=150)

lengths = st.integers(2, 6)
spacings = st.sampled_from((0.31, 0.5, 0.976562, 1.0, 1.25, 2.2, 5.0, 6.5))
angles = st.one_of(
    st.just((0.0, 0.0, 0.0)),
    st.tuples(*[st.floats(-44.0, 44.0, allow_nan=False)] * 3),
    st.sampled_from(((45.0, 0.0, 0.0), (0.0, 45.0, 30.0), (0.0, 0.0, 90.0))),
)
positions = st.floats(-400.0, 400.0, allow_nan=False, width=32)


@st.composite
def grids(draw):
    direction = makers.rotated(draw(angles), draw(st.sampled_from(CODES)))
    return VoxelGrid(
        draw(st.tuples(lengths, lengths, lengths)),
        draw(st.tuples(spacings, spacings, spacings)),
        draw(st.tuples(positions, positions, positions)),
        tuple(map(tuple, direction.tolist())),
    )


def write_source(folder, kind, array, grid, codes):
    """Write a source without our code; return what to open and its true affine."""
    if kind == "dicom":
        # The slices of a series are stacked along their normal, so the file is right
        # handed by definition.
        if np.linalg.det(grid.matrix) < 0:
            flipped = grid.matrix * [1.0, 1.0, -1.0]
            direction = tuple(map(tuple, flipped.tolist()))
            grid = VoxelGrid(grid.shape, grid.spacing, grid.origin, direction)
        makers.write_series(folder / "series", array, grid)
        return folder / "series", grid.affine, -1024
    path = folder / f"source{kind}"
    if kind == ".nrrd":
        return makers.write_nrrd(path, array, grid), grid.affine, 0
    if kind == ".mha":
        return makers.write_mha(path, array, grid), grid.affine, 0
    sform, qform = codes
    makers.write_nifti(path, array, makers.xyz_ras(grid), sform=sform, qform=qform)
    return path, makers.read_independently(path)[1], 0


def assert_same_points(array, grid, source, affine):
    """Every voxel of ``array`` has the value that ``source`` has at its world point."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    world = grid.to_world(index)
    back = np.linalg.solve(affine[:3, :3], (world - affine[:3, 3]).reshape(-1, 3).T).T
    nearest = np.rint(back).astype(int)
    again = nearest @ affine[:3, :3].T + affine[:3, 3]
    assert np.abs(again - world.reshape(-1, 3)).max() < TOLERANCE_MM
    np.testing.assert_array_equal(array.reshape(-1), source[tuple(nearest.T)])


@laws
@given(
    grid=grids(),
    kind=st.sampled_from(SOURCES),
    codes=st.sampled_from(((1, 1), (2, 0), (1, 4), (4, 2))),
    code=st.sampled_from(CODES),
    target=st.sampled_from(TARGETS),
    many=st.booleans(),
)
def test_a_volume_and_its_mask_keep_every_voxel_in_place(
    grid, kind, codes, code, target, many
):
    array = makers.make_array(grid.shape)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, affine, offset = write_source(folder, kind, array, grid, codes)
        volume = formats.open_volume(source)
        truth = array.astype(int) + offset
        np.testing.assert_array_equal(volume.array[0], truth)
        assert_same_points(volume.array[0], volume.grid, truth, affine)

        shown = reorient(volume, code)
        assert_same_points(shown.array[0], shown.grid, truth, affine)

        labels = (shown.array[0] - offset).astype(np.uint16 if many else np.uint8)
        mask = Segmentation(labels, shown.grid, source=shown.source)
        path = formats.save_segmentation(mask, folder / f"mask{target}")
        written, where = makers.read_independently(path)
        assert written.dtype == labels.dtype.newbyteorder("<")
        np.testing.assert_array_equal(written, array.astype(labels.dtype))
        corners = np.array([*itertools.product(*[(0, n - 1) for n in grid.shape])])
        ends = np.column_stack([corners, np.ones(8)]).T
        assert np.abs(((where - affine) @ ends)[:3]).max() < TOLERANCE_MM

        again = formats.open_volume(path)
        assert again.grid.is_close(volume.grid, tolerance_mm=TOLERANCE_MM)
        np.testing.assert_array_equal(again.array[0], written)

        copy = formats.save_volume(shown, folder / f"copy{target}")
        copied = formats.open_volume(copy)
        assert copied.grid.is_close(volume.grid, tolerance_mm=TOLERANCE_MM)
        np.testing.assert_array_equal(copied.array, volume.array)


@laws
@given(grid=grids())
def test_a_qform_alone_is_read_as_itk_reads_it(grid):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "q.nii")
        array = makers.make_array(grid.shape)
        makers.write_nifti(path, array, makers.xyz_ras(grid), sform=0, qform=1)
        volume = formats.open_volume(path)
        image = sitk.ReadImage(str(path))
    np.testing.assert_allclose(
        volume.grid.matrix.ravel(), image.GetDirection(), atol=1e-6
    )
    np.testing.assert_allclose(volume.grid.origin, image.GetOrigin(), atol=TOLERANCE_MM)
    np.testing.assert_allclose(volume.grid.spacing[::-1], image.GetSpacing(), rtol=1e-6)


@laws
@given(grid=grids(), target=st.sampled_from(TARGETS))
def test_a_volume_without_a_file_is_written_where_itk_finds_it(grid, target):
    array = makers.make_array(grid.shape, np.float32) + 0.5
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, f"new{target}")
        formats.save_volume(Volume(array, grid), path)
        image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
    for index in itertools.product(*[(0, n - 1) for n in grid.shape]):
        place = image.TransformIndexToPhysicalPoint(index[::-1])
        assert np.abs(place - grid.to_world(np.array(index))).max() < 2 * TOLERANCE_MM


@pytest.mark.parametrize("code", CODES)
def test_turning_twice_gives_the_volume_back(code):
    grid = makers.make_grid(degrees=(12.0, -7.0, 33.0), code="SAR")
    volume = Volume(makers.make_array(), grid)
    back = reorient(reorient(volume, code), "SAR")
    assert back.grid.is_close(grid, tolerance_mm=1e-9)
    np.testing.assert_array_equal(back.array, volume.array)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_far_end_of_a_long_axis_is_in_place_too(tmp_path, axis, target):
    shape = tuple(601 if i == axis else 3 for i in range(3))
    grid = makers.make_grid(
        shape, (0.976562,) * 3, (-411.5, 398.25, -1204.5), degrees=(7.0, 41.0, -13.0)
    )
    labels = makers.make_array(shape, np.uint16)
    path = formats.save_segmentation(
        Segmentation(labels, grid), tmp_path / f"m{target}"
    )
    written, where = makers.read_independently(path)
    corners = np.array([*itertools.product(*[(0, n - 1) for n in shape])])
    ends = np.column_stack([corners, np.ones(8)]).T
    # Single precision of NIfTI is 6e-5 mm at 1.2 m from the origin.
    assert np.abs(((where - grid.affine) @ ends)[:3]).max() < TOLERANCE_MM
    np.testing.assert_array_equal(written, labels)
