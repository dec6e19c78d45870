"""The shipped model on the shipped sample, which it has never seen.

The reference has two brain tissues, grey (2) and white (1), drawn at 1 mm. The
brainstem is left out of both in the model's classes: references disagree about it.
"""

from importlib.resources import files

import numpy as np
import pytest

from napari_mednext.formats import open_volume
from napari_mednext.inference import load_model
from napari_mednext.models import find_model
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import reorient

pytestmark = pytest.mark.slow
SAMPLES = files("napari_mednext") / "resources" / "samples"
GREY, WHITE = 2, 1
BRAIN_CLASSES = (1, 2, 5, 6, 7, 8, 9)
WHITE_CLASSES = (2, 6)
GREY_CLASSES = (1, 5, 7, 8)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture(scope="module")
def model():
    return load_model("brain_mr", device="cpu")


@pytest.fixture(scope="module")
def volume():
    return open_volume(SAMPLES / "colin27_t1.nii.gz")


@pytest.fixture(scope="module")
def reference():
    return open_volume(SAMPLES / "colin27_labels.nii.gz").array[0]


@pytest.fixture(scope="module")
def segmented(model, volume):
    return model.segment(volume, settings=InferenceSettings(mirror=False))


def test_brain_and_tissues_are_found(segmented, reference):
    labels = segmented.array
    brain = np.isin(labels, BRAIN_CLASSES)
    assert dice(brain, np.isin(reference, (GREY, WHITE))) >= 0.94
    assert dice(np.isin(labels, WHITE_CLASSES), reference == WHITE) >= 0.80
    assert dice(np.isin(labels, GREY_CLASSES), reference == GREY) >= 0.78


def test_every_class_occurs_with_a_plausible_volume(segmented):
    """Wide bounds of an adult head, in mL: a swapped class falls outside."""
    ml = segmented.volumes_ml()
    bounds = {
        1: (350, 900),
        2: (300, 700),
        3: (5, 120),
        5: (60, 160),
        7: (20, 90),
        8: (3, 20),
        9: (10, 45),
    }
    for value, (low, high) in bounds.items():
        assert low < ml[value] < high, (segmented.names[value], ml[value])


def test_orientation_of_the_file_changes_nothing(model, volume, segmented):
    turned = model.segment(
        reorient(volume, "PIR"), settings=InferenceSettings(mirror=False)
    )
    back = reorient(turned, "RAS").array
    same = np.mean(back == reorient(segmented, "RAS").array)
    assert same == 1.0


def test_card_says_what_a_user_must_know():
    folder = find_model("brain_mr")
    card = folder.card
    assert "for research only; not a medical device" in card.research_use.lower()
    assert any("SynthSeg" in credit for credit in card.credits)
    assert {"colin27"} <= set(card.metrics)
    assert card.limits
    assert folder.weight_file("0").stat().st_size < 15e6


def test_the_sample_is_what_the_model_knows(segmented):
    assert segmented.quality.findings == ()
    assert segmented.quality.figures["confidence"] > 0
