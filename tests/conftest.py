"""What every test may use, and the guards that fail a test which leaves a mess."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import tests.own_place  # noqa: F401 - before napari is

#: How long threads and processes that a test has ended may take to be gone.
GRACE_S = 5.0

#: Qt, napari and torch set these when they are imported; pytest sets its own.
FREE_VARIABLES = ("PYTEST_", "QT_", "KMP_", "TORCH", "NAPARI_", "PYQTGRAPH_", "VISPY_")


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real scans beside the repository; skips where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data of real scans is not here")
    return folder


def _settled(leftovers):
    """Leftovers that are still there after the grace."""
    end = time.monotonic() + GRACE_S
    rest = leftovers()
    while rest and time.monotonic() < end:
        threading.Event().wait(0.02)
        rest = leftovers()
    return rest


def _children():
    return {
        child
        for child in psutil.Process().children(recursive=True)
        if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    }


def _threads():
    return {t for t in threading.enumerate() if t.is_alive() and not t.daemon}


def _variables():
    return {k: v for k, v in os.environ.items() if not k.startswith(FREE_VARIABLES)}


@pytest.fixture(autouse=True, scope="module")
def _no_stray_process():
    """Fail a module that leaves processes; its tests may share one."""
    before = _children()
    yield
    left = _settled(lambda: _children() - before)
    assert not left, f"the tests of this file left processes: {left}"


#: What a test found: before its fixtures, and after those that it shares with others.
FOUND = pytest.StashKey()


def _surroundings():
    """Where a test works, and numpy's seed; a test may change them and change back."""
    seed = np.random.get_state()[1].tobytes()  # noqa: NPY002 - it is watched
    return {
        "changed the environment": _variables(),
        "changed the working folder": Path.cwd(),
        "moved numpy's global random state, use default_rng": seed,
    }


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    """Remember what there is before any fixture of the test."""
    item.stash[FOUND] = [_surroundings()]
    return (yield)


@pytest.fixture(autouse=True)
def _found(request):
    """Remember what there is once the shared fixtures of the test are made."""
    request.node.stash[FOUND].append(_surroundings())
    threads = _threads()
    yield
    left = _settled(lambda: _threads() - threads)
    assert not left, f"the test left threads: {left}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item):
    """Fail a test that, all its fixtures undone, leaves other surroundings."""
    result = yield
    now, found = _surroundings(), item.stash[FOUND]
    for complaint, value in now.items():
        assert value in [before[complaint] for before in found], f"the test {complaint}"
    return result
