"""The table of jobs, and which buttons fit which state."""

import pytest

from napari_mednext.ui.controls import why_not
from napari_mednext.ui.improve_wording import about, ending, gigabytes, job_line
from napari_mednext.ui.job_list import JobListPanel, JobModel
from tests.ui.improve_parts import ImproveBench, comparison, view


@pytest.fixture
def bench(qtbot, until, tmp_path):
    bench = ImproveBench(qtbot, tmp_path)
    yield bench
    bench.close(until)


def texts(job):
    model = JobModel()
    model.set_jobs([job])
    return [model.data(model.index(0, column)) for column in range(4)]


def test_a_row_says_where_a_job_stands():
    running = {"state": "running", "phase": "training", "step": 120, "total": 200}
    assert texts(view(**running, remaining_s=190.4)) == [
        "Improve brain_mr", "Running", "120 of 200", "3:10 min",
    ]  # fmt: skip
    assert texts(view(**running, waiting_for="segmentation"))[1] == "Waiting"
    assert texts(view(state="running", phase="before", step=1, total=4))[2] == "before"
    assert texts(view(state="done", step=200, total=200))[1:] == [
        "Done", "200 of 200", "",
    ]  # fmt: skip


def test_the_line_of_the_study_says_the_same():
    running = {"state": "running", "step": 120, "total": 200, "remaining_s": 190}
    line = "Improving: step 120 of 200, 3:10 min left"
    assert job_line(view(**running)) == line
    assert job_line(view(**running, waiting_for="another job")) == (
        "Improving: waits for another job"
    )
    assert job_line(view(state="running")) == "Improving: starts"
    assert job_line(view(state="paused", step=3, total=9)) == (
        "Improving: paused at step 3 of 9"
    )


def test_how_a_job_ended_is_one_sentence():
    assert ending(view(state="failed", message="the disk is full"), None) == (
        "Improve brain_mr failed: The disk is full.", "error",
    )  # fmt: skip
    assert ending(view(state="done"), comparison()) == (
        "The new model is better.", "done",
    )  # fmt: skip
    assert ending(view(state="done"), comparison(outcome="worse"))[1] == "error"
    taken = comparison(decision="promoted")
    assert ending(view(state="done"), taken)[0] == "A better model is in use now."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "5 s"), (44, "45 s"), (95, "2 min"), (372, "6 min"), (3600, "1 h"),
     (5400, "1 h 30 min"), (21_700, "6 h")],
)  # fmt: skip
def test_times_that_nobody_knows_exactly_are_round(seconds, text):
    assert about(seconds) == text


def test_bytes_are_gigabytes_from_one_on():
    assert gigabytes(1_930_000_000) == "1.9 GB"
    assert gigabytes(12_400_000) == "12 MB"


POSSIBLE = {
    "running": {"pause", "stop", "cancel"},
    "queued": {"pause", "stop", "cancel"},
    "paused": {"resume", "stop", "cancel"},
    "interrupted": {"resume", "stop", "cancel"},
    "done": {"delete"},
    "failed": {"delete"},
}
BUTTONS = ("pause", "resume", "stop", "cancel", "delete")


@pytest.mark.parametrize("state", POSSIBLE)
def test_buttons_that_do_not_fit_say_why(bench, until, state):
    bench.desk.add(state=state)
    panel = JobListPanel(bench.improving, bench.top)
    bench.improving.follow(bench.flow)
    until(lambda: bench.improving.watch.jobs)
    enabled = {name for name in BUTTONS if getattr(panel, name).isEnabled()}
    assert enabled == POSSIBLE[state]
    assert panel.folder.isEnabled()
    for name in set(BUTTONS) - enabled:
        assert why_not(getattr(panel, name))
    for name in BUTTONS:
        assert getattr(panel, name).accessibleName()


def test_a_press_is_a_command_given_in_a_worker(bench, until):
    desk, improving = bench.desk, bench.improving
    desk.add(state="interrupted")
    desk.add(state="running")
    panel = JobListPanel(improving, bench.top)
    improving.follow(bench.flow)
    until(lambda: len(improving.watch.jobs) == 2)
    panel.stop.click()
    until(lambda: not improving.is_busy)
    panel.table.selectRow(1)
    until(lambda: improving.watch.chosen.id == "0001-improve")
    panel.resume.click()
    until(lambda: not improving.is_busy)
    assert desk.calls[-2:] == [("stop", "0002-improve"), ("start", "0001-improve")]
    assert any("best model so far" in text for text, _ in bench.said)


def test_the_chosen_row_stays_while_jobs_go_on(bench, until):
    desk, improving = bench.desk, bench.improving
    desk.add(state="done")
    desk.add(state="running")
    panel = JobListPanel(improving, bench.top)
    improving.follow(bench.flow)
    until(lambda: len(improving.watch.jobs) == 2)
    panel.table.selectRow(1)
    desk.add(state="queued")
    until(lambda: len(improving.watch.jobs) == 3)
    assert improving.watch.chosen.id == "0001-improve"
    assert panel.table.currentIndex().row() == 2


def test_without_jobs_it_says_so(bench, until):
    panel = JobListPanel(bench.improving, bench.top)
    assert panel.empty.isHidden()
    bench.improving.follow(bench.flow)
    assert not panel.empty.isHidden()
    assert panel.table.isHidden()
