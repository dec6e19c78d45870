"""Following a job: a live table on a terminal, plain lines elsewhere."""

import io
import threading
from dataclasses import replace

import pytest
from rich.console import Console

from napari_mednext.cli import following
from napari_mednext.cli.following import doing, follow_job
from napari_mednext.jobs import JobState, JobView

VIEW = JobView(
    id="0003-improve",
    kind="improve",
    title="Improve [liver]",
    state=JobState.QUEUED,
    phase="",
    step=0,
    total=0,
    remaining_s=None,
    message="",
    created="",
    updated="",
    attempts=0,
    result={},
    pid=None,
    waiting_for="",
)
RUNS = replace(VIEW, state=JobState.RUNNING, phase="final", total=40)


def step(number, time, **content):
    loss = {"loss": 2.0, "rate": 1e-3, "seconds": 3.0}
    return {"event": "step", "step": number, "time": time, **loss, **content}


#: What is seen of the job at each look.
LOOKS = [
    (VIEW, []),
    (
        replace(RUNS, waiting_for="another job"),
        [{"event": "phase", "phase": "preparing", "text": "reading [x]", "time": 0}],
    ),
    (replace(RUNS, waiting_for="another job"), []),
    (
        RUNS,
        [
            {"event": "phase", "phase": "training", "text": "final", "time": 1},
            {"event": "start", "part": "final", "step": 0, "steps": 20, "time": 1},
        ],
    ),
    (replace(RUNS, step=5, remaining_s=75.0), [step(5, 10), step(6, 69), step(7, 70)]),
    (
        replace(RUNS, step=10, waiting_for="segmentation"),
        [{"event": "validation", "step": 10, "dice": {"liver": 0.5, "cyst": 0.25}}],
    ),
    (replace(RUNS, state=JobState.PAUSED), []),
    (
        RUNS,
        [
            {"event": "warning", "text": "the disk is full"},
            {"event": "step"},
            {"event": "new in the future"},
            {"event": "end", "part": "final", "step": 20, "state": "done", "note": "x"},
        ],
    ),
    (
        replace(RUNS, state=JobState.DONE),
        [{"event": "verdict", "outcome": "better"}],
    ),
]


class Scripted:
    """A job that is in the next state at every look."""

    id = VIEW.id

    def __init__(self, looks):
        self.looks, self.at, self.told = looks, -1, 0

    def view(self):
        self.at = min(self.at + 1, len(self.looks) - 1)
        return self.looks[self.at][0]

    def events(self, offset=0):
        events = [e for _, those in self.looks[: self.at + 1] for e in those]
        return events[offset:], len(events)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(following, "_POLL_S", 0.001)
    monkeypatch.setenv("TERM", "xterm")


def console(*, is_terminal=False):
    return Console(
        file=io.StringIO(), force_terminal=is_terminal, width=80, color_system=None
    )


def test_lines_say_what_is_new_and_only_once():
    shown = console()
    view = follow_job(Scripted(LOOKS), threading.Event(), console=shown)
    assert view.state is JobState.DONE
    assert shown.file.getvalue().splitlines() == [
        "Improve [liver] (0003-improve)",
        "queued",
        "reading [x]",
        "waits for another job",
        "training: final",
        "running",
        "final, running: step 5 of 20, loss 2.000, 3 s a step, 45 s left",
        "final, running: step 7 of 20, loss 2.000, 3 s a step, 39 s left",
        "final, step 10: Dice liver 0.500, cyst 0.250",
        "waits while a scan is segmented",
        "paused",
        "warning: the disk is full",
        "final, done: step 20 of 20, loss 2.000, 3 s a step",
        "note: x",
        "running",
    ]


def test_who_comes_late_is_told_the_sum():
    late = [(view, []) for view, _ in LOOKS]
    late[5] = (LOOKS[5][0], [e for _, events in LOOKS[:6] for e in events])
    shown = console()
    follow_job(Scripted(late[5:6] + LOOKS[8:]), threading.Event(), console=shown)
    assert shown.file.getvalue().splitlines() == [
        "Improve [liver] (0003-improve): waits while a scan is segmented",
        "final, running: step 10 of 20, loss 2.000, 3 s a step, 30 s left",
    ]


def test_a_terminal_shows_phase_loss_dice_and_the_time_left():
    shown = console(is_terminal=True)
    for last in (4, 5, 8):
        follow_job(
            Scripted([*LOOKS[: last + 1], LOOKS[-1]]), threading.Event(), console=shown
        )
    said = shown.file.getvalue()
    for part in ("Improve [liver] (0003-improve): done", "10 of 20", "cyst", "0.250"):
        assert part in said
    progress = following.JobProgress()
    progress.view, events = LOOKS[4]
    for event in [*LOOKS[3][1], *events]:
        progress.add(event)
    shown = console()
    shown.print(following._picture(progress))
    lines = [line.rstrip() for line in shown.file.getvalue().splitlines()]
    assert lines[:2] == [
        "Improve [liver] (0003-improve): running",
        "final, step 5 of 40, 1 min 15 s left",
    ]
    assert lines[3] == "final"
    assert any("2.0000" in line for line in lines)


def test_a_job_that_is_over_is_not_told_again():
    shown = console()
    assert follow_job(Scripted(LOOKS[-1:]), threading.Event(), console=shown).is_over
    assert shown.file.getvalue() == ""


def test_a_lost_process_ends_the_watching():
    gone = replace(RUNS, state=JobState.INTERRUPTED)
    looks = [(RUNS, []), (gone, []), (RUNS, [])]
    view = follow_job(Scripted(looks), threading.Event(), console=console())
    assert view is gone


def test_a_set_flag_ends_the_watching():
    cancel = threading.Event()
    cancel.set()
    assert follow_job(Scripted([(RUNS, [])]), cancel, console=console()) is RUNS


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "final, step 0 of 40"),
        ({"total": 0}, "final"),
        ({"phase": "", "total": 0}, ""),
        ({"remaining_s": 3725.0}, "final, step 0 of 40, 1 h 02 min left"),
        ({"remaining_s": 9.0, "state": JobState.PAUSED}, "final, step 0 of 40"),
        ({"waiting_for": "the moon"}, "waits for the moon"),
        ({"state": JobState.FAILED}, ""),
    ],
)
def test_what_a_job_does_in_words(changes, words):
    assert doing(replace(RUNS, **changes)) == words
