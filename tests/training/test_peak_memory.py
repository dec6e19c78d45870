"""The peak of this process's memory, against memory that is taken on purpose."""

import subprocess
import sys

import pytest

from napari_mednext.training import peak_memory
from napari_mednext.training.peak_memory import peak_rss

MB = 1_000_000
CHILD = """
from napari_mednext.training.peak_memory import peak_rss
before = peak_rss()
there = bytearray(b"1" * {taken})
del there
print(before, peak_rss())
"""


def child(taken):
    command = [sys.executable, "-c", CHILD.format(taken=taken)]
    return [int(n) for n in subprocess.check_output(command, text=True).split()]


def test_what_was_taken_and_given_back_is_counted():
    before, after = child(100 * MB)
    # The bytes and the bytearray made of them are there at the same time.
    assert after - before == pytest.approx(200 * MB, rel=0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="only there parents count")
def test_memory_of_the_parent_is_not_counted():
    there = bytearray(b"1" * (400 * MB))
    assert peak_rss() > 400 * MB
    assert child(1)[0] < 300 * MB
    del there


@pytest.mark.skipif(sys.platform == "win32", reason="has another source")
def test_without_a_memory_map_the_system_is_asked(tmp_path, monkeypatch):
    known = peak_rss()
    monkeypatch.setattr(peak_memory, "_STATUS", tmp_path / "none")
    assert peak_rss() >= 0.9 * known
