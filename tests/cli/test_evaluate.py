"""``napari-mednext evaluate``: exit codes, one document, files."""

import json

import numpy as np
import pytest

from napari_mednext.cli.entry import run
from napari_mednext.formats import save_segmentation
from napari_mednext.volume import Segmentation, VoxelGrid

GRID = VoxelGrid((5, 9, 8), spacing=(3.0, 0.9, 1.1), origin=(1.0, 2.0, 3.0))


@pytest.fixture
def study(tmp_path):
    """Two cases: a prediction one slice off, and one that is right."""
    reference = np.zeros(GRID.shape, dtype=np.uint8)
    reference[1:3, 2:6, 2:6] = 1
    for folder, shift in (("truth", 0), ("a", 1), ("b", 0)):
        (tmp_path / folder).mkdir()
        for name in ("one", "two"):
            moved = np.roll(reference, shift if name == "one" else 0, axis=0)
            save_segmentation(
                Segmentation(moved, GRID), tmp_path / folder / f"{name}.nii.gz"
            )
    return tmp_path


@pytest.fixture
def call(capfd):
    """Run with --json; returns the exit code, the document and stderr."""

    def call(*arguments):
        code = run(["evaluate", *map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        return code, json.loads(out), err

    return call


def test_all_outputs_are_written(call, study, tmp_path):
    outputs = [tmp_path / f"e.{ending}" for ending in ("json", "csv", "html")]
    options = [word for path in outputs for word in ("-o", path)]
    code, document, _ = call(study / "a", study / "truth", *options)
    assert (code, document["outputs"]) == (0, list(map(str, outputs)))
    assert all(path.stat().st_size for path in outputs)
    assert json.loads(outputs[0].read_text()) == document["evaluation"]
    dice = [case["labels"][0]["dice"] for case in document["evaluation"]["cases"]]
    assert dice == [0.5, 1.0]
    # Again: refused before any work, unless told so.
    code, document, _ = call(study / "a", study / "truth", *options)
    assert code == 2
    assert "exists already" in document["error"]
    assert call(study / "a", study / "truth", *options, "--overwrite")[0] == 0


def test_text_has_the_means_and_the_comparison(capfd, study):
    code = run(
        ["evaluate", str(study / "a"), str(study / "truth")]
        + ["--compare", str(study / "b"), "--tolerance", "3"]
    )
    lines = capfd.readouterr().out.splitlines()
    assert code == 0
    assert lines[0].split()[:3] == ["label", "cases", "Dice"]
    assert "surface Dice, 3 mm" in lines[0]
    assert lines[1].split()[:5] == ["label", "1", "2", "0.750", "1.000"]
    assert lines[3] == "B = b against A = a"
    # Two pairs have a difference and an interval, but no p.
    assert lines[5].split()[2:] == ["2", "0.250", "0.000", "0.500", "-"]


def test_some_bad_cases_are_one_and_named(call, study):
    (study / "a" / "one.nii.gz").write_bytes(b"broken")
    (study / "truth" / "two.nii.gz").rename(study / "truth" / "three.nii.gz")
    (study / "b" / "one.nii.gz").rename(study / "b" / "x.nii.gz")
    code, document, err = call(study / "a", study / "truth")
    assert code == 2  # none is left
    assert document["error"] == "3 could not be evaluated: two, three, one"
    assert "one: failed: 'one.nii.gz'" in err
    code, document, _ = call(study / "b", study / "b", "--compare", study / "truth")
    assert code == 1
    assert [case["case"] for case in document["evaluation"]["cases"]] == ["two", "x"]


def test_one_bad_case_is_told_once(call, study):
    (study / "a" / "one.nii.gz").unlink()
    code, document, err = call(study / "a", study / "truth")
    assert code == 1
    assert document["error"].startswith("one: the reference")
    assert err.count("the reference") == 1


def test_regions_resampling_and_images_are_handed_on(call, study, tmp_path):
    regions = tmp_path / "regions.json"
    brain = {"name": "brain", "prediction": [1], "reference": [1, 2]}
    regions.write_text(json.dumps({"schema": 1, "regions": [brain]}))
    code, document, _ = call(
        *(study / "a", study / "truth", "--regions", regions, "--resample"),
        *("--images", study / "truth", "--tolerance", 1, "--tolerance", 4),
    )
    found = document["evaluation"]
    assert code == 0
    assert found["settings"]["tolerances_mm"] == [1.0, 4.0]
    assert found["settings"]["resample"] is True
    assert found["cases"][0]["image"] == str(study / "truth" / "one.nii.gz")
    assert found["cases"][0]["labels"][0]["name"] == "brain"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-o", "e.pdf"), "must end in one of .html, .json, .csv, got 'e.pdf'"),
        (("-o", "no/e.csv"), "the output folder 'no' must exist"),
        (("--tolerance", "-1"), "at least 0 mm, got"),
        (("--regions", "no.json"), "'no.json' must be readable"),
        (("--compare", "no"), "'no' must be a file or folder"),
    ],
)
def test_bad_usage_is_two(call, study, options, sentence):
    code, document, _ = call(study / "a", study / "truth", *options)
    assert code == 2
    assert sentence in document["error"]


def test_interrupt_is_130_and_writes_nothing(call, study, tmp_path, monkeypatch):
    import signal

    from napari_mednext.evaluation import evaluate

    def interrupted(*arguments, **rest):
        signal.raise_signal(signal.SIGINT)
        return evaluate(*arguments, **rest)

    monkeypatch.setattr("napari_mednext.evaluation.evaluate", interrupted)
    code, document, _ = call(study / "a", study / "truth", "-o", tmp_path / "e.json")
    assert (code, document["status"]) == (130, "interrupted")
    assert not (tmp_path / "e.json").exists()
