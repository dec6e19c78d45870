"""What a user gets from pip is whole: code, manifest, resources, command."""

import json
import tarfile
import zipfile

import pytest


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.getinfo(name).CRC
            for name in archive.namelist()
            if ".dist-info/" not in name
        }


def files_below(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_wheel_holds_the_package_and_every_resource(built, repository):
    names = set(contents(built.wheel))
    resources = {
        f"napari_mednext/resources/{name}"
        for name in files_below(repository / "resources")
    }
    assert len(resources) >= 4
    assert resources <= names
    assert {"napari_mednext/napari.yaml", "napari_mednext/py.typed"} <= names
    assert all(name.startswith("napari_mednext/") for name in names)


@pytest.mark.slow
def test_wheel_holds_every_package_and_module(built, repository):
    code = {
        f"napari_mednext/{name}"
        for name in files_below(repository / "napari_mednext")
        if name.endswith(".py")
    }
    for package in ("jobs", "training/gate", "training/tuning", "app", "study/lists"):
        assert f"napari_mednext/{package}/__init__.py" in code
    assert {n for n in contents(built.wheel) if n.endswith(".py")} == code


@pytest.mark.slow
def test_wheel_of_the_sdist_is_the_same_wheel(built):
    assert contents(built.wheel_from_sdist) == contents(built.wheel)


@pytest.mark.slow
def test_sdist_can_be_checked_like_a_clone(built):
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"Makefile", "constraints.txt", "napari.yaml", "LICENSE", "NOTICE"}
    assert wanted <= names
    assert any(name.startswith("tests/packaging/") for name in names)


@pytest.mark.slow
def test_wheel_carries_licence_and_credits(built):
    with zipfile.ZipFile(built.wheel) as archive:
        licences = {n.rpartition("/")[2] for n in archive.namelist() if "licenses" in n}
    assert licences == {"LICENSE", "NOTICE"}


@pytest.mark.slow
def test_wheel_asks_for_no_qt_binding(installed):
    required = json.loads(
        installed.python(
            "import json, importlib.metadata as m;"
            "print(json.dumps(m.requires('napari-mednext')))"
        )
    )
    unconditional = [line for line in required if "extra ==" not in line]
    assert any(line.startswith("napari<") for line in unconditional)
    bindings = ("PyQt", "PySide", "napari[")
    assert not [line for line in unconditional if line.startswith(bindings)]
    extras = {line.partition("extra == ")[2] for line in required} - {""}
    assert extras >= {"'pyqt6'", "'pyside6'", "'dev'"}


@pytest.mark.slow
def test_installed_package_is_the_wheel_and_not_the_working_tree(installed):
    where = installed.python("import napari_mednext as nm; print(nm.__file__)")
    assert where.startswith(str(installed.folder))


@pytest.mark.slow
def test_napari_finds_the_manifest_of_the_wheel(installed):
    found = json.loads(
        installed.python(
            "import json; from npe2 import PluginManager as P;"
            "manager = P(); manager.discover();"
            "manifest = manager.get_manifest('napari-mednext');"
            "widgets = manifest.contributions.widgets or [];"
            "print(json.dumps([w.display_name for w in widgets]))"
        ).splitlines()[-1]
    )
    docks = ("Segment", "Batch", "Study", "Improve")
    assert {f"MedNeXt: {dock}" for dock in docks} <= set(found)


@pytest.mark.slow
def test_manifest_of_the_wheel_is_valid_with_its_imports(installed):
    output = installed.run(
        "python", "-m", "npe2", "validate", "napari-mednext", "--imports"
    )
    assert "valid" in output


@pytest.mark.slow
def test_installed_resources_are_read_through_the_package(installed):
    output = installed.python(
        "from importlib.resources import files;"
        "sample = files('napari_mednext') / 'resources' / 'samples';"
        "print((sample / 'colin27_t1.nii.gz').read_bytes()[:2].hex())"
    )
    assert output.strip() == "1f8b"


@pytest.mark.slow
def test_installed_command_runs(installed):
    output = installed.run("napari-mednext", "--help", NO_COLOR="1", COLUMNS="100")
    for command in ("demo", "segment", "models", "doctor", "improve", "jobs"):
        assert command in output


@pytest.mark.slow
def test_installed_package_can_run_the_module_of_a_job(installed):
    output = installed.python(
        "import importlib, sys;"
        "module = importlib.import_module('napari_mednext.app.improve_run');"
        "print(callable(module.main), 'torch' in sys.modules)"
    )
    assert output.split() == ["True", "False"]
