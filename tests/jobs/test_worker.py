"""What a job's process tells, how it waits, and what a full disk cannot do to it."""

import errno
import json
import os
import threading
import time

import pytest

from napari_mednext.errors import Cancelled, InputError
from napari_mednext.jobs import Command, Job, JobState, JobWorker, run_job, worker
from napari_mednext.jobs.event_log import EventLog, read_events
from napari_mednext.jobs.running import LOCK
from napari_mednext.locking import FileLock
from tests.jobs.conftest import kinds, until


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(worker, "POLL_S", 0.005)
    monkeypatch.setattr(worker, "SHORT_S", 0.005)
    monkeypatch.setattr(worker, "LAST_WORD_S", 0.05)


@pytest.fixture
def begun(toy):
    """A job and its worker, in this process."""
    job = toy()
    with FileLock(job.path / LOCK, what="a job") as lock:
        lock.take()
        hand = JobWorker(job.path)
        assert hand.begin()
        yield job, hand


def stand_in(act):
    """Do something in a thread, and wait for it at the end of the block."""
    thread = threading.Thread(target=act)
    thread.start()
    return thread


# ---- events


def test_events_are_read_by_whole_lines_from_any_byte(tmp_path):
    path = tmp_path / "events.jsonl"
    assert read_events(path) == ([], 0)
    log = EventLog(path)
    ends = [0]
    for n in range(5):
        log.add("step", {"step": n, "text": "ä\nö"})
        ends.append(path.stat().st_size)
    for start, end in enumerate(ends):
        events, offset = read_events(path, end)
        assert [e["step"] for e in events] == list(range(start, 5))
        assert offset == ends[-1]
    whole = path.read_bytes()
    for cut in range(0, len(whole), 3):  # while a line is being written
        path.write_bytes(whole[:cut])
        events, offset = read_events(path)
        assert offset == max(end for end in ends if end <= cut)
        assert [e["step"] for e in events] == list(range(ends.index(offset)))
    path.write_bytes(whole[: ends[1]])  # a new file in the place of the old
    assert read_events(path, ends[3]) == (read_events(path)[0], ends[1])


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_line_that_a_kill_cut_is_left_out(tmp_path, cut):
    path = tmp_path / "events.jsonl"
    for n in range(2):
        EventLog(path).add("step", {"step": n})
    path.write_bytes(path.read_bytes()[:-cut])
    EventLog(path).add("step", {"step": 2})
    steps = [e["step"] for e in read_events(path)[0]]
    assert steps == ([0, 1, 2] if cut == 1 else [0, 2])
    path.write_bytes(b"[1]\nnull\n\0\0\n" + path.read_bytes())
    assert [e["step"] for e in read_events(path)[0]] == steps


@pytest.mark.parametrize("taken", [0, 1, 7, -1])
def test_events_on_a_full_disk_come_later_and_once(tmp_path, monkeypatch, taken):
    """The disk takes some bytes of a line, all but its end, or none."""
    path, write = tmp_path / "events.jsonl", os.write
    log = EventLog(path)
    log.add("step", {"step": 0})

    def full(file, data):
        if taken == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[:taken])

    monkeypatch.setattr(os, "write", full)
    log.add("step", {"step": 1})
    log.add("step", {"step": 2})
    assert log.is_written == (taken == -1)
    monkeypatch.undo()
    log.add("step", {"step": 3})
    assert log.is_written
    assert [e["step"] for e in read_events(path)[0]] == [0, 1, 2, 3]


# ---- state


def test_progress_is_written_now_and_then_and_at_turning_points(begun):
    job, hand = begun
    hand.progress(0, 1000, phase="first")
    for step in range(1, 900):
        hand.progress(step, 1000)
    assert job.view().step < 899
    hand.progress(0, 10, phase="second", remaining_s=3.5)
    view = job.view()
    assert (view.phase, view.step, view.total, view.remaining_s) == (
        *("second", 0, 10, 3.5),
    )
    hand.progress(10, 10)
    assert job.view().step == 10


