"""What is measured of made-up maps, against their voxels counted here."""

import dataclasses
import json

import numpy as np
import pytest

from napari_mednext.errors import Cancelled
from napari_mednext.inference import load_model
from napari_mednext.models import ModelFolder
from napari_mednext.training import write_model
from napari_mednext.training.expectations import (
    measure_expectations,
    measure_maps,
    with_expectations,
)
from napari_mednext.training.from_labels import TrainingRun
from napari_mednext.training.label_maps import LabelMaps

SMALLER, LARGER = 1 / 1.18, 1 / 0.85


def millilitres(maps, name, *indices):
    edge_mm = np.prod(maps.spacing_of(name))
    return np.isin(maps.maps[name], indices).sum() * edge_mm / 1000


def test_volumes_are_those_of_the_learned_maps_widened(maps, table):
    found = measure_maps(maps, table)  # learns from "a", holds "b" out
    core, shell = (millilitres(maps, "a", index) for index in (1, 2))
    assert found["volumes_ml"]["2"] == pytest.approx(
        [core * SMALLER**3, core * LARGER**3], rel=0.005
    )
    assert found["whole"] == [1, 2]
    assert found["whole_ml"] == pytest.approx(
        [(core + shell) * SMALLER**3, (core + shell) * LARGER**3], rel=0.005
    )
    box = np.argwhere(np.isin(maps.maps["a"], (1, 2)))
    edges_mm = (np.ptp(box, axis=0) + 1) * 4.0
    assert found["extent_mm"] == pytest.approx(0.8 * SMALLER * min(edges_mm), abs=0.5)
    assert found["slice_mm"] == 7.0


def test_the_least_and_the_largest_of_several_maps_count(maps, table):
    two = dataclasses.replace(table, held_out=frozenset({"c"}))
    arrays = dict(maps.maps) | {"c": maps.maps["a"]}
    spacing = {"a": (4.0, 4.0, 4.0), "b": (5.0, 4.0, 3.0), "c": (9.0, 9.0, 9.0)}
    three = LabelMaps(arrays, maps.values, maps.intensity_class, spacing)
    low, high = measure_maps(three, two)["volumes_ml"]["2"]
    cores = [millilitres(three, name, 1) for name in "ab"]
    assert low == pytest.approx(min(cores) * SMALLER**3, rel=0.005)
    assert high == pytest.approx(max(cores) * LARGER**3, rel=0.005)


def test_what_a_map_cuts_is_not_stated(maps, table):
    cut = {name: array[:22] for name, array in maps.maps.items()}
    found = measure_maps(dataclasses.replace(maps, maps=cut), table)
    assert found == {"slice_mm": 7.0, "volumes_ml": {}}


def test_what_is_in_pieces_is_no_whole(maps, table):
    arrays = {name: array.copy() for name, array in maps.maps.items()}
    for array in arrays.values():
        array[array.shape[0] // 2] = 0
    found = measure_maps(dataclasses.replace(maps, maps=arrays), table)
    assert "whole" not in found
    assert "2" in found["volumes_ml"]


@pytest.fixture
def folder(tmp_path, maps, table, settings):
    run = TrainingRun(tmp_path / "work", maps, table, settings)
    return write_model(run, table, tmp_path / "model")


def test_a_model_is_told_what_it_knows(folder, maps, table):
    before = {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}
    own = dataclasses.replace(
        table, card={**table.card, "expects": {"whole_name": "toy", "slice_mm": 3}}
    )
    told = with_expectations(folder, maps, own, device="cpu", scans=3)
    known = told.card.expects
    assert (known.modality, known.whole_name, known.slice_mm) == ("MR", "toy", 3.0)
    assert known.whole == (1, 2)
    assert set(known.volumes_ml) >= {1, 2}
    assert told == ModelFolder.open(folder.path)
    changed = [p.name for p in before if before[p] != p.read_bytes()]
    assert changed == ["card.json"]
    assert dataclasses.replace(told.card, expects=folder.card.expects) == folder.card


def test_confidence_is_that_of_synthetic_scans(folder, maps, table, monkeypatch):
    model = load_model(folder.path, device="cpu")
    table = dataclasses.replace(table, outside=frozenset())  # every label counts
    seen, segment = [], type(model).segment

    def spy(self, volume, **options):
        found = segment(self, volume, **options)
        seen.append((volume, found))
        return found

    monkeypatch.setattr(type(model), "segment", spy)
    measured = measure_expectations(model, maps, table, scans=4)
    assert len(seen) == 4
    assert all(v.grid.spacing == (8.0, 8.0, 8.0) for v, _ in seen)
    assert len({v.array.tobytes() for v, _ in seen}) == 4
    figures = [f.quality.figures["confidence"] for _, f in seen]
    quantiles = {
        key: pytest.approx(np.quantile(figures, float(key)), abs=1e-4)
        for key in ("0.05", "0.25", "0.5")
    }
    assert measured["confidence"] == quantiles
    json.dumps(measured, allow_nan=False)
    first = [v.array for v, _ in seen]
    assert measure_expectations(model, maps, table, scans=4) == measured
    again = [v.array for v, _ in seen[4:]]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_cancelling_leaves_the_card(folder, maps, table):
    class Flag:
        asked = 0

        def is_set(self):
            self.asked += 1
            return self.asked > 2

    before = (folder.path / "card.json").read_bytes()
    with pytest.raises(Cancelled):
        with_expectations(folder, maps, table, device="cpu", cancel=Flag())
    assert (folder.path / "card.json").read_bytes() == before
