import json

import pytest

from napari_mednext.errors import ModelError
from napari_mednext.models import Card, Expectations, replace_card
from napari_mednext.models import writing as writing_module
from napari_mednext.models.card import read_card
from napari_mednext.models.documents import Node
from napari_mednext.models.expectations import read_expectations

STATED = {
    "modality": "MR",
    "extent_mm": 86,
    "slice_mm": 7.0,
    "whole_name": "brain",
    "whole": [2, 1],
    "whole_ml": [850, 2900.5],
    "volumes_ml": {"2": [20, 100], "10": [0, 3]},
    "confidence": {"0.01": 0.61, "0.5": 0.8},
}


def read(values):
    return read_expectations(Node({"expects": values}, "'card.json'")["expects"])


def test_what_is_stated_is_read_and_written_again():
    made = read(STATED)
    assert made.whole == (1, 2)
    assert made.volumes_ml == {2: (20.0, 100.0), 10: (0.0, 3.0)}
    assert read(json.loads(json.dumps(made.to_dict()))) == made
    assert Expectations(**made.to_dict()) == made
    assert set(made.to_dict()) == set(STATED)


def test_nothing_stated_is_nothing_expected():
    assert not Expectations()
    assert not read({})
    assert read({"whole_ml": [], "extent_mm": None}) == Expectations()
    assert Expectations().to_dict() == {}
    assert Expectations(intensity="CT in HU")


def test_a_card_carries_them_through_json():
    card = Card(expects=Expectations(**STATED))
    text = json.dumps(card.to_dict())
    again = read_card(Node(json.loads(text), "'card.json'"))
    assert again == card
    assert again.expects.whole_ml == (850.0, 2900.5)
    assert Card(expects=STATED) == card
    assert not read_card(Node({"schema": 1}, "'card.json'")).expects


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modalty": "MR"}, r"got 'modalty': did you mean 'modality'"),
        ({"xyzzy": 1}, r'"expects" in .* got \'xyzzy\': remove it'),
        ({"modality": 3}, r"be a text, got 3"),
        ({"intensity": "HU"}, r'be "CT in HU" or empty, got \'HU\''),
        ({"extent_mm": 0}, r"be a positive number, got 0"),
        ({"slice_mm": -1}, r"be a positive number, got -1"),
        ({"whole": [0]}, r"at least 1 .* got 0"),
        ({"whole_ml": [1]}, r"have 2 entries"),
        ({"whole_ml": [2, 1]}, r"the least and the largest .* got \[2, 1\]"),
        ({"whole_ml": [-1, 1]}, r"the least and the largest .* got \[-1, 1\]"),
        ({"volumes_ml": {"x": [1, 2]}}, r"label values as keys, got 'x'"),
        ({"volumes_ml": {"1": [3, 2]}}, r"the least and the largest"),
        ({"confidence": {"low": 0.5}}, r"from 0 to 1 .* got 0.5"),
        ({"confidence": {"1.5": 0.5}}, r"from 0 to 1 .* got 0.5"),
        ({"confidence": {"0.5": 1.5}}, r"from 0 to 1 .* got 1.5"),
    ],
)
def test_what_cannot_be_used_is_refused(values, message):
    with pytest.raises(ModelError, match=message):
        read(values)


def test_a_card_is_replaced_and_nothing_else(folder):
    before = {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}
    card = Card(name="other", expects=Expectations(**STATED))
    again = replace_card(folder, card)
    assert again.card == card
    after = {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}
    assert set(after) == set(before)
    changed = [p.name for p in before if before[p] != after[p]]
    assert changed == ["card.json"]


def test_a_card_that_cannot_be_written_leaves_the_old_one(folder, monkeypatch):
    before = (folder.path / "card.json").read_bytes()

    def fail(path, values):
        path.write_text("{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing_module, "_write_json", fail)
    with pytest.raises(writing_module.StorageError, match="No space left"):
        replace_card(folder, Card(name="other"))
    assert (folder.path / "card.json").read_bytes() == before
    assert not list(folder.path.glob(".*"))
