import gzip
import os
from contextlib import contextmanager

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext import formats
from napari_mednext.errors import (
    FormatError,
    GeometryError,
    InputError,
    StorageError,
)
from napari_mednext.formats import placing, writing
from napari_mednext.volume import Segmentation, SourceHeader, Volume, reorient
from tests.formats.makers import make_array, make_grid, read_independently

GRID = make_grid(degrees=(4.0, -11.0, 23.0), code="RSP")
ENDINGS = formats.WRITABLE_ENDINGS


def make_mask(dtype=np.uint8):
    return Segmentation(make_array(dtype=dtype), GRID)


@contextmanager
def file_size_limit(size):
    """Let the system refuse to write more than ``size`` bytes, as a full disk does."""
    resource = pytest.importorskip("resource")  # not on Windows
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def noise_mask():
    labels = np.random.default_rng(2).integers(0, 255, (30, 40, 50)).astype(np.uint8)
    return Segmentation(labels, make_grid(labels.shape))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_mask_is_on_disk_and_nothing_else(tmp_path, ending):
    path = formats.save_segmentation(make_mask(), tmp_path / f"mask{ending}")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert path.name in names
    assert names == (["mask.mhd", "mask.zraw"] if ending == ".mhd" else [path.name])


def test_the_same_mask_gives_the_same_bytes(tmp_path):
    first = formats.save_segmentation(make_mask(), tmp_path / "a.nii.gz")
    second = formats.save_segmentation(make_mask(), tmp_path / "b.nii.gz")
    assert first.read_bytes() == second.read_bytes()
    assert gzip.decompress(first.read_bytes())[344:348] == b"n+1\0"


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path, ending):
    path = tmp_path / f"mask{ending}"
    path.write_bytes(b"precious")
    with pytest.raises(StorageError, match="exists already: choose another name or"):
        formats.save_segmentation(make_mask(), path)
    assert path.read_bytes() == b"precious"
    formats.save_segmentation(make_mask(), path, overwrite=True)
    np.testing.assert_array_equal(read_independently(path)[0], make_mask().array)


@pytest.mark.parametrize("name", ["mask", "mask.png", "mask.dcm", ".nii.gz", "m.img"])
def test_endings_that_cannot_be_written_are_refused(tmp_path, name):
    with pytest.raises(FormatError, match=rf"must end in one of .*\.mhd, got '{name}'"):
        formats.save_segmentation(make_mask(), tmp_path / name)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(
        StorageError, match=r"folder .*nowhere' must exist: make it first"
    ):
        formats.save_segmentation(make_mask(), tmp_path / "nowhere" / "mask.nii")


def test_a_folder_as_output_is_refused(tmp_path):
    (tmp_path / "mask.nii").mkdir()
    with pytest.raises(
        StorageError, match=r"must be a file, but .*mask.nii' is a folder"
    ):
        formats.save_segmentation(make_mask(), tmp_path / "mask.nii", overwrite=True)


def test_a_folder_that_says_it_is_read_only_is_refused(tmp_path, monkeypatch):
    # Root may write everywhere, so the system's answer is replaced.
    monkeypatch.setattr(placing.os, "access", lambda *_: False)
    with pytest.raises(StorageError, match="cannot be written to: choose another"):
        formats.check_output(tmp_path / "mask.nii")


def test_a_folder_that_cannot_be_written_to_is_refused():
    # Nobody, not even root, may make folders in /proc.
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - only asks the system
        pytest.skip("there is no /proc here")
    with pytest.raises(StorageError, match=r"(could not be|cannot be) written to"):
        formats.save_segmentation(make_mask(), "/proc/self/mask.nii.gz")


