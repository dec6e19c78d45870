import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext.formats.itk import quiet


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
