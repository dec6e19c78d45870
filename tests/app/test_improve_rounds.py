"""What passes from one improvement to the next, and what must not."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from napari_mednext.app import improve as planning
from napari_mednext.app import improve_plan
from napari_mednext.app.chosen_model import remember_model
from napari_mednext.app.held_out import held_out
from napari_mednext.app.improve import comparison_of, plan_improve, start_improve
from napari_mednext.app.improve_run import _queue, improve
from napari_mednext.app.pseudonyms import Pseudonyms
from napari_mednext.formats import save_volume
from napari_mednext.jobs import Job, JobState, run_job
from napari_mednext.models import ModelFolder, replace_card
from napari_mednext.study import CaseEntry, Study
from napari_mednext.training.gate import GateReport, Suspicion, Verdict
from napari_mednext.training.gate.splits import Fold, Split
from napari_mednext.training.tuning.makings import Makings
from napari_mednext.training.tuning.order import ImproveOrder
from napari_mednext.training.tuning.step_plan import StepPlan
from napari_mednext.training.tuning.tuner import Tuner
from tests.app.improve_parts import (
    FAST,
    LABELS,
    correct,
    make_study,
    scan,
    write_model,
)

PATIENTS = ("Doe_Jane", "Roe_Max", "Poe_Eva", "Coe_Ida", "Loe_Tom")


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """One thread, a queue and a library of our own, and no processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(tmp_path / "library"))
    monkeypatch.setattr(Job, "start", lambda _: None)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "small")


@pytest.fixture
def study(tmp_path):
    """Five accepted scans of five patients."""
    entries = [
        CaseEntry(
            f"case{seed}",
            (save_volume(scan(seed), tmp_path / f"scan{seed}.nii.gz"),),
            patient=patient,
        )
        for seed, patient in enumerate(PATIENTS)
    ]
    with Study.create(tmp_path / "study", entries=entries, labels=LABELS) as made:
        correct(made, range(5))
        yield made


def improved(study, model, tmp_path):
    """Return a model that says that it comes from an improvement, without one."""
    job = start_improve(study, FAST, model=model.path)
    lineage = job.spec["arguments"]["lineage"]
    made = tmp_path / "improved"
    shutil.copytree(model.path, made)
    folder = ModelFolder.open(made)
    card = dataclasses.replace(folder.card, name="improved", lineage=lineage)
    return replace_card(folder, card)


def roles(plan):
    return {case.name: case.role for case in plan.cases}


def test_a_model_names_neither_patients_nor_cases_nor_the_key(study, model, tmp_path):
    made = improved(study, model, tmp_path)
    said = (made.path / "card.json").read_text()
    assert made.card.lineage["patients"]
    assert len(made.card.lineage["cases"]) == 5
    for word in (*PATIENTS, *(f"case{i}" for i in range(5)), study.seed):
        assert word not in said
    assert Pseudonyms("a").patient("x") != Pseudonyms("b").patient("x")
    assert Pseudonyms("a").patient("x") != Pseudonyms("a").case("x")


def test_what_was_learned_is_known_again_by_its_study_only(study, model, tmp_path):
    made = improved(study, model, tmp_path)
    again = plan_improve(study, FAST, model=made.path)
    assert set(roles(again).values()) == {"hold-out", "replay"}
    assert again.warnings[-1].startswith("the model has learned all these corrections")
    order = start_improve(study, FAST, model=made.path).spec["arguments"]
    assert set(order["trained"]) == set(PATIENTS) - held_out(study.path)
    with make_study(tmp_path / "other", 4) as other:
        assert (
            "replay" not in roles(plan_improve(other, FAST, model=made.path)).values()
        )


def test_those_who_judge_are_not_left_out_as_the_oldest(
    study, model, tmp_path, monkeypatch
):
    before = roles(plan_improve(study, FAST, model=model.path))
    made = improved(study, model, tmp_path)
    monkeypatch.setattr(improve_plan, "_MOST_REPLAYED", 1)
    after = roles(plan_improve(study, FAST, model=made.path))
    judges = {name for name, role in before.items() if role == "hold-out"}
    assert {name for name, role in after.items() if role == "hold-out"} == judges
    assert list(after.values()).count("replay") == 1


def test_names_of_cases_do_not_leave_with_the_verdict():
    where = "the labels in 'case1' seem to be moved"
    found = Verdict(
        "worse", f"Worse: {where}.", suspicions=(Suspicion("shifted", where, "case1"),)
    )
    left = found.without_cases()
    assert "case1" not in json.dumps(left.to_dict())
    assert left.reason == "Worse: the corrections seem to be shifted."
    assert (left.outcome, left.may_promote) == ("worse", False)
    fine = Verdict("same", "Same: mean Dice 0.90 -> 0.90 on 3 held-out cases.")
    assert fine.without_cases() is fine
    assert isinstance(GateReport(left, (), "").to_dict(), dict)


