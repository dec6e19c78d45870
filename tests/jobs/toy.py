"""A job that counts, slowly if asked to, from its own checkpoint.

Arguments: ``steps``, ``pause_s`` before each step; ``end`` says what happens at step
``at``: "error", "refusal", "full", "die" (by SIGKILL) or "exit"; a "stubborn" one obeys
nothing.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

from napari_mednext.errors import ResourceError
from napari_mednext.jobs import Command, run_job

MODULUS = 2**31 - 1


def value_after(steps):
    """What the toy computes, straight."""
    value = 1
    for step in range(steps):
        value = (value * 48271 + step) % MODULUS
    return value


def work(worker):
    end, at = worker.arguments.get("end"), worker.arguments.get("at", 2)
    steps, pause_s = worker.arguments["steps"], worker.arguments.get("pause_s", 0.0)
    saved = worker.path / "checkpoints" / "count.json"
    saved.parent.mkdir(exist_ok=True)
    step, value = json.loads(saved.read_text()) if saved.exists() else (0, 1)
    worker.tell("start", step=step, steps=steps)
    sys.stdout.write(f"from step {step}\n")
    if end == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
        )
        worker.tell("child", pid=child.pid)
    while step < steps:
        time.sleep(pause_s)
        if end != "stubborn":
            command = worker.checkpoint_gate(
                partial(worker.tell, "released", step=step),
                partial(worker.tell, "returned", step=step),
            )
            if command in (Command.STOP, Command.CANCEL):
                return {"value": value, "step": step}
        value = (value * 48271 + step) % MODULUS
        step += 1
        beside = saved.with_suffix(".tmp")
        beside.write_text(json.dumps([step, value]))
        beside.replace(saved)
        worker.tell("step", step=step)
        worker.progress(step, steps, phase="counting", remaining_s=steps - step)
        if step == at:
            _end(end)
    return {"value": value, "step": step}


def _end(how):
    if how == "error":
        msg = "so\nit goes"
        raise KeyError(msg)
    if how == "refusal":
        msg = "a device must be there, got none: plug one in"
        raise ResourceError(msg)
    if how == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        sys.exit(3)


def main(job_folder):
    run_job(job_folder, work)