def test_output_is_checked_before_the_work(tmp_path):
    path = tmp_path / "mask.nii"
    assert formats.check_output(path) == path
    path.touch()
    with pytest.raises(StorageError, match="exists already"):
        formats.check_output(path)
    assert formats.check_output(path, overwrite=True) == path


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_leaves_nothing_and_keeps_the_older_file(tmp_path, ending):
    path = tmp_path / f"mask{ending}"
    path.write_bytes(b"precious")
    with (
        file_size_limit(2000),
        pytest.raises(StorageError, match=r"'mask.* could not be written .* make room"),
    ):
        formats.save_segmentation(noise_mask(), path, overwrite=True)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_no_space_left_is_said(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write_nifti", fail)
    with pytest.raises(StorageError, match=r"\(no space left on device\): nothing was"):
        formats.save_segmentation(make_mask(), tmp_path / "mask.nii.gz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["_write_nifti", "_prove", "mask_header"])
def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch, moment):
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(b"precious")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        formats.save_segmentation(make_mask(), path, overwrite=True)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_in_the_middle_of_the_voxels_leaves_nothing(tmp_path, monkeypatch):
    written = []

    class Interrupted(gzip.GzipFile):
        def write(self, data):
            written.append(len(data))
            if len(written) == 2:
                super().write(bytes(data)[:1000])
                raise KeyboardInterrupt
            return super().write(data)

    monkeypatch.setattr(writing.gzip, "GzipFile", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        formats.save_segmentation(noise_mask(), tmp_path / "mask.nii.gz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("at", "what"), [(-3, "voxels"), (280, "positions"), (123, "positions")]
)
def test_a_file_that_reads_back_differently_is_not_kept(
    tmp_path, monkeypatch, at, what
):
    write = writing._write_nifti

    def damage(array, raw, path, *, labels):
        write(array, raw, path, labels=labels)
        data = bytearray(path.read_bytes())
        data[at] ^= 3
        path.write_bytes(data)

    source = SourceHeader(grid=GRID)
    mask = Segmentation(make_array(dtype=np.uint8), GRID, source=source)
    monkeypatch.setattr(writing, "_write_nifti", damage)
    if at == 280:
        monkeypatch.setattr(writing, "TOLERANCE_MM", 0.0)
        monkeypatch.setattr(writing, "_tolerance_mm", lambda _: 0.0)
    with pytest.raises(StorageError, match=f"read back with other {what} than"):
        formats.save_segmentation(mask, tmp_path / "mask.nii")
    assert list(tmp_path.iterdir()) == []


def test_other_header_fields_are_noticed(tmp_path, monkeypatch):
    image = nib.Nifti1Image(make_array().T, np.diag([1.0, 2, 3, 1]))
    image.header.set_qform(image.affine, 1)
    nib.save(image, tmp_path / "a.nii")
    volume = formats.open_volume(tmp_path / "a.nii")
    mask = Segmentation(volume.array[0].astype("u1"), volume.grid, source=volume.source)
    header = writing.mask_header
    monkeypatch.setattr(
        writing,
        "mask_header",
        lambda a, raw, intent: header(a, {**raw, "qform_code": 3}, intent=intent),
    )
    with pytest.raises(StorageError, match="read back with other header fields"):
        formats.save_segmentation(mask, tmp_path / "mask.nii")


def test_a_mask_that_is_not_on_its_source_is_refused(tmp_path):
    source = SourceHeader(grid=make_grid((5, 6, 8)))
    mask = Segmentation(make_array(dtype=np.uint8), GRID, source=source)
    with pytest.raises(GeometryError, match=r"shape \(5, 6, 7\) .*source \(5, 6, 8\)"):
        formats.save_segmentation(mask, tmp_path / "mask.nii")


@pytest.mark.parametrize(
    ("top", "dtype"), [(255, np.uint8), (256, np.uint16), (65535, np.uint16)]
)
def test_labels_take_the_smallest_type_that_holds_them(tmp_path, top, dtype):
    labels = np.zeros((5, 6, 7), np.int64)
    labels[1, 2, 3] = top
    path = formats.save_segmentation(Segmentation(labels, GRID), tmp_path / "m.nrrd")
    written = read_independently(path)[0]
    assert written.dtype == dtype
    np.testing.assert_array_equal(written, labels)


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [(-1, np.int16, "-1"), (65536, np.int32, "65536"), (0.5, np.float32, "float32")],
)
def test_labels_that_fit_no_type_are_refused(tmp_path, value, dtype, shown):
    labels = np.zeros((5, 6, 7), dtype)
    labels[1, 2, 3] = value
    with pytest.raises(
        InputError, match=f"whole numbers from 0 to 65535, got .*{shown}"
    ):
        formats.save_segmentation(Segmentation(labels, GRID), tmp_path / "m.nrrd")


@pytest.mark.parametrize("ending", ENDINGS)
def test_channels_are_written_as_vectors_that_itk_reads(tmp_path, ending):
    array = np.random.default_rng(0).random((3, 5, 6, 7)).astype(np.float32)
    array[0, 0, 0, 0] = np.nan if ending == ".nrrd" else 0
    path = formats.save_volume(Volume(array, GRID), tmp_path / f"p{ending}")
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(
        np.moveaxis(sitk.GetArrayFromImage(image), -1, 0), array
    )
    np.testing.assert_array_equal(formats.open_volume(path).array, array)


@pytest.mark.parametrize("ending", ENDINGS)
def test_values_that_are_not_finite_survive_writing(tmp_path, ending):
    array = make_array(dtype=np.float32)
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    path = formats.save_volume(Volume(array, GRID), tmp_path / f"a{ending}")
    np.testing.assert_array_equal(formats.open_volume(path).array[0], array)


@pytest.mark.parametrize(
    ("dtype", "value", "written"),
    [
        (bool, True, np.uint8),
        (np.float16, 0.5, np.float32),
        (np.int64, -7, np.int32),
        (np.uint64, 2**40, np.float64),
        (">i2", -7, np.int16),
        (np.float64, 1e-9, np.float64),
    ],
)
@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
def test_volume_types_are_written_without_loss(tmp_path, dtype, value, written, ending):
    array = np.full((5, 6, 7), value, dtype)
    path = formats.save_volume(Volume(array, GRID), tmp_path / f"a{ending}")
    again = formats.open_volume(path).array
    assert again.dtype == written
    assert (again == value).all()


def test_a_crop_is_written_on_its_own_grid(tmp_path):
    nib.save(
        nib.Nifti1Image(make_array().T, np.diag([2.0, 3, 4, 1])), tmp_path / "a.nii"
    )
    volume = formats.open_volume(tmp_path / "a.nii")
    crop = make_grid((3, 4, 5))
    path = formats.save_volume(
        Volume(make_array((3, 4, 5)), crop, source=volume.source), tmp_path / "b.nii"
    )
    assert formats.open_volume(path).grid.is_close(crop, tolerance_mm=1e-4)


def test_names_and_colours_do_not_change_a_mask(tmp_path):
    mask = Segmentation(make_array(dtype=np.uint8), GRID, {1: "a"}, {1: (1, 2, 3)})
    turned = reorient(mask, "LPS")
    kept = SourceHeader(grid=GRID)
    turned = Segmentation(turned.array, turned.grid, turned.names, source=kept)
    path = formats.save_segmentation(turned, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_independently(path)[0], mask.array)


@pytest.mark.parametrize("is_there", [False, True])
def test_an_interrupt_between_the_two_files_of_a_pair_puts_both_back(
    tmp_path, monkeypatch, is_there
):
    path = tmp_path / "mask.mhd"
    if is_there:
        formats.save_segmentation(make_mask(), path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    replace = type(path).replace

    def interrupted(source, target):
        if source.name == "mask.mhd":
            raise KeyboardInterrupt
        return replace(source, target)

    monkeypatch.setattr(type(path), "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        formats.save_segmentation(noise_mask(), path, overwrite=True)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_folder_that_refuses_new_folders_is_said(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(placing.tempfile, "mkdtemp", refuse)
    with pytest.raises(
        StorageError, match=r"\(permission denied\): nothing was changed"
    ):
        formats.save_segmentation(make_mask(), tmp_path / "mask.nii")
