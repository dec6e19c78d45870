"""The ``jobs`` commands: in this process, and with jobs that have one of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from napari_mednext.app.recent_studies import recent, remember
from napari_mednext.app.versions import discard, keep
from napari_mednext.cli import job_choice
from napari_mednext.cli import jobs as jobs_commands
from napari_mednext.cli.columns import aligned
from napari_mednext.cli.entry import run
from napari_mednext.errors import InputError
from napari_mednext.jobs import JobState
from tests.app.model_tree import make_candidate, make_empty_study
from tests.cli.job_parts import (
    SHIFTED,
    SWAPPED,
    TABLE,
    end_job,
    new_job,
    report,
    store_of,
)
from tests.jobs.conftest import kill, until, until_state

ROOT = str(Path(__file__).parents[2])


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    """Keep the user's studies and queue out of the tests, and work nowhere special."""
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(tmp_path / "library"))
    monkeypatch.setattr(job_choice, "_store", store_of)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def study(tmp_path):
    folder = make_empty_study(tmp_path / "a study")
    yield folder
    for job in store_of(folder).jobs():
        job.cancel()
        job.kill_after(0.3)


@pytest.fixture
def other(tmp_path):
    return make_empty_study(tmp_path / "other")


@pytest.fixture
def call(capfd):
    """Run a command with --json; returns the exit code and the one document."""

    def call(*arguments):
        code = run(["jobs", *map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        document = json.loads(out)
        assert document["exit_code"] == code
        assert "Traceback" not in err
        document["stderr"] = err
        return code, document

    return call


@pytest.fixture
def say(capfd):
    """Run a command as people do; returns the exit code, stdout and stderr."""

    def say(*arguments):
        code = run(["jobs", *map(str, arguments)])
        return code, *capfd.readouterr()

    return say


def toy(study, **arguments):
    """Start a job with a process of its own."""
    job = store_of(study).new(
        "toy",
        title="A toy",
        module="tests.jobs.toy",
        arguments={"steps": 3, **arguments},
    )
    job.start()
    return job


class TestList:
    def test_every_job_of_every_study_newest_first(self, call, say, study, other):
        end_job(new_job(study), message="it is well", verdict="better")
        new_job(study, title="Improve\nspleen")
        new_job(other)
        code, document = call("list", "--study", study, "--study", other)
        assert (code, document["command"]) == (0, "jobs list")
        assert document["studies"] == [str(study), str(other)]
        told = [(each["study"], each["id"], each["state"]) for each in document["jobs"]]
        assert told == [
            (str(study), "0002-improve", "queued"),
            (str(study), "0001-improve", "done"),
            (str(other), "0001-improve", "queued"),
        ]
        assert document["jobs"][1]["message"] == "it is well"
        assert document["jobs"][1]["result"] == {"verdict": "better"}
        assert document["jobs"][0]["folder"] == str(study / "jobs" / "0002-improve")
        code, out, err = say("list", "--study", study, "--study", other)
        lines = out.splitlines()
        assert (lines[0], lines[3], len(lines)) == (str(study), str(other), 5)
        assert lines[1].split()[:2] == ["0002-improve", "queued"]
        assert lines[1].endswith("Improve spleen")
        assert "it is well" in lines[2]
        assert (code, err) == (0, "")

    def test_the_study_here_else_those_used_last(
        self, call, study, other, tmp_path, monkeypatch
    ):
        code, document = call("list")
        assert (code, document["studies"], document["jobs"]) == (0, [], [])
        call("list", "--study", study)
        remember(other)
        remember(tmp_path / "gone")
        assert call("list")[1]["studies"] == [str(other), str(study)]
        monkeypatch.chdir(study)
        assert call("list")[1]["studies"] == [str(study)]

    def test_a_folder_that_is_no_study_is_refused(self, call, tmp_path):
        code, document = call("list", "--study", tmp_path)
        assert code == 2
        assert "must hold a 'study.sqlite'" in document["error"]
        assert recent() == ()

    def test_a_damaged_job_is_named_and_the_others_are_listed(self, call, study):
        new_job(study)
        damaged = new_job(study)
        (damaged.path / "spec.json").write_text("{")
        code, document = call("list", "--study", study)
        assert (code, document["status"]) == (1, "some failed")
        assert [each["id"] for each in document["jobs"]] == ["0001-improve"]
        assert "spec.json" in document["error"]
        code, document = call("show", "2", "--study", study)
        assert code == 2

    def test_no_torch_is_loaded(self, study):
        end_job(new_job(study), comparison=report())
        code = (
            "import sys\n"
            "from napari_mednext.cli import main\n"
            f"place = {str(study)!r}\n"
            "code = main(['jobs', 'list', '--study', place])\n"
            "code += main(['jobs', 'show', '1', '--study', place])\n"
            "code += main(['jobs', 'follow', '1', '--study', place])\n"
            "heavy = {'torch', 'napari', 'qtpy'} & set(sys.modules)\n"
            "sys.exit(f'imported {heavy}' if heavy else code)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": ROOT},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "0001-improve  done" in done.stdout


class TestChoice:
    def test_an_id_its_number_or_its_beginning(self, study):
        for _ in range(11):
            new_job(study)
        toys = store_of(study).new(
            "toy", title="", module="tests.jobs.toy", arguments={}
        )
        for said, wanted in {
            "0001-improve": "0001-improve", "1": "0001-improve",
            "0011": "0011-improve", "00011": "0011-improve", "12": toys.id,
            "0010-": "0010-improve", "0012-t": toys.id,
        }.items():  # fmt: skip
            assert job_choice.chosen_job(said, [study]).job.id == wanted
        with pytest.raises(InputError, match="and 7 more: give more of its id"):
            job_choice.chosen_job("00", [study])
        for said in ("", "13", "-1", "improve", "²"):
            with pytest.raises(InputError, match="a job must be one of those in"):
                job_choice.chosen_job(said, [study])

    def test_what_is_close_is_named(self, study, other):
        new_job(study)
        with pytest.raises(InputError, match="got '0001-imrpove', there are '0001-im"):
            job_choice.chosen_job("0001-imrpove", [study])
        with pytest.raises(InputError, match="did you mean '0001-improve'"):
            job_choice.chosen_job("0001-imrpove", [study])
        with pytest.raises(
            InputError, match="in 2 studies, got 'x', there are '0001-improve' of"
        ):
            job_choice.chosen_job("x", [study, other])
        with pytest.raises(InputError, match="got 'x', there are none"):
            job_choice.chosen_job("x", [other])
        with pytest.raises(InputError, match="got 'x' and no study was used here"):
            job_choice.chosen_job("x", [])

    def test_one_id_in_two_studies_needs_the_study(self, call, study, other):
        for folder in (study, other):
            new_job(folder)
            remember(folder)
        code, document = call("show", "1")
        assert code == 2
        assert f"'0001-improve' of {str(study)!r}" in document["error"]
        assert document["error"].endswith("name the study with --study")
        code, document = call("show", "1", "--study", other)
        assert (code, document["job"]["study"]) == (0, str(other))


class TestShow:
    def test_comparison_and_what_to_do_next(self, call, say, study):
        job = end_job(new_job(study), comparison=report(suspicions=(SWAPPED, SHIFTED)))
        make_candidate(study, job.id)
        code, document = call("show", "1", "--study", study)
        assert code == 0
        assert document["model"] == {
            "state": "open", "path": str(job.path / "model"),
        }  # fmt: skip
        assert document["comparison"]["verdict"]["outcome"] == "better"
        _, out, _ = say("show", "1", "--study", study)
        assert TABLE in out
        sheet, table, verdict, next_ = out.split("\n\n")
        assert "state      done" in sheet
        assert table + "\n" == TABLE
        assert verdict.splitlines() == [
            "Better: mean Dice 0.66 -> 0.70 on 3 held-out cases.",
            f"also: {SHIFTED.sentence}",
            "note: one was a copy",
        ]
        place = f"'{study}'"
        assert next_.splitlines() == [
            f"use it nevertheless  napari-mednext models promote {place} 0001-improve",
            f"delete it            napari-mednext jobs remove 0001-improve --study "
            f"{place} --with-model",
        ]
        (job.path / "pictures").mkdir()
        (job.path / "pictures" / "1.png").touch()
        kept = keep(study, job.id)
        _, out, _ = say("show", "1", "--study", study)
        assert out.split("\n\n")[-1].splitlines() == [
            f"pictures  {job.path / 'pictures'}",
            f"kept as   {kept}",
            f"versions  napari-mednext models tree {place}",
        ]

    def test_a_job_that_has_not_begun(self, say, study):
        new_job(study)
        code, out, err = say("show", "1", "--study", study)
        assert (code, err) == (0, "")
        lines = dict(line.split(None, 1) for line in out.splitlines())
        assert lines["job"] == "0001-improve, Improve liver"
        assert lines["state"] == "queued"
        assert set(lines) == {"job", "study", "state", "made", "changed", "folder"}

    def test_columns_stand_below_each_other(self):
        rows = [("a", "b", "c"), ("long one", "1\n2", ""), ("", "-10.5", "x")]
        assert aligned(rows, left=(0, 2)).splitlines() == [
            "a             b  c",
            "long one    1 2",
            "          -10.5  x",
        ]


class TestFollow:
    def test_to_the_end(self, call, study):
        toy(study, steps=4, pause_s=0.05)
        code, document = call("follow", "1", "--study", study)
        assert (code, document["job"]["state"]) == (0, "done")
        assert document["job"]["result"]["step"] == 4
        assert document["stderr"].startswith("A toy (0001-toy)")

    def test_a_failure_is_one_sentence(self, call, study):
        toy(study, end="refusal")
        code, document = call("follow", "1", "--study", study)
        assert (code, document["status"]) == (1, "some failed")
        sentence = "0001-toy: a device must be there, got none: plug one in"
        assert document["error"] == sentence
        assert document["stderr"].splitlines()[-1] == f"napari-mednext: {sentence}"

    def test_a_cancelled_job_did_not_end_well(self, call, study):
        end_job(new_job(study), JobState.CANCELLED)
        code, document = call("follow", "1", "--study", study)
        assert (code, document["error"]) == (1, "0001-improve: it was cancelled")

    @pytest.mark.slow
    def test_a_killed_process_and_going_on_after_that(self, call, study):
        job = toy(study, steps=40, pause_s=0.05)
        until(lambda: job.view().step >= 2)
        kill(job.view().pid)
        code, document = call("follow", "1", "--study", study)
        assert (code, document["job"]["state"]) == (1, "interrupted")
        resume = f"napari-mednext jobs resume 0001-toy --study '{study}'"
        assert resume in document["error"]
        assert "go on with" in document["error"]
        code, document = call("resume", "1", "--study", study)
        assert code == 0
        code, document = call("follow", "1", "--study", study)
        assert (code, document["job"]["attempts"]) == (0, 2)
        assert document["job"]["result"]["step"] == 40

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
    def test_interrupt_of_the_terminal_leaves_the_job(self, study):
        """As Ctrl-C does, for all that a terminal runs in front."""
        code = (
            "import sys\n"
            "from tests.cli.job_parts import store_of\n"
            "from pathlib import Path\n"
            "from napari_mednext.cli import main\n"
            f"study = {str(study)!r}\n"
            "job = store_of(Path(study)).new('toy', title='A toy',\n"
            "    module='tests.jobs.toy', arguments={'steps': 60, 'pause_s': 0.05})\n"
            "job.start()\n"
            "sys.exit(main(['jobs', 'follow', '1', '--study', study, '--json']))\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": ROOT},
            start_new_session=True,
        ) as process:
            said = process.stderr.readline()
            assert b"A toy (0001-toy)" in said
            job = store_of(study).job("0001-toy")
            until(lambda: job.view().step >= 2)
            os.killpg(process.pid, signal.SIGINT)
            printed, said = process.communicate(timeout=30)
        assert process.returncode == 130, said
        document = json.loads(printed)
        assert (document["status"], document["job"]["state"]) == (
            "interrupted", "running",
        )  # fmt: skip
        assert "goes on in the background: follow it with" in document["error"]
        assert (
            f"napari-mednext jobs cancel 0001-toy --study '{study}'"
            in (document["error"])
        )
        last = said.decode().splitlines()[-1]
        assert last == f"napari-mednext: {document['error']}"
        assert until_state(job, JobState.DONE).attempts == 1


class TestSteering:
    def test_pause_resume_stop(self, call, study):
        job = toy(study, steps=500, pause_s=0.02)
        until(lambda: job.view().step >= 1)
        code, document = call("pause", "1", "--study", study)
        assert (code, document["command"]) == (0, "jobs pause")
        until_state(job, JobState.PAUSED)
        assert call("list", "--study", study)[1]["jobs"][0]["state"] == "paused"
        step = job.view().step
        code, document = call("resume", "1", "--study", study)
        assert code == 0
        until(lambda: job.view().step > step)
        assert call("stop", "1", "--study", study)[0] == 0
        until_state(job, JobState.STOPPED)
        assert call("follow", "1", "--study", study)[0] == 0
        for command in ("pause", "stop", "cancel", "resume"):
            code, document = call(command, "1", "--study", study)
            assert code == 2
            assert "'0001-toy' is stopped" in document["error"]

    @pytest.mark.slow
    def test_cancel_ends_a_process_that_does_not_listen(self, call, study, monkeypatch):
        monkeypatch.setattr(jobs_commands, "_GRACE_S", 0.2)
        job = toy(study, steps=5000, pause_s=0.02, end="stubborn")
        until(lambda: job.view().step >= 1)
        code, document = call("cancel", "1", "--study", study)
        assert (code, document["job"]["state"]) == (0, "cancelled")
        assert not job.is_alive

    def test_a_job_without_a_process(self, call, study):
        new_job(study)
        code, document = call("pause", "1", "--study", study)
        assert (code, document["job"]["state"]) == (0, "paused")
        code, document = call("cancel", "1", "--study", study)
        assert (code, document["job"]["state"]) == (0, "cancelled")

    def test_a_failed_job_is_tried_again(self, call, study):
        job = toy(study, end="refusal", at=2)
        until_state(job, JobState.FAILED)
        assert call("resume", "1", "--study", study)[0] == 0
        assert until(lambda: job.view().is_over and job.view()).attempts == 2

    def test_log(self, call, say, study):
        job = toy(study)
        until(lambda: job.view().is_over)
        code, document = call("log", "1", "--study", study)
        assert (code, document["log"][-1]) == (0, "from step 0")
        assert len(document["log"]) > 1
        code, out, err = say("log", "1", "--lines", "1", "--study", study)
        assert (code, out, err) == (0, "from step 0\n", "")
        assert call("log", "1", "--lines", "0", "--study", study)[0] == 2


class TestRemove:
    def test_a_job_that_is_not_over_stays(self, call, study):
        job = new_job(study)
        code, document = call("remove", "1", "--study", study)
        assert code == 2
        assert "must be over to be removed" in document["error"]
        assert "jobs cancel 0001-improve" in document["error"]
        assert job.path.is_dir()

    def test_a_model_that_waits_goes_only_when_named(self, call, study):
        job = end_job(new_job(study))
        make_candidate(study, job.id)
        code, document = call("remove", "1", "--study", study)
        assert code == 2
        assert "--with-model" in document["error"]
        assert (job.path / "model" / "plans.json").is_file()
        code, document = call("remove", "1", "--with-model", "--study", study)
        assert (code, document["removed"]) == (0, "0001-improve")
        assert not job.path.exists()

    def test_what_was_decided_needs_no_word(self, call, study):
        jobs = [end_job(new_job(study)) for _ in range(3)]
        for number, job in enumerate(jobs[:2]):
            make_candidate(study, job.id, content=bytes([number]))
        kept = keep(study, jobs[0].id)
        discard(study, jobs[1].id)
        for number in (1, 2, 3):
            assert call("remove", number, "--study", study)[0] == 0
        assert store_of(study).jobs() == ()
        assert (kept / "plans.json").is_file()
