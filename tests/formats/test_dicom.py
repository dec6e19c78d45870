import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - the name everybody uses
from pydicom.uid import (
    BasicTextSRStorage,
    EnhancedCTImageStorage,
    generate_uid,
)

from napari_mednext import formats
from napari_mednext.errors import ChannelError, FormatError, GeometryError
from napari_mednext.formats.dicom_headers import is_dicom
from napari_mednext.volume import Segmentation, VoxelGrid, reorient
from tests.formats.makers import (
    make_array,
    make_grid,
    read_independently,
    write_dicom,
    write_series,
)

GRID = make_grid(degrees=(0, 0, 14))


def notes_of(volume):
    return "; ".join(volume.source.notes)


def test_slices_are_stacked_by_position_whatever_their_names(tmp_path):
    write_series(tmp_path / "a", make_array(), GRID, name="{:04d}")
    volume = formats.open_volume(tmp_path / "a")
    np.testing.assert_array_equal(volume.array[0], make_array() - 1024)
    assert volume.grid.is_close(GRID)
    assert volume.source.file_format == "DICOM"
    assert volume.name == "thorax"
    assert volume.source.notes == ()


def test_a_series_is_listed_with_files_from_low_to_high(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    (series,) = formats.list_series(tmp_path)
    assert series.uid == "1.2.3"
    assert (series.description, series.modality) == ("thorax", "CT")
    assert formats.open_volume(tmp_path).source.modality == "CT"
    assert series.files == tuple(paths)
    assert series.shape == (5, 6, 7)
    assert series.notes == ()


def test_other_files_beside_a_series_are_skipped(tmp_path):
    write_series(tmp_path / "deep" / "er", make_array(), GRID)
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "deep" / "noise").write_bytes(bytes(200))
    assert formats.open_volume(tmp_path).array.shape == (1, 5, 6, 7)


def two_series(folder):
    other = VoxelGrid((3, 4, 5), (2, 1, 1))
    write_series(folder / "a", make_array(), GRID, SeriesNumber=2)
    write_series(
        folder / "b",
        make_array((3, 4, 5)),
        other,
        SeriesInstanceUID="1.9",
        SeriesDescription="late phase",
        SeriesNumber=1,
    )


def test_several_series_are_named_until_one_is_chosen(tmp_path):
    two_series(tmp_path)
    listed = formats.list_series(tmp_path)
    assert [series.uid for series in listed] == ["1.9", "1.2.3"]
    with pytest.raises(
        FormatError,
        match=r"holds 2 DICOM series: choose one of 'late phase' \(3 images, uid 1.9\)"
        r", 'thorax' \(5 images, uid 1.2.3\)",
    ):
        formats.open_volume(tmp_path)
    assert formats.open_volume(tmp_path, series="1.9").grid.shape == (3, 4, 5)
    assert formats.open_volume(tmp_path, series="thorax").grid.shape == (5, 6, 7)


def test_a_series_that_is_not_there_is_refused_with_the_names(tmp_path):
    two_series(tmp_path)
    with pytest.raises(FormatError, match=r"no series called 'x': .*'late phase'"):
        formats.open_volume(tmp_path, series="x")


def test_a_description_of_two_series_does_not_choose(tmp_path):
    write_series(tmp_path / "a", make_array(), GRID)
    write_series(tmp_path / "b", make_array(), GRID, SeriesInstanceUID="1.9")
    with pytest.raises(FormatError, match="several series called 'thorax'"):
        formats.open_volume(tmp_path, series="thorax")


def test_a_localiser_does_not_make_the_user_choose(tmp_path):
    write_series(tmp_path / "a", make_array(), GRID)
    write_series(
        tmp_path / "scout", make_array((1, 6, 7)), GRID, SeriesInstanceUID="1.1"
    )
    assert len(formats.list_series(tmp_path)) == 2
    assert formats.open_volume(tmp_path).grid.shape == (5, 6, 7)
    (source,) = formats.find_sources(tmp_path)
    assert source.series == "1.2.3"


