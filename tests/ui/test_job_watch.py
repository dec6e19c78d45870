"""What a window knows of jobs: read from their files, in a worker."""

import json
import threading
from itertools import pairwise

import numpy as np
import pytest

from napari_mednext.ui import job_watch
from napari_mednext.ui.job_reading import JobReader, thinned
from napari_mednext.ui.job_watch import JobWatch
from tests.ui.gaps import GapMeter
from tests.ui.improve_parts import FakeDesk, comparison

STEPS = 30_000


@pytest.fixture
def desk(tmp_path):
    return FakeDesk(None, tmp_path / "jobs")


@pytest.fixture
def watch(qapp, monkeypatch):
    monkeypatch.setattr(job_watch, "WATCH_MS", 20)
    watch = JobWatch()
    yield watch
    watch.follow(None)


def start(job, step=0, steps=200, part="final"):
    job.tell("start", part=part, step=step, steps=steps, device="cpu", settings={})


def test_jobs_of_before_are_shown_and_revived_once_in_a_worker(watch, desk, until):
    desk.add(state="interrupted")
    desk.add(state="done")
    watch.follow(desk)
    until(lambda: len(watch.jobs) == 2)
    seen = []
    watch.changed.connect(lambda: seen.append(watch.running.state))
    desk.move("0001-improve", state="running", step=3, total=9)
    until(lambda: seen == ["running"])
    watch.changed.disconnect()
    assert desk.calls == [("revive",)]
    assert threading.get_ident() not in desk.threads
    assert watch.chosen.id == "0002-improve"
    assert watch.running.id == "0001-improve"


def test_the_end_of_a_job_is_told_once_and_only_to_who_was_there(watch, desk, until):
    desk.add(state="done")
    ended = []
    watch.jobEnded.connect(lambda job: ended.append((job.id, str(job.state))))
    watch.follow(desk)
    until(lambda: watch.jobs)
    desk.add(state="running")
    until(lambda: len(watch.jobs) == 2)
    desk.move("0002-improve", state="failed", message="the disk is full")
    until(lambda: ended)
    watch.look_now()
    desk.add()
    until(lambda: len(watch.jobs) == 3)
    assert ended == [("0002-improve", "failed")]


def test_a_job_whose_folder_goes_away_is_forgotten(watch, desk, until):
    first, second = desk.add(), desk.add()
    start(second)
    watch.follow(desk)
    until(lambda: watch.reading.detail is not None)
    (second.folder / "events.jsonl").unlink()
    del desk.made["0002-improve"]
    until(lambda: len(watch.jobs) == 1)
    assert watch.chosen.id == first.view.id
    del desk.made["0001-improve"]
    until(lambda: not watch.jobs)
    assert watch.chosen is watch.running is None


def test_events_are_read_on_and_half_lines_wait(desk):
    job, reader = desk.add(state="running"), JobReader(desk)
    start(job)
    job.tell("step", step=1, loss=2.0, rate=0.1, seconds=1)
    path = job.folder / "events.jsonl"
    line = json.dumps({"event": "step", "step": 2, "loss": 1.0, "seconds": 1})
    with path.open("a") as file:
        file.write(line[:9])
    detail = reader.read(None).detail
    assert detail.loss.steps.tolist() == [1]
    assert reader.read(None).detail is detail
    with path.open("a") as file:
        file.write(line[9:] + "\n")
    assert reader.read(None).detail.loss.values.tolist() == [2.0, 1.0]


def test_what_a_killed_run_said_after_its_checkpoint_is_forgotten(desk):
    job, reader = desk.add(state="running"), JobReader(desk)
    start(job)
    for step in range(1, 9):
        job.tell("step", step=step, loss=9.0, rate=0.1, seconds=1)
    job.tell("validation", step=8, dice={"dark": 0.5}, seconds=1)
    reader.read(None)
    start(job, step=4)
    job.tell("step", step=5, loss=1.0, rate=0.1, seconds=1)
    detail = reader.read(None).detail
    assert detail.loss.steps.tolist() == [1, 2, 3, 4, 5]
    assert detail.loss.values[-1] == 1.0
    assert not detail.dice
    assert detail.total == 200


def test_damaged_events_are_left_out(desk):
    job, reader = desk.add(state="running"), JobReader(desk)
    job.tell("step", step="many", loss=None)
    job.tell("examples", step=3)
    start(job, part="fold 1 of 3")
    job.tell("examples", step=7, file="examples/step_000007.png")
    detail = reader.read(None).detail
    assert detail.part == "fold 1 of 3"
    assert detail.examples == ((7, job.folder / "examples/step_000007.png"),)


def test_the_newest_model_that_nobody_decided_about_is_offered(desk):
    old, done, kept = (desk.add(state="done") for _ in range(3))
    desk.add(state="running")
    old.comparison = comparison(old.view.id)
    done.comparison = comparison(done.view.id, "same")
    kept.comparison = comparison(kept.view.id, decision="kept")
    reader = JobReader(desk)
    reading = reader.read(old.view.id)
    assert reading.offer == done.comparison
    assert reading.comparison == old.comparison
    done.comparison = comparison(done.view.id, decision="discarded")
    assert reader.read(None).offer.job == done.view.id
    assert reader.read(None, is_decided=True).offer == old.comparison


@pytest.mark.parametrize("count", [1, 7, 100, 101, 1234])
def test_thinned_curves_keep_mean_order_and_last_value(count):
    rng = np.random.default_rng(count)
    values = rng.normal(0, 1, count)
    steps = np.cumsum(rng.integers(1, 5, count))
    curve = thinned(steps, values, most=100)
    assert len(curve.steps) == min(count, 100)
    assert (np.diff(curve.steps) > 0).all()
    assert (curve.steps[-1], curve.values[-1]) == (steps[-1], values[-1])
    edges = np.linspace(0, count, len(curve.steps) + 1).astype(int)
    for n, (a, b) in enumerate(pairwise(edges[:-1])):
        assert curve.values[n] == pytest.approx(sum(values[a:b]) / (b - a))
    broken = thinned(range(5), [1, np.nan, 2, np.inf, 3])
    assert broken.steps.tolist() == [0, 2, 4]


def test_a_long_log_of_events_does_not_stop_the_window(watch, desk, until):
    job = desk.add(state="running")
    lines = [json.dumps({"event": "start", "step": 0, "steps": STEPS})]
    for step in range(1, STEPS + 1):
        event = {"event": "step", "step": step, "loss": 1 / step, "seconds": 1}
        lines.append(json.dumps(event))
    (job.folder / "events.jsonl").write_text("\n".join(lines) + "\n")
    meter = GapMeter()
    meter.start()
    watch.follow(desk)
    until(lambda: watch.reading.detail is not None)
    meter.stop()
    assert watch.reading.detail.loss.steps[-1] == STEPS
    assert meter.worst.ours_ms < 100
