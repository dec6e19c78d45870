import dataclasses
import json

import pytest

from napari_mednext.errors import ModelError
from napari_mednext.labels import LabelSet, SidedLabels
from napari_mednext.models import Card
from napari_mednext.models import card as card_module
from napari_mednext.models.card import read_card
from napari_mednext.models.documents import Node


def read(values):
    return read_card(Node(values, "'card.json'"))


def test_a_trip_through_json_changes_nothing(card):
    card = dataclasses.replace(
        card, sha256={"plans.json": "0" * 64}, configuration="3d", metrics={"d": 0.9}
    )
    assert read(json.loads(json.dumps(card.to_dict()))) == card
    assert read({"schema": 1}) == Card() == read(Card().to_dict())


def test_every_card_says_what_the_model_is_not_for():
    assert Card().research_use.startswith("For research only")


def test_lists_become_tuples_in_order():
    made = Card(mirror_axes=[2, 0], limits=["a", "b"], credits=["c"])
    assert (made.mirror_axes, made.limits, made.credits) == ((0, 2), ("a", "b"), ("c",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r'hold the key "schema"'),
        ({"schema": 0}, r"at least 1, got 0"),
        ({"schema": 2}, r"be 1 or less, got 2: .* newer version, update"),
        ({"schema": 1, "titel": "x"}, r"got 'titel': did you mean 'title'"),
        ({"schema": 1, "xyzzy": "x"}, r"got 'xyzzy': remove it"),
        ({"schema": 1, "name": "../x"}, r"letters, digits, .* got '../x'"),
        ({"schema": 1, "name": "a" * 101}, r"letters, digits"),
        ({"schema": 1, "name": "-x"}, r"got '-x'"),
        ({"schema": 1, "title": 3}, r'"title" .* a text, got 3'),
        ({"schema": 1, "lineage": "x"}, r"be an object, got 'x'"),
        ({"schema": 1, "limits": "x"}, r"be a list, got 'x'"),
        ({"schema": 1, "limits": [3]}, r"a text, got 3"),
        ({"schema": 1, "training_data": {}}, r"be a list"),
        ({"schema": 1, "seed": -1}, r"at least 0, got -1"),
        ({"schema": 1, "mirror_axes": [3]}, r"at most 2, got 3"),
        ({"schema": 1, "configuration": 3}, r"a text, got 3"),
        ({"schema": 1, "colors": {"x": [1, 2, 3]}}, r"label values as keys, got 'x'"),
        ({"schema": 1, "colors": {"1": [1, 2]}}, r"have 3 entries"),
        ({"schema": 1, "colors": {"1": [1, 2, 256]}}, r"at most 255, got 256"),
        ({"schema": 1, "sides": [1]}, r'"sides" .* be an object'),
        ({"schema": 1, "sides": {"pairs": [1]}}, r'stand under "paired", "inner"'),
        ({"schema": 1, "sides": {"midline": [1]}}, r'hold the key "paired"'),
        ({"schema": 1, "sides": {"paired": 1}}, r"be a list, got 1"),
        ({"schema": 1, "sides": {"paired": [0]}}, r"at least 1 .* got 0"),
        ({"schema": 1, "sha256": {"a": "xyz"}}, r"64 hexadecimal digits, got 'xyz'"),
        ({"schema": 1, "sha256": {"a": 3}}, r"a text, got 3"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused(values, message):
    with pytest.raises(ModelError, match=message):
        read(values)


def test_a_card_that_exists_is_valid():
    with pytest.raises(ModelError, match=r'"seed" in the model card .* got -1'):
        Card(seed=-1)
    with pytest.raises(ModelError, match=r'"colors" in the model card must be an ob'):
        Card(colors=[(1, 2, 3)])


def test_sides_are_those_of_the_labels():
    labels = LabelSet.from_names({1: "cortex", 2: "white", 3: "stem"})
    made = Card(sides={"paired": [1, 2], "inner": [2], "midline": [3]})
    assert made.sided(labels) == SidedLabels(labels, (1, 2), (3,), (2,))
    assert read(json.loads(json.dumps(made.to_dict()))) == made
    assert Card().sided(labels) is None
    with pytest.raises(ModelError, match=r'"sides" in the model card .* got \[4\]'):
        Card(sides={"paired": [4]}).sided(labels)


def test_older_cards_are_migrated_step_by_step(monkeypatch):
    def first(values):
        return {"titel": values["t"]}

    def second(values):
        return {"title": values["titel"] + "!"}

    monkeypatch.setattr(card_module, "CARD_SCHEMA", 3)
    monkeypatch.setattr(card_module, "_MIGRATIONS", {1: first, 2: second})
    assert read({"schema": 1, "t": "x"}).title == "x!"
    assert read({"schema": 2, "titel": "x"}).title == "x!"
    assert read({"schema": 3, "title": "x"}).title == "x"
