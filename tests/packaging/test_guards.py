"""The guards of tests/conftest.py fail a test that leaves a mess."""

import os
import subprocess
import sys

import pytest

MESSES = {
    "left threads": "threading.Timer(2, print).start()",
    "changed the environment": "os.environ.update(MESS='1')",
    "changed the working folder": "os.chdir('/')",
    "global random state": "numpy.random.rand()",
    "left processes": "subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)",
}


@pytest.fixture
def verdict(repository, tmp_path):
    """What pytest says about a file with one test, under the guards."""

    def verdict(body):
        guards = (repository / "tests" / "conftest.py").read_text()
        assert "GRACE_S = 5.0" in guards
        guards = guards.replace("GRACE_S = 5.0", "GRACE_S = 0.2")
        (tmp_path / "conftest.py").write_text(guards)
        (tmp_path / "test_planted.py").write_text(
            "import numpy, os, subprocess, sys, threading\n"
            f"def test_planted():\n    globals()['kept'] = {body}\n"
        )
        command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        done = subprocess.run(
            [*command, "--rootdir", str(tmp_path), str(tmp_path)],
            cwd=tmp_path,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout

    return verdict


def test_clean_test_passes(verdict):
    status, output = verdict("numpy.random.default_rng(1).random()")
    assert status == 0, output


@pytest.mark.parametrize("complaint", MESSES)
def test_mess_is_named(verdict, complaint):
    status, output = verdict(MESSES[complaint])
    assert status == 1, output
    assert "AssertionError: the test" in output
    assert complaint in output
