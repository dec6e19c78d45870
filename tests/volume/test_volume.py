import numpy as np
import pytest

from napari_mednext.errors import ChannelError, GeometryError
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

GRID = VoxelGrid((2, 3, 4), spacing=(5.0, 2.0, 1.5))


def test_an_array_without_channels_gets_one():
    volume = Volume(np.zeros((2, 3, 4)), GRID)
    assert volume.array.shape == (1, 2, 3, 4)
    assert volume.channels == 1


def test_voxels_are_not_copied():
    array = np.zeros((3, 2, 3, 4), np.float32)
    assert np.shares_memory(Volume(array, GRID).array, array)


@pytest.mark.parametrize("shape", [(3, 4), (0, 2, 3, 4), (1, 1, 2, 3, 4)])
def test_arrays_that_are_no_volume_are_refused(shape):
    with pytest.raises(ChannelError, match=r"must be a \(channel, z, y, x\) array"):
        Volume(np.zeros(shape), GRID)


def test_a_volume_has_the_shape_of_its_grid():
    with pytest.raises(GeometryError, match=r"\(4, 3, 2\) must have .* \(2, 3, 4\)"):
        Volume(np.zeros((4, 3, 2)), GRID)


def test_a_segmentation_has_the_shape_of_its_grid():
    with pytest.raises(GeometryError, match=r"\(4, 3, 2\) must have .* \(2, 3, 4\)"):
        Segmentation(np.zeros((4, 3, 2), np.uint8), GRID)


def test_volumes_are_counted_per_label_with_absent_ones():
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[0, :, :2] = 3
    labels[1, 0, 0] = 7
    segmentation = Segmentation(labels, GRID, {3: "liver", 9: "spleen"})
    # A voxel is 15 mm3.
    assert segmentation.volumes_ml() == pytest.approx({3: 0.09, 7: 0.015, 9: 0.0})
