"""Importing costs little: torch, napari and Qt load when they are needed."""

import importlib
import json
import subprocess
import sys

import pytest

import napari_mednext

#: Each takes from half a second to many; Qt besides must not load without a display.
HEAVY = ("torch", "napari", "qtpy", "PyQt6", "PySide6", "superqt", "magicgui", "monai")


def loaded_after(statement):
    """Which of the heavy packages, and whose, a fresh interpreter then has loaded."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_package_itself_loads_nothing():
    loaded = loaded_after("import napari_mednext")
    assert not loaded & {*HEAVY, "numpy", "SimpleITK", "scipy", "skimage", "nibabel"}


@pytest.mark.parametrize(
    "module",
    [
        "errors",
        "progress",
        "extensions",
        "volume",
        "labels",
        "formats",
        "settings",
        "models",
        "preprocessing",
        "evaluation",
        "jobs",
        "training",
        "training.gate",
        "training.tuning",
        "settings.improve",
        "app",
        "app.improve",
        "app.improve_study",
        "app.improve_run",
        "app.versions",
        "cli",
    ],
)
def test_module_loads_neither_torch_nor_qt(module):
    assert not loaded_after(f"import napari_mednext.{module}") & set(HEAVY)


@pytest.mark.parametrize("package", ["training", "training.gate", "training.tuning"])
def test_names_of_the_training_packages_lead_somewhere(package):
    module = importlib.import_module(f"napari_mednext.{package}")
    assert module.__all__ == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__module__.startswith(module.__name__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018 - the access is what is tested


def test_opening_volumes_and_listing_models_loads_no_torch():
    loaded = loaded_after(
        "import napari_mednext as nm\n"
        "nm.open_volume, nm.save_labels, nm.Volume, nm.InferenceSettings\n"
        "assert isinstance(nm.installed_models(), tuple)"
    )
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("name", napari_mednext.__all__)
def test_public_name_leads_somewhere(name):
    assert getattr(napari_mednext, name) is not None
    assert name in dir(napari_mednext)


def test_public_names_and_their_homes_agree():
    assert {*napari_mednext._HOMES, "__version__"} == set(napari_mednext.__all__)


def test_unknown_name_is_refused_like_any_module_does():
    with pytest.raises(AttributeError, match="no attribute 'sgment'"):
        napari_mednext.sgment  # noqa: B018 - the access is what is tested
