import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext import formats
from napari_mednext.formats.itk import quiet
from napari_mednext.volume import VoxelGrid
from tests.formats.makers import make_array


def test_warnings_stay_off_until_the_last_reader_is_done_and_come_back():
    shows = sitk.ProcessObject.GetGlobalWarningDisplay
    before = shows()
    first, second = quiet(), quiet()
    with first:
        second.__enter__()
        assert not shows()
    assert not shows()
    second.__exit__(None, None, None)
    assert shows() == before


def test_minc_counts_to_the_right_and_to_the_front(tmp_path):
    # ITK neither writes nor reads the turn between MINC's axes and those of DICOM, so
    # what it calls L, P, S in the file is R, A, S.
    image = sitk.GetImageFromArray(make_array(dtype=np.float32))
    image.SetOrigin((-98.0, -134.0, -72.0))
    image.SetSpacing((7.0, 8.0, 9.0))
    sitk.WriteImage(image, str(tmp_path / "a.mnc"))
    volume = formats.open_volume(tmp_path / "a.mnc")
    expected = VoxelGrid(
        (5, 6, 7), (9, 8, 7), (98, 134, -72), ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
    )
    assert volume.grid.is_close(expected)
    np.testing.assert_array_equal(volume.array[0], make_array())
