import pytest

from napari_mednext.errors import InputError
from napari_mednext.labels import LabelSet, SidedLabels
from napari_mednext.labels.sides import other_tone

LABELS = LabelSet.from_names(
    {1: "cortex", 3: "ventricles", 55: "putamen"},
    {1: (200, 100, 40), 3: (0, 0, 255), 55: (0, 60, 120)},
)


def test_the_first_digit_says_the_side():
    sided = SidedLabels(LABELS, paired=(1, 55), midline=(3,))
    assert sided.split.names == {
        3: "ventricles",
        101: "left cortex",
        155: "left putamen",
        201: "right cortex",
        255: "right putamen",
    }


def test_values_with_and_without_sides_never_clash():
    sided = SidedLabels(LABELS, paired=(1, 55))
    assert sorted(sided.all.names) == [1, 3, 55, 101, 155, 201, 255]
    assert sided.all.names[1] == "cortex"


@pytest.mark.parametrize(
    ("highest", "left"), [(99, 101), (100, 1001), (999, 1001), (1000, 10001)]
)
def test_larger_labels_leave_room_for_themselves(highest, left):
    sided = SidedLabels(LabelSet.from_names({1: "a", highest: "b"}), paired=(1,))
    assert (sided.left(1), sided.right(1)) == (left, 2 * (left - 1) + 1)


def test_the_left_keeps_its_colour_and_the_right_has_another_tone_of_it():
    colors = SidedLabels(LABELS, paired=(1, 55)).split.colors
    assert colors[101] == LABELS.colors[1]
    assert colors[201] == (130, 65, 26)  # by hand: 0.65 of each
    assert colors[155] == LABELS.colors[55]
    assert colors[255] == (128, 158, 188)  # dark: half way to white
    assert colors[3] == LABELS.colors[3]


def test_every_tone_differs_visibly_from_its_colour():
    for color in LABELS.colors.values():
        distance = sum(
            abs(a - b) for a, b in zip(color, other_tone(color), strict=True)
        )
        assert distance > 80


@pytest.mark.parametrize(
    ("paired", "midline", "message"),
    [
        ((), (3,), r"at least one, each named once, got paired \[\] and"),
        ((1, 1), (), r"each named once, got paired \[1, 1\]"),
        ((1, 3), (3,), r"each named once"),
        ((1, 2), (), r"labels of the model \(\[1, 3, 55\]\), got \[2\]"),
        ((1,), (9,), r"got \[9\]"),
    ],
)
def test_lists_that_cannot_be_used_are_refused(paired, midline, message):
    with pytest.raises(InputError, match=message):
        SidedLabels(LABELS, paired, midline)


def test_labels_without_room_for_sides_are_refused():
    many = LabelSet.from_names({1: "a", 40000: "b"})
    with pytest.raises(InputError, match=r"below 10000 .* got 40000"):
        SidedLabels(many, paired=(1,))
