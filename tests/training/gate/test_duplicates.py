"""One image has one digest, however it is stored; another image has another."""

import numpy as np
import pytest

from napari_mednext.errors import InputError
from napari_mednext.formats import open_volume
from napari_mednext.training.gate import duplicate_groups, image_digest

SPACING = (3.0, 0.7, 0.7)


def scan():
    return np.random.default_rng(0).integers(-900, 900, (5, 7, 6)).astype(np.int16)


def test_type_order_in_memory_and_sign_of_zero_do_not_count():
    image = scan()
    image[0, 0, 0] = 0
    digest = image_digest(image, SPACING)
    other = image.astype(np.float64)
    other[0, 0, 0] = -0.0
    for same in (other, np.asfortranarray(image), image[None], image.astype(">i4")):
        assert image_digest(same, np.float32(SPACING)) == digest
    assert len(digest) == 64


def test_one_voxel_a_shape_or_a_spacing_counts():
    image = scan()
    changed = image.copy()
    changed[4, 6, 5] += 1
    digests = {
        image_digest(image, SPACING),
        image_digest(changed, SPACING),
        image_digest(image.reshape(5, 6, 7), SPACING),
        image_digest(image, (3.0, 0.7, 0.71)),
        image_digest(image[::-1], SPACING),
    }
    assert len(digests) == 5


def test_every_nan_is_one():
    image = scan().astype(np.float32)
    image[0, 0, 0] = np.nan
    other = image.copy()
    other.view(np.uint32)[0, 0, 0] |= 0x80000001
    assert image_digest(image, SPACING) == image_digest(other, SPACING)


def test_compression_and_file_names_do_not_count(tmp_path):
    import nibabel

    image = scan()
    digests = set()
    for name, dtype in (("a.nii", np.int16), ("b.nii.gz", np.float32)):
        nii = nibabel.Nifti1Image(image.T.astype(dtype), np.diag([0.7, 0.7, 3.0, 1.0]))
        nibabel.save(nii, tmp_path / name)
        volume = open_volume(tmp_path / name)
        digests.add(image_digest(volume.array, volume.grid.spacing))
    assert len(digests) == 1


def test_groups_leave_out_what_is_alone_or_unknown():
    digests = {"d": "2", "a": "1", "b": "", "c": "1", "e": "", "f": "2"}
    assert duplicate_groups(digests) == (("a", "c"), ("d", "f"))


@pytest.mark.parametrize("image", [np.zeros((2, 2)), np.zeros((2, 2, 2), complex)])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(InputError, match=r"must be a \(z, y, x\)"):
        image_digest(image, SPACING)