def test_slices_of_another_plane_in_a_series_are_a_part_of_their_own(tmp_path):
    write_series(tmp_path, make_array(), GRID)
    coronal = make_grid((3, 6, 7), code="LIP")
    coronal = VoxelGrid((3, 6, 7), coronal.spacing, (0, 0, 0), coronal.direction)
    write_series(tmp_path, make_array((3, 6, 7)), coronal, name="COR{:04d}")
    first, second = sorted(formats.list_series(tmp_path), key=lambda s: s.uid)
    assert (first.uid, second.uid) == ("1.2.3", "1.2.3:2")
    assert {first.description, second.description} == {
        "thorax (part 1 of 2)",
        "thorax (part 2 of 2)",
    }
    for series in (first, second):
        assert len(formats.open_volume(tmp_path, series=series.uid).array[0]) in (3, 5)
    names = [source.name for source in formats.find_sources(tmp_path)]
    assert len(set(names)) == 2
    for source in formats.find_sources(tmp_path):
        assert formats.open_source(source).name == source.name


@pytest.mark.parametrize("tag", ["AcquisitionNumber", "EchoTime"])
def test_volumes_at_the_same_positions_are_frames(tmp_path, tag):
    array = make_array()
    write_series(tmp_path, array, GRID, **{tag: "3"}, InstanceNumber=1)
    write_series(
        tmp_path, array + 500, GRID, name="X{}", **{tag: "20"}, InstanceNumber=1
    )
    word = {"AcquisitionNumber": "acquisition", "EchoTime": "echo time"}[tag]
    (series,) = formats.list_series(tmp_path)
    assert series.notes == (f"the series holds 2 volumes: {word} 3, {word} 20",)
    with pytest.raises(
        ChannelError, match=rf"choose a frame \(0: {word} 3, 1: {word} 20"
    ):
        formats.open_volume(tmp_path)
    for frame in (0, 1):
        volume = formats.open_volume(tmp_path, frame=frame)
        np.testing.assert_array_equal(volume.array[0], array + 500 * frame - 1024)
    with pytest.raises(ChannelError, match="frames 0 to 1, got frame 2"):
        formats.open_volume(tmp_path, frame=2)


def test_acquisitions_of_different_length_are_frames(tmp_path):
    write_series(tmp_path, make_array(), GRID, AcquisitionNumber="1")
    longer = VoxelGrid((8, 6, 7), GRID.spacing, GRID.origin, GRID.direction)
    write_series(
        tmp_path, make_array((8, 6, 7)), longer, name="X{}", AcquisitionNumber="2"
    )
    assert formats.open_volume(tmp_path, frame=1).grid.shape == (8, 6, 7)
    assert formats.open_volume(tmp_path, frame=0).grid.shape == (5, 6, 7)


def test_volumes_without_a_telling_tag_are_sorted_by_instance_number(tmp_path):
    array = make_array()
    write_series(tmp_path, array, GRID, InstanceNumber=[*range(1, 6)])
    write_series(tmp_path, -array, GRID, name="X{}", InstanceNumber=[*range(6, 11)])
    for frame, sign in ((0, 1), (1, -1)):
        volume = formats.open_volume(tmp_path, frame=frame)
        np.testing.assert_array_equal(volume.array[0], sign * array - 1024)


def test_positions_that_repeat_in_part_are_refused(tmp_path):
    write_series(tmp_path, make_array(), GRID)
    part = VoxelGrid((2, 6, 7), GRID.spacing, GRID.origin, GRID.direction)
    write_series(tmp_path, make_array((2, 6, 7)), part, name="X{}")
    with pytest.raises(GeometryError, match="of 5 positions some occur 1 and some 2"):
        formats.open_volume(tmp_path)
    assert "some occur 1" in formats.list_series(tmp_path)[0].notes[-1]


def test_two_acquisitions_one_after_the_other_are_one_volume_and_it_is_said(tmp_path):
    write_series(
        tmp_path, make_array(), GRID, AcquisitionNumber=["1", "1", "1", "2", "2"]
    )
    volume = formats.open_volume(tmp_path)
    assert volume.grid.shape == (5, 6, 7)
    assert notes_of(volume) == "the slices come from 2 acquisitions"


