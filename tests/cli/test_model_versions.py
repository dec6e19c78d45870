"""``models tree``, ``promote`` and ``rollback``, in this process."""

import json

import pytest

from napari_mednext.app.chosen_model import remember_model, remembered_model
from napari_mednext.cli.entry import run
from tests.app.model_tree import make_candidate, make_empty_study, write_model


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study with an installed model chosen, and the model of a job made from it."""
    library = tmp_path / "library"
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(library))
    base = write_model(library / "base", "base", content=b"base")
    folder = make_empty_study(tmp_path / "study")
    remember_model(folder, name="base", path=base.path)
    make_candidate(
        folder,
        "7",
        parent=base,
        created="2026-01-02T03:04:05+00:00",
        metrics={"dice": {"liver": 0.9}},
        recipe={"steps": 200},
    )
    return folder


@pytest.fixture
def call(capfd):
    """Run a command with --json; returns the exit code and the one document."""

    def call(*arguments):
        code = run(["models", *map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        document = json.loads(out)
        assert document["exit_code"] == code
        assert "Traceback" not in err
        return code, document

    return call


def test_a_round_forth_and_back(call, study):
    base = remembered_model(study)
    code, document = call("promote", study, "7")
    assert (code, document["command"]) == (0, "models promote")
    kept = study / "models" / "liver"
    assert document["model"] == {"name": "liver", "path": str(kept)}
    assert remembered_model(study) == kept
    code, document = call("rollback", study)
    assert (code, document["command"]) == (0, "models rollback")
    assert document["model"] == {"name": "base", "path": str(base)}
    code, document = call("rollback", study)
    assert code == 2
    assert "going back needs a model that was chosen before" in document["error"]
    assert call("promote", study, "liver")[0] == 0
    assert call("promote", study, base)[0] == 0
    assert remembered_model(study) == base


def test_the_tree_in_json(call, study):
    code, document = call("tree", study)
    assert (code, document["command"]) == (0, "models tree")
    found = {each["name"]: each for each in document["versions"]}
    assert found["base"]["current"]
    liver = found["liver"]
    assert (liver["kind"], liver["job"], liver["depth"]) == ("candidate", "7", 1)
    assert (liver["parent"], liver["current"]) == ("base", False)
    assert liver["parent_sha256"] == found["base"]["sha256"]
    assert liver["metrics"] == {"dice": {"liver": 0.9}}
    assert liver["recipe"] == {"steps": 200}
    assert document["disk_use"]["jobs"] == liver["bytes"]


def test_the_tree_for_people(study, capfd):
    models = study / "models"
    lineage = {"parent": "gone"}
    lost = write_model(models / "lost", "lost", content=b"1", lineage=lineage)
    broken = write_model(models / "broken", "broken", content=b"2")
    (broken.path / "dataset.json").write_text("{")
    assert run(["models", "tree", str(study)]) == 0
    lines = capfd.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("* base"))
    assert lines[start].split()[:3] == ["*", "base", "base"]
    assert lines[start + 1].startswith("    liver ")
    assert lines[start + 1].split()[1:3] == ["candidate", "2026-01-02"]
    (line,) = [line for line in lines if lost.name in line]
    assert line.endswith("from gone")
    (line,) = [line for line in lines if line.startswith("  broken")]
    assert "cannot be used: dataset.json must be JSON" in line
    assert lines[-1].startswith("in the study: models 0.0 MiB, jobs 0.0 MiB")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("promote", "STUDY", "lever"), "one of base, "),
        (("promote", "STUDY"), "Missing argument"),
        (("promote", "nowhere", "7"), "must hold a 'study.sqlite'"),
        (("rollback", "nowhere"), "must hold a 'study.sqlite'"),
        (("tree", "nowhere"), "must hold a 'study.sqlite'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(call, study, command, sentence):
    words = [str(study) if word == "STUDY" else word for word in command]
    code, document = call(*words)
    assert code == 2
    assert sentence in document["error"]
    assert "\n" not in document["error"]


def test_a_damaged_candidate_is_refused(call, study):
    weights = study / "jobs/7/model/fold_0/weights.safetensors"
    weights.write_bytes(b"other")
    before = remembered_model(study)
    code, document = call("promote", study, "7")
    assert code == 2
    assert "must have the SHA-256 that card.json states" in document["error"]
    assert remembered_model(study) == before


def test_the_help_names_the_commands(capfd):
    assert run(["models", "--help"]) == 0
    out = capfd.readouterr().out
    assert all(word in out for word in ("tree", "promote", "rollback"))
