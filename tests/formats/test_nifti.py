"""NIfTI headers in all their variety; nibabel and ITK are the oracles."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext import formats
from napari_mednext.errors import ChannelError, FormatError, GeometryError
from napari_mednext.formats.nifti_header import read_header
from napari_mednext.volume import Segmentation, VoxelGrid, reorient
from tests.formats.makers import (
    make_array,
    make_grid,
    read_independently,
    rotated,
    write_nifti,
    xyz_ras,
)

GRID = make_grid(degrees=(4.0, -11.0, 23.0), code="RSP")
RAS = xyz_ras(GRID)
RAW_FIELDS = ("qform_code", "sform_code", "xyzt_units", "srow_x", "srow_y", "srow_z")
RAW_FIELDS += ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y")


def masked(volume, folder, name="mask.nii.gz"):
    labels = np.ones(volume.grid.shape, np.uint8)
    turned = reorient(Segmentation(labels, volume.grid, source=volume.source), "LPS")
    return formats.save_segmentation(turned, folder / name)


def assert_header_is_repeated(mask, source):
    ours, theirs = nib.load(mask).header, nib.load(source).header
    for name in RAW_FIELDS:
        np.testing.assert_array_equal(ours[name], theirs[name].astype(ours[name].dtype))
    np.testing.assert_array_equal(ours["pixdim"][:4], np.float32(theirs["pixdim"][:4]))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair])
@pytest.mark.parametrize("codes", [(1, 1), (4, 0), (0, 1), (2, 1), (0, 0)])
def test_a_mask_repeats_the_header_of_its_source(tmp_path, kind, codes):
    name = "a.img" if kind is nib.Nifti1Pair else "a.nii.gz"
    source = write_nifti(
        tmp_path / name, make_array(), RAS, sform=codes[0], qform=codes[1], kind=kind
    )
    volume = formats.open_volume(source)
    np.testing.assert_array_equal(volume.array[0], make_array())
    mask = masked(volume, tmp_path)
    assert_header_is_repeated(mask, source)
    assert nib.load(mask).header["intent_code"] == 1002
    assert formats.open_volume(mask).grid.is_close(volume.grid, tolerance_mm=1e-6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Header, nib.Nifti2Header])
def test_headers_are_read_in_both_byte_orders(tmp_path, kind, order):
    image_kind = {nib.Nifti1Header: nib.Nifti1Image, nib.Nifti2Header: nib.Nifti2Image}
    header = kind(endianness=order)
    header.set_data_dtype(np.int16)
    image = image_kind[kind](make_array().T, RAS, header)
    image.header.set_qform(RAS, 2)
    nib.save(image, tmp_path / "a.nii")
    assert nib.load(tmp_path / "a.nii").header.endianness == order
    volume = formats.open_volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.array[0], make_array())
    assert volume.grid.is_close(GRID, tolerance_mm=1e-4)
    assert volume.array.dtype.isnative
    assert volume.source.file_format == f"NIfTI-{1 + (kind is nib.Nifti2Header)}"
    assert volume.source.nifti["qform_code"] == 2


@pytest.mark.parametrize(
    ("unit", "mm", "word"),
    [("meter", 1000.0, "metres"), ("micron", 1e-3, "micrometres")],
)
def test_other_units_are_turned_into_mm_and_kept_in_the_mask(tmp_path, unit, mm, word):
    affine = RAS.copy()
    affine[:3] /= mm
    source = write_nifti(tmp_path / "a.nii", make_array(), affine, unit=unit)
    volume = formats.open_volume(source)
    assert volume.grid.is_close(GRID, tolerance_mm=1e-3)
    image = sitk.ReadImage(str(source))
    np.testing.assert_allclose(volume.grid.spacing[::-1], image.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(volume.grid.origin, image.GetOrigin(), atol=1e-4)
    assert f"lengths in {word}" in volume.source.notes[0]
    mask = masked(volume, tmp_path)
    assert_header_is_repeated(mask, source)
    assert nib.load(mask).header.get_xyzt_units() == (unit, "sec")


def leaning(amount):
    affine = RAS.copy()
    affine[:3, 0] += (
        amount
        * affine[:3, 1]
        * np.linalg.norm(affine[:3, 0])
        / (np.linalg.norm(affine[:3, 1]))
    )
    return affine


@pytest.mark.parametrize("amount", [2e-4, 1e-2, 0.15])
def test_nearly_perpendicular_axes_are_repaired_and_the_mask_keeps_them(
    tmp_path, amount
):
    source = write_nifti(tmp_path / "a.nii.gz", make_array(), leaning(amount), qform=0)
    with pytest.raises(RuntimeError, match="orthonormal"):
        sitk.ReadImage(str(source))
    volume = formats.open_volume(source)
    np.testing.assert_array_equal(volume.array[0], make_array())
    assert "not perpendicular" in volume.source.notes[0]
    matrix = volume.grid.matrix
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-12)
    assert_header_is_repeated(masked(volume, tmp_path), source)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_other_formats_keep_leaning_axes_as_well(tmp_path, ending):
    source = write_nifti(tmp_path / "a.nii", make_array(), leaning(0.01), qform=0)
    volume = formats.open_volume(source)
    mask = masked(volume, tmp_path, f"mask{ending}")
    np.testing.assert_allclose(
        read_independently(mask)[1], read_independently(source)[1], atol=1e-4
    )


def test_axes_far_from_perpendicular_are_refused(tmp_path):
    source = write_nifti(tmp_path / "a.nii", make_array(), leaning(0.4), qform=0)
    with pytest.raises(GeometryError, match=r"axes that are 2. degrees off"):
        formats.open_volume(source)


def test_a_singular_direction_is_refused(tmp_path):
    affine = RAS.copy()
    affine[:3, 1] = 2 * affine[:3, 0]
    source = write_nifti(tmp_path / "a.nii", make_array(), affine, qform=0)
    with pytest.raises(GeometryError, match="must span three axes, got the singular"):
        formats.open_volume(source)


def test_a_header_without_codes_lies_where_itk_puts_it_and_says_so(tmp_path):
    source = write_nifti(tmp_path / "a.nii", make_array(), RAS, sform=0, qform=0)
    volume = formats.open_volume(source)
    image = sitk.ReadImage(str(source))
    np.testing.assert_allclose(volume.grid.origin, image.GetOrigin())
    np.testing.assert_allclose(volume.grid.matrix.ravel(), image.GetDirection())
    np.testing.assert_allclose(volume.grid.spacing[::-1], image.GetSpacing())
    assert "does not say how the volume lies" in volume.source.notes[0]


def turned_form(degrees=0.0, scale=1.0, shift=0.0):
    turn = np.eye(4)
    turn[:3, :3] = scale * rotated((0, 0, degrees))
    turn[0, 3] = shift
    return turn @ RAS


@pytest.mark.parametrize(
    ("code", "other", "taken"),
    [
        (1, {"degrees": 30.0}, "sform"),
        (4, {"degrees": 30.0}, "qform"),
        (2, {"shift": 5.0}, "qform"),
        (1, {"shift": 5.0}, "sform"),
    ],
)
def test_of_two_forms_that_disagree_the_one_itk_takes_is_taken(
    tmp_path, code, other, taken
):
    source = write_nifti(
        tmp_path / "a.nii", make_array(), turned_form(**other), sform=code, q_affine=RAS
    )
    volume = formats.open_volume(source)
    image = sitk.ReadImage(str(source))
    np.testing.assert_allclose(volume.grid.origin, image.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(
        volume.grid.matrix.ravel(), image.GetDirection(), atol=1e-5
    )
    assert "disagree by up to" in volume.source.notes[0]
    assert f"the {taken} was used" in volume.source.notes[0]
    assert_header_is_repeated(masked(volume, tmp_path), source)


def test_a_scaled_sform_does_not_change_the_spacing(tmp_path):
    scaled = turned_form(scale=1.2)
    source = write_nifti(tmp_path / "a.nii", make_array(), scaled, q_affine=RAS)
    volume = formats.open_volume(source)
    assert volume.grid.is_close(GRID, tolerance_mm=1e-3)
    assert "the qform was used" in volume.source.notes[0]


def test_an_sform_of_leaning_axes_leaves_the_qform(tmp_path):
    for amount in (0.05, 0.9):
        lean = leaning(amount)
        lean[:3, :3] *= np.linalg.norm(RAS[:3, :3], axis=0) / np.linalg.norm(
            lean[:3, :3], axis=0
        )
        source = write_nifti(tmp_path / "a.nii", make_array(), lean, q_affine=RAS)
        volume = formats.open_volume(source)
        assert volume.grid.is_close(GRID, tolerance_mm=1e-3)
        assert "the qform was used" in volume.source.notes[0]


def test_an_sform_that_is_not_finite_leaves_the_qform(tmp_path):
    source = write_nifti(tmp_path / "a.nii", make_array(), RAS, srow_x=[np.nan] * 4)
    volume = formats.open_volume(source)
    assert volume.grid.is_close(GRID, tolerance_mm=1e-3)
    assert volume.source.notes == ("sform or qform is not finite: the qform was used",)


def test_no_finite_form_is_refused(tmp_path):
    source = write_nifti(
        tmp_path / "a.nii", make_array(), RAS, qform=0, srow_x=[np.nan] * 4
    )
    with pytest.raises(GeometryError, match="an affine must be finite"):
        formats.open_volume(source)


def test_a_spacing_of_zero_is_refused(tmp_path):
    source = write_nifti(
        tmp_path / "a.nii", make_array(), RAS, sform=0, qform=0, pixdim=[1] + [0] * 7
    )
    with pytest.raises(GeometryError, match="every voxel axis must have a length"):
        formats.open_volume(source)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_scaled_integers_are_read_as_real_values(tmp_path, kind):
    image = kind(make_array().T, RAS)
    image.header.set_slope_inter(2.5, -3.0)
    image.to_filename(tmp_path / "a.nii")
    stored = np.asanyarray(nib.load(tmp_path / "a.nii").dataobj).T
    volume = formats.open_volume(tmp_path / "a.nii")
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array[0], stored, rtol=1e-6)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_values_that_are_not_finite_are_read_as_they_are_and_counted(tmp_path, kind):
    array = make_array(dtype=np.float32)
    array[1, 2, 3], array[0, 0, 0], array[4, 0, 0] = np.nan, np.inf, -np.inf
    source = write_nifti(tmp_path / "a.nii", array, RAS, kind=kind)
    volume = formats.open_volume(source)
    np.testing.assert_array_equal(volume.array[0], array)
    assert "3 voxels are not finite" in volume.source.notes[0]


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_frame_must_be_chosen_of_a_4d_file(tmp_path, kind):
    frames = np.stack([make_array() + 300 * t for t in range(3)])
    source = write_nifti(tmp_path / "a.nii.gz", frames, RAS, kind=kind)
    with pytest.raises(ChannelError, match=r"holds 3 volumes, .* a frame from 0 to 2"):
        formats.open_volume(source)
    for frame in range(3):
        volume = formats.open_volume(source, frame=frame)
        np.testing.assert_array_equal(volume.array[0], frames[frame])
        assert volume.grid.is_close(GRID, tolerance_mm=1e-4)
    for frame in (-1, 3):
        with pytest.raises(ChannelError, match=f"frames 0 to 2, got frame {frame}"):
            formats.open_volume(source, frame=frame)
    assert masked(formats.open_volume(source, frame=1), tmp_path).is_file()


@pytest.mark.parametrize("frame", [None, 0])
def test_a_4d_file_of_one_frame_is_a_volume(tmp_path, frame):
    source = write_nifti(tmp_path / "a.nii", make_array()[None], RAS)
    assert formats.open_volume(source, frame=frame).array.shape == (1, 5, 6, 7)


def test_a_frame_of_a_3d_file_is_refused(tmp_path):
    source = write_nifti(tmp_path / "a.nii", make_array(), RAS)
    with pytest.raises(ChannelError, match="holds one volume, got frame 1: leave"):
        formats.open_volume(source, frame=1)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("intent", [0, 1007])
def test_a_vector_volume_has_channels(tmp_path, kind, intent):
    vectors = np.stack([make_array() + 300 * c for c in range(3)])[:, None]
    source = write_nifti(
        tmp_path / "a.nii", vectors, RAS, kind=kind, intent_code=intent
    )
    np.testing.assert_array_equal(formats.open_volume(source).array, vectors[:, 0])


def test_colours_are_channels(tmp_path):
    dtype = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    colors = np.zeros((5, 6, 7), dtype)
    for i, name in enumerate("RGB"):
        colors[name] = make_array(dtype=np.uint8) + i
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        source = write_nifti(tmp_path / "a.nii", colors, RAS, kind=kind)
        volume = formats.open_volume(source)
        for i, name in enumerate("RGB"):
            np.testing.assert_array_equal(volume.array[i], colors[name])


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_complex_voxels_are_refused(tmp_path, kind):
    source = write_nifti(
        tmp_path / "a.nii", make_array(dtype=np.complex64), RAS, kind=kind
    )
    with pytest.raises(
        FormatError, match=r"must be real numbers, 'a.nii' holds complex"
    ):
        formats.open_volume(source)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxel_types_are_kept(tmp_path, kind, dtype):
    array = make_array(dtype=dtype)
    image = kind(np.ascontiguousarray(array.T), RAS, dtype=np.dtype(dtype))
    image.to_filename(tmp_path / "a.nii")
    volume = formats.open_volume(tmp_path / "a.nii")
    assert volume.array.dtype == dtype
    np.testing.assert_array_equal(volume.array[0], array)


def test_both_files_of_a_pair_open_it(tmp_path):
    write_nifti(tmp_path / "a.img", make_array(), RAS, kind=nib.Nifti1Pair)
    lone = tmp_path / "lone" / "a.img"
    lone.parent.mkdir()
    lone.write_bytes((tmp_path / "a.img").read_bytes())
    with pytest.raises(FormatError, match=r"'a.img' must be an image"):
        formats.open_volume(lone)
    for name in ("a.img", "a.hdr"):
        volume = formats.open_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.array[0], make_array())
        assert volume.grid.is_close(GRID, tolerance_mm=1e-4)
    data = (tmp_path / "a.img").read_bytes()
    (tmp_path / "a.img").unlink()
    with pytest.raises(FormatError, match=r"its \.img file is not beside it"):
        formats.open_volume(tmp_path / "a.hdr")
    (tmp_path / "a.img.gz").write_bytes(gzip.compress(data))
    for name in ("a.img.gz", "a.hdr"):
        volume = formats.open_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.array[0], make_array())


@pytest.mark.parametrize("order", ["<", ">"])
def test_analyze_files_open_with_a_warning_about_sides(tmp_path, order):
    header = nib.AnalyzeHeader(endianness=order)
    header.set_data_dtype(np.int16)
    image = nib.AnalyzeImage(make_array().T, None, header)
    image.header.set_zooms((1.1, 0.7, 3.0))
    nib.save(image, tmp_path / "a.img")
    volume = formats.open_volume(tmp_path / "a.img")
    np.testing.assert_array_equal(volume.array[0], make_array())
    np.testing.assert_allclose(volume.grid.spacing, (3.0, 0.7, 1.1), rtol=1e-6)
    assert volume.source.file_format == "Analyze"
    assert "left and right, front and back may be swapped" in volume.source.notes[0]


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_freesurfer_volumes_open(tmp_path, dtype):
    image = nib.MGHImage(make_array(dtype=dtype).T, RAS)
    for name in ("a.mgz", "a.mgh"):
        nib.save(image, tmp_path / name)
        volume = formats.open_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.array[0], make_array(dtype=dtype))
        assert volume.grid.is_close(GRID, tolerance_mm=1e-3)
        again = formats.open_volume(masked(volume, tmp_path, name + ".nii"))
        assert again.grid.is_close(volume.grid, tolerance_mm=1e-4)


def test_a_header_that_states_no_sizes_is_refused(tmp_path):
    source = write_nifti(tmp_path / "a.nii", make_array(), RAS)
    data = bytearray(source.read_bytes())
    data[42:44] = b"\0\0"
    source.write_bytes(data)
    with pytest.raises(
        FormatError, match=r"must state its sizes, got dim \(3, 0, 6, 5"
    ):
        read_header(source)


def test_a_mask_too_long_for_nifti_is_refused(tmp_path):
    grid = VoxelGrid((2, 2, 32768))
    mask = Segmentation(np.zeros(grid.shape, np.uint8), grid)
    with pytest.raises(GeometryError, match=r"at most 32767 .* save as \.nrrd"):
        formats.save_segmentation(mask, tmp_path / "a.nii")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["A.NII", "plain", "a.mha", "a.nii.gz", "weiß ü.nii"])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_nifti_file_is_known_by_its_content(tmp_path, kind, name, is_gzip):
    data = write_nifti(tmp_path / "x.nii", make_array(), RAS, kind=kind).read_bytes()
    # Two members, as parallel compressors write them.
    parts = gzip.compress(data[:500]) + gzip.compress(data[500:])
    (tmp_path / name).write_bytes(parts if is_gzip else data)
    volume = formats.open_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.array[0], make_array())
    assert volume.grid.is_close(GRID, tolerance_mm=1e-4)


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
def test_a_pair_with_leaning_axes_opens(tmp_path, kind):
    write_nifti(tmp_path / "a.img", make_array(), leaning(0.01), qform=0, kind=kind)
    for name in ("a.img", "a.hdr"):
        volume = formats.open_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.array[0], make_array())


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_frames_of_other_formats_are_chosen_too(tmp_path, ending):
    frames = [sitk.GetImageFromArray(make_array() + 300 * t) for t in range(3)]
    path = tmp_path / f"a.{ending}"
    sitk.WriteImage(sitk.JoinSeries(frames), str(path))
    with pytest.raises(ChannelError, match="choose a frame from 0 to 2"):
        formats.open_volume(path)
    volume = formats.open_volume(path, frame=2)
    np.testing.assert_array_equal(volume.array[0], make_array() + 600)
