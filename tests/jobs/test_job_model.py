"""The states of a job against a small model of them, over random lives.

No process is started: its part is played in the test, with the same lock and the same
worker, so that it can die between any two calls.
"""

import random

import pytest

from napari_mednext.errors import InputError
from napari_mednext.jobs import Command, JobState, JobWorker, launching
from napari_mednext.jobs.record import MOST_FRUITLESS
from napari_mednext.jobs.running import LOCK
from napari_mednext.locking import FileLock

OVER = {"done", "stopped", "cancelled", "failed"}


class Model:
    """What a job should do, in the plainest words."""

    def __init__(self):
        self.state = "queued"  # or running, or an end
        self.alive = self.asked = self.said = False
        self.wishes = set()
        self.attempts = self.vain = self.best = 0
        self.processes = 0  # started, and not yet at work

    def shown(self):
        if self.state in OVER or self.alive:
            return self.state
        if "cancel" in self.wishes:
            return "cancelled"
        if "pause" in self.wishes:
            return "paused"
        return "interrupted" if self.asked and self.said else "queued"

    def end(self, state):
        self.state, self.wishes, self.asked = state, set(), True

    def start(self, *, by_hand=True):
        if self.alive:
            return
        if self.state not in OVER and "cancel" in self.wishes:
            self.end("cancelled")
        if self.state in OVER and not (by_hand and self.state == "failed"):
            raise InputError
        if self.state == "failed":
            self.wishes = set()
        self.state, self.asked, self.said = "queued", True, False
        self.vain = 0 if by_hand else self.vain
        self.processes += 1

    def revive(self):
        if self.alive or self.state in OVER:
            return
        if "cancel" in self.wishes:
            self.end("cancelled")
        elif "pause" not in self.wishes and self.asked:
            if self.vain >= MOST_FRUITLESS:
                self.end("failed")
            else:
                self.start(by_hand=False)

    def pause(self):
        if self.shown() not in OVER and not self.wishes:
            self.wishes.add("pause")

    def resume(self):
        self.wishes.discard("pause")
        if self.shown() == "interrupted":
            self.start()

    def stop(self):
        if self.state in OVER:
            return
        self.wishes.add("stop")
        self.wishes.discard("pause")
        if self.alive:
            return
        if self.attempts == 0:
            self.end("stopped")
        else:
            self.start()

    def cancel(self):
        if self.state not in OVER:
            self.wishes.add("cancel")
            if not self.alive:
                self.end("cancelled")

    def begin(self):
        """A started process takes the job; True if it works now."""
        self.processes -= 1
        if self.alive or self.state in OVER:
            return False
        if self.vain >= MOST_FRUITLESS:
            self.end("failed")
            return False
        self.state, self.asked, self.said = "running", True, True
        self.attempts += 1
        self.vain += 1
        if "cancel" in self.wishes:
            self.end("cancelled")
            return False
        if "stop" in self.wishes and self.attempts == 1:
            self.end("stopped")
            return False
        self.alive = True
        return True

    def step(self, step):
        if step > self.best:
            self.best, self.vain = step, 0

    def die(self):
        self.alive = False

    def shut_down(self):
        self.alive = False
        if "cancel" in self.wishes:
            self.end("cancelled")
        else:
            self.vain = max(0, self.vain - 1)

    def finish(self):
        self.alive = False
        looked = "cancel" if "cancel" in self.wishes else "stop"
        end = {"cancel": "cancelled", "stop": "stopped"}
        self.end(end[looked] if looked in self.wishes else "done")


class Life:
    """The same, with a real job and a played process."""

    def __init__(self, job):
        self.job, self.worker, self.lock, self.steps = job, None, None, 0

    def begin(self):
        lock = FileLock(self.job.path / LOCK, what="a job")
        if not lock.take():
            return False
        worker = JobWorker(self.job.path)
        if not worker.begin():
            lock.release()
            return False
        self.worker, self.lock = worker, lock
        worker.progress(0, 100, phase="counting")
        return True

    def step(self, step):
        self.worker.progress(step, 100)
        self.worker.flush(now=True)

    def die(self):
        self.lock.release()

    def shut_down(self):
        self.worker.interrupt()
        self.lock.release()

    def finish(self):
        assert self.worker.command() in set(Command)
        self.worker.conclude({"value": 1})
        self.lock.release()


@pytest.mark.parametrize("seed", range(8))
def test_a_random_life_is_as_the_model_says(toy, monkeypatch, seed):
    spawned = []
    monkeypatch.setattr(launching, "spawn", lambda *a: spawned.append(a))
    chance, job, model = random.Random(seed), toy(), Model()
    # Reaching phase "counting" for the first time is progress, too.
    model.best = -1
    life, step, told = Life(job), 0, []
    for _ in range(40):
        acts = ["start", "revive", "pause", "resume", "stop", "cancel"]
        weights = [3, 4, 2, 2, 0.3, 0.2]
        if model.processes:
            acts, weights = acts + ["begin"], weights + [8]
        if model.alive:
            acts += ["step", "die", "shut_down", "finish"]
            weights += [2, 6, 1, 0.3]
        act = chance.choices(acts, weights)[0]
        told.append(act)
        if act in ("start", "revive", "pause", "resume", "stop", "cancel"):
            wanted = refused(getattr(model, act))
            assert refused(getattr(job, act)) == wanted, told
        elif act == "begin":
            begun = model.begin()
            assert life.begin() == begun, told
            if begun:
                model.step(0)
        elif act == "step":
            step = chance.randint(0, 5)
            model.step(step)
            life.step(step)
        else:
            getattr(model, act)()
            getattr(life, act)()
        view = job.view()
        assert view.state == model.shown(), told
        assert view.is_over == (model.shown() in OVER)
        assert (view.attempts, job.is_alive) == (model.attempts, model.alive), told
        assert (view.pid is not None) == model.alive
        wishes = {name for name in ("pause", "stop", "cancel") if wish(job, name)}
        assert wishes == model.wishes, told
    if model.alive:
        life.die()
    assert len(spawned) >= model.processes


def refused(act):
    try:
        act()
    except InputError:
        return True
    return False


def wish(job, name):
    return (job.path / name.upper()).exists()


def test_deaths_without_a_step_fail_a_job_others_do_not(toy, monkeypatch):
    monkeypatch.setattr(launching, "spawn", lambda *_: None)
    job = toy()
    life = Life(job)
    job.start()
    for step in range(6):  # deaths with steps
        assert life.begin()
        life.step(step + 1)
        life.die()
        assert job.revive()
    for _ in range(6):  # shutdowns without steps
        assert life.begin()
        life.shut_down()
        assert job.view().state is JobState.INTERRUPTED
        assert job.revive()
    for _ in range(3):  # deaths at the same step
        assert life.begin()
        life.step(6)
        life.die()
    assert not job.revive()
    view = job.view()
    assert view.state is JobState.FAILED
    assert (
        "3 times in a row without getting beyond step 6 of 'counting'" in view.message
    )
    assert not life.begin()
