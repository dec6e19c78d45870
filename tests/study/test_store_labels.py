"""Labels of a study: added, renamed, recoloured, and those that it cannot have."""

import os

import pytest

from napari_mednext.errors import InputError
from napari_mednext.labels import LabelSet
from napari_mednext.study import Study
from tests.study.makers import make_study


@pytest.fixture
def study(tmp_path):
    with make_study(tmp_path / "study") as study:
        yield study


def test_changes(study):
    assert study.add_label("tumour").value == 10
    assert study.add_label("cyst", (1, 2, 3)).color == (1, 2, 3)
    study.rename_label(2, "Leber")
    study.recolor_label(10, (4, 5, 6))
    assert study.labels.names == {2: "Leber", 9: "spleen", 10: "tumour", 11: "cyst"}
    assert study.labels.colors[10] == (4, 5, 6)
    with Study.open(study.path) as second:
        assert second.labels == study.labels
    study.set_labels(LabelSet())
    assert len(study.labels) == 0
    assert study.add_label("first").value == 1


def test_labels_that_a_study_cannot_have(study):
    for name in ("ignore", " Ignore ", "", " "):
        with pytest.raises(InputError, match="a label must have a name other than"):
            study.add_label(name)
        with pytest.raises(InputError, match="a label must have a name other than"):
            study.rename_label(2, name)
    for color in ((0, 0, 256), (-1, 0, 0)):
        with pytest.raises(InputError, match="red, green and blue from 0 to 255"):
            study.recolor_label(2, color)
    with pytest.raises(InputError, match="one of the study, got 3: choose one of"):
        study.rename_label(3, "x")
    study.set_labels(LabelSet.from_names({65535: "last"}))
    with pytest.raises(InputError, match=r"must lie in 1\.\.65535"):
        study.add_label("more")
    assert study.labels.names == {65535: "last"}


def test_create_refuses_ignore(tmp_path):
    with pytest.raises(InputError, match="a label must have a name other than"):
        make_study(tmp_path / "x", labels=LabelSet.from_names({1: "ignore"}))
    assert not os.path.lexists(tmp_path / "x")