def test_a_state_is_never_half_read(begun):
    job, hand = begun
    stop = threading.Event()

    def write():
        while not stop.is_set():
            hand.progress(1, 1, phase="x" * 5000)

    thread = stand_in(write)
    for _ in range(300):
        assert job.view().state is JobState.RUNNING
    stop.set()
    thread.join()


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("state.json", "", "must be a JSON object that napari-mednext wrote"),
        ("state.json", '{"schema": 1', "something that is not JSON"),
        ("state.json", '{"schema": 1, "state": "flying"}', "missing or wrong fields"),
        ("state.json", '{"schema": 1, "state": "done", "step": "2"}', "wrong fields"),
        ("state.json", '{"schema": 1, "state": "done", "x": 2}', "wrong fields"),
        ("state.json", "[1]", "got something else"),
        ("state.json", '{"schema": 2}', "schema 1 or an older one, got 2: update"),
        ("spec.json", '{"schema": 2}', "schema 1 or an older one, got 2: update"),
        ("spec.json", '{"schema": 1, "kind": "toy"}', "missing or wrong fields"),
        ("spec.json", None, "a job must be a folder with a file spec.json"),
    ],
)
def test_files_that_are_damaged_or_newer(toy, store, name, text, sentence):
    good, bad = toy(), toy()
    path = bad.path / name
    path.write_text(text) if text is not None else path.unlink()
    with pytest.raises(InputError, match=sentence):
        Job(bad.path).view()
    with pytest.raises(InputError, match=sentence):
        JobWorker(bad.path)
    assert [job.id for job in store.jobs()] == [good.id]
    (problem,) = store.problems()
    assert sentence in problem
    assert "0002-toy" in problem
    assert store.revive() == ()


def test_a_full_disk_delays_what_is_told(begun, monkeypatch):
    job, hand = begun
    hand.progress(1, 9, phase="counting")
    broken = break_disk(monkeypatch)
    hand.progress(0, 9, phase="after")
    hand.tell("step", step=1)
    hand.wait(JobState.PAUSED, "")
    assert (job.view().phase, kinds(job)) == ("counting", [])
    broken.undo()
    monkeypatch.setattr(worker, "WRITE_EVERY_S", 0.0)
    assert hand.command() is Command.NONE
    assert (job.view().phase, job.view().state) == ("after", JobState.PAUSED)
    assert kinds(job) == ["step"]


