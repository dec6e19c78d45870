import numpy as np
import pytest

from napari_mednext import formats
from napari_mednext.errors import FormatError
from tests.formats.makers import (
    make_array,
    make_grid,
    write_mha,
    write_nifti,
    write_nrrd,
    write_series,
    xyz_ras,
)

GRID = make_grid()
RAS = xyz_ras(GRID)


def nifti(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_nifti(path, make_array() + value, RAS)


def names(sources):
    return [source.name for source in sources]


def test_a_folder_is_searched_to_the_bottom_in_order(tmp_path):
    nifti(tmp_path / "b.nii.gz")
    nifti(tmp_path / "deep" / "er" / "c.nii")
    write_mha(tmp_path / "a.mha", make_array(), GRID)
    write_series(tmp_path / "ct", make_array(), GRID)
    sources = formats.find_sources(tmp_path)
    assert names(sources) == ["a", "b", "c", "ct"]
    assert sources == formats.find_sources([str(tmp_path)])
    for source in sources:
        volume = formats.open_source(source)
        assert volume.name == source.name
        assert volume.grid.is_close(GRID, tolerance_mm=1e-4)


def test_other_files_are_skipped_without_a_word(tmp_path):
    nifti(tmp_path / "a.nii")
    for name in ("b.txt", "c.json", "d.png", ".hidden.nii", "Thumbs.db", "e"):
        (tmp_path / name).write_bytes(b"x" * 300)
    nifti(tmp_path / ".cache" / "f.nii")
    assert names(formats.find_sources(tmp_path)) == ["a"]


def test_a_damaged_image_is_found_and_named_when_it_is_opened(tmp_path):
    nifti(tmp_path / "a.nii")
    (tmp_path / "broken.nii.gz").write_bytes(b"x" * 300)
    (tmp_path / "broken2.dcm").write_bytes(b"x" * 300)
    sources = formats.find_sources(tmp_path)
    assert names(sources) == ["a", "broken", "broken2"]
    for source in sources[1:]:
        with pytest.raises(FormatError, match=rf"'{source.name}\..* must be an image"):
            formats.open_source(source)


def test_channel_files_are_one_source(tmp_path):
    for channel in range(3):
        nifti(tmp_path / f"case_{channel:04d}.nii.gz", 1000 * channel)
    nifti(tmp_path / "other_0000.nii.gz")
    (case, other) = formats.find_sources(tmp_path)
    assert (case.name, other.name) == ("case", "other")
    volume = formats.open_source(case)
    assert volume.array[:, 0, 0, 0].tolist() == [0, 1000, 2000]
    assert formats.open_source(other).channels == 1


def test_channel_files_that_were_named_outright_are_one_source_too(tmp_path):
    paths = [nifti(tmp_path / f"case_{c:04d}.nii.gz") for c in (1, 0)]
    (source,) = formats.find_sources(paths)
    assert source.paths == (paths[1], paths[0])


@pytest.mark.parametrize("channels", [(1,), (0, 2), (1, 2)])
def test_numbers_with_gaps_are_no_channels(tmp_path, channels):
    for channel in channels:
        nifti(tmp_path / f"case_{channel:04d}.nii.gz")
    sources = formats.find_sources(tmp_path)
    assert [len(source.paths) for source in sources] == [1] * len(channels)
    assert len(set(names(sources))) == len(channels)


def test_channels_of_different_formats_are_not_mixed(tmp_path):
    nifti(tmp_path / "case_0000.nii.gz")
    write_nrrd(tmp_path / "case_0001.nrrd", make_array(), GRID)
    assert len(formats.find_sources(tmp_path)) == 2


def test_a_pair_is_one_source(tmp_path):
    import nibabel as nib

    write_nifti(tmp_path / "a.img", make_array(), RAS, kind=nib.Nifti1Pair)
    (source,) = formats.find_sources(tmp_path)
    np.testing.assert_array_equal(formats.open_source(source).array[0], make_array())
    (named,) = formats.find_sources([tmp_path / "a.img", tmp_path / "a.hdr"])
    assert named.name == "a"


def test_equal_names_are_told_apart_by_folder_then_by_number(tmp_path):
    nifti(tmp_path / "p1" / "scan.nii")
    nifti(tmp_path / "p2" / "Scan.nii")
    write_nrrd(tmp_path / "p2" / "scan.nrrd", make_array(), GRID)
    assert names(formats.find_sources(tmp_path)) == [
        "p1_scan",
        "p2_Scan",
        "p2_scan_2",
    ]


def test_names_are_safe_as_file_names(tmp_path):
    nifti(tmp_path / "a b&c.nii")
    assert names(formats.find_sources(tmp_path)) == ["a_b_c"]


def test_a_source_reached_twice_is_listed_once(tmp_path):
    path = nifti(tmp_path / "a.nii")
    assert len(formats.find_sources([path, tmp_path, tmp_path / "." / "a.nii"])) == 1


def test_two_series_in_one_folder_are_named_by_their_descriptions(tmp_path):
    write_series(tmp_path / "ct", make_array(), GRID)
    write_series(
        tmp_path / "ct",
        make_array(),
        GRID,
        name="X{}",
        SeriesInstanceUID="1.9",
        SeriesDescription="late phase",
    )
    sources = formats.find_sources(tmp_path)
    assert set(names(sources)) == {"ct_thorax", "ct_late_phase"}
    assert {source.series for source in sources} == {"1.2.3", "1.9"}


def test_the_files_of_a_series_named_outright_are_one_source(tmp_path):
    paths = write_series(tmp_path / "ct", make_array(), GRID)
    (source,) = formats.find_sources(paths)
    assert source.paths == tuple(paths)


def test_a_folder_without_volumes_is_refused(tmp_path):
    nifti(tmp_path / "a" / "a.nii")
    (tmp_path / "b").mkdir()
    with pytest.raises(FormatError, match=r"folder .*b' must hold a volume"):
        formats.find_sources([tmp_path / "a", tmp_path / "b"])


def test_a_missing_path_is_refused_before_anything_is_done(tmp_path):
    path = nifti(tmp_path / "a.nii")
    with pytest.raises(FormatError, match=r"at .*b.nii', but there is none"):
        formats.find_sources([path, tmp_path / "b.nii"])


def test_a_file_named_outright_is_returned_even_if_it_is_no_image(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    (source,) = formats.find_sources(tmp_path / "a.txt")
    with pytest.raises(FormatError, match=r"'a.txt' must be an image"):
        formats.open_source(source)


def test_a_frame_of_a_source_can_be_chosen(tmp_path):
    frames = np.stack([make_array(), make_array() + 500])
    write_nifti(tmp_path / "a.nii", frames, RAS)
    (source,) = formats.find_sources(tmp_path)
    volume = formats.open_source(source, frame=1)
    np.testing.assert_array_equal(volume.array[0], frames[1])
