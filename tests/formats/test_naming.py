import pytest

from napari_mednext.formats import ENDINGS, mask_name
from napari_mednext.formats.naming import ending_of, split_channel


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("case.nii.gz", "case"),
        ("case.NII.GZ", "case"),
        ("some/folder/case.mha", "case"),
        ("case_0000.nii.gz", "case"),
        ("case_0000", "case"),
        ("case_0001.nii.gz", "case_0001"),
        ("scan_2019.nrrd", "scan_2019"),
        ("v1.2.nii", "v1.2"),
        ("CT Body 3.0", "CT Body 3.0"),
        (".nii.gz", ".nii.gz"),
        ("_0000.nii", "_0000"),
    ],
)
def test_masks_are_named_after_their_sources(name, mask):
    assert mask_name(name) == mask


@pytest.mark.parametrize(
    ("name", "case", "channel"),
    [
        ("a_0000.nii.gz", "a", 0),
        ("a_0012.mha", "a", 12),
        ("a_000.nii", "a_000", None),
        ("a_00001.nii", "a_00001", None),
        ("a.nii", "a", None),
    ],
)
def test_channels_are_four_digits_at_the_end(name, case, channel):
    assert split_channel(name) == (case, channel)


def test_longer_endings_are_found_before_shorter_ones():
    for ending in ENDINGS:
        assert ending_of(f"x{ending.upper()}") == ending
    assert ending_of("x.txt") == ""
