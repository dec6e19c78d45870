"""Every bad input gets one sentence that says what, where and what to do."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext import formats
from napari_mednext.errors import FormatError, GeometryError, MednextError
from napari_mednext.volume import VoxelGrid
from tests.formats.makers import (
    make_array,
    make_grid,
    write_mha,
    write_nifti,
    write_nrrd,
    xyz_ras,
)

GRID = make_grid()
RAS = xyz_ras(GRID)
#: Noise, so that a cut file is cut in its voxels.
NOISE = np.random.default_rng(1).integers(0, 3000, (9, 31, 33)).astype(np.int16)


def is_one_sentence(error):
    text = str(error)
    return (
        isinstance(error, MednextError)
        and "\n" not in text
        and not text.endswith(".")
        and len(text) < 400
    )


@pytest.fixture(autouse=True)
def _quiet(capfd):
    yield
    assert "WARNING" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["a.txt", "a", "a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("content", [b"", b"hello " * 200])
def test_a_file_that_is_no_image_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError, match=f"'{name}' must be an image") as caught:
        formats.open_volume(path)
    assert is_one_sentence(caught.value)


@pytest.mark.parametrize("name", ["a.mgz", "a.mgh"])
def test_a_file_that_is_no_freesurfer_image_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"hello " * 200)
    with pytest.raises(FormatError, match=f"'{name}' must be a volume in a known") as c:
        formats.open_volume(tmp_path / name)
    assert is_one_sentence(c.value)


@pytest.mark.parametrize("name", ["scan.nii.gz", "folder"])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(
        FormatError, match=f"there must be .*{name}', but there is none"
    ):
        formats.open_volume(tmp_path / name)


def test_no_file_at_all_is_refused():
    with pytest.raises(FormatError, match="must have a file, but none was named"):
        formats.open_volume([])


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("kept", [0.5, -6, -200])
def test_a_truncated_gzip_nifti_is_refused(tmp_path, kind, kept):
    path = write_nifti(tmp_path / "a.nii.gz", NOISE, RAS, kind=kind)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept) if kept > 0 else kept])
    with pytest.raises(FormatError, match=r"'a.nii.gz' must be a whole gzip") as caught:
        formats.open_volume(path)
    assert is_one_sentence(caught.value)


def test_a_gzip_nifti_cut_in_its_header_is_refused(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz", NOISE, RAS)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(FormatError, match=r"'a.nii.gz' must be a whole file"):
        formats.open_volume(path)


def test_a_flipped_bit_in_a_gzip_nifti_is_noticed(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz", NOISE, RAS)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    with pytest.raises(FormatError, match="damaged or cut short"):
        formats.open_volume(path)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_truncated_plain_nifti_is_refused(tmp_path, kind):
    path = write_nifti(tmp_path / "a.nii", NOISE, RAS, kind=kind)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    sentence = (
        f"must hold {len(data)} bytes by its header, but it holds {len(data) - 1}"
    )
    with pytest.raises(FormatError, match=sentence):
        formats.open_volume(path)


def test_a_gzip_nifti_with_too_few_voxels_is_refused(tmp_path):
    path = write_nifti(tmp_path / "a.nii", NOISE, RAS)
    short = tmp_path / "b.nii.gz"
    short.write_bytes(gzip.compress(path.read_bytes()[:5000]))
    with pytest.raises(FormatError, match="but it holds 5000: copy it again"):
        formats.open_volume(short)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_other_truncated_files_are_refused(tmp_path, ending, is_compressed):
    path = tmp_path / f"a.{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(path), is_compressed)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(
        FormatError, match="cannot be read: check that the file is whole"
    ):
        formats.open_volume(path)


def test_a_truncated_freesurfer_file_is_refused(tmp_path):
    path = tmp_path / "a.mgz"
    nib.save(nib.MGHImage(NOISE.T, RAS), path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(FormatError, match=r"'a.mgz' must be a volume in a known"):
        formats.open_volume(path)


def test_a_folder_without_a_volume_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "sub").mkdir()
    with pytest.raises(FormatError, match="must hold a volume or a DICOM series") as c:
        formats.open_volume(tmp_path)
    assert is_one_sentence(c.value)
    assert formats.list_series(tmp_path) == ()


def test_a_missing_folder_has_no_series(tmp_path):
    with pytest.raises(FormatError, match="there must be a file or folder at"):
        formats.list_series(tmp_path / "x")


def test_a_folder_with_several_volumes_names_them(tmp_path):
    write_nifti(tmp_path / "a.nii", make_array(), RAS)
    write_nrrd(tmp_path / "b.nrrd", make_array(), GRID)
    with pytest.raises(FormatError, match="holds 2 volumes: open one of 'a', 'b'"):
        formats.open_volume(tmp_path)


def test_a_folder_with_one_volume_opens_it(tmp_path):
    write_nifti(tmp_path / "case_0000.nii", make_array(), RAS)
    write_nifti(tmp_path / "case_0001.nii", make_array() + 9, RAS)
    volume = formats.open_volume(tmp_path)
    assert volume.channels == 2
    assert volume.name == "case"


@pytest.mark.parametrize("name", ["a.nii", "a.png", "a.mha", "b.nii.gz"])
def test_a_2d_image_is_refused(tmp_path, name):
    image = sitk.GetImageFromArray(np.zeros((6, 7), np.uint8))
    sitk.WriteImage(image, str(tmp_path / name))
    with pytest.raises(
        FormatError, match=f"'{name}' is a 2D image of 7 x 6 pixels"
    ) as c:
        formats.open_volume(tmp_path / name)
    assert is_one_sentence(c.value)


def test_a_2d_nifti_2_is_refused(tmp_path):
    nib.save(nib.Nifti2Image(np.zeros((7, 6), np.uint8), RAS), tmp_path / "a.nii")
    with pytest.raises(FormatError, match=r"'a.nii' is a 2D image of 7 x 6 pixels"):
        formats.open_volume(tmp_path / "a.nii")


@pytest.mark.parametrize("shape", [(1, 6, 7), (5, 1, 7), (5, 6, 1)])
@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_an_axis_of_one_voxel_is_refused(tmp_path, shape, ending):
    grid, path = make_grid(shape), tmp_path / f"a.{ending}"
    array = make_array(shape)
    if ending == "nrrd":
        write_nrrd(path, array, grid)
    elif ending == "mha":
        write_mha(path, array, grid)
    else:
        write_nifti(path, array, xyz_ras(grid))
    shown = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(
        FormatError, match=rf"at least 2 voxels .* 'a' .* shape {shown} \(z, y, x\)"
    ) as caught:
        formats.open_volume(path)
    assert is_one_sentence(caught.value)


def test_two_voxels_an_axis_are_enough(tmp_path):
    grid = make_grid((2, 2, 2))
    write_nrrd(tmp_path / "a.nrrd", make_array((2, 2, 2)), grid)
    assert formats.open_volume(tmp_path / "a.nrrd").grid.is_close(grid)


def test_singular_directions_are_refused_in_every_format(tmp_path):
    grid = make_grid()
    matrix = grid.matrix.copy()
    matrix[:, 1] = matrix[:, 0]
    broken = VoxelGrid(grid.shape, grid.spacing, grid.origin)
    object.__setattr__(broken, "direction", tuple(map(tuple, matrix.tolist())))
    write_nrrd(tmp_path / "a.nrrd", make_array(), broken)
    write_mha(tmp_path / "a.mha", make_array(), broken)
    for name in ("a.nrrd", "a.mha"):
        with pytest.raises((GeometryError, FormatError)) as caught:
            formats.open_volume(tmp_path / name)
        assert is_one_sentence(caught.value)


@pytest.mark.parametrize("writer", [write_nrrd, write_mha])
def test_leaning_axes_are_repaired_in_every_format(tmp_path, writer):
    grid = make_grid()
    matrix = grid.matrix.copy()
    matrix[:, 1] += 0.01 * matrix[:, 0]
    matrix[:, 1] /= np.linalg.norm(matrix[:, 1])
    object.__setattr__(grid, "direction", tuple(map(tuple, matrix.tolist())))
    path = writer(tmp_path / f"a.{writer.__name__[6:]}", make_array(), grid)
    volume = formats.open_volume(path)
    assert "not perpendicular" in volume.source.notes[0]
    np.testing.assert_allclose(np.asarray(volume.source.affine), grid.affine, atol=1e-9)


def test_channels_on_different_grids_are_refused(tmp_path):
    first = write_nrrd(tmp_path / "c_0000.nrrd", make_array(), make_grid())
    moved = make_grid(origin=(-31.5, 12.25, 80.02))
    second = write_nrrd(tmp_path / "c_0001.nrrd", make_array(), moved)
    with pytest.raises(
        GeometryError, match=r"'c_0001.nrrd' has shape .*80.02"
    ) as caught:
        formats.open_volume([first, second])
    assert str(caught.value).count("\n") == 0
    near = make_grid(origin=(-31.5, 12.25, 80.005))
    write_nrrd(second, make_array() + 7, near)
    volume = formats.open_volume([first, second])
    np.testing.assert_array_equal(volume.array[1], make_array() + 7)
    assert volume.name == "c"


def test_a_folder_among_channels_is_refused(tmp_path):
    first = write_nrrd(tmp_path / "a.nrrd", make_array(), GRID)
    (tmp_path / "b").mkdir()
    with pytest.raises(
        FormatError, match="channels must be files, but 'b' is a folder"
    ):
        formats.open_volume([first, tmp_path / "b"])


def test_channels_of_different_types_become_one_type(tmp_path):
    first = write_nifti(tmp_path / "a.nii", make_array(), RAS)
    second = write_nifti(tmp_path / "b.nii", make_array(dtype=np.float32) / 2, RAS)
    volume = formats.open_volume([first, second])
    np.testing.assert_array_equal(volume.array[1], make_array() / 2)
    np.testing.assert_array_equal(volume.array[0], make_array())


def test_a_constant_image_opens(tmp_path):
    path = write_nifti(tmp_path / "a.nii", np.full((5, 6, 7), 3, np.int16), RAS)
    assert np.unique(formats.open_volume(path).array).tolist() == [3]


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = write_nifti(tmp_path / "a.nii", make_array(), RAS)

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("napari_mednext.formats.reading.find_nifti", refuse)
    with pytest.raises(
        FormatError, match=r"'a.nii' cannot be read \(Permission denied"
    ):
        formats.open_volume(path)
