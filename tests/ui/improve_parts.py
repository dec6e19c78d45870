"""A desk without trainings: jobs, plans and versions that a test moves by hand."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_mednext.app.improve import ImprovePlan, PlannedCase
from napari_mednext.app.improve_outcome import ChangeRow, Comparison
from napari_mednext.app.version_tree import Version
from napari_mednext.errors import InputError
from napari_mednext.jobs import JobState, JobView
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.ui.improving import Improving
from tests.ui.study_parts import Desktop, listed_study

PLAN = ImprovePlan(
    "brain_mr",
    (
        PlannedCase("case0", "P0", "train", 5_120, 310, 0.4),
        PlannedCase("case1", "P1", "train", 2_222, 90, 0.2),
        PlannedCase("case2", "P2", "hold-out", 900, 11, 0.1),
        PlannedCase("case3", "P3", "replay", 700, 5, 0.1),
    ),
    scheme="hold-out",
    new_labels=("lesion",),
    steps=200,
    seconds=372.0,
    ram_bytes=1_930_000_000,
    disk_bytes=210_000_000,
)


def view(identity="0001-improve", **changes):
    """A job that waits."""
    job = JobView(
        id=identity,
        kind="improve",
        title="Improve brain_mr",
        state=JobState.QUEUED,
        phase="",
        step=0,
        total=0,
        remaining_s=None,
        message="",
        created="2026-11-20T10:00:00",
        updated="2026-11-20T10:00:00",
        attempts=1,
        result={},
        pid=None,
        waiting_for="",
    )
    return replace(job, **changes)


def comparison(job="0001-improve", outcome="better", **changes):
    rows = (
        ChangeRow("Mean Dice", "corrected", 3, 0.855, 0.87, 0.015, -0.001, 0.02),
        ChangeRow("Dice", "dark", 3, 0.81, 0.86, 0.05, 0.02, 0.08),
        ChangeRow("Dice", "bright", 3, 0.9, 0.88, -0.02, -0.03, -0.01),
        ChangeRow("Dice", "lesion", 2, 0.0, 0.4, 0.4, 0.2, 0.6, is_new=True),
        ChangeRow("Surface Dice", "bright", 1, 0.9, 0.9, 0.0),
    )
    reason = "the mean Dice of the corrected cases rose from 0.855 to 0.870"
    made = Comparison(job, outcome, reason, rows)
    return replace(made, **changes)


@dataclass
class FakeJob:
    view: JobView
    folder: Path
    comparison: Comparison | None = None
    log: str = ""

    def tell(self, event, **content):
        with (self.folder / "events.jsonl").open("a") as file:
            file.write(json.dumps({"event": event, **content}) + "\n")


@dataclass
class FakeDesk:
    """Does at once what is asked, and remembers it."""

    study: object
    root: Path
    calls: list = field(default_factory=list)
    made: dict = field(default_factory=dict)
    planned: ImprovePlan = PLAN
    problem: str | None = None
    kept: list = field(default_factory=list)
    threads: set = field(default_factory=set)
    may_go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.may_go.set()

    def _note(self, *call):
        self.threads.add(threading.get_ident())
        self.calls.append(call)

    def why_not(self):
        return self.problem

    def settings(self):
        return ImproveSettings()

    def plan(self, settings, *, model=None, check=None):
        self._note("plan", settings, model)
        self.may_go.wait(30)
        return self.planned

    def start(self, settings, *, model=None):
        self._note("start", settings, model)
        if self.planned.problems:
            raise InputError(self.planned.problems[0])
        return self.add().view.id

    def add(self, **changes):
        identity = f"{len(self.made) + 1:04}-improve"
        folder = self.root / identity
        folder.mkdir(parents=True)
        job = FakeJob(view(identity, **changes), folder)
        self.made[identity] = job
        return job

    def move(self, identity, **changes):
        job = self.made[identity]
        job.view = replace(job.view, **changes)

    def jobs(self):
        return tuple(job.view for job in reversed(self.made.values()))

    def revive(self):
        self._note("revive")
        return ()

    def steer(self, identity, command):
        self._note(command, identity)
        if command == "delete":
            del self.made[identity]

    def folder(self, identity):
        return self.made[identity].folder

    def events(self, identity, offset=0):
        from napari_mednext.jobs.event_log import read_events

        return read_events(self.folder(identity) / "events.jsonl", offset)

    def log(self, identity):
        return self.made[identity].log

    def comparison(self, identity):
        return self.made[identity].comparison

    def versions(self):
        return tuple(self.kept)

    def disk_use(self):
        return {"models": 310_000_000, "jobs": 1_400_000_000}

    def _decide(self, identity, decision):
        self._note(decision, identity)
        job = self.made[identity]
        job.comparison = replace(job.comparison, decision=decision)
        return self.root.parent / "models" / f"brain_mr-{decision}"

    def promote(self, identity):
        return self._decide(identity, "promoted")

    def keep(self, identity):
        return self._decide(identity, "kept")

    def discard(self, identity):
        self._decide(identity, "discarded")

    def use(self, path):
        self._note("use", path)
        return path

    def in_use(self):
        return next((v.path for v in self.kept if v.is_current), None)

    def roll_back(self):
        self._note("roll_back")
        return self.root.parent / "models" / "brain_mr"

    def export(self, path, target):
        self._note("export", path, target)
        return target

    def remove(self, path):
        self._note("remove", path)
        self.kept = [each for each in self.kept if each.path != path]

    def model_version(self, path):
        return self.study.model(self.study.model_code(path.name, "new"))


def tree(root):
    """A base, two versions of it, and a candidate of the second one."""
    base = Version(
        "brain_mr", "Brain MR", root / "base", "base", 0, None, bytes=61_000_000,
        is_shipped=True, created="2026-10-01",
    )  # fmt: skip
    first = replace(
        base, name="brain_mr-v2", title="brain_mr-v2", path=root / "brain_mr-v2",
        kind="version", depth=1, parent="brain_mr", created="2026-11-02T09:00:00",
        is_shipped=False, is_current=True,
    )  # fmt: skip
    second = replace(
        first, name="brain_mr-v3", title="brain_mr-v3", path=root / "brain_mr-v3",
        depth=2, parent="brain_mr-v2", is_current=False,
    )  # fmt: skip
    waiting = replace(
        second, name="brain_mr-v4", path=root / "jobs" / "model", kind="candidate",
        depth=2, job="0001-improve",
    )  # fmt: skip
    return [base, first, second, waiting]


class ImproveBench(Desktop):
    """A study of cases without images, and a fake desk to improve it."""

    def __init__(self, qtbot, folder):
        super().__init__(qtbot)
        self.desk = FakeDesk(None, folder / "jobs")
        self.improving = Improving(self.top, self._make)
        self.improving.said.connect(lambda text, level: self.said.append((text, level)))
        study = listed_study(folder, 3)
        self.folder = study.path
        self.flow.use(study, model="brain_mr")

    def _make(self, study):
        self.desk.study = study
        return self.desk

    def close(self, until):
        self.improving.end()
        super().close(until)
