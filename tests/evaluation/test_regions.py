"""Regions files, and the names of labels."""

import json

import pytest

from napari_mednext.errors import InputError
from napari_mednext.evaluation import Region, Regions
from napari_mednext.evaluation.regions import label_names

BRAIN = {"name": "brain", "prediction": [2, 1], "reference": [5]}


def write(path, **changes):
    document = {"schema": 1, "regions": [BRAIN], **changes}
    path.write_text(json.dumps(document))
    return path


def test_file_and_back(tmp_path):
    regions = Regions.load(write(tmp_path / "r.json", ignore_reference=[255]))
    assert regions == Regions((Region("brain", (1, 2), (5,)),), (255,))
    (tmp_path / "again.json").write_text(json.dumps(regions.to_dict()))
    assert Regions.load(tmp_path / "again.json") == regions


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schema": 2}, "schema of 'r.json' must be 1, got 2"),
        ({"region": []}, "got 'region': remove it"),
        ({"regions": {}}, "must hold a list of regions, got {}"),
        ({"regions": []}, "must have a name each, got none"),
        ({"regions": [BRAIN, BRAIN]}, "got 'brain' twice"),
        ({"regions": [{**BRAIN, "name": " "}]}, "must have a name, got an empty one"),
        ({"regions": [{"name": "a", "prediction": [1]}]}, "reference is missing in"),
        ({"regions": [{**BRAIN, "reference": []}]}, "at least one label value"),
        ({"regions": [{**BRAIN, "reference": 5}]}, "list of label values, got 5"),
        ({"regions": [{**BRAIN, "reference": [0]}]}, "from 1 to 65535, got 0"),
        ({"regions": [{**BRAIN, "reference": [65536]}]}, "got 65536: correct it"),
        ({"regions": [{**BRAIN, "reference": [True]}]}, "got True: correct it"),
        ({"ignore_reference": [-1]}, "from 0 to 65535, got -1"),
        ({"regions": [3]}, "must hold an object here, got 3"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        Regions.load(write(tmp_path / "r.json", **changes))


def test_file_that_is_missing_or_no_json_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"r\.json' must be readable, got No such"):
        Regions.load(tmp_path / "r.json")
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(InputError, match=r"'r\.json' must be JSON, got Expecting"):
        Regions.load(tmp_path / "r.json")
    (tmp_path / "r.json").write_text(" " * 2**20 + "{}")
    with pytest.raises(InputError, match="got more than 1 MB"):
        Regions.load(tmp_path / "r.json")


def test_ends_of_the_range_of_values_are_taken():
    region = Region("a", (1,), (65535,))
    assert region.value is None
    assert Region("a", (65535,), (65535,)).value == 65535
    assert Regions((region,), (0, 65535)).ignore_reference == (0, 65535)


def test_labels_of_one_name_are_told_apart():
    regions = Regions.of_labels([4, 0, 2, 3], {2: "lung", 4: "lung"})
    assert [each.name for each in regions.regions] == [
        "lung (2)",
        "label 3",
        "lung (4)",
    ]
    assert [each.value for each in regions.regions] == [2, 3, 4]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"background": 0, "cortex": 1, "white": 2}, {1: "cortex", 2: "white"}),
        ({"0": "background", "1": "cortex"}, {1: "cortex"}),
        ({"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, {2: "core"}),
        (["cortex"], {}),
    ],
)
def test_names_come_from_the_nearest_dataset(tmp_path, labels, names):
    inner = tmp_path / "labels"
    inner.mkdir()
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert label_names([inner, tmp_path]) == names
    (inner / "dataset.json").write_text('{"labels": {"nearer": 1}}')
    assert label_names([inner, tmp_path]) == {1: "nearer"}


def test_broken_dataset_gives_no_names(tmp_path):
    (tmp_path / "dataset.json").write_text("[")
    assert label_names([tmp_path]) == {}
