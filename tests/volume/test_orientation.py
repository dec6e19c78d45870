import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mednext.errors import GeometryError
from napari_mednext.volume import (
    Segmentation,
    SourceHeader,
    Volume,
    VoxelGrid,
    orientation_code,
    reorient,
    turn_between,
)
from tests.formats.makers import make_array, make_grid, xyz_ras
from tests.formats.test_laws import CODES

laws = settings(deadline=None, derandomize=True, max_examples=80)
angles = st.tuples(*[st.floats(-180.0, 180.0)] * 3)


@pytest.mark.parametrize("code", CODES)
def test_codes_name_the_sides_towards_which_the_index_grows(code):
    assert orientation_code(make_grid(code=code)) == code


@laws
@given(degrees=angles, code=st.sampled_from(CODES))
def test_codes_of_oblique_grids_are_those_of_nibabel(degrees, code):
    grid = make_grid(degrees=degrees, code=code)
    assert orientation_code(grid) == "".join(nib.aff2axcodes(xyz_ras(grid)))


@laws
@given(degrees=angles)
def test_ras_is_the_canonical_orientation_of_nibabel(degrees):
    volume = Volume(make_array(), make_grid(degrees=degrees, code="PIR"))
    image = nib.Nifti1Image(volume.array[0].T, xyz_ras(volume.grid))
    canonical = nib.as_closest_canonical(image)
    ours = reorient(volume, "RAS")
    np.testing.assert_array_equal(ours.array[0], np.asarray(canonical.dataobj).T)
    np.testing.assert_allclose(xyz_ras(ours.grid), canonical.affine, atol=1e-9)


def test_turning_a_tiny_volume_written_by_hand():
    # One row of voxels along x that runs to the right, from 10 mm left of the middle.
    grid = VoxelGrid(
        (1, 1, 3), (4, 3, 2), (10, 0, 0), ((-1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    turned = reorient(Volume(np.array([[[1, 2, 3]]]), grid), "SPL")
    assert turned.array[0].tolist() == [[[3]], [[2]], [[1]]]
    assert turned.grid.shape == (3, 1, 1)
    assert turned.grid.spacing == (2, 3, 4)
    assert turned.grid.origin == (6, 0, 0)


def test_channels_stay_in_front_and_the_source_is_kept():
    grid = make_grid()
    source = SourceHeader(grid=grid)
    volume = Volume(np.stack([make_array(), -make_array()]), grid, "case", source)
    turned = reorient(volume, "sra")
    assert turned.array.shape == (2, 6, 7, 5)
    np.testing.assert_array_equal(turned.array[1], -turned.array[0])
    assert turned.source is source
    assert turned.name == "case"


def test_segmentations_keep_their_names():
    labels = Segmentation(make_array(dtype=np.uint8), make_grid(), {1: "liver"})
    assert reorient(labels, "RIA").names == {1: "liver"}


def test_an_array_is_turned_without_a_copy():
    volume = Volume(make_array(), make_grid())
    assert np.shares_memory(reorient(volume, "RAS").array, volume.array)


@pytest.mark.parametrize("code", ["", "LP", "LPL", "LPX", "LPSS", "LLP"])
def test_words_that_are_no_orientation_are_refused(code):
    with pytest.raises(GeometryError, match=f"got {code!r}"):
        reorient(Volume(make_array(), make_grid()), code)


@pytest.mark.parametrize("code", CODES)
def test_a_turn_is_found_between_two_orders_of_the_same_voxels(code):
    grid = make_grid(degrees=(5, 10, 15), code="IRP")
    turned = reorient(Volume(make_array(), grid), code)
    turn = turn_between(turned.grid, grid)
    np.testing.assert_array_equal(turn.array(turned.array)[0], make_array())


@pytest.mark.parametrize(
    "other",
    [
        make_grid(origin=(-31.5, 12.25, 80.1)),
        make_grid(shape=(5, 6, 8)),
        make_grid(spacing=(3.0, 0.7, 2.2)),
        make_grid(degrees=(45, 45, 0)),
        make_grid(degrees=(0, 0, 5)),
    ],
)
def test_grids_of_other_voxels_have_no_turn(other):
    assert turn_between(make_grid(), other) is None
    assert turn_between(other, make_grid()) is None
