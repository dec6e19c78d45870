"""The program as a process: start-up, signals, and what they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_mednext.formats import open_volume, save_volume
from napari_mednext.volume import Volume, VoxelGrid
from tests.app.tiny_model import write_tiny_model

ROOT = str(Path(__file__).resolve().parents[2])
PROGRAM = [sys.executable, "-m", "napari_mednext.cli"]
#: Seconds after which a process counts as stuck.
STUCK_S = 60


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny").path


@pytest.fixture
def scans(tmp_path):
    """A small scan, and one that takes minutes."""
    folder = tmp_path / "scans"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, size in (("a", 12), ("b", 220)):
        grid = VoxelGrid((size, size, size), spacing=(2.0, 1.0, 1.0))
        array = random.integers(0, 99, size=grid.shape).astype(np.uint8)
        save_volume(Volume(array, grid), folder / f"{name}.mha")
    return folder


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ROOT}


def start(*arguments):
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def until(condition, process):
    end = time.monotonic() + STUCK_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_help_is_light():
    code = (
        "import sys\n"
        "from napari_mednext.cli import main\n"
        "code = main(['segment', '--help'])\n"
        "heavy = {'torch', 'napari', 'SimpleITK', 'numpy', 'qtpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--no-mirror" in done.stdout
    assert time.monotonic() - began < 3.0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_interrupt_while_loading(scans, model, tmp_path):
    """The folder is made just before torch is imported."""
    out = tmp_path / "masks"
    with start("segment", scans, "-o", out, "--model", model) as process:
        until(out.is_dir, process)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=STUCK_S)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    assert printed == b""
    assert not [path for path in out.iterdir() if path.name != "a.nii.gz"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_terminate_while_segmenting(scans, model, tmp_path):
    """What is saved stays, and is in the document; nothing else is there."""
    out = tmp_path / "masks"
    line = ("segment", scans, "-o", out, "--model", model, "--no-mirror", "--json")
    with start(*line) as process:
        assert b"saved" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=STUCK_S)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    document = json.loads(printed)
    assert (document["status"], document["exit_code"]) == ("interrupted", 130)
    assert document["results"][0]["state"] == "saved"
    assert [path.name for path in out.iterdir()] == ["a.nii.gz"]
    assert open_volume(out / "a.nii.gz").grid.shape == (12, 12, 12)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_ignored_signals_stay_ignored():
    """As under nohup: a parent that ignores Ctrl-C is obeyed."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from napari_mednext.cli.interrupts import Interrupts, cancel_on_interrupt\n"
        "with Interrupts(), cancel_on_interrupt() as cancel:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    assert not cancel.is_set()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert cancel.is_set()\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment())
    assert done.returncode == 7


def test_reader_of_the_output_may_go_away():
    done = subprocess.run(
        ["sh", "-c", f"{PROGRAM[0]} -m {PROGRAM[2]} --help | true"],
        capture_output=True,
        check=False,
        env=environment(),
    )
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_exit_code_of_an_interrupt_inside_exec(tmp_path):
    """With ``python -m`` CPython would end the process by the signal instead."""
    code = (
        "import os, signal, sys\n"
        "from napari_mednext.cli import entry, main\n"
        "def run(_):\n"
        "    exec('os.kill(os.getpid(), signal.SIGTERM)')\n"
        "entry.run = run\n"
        "sys.exit(main([]))\n"
    )
    (tmp_path / "program.py").write_text(code)
    line = [sys.executable, "-m", "program"]
    variables = environment()
    variables["PYTHONPATH"] += os.pathsep + str(tmp_path)
    done = subprocess.run(line, check=False, env=variables)
    assert done.returncode == 130