def break_disk(monkeypatch):
    """Let nothing new be written; blocks that the disk has given can be."""
    broken = monkeypatch.context().__enter__()
    really = os.open

    def full(path, flags, *rest):
        if flags & os.O_CREAT and not str(path).endswith(".lock"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(path, flags, *rest)

    broken.setattr(os, "open", full)
    return broken


def test_the_end_is_told_on_a_full_disk_too(begun, monkeypatch, quick):
    job, hand = begun
    broken = break_disk(monkeypatch)
    hand.finish(JobState.FAILED, "there must be room, got none: make some")
    view = job.view()
    broken.undo()
    assert view.state is JobState.FAILED
    assert view.message.startswith("there must be room")


def test_an_end_that_no_disk_takes_is_an_interruption(begun, monkeypatch, quick):
    job, hand = begun
    (job.path / "state.spare").unlink()
    broken = break_disk(monkeypatch)
    hand.finish(JobState.DONE, value=3)
    broken.undo()
    assert job.view().state is JobState.RUNNING
    hand.interrupt()
    assert job.view().state is JobState.DONE
    assert job.view().result == {"value": 3}


def test_a_job_ends_once(begun):
    job, hand = begun
    with pytest.raises(ValueError, match=r"got <JobState\.PAUSED"):
        hand.finish(JobState.PAUSED)
    hand.finish(JobState.STOPPED, "enough", value=2)
    with pytest.raises(ValueError, match="a job must end once"):
        hand.finish(JobState.DONE)
    hand.conclude({"value": 3})
    assert (job.view().result, job.view().message) == ({"value": 2}, "enough")


# ---- waiting


@pytest.mark.parametrize(
    ("wish", "command"),
    [(None, Command.NONE), ("STOP", Command.STOP), ("CANCEL", Command.CANCEL)],
)
@pytest.mark.parametrize("why", ["pause", "segmentation"])
def test_the_gate(begun, quick, monkeypatch, why, wish, command):
    job, hand = begun
    told, busy = [], threading.Event()
    monkeypatch.setattr(worker, "is_segmenting", busy.is_set)
    assert hand.checkpoint_gate(lambda: told.append("x")) is Command.NONE
    assert not hand.cancel.is_set()
    job.pause() if why == "pause" else busy.set()

    def user():
        until(lambda: told)
        until(lambda: job.view().waiting_for == ("" if why == "pause" else why))
        until(lambda: job.view().state == ("paused" if why == "pause" else "running"))
        told.append("seen")
        if wish:
            (job.path / wish).touch()
        elif why == "pause":
            job.resume()
        else:
            busy.clear()

    thread = stand_in(user)
    answer = hand.checkpoint_gate(
        lambda: told.append("released"), lambda: told.append("returned")
    )
    thread.join()
    assert answer is command
    returned = [] if command is Command.CANCEL else ["returned"]
    assert told == ["released", "seen", *returned]
    assert hand.cancel.is_set() == (command is Command.CANCEL)
    assert (job.view().state, job.view().waiting_for) == (JobState.RUNNING, "")


def test_a_short_segmentation_frees_nothing(begun, quick, monkeypatch):
    _, hand = begun
    answers = iter([True, False])
    monkeypatch.setattr(worker, "is_segmenting", lambda: next(answers))
    assert hand.checkpoint_gate(pytest.fail, pytest.fail) is Command.NONE
    assert next(answers, "no more") == "no more"


# ---- the boundary


@pytest.mark.parametrize(
    ("wish", "seen", "state"),
    [
        (None, True, JobState.DONE),
        ("STOP", True, JobState.STOPPED),
        ("STOP", False, JobState.DONE),  # it came too late
        ("CANCEL", True, JobState.CANCELLED),
        ("CANCEL", False, JobState.CANCELLED),
    ],
)
@pytest.mark.parametrize("raises", [True, False])
def test_how_a_job_ends_by_what_was_wanted(toy, wish, seen, state, raises):
    job = toy()

    def work(hand):
        if wish:
            (job.path / wish).touch()
        if seen:
            hand.command()
        if raises:
            raise Cancelled
        return {"value": 1}

    run_job(job.path, work)
    view = job.view()
    assert view.state is state
    assert view.result == ({} if raises else {"value": 1})
    assert not [p for p in job.path.iterdir() if p.name in ("STOP", "CANCEL")]
    run_job(job.path, pytest.fail)  # nothing is left to do
    assert job.view() == view


def test_a_second_process_leaves_quietly(begun, monkeypatch):
    job, _ = begun
    monkeypatch.setattr("napari_mednext.jobs.running._LOCK_WAIT_S", 0.01)
    before = (job.path / "state.json").read_bytes()
    run_job(job.path, pytest.fail)
    assert (job.path / "state.json").read_bytes() == before


def test_a_worker_in_a_thread_needs_no_signals(toy):
    job = toy()
    thread = stand_in(lambda: run_job(job.path, lambda _: {"value": 7}))
    thread.join()
    assert job.view().result == {"value": 7}


def test_clocks_that_are_set_back_decide_nothing(toy, store, monkeypatch):
    first = toy()
    run_job(first.path, lambda hand: hand.tell("step", step=1) or {})
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(
        "napari_mednext.jobs.store.local_time", lambda: "1970-01-01 00:00:00+00:00"
    )
    monkeypatch.setattr(
        "napari_mednext.jobs.record.local_time", lambda: "1970-01-01 00:00:00+00:00"
    )
    second = toy()
    assert [job.id for job in store.jobs()] == [second.id, first.id]

    def work(hand):
        hand.tell("step", step=1)
        for path in second.path.iterdir():
            os.utime(path, (1, 1))
        assert second.view().state is JobState.RUNNING
        assert second.is_alive
        hand.progress(3, 9)
        hand.flush(now=True)
        assert second.view().step == 3
        second.pause()
        assert hand.command() is Command.PAUSE
        second.resume()
        return {}

    run_job(second.path, work)
    assert second.view().state is JobState.DONE, second.view()
    assert second.events()[0][0]["time"] == 0.0
    assert json.loads((second.path / "spec.json").read_text())["created"][:4] == "1970"
