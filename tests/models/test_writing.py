import json
import os
import subprocess
import sys

import pytest
import torch

from napari_mednext.errors import ModelError, StorageError
from napari_mednext.models import (
    Card,
    ModelFolder,
    export_for_nnunet,
    verify_model,
    write_model_folder,
    writing,
)


@pytest.fixture
def parts(plans, dataset, card, weights):
    return {
        "plans": plans,
        "dataset": dataset,
        "card": card,
        "weights": {"all": weights},
    }


def everything_below(path):
    return sorted(p.relative_to(path).as_posix() for p in path.rglob("*"))


def test_a_whole_folder_is_written_and_nothing_else(tmp_path, parts):
    folder = write_model_folder(tmp_path / "a" / "b" / "m", **parts)
    assert folder.folds == ("all",)
    assert everything_below(tmp_path / "a" / "b") == [
        "m",
        "m/card.json",
        "m/dataset.json",
        "m/fold_all",
        "m/fold_all/weights.safetensors",
        "m/plans.json",
    ]
    assert (tmp_path / "a" / "b" / "m").stat().st_mode & 0o777 == 0o755


def test_all_is_on_the_disk_before_the_folder_gets_its_name(
    tmp_path, parts, monkeypatch
):
    """Else a power cut may leave the name, and files without their content."""
    synced, sync = set(), os.fsync

    def noting(handle):
        if not (tmp_path / "m").exists():
            synced.add(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", noting)
    folder = write_model_folder(tmp_path / "m", **parts)
    files = [each for each in folder.path.rglob("*") if each.is_file()]
    assert {each.stat().st_ino for each in files} <= synced


def test_the_card_is_completed(tmp_path, parts):
    folder = write_model_folder(tmp_path / "m", **parts)
    stored = json.loads((folder.path / "card.json").read_text())
    assert stored["schema"] == 1
    assert stored["configuration"] == "3d_fullres"
    assert sorted(stored["sha256"]) == [
        "dataset.json",
        "fold_all/weights.safetensors",
        "plans.json",
    ]
    assert verify_model(folder) == ()


def test_full_precision_on_demand(tmp_path, parts, weights):
    folder = write_model_folder(tmp_path / "m", **parts, half=False)
    torch.testing.assert_close(folder.load_weights("all"), weights, rtol=0, atol=0)


@pytest.mark.parametrize("fold", ["", "x", "../0", "0/1", "01", "-1", "1000", 0.5])
def test_a_fold_by_another_name_is_refused(fold, tmp_path, parts, weights):
    parts["weights"] = {"0": weights, fold: weights}
    with pytest.raises(ModelError, match=r'"0", "1", ... or "all", got \['):
        write_model_folder(tmp_path / "m", **parts)
    assert everything_below(tmp_path) == []


def test_no_fold_is_refused(tmp_path, parts):
    parts["weights"] = {}
    with pytest.raises(ModelError, match=r"got \[\]: rename them"):
        write_model_folder(tmp_path / "m", **parts)


def test_what_is_there_is_kept(tmp_path, parts):
    first = write_model_folder(tmp_path / "m", **parts)
    before = first.sha256
    parts["dataset"] = parts["dataset"] | {"numTraining": 99}
    with pytest.raises(
        StorageError, match=r"not replace another, got .*choose another"
    ):
        write_model_folder(tmp_path / "m", **parts)
    assert ModelFolder.open(tmp_path / "m").sha256 == before
    second = write_model_folder(tmp_path / "m", **parts, overwrite=True)
    assert second.sha256 != before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_file_in_the_way_is_replaced_only_on_demand(tmp_path, parts):
    (tmp_path / "m").write_text("x")
    with pytest.raises(StorageError, match=r"which is there"):
        write_model_folder(tmp_path / "m", **parts)
    write_model_folder(tmp_path / "m", **parts, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def broken_plans(parts):
    parts["plans"]["configurations"]["3d_fullres"]["spacing"] = [1, 0, 1]


def broken_weights(parts):
    parts["weights"]["all"]["stem.bias"][0] = float("nan")


def no_json(parts):
    parts["dataset"]["x"] = {1, 2}


def nan_in_json(parts):
    parts["plans"]["x"] = float("nan")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (broken_plans, r"spacing\[1\]"),
        (broken_weights, r"NaN or infinity"),
        (no_json, r"dataset.json must hold JSON values only, got one .*set"),
        (nan_in_json, r"plans.json must hold JSON values only"),
    ],
)
def test_what_cannot_be_used_is_never_written(
    spoil, message, overwrite, tmp_path, parts
):
    if overwrite:
        write_model_folder(tmp_path / "m", **parts)
    before = everything_below(tmp_path)
    spoil(parts)
    with pytest.raises(ModelError, match=message):
        write_model_folder(tmp_path / "m", **parts, overwrite=overwrite)
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("step", ["_write_json", "save_weights", "_completed", "_put"])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(28, "No space left on device"), StorageError),
        (StorageError("told already"), StorageError),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_interrupt_at_any_step_leaves_what_was_there(
    step, error, raised, overwrite, tmp_path, parts, monkeypatch
):
    if overwrite:
        write_model_folder(tmp_path / "m", **parts)
    before = everything_below(tmp_path)

    def interrupt(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(writing, step, interrupt)
    with pytest.raises(raised):
        write_model_folder(tmp_path / "m", **parts, overwrite=overwrite)
    assert everything_below(tmp_path) == before


def test_an_interrupt_between_the_two_moves_puts_the_old_one_back(
    tmp_path, parts, monkeypatch
):
    before = write_model_folder(tmp_path / "m", **parts).sha256
    from pathlib import Path

    move, calls = Path.replace, []

    def interrupt(self, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return move(self, target)

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_model_folder(tmp_path / "m", **parts, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert ModelFolder.open(tmp_path / "m").sha256 == before


def test_a_place_that_cannot_be_written_is_told(tmp_path, parts):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"must be writable, got .* check the free"):
        write_model_folder(tmp_path / "file" / "m", **parts)
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(StorageError, match=r"got Permission denied for"):
            write_model_folder(tmp_path / "closed" / "m", **parts)


FULL_DISK = """
import resource, signal, sys, torch
from napari_mednext.errors import StorageError
from napari_mednext.models import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
plans = make_plans(
    dataset_name="D", spacing=(1, 1, 1), patch_size=(16, 16, 16),
    normalization_schemes=["ZScoreNormalization"], arch_kwargs={},
)
dataset = make_dataset(name="D", channel_names=["T1"], labels={"a": 1})


def write(name, size):
    write_model_folder(
        f"{sys.argv[1]}/{name}",
        plans=plans, dataset=dataset, card=Card(),
        weights={"0": {"a": torch.zeros(size)}},
    )


write("small", 40_000)
try:
    write("large", 60_000)
except StorageError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs limits on the size of files")
def test_a_full_disk_leaves_nothing(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the weights must be writable, got" in done.stderr
    assert "File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    assert ModelFolder.open(tmp_path / "small").folds == ("0",)


def test_an_export_is_a_folder_of_nnunet(tmp_path, folder):
    target = tmp_path / "Dataset001_X" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    assert export_for_nnunet(folder, target) == target
    found = ModelFolder.open(target)
    assert found.card == Card()
    assert found.mirror_axes == folder.mirror_axes
    assert found.plan == folder.plan
    torch.testing.assert_close(found.load_weights("1"), folder.load_weights("1"))
    with pytest.raises(StorageError, match="which is there"):
        export_for_nnunet(folder, target)