def test_second_copies_of_files_are_left_out_and_counted(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    for path in paths[:2]:
        copy = tmp_path / f"copy of {path.name}"
        copy.write_bytes(path.read_bytes())
    volume = formats.open_volume(tmp_path)
    np.testing.assert_array_equal(volume.array[0], make_array() - 1024)
    assert notes_of(volume) == "2 files are copies of others and were left out"
    assert formats.open_volume(copy).grid.is_close(GRID)


@pytest.mark.parametrize(("lost", "missing"), [((2,), 1), ((2, 3), 2), ((1,), 1)])
def test_a_gap_is_refused_with_its_place(tmp_path, lost, missing):
    grid = make_grid((7, 6, 7))
    paths = write_series(tmp_path, make_array((7, 6, 7)), grid)
    for i in lost:
        paths[i].unlink()
    before = paths[lost[0] - 1].name
    lengths = f"3 mm apart, but {3 * (missing + 1)} mm follow after '{before}'"
    with pytest.raises(GeometryError, match=rf"{lengths} \({missing} missing\)"):
        formats.open_volume(tmp_path)
    assert lengths in formats.list_series(tmp_path)[0].notes[-1]


@pytest.mark.parametrize(("stray_mm", "note"), [(0.015, ""), (0.3, "0.3 mm off")])
def test_slightly_uneven_slices_are_read_with_a_note(tmp_path, stray_mm, note):
    normal = GRID.matrix[:, 2]
    write_series(
        tmp_path, make_array(), GRID, shift=lambda i: normal * stray_mm * (i == 2)
    )
    assert note in notes_of(formats.open_volume(tmp_path))
    assert bool(note) == bool(notes_of(formats.open_volume(tmp_path)))


def test_slices_that_slip_sideways_are_refused(tmp_path):
    write_series(
        tmp_path, make_array(), GRID, shift=lambda i: GRID.matrix[:, 0] * 2.0 * (i == 2)
    )
    with pytest.raises(GeometryError, match="straight stack, but one lies 2 mm beside"):
        formats.open_volume(tmp_path)


def test_a_small_gantry_tilt_is_repaired_and_the_mask_keeps_it(tmp_path):
    grid = make_grid()
    lean = np.tan(np.radians(6.0)) * 3.0

    write_series(tmp_path / "ct", make_array(), grid, shift=lambda i: [0, lean * i, 0])
    volume = formats.open_volume(tmp_path / "ct")
    assert "tilted by 6 degrees (gantry tilt)" in notes_of(volume)
    assert "not perpendicular" in notes_of(volume)
    stacked = grid.affine
    stacked[1, 0] = lean
    np.testing.assert_allclose(np.asarray(volume.source.affine), stacked)

    labels = make_array(dtype=np.uint8)
    mask = Segmentation(labels, volume.grid, source=volume.source)
    path = formats.save_segmentation(mask, tmp_path / "mask.nii")
    # The sform keeps the tilt; ITK, which cannot, falls back to the qform.
    array, where = read_independently(path)
    np.testing.assert_array_equal(array, labels)
    np.testing.assert_allclose(where, stacked, atol=1e-4)
    image = sitk.ReadImage(str(path))
    direction = np.reshape(image.GetDirection(), (3, 3))
    np.testing.assert_allclose(direction, volume.grid.matrix, atol=1e-6)


def test_a_large_gantry_tilt_is_refused(tmp_path):
    lean = np.tan(np.radians(20.0)) * 3.0
    write_series(tmp_path, make_array(), make_grid(), shift=lambda i: [0, lean * i, 0])
    with pytest.raises(GeometryError, match="axes that are 20 degrees off"):
        formats.open_volume(tmp_path)


def test_slopes_that_differ_between_slices_are_applied_to_each(tmp_path):
    slopes = ["1", "0.5", "0.25", "2", "3"]
    write_series(
        tmp_path, make_array(), GRID, RescaleSlope=slopes, RescaleIntercept="0"
    )
    volume = formats.open_volume(tmp_path)
    expected = make_array() * np.array([float(s) for s in slopes])[:, None, None]
    np.testing.assert_array_equal(volume.array[0], expected)
    assert volume.array.dtype == np.float32


def test_one_slice_stands_for_its_series(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    write_series(tmp_path, make_array(), GRID, name="X{}", SeriesInstanceUID="1.9")
    volume = formats.open_volume(paths[3])
    np.testing.assert_array_equal(volume.array[0], make_array() - 1024)
    assert "is one slice: its series of 5 files" in notes_of(volume)


def test_the_files_of_a_series_are_one_volume_not_channels(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    assert formats.open_volume(paths[:3]).array.shape == (1, 3, 6, 7)


def test_a_single_slice_is_no_volume(tmp_path):
    (path,) = write_series(tmp_path, make_array((1, 6, 7)), GRID)
    for where in (path, tmp_path):
        with pytest.raises(
            FormatError, match=r"single slice with the shape \(1, 6, 7\)"
        ):
            formats.open_volume(where)


def test_images_without_positions_are_refused(tmp_path):
    for i in range(3):
        write_dicom(tmp_path / f"{i}", make_array()[i], origin=None)
    with pytest.raises(
        GeometryError, match=r"must say where it lies .* some of 3 do not"
    ):
        formats.open_volume(tmp_path)


def test_a_multi_frame_file_is_a_volume(tmp_path):
    path = write_dicom(
        tmp_path / "multi",
        make_array(),
        origin=(1, 2, 3),
        SpacingBetweenSlices="4",
    )
    volume = formats.open_volume(path)
    np.testing.assert_array_equal(volume.array[0], make_array() - 1024)
    assert "multi-frame" in notes_of(volume)


def enhanced(path, array, grid):
    """An enhanced CT with its geometry in functional groups."""
    write_dicom(path, array, origin=None, SOPClassUID=EnhancedCTImageStorage)
    data = pydicom.dcmread(path)
    del data.PixelSpacing, data.RescaleSlope, data.RescaleIntercept
    shared, measures, rescale = (pydicom.Dataset() for _ in range(3))
    measures.PixelSpacing = list(grid.spacing[1:])
    measures.SpacingBetweenSlices = grid.spacing[0]
    measures.SliceThickness = grid.spacing[0]
    plane = pydicom.Dataset()
    plane.ImageOrientationPatient = [f"{v:.10g}" for v in grid.matrix[:, :2].T.flat]
    rescale.RescaleSlope, rescale.RescaleIntercept = "1", "-1024"
    rescale.RescaleType = "HU"
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [plane]
    shared.PixelValueTransformationSequence = [rescale]
    data.SharedFunctionalGroupsSequence = [shared]
    data.PerFrameFunctionalGroupsSequence = []
    for i in range(len(array)):
        place, frame = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [f"{v:.10g}" for v in grid.to_world([i, 0, 0])]
        frame.PlanePositionSequence = [place]
        data.PerFrameFunctionalGroupsSequence.append(frame)
    data.save_as(path)


def test_an_enhanced_file_is_where_its_functional_groups_say(tmp_path):
    enhanced(tmp_path / "e.dcm", make_array(), GRID)
    volume = formats.open_volume(tmp_path / "e.dcm")
    assert volume.grid.is_close(GRID, tolerance_mm=1e-3)
    np.testing.assert_array_equal(volume.array[0], make_array() - 1024)


def test_reports_beside_a_series_are_no_images(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    report = pydicom.dcmread(paths[0])
    for name in ("PixelData", "Rows", "Columns"):
        delattr(report, name)
    report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.SOPClassUID, report.Modality = BasicTextSRStorage, "SR"
    report.SeriesInstanceUID = generate_uid()
    report.save_as(tmp_path / "SR")
    volume = formats.open_volume(tmp_path)
    assert volume.source.notes == ()


def test_a_slice_that_cannot_be_read_is_named(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    paths[4].write_bytes(paths[4].read_bytes()[:600])
    volume = formats.open_volume(tmp_path)
    assert volume.grid.shape == (4, 6, 7)
    assert notes_of(volume) == (
        f"1 DICOM files cannot be read and are missing: {paths[4].name!r}"
    )
    (source,) = formats.find_sources(tmp_path)
    assert "cannot be read" in notes_of(formats.open_source(source))


def test_pixels_that_cannot_be_decoded_are_refused(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    data = pydicom.dcmread(paths[2])
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    data.PixelData = pydicom.encaps.encapsulate([bytes(100)])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    data.save_as(paths[2])
    with pytest.raises(FormatError, match=f"{paths[2].name!r} cannot be decoded"):
        formats.open_volume(tmp_path)


def test_files_without_a_preamble_are_known_by_their_first_element(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    for path in paths:
        path.write_bytes(path.read_bytes()[132:])
    assert formats.open_volume(tmp_path).grid.is_close(GRID)


def test_an_inverted_series_is_read_with_a_note(tmp_path):
    write_series(tmp_path, make_array(), GRID, PhotometricInterpretation="MONOCHROME1")
    assert "stored inverted (MONOCHROME1)" in notes_of(formats.open_volume(tmp_path))


def test_a_series_without_a_uid_is_called_by_its_folder(tmp_path):
    write_series(tmp_path / "anon", make_array(), GRID, SeriesInstanceUID="")
    (series,) = formats.list_series(tmp_path)
    assert series.uid == "folder:anon"
    assert formats.open_volume(tmp_path, series="folder:anon").grid.is_close(GRID)


def test_a_mask_of_a_series_lies_on_it(tmp_path):
    write_series(tmp_path / "ct", make_array(), GRID)
    volume = reorient(formats.open_volume(tmp_path / "ct"), "RAS")
    labels = (volume.array[0] > -1000).astype(np.uint8)
    mask = Segmentation(labels, volume.grid, source=volume.source)
    again = formats.open_volume(formats.save_segmentation(mask, tmp_path / "m.nii.gz"))
    assert again.grid.is_close(GRID, tolerance_mm=1e-4)
    np.testing.assert_array_equal(again.array[0], make_array() - 1024 > -1000)


def test_a_folder_of_reports_only_has_no_series(tmp_path):
    (path,) = write_series(tmp_path, make_array((1, 6, 7)), GRID)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(FormatError, match="must hold a DICOM series, but it has none"):
        formats.open_volume(tmp_path)
    with pytest.raises(FormatError, match=rf"'{path.name}' must be a DICOM image"):
        formats.open_volume(path)


def test_a_report_is_no_image_even_if_it_is_cut_short(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    data = pydicom.dcmread(paths[4])
    data.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    data.save_as(paths[4])
    paths[4].write_bytes(paths[4].read_bytes()[:500])
    assert notes_of(formats.open_volume(tmp_path)) == ""


def test_a_file_without_any_meta_is_unreadable_not_a_report(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    paths[4].write_bytes(bytes(128) + b"DICM")
    assert "1 DICOM files cannot be read" in notes_of(formats.open_volume(tmp_path))


def test_a_pixel_size_that_is_not_stated_is_said(tmp_path):
    paths = write_series(tmp_path, make_array(), GRID)
    for path in paths:
        data = pydicom.dcmread(path)
        del data.PixelSpacing
        data.save_as(path)
    volume = formats.open_volume(tmp_path)
    assert volume.grid.spacing == (3.0, 1.0, 1.0)
    assert "do not state the size of a pixel" in notes_of(volume)


def test_colours_are_channels(tmp_path):
    colors = np.random.default_rng(0).integers(0, 255, (3, 6, 7, 3)).astype(np.uint8)
    for z, pixels in enumerate(colors):
        path = write_dicom(tmp_path / f"{z}", pixels[..., 0], origin=(0, 0, 2 * z))
        data = pydicom.dcmread(path)
        data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
        data.PhotometricInterpretation = "RGB"
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit, data.PixelRepresentation = 7, 0
        del data.RescaleSlope, data.RescaleIntercept
        data.PixelData = pixels.tobytes()
        data["PixelData"].VR = "OB"
        data.save_as(path)
    volume = formats.open_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, np.moveaxis(colors, -1, 0))


def test_slices_side_by_side_are_no_stack(tmp_path):
    write_series(
        tmp_path,
        make_array(),
        GRID,
        shift=lambda i: GRID.matrix @ [40.0 * i, 0, -3.0 * i],
    )
    with pytest.raises(GeometryError, match="must span three axes"):
        formats.open_volume(tmp_path)


def test_what_cannot_be_opened_is_no_dicom(tmp_path):
    assert not is_dicom(tmp_path)
    assert not is_dicom(tmp_path / "missing")
