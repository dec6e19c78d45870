"""The same settings, seed, maps and table end with the same weights, bit by bit."""

import dataclasses
import json
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from napari_mednext.errors import InputError, ModelError, SettingsError, StorageError
from napari_mednext.formats import save_segmentation
from napari_mednext.network import MedNeXt
from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training import publish, train_from_labels, write_model
from napari_mednext.training.from_labels import TrainingRun
from napari_mednext.training.label_maps import LabelMaps
from napari_mednext.training.learner import Learner
from napari_mednext.training.run_folder import RunFolder
from napari_mednext.training.schedule import Speed
from napari_mednext.volume import Segmentation, VoxelGrid
from tests.training.conftest import SMALL


@pytest.fixture
def folder(tmp_path, maps):
    """The maps as images of thick slices."""
    folder = tmp_path / "maps"
    folder.mkdir()
    for name, index in maps.maps.items():
        grid = VoxelGrid(index.shape, (5.0, 4.0, 3.5), origin=(3.0, -8.0, 11.0))
        values = maps.values[index].astype(np.uint16)
        save_segmentation(Segmentation(values, grid), folder / f"{name}.nii.gz")
    return folder


def weights_in(model):
    return {k: v.clone() for k, v in model.load_weights("0").items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


#: Trains in a process of its own; argument 1 is what to do, the rest are paths.
CHILD = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    import torch
    from napari_mednext.settings.from_labels import FromLabelsSettings
    from napari_mednext.training import learner, publish, train_from_labels

    small = {"width": 2, "blocks": (1,) * 9, "ratios": (1,) * 9, "grn": "mean"}
    learner.preset = publish.preset = lambda name: dict(small)
    torch.set_num_threads(1)
    what, maps, out, table, settings = sys.argv[1], *map(Path, sys.argv[2:])
    if what == "die":
        # The second checkpoint is cut in the middle.
        save, seen = torch.save, []

        def cut(content, file):
            seen.append(content["step"])
            save(content, file)
            if len(seen) == 2:
                file.flush()
                file.truncate(file.tell() // 2)
                os.kill(os.getpid(), signal.SIGKILL)

        torch.save = cut
        import napari_mednext.training.from_labels as loop
        loop.SAVE_EVERY = 2
    train_from_labels(
        maps, out, table=table, settings=FromLabelsSettings.load(settings)
    )
""")


def in_a_process(what, *paths):
    return subprocess.run(
        [sys.executable, "-c", CHILD, what, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_another_process_and_a_killed_one(tmp_path, folder, table_path, settings):
    settings = dataclasses.replace(settings, oversampling=2, seed=5, device="cpu")
    first = train_from_labels(
        folder, tmp_path / "one", table=table_path, settings=settings
    )
    expected = weights_in(first)
    file = tmp_path / "one.training" / "settings.json"
    assert FromLabelsSettings.load(file) == settings
    done = in_a_process("train", folder, tmp_path / "two", table_path, file)
    assert done.returncode == 0, done.stderr
    second = first.open(tmp_path / "two")
    assert_equal(weights_in(second), expected)

    killed = in_a_process("die", folder, tmp_path / "three", table_path, file)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    work = tmp_path / "three.training"
    assert (work / "checkpoint.tmp").exists()
    with (work / "events.jsonl").open("a") as log:
        log.write('{"event": "st')  # a line may be cut as well
    told = []
    third = train_from_labels(
        folder,
        tmp_path / "three",
        table=table_path,
        settings=settings,
        on_event=told.append,
    )
    assert told[0]["event"] == "start"
    assert told[0]["step"] == 2
    assert not (work / "checkpoint.tmp").exists()
    assert_equal(weights_in(third), expected)
    history = RunFolder(work).read_events()
    assert [e["event"] for e in history].count("start") == 2


def test_other_maps_do_not_go_on_with_a_run(tmp_path, maps, table, settings):
    TrainingRun(tmp_path, maps, table, settings).run(until=1)
    changed = {name: index.copy() for name, index in maps.maps.items()}
    changed["a"][20, 20, 20] ^= 1
    others = LabelMaps(changed, maps.values, maps.intensity_class, 4.0)
    with pytest.raises(ModelError, match=r"its own maps and table, but .* choose"):
        TrainingRun(tmp_path, others, table, settings)
    other_table = dataclasses.replace(table, ignore=frozenset())
    with pytest.raises(ModelError, match="its own maps and table"):
        TrainingRun(tmp_path, maps, other_table, settings)
    # What the card says does not decide weights.
    titled = dataclasses.replace(table, card={"title": "Other"})
    assert TrainingRun(tmp_path, maps, titled, settings).steps_done == 1


@pytest.mark.slow
def test_minutes_decide_the_steps_once(
    tmp_path, folder, table_path, settings, monkeypatch
):
    measured = []

    def measure(self, *, seconds, cancel=None):
        measured.append(seconds)
        return Speed(step=8.0, validation=2.0)

    monkeypatch.setattr(TrainingRun, "measure", measure)
    stopped = []

    def stop(self, last, *rest):
        stopped.append(last)
        learn(self, 3, *rest)

    learn = TrainingRun._train
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_train", stop)
        train_from_labels(
            folder,
            tmp_path / "one",
            table=table_path,
            settings=settings,
            minutes=2.0,
        )
    decided = FromLabelsSettings.load(tmp_path / "one.training" / "settings.json")
    assert stopped == [decided.steps]
    # 0.95 * 120 s hold n updates of 8 s, n / 3 + 1 validations of 2 s.
    assert decided.steps in (11, 12)
    assert decided.warmup_steps == 1
    # The same command goes on and does not measure again, on a faster machine either.
    one = train_from_labels(
        folder,
        tmp_path / "one",
        table=table_path,
        settings=settings,
        minutes=2.0,
        overwrite=True,
    )
    assert len(measured) == 1
    assert one.card.recipe["steps"] == one.card.recipe["steps_done"] == decided.steps
    two = train_from_labels(
        folder, tmp_path / "two", table=table_path, settings=decided
    )
    assert_equal(weights_in(two), weights_in(one))


def test_a_measurement_is_of_the_right_kind(tmp_path, maps, table, settings):
    run = TrainingRun(tmp_path, maps, table, settings)
    speed = run.measure(seconds=0)
    assert run.steps_done == 4
    assert min(speed.step, speed.validation) > 0


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_no_time_is_refused(tmp_path, folder, table_path, settings, minutes):
    with pytest.raises(InputError, match=f"minutes must be more than 0, got {minutes}"):
        train_from_labels(
            folder,
            tmp_path / "m",
            table=table_path,
            settings=settings,
            minutes=minutes,
        )


def test_a_damaged_checkpoint_is_named(tmp_path, maps, table, settings):
    (tmp_path / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(ModelError, match=r"must be whole, got '.*checkpoint\.pt'"):
        TrainingRun(tmp_path, maps, table, settings)


def test_a_full_disk_keeps_the_old_checkpoint(
    tmp_path, maps, table, settings, monkeypatch
):
    run = TrainingRun(tmp_path, maps, table, settings)
    run.run(until=2)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(content, file):
        file.write(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StorageError, match=r"No space left .*run the same command"):
        run.run(until=3)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not (tmp_path / "checkpoint.tmp").exists()
    assert run.history.state == "failed"


def test_a_loss_that_is_not_finite_stops_the_run(
    tmp_path, maps, table, settings, monkeypatch
):
    nothing = torch.tensor(float("nan"))
    update = Learner.update
    monkeypatch.setattr(Learner, "update", lambda s, b: update(s, b) * nothing)
    run = TrainingRun(tmp_path, maps, table, settings)
    with pytest.raises(ModelError, match="finite, got nan at step 6: lower"):
        run.run()
    assert run.history.notes[-1].startswith("the loss must stay finite")
    assert not (tmp_path / "checkpoint.pt").exists()


def test_memory_that_runs_out_is_a_sentence(
    tmp_path, maps, table, settings, monkeypatch
):
    def update(self, batch):
        msg = "CUDA out of memory. Tried to allocate 20.00 GiB"
        raise torch.OutOfMemoryError(msg)

    monkeypatch.setattr(Learner, "update", update)
    run = TrainingRun(tmp_path, maps, table, settings)
    from napari_mednext.errors import ResourceError

    with pytest.raises(ResourceError, match=r"1 patches of \(16, 32, 16\) voxels"):
        run.run()
    with pytest.raises(ResourceError, match="did not fit: lower batch_size"):
        run.measure(seconds=1)


def test_a_device_that_is_not_there_is_a_sentence(tmp_path, maps, table, settings):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    from napari_mednext.errors import ResourceError

    settings = dataclasses.replace(settings, device="cuda")
    with pytest.raises(ResourceError, match="'cuda' must be there, torch sees 0 GPUs"):
        TrainingRun(tmp_path, maps, table, settings)


class TestStartFrom:
    @pytest.fixture
    def start(self, tmp_path, maps, table, settings):
        run = TrainingRun(tmp_path / "first", maps, table, settings)
        run.run(until=2)
        return write_model(run, table, tmp_path / "toy")

    def test_weights_are_taken_over(self, tmp_path, start, maps, table, settings):
        settings = dataclasses.replace(settings, start_from=str(start.path), seed=9)
        run = TrainingRun(tmp_path / "second", maps, table, settings)
        assert_equal(
            run.averaged_weights(), {k: v.float() for k, v in weights_in(start).items()}
        )
        run.run(until=1)
        model = write_model(run, table, tmp_path / "second-toy")
        started_from = {"model": start.name, "sha256": start.sha256}
        assert model.card.lineage == {"started_from": started_from}
        # A run that goes on remembers it and does not start again.
        again = TrainingRun(tmp_path / "second", maps, table, settings)
        assert again.started_from == started_from
        assert_equal(again.averaged_weights(), run.averaged_weights())

    def test_heads_that_a_model_lacks_stay_random(
        self, tmp_path, start, maps, table, settings
    ):
        settings = dataclasses.replace(settings, start_from=str(start.path))
        run = TrainingRun(tmp_path / "second", maps, table, settings)
        fresh = Learner(dataclasses.replace(settings, start_from=""), 4, run.device)
        own = run._learner.network.state_dict()
        lower = [k for k in own if k.startswith(("out_1.", "out_4."))]
        assert len(lower) == 4
        for name in lower:
            assert torch.equal(own[name], fresh.network.state_dict()[name])

    def test_another_preset_is_refused(
        self, tmp_path, start, maps, table, settings, monkeypatch
    ):
        wider = {**SMALL, "width": 4}
        monkeypatch.setattr(
            "napari_mednext.training.learner.preset", lambda name: dict(wider)
        )
        settings = dataclasses.replace(settings, start_from=str(start.path))
        with pytest.raises(ModelError, match="same preset, channels and classes only"):
            TrainingRun(tmp_path / "second", maps, table, settings)

    def test_a_model_that_is_missing_is_named(self, tmp_path, maps, table, settings):
        settings = dataclasses.replace(settings, start_from="nowhere")
        with pytest.raises(ModelError, match="nowhere"):
            TrainingRun(tmp_path / "second", maps, table, settings)


def test_the_caller_keeps_his_random_numbers(tmp_path, maps, table, settings):
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    TrainingRun(tmp_path, maps, table, settings).run(until=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_one_sided_classes_are_not_mirrored(tmp_path, maps, table, settings):
    for mirror, axes in ((True, (2,)), (False, ())):
        own = dataclasses.replace(table, mirror=mirror)
        run = TrainingRun(tmp_path / f"run{mirror}", maps, own, settings)
        model = write_model(run, own, tmp_path / f"model{mirror}")
        assert model.card.mirror_axes == axes


class TestSettingsFile:
    def test_it_reads_what_it_wrote(self, tmp_path, settings):
        settings.save(tmp_path / "s.json")
        assert FromLabelsSettings.load(tmp_path / "s.json") == settings
        assert [p.name for p in tmp_path.iterdir()] == ["s.json"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("{", "readable JSON file"),
            ("[1]", "one JSON object, got .* with list"),
            ('{"schema": 1, "stepz": 3}', "got 'stepz': did you mean 'steps'"),
            ('{"steps": 3}', "must state a schema number"),
            ('{"schema": 1, "steps": 0}', "steps must be at least 1, got 0"),
        ],
    )
    def test_a_broken_one_is_one_sentence(self, tmp_path, text, sentence):
        (tmp_path / "s.json").write_text(text)
        with pytest.raises(SettingsError, match=sentence):
            FromLabelsSettings.load(tmp_path / "s.json")

    def test_a_missing_one_is_named(self, tmp_path):
        with pytest.raises(SettingsError, match=r"got '.*gone\.json'"):
            FromLabelsSettings.load(tmp_path / "gone.json")

    def test_a_folder_that_cannot_be_written(self, tmp_path, settings):
        with pytest.raises(StorageError, match="settings must be written"):
            settings.save(tmp_path / "no" / "s.json")


def test_recipes_for_gpus_hold_a_network_that_fits(table):
    """The shipped table's settings are valid, and its weights stay below 15 MB."""
    from napari_mednext.cli.train import _shipped_recipe
    from napari_mednext.network import preset
    from napari_mednext.training.mapping_table import MappingTable

    shipped = MappingTable.load(_shipped_recipe())
    for device in ("cpu", "cuda"):
        settings = publish.recommended_settings(shipped, device)
        with torch.device("meta"):
            network = MedNeXt(1, len(shipped.labels) + 1, **preset(settings.preset))
        size = 2 * sum(p.numel() for p in network.parameters())
        assert size < 15e6
    assert settings.spacing_mm == 1.0
    assert json.loads(json.dumps(settings.to_dict()))["device"] == "cuda"
