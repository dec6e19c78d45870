"""One window edits a case; the system frees it when that window dies."""

import errno
import fcntl
import getpass
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from napari_mednext.errors import InputError, StorageError
from napari_mednext.study import CaseLock, LockHolder, Study
from tests.study.makers import make_study

HOLDER = Path(__file__).with_name("holder.py")


@contextmanager
def holding(path):
    process = subprocess.Popen(
        [sys.executable, str(HOLDER), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout.readline() == "True\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_two_windows_of_one_process(tmp_path):
    make_study(tmp_path / "s").close()
    with Study.open(tmp_path / "s") as one, Study.open(tmp_path / "s") as two:
        first, second = one.lock("a"), two.lock(two.case("a"))
        assert (first.held, second.held) == (True, False)
        assert second.holder == first.holder
        assert second.holder.pid == os.getpid()
        assert second.holder.host == socket.gethostname()
        assert two.lock("b").held
        assert not second.take()
        first.release()
        first.release()
        assert not first.held
        assert first.holder is None
        assert second.take()
        assert second.take()
        with two.lock("a") as third:
            assert not third.held
        assert second.held
        second.release()
        with pytest.raises(InputError, match="the case that is asked for, got 'x'"):
            one.lock("x")


def test_the_block_releases(tmp_path):
    with CaseLock(tmp_path / "a.lock") as lock:
        assert lock.held
        assert str(lock) == "this window may edit the case"
    assert (tmp_path / "a.lock").read_text() == ""
    with CaseLock(tmp_path / "a.lock") as again:
        assert again.held


@pytest.mark.parametrize("way", [signal.SIGKILL, None])
def test_the_end_of_a_process_frees_its_cases(tmp_path, way):
    path = tmp_path / "a.lock"
    with holding(path) as process:
        lock = CaseLock(path)
        assert not lock.held
        assert lock.holder.pid == process.pid
        assert str(lock).startswith("the case can be looked at only, it is open")
        assert "on this computer since 20" in str(lock)
        if way is None:
            process.stdin.close()
            process.stdin = None
        else:
            process.send_signal(way)
        process.wait()
        assert lock.take()
        assert lock.holder.pid == os.getpid()
        lock.release()


def test_children_do_not_keep_a_lock(tmp_path):
    lock = CaseLock(tmp_path / "a.lock")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        lock.release()
        again = CaseLock(tmp_path / "a.lock")
        assert again.held
        again.release()
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"user": 1}'])
def test_a_holder_that_does_not_say_who(tmp_path, text):
    path = tmp_path / "a.lock"
    with CaseLock(path):
        path.write_text(text)
        other = CaseLock(path)
        assert (other.held, other.holder) == (False, None)
        assert "it is open elsewhere (another window)" in str(other)


def test_words(monkeypatch):
    assert str(LockHolder("eva", "far", 7, "2025-03-04 05:06:07+01:00")) == (
        "eva on far since 2025-03-04 05:06"
    )
    assert str(LockHolder("", "far", 7, "2025")).startswith("somebody on far")

    def nobody():
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert LockHolder.here().user == ""


def open_files():
    return psutil.Process().num_fds()


def test_disks_that_refuse(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match=r"refuses it \(No such file.*check the per"):
        CaseLock(tmp_path / "missing" / "a.lock")

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = open_files()
    with pytest.raises(StorageError, match=r"\(No locks available\).*disk that knows"):
        CaseLock(tmp_path / "a.lock")
    assert open_files() == before
