"""A lock says who is alive, and looking at it disturbs nobody."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from napari_mednext import locking
from napari_mednext.errors import StorageError
from napari_mednext.locking import FileLock, is_locked

HOLD = (
    "import sys, pathlib; from napari_mednext.locking import FileLock;"
    "l = FileLock(pathlib.Path(sys.argv[1]), what='a thing');"
    "print(l.take(), flush=True); sys.stdin.read()"
)


def test_one_holder_at_a_time(tmp_path):
    path = tmp_path / "x.lock"
    one, two = FileLock(path, what="a thing"), FileLock(path, what="a thing")
    assert not is_locked(path, what="a thing")
    assert one.take()
    assert one.take()
    assert (one.held, two.take(), two.held) == (True, False, False)
    assert is_locked(path, what="a thing")
    one.release()
    one.release()
    assert not is_locked(path, what="a thing")
    with two:
        assert two.take()
    assert not two.held


def test_a_killed_process_holds_nothing(tmp_path):
    path = tmp_path / "x.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert holder.stdout.readline() == b"True\n"
    lock = FileLock(path, what="a thing")
    assert not lock.take()
    assert is_locked(path, what="a thing")
    holder.kill()
    holder.communicate()
    assert not is_locked(path, what="a thing")
    assert lock.take()
    lock.release()


def test_lookers_do_not_see_each_other(tmp_path):
    path = tmp_path / "x.lock"
    path.touch()
    seen, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            seen.append(is_locked(path, what="a thing"))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):  # and who waits a little always gets it
        with FileLock(path, what="a thing") as lock:
            assert lock.take(wait_s=5)
            assert is_locked(path, what="a thing")
    stop.set()
    for thread in threads:
        thread.join()
    assert seen


def test_waiting_for_a_lock(tmp_path):
    path = tmp_path / "x.lock"
    first = FileLock(path, what="a thing")
    assert first.take()
    timer = threading.Timer(0.1, first.release)
    timer.start()
    with FileLock(path, what="a thing") as second:
        assert not second.take(wait_s=0.01)
        assert second.take(wait_s=10)
    timer.join()


def test_a_lock_knows_whether_its_file_was_removed(tmp_path):
    path = tmp_path / "x.lock"
    with FileLock(path, what="a thing") as lock:
        assert not lock.is_in_place()
        lock.take()
        assert lock.is_in_place()
        path.unlink()
        assert not lock.is_in_place()
        path.touch()
        assert not lock.is_in_place()


def test_disks_that_refuse(tmp_path, monkeypatch):
    path = tmp_path / "missing" / "x.lock"
    assert not is_locked(path, what="a thing")
    with pytest.raises(StorageError, match=r"a thing must be locked.*No such file"):
        FileLock(path, what="a thing").take()
    with pytest.raises(StorageError, match="a thing must be locked by the file"):
        is_locked(Path("/dev/null/x"), what="a thing")

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", refuse)
    before = psutil.Process().num_fds()
    (tmp_path / "x.lock").touch()
    with pytest.raises(StorageError, match="No locks available"):
        is_locked(tmp_path / "x.lock", what="a thing")
    with pytest.raises(StorageError, match="move the study to a disk that knows"):
        FileLock(tmp_path / "x.lock", what="a thing").take()
    assert psutil.Process().num_fds() == before
