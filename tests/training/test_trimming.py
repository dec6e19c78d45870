"""Memory that the C library keeps goes back to the system."""

import sys

import numpy as np
import psutil
import pytest

from napari_mednext.training import trimming
from napari_mednext.training.trimming import give_memory_back


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep none")
def test_freed_arrays_go_back_to_the_system():
    """Pieces of 100 kB lie on the heap; each that is freed leaves a hole."""
    pieces = [np.ones(12_500) for _ in range(2000)]
    kept = pieces[::2]
    del pieces
    before = psutil.Process().memory_info().rss
    give_memory_back()
    after = psutil.Process().memory_info().rss
    assert before - after > 50_000_000
    assert all(piece[0] == 1 for piece in kept)


def test_where_there_is_no_such_function_nothing_happens(monkeypatch):
    monkeypatch.setattr(trimming.sys, "platform", "darwin")
    trimming._trim.cache_clear()
    give_memory_back()
    trimming._trim.cache_clear()
