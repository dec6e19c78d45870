"""The journal on disk: nothing whole is lost, nothing half-written is read."""

import errno
import os

import numpy as np
import pytest

from napari_mednext.correction import journal as journal_module
from napari_mednext.correction.edits import Blocks, Edit, pack, unpack
from napari_mednext.correction.journal import Journal, read_journal
from napari_mednext.correction.records import Record, first_line, scan
from napari_mednext.errors import FormatError, StorageError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "case.journal"


def blocks(seed=1, shape=(3, 5, 4), dtype=np.uint8):
    rng = np.random.default_rng(seed)
    top = 300 if dtype is np.uint16 else 5
    return Blocks(
        rng.integers(0, top, shape).astype(dtype),
        rng.integers(0, top, shape).astype(dtype),
        rng.integers(0, 255, shape).astype(np.uint8),
        rng.integers(0, 255, shape).astype(np.uint8),
    )


def edit(number=1, seed=1):
    box = (slice(0, 3), slice(1, 6), slice(2, 6))
    return Edit(number, box, "brush", 0.0, 9).hold(blocks(seed))


def write(path, count):
    with Journal(path) as journal:
        for number in range(1, count + 1):
            journal.append({"kind": "edit", "number": number}, edit(number, number))
    return path.read_bytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_packed_blocks_come_back_equal_and_writable(dtype):
    original = blocks(dtype=dtype)
    again = unpack(pack(original), (3, 5, 4), np.dtype(dtype))
    for first, second in zip(original.arrays(), again.arrays(), strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.dtype == second.dtype
        second[0, 0, 0] = 1


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"x" + b])
def test_refuses_blocks_of_another_size(damage):
    with pytest.raises(ValueError, match="edit"):
        unpack(damage(pack(blocks())), (3, 5, 4), np.dtype(np.uint8))
    with pytest.raises(ValueError, match="must have"):
        unpack(pack(blocks()), (3, 5, 3), np.dtype(np.uint8))


def test_an_edit_reads_its_blocks_where_they_were_left(path):
    one, two = edit(1, 11), edit(2, 12)
    with Journal(path) as journal:
        journal.append({"kind": "edit", "number": 1}, one)
        journal.append({"kind": "edit", "number": 2}, two)
        journal.flush()
        assert one._blocks is None
        for each, seed in ((one, 11), (two, 12)):
            np.testing.assert_array_equal(
                each.blocks().labels_after, blocks(seed).labels_after
            )


def test_an_edit_without_blocks_says_so():
    box = (slice(0, 1),) * 3
    with pytest.raises(RuntimeError, match="edit 3 has no blocks"):
        Edit(3, box, "brush", 0.0, 1).blocks()


def test_records_come_back_in_order_with_their_numbers(path):
    write(path, 3)
    with Journal(path) as journal:
        assert [r.head["number"] for r in journal.records] == [1, 2, 3]
        assert [r.head["seq"] for r in journal.records] == [1, 2, 3]
        assert journal.position == 4
        journal.append({"kind": "undo", "number": 3})
    heads = [record.head for record in read_journal(path)[0]]
    assert heads[-1] == {"kind": "undo", "number": 3, "seq": 4}


def test_cut_anywhere_the_whole_records_before_count(path, tmp_path):
    whole = write(path, 3)
    stops = [record.stop for record in scan(path)[0]]
    cut = tmp_path / "cut.journal"
    for length in range(len(whole) + 1):
        cut.write_bytes(whole[:length])
        records, end = scan(cut)
        assert len(records) == sum(stop <= length for stop in stops)
        assert end <= length
        assert not cut.with_name("cut.journal.damaged").exists()


def test_writing_goes_on_after_a_cut_record(path):
    whole = write(path, 3)
    path.write_bytes(whole[:-5])
    with Journal(path) as journal:
        journal.append({"kind": "edit", "number": 7}, edit(7))
    records, end = scan(path)
    assert [r.head["number"] for r in records] == [1, 2, 7]
    assert end == path.stat().st_size


def test_a_damaged_middle_is_kept_beside(path):
    whole = bytearray(write(path, 3))
    records, _ = scan(path)
    whole[records[1].payload_start + 2] ^= 0xFF
    path.write_bytes(whole)
    records, _ = scan(path)
    assert [r.head["number"] for r in records] == [1]
    assert path.with_name("case.journal.damaged").read_bytes() == bytes(whole)


def test_refuses_files_that_are_no_journal_or_too_new(path):
    path.write_bytes(b"something else\n")
    with pytest.raises(FormatError, match="must be a journal of corrections"):
        scan(path)
    path.write_bytes(first_line().replace(b"1\n", b"99\n"))
    with pytest.raises(FormatError, match="version 1 or older, got 99"):
        scan(path)
    with pytest.raises(FormatError, match="version 1 or older"):
        Journal(path)


def test_a_payload_that_is_gone_is_named(path):
    one = edit()
    with Journal(path) as journal:
        journal.append({"kind": "edit", "number": 1}, one)
        journal.flush()
        os.truncate(path, len(first_line()) + 4)
        with pytest.raises(FormatError, match="cut by another program"):
            one.blocks()


