import importlib
import subprocess
import sys

import pytest
from napari_plugin_engine import HookImplementationMarker

from napari_mednext import extensions
from napari_mednext.extensions import Extensions, discover, make_manager

hook = HookImplementationMarker("mednext")


class Good:
    @staticmethod
    @hook
    def mednext_networks():
        return {"my.Net": "my.network:Net"}

    @staticmethod
    @hook
    def mednext_normalisations():
        return {"MyScheme": "my.scheme:normalise"}

    @staticmethod
    @hook
    def mednext_label_presets():
        return {"liver": {1: "liver", 2: "vessel"}}


class Failing:
    @staticmethod
    @hook
    def mednext_networks():
        msg = "no licence"
        raise RuntimeError(msg)


class Wrong:
    @staticmethod
    @hook
    def mednext_networks():
        return {"my.Net": "other:Net", "a": "os.system", 3: "a:b", "b": "x:y"}

    @staticmethod
    @hook
    def mednext_normalisations():
        return ["z"]

    @staticmethod
    @hook
    def mednext_label_presets():
        return {"x": {"1": "liver"}, "y": 3}


def found(*plugins):
    manager = make_manager()
    for plugin in plugins:
        manager.register(plugin, plugin.__name__)
    return discover(manager)


def test_nothing_is_brought_without_extensions():
    assert found() == Extensions({}, {}, {}, ())


def test_what_an_extension_brings_is_found():
    result = found(Good)
    assert result.networks == {"my.Net": "my.network:Net"}
    assert result.normalisations == {"MyScheme": "my.scheme:normalise"}
    assert result.label_presets == {"liver": {1: "liver", 2: "vessel"}}
    assert result.problems == ()


def test_an_extension_that_fails_takes_no_other_with_it(caplog):
    result = found(Failing, Good)
    assert result.networks == {"my.Net": "my.network:Net"}
    (problem,) = result.problems
    assert problem.startswith(
        "the extension Failing must be usable, got RuntimeError ("
    )
    assert "no licence" in problem
    assert problem in caplog.text


def test_what_is_wrong_is_left_out_and_told():
    result = found(Good, Wrong)
    assert result.networks == {"my.Net": "my.network:Net", "b": "x:y"}
    assert result.normalisations == {"MyScheme": "my.scheme:normalise"}
    assert result.label_presets == {"liver": {1: "liver", 2: "vessel"}}
    for part in (
        "must bring names of its own, got 'my.Net' again from Wrong: the first",
        "from mednext_networks, got 'a': 'os.system'",
        "from mednext_networks, got 3: 'a:b'",
        "from mednext_normalisations, got None: ['z']",
        "from mednext_label_presets, got 'x': {'1': 'liver'}",
        "from mednext_label_presets, got 'y': 3",
    ):
        assert any(part in problem for problem in result.problems), part
    assert len(result.problems) == 6


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Two packages with entry points, one of which cannot be imported."""
    (tmp_path / "mednext_good.py").write_text(
        "from napari_plugin_engine import HookImplementationMarker\n"
        "hook = HookImplementationMarker('mednext')\n"
        "@hook\n"
        "def mednext_networks():\n"
        "    return {'their.Net': 'their.network:Net'}\n"
        "@hook\n"
        "def mednext_normalisations():\n"
        "    return {'Theirs': 'their.norm:apply'}\n"
    )
    (tmp_path / "mednext_bad.py").write_text("raise ImportError('needs cuda')\n")
    for name in ("mednext_good", "mednext_bad"):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[mednext.extensions]\n{name} = {name}\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    for name in ("mednext_good", "mednext_bad"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("installed")
def test_installed_packages_are_discovered():
    result = discover()
    assert result.networks == {"their.Net": "their.network:Net"}
    (problem,) = result.problems
    assert problem.startswith("the extension mednext_bad must be usable, got ImportErr")
    assert "needs cuda" in problem
    assert extensions.registered_networks() == {"their.Net": "their.network:Net"}
    assert extensions.normalisations() == {"Theirs": "their.norm:apply"}


def test_looking_for_extensions_imports_no_torch():
    code = (
        "import sys; from napari_mednext.extensions import discover; discover();"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
