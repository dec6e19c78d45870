import pytest

from napari_mednext.errors import ModelError
from napari_mednext.models import make_dataset
from napari_mednext.models.dataset import read_dataset
from napari_mednext.models.documents import Node


def read(labels, **more):
    values = {"channel_names": {"0": "CT"}, "labels": labels, **more}
    return read_dataset(Node(values, "'dataset.json'"))


def test_plain_labels_are_counted_through():
    found = read({"background": 0, "b": 2, "a": 1}, name="Heads")
    assert found.labels.names == {1: "a", 2: "b"}
    assert (found.num_heads, found.name) == (3, "Heads")
    assert found.regions is found.region_class_order is found.ignore_label is None


def test_colors_are_kept():
    values = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}}
    found = read_dataset(Node(values, "f"), {1: (9, 8, 7)})
    assert found.labels.colors == {1: (9, 8, 7)}


def test_numbers_written_as_text_or_lists_of_one_are_plain_labels():
    found = read({"background": "0", "a": [1], "b": "2", "c": 2})
    assert found.labels.names == {1: "a", 2: "b / c"}
    assert (found.num_heads, found.regions) == (3, None)


def test_the_ignore_label_is_no_output():
    found = read({"background": 0, "a": 1, "ignore": 2})
    assert (found.num_heads, found.ignore_label) == (2, 2)
    assert found.labels.names == {1: "a"}


def test_regions_are_heads_and_write_their_own_values():
    found = read(
        {
            "background": 0,
            "whole": [2, 1, 3],
            "core": [3, 1],
            "nothing": [0, 0],
            "x": 3,
        },
        regions_class_order=[1, 5, 3],
    )
    assert found.regions == ((1, 2, 3), (1, 3), (3,))
    assert found.region_class_order == (1, 5, 3)
    assert found.num_heads == 3
    assert found.labels.names == {1: "whole", 3: "x", 5: "core"}


def test_regions_with_an_ignore_label():
    found = read(
        {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3},
        regions_class_order=[1, 1],
    )
    assert (found.num_heads, found.ignore_label) == (2, 3)
    assert found.labels.names == {1: "whole / core"}


def test_channels_keep_their_order_beyond_ten():
    names = {str(i): f"c{i}" for i in reversed(range(12))}
    values = {"modality": names, "labels": {"background": 0, "a": 1}}
    found = read_dataset(Node(values, "f"))
    assert found.channel_names == tuple(f"c{i}" for i in range(12))


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        ({}, {}, r'"labels" .* hold "background": 0'),
        ({"background": 1}, {}, r'hold "background": 0'),
        ({"background": [0, 1]}, {"regions_class_order": []}, r'hold "background": 0'),
        ({"0": "background", "1": "a"}, {}, r"label value, got 'background': write"),
        ({"background": 0, "a": 2}, {}, r"without gaps, got .*: renumber the labels"),
        ({"background": 0, "a": -1}, {}, r"labels/a\" .* at least 0 .* got -1"),
        ({"background": 0, "a": 65536}, {}, r"at most 65535, got 65536"),
        ({"background": 0, "a": 1.5}, {}, r"whole number .* got 1.5"),
        ({"background": 0, "a": None}, {}, r"whole number .* got None"),
        ({"background": 0, "a": []}, {}, r"at least one label value, got \[\]"),
        ({"background": 0, "a": [1, 2]}, {}, r'hold the key "regions_class_order"'),
        (
            {"background": 0, "a": [1, 2]},
            {"regions_class_order": [1, 2]},
            r"regions_class_order\" .* have 1 entries, got \[1, 2\]",
        ),
        (
            {"background": 0, "a": [1, 2]},
            {"regions_class_order": [70000]},
            r"at most 65535, got 70000",
        ),
        ({"background": 0, "a": 1, "ignore": 3}, {}, r"ignore\" .* value, 2, got 3"),
        ({"background": 0, "a": 1, "ignore": [2]}, {}, r"whole number .* got \[2\]"),
        ({"background": 0, "a": 1}, {"channel_names": {}}, r"name the channels"),
        ({"background": 0, "a": 1}, {"channel_names": {"1": "CT"}}, r"without gaps"),
        ({"background": 0, "a": 1}, {"channel_names": {"0": 3}}, r"a text, got 3"),
        ({"background": 0, "a": 1}, {"channel_names": ["CT"]}, r"be an object"),
        ({"background": 0, "a": 1}, {"channel_names": None}, r'the key "modality"'),
        ([1], {}, r'"labels" .* be an object, got \[1\]'),
    ],
)
def test_a_dataset_that_cannot_be_used_is_refused(labels, more, message):
    with pytest.raises(ModelError, match=message):
        read(labels, **more)


def test_what_is_made_is_read():
    dataset = make_dataset(
        name="D",
        channel_names=["T1", "T2"],
        labels={"whole": (1, 2), "core": 2},
        regions_class_order=(1, 2),
    )
    found = read_dataset(Node(dataset, "f"))
    assert found.regions == ((1, 2), (2,))
    assert found.channel_names == ("T1", "T2")
