"""The list of studies used last."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import platformdirs
import pytest

from napari_mednext.app.recent_studies import (
    is_study,
    recent,
    remember,
    state_folder,
)


@pytest.fixture
def state(tmp_path, monkeypatch):
    folder = tmp_path / "state" / "deep"
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(folder))
    return folder


@pytest.fixture
def studies(tmp_path):
    folders = [tmp_path / name for name in ("a", "b é", "c")]
    for folder in folders:
        folder.mkdir()
        (folder / "study.sqlite").touch()
    return folders


def listed(state):
    return json.loads((state / "recent_studies.json").read_text("utf-8"))["studies"]


def test_newest_first_and_each_once(state, studies, monkeypatch):
    a, b, c = studies
    assert recent() == ()
    for study in (a, b, c, b):
        remember(study)
    assert recent() == (b, c, a)
    link = a.parent / "link"
    link.symlink_to(a)
    remember(link)
    assert recent() == (link, b, c)
    monkeypatch.chdir(c)
    remember(Path())  # relative to here
    assert recent() == (c, link, b)
    assert [p.name for p in state.iterdir()] == ["recent_studies.json"]


def test_those_that_are_gone_are_passed_over_and_come_back(state, studies):
    for study in studies:
        remember(study)
    hidden = studies[1].rename(studies[1].with_name("elsewhere"))
    assert recent() == (studies[2], studies[0])
    hidden.rename(studies[1])
    assert recent() == tuple(reversed(studies))
    assert not is_study(studies[0].parent)


def test_only_the_newest_fifty_stay(state, tmp_path):
    for number in range(53):
        remember(tmp_path / f"s{number}")
    assert listed(state) == [str(tmp_path / f"s{n}") for n in range(52, 2, -1)]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "null", '{"schema": 2, "studies": ["x"]}', '{"schema": 1}', "\ufffd",
     '{"schema": 1, "studies": [3, "", null]}'],
)  # fmt: skip
def test_a_damaged_list_starts_anew(state, studies, content):
    state.mkdir(parents=True)
    (state / "recent_studies.json").write_text(content, "utf-8")
    assert recent() == ()
    remember(studies[0])
    assert recent() == (studies[0],)


def test_what_cannot_be_written_reaches_nobody(state, studies, caplog, monkeypatch):
    remember(studies[0])
    (state.parent / "file").touch()
    with monkeypatch.context() as patch:
        patch.setenv("NAPARI_MEDNEXT_STATE", str(state.parent / "file" / "in"))
        remember(studies[1])
        assert "cannot be written" in caplog.text
        assert recent() == ()
    remember("\udcff")  # a file name that no text can hold
    remember("nul\0l")
    assert recent() == (studies[0],)


def test_a_reader_never_sees_half_a_list(state, studies):
    remember(studies[0])
    ended = threading.Event()
    seen = set()

    def read():
        while not ended.is_set():
            seen.add(len(recent()))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(40):
        for study in studies:
            remember(study)
    ended.set()
    reader.join()
    assert seen <= {1, 2, 3}


def test_the_usual_place_and_light_import(monkeypatch):
    monkeypatch.delenv("NAPARI_MEDNEXT_STATE", raising=False)
    place = platformdirs.user_state_path("napari-mednext", appauthor=False)
    assert state_folder() == place
    code = (
        "import sys, napari_mednext.app.recent_studies as r\n"
        "r.recent()\n"
        "sys.exit(str({'torch', 'qtpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "set()"
