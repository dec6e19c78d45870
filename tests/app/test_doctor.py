"""The doctor: known-bad pairs, devices, displays, models."""

import importlib.util
import sys

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