@pytest.mark.slow
def test_a_stand_in_that_was_stopped_does_not_judge(tmp_path, model, monkeypatch):
    """It has hardly left the old model, so it would always be the same."""
    settings = dataclasses.replace(FAST, steps=4)
    with make_study(tmp_path, 2) as study:
        job = start_improve(study, settings, model=model.path)
        update = Tuner.update

        def stopping(self, batch):
            if self._schedule.steps < settings.steps and self.step == 0:
                job.stop()
            return update(self, batch)

        monkeypatch.setattr(Tuner, "update", stopping)
        run_job(job.path, improve)
        view = job.view()
        assert view.state is JobState.STOPPED, view.message
        made = ModelFolder.open(job.path / "model")
        assert made.card.recipe["steps_done"] == settings.steps
        assert comparison_of(job).cases == ()
        assert view.result["verdict"] == "unproven"


@pytest.mark.slow
def test_a_study_that_was_moved_meanwhile_is_gone_on_with(tmp_path, model):
    with make_study(tmp_path, 1) as study:
        inside = study.path / "models" / "small"
        shutil.copytree(model.path, inside)
        remember_model(study.path, name="small", path=inside)
        settings = dataclasses.replace(FAST, steps=2, gate="none")
        job = start_improve(study, settings)
    shutil.move(study.path, tmp_path / "elsewhere")
    moved = Job(tmp_path / "elsewhere" / "jobs" / job.id)
    run_job(moved.path, improve)
    assert moved.view().state is JobState.DONE, moved.view().message


def test_only_what_lay_in_the_study_moves_with_it(study, model):
    said = start_improve(study, FAST, model=model.path).spec["arguments"]
    said["cases"][0]["images"] = [str(study.path / "imagesTr" / "a.nii.gz")]
    order = ImproveOrder.from_dict(said).moved(Path("/new"))
    assert order.cases[0].images == (Path("/new/imagesTr/a.nii.gz"),)
    assert order.cases[1].images == ImproveOrder.from_dict(said).cases[1].images
    assert order.model == model.path
    assert ImproveOrder.from_dict(order.to_dict()) == order


def test_who_says_when_to_stop_is_spared_with_all_scans_of_the_patient(study, model):
    said = start_improve(study, FAST, model=model.path).spec["arguments"]
    for case, patient in zip(said["cases"], "ABABC", strict=True):
        case["patient"] = patient
    some = Makings.__new__(Makings)
    some.order = ImproveOrder.from_dict(said)
    some.settings = some.order.settings
    names = [case["name"] for case in said["cases"]]

    def spared(*judged):
        split = Split("hold-out", (), (Fold("final", (), tuple(judged)),))
        return some.spared(split)

    assert spared(*names) == (names[0], names[2])
    # Two patients, whatever their scans, are too few.
    assert spared(*names[:4]) == ()


def test_labels_saved_while_they_are_copied_are_never_older_than_their_review(
    study, model, monkeypatch
):
    """What counts as reviewed must not come with the label of before."""
    copied = []
    copy = shutil.copyfile

    def copying(source, target):
        copied.append(Path(source).name)
        return copy(source, target)

    monkeypatch.setattr(planning.shutil, "copyfile", copying)
    start_improve(study, FAST, model=model.path)
    pairs = [(f"case{i}.provenance.nii.gz", f"case{i}.nii.gz") for i in range(5)]
    assert copied == [name for pair in pairs for name in pair]


@pytest.mark.parametrize(
    ("device", "found", "queue"),
    [
        ("auto", "/usr/bin/nvidia-smi", "cuda:0"),
        ("auto", None, "cpu"),
        ("cuda", None, "cuda"),
        ("cuda:1", "/usr/bin/nvidia-smi", "cuda:1"),
        ("cpu", "/usr/bin/nvidia-smi", "cpu"),
    ],
)
def test_all_that_use_one_gpu_wait_in_one_queue(monkeypatch, device, found, queue):
    monkeypatch.setattr(planning.shutil, "which", lambda _: found)
    assert _queue(device) == queue


@pytest.mark.parametrize("text", ["", "{", "[]", "\0\0\0"])
def test_a_decision_that_a_power_cut_emptied_is_made_again(tmp_path, text):
    path = tmp_path / "steps.json"
    assert StepPlan.read(path) is None
    plan = StepPlan(20, 10, 0.5, 2, (16, 32, 32), "none")
    plan.write(path)
    assert StepPlan.read(path) == plan
    path.write_text(text)
    assert StepPlan.read(path) is None
