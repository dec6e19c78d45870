"""The list of jobs: numbers that grow, and deletion only when asked for."""

import os
import threading

import pytest

from napari_mednext.errors import InputError, StorageError
from napari_mednext.jobs import Job, JobState, JobStore, run_job
from napari_mednext.jobs.running import LOCK
from napari_mednext.locking import FileLock


def test_a_store_without_a_folder(tmp_path):
    store = JobStore(tmp_path / "no" / "jobs")
    assert (store.jobs(), store.problems(), store.revive()) == ((), (), ())
    assert not (tmp_path / "no").exists()
    with pytest.raises(InputError, match="got '0001-toy': there are none"):
        store.job("0001-toy")


def test_numbers_grow_and_never_come_again(toy, store):
    ids = [toy().id for _ in range(3)]
    assert ids == ["0001-toy", "0002-toy", "0003-toy"]
    other = store.new(
        "improve", title="I", module="tests.jobs.toy", arguments={"a": [1, None]}
    )
    assert other.id == "0004-improve"
    assert other.spec["arguments"] == {"a": [1, None]}
    (store.folder / "9999-improve").mkdir()
    (store.folder / "notes").mkdir()
    last = toy()
    assert last.id == "10000-toy"
    assert [job.id for job in store.jobs()] == [last.id, other.id, *reversed(ids)]
    run_job(last.path, lambda _: {})
    last.delete()
    assert toy().id == "10001-toy"
    assert store.job("0002-toy").spec["title"] == "A toy"
    for wrong in ("0002", "../jobs/0002-toy", "0099-toy", ""):
        with pytest.raises(InputError, match="a job of this study is asked for"):
            store.job(wrong)


def test_jobs_that_are_made_at_once_get_numbers_of_their_own(toy, store):
    made = []

    def make():
        made.extend(toy().id for _ in range(5))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [f"{n:04}-toy" for n in range(1, 21)]


def test_what_kills_have_left_is_no_job_and_goes(toy, store):
    for name in (".new-x", ".deleting-0003-toy"):
        (store.folder / name).mkdir(parents=True)
    assert store.jobs() == ()
    toy()
    assert {path.name for path in store.folder.iterdir()} == {
        *("0001-toy", ".last", ".numbers.lock"),
    }


@pytest.mark.parametrize("kind", ["", "Toy", "a b", "../x", "1x"])
def test_kinds_are_words(store, kind):
    with pytest.raises(ValueError, match="the kind of a job must be a lower-case word"):
        store.new(kind, title="", module="tests.jobs.toy", arguments={})


def test_arguments_are_json(store):
    with pytest.raises(ValueError, match="arguments of a job must be JSON values"):
        store.new("toy", title="", module="tests.jobs.toy", arguments={"a": object()})


def test_a_store_that_cannot_be_written_to(tmp_path, store):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"written to .* \(Not a directory\)"):
        JobStore(tmp_path / "file" / "jobs").new(
            "toy", title="", module="napari_mednext.x", arguments={}
        )


def test_only_jobs_that_are_over_are_deleted(toy, store):
    job = toy()
    with pytest.raises(InputError, match="'0001-toy' is queued: cancel it first"):
        job.delete()
    job.pause()
    with pytest.raises(InputError, match="'0001-toy' is paused: cancel it first"):
        job.delete()
    job.cancel()
    with FileLock(job.path / LOCK, what="a job") as lock:  # a process that lingers
        lock.take()
        with pytest.raises(InputError, match="can be deleted"):
            job.delete()
    (job.path / "model").mkdir()
    (job.path / "model" / "card.json").touch()
    with pytest.raises(InputError, match="holds the model that it made: keep or"):
        job.delete()
    assert (job.path / "model" / "card.json").exists()
    job.delete(also_model=True)
    assert store.jobs() == ()
    assert [p.name for p in store.folder.iterdir() if p.name[0] != "."] == []


def test_a_folder_that_cannot_be_removed(toy, monkeypatch):
    job = toy()
    job.cancel()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StorageError, match="must be removed, but the system refuses"):
        job.delete()
    assert Job(job.path).view().state is JobState.CANCELLED


def make(store, **options):
    return store.new(
        "toy", title="A toy", module="tests.jobs.toy", arguments={}, **options
    )


def test_a_job_is_seen_when_all_it_needs_is_there(store):
    seen = []

    def fill(folder):
        seen.append(store.jobs())
        (folder / "data").write_text("whole")

    job = make(store, fill=fill)
    assert seen == [()]
    assert (job.path / "data").read_text() == "whole"

    def fail(folder):
        (folder / "data").write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(store, fill=fail)
    assert [each.id for each in store.jobs()] == [job.id]
    assert list(store.folder.glob(".new-*")) == []


def test_only_a_job_that_is_due_starts_when_who_made_it_is_gone(store):
    """Between making and starting it the process that made it was killed."""
    waiting, due = make(store), make(store, is_due=True)
    assert due.view().state is JobState.QUEUED
    assert [job.id for job in store.revive()] == [due.id]
    assert due.wait(20).is_over
    assert waiting.view().attempts == 0
