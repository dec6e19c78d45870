"""``improve``: what is asked of a study, and what is said of what came of it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from napari_mednext.app import improve as improve_app
from napari_mednext.app.chosen_model import remember_model, remembered_model
from napari_mednext.app.desk import Desk
from napari_mednext.app.improve import ImprovePlan, PlannedCase
from napari_mednext.app.recent_studies import recent
from napari_mednext.app.versions import promote
from napari_mednext.cli.entry import run
from napari_mednext.cli.improve_outcomes import plan_line, plan_text
from napari_mednext.correction.change import Change
from napari_mednext.errors import ResourceError
from napari_mednext.jobs import JobState
from napari_mednext.settings.improve import ImproveSettings
from tests.app.desk_parts import DeskSession, make_study
from tests.app.model_tree import make_candidate, make_empty_study, write_model
from tests.app.tiny_model import write_tiny_model
from tests.cli.job_parts import SWAPPED, TABLE, end_job, new_job, report, store_of

PLAN = ImprovePlan(
    model="liver_ct",
    cases=(
        PlannedCase("case a", "p1", "train", 51200, 730, 0.0215),
        PlannedCase("b", "", "replay", 9, 0, 1.0),
        PlannedCase("c", "p2", "hold-out", 1, 1, 0.00001),
    ),
    scheme="hold-out",
    new_labels=("tumour", "cyst"),
    steps=180,
    seconds=485.0,
    ram_bytes=int(3.25 * 2**30),
    gpu_bytes=5 * 2**30,
    disk_bytes=2**28,
    device="cuda",
    warnings=("case 'b' has few reviewed voxels",),
)
PROBLEMS = ("memory must be 3 GB, 1 GB is free: close programs", "so must the disk")


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(tmp_path / "library"))


@pytest.fixture
def study(tmp_path):
    """A study that uses an installed model."""
    base = write_model(tmp_path / "library" / "base", "base", content=b"base")
    folder = make_empty_study(tmp_path / "a study")
    remember_model(folder, name="base", path=base.path)
    return folder


@pytest.fixture
def asked(monkeypatch, study):
    """Replace planning and starting; what they were given, and what they return."""

    class Asked:
        plan = PLAN
        ends = None
        settings = None
        model = None
        started = 0

        def plan_improve(self, opened, settings, *, model=None):
            assert opened.path == study
            self.settings, self.model = settings, model
            return self.plan

        def start_improve(self, opened, settings, *, model=None):
            assert (self.settings, self.model) == (settings, model)
            self.started += 1
            job = new_job(opened.path)
            if self.ends is not None:
                self.ends(job)
            return job

    asked = Asked()
    for name in ("plan_improve", "start_improve"):
        monkeypatch.setattr(improve_app, name, getattr(asked, name))
    return asked


@pytest.fixture
def call(capfd, study):
    """Run the command with --json; returns the exit code and the one document."""

    def call(*arguments):
        code = run(["improve", str(study), *map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        document = json.loads(out)
        assert document["exit_code"] == code
        assert "Traceback" not in err
        document["stderr"] = err
        return code, document

    return call


def with_model(comparison):
    """Return what ends a job with a model and its comparison."""

    def ends(job):
        make_candidate(job.path.parents[1], job.id)
        end_job(job, comparison=comparison)

    return ends


class TestSettings:
    def test_those_of_an_improvement_by_default(self, call, asked):
        assert call("--plan")[0] == 0
        assert (asked.settings, asked.model) == (ImproveSettings(), None)

    def test_every_option_reaches_its_setting(self, call, asked, tmp_path):
        file = tmp_path / "s.json"
        file.write_text('{"schema": 1, "seed": 3, "batch_size": 2, "device": "cuda:1"}')
        call(
            "--plan", "--settings", file, "--effort", "thorough", "--minutes", "2.5",
            "--train", "head", "--start", "base", "--steps", 7, "--model", "x/y",
            "--promote", "when-better",
        )  # fmt: skip
        assert asked.model == "x/y"
        assert asked.settings == ImproveSettings(
            effort="thorough", minutes=2.5, train="head", start="base", steps=7, seed=3,
            batch_size=2, promote="when better", device="cuda:1",
        )  # fmt: skip
        call("--plan", "--settings", file, "--seed", 4, "--device", "cpu")
        assert (asked.settings.seed, asked.settings.device) == (4, "cpu")
        assert asked.settings.batch_size == 2

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--effort", "huge"), "effort must be one of quick, standard, thorough"),
            (("--minutes", "0"), "minutes must be between 0.1 and 10000, got 0.0"),
            (("--steps", "1"), "steps must be between 2 and 1000000, got 1"),
            (("--train", "all"), "train must be one of full, decoder, head, got 'all'"),
            (("--start", "x"), "start must be one of current, base, got 'x'"),
            (("--promote", "yes"), "promote must be one of ask, when better"),
            (("--seed", "-1"), "seed must be at least 0, got -1"),
            (("--device", "tpu"), "device must be auto, cpu, cuda or cuda:N"),
            (("--settings", "no.json"), "must be a readable JSON file, got 'no.json'"),
            (("--settings", "list.json"), "one JSON object, got 'list.json' with list"),
            (("--settings", "odd.json"), "did you mean 'seed'"),
        ],
    )
    def test_what_cannot_be_is_one_sentence(
        self, call, asked, arguments, sentence, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        Path("list.json").write_text("[]")
        Path("odd.json").write_text('{"schema": 1, "sed": 3}')
        code, document = call(*arguments)
        assert code == 2
        assert sentence in document["error"]
        assert len(document["stderr"].splitlines()) == 1
        assert asked.settings is None

    def test_a_folder_that_is_no_study(self, capfd, tmp_path):
        assert run(["improve", str(tmp_path)]) == 2
        assert "must hold a 'study.sqlite'" in capfd.readouterr().err
        assert recent() == ()


class TestPlan:
    def test_as_text(self):
        assert plan_text(PLAN) == (
            "model       liver_ct\n"
            "new labels  tumour, cyst\n"
            "time        about 8 min 05 s: 180 steps on cuda, and the comparison\n"
            "memory      3.2 GB, 5.0 GB of the GPU\n"
            "disk        256 MB\n"
            "judged      on cases that are never learned\n"
            "\n"
            "case    patient  use       reviewed voxels  drawn  of the scan\n"
            "case a  p1       train               51200    730        2.1 %\n"
            "b                replay                  9      0      100.0 %\n"
            "c       p2       hold-out                1      1        0.0 %\n"
            "warning: case 'b' has few reviewed voxels"
        )
        assert plan_text(ImprovePlan("")) == "model       none"

    def test_in_a_line(self):
        assert plan_line(PLAN) == (
            "liver_ct: learns from 2 cases, 1 held out; about 8 min 05 s on cuda, "
            "3.2 GB of memory"
        )
        alone = replace(PLAN, cases=PLAN.cases[:1], device="cpu")
        assert "from 1 case; about 8 min 05 s on the CPU" in plan_line(alone)

    def test_as_document_and_nothing_starts(self, call, asked, study):
        code, document = call("--plan")
        assert (code, document["command"], document["status"]) == (0, "improve", "done")
        assert document["plan"] == json.loads(json.dumps(asdict(PLAN)))
        assert asked.started == 0
        assert recent() == (study,)

    @pytest.mark.parametrize("options", [("--plan",), (), ("--background",)])
    def test_what_cannot_start_is_refused(self, call, asked, options):
        asked.plan = replace(PLAN, problems=PROBLEMS)
        code, document = call(*options)
        assert (code, document["status"]) == (2, "refused")
        assert document["error"] == PROBLEMS[0]
        assert document["plan"]["problems"] == list(PROBLEMS)
        assert document["stderr"].splitlines() == [
            f"also: {PROBLEMS[1]}",
            f"napari-mednext: {PROBLEMS[0]}",
        ]
        assert asked.started == 0

    def test_what_fails_in_starting_is_refused(self, call, asked, monkeypatch):
        def start(*_, **__):
            msg = "the disk must have room, it has none: make some"
            raise ResourceError(msg)

        monkeypatch.setattr(improve_app, "start_improve", start)
        code, document = call()
        assert (code, document["error"].split(",")[0]) == (2, "the disk must have room")


class TestRun:
    def test_in_the_background_it_only_begins(self, call, asked, study):
        code, document = call("--background")
        assert (code, document["job"]["id"]) == (0, "0001-improve")
        assert document["job"]["state"] == "queued"
        assert asked.started == 1
        assert plan_line(PLAN) in document["stderr"]
        assert f"warning: {PLAN.warnings[0]}" in document["stderr"]
        code = run(["improve", str(study), "--background"])
        assert code == 0

    def test_how_to_follow_is_said(self, asked, study, capfd):
        assert run(["improve", str(study), "--background"]) == 0
        assert capfd.readouterr().out.splitlines() == [
            "0001-improve",
            f"follow it  napari-mednext jobs follow 0001-improve --study '{study}'",
        ]

    def test_the_comparison_and_the_command_that_promotes(self, asked, study, capfd):
        asked.ends = with_model(report())
        assert run(["improve", str(study)]) == 0
        table, verdict, next_ = capfd.readouterr().out.split("\n\n")
        assert table + "\n" == TABLE
        assert verdict.startswith("Better: mean Dice 0.66 -> 0.70")
        assert next_.splitlines()[0] == (
            f"use it     napari-mednext models promote '{study}' 0001-improve"
        )
        assert remembered_model(study).name == "base"
        assert run(["models", "promote", str(study), "0001-improve"]) == 0
        assert remembered_model(study) == study / "models" / "liver"

    @pytest.mark.parametrize("outcome", ["better", "same", "worse", "unproven"])
    def test_done_whatever_the_verdict(self, call, asked, outcome, study):
        asked.ends = with_model(report(outcome))
        code, document = call()
        assert (code, document["job"]["state"]) == (0, "done")
        assert document["comparison"]["verdict"]["outcome"] == outcome
        assert (document["promoted"], document["model"]["state"]) == (None, "open")

    @pytest.mark.parametrize(
        ("comparison", "is_used"),
        [
            (report(), True),
            (report("same"), False),
            (report("worse"), False),
            (report("unproven"), False),
            (report(suspicions=(SWAPPED,)), False),
            (None, False),
        ],
    )
    def test_only_what_is_surely_better_is_used_at_once(
        self, call, asked, study, comparison, is_used
    ):
        asked.ends = with_model(comparison)
        code, document = call("--promote", "when-better")
        assert code == 0
        kept = study / "models" / "liver"
        assert document["promoted"] == (str(kept) if is_used else None)
        assert remembered_model(study).name == ("liver" if is_used else "base")

    def test_a_job_that_has_promoted_itself_is_left_alone(self, call, asked, study):
        def ends(job):
            with_model(report())(job)
            promote(study, job.id)

        asked.ends = ends
        code, document = call("--promote", "when-better")
        kept = study / "models" / "liver"
        assert (code, document["promoted"]) == (0, str(kept))
        assert document["model"] == {"state": "kept", "path": str(kept)}
        assert remembered_model(study) == kept

    @pytest.mark.parametrize("is_over", [False, True])
    def test_an_interrupt_beside_the_watching(self, call, asked, monkeypatch, is_over):
        def follow(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("napari_mednext.cli.following.follow_job", follow)
        asked.ends = end_job if is_over else None
        code, document = call()
        assert code == 130
        assert document["error"].startswith(
            "interrupted" if is_over else "the job '0001-improve' goes on in the back"
        )

    @pytest.mark.parametrize(
        ("state", "message", "code", "error"),
        [
            (JobState.STOPPED, "", 0, None),
            (JobState.FAILED, "the loss is no number", 1, "the loss is no number"),
            (JobState.CANCELLED, "", 1, "it was cancelled"),
        ],
    )
    def test_other_ends(self, call, asked, state, message, code, error):
        asked.ends = lambda job: end_job(job, state, message)
        got, document = call()
        assert (got, document["job"]["state"]) == (code, state)
        assert document["error"] == (error and f"0001-improve: {error}")
        assert document["comparison"] is None


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_interrupt_ends_the_watching_and_not_the_job(study):
    """The whole program, as a terminal interrupts it; the job is a toy."""
    code = (
        "import sys\n"
        "from napari_mednext.app import improve\n"
        "from tests.cli.job_parts import store_of\n"
        "def plan(*_, **__):\n"
        "    return improve.ImprovePlan('toy')\n"
        "def start(opened, *_, **__):\n"
        "    job = store_of(opened.path).new('toy', title='A toy', arguments=\n"
        "        {'steps': 60, 'pause_s': 0.05}, module='tests.jobs.toy')\n"
        "    job.start()\n"
        "    return job\n"
        "improve.plan_improve, improve.start_improve = plan, start\n"
        "from napari_mednext.cli import main\n"
        f"sys.exit(main(['improve', {str(study)!r}, '--json']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    ) as process:
        assert b"toy: learns from 0 cases" in process.stderr.readline()
        assert b"A toy (0001-toy)" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        printed, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    document = json.loads(printed)
    assert (document["status"], document["job"]["id"]) == ("interrupted", "0001-toy")
    assert "'0001-toy' goes on in the background" in document["error"]
    assert store_of(study).job("0001-toy").wait(30.0).state is JobState.DONE


@pytest.mark.slow
def test_a_round_with_the_real_training(tmp_path, capfd):
    """Begin, watch, use the new model, go back: by commands alone."""
    write_tiny_model(tmp_path / "library" / "tiny")
    with make_study(tmp_path) as opened:
        desk = Desk(DeskSession(), opened)
        for name in ("case0", "case1", "case2"):
            case = desk.open(name)
            box = slice(1, 4), slice(2, 8), slice(2, 8)
            case.editing.apply(Change(box, np.ones((3, 6, 6), np.uint8)), "brush")
            desk.accept(case)
            case.close()
        desk.close()
        study = opened.path
    tiny = tmp_path / "library" / "tiny"
    remember_model(study, name="tiny", path=tiny)

    def do(*arguments):
        code = run([*map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        assert (code, json.loads(out)["error"]) == (0, None), err
        return json.loads(out), err

    planned, _ = do("improve", study, "--plan", "--steps", 4, "--device", "cpu")
    assert [case["role"] for case in planned["plan"]["cases"]].count("train") >= 1
    begun, _ = do("improve", study, "--background", "--steps", 4, "--device", "cpu")
    assert begun["job"]["id"] == "0001-improve"
    ended, err = do("jobs", "follow", 1, "--study", study)
    assert (ended["job"]["state"], ended["model"]["state"]) == ("done", "open")
    assert (
        ended["comparison"]["verdict"]["outcome"] == ended["job"]["result"]["verdict"]
    )
    assert "final, step 4: Dice dark " in err
    do("models", "promote", study, "0001-improve")
    assert remembered_model(study).parent == study / "models"
    do("models", "rollback", study)
    assert remembered_model(study) == tiny
    do("jobs", "remove", 1, "--study", study)
    assert do("jobs", "list", "--study", study)[0]["jobs"] == []
