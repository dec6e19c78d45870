"""The settings of an improvement: defaults, domains, minutes, and the patch."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from napari_mednext.errors import SettingsError
from napari_mednext.settings import describe
from napari_mednext.settings.improve import PRESET_MINUTES, ImproveSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "improving.md"


def shown(value):
    """A default as the document writes it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_defaults_are_the_documented_ones():
    rows = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[1].startswith("`"):
            for name in cells[1].replace("`", "").split(", "):
                rows[name] = cells[2]
    settings = ImproveSettings()
    wanted = {f.name: shown(getattr(settings, f.name)) for f in fields(settings)}
    assert {name: rows.get(name) for name in wanted} == wanted


def test_every_field_has_a_help_text():
    assert [info.name for info in describe(ImproveSettings) if not info.help] == []


def test_a_trip_through_json_changes_nothing():
    for settings in (
        ImproveSettings(),
        ImproveSettings(
            effort="thorough", minutes=2.5, steps=7, train="head", start="base",
            patch_share=0.25, kernel_size=7, promote="when better", device="cuda:1",
        ),
    ):  # fmt: skip
        text = json.dumps(settings.to_dict())
        assert ImproveSettings.from_dict(json.loads(text)) == settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"effort": "fast"}, r"effort must be one of quick, standard, thorough, got"),
        ({"train": "encoder"}, r"train must be one of full, decoder, head, got"),
        ({"start": "scratch"}, r"start must be one of current, base, got 'scratch'"),
        ({"gate": "off"}, r"one of auto, hold-out, leave-one-out, none, got 'off'"),
        ({"promote": "always"}, r"promote must be one of ask, when better, got"),
        ({"checkpointing": "all"}, r"one of auto, none, expansion, got 'all'"),
        ({"minutes": 0.09}, r"minutes must be between 0.1 and 10000.*, got 0.09"),
        ({"steps": 1}, r"steps must be between 2 and 1000000, got 1"),
        ({"steps": 2.0}, r"steps must be a whole number or nothing, got 2.0"),
        ({"learning_rate": 0.0}, r"learning_rate must be between 1e-07 and 1.0"),
        ({"warmup": 0.91}, r"warmup must be between 0.0 and 0.9, got 0.91"),
        ({"ema_decay": 1.0}, r"ema_decay must be between 0.0 and 0.99999, got 1.0"),
        ({"batch_size": 0}, r"batch_size must be between 1 and 64, got 0"),
        ({"patch_share": 0.24}, r"patch_share must be between 0.25 and 1.0, got 0.24"),
        ({"changed_share": 1.01}, r"changed_share must be between 0.0 and 1.0"),
        ({"replay_share": 0.91}, r"replay_share must be between 0.0 and 0.9"),
        ({"distill_weight": -0.1}, r"distill_weight must be between 0.0 and 10.0"),
        ({"interpolation": 0.0}, r"interpolation must be between 0.05 and 1.0"),
        ({"kernel_size": 13}, r"kernel_size must be between 3 and 11, got 13"),
        ({"kernel_size": 4}, r"the kernel size must be odd, got 4: choose 3, 5, 7"),
        ({"seed": -1}, r"seed must be at least 0, got -1"),
        ({"device": "mps"}, r"device must be auto, cpu, cuda or cuda:N.* got 'mps'"),
        ({"device": "cuda:"}, r"got 'cuda:': choose one of them"),
    ],
)
def test_a_value_outside_its_domain_is_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        ImproveSettings(**values)


def test_both_ends_of_every_range_are_allowed():
    for info in describe(ImproveSettings):
        ends = () if info.range is None else (info.range.minimum, info.range.maximum)
        for end in ends:
            if end is not None:
                settings = ImproveSettings(**{info.name: info.kind(end)})
                assert getattr(settings, info.name) == end
    for size in (3, 5, 7, 9, 11):
        assert ImproveSettings(kernel_size=size).kernel_size == size


def test_a_misspelt_key_is_named():
    values = ImproveSettings().to_dict() | {"efort": "quick"}
    with pytest.raises(SettingsError, match="did you mean 'effort'"):
        ImproveSettings.from_dict(values)


@pytest.mark.parametrize("effort", list(PRESET_MINUTES))
def test_minutes_are_those_of_the_effort_unless_said(effort):
    gpu, cpu = PRESET_MINUTES[effort]
    settings = ImproveSettings(effort=effort)
    assert settings.training_minutes("cpu") == cpu
    assert settings.training_minutes("cuda") == gpu
    assert gpu < cpu
    said = replace(settings, minutes=0.5)
    assert (said.training_minutes("cpu"), said.training_minutes("cuda")) == (0.5, 0.5)


def test_every_effort_takes_longer_than_the_one_before():
    quick, standard, thorough = PRESET_MINUTES.values()
    for kind in (0, 1):
        assert quick[kind] < standard[kind] < thorough[kind]


@pytest.mark.parametrize("share", [0.25, 0.4, 0.75, 1.0])
@pytest.mark.parametrize("multiple", [8, 16, 32])
def test_law_of_the_training_patch(share, multiple):
    """Multiples, within half a one of the share, never longer than the model's."""
    settings = ImproveSettings(patch_share=share)
    for factors in ((2, 3, 5), (1, 6, 20), (4, 4, 4), (7, 1, 9)):
        patch = tuple(k * multiple for k in factors)
        found = settings.patch_of(patch, multiple)
        for edge, own in zip(found, patch, strict=True):
            assert edge % multiple == 0
            assert edge >= min(own, 2 * multiple)
            assert edge <= own
            if 2 * multiple < edge:
                assert abs(edge - share * own) <= multiple / 2


def test_patches_are_those_of_the_model_unless_said():
    assert ImproveSettings().patch_of((64, 80, 64), 16) == (64, 80, 64)
    smaller = ImproveSettings(patch_share=0.75)
    assert smaller.patch_of((64, 80, 64), 16) == (48, 64, 48)
