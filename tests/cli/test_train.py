"""``train-from-labels``: from a folder of any label maps to a model, by its guide."""

import io
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from napari_mednext.cli.entry import run
from napari_mednext.cli.training_display import training_display, training_table
from napari_mednext.errors import Cancelled
from napari_mednext.formats import save_segmentation, save_volume
from napari_mednext.models import ModelFolder
from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training.history import History
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

GUIDE = Path(__file__).parents[2] / "docs" / "training.md"
SMALL = {"width": 2, "blocks": (1,) * 9, "ratios": (1,) * 9, "grn": "mean"}


def turned(degrees):
    """Return a direction: oblique about the long axis of the body."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return ((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0))


def blocks(language):
    """Return the guide's fenced blocks of a language; "" is a block without one."""
    text = GUIDE.read_text(encoding="utf-8")
    parts = re.split(r"^```(.*)$", text, flags=re.MULTILINE)
    # text, opening fence, block, closing fence, text, ...
    return [b for a, b in zip(parts[1::4], parts[2::4], strict=True) if a == language]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with the guide's table and maps of two people."""
    for module in ("learner", "publish"):
        monkeypatch.setattr(
            f"napari_mednext.training.{module}.preset", lambda name: dict(SMALL)
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(tmp_path))
    Path("table.json").write_text(blocks("json")[0])
    Path("maps").mkdir()
    for i, (name, spacing) in enumerate(
        {"a": (6.5, 3.0, 3.5), "b": (4.0, 5.0, 4.5)}.items()
    ):
        shape = tuple(round(170 / s) + i for s in spacing)
        axes = [np.linspace(-1.1, 1.1, n) for n in shape]
        z, y, x = np.meshgrid(*axes, indexing="ij")
        radius = z**2 + (y + 0.1) ** 2 + (1.3 * x) ** 2
        values = np.select(
            [radius < 0.2, (radius < 0.5) & (x < 0), radius < 0.5, radius < 0.9],
            [2, 3, 42, 500],
        )
        values[0, 0, 0] = 77
        grid = VoxelGrid(shape, spacing, (9.0, -3.0, 2.0), turned(25 * i - 10))
        mask = Segmentation(values.astype(np.uint16), grid)
        save_segmentation(mask, f"maps/{name}.nii.gz")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


