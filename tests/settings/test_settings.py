import json
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, fields
from typing import Annotated, Any, ClassVar

import pytest

from napari_mednext.errors import SettingsError
from napari_mednext.settings import FieldInfo, InferenceSettings, Range, Settings
from napari_mednext.settings import describe as describe_settings


def test_defaults_are_the_documented_ones():
    settings = InferenceSettings()
    assert settings.to_dict() == {
        "schema": 1,
        "step": 0.5,
        "mirror": True,
        "engine": "auto",
        "max_ram_gb": None,
        "device": "auto",
    }


@pytest.mark.parametrize(
    "settings",
    [
        InferenceSettings(),
        InferenceSettings(step=1.0, mirror=False, engine="fused", device="cuda:3"),
        InferenceSettings(step=0.1, max_ram_gb=0.25, device="mps"),
    ],
)
def test_a_trip_through_json_changes_nothing(settings):
    text = json.dumps(settings.to_dict())
    assert InferenceSettings.from_dict(json.loads(text)) == settings


def test_a_whole_number_becomes_a_float():
    settings = InferenceSettings(step=1, max_ram_gb=4)
    assert (type(settings.step), type(settings.max_ram_gb)) == (float, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 0.0999}, r"step must be between 0.1 and 1.0, got 0.0999: choose"),
        ({"step": 1.0001}, r"step must be between 0.1 and 1.0, got 1.0001"),
        ({"step": float("nan")}, r"step must be between .* got nan"),
        ({"step": "0.5"}, r"step must be a number, got '0.5'"),
        ({"step": True}, r"step must be a number, got True"),
        ({"step": None}, r"step must be a number, got None"),
        ({"mirror": 1}, r"mirror must be true or false, got 1"),
        ({"engine": "fast"}, r"one of auto, eager, compiled, fused, got 'fast'"),
        ({"engine": 3}, r"engine must be a text, got 3"),
        ({"max_ram_gb": 0.2}, r"max_ram_gb must be at least 0.25, got 0.2"),
        ({"max_ram_gb": float("inf")}, r"max_ram_gb must be at least 0.25, got inf"),
        ({"max_ram_gb": "all"}, r"max_ram_gb must be a number or nothing, got 'all'"),
        ({"device": "gpu"}, r"device must be auto, .* got 'gpu': choose"),
        ({"device": "cuda:"}, r"got 'cuda:'"),
        ({"device": "cuda:1\n"}, r"got 'cuda:1\\n'"),
    ],
)
def test_a_value_outside_its_domain_is_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        InferenceSettings(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": 1, "stepp": 0.5}, r"got 'stepp': did you mean 'step'"),
        ({"schema": 1, "xyzzy": 0.5}, r"got 'xyzzy': remove it"),
        ({"step": 0.5}, r"schema number from 1 to 1, got None: add \"schema\": 1"),
        ({"schema": True}, r"got True"),
        ({"schema": 0}, r"got 0"),
        ({"schema": 2}, r"schema 1 or older, got 2: .* newer version, update"),
    ],
)
def test_a_dictionary_that_does_not_fit_is_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        InferenceSettings.from_dict(values)


def test_settings_cannot_be_changed():
    settings = InferenceSettings()
    with pytest.raises(FrozenInstanceError):
        settings.step = 0.7


def test_the_text_under_a_field_is_its_help():
    by_name = {info.name: info for info in describe_settings(InferenceSettings)}
    assert list(by_name) == [field.name for field in fields(InferenceSettings)]
    assert by_name["step"].help.startswith("Distance between neighbouring tiles")
    assert by_name["engine"] == FieldInfo(
        name="engine",
        kind=str,
        optional=False,
        default="auto",
        choices=("auto", "eager", "compiled", "fused"),
        range=None,
        help="How the network is run: auto chooses the fastest that this machine can "
        "run.",
    )
    assert by_name["max_ram_gb"].optional
    assert by_name["step"].range == Range(0.1, 1.0)
    assert all(info.help for info in by_name.values())


def _rename(values: dict[str, Any]) -> dict[str, Any]:
    values["minutes"] = values.pop("time_min", 5.0)
    return values


def _seconds_to_minutes(values: dict[str, Any]) -> dict[str, Any]:
    values["minutes"] = values["minutes"] / 60
    return values


@dataclass(frozen=True)
class _Third(Settings):
    SCHEMA: ClassVar[int] = 3
    MIGRATIONS: ClassVar[Mapping[int, Any]] = {1: _rename, 2: _seconds_to_minutes}

    minutes: Annotated[float, Range(maximum=60.0)] = 10.0
    """Minutes."""


def test_older_schemas_are_migrated_step_by_step():
    assert _Third.from_dict({"schema": 1, "time_min": 120.0}).minutes == 2.0
    assert _Third.from_dict({"schema": 2, "minutes": 120.0}).minutes == 2.0
    assert _Third.from_dict({"schema": 3, "minutes": 12.0}).minutes == 12.0


def test_a_range_with_an_upper_end_only_says_so():
    with pytest.raises(SettingsError, match=r"minutes must be at most 60.0, got 61.0"):
        _Third(minutes=61)


def test_a_type_that_no_form_can_show_is_the_callers_error():
    @dataclass(frozen=True)
    class Wrong(Settings):
        when: complex = 1j

    with pytest.raises(TypeError, match=r"cannot hold .*complex.* of 'when'"):
        Wrong()


def test_help_is_empty_where_no_source_is():
    made = type("Made", (InferenceSettings,), {})
    made.__module__ = "nowhere"
    assert {info.help for info in describe_settings(made)} == {""}
