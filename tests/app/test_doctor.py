"""The doctor: known-bad pairs, devices, displays, models."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from napari_mednext.app import doctor
from napari_mednext.app.doctor import examine, has_display, torch_warning


@pytest.mark.parametrize(
    ("torch", "cudnn", "is_bad"),
    [
        ("2.8.0+cu128", 91002, False),
        ("2.9.0+cu128", 91002, True),
        ("2.9.1", 91499, True),
        ("2.9.1", 91500, False),
        ("2.9.0+cpu", None, False),
        ("2.10.0", 91002, False),
        ("2.90.0", 91002, False),
        ("2.13.0+cpu", None, False),
    ],
)
def test_known_bad_pairs(torch, cudnn, is_bad):
    warning = torch_warning(torch, cudnn)
    assert (warning is not None) == is_bad
    if is_bad:
        assert warning.startswith(f"torch {torch} with cuDNN 9.1")


@pytest.mark.parametrize(("number", "name"), [(91002, "9.10.2"), (8902, "8.9.2")])
def test_cudnn_versions_are_named(number, name):
    assert doctor._cudnn_name(number) == name


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("models")
        broken = folder / "broken"
        broken.mkdir()
        (broken / "plans.json").write_text("{}")
        patch.setenv("NAPARI_MEDNEXT_MODELS", str(folder))
        return examine(device="cuda:9")


def test_everything_is_looked_at(findings):
    found = {finding.what: finding for finding in findings}
    for what in ("napari-mednext", "torch", "numpy", "memory", "disk here", "display"):
        assert found[what].text
        assert "\n" not in found[what].text
    assert found["torch"].level == "ok"


def test_missing_device_is_bad(findings):
    (finding,) = [each for each in findings if each.what == "cuda:9"]
    assert finding.level == "bad"
    assert finding.text.startswith("is not there, only cpu")


def test_broken_model_is_named(findings):
    (finding,) = [each for each in findings if each.what == "model broken"]
    assert finding.level == "warn"
    assert "cannot be used" in finding.text


def fake_torch(version="2.9.1+cu128", cudnn=91002, mps=True):
    gpu = SimpleNamespace(name="Big GPU", total_memory=24e9)
    return SimpleNamespace(
        __version__=version,
        get_num_threads=lambda: 3,
        cuda=SimpleNamespace(
            device_count=lambda: 1, get_device_properties=lambda _: gpu
        ),
        backends=SimpleNamespace(
            cudnn=SimpleNamespace(version=lambda: cudnn),
            mps=SimpleNamespace(is_available=lambda: mps),
        ),
    )


def test_devices_and_a_bad_pair_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", fake_torch())
    found = {f.what: f for f in doctor._torch("cuda")}
    assert found["torch"].level == "warn"
    assert "cuDNN 9.10.2 needs several times" in found["torch"].text
    assert found["cuda:0"].text == "Big GPU, 24.0 GB"
    assert found["mps"].text == "Apple GPU"
    assert "cuda" not in found


def test_good_pair_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", fake_torch("2.10.0", 91500))
    found = {f.what: f for f in doctor._torch("auto")}
    assert found["torch"].text == "2.10.0 with cuDNN 9.15.0"


def test_torch_that_cannot_be_loaded_is_bad(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (finding,) = doctor._torch("auto")
    assert finding.level == "bad"
    assert finding.text.startswith("cannot be loaded (")


def test_little_memory_and_disk_are_warnings(monkeypatch):
    memory = SimpleNamespace(available=1e9, total=16e9)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1e9))
    assert doctor._memory().level == "warn"
    assert doctor._memory().text == "1.0 of 16.0 GB free: close other programs"
    assert {finding.level for finding in doctor._disk()} == {"warn"}


def test_missing_package_is_bad(monkeypatch):
    monkeypatch.setattr(doctor, "_PACKAGES", ("no-such-package",))
    (_, finding) = doctor._versions()
    assert (finding.level, finding.text) == (
        "bad",
        "is missing: pip install no-such-package",
    )


def test_no_model_is_a_warning(monkeypatch):
    monkeypatch.setattr("napari_mednext.models.installed_models", tuple)
    monkeypatch.setattr("napari_mednext.models.broken_models", tuple)
    (finding,) = doctor._models()
    assert "none is installed" in finding.text


def test_no_qt_binding_is_a_warning_with_the_line_to_type(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    finding = doctor._qt()
    assert finding.level == "warn"
    assert "pip install" in finding.text


@pytest.mark.skipif(sys.platform != "linux", reason="displays of X11 and Wayland")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"DISPLAY": ":1"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ""}, False),
        ({"DISPLAY": ":1", "QT_QPA_PLATFORM": "offscreen"}, False),
    ],
)
def test_display(monkeypatch, variables, expected):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_display() == expected
