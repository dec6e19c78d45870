"""The model of a study is found again, also where it lies elsewhere."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from napari_mednext.app.chosen_model import (
    earlier_models,
    remember_earlier,
    remember_model,
    remembered_model,
    remembered_names,
)
from napari_mednext.errors import StorageError
from napari_mednext.models import installed_models


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path


def info():
    return next(each for each in installed_models() if each.is_shipped)


def test_nothing_is_remembered_at_first(folder):
    assert remembered_model(folder, installed_models()) is None


def test_a_model_is_found_by_its_folder_then_by_its_name(folder, tmp_path):
    model = info()
    remember_model(folder, name=model.name, path=model.path)
    assert remembered_model(folder) == model.path
    gone = tmp_path / "elsewhere"
    remember_model(folder, name=model.name, path=gone)
    assert remembered_model(folder) is None
    assert remembered_model(folder, [model]) == model.path
    assert remembered_model(folder, [replace(model, name="other")]) is None
    remember_model(folder, path=None)
    assert remembered_model(folder, [model]) is None


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema": 2, "path": "/"}', '{"schema": 1}']
)
def test_what_cannot_be_read_is_no_choice(folder, text):
    (folder / "models" / "chosen.json").write_text(text)
    assert remembered_model(folder, installed_models()) is None


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(StorageError, match=r"chosen\.json"):
        remember_model(tmp_path / "gone", name="a", path=tmp_path)


def named(folder, *names):
    """Folders that are taken for models."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "plans.json").write_text("{}")
    return [folder / name for name in names]


def test_a_file_of_an_older_version_is_read_and_goes_on(folder, tmp_path):
    old, new = named(tmp_path / "library", "old", "new")
    text = json.dumps({"schema": 1, "name": "old", "path": str(old)})
    (folder / "models" / "chosen.json").write_text(text)
    assert remembered_model(folder) == old
    assert earlier_models(folder) == ()
    remember_model(folder, name="new", path=new)
    assert earlier_models(folder) == (old,)
    said = json.loads((folder / "models" / "chosen.json").read_text())
    assert {k: said[k] for k in ("schema", "name", "path")} == {
        "schema": 1,
        "name": "new",
        "path": str(new),
    }


def test_only_another_model_joins_the_history(folder, tmp_path):
    one, two = named(tmp_path / "library", "one", "two")
    for path in (one, one, None, None, two, two, one):
        remember_model(folder, name="x", path=path)
    assert earlier_models(folder) == (two, one)


def test_going_back_shortens_the_history(folder, tmp_path):
    one, two, three = named(folder / "models", "one", "two", "three")
    for path in (one, two, three):
        remember_model(folder, name=path.name, path=path)
    shutil.rmtree(two)
    assert remember_earlier(folder) == one
    assert earlier_models(folder) == ()
    assert remember_earlier(folder) is None
    assert remembered_model(folder) == one


def test_going_back_finds_installed_models_by_their_name(folder, tmp_path):
    model = info()
    remember_model(folder, name=model.name, path=tmp_path / "elsewhere")
    remember_model(folder, name="x", path=named(folder / "models", "x")[0])
    assert earlier_models(folder) == ()
    assert remember_earlier(folder, [model]) == model.path
    assert remembered_model(folder) == model.path


@pytest.mark.parametrize(
    "history", ["x", [3], [{"path": 3}], [{"name": "a"}], [{"path": "/gone"}]]
)
def test_nonsense_in_the_history_is_passed_over(folder, tmp_path, history):
    (one,) = named(tmp_path, "one")
    document = {"schema": 1, "name": "one", "path": str(one), "history": history}
    (folder / "models" / "chosen.json").write_text(json.dumps(document))
    assert remembered_model(folder) == one
    assert earlier_models(folder) == ()
    assert remember_earlier(folder) is None


def test_names_in_the_study_are_told(folder, tmp_path_factory):
    one, two = named(folder / "models", "one", "two")
    outside = tmp_path_factory.mktemp("outside")
    for path in (one, *named(outside, "other"), two):
        remember_model(folder, name="x", path=path)
    shutil.rmtree(one)
    assert remembered_names(folder) == {"one", "two"}


def test_a_choice_that_cannot_be_read_now_is_not_written_over(folder, monkeypatch):
    """A failing disk must not cost the history."""
    one, two = named(folder / "models", "one", "two")
    remember_model(folder, name="one", path=one)
    real = Path.open

    def broken(self, *arguments, **options):
        if self.name == "chosen.json":
            raise OSError(errno.EIO, "Input/output error")
        return real(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", broken)
        with pytest.raises(StorageError, match=r"'chosen\.json' .*input/output error"):
            remember_model(folder, name="two", path=two)
        with pytest.raises(StorageError, match=r"input/output error"):
            remember_earlier(folder)
    assert remembered_model(folder) == one