class Failing:
    """Makes writes fail for as long as ``reason`` is set, after half of the bytes."""

    def __init__(self, monkeypatch):
        self.reason = None
        self._write = journal_module._write_whole
        monkeypatch.setattr(journal_module, "_write_whole", self)

    def __call__(self, file, content):
        if self.reason is not None:
            self._write(file, content[: len(content) // 2])
            raise OSError(self.reason, os.strerror(self.reason))
        self._write(file, content)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EROFS, "make the folder writable"),
        (errno.EIO, "make the folder writable"),
    ],
)
def test_what_cannot_be_written_is_kept_and_saved_by_a_retry(
    path, monkeypatch, reason, advice
):
    failing, told = Failing(monkeypatch), []
    journal = Journal(path, on_problem=told.append, retry_s=1000.0)
    journal.append({"kind": "edit", "number": 1}, edit(1, 1))
    journal.flush()
    failing.reason = reason
    one, two = edit(2, 2), edit(3, 3)
    journal.append({"kind": "edit", "number": 2}, one)
    journal.append({"kind": "edit", "number": 3}, two)
    match = f"kept in memory, {advice} and save again"
    with pytest.raises(StorageError, match=match):
        journal.flush()
    assert journal.pending == 2
    assert journal.problem is not None
    np.testing.assert_array_equal(one.blocks().labels_after, blocks(2).labels_after)
    failing.reason = None
    journal.flush()
    assert journal.pending == 0
    assert journal.problem is None
    journal.close()
    assert told == [told[0], None]
    records, end = scan(path)
    assert [r.head["number"] for r in records] == [1, 2, 3]
    assert end == path.stat().st_size


def test_a_failed_write_is_tried_again_by_itself(path, monkeypatch):
    failing = Failing(monkeypatch)
    failing.reason = errno.ENOSPC
    with Journal(path, retry_s=0.01) as journal:
        journal.append({"kind": "edit", "number": 1}, edit())
        with pytest.raises(StorageError):
            journal.flush()
        failing.reason = None
        with journal._changed:
            assert journal._changed.wait_for(lambda: not journal.pending, 10)
    assert len(scan(path)[0]) == 1


def test_closing_with_a_full_disk_says_so_and_ends_the_thread(path, monkeypatch):
    failing = Failing(monkeypatch)
    failing.reason = errno.ENOSPC
    journal = Journal(path, retry_s=1000.0)
    journal.append({"kind": "edit", "number": 1}, edit())
    with pytest.raises(StorageError, match="no space left"):
        journal.close()
    assert not journal._thread.is_alive()
    with pytest.raises(StorageError, match="is closed"):
        journal.append({"kind": "undo", "number": 1})


def test_a_disk_that_does_not_answer_is_not_waited_for_for_ever(path, monkeypatch):
    import threading

    release = threading.Event()
    monkeypatch.setattr(
        journal_module, "_write_whole", lambda *_: release.wait(10) and None
    )
    journal = Journal(path)
    journal.append({"kind": "edit", "number": 1}, edit())
    with pytest.raises(StorageError, match="did not answer for"):
        journal.flush(0.05)
    release.set()
    journal.close()


def test_a_journal_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(StorageError, match="must be readable"):
        Journal(tmp_path)


def test_a_record_is_checked_as_a_whole():
    record = Record({"kind": "edit"}, b"payload")
    assert len(record.encode()) == 16 + len(b'{"kind":"edit"}') + 7 + 4


def test_a_step_is_in_the_file_before_the_disk_has_answered(path, monkeypatch):
    import threading

    release, asked = threading.Event(), threading.Event()

    def fsync(_):
        asked.set()
        release.wait(10)

    monkeypatch.setattr(journal_module.os, "fsync", fsync)
    journal = Journal(path)
    journal.append({"kind": "edit", "number": 1}, edit())
    assert asked.wait(10)
    assert [r.head["number"] for r in scan(path)[0]] == [1]
    assert journal.pending == 1
    release.set()
    journal.close()


def test_what_the_disk_refused_to_keep_is_written_again(path, monkeypatch):
    real, answers = journal_module.os.fsync, [OSError(errno.EIO, "input/output error")]

    def fsync(number):
        if answers:
            raise answers.pop()
        real(number)

    monkeypatch.setattr(journal_module.os, "fsync", fsync)
    journal = Journal(path, retry_s=1000.0)
    one = edit(1, 1)
    journal.append({"kind": "edit", "number": 1}, one)
    with journal._changed:
        assert journal._changed.wait_for(lambda: journal.problem is not None, 10)
    np.testing.assert_array_equal(one.blocks().labels_after, blocks(1).labels_after)
    assert journal.pending == 1
    journal.append({"kind": "edit", "number": 2}, edit(2, 2))
    journal.flush()
    journal.close()
    assert [r.head["number"] for r in scan(path)[0]] == [1, 2]


def test_steps_before_one_that_cannot_be_written_are_kept(path, monkeypatch):
    write = journal_module._write_whole
    room = [len(first_line()) + 200]

    def limited(file, content):
        room[0] -= len(content)
        if room[0] < 0:
            room[0] += len(content)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, content)

    monkeypatch.setattr(journal_module, "_write_whole", limited)
    journal = Journal(path, retry_s=1000.0)
    heads = [{"kind": "undo", "number": n, "note": "x" * 100} for n in (1, 2, 3)]
    for head in heads:
        journal.append(head)
    with pytest.raises(StorageError, match="make room"):
        journal.flush()
    assert [r.head["number"] for r in scan(path)[0]] == [1]
    assert journal.pending == 2
    room[0] = 10_000
    journal.close()
    assert [r.head["number"] for r in scan(path)[0]] == [1, 2, 3]
