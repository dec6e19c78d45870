"""What the tests of one process have for themselves; importing this sets it up.

Where several processes run a part of the tests each (pytest-xdist), they would meet in
napari's settings, in the folder where trainings wait for their turn, and on a display,
where windows fight for the focus.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SCREEN = ("-screen", "0", "1600x1000x24", "-nolisten", "tcp")


def own_display():
    """Start an X server that ends with this process; returns its name, like ":7"."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ("Xvfb", "-displayfd", str(writing), *SCREEN),
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    atexit.register(server.terminate)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    if not number:
        msg = "Xvfb must start for each part of the tests, but it ended at once"
        raise RuntimeError(msg)
    return f":{number}"


if "PYTEST_XDIST_WORKER" in os.environ:
    # What the process that leads the tests has set is for itself.
    os.environ.pop("NAPARI_CONFIG", None)
    os.environ.pop("NAPARI_MEDNEXT_STATE", None)
    if os.environ.get("DISPLAY") and shutil.which("Xvfb"):
        os.environ["DISPLAY"] = own_display()

# napari's own test fixtures reset the settings file that this names.
os.environ.setdefault(
    "NAPARI_CONFIG", str(Path(tempfile.mkdtemp(prefix="napari-config-"), "napari.yaml"))
)

# Trainings and segmentations of all processes of a user meet in this folder.
os.environ.setdefault("NAPARI_MEDNEXT_STATE", tempfile.mkdtemp(prefix="mednext-state-"))
