"""One piece of work at a time, and where it gets its label maps from."""

import threading

import numpy as np
import pytest

from napari_mednext.errors import Cancelled, InputError
from napari_mednext.progress import Progress
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.sources import taken_from


@pytest.fixture
def job(qapp):
    return SingleJob()


def test_the_outcome_comes_in_the_thread_of_the_window(job, until):
    got, changes = [], []
    job.changed.connect(lambda: changes.append(job.is_busy))
    job.start(
        lambda _: threading.get_ident(),
        "testing",
        lambda value: got.append((value, threading.get_ident())),
    )
    assert job.is_busy
    until(lambda: not job.is_busy)
    ((worker, here),) = got
    assert here == threading.get_ident() != worker
    assert changes == [True, False]


def test_only_what_was_started_last_is_delivered(job, until):
    go, got, seen = threading.Event(), [], []

    def slow(running):
        go.wait(30)
        seen.append(running.is_set())
        return "old"

    job.start(slow, "testing", got.append)
    job.start(lambda _: "new", "testing", got.append)
    until(lambda: got)
    go.set()
    until(lambda: seen and not job.is_busy)
    until(lambda: not job._jobs)
    assert (got, seen) == (["new"], [True])


def test_a_dropped_failure_is_silent_and_a_kept_one_is_a_sentence(job, until):
    told, go = [], threading.Event()
    job.failed.connect(told.append)

    def fail(_):
        go.wait(30)
        msg = "a mask must be a file, got nothing: choose one"
        raise InputError(msg)

    job.start(fail, "testing", told.append)
    job.drop()
    assert not job.is_busy
    go.set()
    until(lambda: not job._jobs)
    assert told == []
    job.start(fail, "testing", told.append)
    until(lambda: told)
    assert told == ["A mask must be a file, got nothing: choose one."]


def test_progress_is_told_as_a_line(job, until):
    go, lines = threading.Event(), []
    job.progressed.connect(lines.append)

    def work(running):
        running.report(Progress(2, 9, "comparing", 1.0, 5.0))
        while not running.is_set() and not go.is_set():
            go.wait(0.01)
        raise Cancelled

    job.start(work, "testing", lines.append)
    until(lambda: lines)
    job.drop()
    until(lambda: not job._jobs)
    assert lines == ["Comparing · 2 of 9 · 5 s left"]


def test_labels_that_can_be_painted_on_are_copied_at_once():
    labels = np.zeros((2, 3, 4), np.uint8)
    take = taken_from(lambda: labels)
    labels[:] = 1
    assert not take().any()


def test_other_labels_are_shared_read_later_or_not_there():
    labels = np.zeros((2, 3, 4), np.uint8)
    labels.setflags(write=False)
    assert taken_from(lambda: labels)() is labels
    calls = []

    def read():
        calls.append(1)
        return labels

    take = taken_from(lambda: read)
    assert calls == []
    assert take() is labels
    assert taken_from(lambda: None)() is None
