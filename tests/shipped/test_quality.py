"""What the shipped model says of the shipped samples, without running it on them."""

from importlib.resources import files

import numpy as np
import pytest

from napari_mednext.formats import open_volume
from napari_mednext.inference.grey import look_at
from napari_mednext.inference.quality import judge, known_of
from napari_mednext.models import find_model
from napari_mednext.preprocessing import Geometry
from napari_mednext.volume import Volume, VoxelGrid, reorient

SAMPLES = files("napari_mednext") / "resources" / "samples"
#: Tissue of the sample's reference -> a label of the model: white, grey, CSF, the rest.
ALIKE = np.array([0, 2, 1, 4, 10, 10, 0], np.uint8)


@pytest.fixture(scope="module")
def model():
    return find_model("brain_mr")


@pytest.fixture(scope="module")
def head():
    """The sample head and labels of it as the model would call them."""
    scan = reorient(open_volume(SAMPLES / "colin27_t1.nii.gz"), "RAS")
    tissues = reorient(open_volume(SAMPLES / "colin27_labels.nii.gz"), "RAS")
    return scan.array[0], ALIKE[tissues.array[0]]


def findings(model, array, labels, cut=(slice(None),) * 3):
    array, labels = array[cut], labels[cut]
    volume = Volume(array, VoxelGrid(array.shape))
    box = tuple((0, n) for n in array.shape)
    geometry = Geometry(
        (0, 1, 2), array.shape, (1.0,) * 3, box, array.shape, (2.0,) * 3
    )
    return judge(volume, labels, model, geometry).warnings


def test_the_card_says_what_the_model_knows(model):
    known = known_of(model)
    assert known.modality == "MR"
    assert known.whole_name == "brain"
    assert set(known.whole) == set(model.labels.names) - {10}
    assert 500 < known.whole_ml[0] < 1100 < 1700 < known.whole_ml[1] < 4000
    assert 0 < known.confidence["0.05"] < known.confidence["0.5"] < 1


@pytest.mark.parametrize(
    ("sample", "is_ct"),
    [("colin27_t1", False), ("ct_abdomen", True), ("mr_abdomen", False)],
)
def test_samples_are_told_apart_by_their_values(sample, is_ct):
    volume = open_volume(SAMPLES / f"{sample}.nii.gz")
    assert look_at(volume.array[0]).is_like_ct is is_ct


def test_a_whole_head_is_not_warned_about(model, head):
    assert findings(model, *head) == ()


@pytest.mark.parametrize(
    "cut",
    [
        np.s_[:100],  # without the crown
        np.s_[70:],  # without what lies below the eyes
        np.s_[:, 100:],
        np.s_[:, :, :90],
    ],
)
def test_a_head_that_is_cut_is(model, head, cut):
    assert "border" in [each.code for each in findings(model, *head, cut)]
