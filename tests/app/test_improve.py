import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_mednext.app.chosen_model import remember_model
from napari_mednext.app.improve import (
    comparison_of,
    job_store,
    plan_improve,
    start_improve,
)
from napari_mednext.app.improve_run import improve
from napari_mednext.app.pseudonyms import Pseudonyms
from napari_mednext.errors import InputError, StorageError
from napari_mednext.jobs import Job, JobState, run_job
from napari_mednext.labels import LabelSet
from napari_mednext.models import ModelFolder
from napari_mednext.study import CaseState
from napari_mednext.training.gate.verdict import Suspicion
from napari_mednext.training.tuning.judging import Judge
from tests.app.improve_parts import FAST, LABELS, correct, make_study, write_model


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """One thread, and a queue and a library of our own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(tmp_path / "library"))
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "small")


@pytest.fixture
def here(monkeypatch):
    """Jobs are begun, but run in this process when a test says so."""
    monkeypatch.setattr(Job, "start", lambda _: None)


def finished(job):
    run_job(job.path, improve)
    return job.view()


def weights(job):
    folder = ModelFolder.open(job.path / "model")
    return folder.load_weights("0")


def test_a_study_without_a_model_cannot_be_improved(tmp_path):
    with make_study(tmp_path, 1) as study:
        plan = plan_improve(study, FAST)
        assert plan.problems[0].startswith("a study must have a model before")
        with pytest.raises(InputError, match="choose one in the list of models"):
            start_improve(study, FAST)
        assert job_store(study).jobs() == ()


def test_a_study_that_nobody_looked_at_cannot_teach(tmp_path, model):
    with make_study(tmp_path, 2, accepted=0) as study:
        plan = plan_improve(study, FAST, model=model.path)
    assert plan.problems[0].startswith("an improvement must have at least 200 reviewed")


def test_the_plan_says_who_learns_and_who_judges(tmp_path, model):
    labels = LabelSet.from_names({1: "dark", 2: "bright", 7: "tumour"})
    with make_study(tmp_path, 5, labels=labels) as study:
        study.set_state("case3", CaseState.FLAGGED, comment="look")
        remember_model(study.path, name=model.name, path=model.path)
        plan = plan_improve(study, FAST)
    assert plan.problems == ()
    assert plan.model == "small"
    assert plan.scheme == "hold-out"
    assert plan.new_labels == ("tumour",)
    assert [case.name for case in plan.cases] == ["case0", "case1", "case2", "case4"]
    roles = [case.role for case in plan.cases]
    assert (roles.count("hold-out"), roles.count("train")) == (1, 3)
    assert {case.share for case in plan.cases} == {1.0}
    assert plan.ram_bytes > 3e8
    assert plan.disk_bytes > 0
    assert (plan.steps, plan.device, plan.gpu_bytes) == (12, "cpu", None)


def test_planning_needs_no_torch(tmp_path, model):
    with make_study(tmp_path, 2) as study:
        remember_model(study.path, name=model.name, path=model.path)
    code = (
        "import sys\n"
        "from napari_mednext.app.improve import plan_improve\n"
        "from napari_mednext.settings.improve import ImproveSettings\n"
        "from napari_mednext.study import Study\n"
        f"with Study.open({str(study.path)!r}) as study:\n"
        "    plan = plan_improve(study, ImproveSettings(device='cpu'))\n"
        "assert plan.problems == (), plan.problems\n"
        "assert plan.scheme == 'leave-one-out', plan\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_model_of_overlapping_regions_is_refused(tmp_path, model):
    said = json.loads((model.path / "dataset.json").read_text())
    said["labels"]["dark"] = [1, 2]
    said["regions_class_order"] = [1, 2]
    (model.path / "dataset.json").write_text(json.dumps(said))
    with make_study(tmp_path, 1) as study:
        plan = plan_improve(study, FAST, model=model.path)
    assert "are overlapping regions" in plan.problems[0]


def test_a_full_disk_is_refused_and_leaves_nothing(tmp_path, model, here, monkeypatch):
    with make_study(tmp_path, 2) as study:

        def full(source, target):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("napari_mednext.app.improve.shutil.copyfile", full)
        with pytest.raises(StorageError, match="make room, then start again"):
            start_improve(study, FAST, model=model.path)
        assert job_store(study).jobs() == ()


@pytest.mark.parametrize(
    ("count", "slices", "scheme", "judged"),
    [
        pytest.param(4, None, "hold-out", 1, marks=pytest.mark.slow),
        (2, None, "leave-one-out", 2),
        pytest.param(1, None, "blocks", 3, marks=pytest.mark.slow),
        (1, (1, 5, 9), "none", 0),
    ],
)
def test_an_improvement_from_beginning_to_end(
    tmp_path, model, here, count, slices, scheme, judged
):
    with make_study(tmp_path, count, slices=slices) as study:
        remember_model(study.path, name=model.name, path=model.path)
        job = start_improve(study, FAST)
        view = finished(job)
        assert view.state is JobState.DONE, view.message
        assert view.result["scheme"] == scheme
        report = comparison_of(job)
        assert report.verdict.outcome == view.result["verdict"]
        assert len(report.cases) == judged
        assert (view.result["verdict"] == "unproven") == (scheme == "none")
        made = ModelFolder.open(job.path / "model")
        assert made.labels.names == {1: "dark", 2: "bright"}
        assert made.card.lineage["parent"] == "small"
        assert made.card.lineage["parent_sha256"] == model.sha256
        assert made.card.metrics["gate"]["outcome"] == view.result["verdict"]
        kinds = [event["event"] for event in job.events()[0]]
        assert {"phase", "plan", "start", "step", "validation", "end"} <= set(kinds)
        assert list((job.path / "examples" / "final").glob("*.png"))


def test_corrections_that_look_wrong_are_told_before_anything_is_learned(
    tmp_path, model, here, monkeypatch
):
    wrong = Suspicion("shifted", "the labels of 'case0' look shifted: check them")
    monkeypatch.setattr(Judge, "suspicions", lambda *_: (wrong,))
    settings = dataclasses.replace(FAST, gate="none")
    with make_study(tmp_path, 1, slices=(1, 5, 9)) as study:
        job = start_improve(study, settings, model=model.path)
        finished(job)
    events = job.events()[0]
    kinds = [event["event"] for event in events]
    (told,) = [e for e in events if e["event"] == "warning"]
    assert told["text"] == wrong.sentence
    assert kinds.index("warning") < kinds.index("start")
    start = events[kinds.index("start")]
    assert start["notes"] == [wrong.sentence]


@pytest.mark.slow
def test_it_gets_better_at_what_was_corrected(tmp_path, model, here):
    settings = dataclasses.replace(FAST, steps=150, distill_weight=0.0)
    with make_study(tmp_path, 4) as study:
        job = start_improve(study, settings, model=model.path)
        view = finished(job)
        verdict = comparison_of(job).verdict
    assert view.result["verdict"] == "better", view.result
    assert verdict.after > verdict.before + 0.3


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tmp_path, model, here):
    with make_study(tmp_path, 4) as study:
        jobs = [start_improve(study, FAST, model=model.path) for _ in range(2)]
        other = dataclasses.replace(FAST, seed=1)
        jobs.append(start_improve(study, other, model=model.path))
        for job in jobs:
            finished(job)
        first, again, different = (weights(job) for job in jobs)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], different[name]) for name in first)


@pytest.mark.slow
def test_people_go_on_painting_while_it_runs(tmp_path, model, here):
    """The job learns what was there when it began."""
    with make_study(tmp_path, 4) as study:
        quiet = start_improve(study, FAST, model=model.path)
        busy = start_improve(study, FAST, model=model.path)
        finished(quiet)
        correct(study, [0, 1], slices=[2])
        finished(busy)
    first, second = weights(quiet), weights(busy)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_what_was_learned_is_replayed_and_who_judged_judges_again(
    tmp_path, model, here
):
    with make_study(tmp_path, 5, accepted=4) as study:
        remember_model(study.path, name=model.name, path=model.path)
        first = start_improve(study, FAST)
        finished(first)
        held = {c.name for c in plan_improve(study, FAST).cases if c.role == "hold-out"}
        version = first.path / "model"
        remember_model(study.path, name="v1", path=version)
        correct(study, [4])
        plan = plan_improve(study, FAST)
        roles = {case.name: case.role for case in plan.cases}
        assert {name for name, role in roles.items() if role == "hold-out"} == held
        assert roles["case4"] == "train"
        assert set(roles.values()) == {"train", "hold-out", "replay"}
        second = start_improve(study, FAST)
        assert finished(second).state is JobState.DONE
        made = ModelFolder.open(second.path / "model")
        names = Pseudonyms(study.seed)
    assert made.name.endswith("-v2")
    assert made.card.lineage["root"]["name"] == "small"
    assert set(made.card.lineage["patients"]) == {
        names.patient(f"case{i}") for i in range(5) if f"case{i}" not in held
    }


@pytest.mark.slow
def test_a_new_label_gets_a_head_and_the_old_ones_keep_theirs(tmp_path, here):
    model = write_model(tmp_path / "one", labels=("dark", "other"))
    with make_study(tmp_path, 2) as study:
        job = start_improve(study, FAST, model=model.path)
        view = finished(job)
        assert view.state is JobState.DONE, view.message
        made = ModelFolder.open(job.path / "model")
    assert made.labels.names == {1: "dark", 2: "other", 3: "bright"}
    assert made.labels.colors[3] == LABELS.colors[2]


@pytest.mark.slow
def test_a_second_channel_and_larger_kernels(tmp_path, here):
    model = write_model(tmp_path / "m")
    settings = dataclasses.replace(FAST, kernel_size=5, steps=2)
    with make_study(tmp_path, 2) as study:
        job = start_improve(study, settings, model=model.path)
        view = finished(job)
        assert view.state is JobState.DONE, view.message
        made = ModelFolder.open(job.path / "model")
    assert made.plan.arch_kwargs["kernel_size"] == 5
    assert made.load_weights("0")["enc_block_0.0.conv1.weight"].shape[2:] == (5, 5, 5)


def test_cancelling_leaves_no_model(tmp_path, model, here):
    with make_study(tmp_path, 2) as study:
        job = start_improve(study, FAST, model=model.path)
        job.cancel()
        view = finished(job)
    assert view.state is JobState.CANCELLED
    assert not (job.path / "model").exists()


def test_stopping_keeps_what_was_learned_and_judges_it(
    tmp_path, model, here, monkeypatch
):
    from napari_mednext.training.tuning.tuner import Tuner

    with make_study(tmp_path, 4) as study:
        job = start_improve(study, FAST, model=model.path)
        update, phases = Tuner.update, set()

        def stopping(self, batch):
            phases.add(job.view().phase)
            if self.step == 4:
                job.stop()
            return update(self, batch)

        monkeypatch.setattr(Tuner, "update", stopping)
        view = finished(job)
        assert view.state is JobState.STOPPED, view.message
        assert phases == {"training"}
        made = ModelFolder.open(job.path / "model")
    assert made.card.recipe["steps_done"] == 5
    assert comparison_of(job) is not None


def test_a_model_that_was_changed_meanwhile_is_told(tmp_path, model, here):
    with make_study(tmp_path, 2) as study:
        job = start_improve(study, FAST, model=model.path)
        path = model.path / "plans.json"
        path.write_text(path.read_text() + "\n")
        view = finished(job)
    assert view.state is JobState.FAILED
    assert "its files were changed: start a new improvement" in view.message


def test_labels_that_lie_elsewhere_are_told(tmp_path, model, here):
    with make_study(tmp_path, 2) as study:
        job = start_improve(study, FAST, model=model.path)
        (job.path / "data" / "case0.nii.gz").write_bytes(
            (tmp_path / "scans" / "case1.nii.gz").read_bytes()[:100]
        )
        view = finished(job)
    assert view.state is JobState.FAILED
    assert view.message.count("\n") == 0


@pytest.mark.slow
def test_a_job_in_a_process_of_its_own(tmp_path, model):
    settings = dataclasses.replace(FAST, steps=2)
    with make_study(tmp_path, 2) as study:
        job = start_improve(study, settings, model=model.path)
        view = job.wait(timeout_s=120)
    assert view.state is JobState.DONE, job.log_tail()
    assert np.isfinite(view.result["peak_rss"])
