"""The desk of improvements: settings that last, commands, decisions, exports."""

import json

import pytest

from napari_mednext.app.chosen_model import remember_model
from napari_mednext.app.improve_desk import ImproveDesk
from napari_mednext.errors import InputError, StorageError
from napari_mednext.jobs import JobState
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.training.gate import GateReport, Verdict, write_report
from tests.app.desk_parts import make_study
from tests.app.model_tree import make_candidate, write_model

OTHERS = ImproveSettings(effort="thorough", steps=7, train="head")


@pytest.fixture
def desk(tmp_path):
    with make_study(tmp_path) as study:
        yield ImproveDesk(study)


def add(desk):
    return desk.store.new(
        "improve",
        title="Improve it",
        module="napari_mednext.app.improve_run",
        arguments={},
    )


def test_a_study_without_jobs_has_none(desk):
    assert desk.jobs() == ()
    assert desk.revive() == ()
    assert desk.why_not() is None


def test_a_study_that_cannot_be_written_to_says_so(desk, monkeypatch):
    add(desk)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert desk.why_not() == "the folder 'study' of the study is read-only"
    assert desk.revive() == ()


def test_the_last_settings_are_those_of_the_last_start(desk, monkeypatch):
    assert desk.settings() == ImproveSettings()
    given = []

    def start(study, settings, *, model):
        given.append((study, settings, model))
        return add(desk)

    monkeypatch.setattr("napari_mednext.app.improve.start_improve", start)
    identity = desk.start(OTHERS, model="brain_mr")
    assert given == [(desk.study, OTHERS, "brain_mr")]
    assert [job.id for job in desk.jobs()] == [identity]
    assert ImproveDesk(desk.study).settings() == OTHERS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1, "effort": "lazy"}'])
def test_settings_that_cannot_be_read_are_the_usual_ones(desk, text):
    path = desk.study.path / "models" / "improve.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert desk.settings() == ImproveSettings()
    path.write_text(json.dumps(OTHERS.to_dict()))
    assert desk.settings() == OTHERS


def test_commands_reach_the_job(desk):
    job = add(desk)
    assert desk.folder(job.id) == job.path
    with pytest.raises(InputError, match="got 'stopp'"):
        desk.steer(job.id, "stopp")
    desk.steer(job.id, "pause")
    assert job.view().state is JobState.PAUSED
    desk.steer(job.id, "cancel")
    assert job.view().state is JobState.CANCELLED
    assert desk.comparison(job.id) is None
    assert desk.log(job.id) == ""
    assert desk.events(job.id) == ([], 0)
    desk.steer(job.id, "delete")
    assert desk.jobs() == ()
    with pytest.raises(InputError, match=job.id):
        desk.steer(job.id, "pause")


def test_a_job_with_a_model_is_removed_only_after_a_decision(desk):
    job = add(desk)
    desk.steer(job.id, "cancel")
    (job.path / "model").mkdir()
    (job.path / "model" / "plans.json").write_text("{}")
    with pytest.raises(InputError, match="keep or discard"):
        desk.steer(job.id, "delete")
    desk.discard(job.id)
    desk.steer(job.id, "delete")
    assert not job.path.exists()


def test_what_cannot_be_exported_is_one_sentence(desk, tmp_path):
    with pytest.raises(StorageError, match="nothing") as caught:
        desk.export(tmp_path / "nothing", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_comparison_with_a_model_that_is_no_longer_in_use_says_so(
    desk, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(tmp_path / "library"))
    base = write_model(tmp_path / "base", "base", content=b"base")
    other = write_model(tmp_path / "other", "other", content=b"other")
    job = desk.store.new(
        "improve",
        title="Improve it",
        module="napari_mednext.app.improve_run",
        arguments={"model_sha256": base.sha256},
    )
    make_candidate(desk.study.path, job.id)
    same = Verdict("same", "Same: nothing changed.")
    write_report(GateReport(same, (), "2030-01-01"), job.path / "comparison.json")
    remember_model(desk.study.path, name="base", path=base.path)
    assert desk.comparison(job.id).warnings == ()
    remember_model(desk.study.path, name="other", path=other.path)
    assert desk.comparison(job.id).warnings == (
        "it was compared with the model that was in use then; now 'other' is, which "
        "may be better than both",
    )
    desk.promote(job.id)
    assert desk.comparison(job.id).warnings == ()
