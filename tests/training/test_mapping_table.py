"""Tables and maps that cannot be learned are refused in one sentence."""

import dataclasses
import json

import numpy as np
import pytest

from napari_mednext.errors import FormatError, InputError
from napari_mednext.formats import save_volume
from napari_mednext.training.label_maps import LabelMaps
from napari_mednext.training.mapping_table import MappingTable
from napari_mednext.volume import Volume, VoxelGrid

ONE = {"value": 1, "name": "one", "sources": [7]}
TWO = {"value": 2, "name": "two", "sources": [8]}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"classes": [{"value": 1, "name": "a"}]}, "'sources' is missing"),
        ({}, "'classes' is missing"),
        ([], "must be a JSON file"),
        ({"classes": 3}, "must be a JSON file"),
        ({"classes": []}, r"values 1, 2, 3 and so on, got \[\]"),
        ({"classes": [TWO]}, r"values 1, 2, 3 and so on, got \[2\]"),
        (
            {"classes": [ONE, {**TWO, "value": 1}]},
            r"class value must stand once.*\[1\]",
        ),
        ({"classes": [ONE, {**TWO, "sources": [7]}]}, r"source must stand once.*\[7\]"),
        ({"classes": [ONE], "ignore": [7]}, r"learned or ignored, got both for \[7\]"),
        ({"classes": [ONE], "tissues": {"gray": [7]}}, r"white, grey.* got \['gray'\]"),
        ({"classes": [ONE], "schema": 2}, "must have schema 1, got 2"),
        ({"classes": [{**ONE, "sources": ["x"]}]}, "invalid literal"),
    ],
)
def test_broken_tables(tmp_path, table, sentence):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table))
    with pytest.raises(FormatError, match=sentence) as caught:
        MappingTable.load(path)
    assert "\n" not in str(caught.value)


def test_too_many_classes():
    from napari_mednext.labels import LabelSet

    labels = LabelSet.numbered(range(1, 256))
    with pytest.raises(InputError, match="at most 254 classes, got 255"):
        MappingTable(labels, {}, frozenset(), {}, frozenset(), frozenset())


def test_maps_without_a_class_are_refused(maps, table):
    other = dataclasses.replace(maps, values=np.array([0, 20, 21, 22, 23]))
    with pytest.raises(InputError, match=r"got the values 0, 20, 21, 22, 23 and none"):
        table.notes_on(other)


def test_notes_say_what_is_odd(maps, table):
    assert table.notes_on(maps) == ()
    assert table.split(maps) == (["a"], ["b"])
    odd = dataclasses.replace(
        table, targets={2: 2, 3: 1}, ignore=frozenset(), held_out=frozenset({"z"})
    )
    assert odd.notes_on(maps) == (
        "no map holds a source of 'head': it is not learned",
        "values that the table does not name are background: 30, 500",
        "validated on 'b': no other is held out",
    )
    single = dataclasses.replace(maps, maps={"a": maps.maps["a"]})
    assert table.split(single) == (["a"], ["a"])
    assert "'a', which is also learned from" in table.notes_on(single)[-1]


def test_a_digest_tells_maps_and_tables_apart(maps, table):
    same = dataclasses.replace(maps, maps=dict(reversed(maps.maps.items())))
    assert same.digest() == maps.digest()
    others = [
        dataclasses.replace(maps, spacing_mm=3.0),
        dataclasses.replace(maps, values=maps.values + 1),
        dataclasses.replace(maps, maps={"c": maps.maps["a"], "b": maps.maps["b"]}),
        dataclasses.replace(
            maps, maps={k: m.transpose(0, 2, 1) for k, m in maps.maps.items()}
        ),
    ]
    assert len({m.digest() for m in [maps, *others]}) == 5
    assert dataclasses.replace(table, card={}).digest() == table.digest()
    assert dataclasses.replace(table, mirror=False).digest() != table.digest()


class TestImages:
    grid = VoxelGrid((5, 7, 6), (3.0, 1.0, 2.0))

    def save(self, folder, array, name="a.nii.gz"):
        save_volume(Volume(array[None], self.grid), folder / name)

    def test_scans_are_refused(self, tmp_path):
        rng = np.random.default_rng(0)
        self.save(tmp_path, rng.normal(size=self.grid.shape).astype(np.float32))
        with pytest.raises(InputError, match="whole numbers, got others in 'a'"):
            LabelMaps.load(tmp_path)

    def test_floats_that_are_whole_are_read(self, tmp_path):
        array = np.zeros(self.grid.shape, np.float32)
        array[2, 3, 4] = 3035
        self.save(tmp_path, array)
        loaded = LabelMaps.load(tmp_path)
        np.testing.assert_array_equal(loaded.values, [0, 3035])
        assert int(loaded.maps["a"].sum()) == 1

    def test_negative_values_are_refused(self, tmp_path):
        self.save(tmp_path, np.full(self.grid.shape, -3, np.int16))
        with pytest.raises(
            InputError, match="at most 256 values from 0, got 2 from -3"
        ):
            LabelMaps.load(tmp_path)

    def test_too_many_values_are_refused(self, tmp_path):
        grid = np.arange(np.prod(self.grid.shape), dtype=np.int16) * 2
        self.save(tmp_path, grid.reshape(self.grid.shape))
        assert len(LabelMaps.load(tmp_path).values) == 210
        self.save(tmp_path, 1 + grid.reshape(self.grid.shape), "b.nii.gz")
        with pytest.raises(InputError, match="at most 256 values from 0, got 420"):
            LabelMaps.load(tmp_path)

    def test_an_archive_must_count_into_its_values(self, tmp_path):
        good = {"fs_labels": np.array([0, 5]), "m": np.ones((2, 3, 4), np.uint8)}
        np.savez(tmp_path / "good.npz", **good)
        loaded = LabelMaps.load(tmp_path / "good.npz")
        assert loaded.maps["m"].shape == (4, 3, 2)
        assert loaded.spacing_of("m") == (1.0, 1.0, 1.0)
        for name, wrong in (
            ("far", {**good, "m": good["m"] * 2}),
            ("wide", {**good, "m": good["m"].astype(np.int32)}),
            ("none", {"fs_labels": good["fs_labels"]}),
        ):
            np.savez(tmp_path / f"{name}.npz", **wrong)
            with pytest.raises(FormatError, match="bytes that count into 'fs_labels'"):
                LabelMaps.load(tmp_path / f"{name}.npz")
