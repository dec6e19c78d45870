"""What the tests of jobs share: toy jobs whose processes end with the test."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_mednext.jobs import JobStore

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def own_queue(tmp_path, monkeypatch):
    """Keep the queue of the user out of the tests, and the tests out of it."""
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "state"))


@pytest.fixture
def store(tmp_path):
    store = JobStore(tmp_path / "jobs", module_prefixes=("tests.jobs.",))
    yield store
    for job in store.jobs():
        job.cancel()
        until(lambda job=job: not job.view().waiting_for or job.kill_after(0))
        job.kill_after(0.3)


@pytest.fixture
def toy(store):
    """Make a toy job: ``toy(steps=3)``."""

    def make(module="toy", **arguments):
        return store.new(
            "toy",
            title="A toy",
            module=f"tests.jobs.{module}",
            arguments={"steps": 3, **arguments},
        )

    return make


def until(condition, what="the condition"):
    """Wait until something holds, and return it."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(0.01)
    return value


def until_state(job, *states):
    return until(
        lambda: (view := job.view()).state in states and view,
        f"{states} of {job.view()}",
    )


def kinds(job):
    """The kinds of events so far."""
    return [event["event"] for event in job.events()[0]]


def python(code, *arguments, **options):
    """Run code in another process that finds this repository."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        text=True,
        **options,
    )


def kill(pid):
    os.kill(pid, signal.SIGKILL)
