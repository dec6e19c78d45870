"""Jobs in real processes: started, commanded, killed, and looked at."""

import os
import random
import signal
import subprocess
import time

import psutil
import pytest

from napari_mednext.errors import InputError
from napari_mednext.jobs import Job, JobState, spawning
from tests.jobs.conftest import kill, kinds, python, until, until_state
from tests.jobs.toy import value_after

DONE, FAILED = JobState.DONE, JobState.FAILED


def test_a_job_from_its_making_to_its_end(toy):
    job = toy(steps=5)
    view = job.view()
    assert (view.state, view.attempts, view.pid) == (JobState.QUEUED, 0, None)
    assert (view.id, view.kind, view.title) == ("0001-toy", "toy", "A toy")
    assert not view.is_over
    assert not job.is_alive
    job.start()
    assert job.view().state in (JobState.QUEUED, JobState.RUNNING, DONE)
    view = job.wait(20)
    assert (view.state, view.is_over, view.attempts) == (DONE, True, 1)
    assert view.result == {"value": value_after(5), "step": 5}
    assert (view.step, view.total, view.phase) == (5, 5, "counting")
    assert (view.pid, view.remaining_s, view.message) == (None, None, "")
    assert kinds(job) == ["start"] + ["step"] * 5
    assert "from step 0" in job.log_tail()
    assert job.log_tail(1) == "from step 0"
    for act in (job.pause, job.resume, job.stop, job.cancel):
        act()
    assert job.view() == view
    assert {p.name for p in job.path.iterdir()} == {
        *("spec.json", "state.json", "state.spare", "events.jsonl", "log.txt"),
        *("process.lock", "checkpoints"),
    }
    with pytest.raises(InputError, match=r"'0001-toy' is done: start a new one"):
        job.start()


def test_two_starts_at_once_run_one_process(toy):
    job = toy(steps=5, pause_s=0.1)
    job.start()
    job.start()
    until_state(job, JobState.RUNNING)
    job.start()
    assert job.wait(20).result["value"] == value_after(5)
    assert job.view().attempts == 1
    assert kinds(job).count("start") == 1


