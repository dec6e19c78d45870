import dataclasses
import json
import threading

import pytest
import torch

from napari_mednext.errors import (
    Cancelled,
    FormatError,
    ModelError,
    SettingsError,
    StorageError,
)
from napari_mednext.formats import save_segmentation
from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training import (
    recommended_settings,
    train_from_labels,
    write_model,
)
from napari_mednext.training.from_labels import TrainingRun
from napari_mednext.training.label_maps import LabelMaps
from napari_mednext.training.mapping_table import MappingTable
from napari_mednext.volume import Segmentation, VoxelGrid, reorient


def weights_of(run):
    return run.averaged_weights()


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, maps, table, settings):
    straight = TrainingRun(tmp_path / "straight", maps, table, settings)
    straight.run()
    TrainingRun(tmp_path / "broken", maps, table, settings).run(until=2)
    cancel = threading.Event()
    second = TrainingRun(tmp_path / "broken", maps, table, settings)
    assert second.steps_done == 2
    with pytest.raises(Cancelled):
        second.run(
            on_progress=lambda p: cancel.set() if p.done == 2 else None, cancel=cancel
        )
    third = TrainingRun(tmp_path / "broken", maps, table, settings)
    assert third.steps_done == second.steps_done == 4
    third.run()
    for name, value in weights_of(straight).items():
        assert torch.equal(value, weights_of(third)[name]), name


def test_training_learns(tmp_path, maps, table, settings):
    settings = dataclasses.replace(
        settings, steps=40, validate_every=40, learning_rate=1e-2
    )
    TrainingRun(tmp_path, maps, table, settings).run()
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    losses = [e["loss"] for e in events if e["event"] == "step"]
    assert losses[-1] < 0.85 * losses[0]
    (validation,) = [e for e in events if e["event"] == "validation"]
    assert set(validation["dice"]) <= {"shell", "core", "head"}


def test_other_settings_do_not_go_on_with_a_run(tmp_path, maps, table, settings):
    TrainingRun(tmp_path, maps, table, settings).run(until=1)
    other = dataclasses.replace(settings, seed=1)
    with pytest.raises(
        ModelError, match=r"begun with others \(seed 0, not 1\): choose"
    ):
        TrainingRun(tmp_path, maps, table, other)


def test_a_run_becomes_a_model_folder(tmp_path, maps, table, settings):
    run = TrainingRun(tmp_path / "run", maps, table, settings)
    run.run(until=1)
    folder = write_model(run, table, tmp_path / "toy")
    assert folder.title == "A toy"
    assert folder.labels.names == {1: "shell", 2: "core", 3: "head"}
    assert folder.labels.colors[2] == (1, 2, 3)
    assert folder.plan.patch_size == (16, 32, 16)
    assert folder.reorient_to_ras
    saved = folder.load_weights("0")
    for name, value in weights_of(run).items():
        torch.testing.assert_close(saved[name].float(), value, rtol=1e-3, atol=1e-6)
    assert folder.card.recipe["steps_done"] == 1


def test_a_model_that_is_there_is_refused_before_the_training(tmp_path, table_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(StorageError, match=r"new folder, .*model.*, which is there"):
        train_from_labels(tmp_path / "no.npz", tmp_path / "model", table=table_path)


def test_recommended_settings_come_from_the_table(table):
    assert recommended_settings(table, "cpu") == FromLabelsSettings(device="cpu")
    own = dataclasses.replace(table, settings={"cpu": {"schema": 1, "steps": 3}})
    assert recommended_settings(own, "cpu").steps == 3


def test_patches_must_divide():
    with pytest.raises(SettingsError, match=r"multiple of 16 .* got \(64, 70, 64\)"):
        FromLabelsSettings(patch_y=70)


def test_label_images_are_turned_to_ras(tmp_path, maps):
    expected = maps.maps["a"]
    grid = VoxelGrid(expected.shape, (4.0,) * 3, direction=_ras())
    values = maps.values[expected].astype("uint16")
    for name, code in (("one", "RAS"), ("two", "PIL")):
        turned = reorient(Segmentation(values, grid), code)
        save_segmentation(turned, tmp_path / f"{name}.nii.gz")
    loaded = LabelMaps.load(tmp_path)
    assert loaded.spacing_of("two") == pytest.approx((4.0, 4.0, 4.0))
    for index in loaded.maps.values():
        assert (loaded.values[index] == values).all()


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"must hold a volume .* it has none"):
        LabelMaps.load(tmp_path)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "maps.npz"
    path.write_text("nothing")
    with pytest.raises(FormatError, match="'fs_labels' and one map an entry"):
        LabelMaps.load(path)


def test_a_broken_table_is_refused(tmp_path):
    path = tmp_path / "table.json"
    path.write_text('{"classes": [{"value": 1}]}')
    with pytest.raises(FormatError, match=r"'classes' of value, name and sources"):
        MappingTable.load(path)


def _ras():
    return ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
