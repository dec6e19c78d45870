"""The import contracts turn red for each kind of violation, and only the right one.

A contract that never fails proves nothing: each violation is planted in a copy of the
package, and import-linter is asked about the copy.
"""

import re
import shutil
import subprocess
import sys

import pytest

LAYERS = "Imports point downwards only"
QT = "Only ui knows Qt and napari"
TORCH = "ui does not import torch itself"

INSIDE_A_FUNCTION = "def f():\n    import napari\n    return napari\n"
FOR_TYPES_ONLY = (
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import napari.layers\n"
)


@pytest.fixture
def copy(repository, tmp_path):
    """A copy of the package's code and of the contracts."""
    shutil.copytree(
        repository / "napari_mednext",
        tmp_path / "napari_mednext",
        ignore=shutil.ignore_patterns("resources", "__pycache__"),
    )
    shutil.copy(repository / "pyproject.toml", tmp_path)
    return tmp_path


def broken_contracts(copy):
    """Names of the contracts that the copy breaks."""
    code = "import sys; from importlinter.cli import lint_imports_command as c; c()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "COLUMNS": "200", "NO_COLOR": "1"},
    )
    verdicts = dict(re.findall(r"^(.+?) (KEPT|BROKEN)\b", done.stdout, re.MULTILINE))
    assert set(verdicts) == {LAYERS, QT, TORCH}, done.stdout + done.stderr
    broken = {name for name, verdict in verdicts.items() if verdict == "BROKEN"}
    assert done.returncode == (1 if broken else 0)
    return broken


def plant(copy, module, code):
    (copy / "napari_mednext" / f"{module}.py").write_text(code)


def test_package_keeps_every_contract(copy):
    assert broken_contracts(copy) == set()


@pytest.mark.parametrize(
    ("module", "code", "contract"),
    [
        ("inference/planted", "import qtpy.QtCore\n", QT),
        ("formats/planted", "import superqt\n", QT),
        ("cli/planted", "import magicgui\n", QT),
        ("inference/planted", INSIDE_A_FUNCTION, QT),
        ("app/planted", FOR_TYPES_ONLY, QT),
        ("network/planted", "import napari_mednext.inference\n", LAYERS),
        ("inference/planted", "import napari_mednext.training\n", LAYERS),
        ("volume/planted", "from napari_mednext.formats import open_volume\n", LAYERS),
        ("settings/planted", "def f():\n    import napari_mednext.models\n", LAYERS),
        ("models/planted", "import napari_mednext.preprocessing\n", LAYERS),
        ("evaluation/planted", "import napari_mednext.models\n", LAYERS),
        ("labels/planted", "import napari_mednext.volume\n", LAYERS),
        ("cli/planted", "import napari_mednext.ui\n", LAYERS),
        ("helpers", "", LAYERS),
        ("ui/planted", "import torch\n", TORCH),
        ("ui/planted", "def f():\n    from torch import nn\n    return nn\n", TORCH),
    ],
)
def test_planted_violation_breaks_its_contract_alone(copy, module, code, contract):
    plant(copy, module, code)
    assert broken_contracts(copy) == {contract}


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("ui/planted", "import napari\nimport qtpy\nimport napari_mednext.app\n"),
        ("training/planted", "import torch\nimport napari_mednext.inference\n"),
        ("correction", "import napari_mednext.models\n"),
        ("jobs", "import napari_mednext.progress\n"),
    ],
)
def test_what_the_layers_allow_stays_allowed(copy, module, code):
    plant(copy, module, code)
    assert broken_contracts(copy) == set()
