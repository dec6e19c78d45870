"""Improving from a script, with a job whose training is made up."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from napari_mednext import Cancelled, ImproveSettings, MednextError, improve_study
from napari_mednext.app.chosen_model import remember_model, remembered_model
from napari_mednext.app.improve import job_store
from napari_mednext.app.versions import promote
from napari_mednext.errors import InputError, ModelError, ResourceError
from napari_mednext.jobs import Job, run_job
from napari_mednext.training.gate import GateCase, compare_gate, write_report
from tests.app.improve_parts import FAST, LABELS, make_study, write_model


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(tmp_path / "library"))
    return write_model(tmp_path / "small")


@pytest.fixture
def study(tmp_path, model):
    with make_study(tmp_path, 2) as study:
        remember_model(study.path, name=model.name, path=model.path)
    return study.path


def learned(model, monkeypatch, work=None):
    """Let jobs run at once and here, and learn perfectly by copying."""

    def perfect(worker):
        reference = np.zeros((5, 21, 18), np.uint8)
        reference[1:4, 4:13, 3:12] = 1
        case = GateCase(
            name="case0",
            group="corrected",
            reference=reference,
            known=np.ones(reference.shape, bool),
            before=np.roll(reference, 2, axis=1),
            after=reference,
            spacing=(2.5, 0.9, 1.1),
        )
        worker.progress(3, 4, phase="final")
        write_report(compare_gate([case], LABELS), worker.path / "comparison.json")
        shutil.copytree(model.path, worker.path / "model")
        worker.progress(4, 4)
        return {}

    monkeypatch.setattr(Job, "start", lambda job: run_job(job.path, work or perfect))


def test_it_returns_the_verdict_and_leaves_the_choice(study, model, monkeypatch):
    learned(model, monkeypatch)
    seen = []
    found = improve_study(study, FAST, on_progress=seen.append)
    assert found.verdict.outcome == "better"
    assert found.verdict.before == pytest.approx(7 / 9)
    assert found.verdict.after == 1.0
    assert found.model == study / "jobs" / found.job / "model"
    assert (seen[-1].done, seen[-1].total, seen[-1].text) == (4, 4, "final")
    assert remembered_model(study) == model.path
    assert promote(study, found.model) == remembered_model(study)


def test_a_version_that_the_job_promoted_is_returned(study, model, monkeypatch):
    learned(model, monkeypatch)
    start = Job.start

    def promoting(job):
        start(job)
        promote(study, job.path)

    monkeypatch.setattr(Job, "start", promoting)
    found = improve_study(str(study), FAST)
    assert found.model.parent == study / "models"
    assert found.model == remembered_model(study)


def test_a_job_that_fails_says_why(study, model, monkeypatch):
    def failing(_):
        msg = "the loss must stay finite, but it did not: lower the learning rate"
        raise ModelError(msg)

    learned(model, monkeypatch, failing)
    with pytest.raises(MednextError, match=r"^the loss must stay finite"):
        improve_study(study, FAST)


def test_a_cancelled_job_is_no_failure(study, model, monkeypatch):
    learned(model, monkeypatch)
    start = Job.start

    def cancelled(job):
        job.cancel()
        start(job)

    monkeypatch.setattr(Job, "start", cancelled)
    with pytest.raises(Cancelled, match="cancelled"):
        improve_study(study, FAST)


def test_a_process_that_is_gone_is_told(study, model, monkeypatch):
    def dying(job):
        code = (
            "import os, sys\n"
            "from napari_mednext.jobs import run_job\n"
            "run_job(sys.argv[1], lambda worker: os._exit(9))\n"
        )
        subprocess.run([sys.executable, "-c", code, job.path], check=False, timeout=60)

    monkeypatch.setattr(Job, "start", dying)
    with pytest.raises(ResourceError, match="it is gone: resume the job"):
        improve_study(study, FAST)


def test_what_cannot_be_learned_is_refused_before_a_job_is_made(tmp_path, model):
    with make_study(tmp_path, 1, accepted=0) as study:
        pass
    with pytest.raises(InputError, match="at least 200 reviewed voxels"):
        improve_study(study.path, ImproveSettings(device="cpu"), model=model.path)
    assert job_store(study).jobs() == ()
