import os
import shutil
from pathlib import Path

import pytest

from napari_mednext.errors import ModelError
from napari_mednext.models import (
    broken_models,
    find_model,
    installed_models,
    library,
    library_folder,
)


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """The user's library; shipped models are not looked at."""
    path = tmp_path / "library"
    path.mkdir()
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(path))
    monkeypatch.setattr(library, "shipped_folder", lambda: tmp_path / "shipped")
    return path


def test_the_environment_names_the_library(own, monkeypatch):
    assert library_folder() == own
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", "~/here")
    assert library_folder() == Path.home() / "here"
    monkeypatch.delenv("NAPARI_MEDNEXT_MODELS")
    assert library_folder().parts[-2:] == ("napari-mednext", "models")


def test_no_library_is_an_empty_one(own):
    own.rmdir()
    assert installed_models() == ()
    with pytest.raises(ModelError, match=r"\(none is installed\), got 'brain': choose"):
        find_model("brain")


def test_own_and_shipped_models_are_listed(own, folder, foreign, tmp_path):
    shutil.copytree(folder.path, tmp_path / "shipped" / "heads")
    shutil.copytree(foreign().parent, own / "Dataset007_Head")
    (own / "notes").mkdir()
    first, second = installed_models()
    assert first.name == "Dataset007_Head/nnUNetTrainer__nnUNetPlans__3d_fullres"
    assert (first.is_shipped, second.is_shipped) == (False, True)
    assert (second.name, second.title, second.modality) == ("heads_v1", "Heads", "MR")
    assert second.description == "Grey and white matter."
    assert second.labels.names == {1: "grey", 2: "white"}
    assert second.path == tmp_path / "shipped" / "heads"
    for info in (first, second):
        assert find_model(info.name).path == info.path


def test_an_own_model_hides_a_shipped_one_of_its_name(own, folder, tmp_path):
    shutil.copytree(folder.path, tmp_path / "shipped" / "heads")
    shutil.copytree(folder.path, own / "other")
    (found,) = installed_models()
    assert (found.path, found.is_shipped) == (own / "other", False)


def test_a_broken_model_is_told_and_takes_no_other_with_it(own, folder):
    shutil.copytree(folder.path, own / "good")
    shutil.copytree(folder.path, own / "bad")
    (own / "bad" / "dataset.json").write_text("{")
    assert [info.path.name for info in installed_models()] == ["good"]
    ((path, sentence),) = broken_models()
    assert path == own / "bad"
    assert "dataset.json must be JSON" in sentence
    with pytest.raises(ModelError, match=r"dataset.json must be JSON"):
        find_model("bad")


def test_half_a_model_of_another_process_is_not_listed(own, folder):
    shutil.copytree(folder.path, own / ".heads.x1.part")
    assert installed_models() == ()


def test_a_model_is_found_by_its_folder(folder, monkeypatch):
    assert find_model(folder.path).path == folder.path
    assert find_model(str(folder.path)).path == folder.path
    monkeypatch.chdir(folder.path.parent)
    assert find_model("heads").path == Path("heads")
    with pytest.raises(ModelError, match=r"must be a folder, got nothing there at 'x"):
        find_model(f"x{os.sep}y")


def test_an_unknown_name_gets_the_nearest_one(own, folder):
    shutil.copytree(folder.path, own / "heads")
    sentence = r"\(heads_v1\), got 'heads_v2': did you mean 'heads_v1'"
    with pytest.raises(ModelError, match=sentence):
        find_model("heads_v2")
    with pytest.raises(ModelError, match=r"got 'qqq': choose one of them"):
        find_model("qqq")


def test_shipped_models_lie_in_the_package(monkeypatch):
    monkeypatch.undo()
    assert library.shipped_folder().parts[-3:] == (
        "napari_mednext",
        "resources",
        "models",
    )
    assert library.shipped_folder().is_dir()
