import pytest

from napari_mednext.errors import ModelError
from napari_mednext.models import documents
from napari_mednext.models.documents import Node, read_json


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plans.json"


def test_a_byte_order_mark_and_other_scripts_are_read(path):
    path.write_bytes('\ufeff{"名": "тест"}'.encode())
    assert read_json(path)["名"].text() == "тест"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"plans.json must be JSON, got Expecting value"),
        (b"{", r"must be JSON"),
        (b"\xff\xfe\x00", r"must be JSON, got 'utf-8' codec"),
        (b"[1, 2]", r"plans.json' must be an object, got \[1, 2\]"),
        (b"null", r"must be an object, got None"),
        (b'{"a": ' + b"[" * 100_000, r"must be JSON, got maximum recursion"),
        (b'{"a": 1' + b"0" * 5000 + b"}", r"must be JSON, got Exceeds the limit"),
    ],
)
def test_what_is_no_json_object_is_refused(content, message, path):
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_json(path)


def test_a_huge_file_is_not_even_parsed(path, monkeypatch):
    monkeypatch.setattr(documents, "MAX_JSON_BYTES", 10)
    path.write_text('{"a": 123}')
    assert read_json(path)["a"].whole(0) == 123
    path.write_text('{"a": 1234}')
    with pytest.raises(ModelError, match=r"must have at most 10 bytes, got 11 in"):
        read_json(path)


def test_a_missing_file_and_a_folder_are_refused(path):
    with pytest.raises(ModelError, match=r"must hold plans.json, got none in"):
        read_json(path)
    path.mkdir()
    with pytest.raises(ModelError, match=r"must be readable, got Is a directory"):
        read_json(path)


VALUES = Node(
    {
        "n": 3,
        "f": 3.0,
        "h": 2.5,
        "s": "x",
        "b": True,
        "l": [1, [2, 3]],
        "o": {"k": {"z": 1}},
        "nan": float("nan"),
        "inf": float("inf"),
        "big": 10**400,
        "none": None,
    },
    "'plans.json'",
)


def test_right_values_are_returned():
    assert VALUES["n"].whole(3, 3) == 3
    assert VALUES["f"].whole(3) == 3
    assert VALUES["h"].number(positive=True) == 2.5
    assert VALUES["n"].number() == 3.0
    assert VALUES["b"].flag() is True
    assert VALUES["s"].text() == "x"
    assert [node.value for node in VALUES["l"].elements(2)] == [1, [2, 3]]
    assert VALUES.get("none") is None
    assert VALUES.get("missing") is None
    assert [key for key, _ in VALUES["o"].items()] == ["k"]


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda v: v["m"], r"must hold the key \"m\", got \['n', 'f'"),
        (lambda v: v["o"]["k"]["y"], r'"o/k" in .* hold the key "y", got \[\'z\'\]'),
        (lambda v: v["n"].names(), r'"n" in .* must be an object, got 3: correct'),
        (lambda v: v["s"].elements(), r'"s" in .* must be a list, got \'x\''),
        (lambda v: v["l"].elements(3), r'"l" in .* must have 3 entries'),
        (lambda v: v["l"].elements()[1].text(), r'"l\[1\]" .* a text, got \[2, 3\]'),
        (lambda v: v["n"].flag(), r"true or false, got 3"),
        (lambda v: v["n"].whole(4), r"at least 4, got 3"),
        (lambda v: v["n"].whole(0, 2), r"at least 0 and at most 2, got 3"),
        (lambda v: v["h"].whole(0), r"whole number of at least 0, got 2.5"),
        (lambda v: v["b"].whole(0), r"whole number .* got True"),
        (lambda v: v["inf"].whole(0), r"whole number .* got inf"),
        (lambda v: v["s"].number(), r"a finite number, got 'x'"),
        (lambda v: v["b"].number(), r"a finite number, got True"),
        (lambda v: v["nan"].number(), r"a finite number, got nan"),
        (lambda v: v["big"].number(), r"a finite number, got 1000"),
        (lambda _: Node(0, "f").number(positive=True), r"a positive number, got 0"),
    ],
)
def test_wrong_values_are_refused_with_their_place(read, message):
    with pytest.raises(ModelError, match=message):
        read(VALUES)


def test_a_huge_value_does_not_fill_the_sentence():
    with pytest.raises(ModelError) as caught:
        Node({"a": list(range(10**6))}, "f")["a"].text()
    assert len(str(caught.value)) < 300
