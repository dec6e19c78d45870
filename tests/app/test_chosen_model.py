"""The model of a study is found again, also where it lies elsewhere."""

from dataclasses import replace

import pytest

from napari_mednext.app.chosen_model import remember_model, remembered_model
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
