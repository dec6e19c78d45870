"""Trainings take turns in the order of asking; segmentations go before them."""

import subprocess
import threading
import time

import pytest

from napari_mednext.errors import Cancelled
from napari_mednext.jobs import Command, JobState, JobWorker, run_job, turns
from napari_mednext.jobs.running import LOCK
from napari_mednext.jobs.turns import (
    Turn,
    compute_turn,
    is_segmenting,
    segmenting,
    state_folder,
)
from napari_mednext.locking import FileLock
from tests.jobs.conftest import kinds, python, until, until_state
from tests.jobs.toy import value_after

SEGMENT = (
    "import sys; from napari_mednext.jobs.turns import segmenting\n"
    "with segmenting():\n"
    "    print('yes', flush=True); sys.stdin.read()"
)
QUEUE = (
    "import sys; from napari_mednext.jobs.turns import compute_turn\n"
    "with compute_turn('cpu'):\n"
    "    print('yes', flush=True); sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(turns, "_LOOK_S", 0.005)


def started(code):
    process = python(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "yes\n"
    return process


def tickets():
    return sorted((state_folder() / "turns").glob("*.ticket"))


def test_turns_come_in_the_order_of_asking_one_at_a_time():
    told, inside = [], []

    def train(name):
        with compute_turn("cuda") as command:
            assert command is Command.NONE
            inside.append(name)
            assert inside == [name]
            told.append(name)
            time.sleep(0.01)
            inside.remove(name)

    with compute_turn("cuda:0"):
        threads = []
        for name in range(6):
            thread = threading.Thread(target=train, args=(name,))
            thread.start()
            threads.append(thread)
            until(lambda n=name: len(tickets()) == n + 2)
        assert told == []
        with compute_turn("cpu"), compute_turn("cuda:1"):  # they have their own
            pass
    for thread in threads:
        thread.join()
    assert told == list(range(6))
    assert tickets() == []


def test_a_dead_process_is_no_longer_in_the_queue():
    first = started(QUEUE)
    late = Turn("cpu")
    assert not late._has_come()
    first.kill()
    first.communicate()
    assert late._has_come()
    assert len(tickets()) == 1
    after = Turn("cpu")
    assert not after._has_come()
    late.give_back()
    late.give_back()
    assert after._has_come()
    after.give_back()


def test_a_folder_that_is_emptied_makes_no_second_turn_forever():
    one, two = Turn("cpu"), Turn("cpu")
    assert one._has_come()
    for path in tickets():
        path.unlink()
    assert two._has_come()
    assert not one._has_come()  # it asks anew, and stands behind now
    two.give_back()
    assert one._has_come()
    one.give_back()


def test_without_a_folder_there_is_no_queue(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "file"))
    with compute_turn("cpu") as one, compute_turn("cpu") as two, segmenting():
        assert one is two is Command.NONE
        assert not is_segmenting()
    assert "jobs run without a queue" in caplog.text
    monkeypatch.delenv("NAPARI_MEDNEXT_STATE")
    assert state_folder().name == "napari-mednext"


@pytest.fixture
def begun(toy):
    job = toy()
    with FileLock(job.path / LOCK, what="a job") as lock:
        lock.take()
        hand = JobWorker(job.path)
        assert hand.begin()
        yield job, hand


def test_a_waiting_job_says_so_and_obeys(begun):
    job, hand = begun
    with compute_turn("cpu"):
        taken = []

        def train():
            with compute_turn("cpu", hand) as command:
                taken.append((command, hand.turn is not None))

        thread = threading.Thread(target=train)
        thread.start()
        view = until_state(job, JobState.QUEUED)
        assert view.waiting_for == "another job"
        assert len(tickets()) == 2
        job.pause()
        assert until_state(job, JobState.PAUSED).waiting_for == ""
        until(lambda: len(tickets()) == 1)  # others may go first
        job.resume()
        until_state(job, JobState.QUEUED)
        until(lambda: len(tickets()) == 2)
        assert taken == []
    thread.join()
    assert taken == [(Command.NONE, True)]
    assert hand.turn is None
    assert (job.view().state, job.view().waiting_for) == (JobState.RUNNING, "")


def test_stop_and_cancel_while_waiting(begun):
    job, hand = begun
    with compute_turn("cpu"):
        job.stop()
        with compute_turn("cpu", hand) as command:
            assert command is Command.STOP
            assert len(tickets()) == 1
        job.cancel()
        with (
            pytest.raises(Cancelled, match="cancelled while it waited"),
            compute_turn("cpu", hand),
        ):
            pytest.fail("it has no turn")
    assert tickets() == []


def test_a_paused_job_lets_others_go_first(toy):
    job, told = toy(), []
    job.pause()

    def other():
        until(lambda: "released" in told)
        with compute_turn("cpu"):
            told.append("other")
            job.resume()
            until_state(job, JobState.QUEUED)
            told.append("other ends")

    thread = threading.Thread(target=other)
    thread.start()

    def work(hand):
        withdrawn = hand.path / "PAUSE"
        withdrawn.unlink()
        with compute_turn("cpu", hand):
            job.pause()
            hand.checkpoint_gate(
                lambda: told.append("released"), lambda: told.append("returned")
            )
        return {}

    run_job(job.path, work)
    thread.join()
    assert told == ["released", "other", "other ends", "returned"]
    assert job.view().state is JobState.DONE


def test_a_segmentation_elsewhere_is_seen_until_it_ends_somehow():
    assert not is_segmenting()
    one, two = started(SEGMENT), started(SEGMENT)
    assert is_segmenting()
    one.communicate()  # it ends well
    assert is_segmenting()
    two.kill()
    two.communicate()
    folder = state_folder() / "segmenting"
    assert len(list(folder.iterdir())) == 1
    assert not is_segmenting()
    assert list(folder.iterdir()) == []


def test_own_segmentations_overlap_and_do_not_count():
    folder = state_folder() / "segmenting"

    def segment():
        for _ in range(20):
            with segmenting(), segmenting():
                assert not is_segmenting()

    with segmenting():
        threads = [threading.Thread(target=segment) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []


def test_looking_for_segmentations_is_cheap():
    def look():
        begin = time.perf_counter()
        is_segmenting()
        return time.perf_counter() - begin

    with segmenting():
        assert sorted(look() for _ in range(101))[50] < 1e-3


def test_a_training_makes_way_for_a_segmentation(toy):
    job = toy(steps=10_000, pause_s=0.01)
    job.start()
    until(lambda: "step" in kinds(job))
    with segmenting():
        view = until(lambda: (v := job.view()).waiting_for and v)
        assert (view.state, view.waiting_for) == (JobState.RUNNING, "segmentation")
        until(lambda: kinds(job)[-1] == "released")
    until(lambda: "returned" in kinds(job))
    job.stop()
    view = job.wait(20)
    assert view.result["value"] == value_after(view.result["step"])
