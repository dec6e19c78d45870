"""The shell scripts behind make tell people what to do, and do it as root."""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None, reason="the make targets need bash"
)

TOOLS = ("bash", "dirname", "env", "grep", "mkdir", "mktemp", "rm", "uname")


@pytest.fixture
def machine(tmp_path):
    """A folder of programs that is all that scripts find on their path."""
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(shutil.which(tool))

    def add(name, code):
        path = tmp_path / name
        path.write_text(f"#!{shutil.which('bash')}\n{code}\n")
        path.chmod(0o755)

    add("apt-get", f'echo "apt-get $*" >> {tmp_path}/calls')
    tmp_path.joinpath("calls").touch()
    machine = type("Machine", (), {})()
    machine.folder, machine.add = tmp_path, add
    machine.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return machine


def run(machine, *command, **variables):
    return subprocess.run(
        [shutil.which("bash"), *map(str, command)],
        env={"PATH": str(machine.folder), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def installed_packages(machine, *names):
    cases = "|".join([*names, "no-such-package"])
    machine.add(
        "dpkg-query",
        f'case "${{!#}}" in {cases}) echo "install ok installed";; *) exit 1;; esac',
    )


def test_a_user_is_told_the_one_line(machine, repository):
    installed_packages(machine, "xvfb", "xauth", "libegl1", "libglib2.0-0t64")
    machine.add("id", "echo 1000")
    done = run(machine, repository / "scripts/system_packages.sh", "xvfb")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1].split()
    assert line[:4] == ["sudo", "apt-get", "install", "--no-install-recommends"]
    assert "libxcb-cursor0" in line
    assert not {"xvfb", "libegl1", "libglib2.0-0"} & set(line)
    assert machine.calls() == []


def test_root_gets_what_is_missing(machine, repository):
    installed_packages(machine, "xvfb", "xauth")
    machine.add("id", "echo 0")
    done = run(machine, repository / "scripts/system_packages.sh", "xvfb")
    assert done.returncode == 0, done.stderr
    update, install = machine.calls()
    assert update.startswith("apt-get update")
    assert "libegl1" in install
    assert "xvfb" not in install


def test_nothing_is_done_where_nothing_is_missing(machine, repository):
    machine.add("dpkg-query", 'echo "install ok installed"')
    done = run(machine, repository / "scripts/system_packages.sh", "window")
    assert (done.returncode, done.stdout, machine.calls()) == (0, "", [])


def test_other_systems_are_left_alone(machine, repository):
    (machine.folder / "apt-get").unlink()
    done = run(machine, repository / "scripts/system_packages.sh", "window")
    assert done.returncode == 0
    assert "not a Debian system" in done.stderr


def test_python_that_is_too_old_is_refused(machine, repository):
    machine.add("python3", '[ "$1" = -V ] && echo "Python 3.9.2" || exit 1')
    done = run(machine, repository / "scripts/system_packages.sh", "python")
    assert done.returncode == 1
    assert "Python 3.11 or later is needed, python3 is Python 3.9.2" in done.stderr


def test_python_without_ensurepip_gets_it(machine, repository):
    # The second import succeeds once apt-get was called.
    machine.add(
        "python3",
        f'case "$*" in *ensurepip*) [ -s {machine.folder}/calls ];; *) exit 0;; esac',
    )
    machine.add("dpkg-query", "exit 1")
    machine.add("id", "echo 0")
    done = run(machine, repository / "scripts/system_packages.sh", "python")
    assert done.returncode == 0, done.stderr
    assert machine.calls()[-1].endswith("python3-venv")


SHOW = 'echo "$NAPARI_CONFIG|$XDG_RUNTIME_DIR|${QT_QPA_PLATFORM:-}"'


def test_display_of_the_user_is_used(machine, repository, tmp_path):
    script = repository / "scripts/with_display.sh"
    done = run(
        machine,
        *(script, "bash", "-c", SHOW),
        DISPLAY=":7",
        XDG_RUNTIME_DIR="/run/user/7",
        TMPDIR=str(tmp_path),
    )
    config, runtime, platform = done.stdout.strip().split("|")
    assert (runtime, platform) == ("/run/user/7", "")
    assert config.startswith(str(tmp_path))
    assert not os.path.lexists(os.path.dirname(config))  # noqa: PTH120


def test_display_in_memory_where_there_is_none(machine, repository, tmp_path):
    machine.add("xvfb-run", 'while [ "$1" != bash ]; do shift; done; "$@"')
    script = repository / "scripts/with_display.sh"
    done = run(machine, *(script, "bash", "-c", SHOW), TMPDIR=str(tmp_path))
    assert done.stdout.strip().endswith("/runtime|xcb")


def test_failure_of_the_command_is_passed_on(machine, repository):
    script = repository / "scripts/with_display.sh"
    done = run(machine, script, "bash", "-c", "exit 3", DISPLAY=":7")
    assert done.returncode == 3


def test_ci_ends_with_the_closing_lines_and_the_status(machine, repository, tmp_path):
    for tool in ("tee",):
        (machine.folder / tool).symlink_to(shutil.which(tool))
    closing = ["==== 3 passed in 2.00s ====", "==== 1 failed, 2 passed in 9.1s ===="]
    machine.add(
        "make", f'echo "$*"; echo "{closing[0]}"; echo "{closing[1]}"; echo end; exit 2'
    )
    done = run(machine, repository / ".ci/run", TMPDIR=str(tmp_path))
    lines = done.stdout.splitlines()
    assert lines[0] == "test"
    assert lines[-2:] == closing
    assert done.returncode == 2


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("display", "packages"), [("", []), (":7", ["scripts/system_packages.sh window"])]
)
def test_demo_asks_for_window_libraries_only_with_a_display(
    repository, display, packages
):
    done = subprocess.run(
        ["make", "-n", "-W", "pyproject.toml", "demo"],
        cwd=repository,
        env={"PATH": os.environ["PATH"], "DISPLAY": display},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.endswith(" window")] == packages
    assert lines[-1] == ".venv/bin/napari-mednext demo"
