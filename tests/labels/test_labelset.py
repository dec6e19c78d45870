import pytest

from napari_mednext.errors import InputError
from napari_mednext.labels import Label, LabelSet, default_color


def test_labels_are_kept_in_order_of_value_without_background():
    labels = LabelSet.from_names({7: "spleen", 0: "background", 2: "liver"})
    assert labels.names == {2: "liver", 7: "spleen"}
    assert [label.value for label in labels] == [2, 7]
    assert len(labels) == 2


def test_given_colours_win_over_default_ones():
    labels = LabelSet.from_names({1: "a", 2: "b"}, {2: (1, 2, 3)})
    assert labels.colors == {1: default_color(1), 2: (1, 2, 3)}


def test_labels_known_by_number_are_named_by_it():
    assert LabelSet.numbered([4, 1]).names == {1: "label 1", 4: "label 4"}


@pytest.mark.parametrize("value", [0, -1, 65536])
def test_values_outside_16_bits_are_refused(value):
    with pytest.raises(InputError, match=rf"in 1\.\.65535, got \[{value}\]"):
        LabelSet((Label(value, "x", (0, 0, 0)),))


@pytest.mark.parametrize("value", [1, 65535])
def test_values_at_the_ends_are_taken(value):
    assert LabelSet((Label(value, "x", (0, 0, 0)),)).names == {value: "x"}


def test_two_labels_of_one_value_are_refused():
    labels = (Label(3, "a", (0, 0, 0)), Label(3, "b", (0, 0, 0)))
    with pytest.raises(InputError, match=r"a value of its own, got \[3, 3\]"):
        LabelSet(labels)
