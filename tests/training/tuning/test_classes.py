import numpy as np
import pytest

from napari_mednext.errors import InputError
from napari_mednext.labels import Label, LabelSet
from napari_mednext.training.tuning.classes import IGNORE_HEAD, class_map


def labels(**values):
    return LabelSet(tuple(Label(v, n, (v, v, v)) for n, v in values.items()))


MODEL = labels(cortex=1, white=2, stem=3)


def test_old_heads_keep_their_place_and_new_ones_follow():
    classes = class_map(MODEL, labels(tumour=9, White=4))
    assert classes.names == ("cortex", "white", "stem", "tumour")
    assert dict(classes.heads) == {4: 2, 9: 4}
    assert classes.rows == (0, 1, 2, 3, None)
    assert classes.new_names == ("tumour",)
    assert classes.unlabelled == (1, 3)
    assert classes.background == (0, 1, 3)
    assert classes.learned == (2, 4)


def test_a_target_holds_heads_and_ignores_what_nobody_saw():
    classes = class_map(MODEL, labels(tumour=9, white=4))
    values = np.array([[[0, 4, 9], [7, 9, 0]]], np.uint8)
    known = np.array([[[1, 1, 1], [1, 0, 0]]], bool)
    target = classes.target(values, known)
    assert target.tolist() == [[[0, 2, 4], [IGNORE_HEAD] * 3]]


def test_labels_of_the_study_beyond_a_byte():
    classes = class_map(MODEL, labels(white=700))
    values = np.array([[[700, 0]]], np.uint16)
    assert classes.target(values, values > 0).tolist() == [[[2, IGNORE_HEAD]]]


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (LabelSet(), "must have a label to learn"),
        (LabelSet.from_names({1: "a", 2: " A "}), "a name of its own"),
        (LabelSet.from_names({i: f"n{i}" for i in range(1, 260)}), "can learn 254"),
    ],
)
def test_what_cannot_be_learned_is_told(study, words):
    with pytest.raises(InputError, match=words):
        class_map(MODEL, study)


@pytest.mark.parametrize(
    ("study", "axes"),
    [
        ({1: "liver", 2: "spleen"}, (0, 2)),
        ({1: "left kidney", 2: "right kidney"}, ()),
        ({1: "kidney L"}, (0, 2)),
    ],
)
def test_new_labels_with_sides_end_mirroring(study, axes):
    classes = class_map(LabelSet.from_names({1: "liver"}), LabelSet.from_names(study))
    assert classes.mirror_axes((0, 2)) == axes


def test_a_model_that_knew_sides_keeps_its_axes():
    model = LabelSet.from_names({1: "left lung", 2: "right lung"})
    study = LabelSet.from_names({1: "left lung", 2: "heart"})
    assert class_map(model, study).mirror_axes((1,)) == (1,)
