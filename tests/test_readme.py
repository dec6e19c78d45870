"""What the README shows works as it stands there."""

import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SAMPLES = files("napari_mednext") / "resources" / "samples"


def blocks(language):
    """Return the fenced blocks of a language; "" is a block without one."""
    parts = re.split(r"^```(.*)$", README, flags=re.MULTILINE)
    # text, opening fence, block, closing fence, text, ...
    return [b for a, b in zip(parts[1::4], parts[2::4], strict=True) if a == language]


@pytest.fixture
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_one_thread")
def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = blocks("python")
    shutil.copy(str(SAMPLES / "mr_abdomen.nii.gz"), tmp_path / "head.nii.gz")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "head_mask.nii.gz").exists()
    assert "rest of the head" in capsys.readouterr().out


def test_the_commands_are_ones_that_exist():
    from typer.main import get_command

    from napari_mednext.cli.application import application

    known = get_command(application).commands
    shell = "\n".join(blocks(""))
    named = re.findall(r"^napari-mednext ([a-z-]+)", shell, re.MULTILINE)
    assert {"segment", "demo"} <= set(named) <= set(known)
    targets = re.findall(r"^make ([a-z]+)", shell, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(targets) == {"demo", "test"}
    assert all(f"\n{target}:" in makefile for target in targets)


def test_links_and_pictures_are_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_it_is_short_and_has_no_gaps():
    assert len(README.splitlines()) <= 120
    assert not re.search(r"@[A-Z]+@", README)