def test_the_death_of_who_started_it_does_not_end_a_job(toy):
    job = toy(steps=8, pause_s=0.05)
    window = python(
        "import sys; from napari_mednext.jobs import Job;"
        "Job(sys.argv[1], module_prefixes=('tests.jobs.',)).start();"
        "print('started', flush=True); sys.stdin.read()",
        job.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert window.stdout.readline() == "started\n"
    os.killpg(window.pid, signal.SIGKILL)  # as when a terminal is closed
    window.communicate()
    until(lambda: "start" in kinds(job))
    view = job.wait(20)
    assert (view.state, view.attempts) == (DONE, 1)
    assert view.result["value"] == value_after(8)


def test_pause_resume_and_stop_while_it_runs(toy):
    job = toy(steps=10_000, pause_s=0.01)
    job.start()
    until(lambda: "step" in kinds(job))
    job.pause()
    job.pause()
    view = until_state(job, JobState.PAUSED)
    assert view.pid == job.view().pid
    assert job.is_alive
    until(lambda: "released" in kinds(job))
    step = job.events()[0][-1]["step"]
    job.resume()
    until_state(job, JobState.RUNNING)
    until(lambda: kinds(job)[-1] == "step")
    told = [e for e in job.events()[0] if e["event"] == "returned"]
    assert [e["step"] for e in told] == [step]
    job.pause()
    until_state(job, JobState.PAUSED)
    job.stop()
    view = job.wait(20)
    assert view.state is JobState.STOPPED
    assert view.result["value"] == value_after(view.result["step"])
    assert kinds(job).count("released") == kinds(job).count("returned") == 2


def test_cancel_while_it_runs_and_while_it_is_paused(toy):
    running, paused = toy(steps=10_000, pause_s=0.01), toy(steps=10_000, pause_s=0.01)
    for job in (running, paused):
        job.start()
    paused.pause()
    until(lambda: "released" in kinds(paused))
    until_state(paused, JobState.PAUSED)
    until(lambda: "step" in kinds(running))
    for job in (running, paused):
        job.cancel()
        assert job.wait(20).state is JobState.CANCELLED
        assert job.kill_after(5)
    assert kinds(paused)[-1] == "released"


def test_a_job_that_obeys_nothing_is_killed_with_its_children(toy, monkeypatch):
    monkeypatch.setattr(spawning, "_TERMINATE_S", 0.2)
    job = toy(end="stubborn", steps=10_000, pause_s=0.01)
    job.start()
    child = until(lambda: [e for e in job.events()[0] if e["event"] == "child"])
    job.cancel()
    assert job.view().state is JobState.RUNNING
    assert job.kill_after(0.05)
    assert job.view().state is JobState.CANCELLED
    until(lambda: not psutil.pid_exists(child[0]["pid"]))
    assert not list(job.path.glob("CANCEL"))


def test_a_killed_job_is_interrupted_and_goes_on(toy, store):
    job = toy(steps=6, end="die", at=2)
    job.start()
    view = until_state(job, JobState.INTERRUPTED)
    assert (view.pid, view.remaining_s, view.is_over) == (None, None, False)
    assert [revived.id for revived in store.revive()] == [job.id]
    view = job.wait(20)
    assert view.result["value"] == value_after(6)
    assert view.attempts == 2
    assert [e["step"] for e in job.events()[0] if e["event"] == "start"] == [0, 2]
    assert store.revive() == ()


def test_a_shutdown_leaves_a_job_that_goes_on(toy):
    job = toy(steps=40, pause_s=0.02)
    job.start()
    until(lambda: "step" in kinds(job))
    os.kill(job.view().pid, signal.SIGTERM)
    view = until_state(job, JobState.INTERRUPTED)
    assert view.message == ""
    until(lambda: not job.is_alive)
    assert "can go on later" in job.log_tail()
    job.revive()
    assert job.wait(20).result["value"] == value_after(40)


@pytest.mark.parametrize(
    ("end", "sentence", "logged"),
    [
        ("refusal", "a device must be there, got none: plug one in", "ResourceError"),
        ("full", "must find room on the disk, it is full: make room", "Errno 28"),
        ("error", "KeyError: 'so\\nit goes'", "in work"),
    ],
)
def test_errors_become_one_sentence(toy, end, sentence, logged):
    job = toy(end=end, at=2, steps=4)
    job.start()
    view = job.wait(20)
    assert view.state is FAILED
    assert sentence in view.message
    assert "\n" not in view.message
    assert "Traceback" in job.log_tail()
    assert logged in job.log_tail()
    job.start()  # the user tries again, and it goes on from its checkpoint
    view = job.wait(20)
    assert (view.state, view.message) == (DONE, "")
    assert view.result["value"] == value_after(4)


def test_modules_that_do_not_work(toy, store):
    mute, missing = toy("mute_toy"), toy("no_such_toy")
    mute.start()
    missing.start()
    assert "must run its job by run_job" in mute.wait(20).message
    assert "No module named 'tests.jobs.no_such_toy'" in missing.wait(20).message
    assert {job.view().state for job in store.jobs()} == {FAILED}


def test_a_job_that_only_dies_is_given_up(toy, store):
    job = toy("deadly_toy")
    job.start()
    for _ in range(2):
        until_state(job, JobState.INTERRUPTED)
        assert len(store.revive()) == 1
    until_state(job, JobState.INTERRUPTED)
    assert job.view().attempts == 3
    assert store.revive() == ()
    view = job.view()
    assert view.state is FAILED
    assert "it died 3 times in a row without getting beyond its start" in view.message
    job.start()  # a person may always try again
    until_state(job, JobState.INTERRUPTED)


def test_foreign_modules_are_refused_here_and_in_the_process(toy, store):
    job = toy()
    shown = Job(job.path)  # as the plugin itself would open it
    with pytest.raises(InputError, match=r"below 'napari_mednext.', got 'tests.jobs"):
        shown.start()
    assert shown.view().state is JobState.QUEUED
    spec = job.path / "spec.json"
    spec.write_text(spec.read_text().replace("tests.jobs.toy", "os"))
    code = (
        "import sys; from napari_mednext.jobs.process import main;"
        "main(sys.argv[1], ('tests.jobs.',))"
    )
    process = python(code, job.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    process.communicate()
    assert job.view().state is FAILED
    assert "must run a module below 'tests.jobs.', got 'os'" in job.view().message
    for module in ("os", "napari_mednext", "napari_mednext.", "tests.jobs.toy;x", ""):
        with pytest.raises(InputError, match="a job must run a module below"):
            store.new("toy", title="", module=module, arguments={})


def test_a_kill_at_any_moment_changes_nothing(toy):
    check_kills(toy, kills=3)


@pytest.mark.slow
def test_twenty_kills_change_nothing(toy):
    check_kills(toy, kills=20)


def check_kills(toy, kills):
    job = toy(steps=30 * kills, pause_s=0.003)
    moments = random.Random(kills)
    for attempt in range(1, kills + 1):
        job.start()
        until(lambda n=attempt: (v := job.view()).attempts == n and v.pid)
        time.sleep(moments.uniform(0, 0.1))
        if (pid := job.view().pid) is not None:
            kill(pid)
        until(lambda: not job.is_alive)
        assert job.view().state in (JobState.INTERRUPTED, DONE)
        if job.view().is_over:
            break
    if not job.view().is_over:
        job.start()
    view = job.wait(60)
    assert view.state is DONE
    assert view.result["value"] == value_after(30 * kills)
    assert kinds(job).count("start") >= 2