@pytest.fixture
def call(capfd):
    def call(*arguments):
        code = run([*map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, json.loads(out), err

    return call


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_the_guide_works(call):
    """Train, train again from the settings, segment: the commands as they stand."""
    commands = [
        shlex.split(line)[1:]
        for block in blocks("")
        for line in block.splitlines()
        if line and "MAPS" not in line
    ]
    train, segment, again, *_ = commands
    code, document, err = call(*train)
    assert (code, document["error"]) == (0, None)
    assert (document["name"], document["steps"], document["device"]) == (
        "toy", 12, "cpu",
    )  # fmt: skip
    assert document["notes"] == [
        "values that the table does not name are background: 77"
    ]
    assert set(document["dice"]) <= {"grey matter", "white matter", "head"}
    assert "done: step 12 of 12" in Path(document["page"]).read_text()
    assert "running: step 0 of 12" in err
    assert "step 12: Dice " in err

    code, document, _ = call(*again)
    assert code == 0
    first, second = (ModelFolder.open(name) for name in ("toy", "again"))
    for name, value in first.load_weights("0").items():
        assert torch.equal(value, second.load_weights("0")[name])
    assert first.card.recipe["data_sha256"] == second.card.recipe["data_sha256"]

    array = np.random.default_rng(0).normal(size=(1, 21, 25, 19)).astype(np.float32)
    save_volume(Volume(array, VoxelGrid((21, 25, 19), (9.0, 8.0, 8.5))), "scan.nii.gz")
    code, document, _ = call(*segment)
    assert (code, document["error"]) == (0, None)


def test_the_guide_names_options_and_settings_that_exist():
    from typer.main import get_command

    from napari_mednext.cli.application import application

    commands = get_command(application).commands
    known = {o for p in commands["train-from-labels"].params for o in p.opts}
    text = GUIDE.read_text(encoding="utf-8")
    assert set(re.findall(r"`(--[a-z-]+)", text)) <= known
    named = re.findall(r"^napari-mednext ([a-z-]+)", "".join(blocks("")), re.MULTILINE)
    assert set(named) == {"train-from-labels", "segment", "evaluate"}
    own = FromLabelsSettings.from_dict(json.loads(blocks("json")[1]))
    assert (own.preset, own.steps) == ("small", 6000)


@pytest.mark.usefixtures("folder")
def test_what_is_said_wins_over_files(call, monkeypatch, tmp_path):
    given = {}

    def train(maps, out, *, cancel, **rest):
        given.update(rest)
        raise Cancelled

    monkeypatch.setattr("napari_mednext.training.train_from_labels", train)
    settings = FromLabelsSettings(steps=77, seed=1, device="cpu")
    settings.save(tmp_path / "s.json")
    code, _, _ = call(
        "train-from-labels", "maps", "-o", "m", "--settings", "s.json", "--seed", 4,
        "--start-from", "toy", "--minutes", 2.5, "--work", "w", "--overwrite",
    )  # fmt: skip
    assert code == 130
    assert given["settings"].to_dict() == {
        **settings.to_dict(), "seed": 4, "start_from": "toy",
    }  # fmt: skip
    assert (given["minutes"], given["work_folder"]) == (2.5, Path("w"))
    assert given["overwrite"]
    assert given["table"].name == "brain_mr.json"
    code, _, _ = call("train-from-labels", "maps", "-o", "m", "--device", "cpu")
    assert (given["settings"].device, given["minutes"]) == ("cpu", None)
    assert given["work_folder"] == Path("m.training")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("no", "-o", "m"), "label maps must be"),
        (("maps", "-o", "m"), "label maps must hold sources of the mapping table"),
        (("maps", "-o", "m", "--table", "no.json"), "a mapping table must be"),
        (("maps", "-o", "m", "--settings", "bad.json"), "did you mean 'steps'"),
        (("maps", "-o", "m", "--seed", "-1"), "seed must be at least 0, got -1"),
        (("maps", "-o", "m", "--minutes", "0"), "minutes must be more than 0"),
    ],
)
def test_what_cannot_be_is_one_sentence(folder, call, arguments, sentence):
    Path("bad.json").write_text('{"schema": 1, "stepps": 3}')
    if "sources" in sentence:
        name = "maps/a.nii.gz"
        grid = VoxelGrid((4, 5, 6))
        for path in ("maps/a.nii.gz", "maps/b.nii.gz"):
            Path(path).unlink()
        save_segmentation(Segmentation(np.full((4, 5, 6), 99, np.uint8), grid), name)
    code, document, err = call("train-from-labels", *arguments, "--device", "cpu")
    assert code == 2
    assert sentence in document["error"]
    assert len(err.strip().splitlines()) == 1
    assert not Path("m").exists()


EVENTS = [
    {"event": "start", "step": 0, "steps": 100, "notes": ["odd [thing]"], "time": 0.0},
    {
        "event": "step",
        "step": 10,
        "loss": 2.0,
        "seconds": 3.0,
        "rate": 1e-3,
        "time": 30,
    },
    {
        "event": "step",
        "step": 20,
        "loss": 1.0,
        "seconds": 3.0,
        "rate": 1e-3,
        "time": 60,
    },
    {"event": "validation", "step": 20, "dice": {"grey [1]": 0.5}, "time": 66},
    {
        "event": "step",
        "step": 30,
        "loss": 1.0,
        "seconds": 3.0,
        "rate": 2e-4,
        "time": 96,
    },
    {"event": "validation", "step": 40, "dice": {"grey [1]": 0.625}, "time": 130},
]


def drawn(width=100, **options):
    stream = io.StringIO()
    console = Console(file=stream, width=width, **options)
    return console, stream


def test_the_table_shows_numbers_and_changes():
    console, stream = drawn()
    console.print(training_table(History.of(EVENTS)))
    text = stream.getvalue()
    for part in (
        "40 of 100", "2.00e-04", "3 min", "grey [1]", "0.625", "+0.125", "step 40",
    ):  # fmt: skip
        assert part in text
    console.print(training_table(History()))


def test_a_terminal_gets_the_table():
    console, stream = drawn(force_terminal=True)
    with training_display(console) as show:
        for event in EVENTS:
            show(event)
    assert "0.625" in stream.getvalue()


def test_elsewhere_lines_are_written_once_a_minute():
    console, stream = drawn(width=20)
    with training_display(console) as show:
        for event in EVENTS:
            show(event)
        show({"event": "end", "step": 40, "state": "stopped", "time": 131})
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "running: step 0 of 100",
        "note: odd [thing]",
        "running: step 10 of 100",
        "step 20: Dice grey [1] 0.500",
        "running: step 30 of 100",
        "step 40: Dice grey [1] 0.625",
        "stopped: step 40 of 100",
    ]
