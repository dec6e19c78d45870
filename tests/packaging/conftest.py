"""The package as others receive it: built, and installed away from this tree."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def run(*command, cwd, expect=0, **variables):
    """Run a command without this process's paths; return its output."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expect, done.stdout
    return done.stdout


@dataclass(frozen=True)
class Built:
    """Archives made from the working tree."""

    wheel: Path
    sdist: Path
    wheel_from_sdist: Path


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and, beside it, what the wheel depends on."""

    folder: Path

    def run(self, command, *arguments, **options):
        """Run a program of the environment, in a folder far from the repository."""
        place = "Scripts" if os.name == "nt" else "bin"
        return run(
            self.folder / place / command, *arguments, cwd=self.folder, **options
        )

    def python(self, code):
        """Run code in the environment's Python, without the current folder."""
        return self.run("python", "-I", "-c", code)


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    direct = tmp_path_factory.mktemp("direct")
    by_sdist = tmp_path_factory.mktemp("by_sdist")
    build = (sys.executable, "-m", "build", "--no-isolation")
    run(*build, "--wheel", "-o", direct, REPOSITORY, cwd=direct)
    run(*build, "-o", by_sdist, REPOSITORY, cwd=by_sdist)
    return Built(
        wheel=next(direct.glob("*.whl")),
        sdist=next(by_sdist.glob("*.tar.gz")),
        wheel_from_sdist=next(by_sdist.glob("*.whl")),
    )


@pytest.fixture(scope="session")
def installed(built, tmp_path_factory):
    """Install the wheel offline.

    The dependencies are lent by links, one for each thing in this environment that is
    not ours: the editable package of the developer must not be found.
    """
    folder = tmp_path_factory.mktemp("installed")
    lent = tmp_path_factory.mktemp("dependencies")
    for scheme in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(scheme).iterdir():
            is_ours = "mednext" in entry.name.lower()
            if not is_ours and not (lent / entry.name).exists():
                (lent / entry.name).symlink_to(entry)
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    environment = Installed(folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    offline = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *offline,
        built.wheel,
        cwd=folder,
    )
    purelib = environment.python(
        "import sysconfig; print(sysconfig.get_path('purelib'))"
    )
    Path(purelib.strip(), "lent.pth").write_text(f"{lent}\n")
    return environment
