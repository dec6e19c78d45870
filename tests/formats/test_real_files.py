"""Files of other people's scanners and programs; skipped where they are not here."""

import nibabel as nib
import numpy as np
import pytest

from napari_mednext import formats
from napari_mednext.errors import ChannelError, GeometryError
from napari_mednext.volume import (
    Segmentation,
    orientation_code,
    reorient,
    turn_between,
)
from tests.formats.makers import RAS_LPS

#: File -> (frames, (z, y, x)).
READABLE = {
    "avg152T1_LR_nifti2.nii.gz": (1, (91, 109, 91)),
    "camitk_analyze/BigEndian.hdr": (1, (8, 6, 6)),
    "camitk_analyze/BigEndian.img": (1, (8, 6, 6)),
    "camitk_analyze/LittleEndianCompressed.hdr": (1, (8, 6, 6)),
    "camitk_analyze/LittleEndianCompressed.img.gz": (1, (8, 6, 6)),
    "camitk_analyze/minimal.nii.gz": (1, (10, 64, 64)),
    "nibabel/anatomical.nii": (1, (25, 41, 33)),
    "nibabel/example4d.nii.gz": (2, (24, 96, 128)),
    "nibabel/example_nifti2.nii.gz": (2, (12, 20, 32)),
    "nibabel/functional.nii": (20, (3, 21, 17)),
    "nibabel/reoriented_anat_moved.nii": (1, (22, 26, 21)),
    "nibabel/small.mnc": (1, (18, 28, 29)),
    "papaya_dti_V1_4d_vector.nii.gz": (3, (53, 128, 128)),
    "sinus-displaced_rot45.mha": (1, (163, 256, 256)),
    "ts_ct_dicom_j2k": (1, (20, 512, 512)),
    "ts_ct_dicom_seg117.nii.gz": (1, (20, 512, 512)),
}
#: Its axes are columns of a made-up matrix, 50 degrees from perpendicular.
SHEARED = "nibabel/test.mgz"


def test_every_file_is_in_the_table(shared_data):
    folder = shared_data / "formats"
    files = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "ts_ct_dicom_j2k"
    }
    assert files == set(READABLE) - {"ts_ct_dicom_j2k"} | {SHEARED}


@pytest.mark.parametrize("name", READABLE)
def test_the_file_opens_and_its_mask_lies_on_it(shared_data, tmp_path, name):
    path = shared_data / "formats" / name
    frames, shape = READABLE[name]
    if frames > 1:
        with pytest.raises(ChannelError, match=f"frame from 0 to {frames - 1}"):
            formats.open_volume(path)
    volume = formats.open_volume(path, frame=frames - 1 if frames > 1 else None)
    assert volume.array.shape == (1, *shape)
    if name.endswith((".nii", ".nii.gz")):
        image = nib.load(path)
        ours = RAS_LPS @ volume.grid.affine[:, [2, 1, 0, 3]]
        np.testing.assert_allclose(ours, image.affine, atol=1e-4)
        one = image.slicer[..., frames - 1] if frames > 1 else image
        np.testing.assert_allclose(
            volume.array[0], np.asanyarray(one.dataobj).T, rtol=1e-6
        )
    canonical = reorient(volume, "RAS")
    labels = (canonical.array[0] > np.median(canonical.array)).astype(np.uint8)
    mask = Segmentation(labels, canonical.grid, source=canonical.source)
    saved = formats.save_segmentation(mask, tmp_path / "mask.nii.gz")
    again = formats.open_volume(saved)
    assert again.grid.is_close(volume.grid, tolerance_mm=1e-4)
    np.testing.assert_array_equal(
        again.array[0], volume.array[0] > np.median(volume.array)
    )


def test_a_made_up_matrix_is_refused(shared_data):
    with pytest.raises(GeometryError, match="degrees off: resample the volume"):
        formats.open_volume(shared_data / "formats" / SHEARED, frame=0)


def test_minc_lies_in_the_head_the_right_way_round(shared_data):
    volume = formats.open_volume(shared_data / "formats" / "nibabel" / "small.mnc")
    # MINC counts to the right and to the front; the MNI head ends 134 mm behind.
    assert orientation_code(volume.grid) == "RAS"
    np.testing.assert_allclose(volume.grid.origin, (98, 134, -72))
    np.testing.assert_allclose(volume.grid.spacing, (9, 8, 7))


def test_a_volume_turned_by_45_degrees_keeps_its_turn(shared_data):
    path = shared_data / "formats" / "sinus-displaced_rot45.mha"
    grid = formats.open_volume(path).grid
    assert grid.obliquity_deg == pytest.approx(45, abs=1e-3)
    head = path.read_bytes()[:2000].decode("latin-1")
    line = next(x for x in head.splitlines() if x.startswith("TransformMatrix"))
    axes = np.array(line.split(" = ")[1].split(), float).reshape(3, 3)
    np.testing.assert_allclose(grid.matrix.T, axes, atol=1e-6)


#: TotalSegmentator class -> range of its mean in Hounsfield units.
ANATOMY = {
    1: (60, 160),  # spleen
    5: (60, 160),  # liver
    32: (150, 450),  # vertebra
    33: (150, 450),
    79: (-20, 60),  # spinal cord
    **dict.fromkeys(range(97, 115), (150, 450)),  # ribs
}


def test_dicom_and_labels_whose_rows_run_the_other_way_overlay(shared_data):
    ct = formats.open_volume(shared_data / "formats" / "ts_ct_dicom_j2k")
    labels = formats.open_volume(shared_data / "formats" / "ts_ct_dicom_seg117.nii.gz")
    assert (orientation_code(ct.grid), orientation_code(labels.grid)) == ("LPS", "LAS")
    turn = turn_between(labels.grid, ct.grid)
    assert turn.flips == (False, True, False)
    assert turn.grid(labels.grid).is_close(ct.grid, tolerance_mm=1e-4)

    # The same by world coordinates, without the turn.
    for value, (low, high) in ANATOMY.items():
        index = np.argwhere(labels.array[0] == value)
        if not len(index):
            continue
        world = labels.grid.to_world(index) - ct.grid.affine[:3, 3]
        inside = np.linalg.solve(ct.grid.affine[:3, :3], world.T)
        at = np.rint(inside).astype(int)
        assert np.abs(inside - at).max() < 1e-3
        mean = ct.array[0][tuple(at)].mean()
        assert low < mean < high, f"class {value}: {mean} HU"
    # Laid over it upside down, bones are no bones.
    ribs = (labels.array[0] >= 97) & (labels.array[0] <= 114)
    right, wrong = ct.array[0][turn.array(ribs)].mean(), ct.array[0][ribs].mean()
    assert right > 200 > wrong


def test_nothing_is_in_the_way_of_finding_all_files(shared_data):
    sources = formats.find_sources(shared_data / "formats")
    assert len(sources) == 15
    assert len({source.name for source in sources}) == 15
