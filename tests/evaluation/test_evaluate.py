"""From files to an evaluation: grids, failures, two models, progress, JSON and CSV."""

import csv
import dataclasses
import json
import threading

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_mednext.errors import Cancelled, InputError, StorageError
from napari_mednext.evaluation import (
    Evaluation,
    Region,
    Regions,
    evaluate,
    evaluate_arrays,
    read_json,
    write_csv,
    write_json,
)
from napari_mednext.evaluation.results import metric_keys, metric_title
from napari_mednext.formats import save_segmentation
from napari_mednext.volume import Segmentation, VoxelGrid
from tests.evaluation.reference_numbers import blobs

DIRECTION = tuple(
    map(tuple, Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix())
)
GRID = VoxelGrid((9, 14, 11), (3.0, 0.7, 1.1), (-31.5, 12.25, 80.0), DIRECTION)


def maps(seed):
    """A prediction and a reference with the labels 1 and 2."""
    pair = []
    for mask in blobs(seed, GRID.shape):
        array = mask.astype(np.uint8)
        array[:, 7:] *= 2
        pair.append(array)
    return pair


def save(array, path, grid=GRID):
    path.parent.mkdir(exist_ok=True)
    save_segmentation(Segmentation(array.astype(np.uint8), grid), path)


@pytest.fixture
def study(tmp_path):
    """Three cases, with predictions of two models."""
    for seed in range(3):
        prediction, reference = maps(seed)
        save(prediction, tmp_path / "a" / f"case{seed}.nii.gz")
        save(maps(seed + 10)[0], tmp_path / "b" / f"case{seed}.nii.gz")
        save(reference, tmp_path / "truth" / f"case{seed}.nii.gz")
    return tmp_path


def test_files_give_what_arrays_give(study):
    found = evaluate(study / "a" / "case1.nii.gz", study / "truth" / "case1.nii.gz")
    (case,) = found.cases
    assert case.case == "case1"
    assert case.seconds >= 0
    for ours, theirs in zip(
        case.labels, evaluate_arrays(*maps(1), GRID.spacing), strict=True
    ):
        # NIfTI keeps spacings in single precision.
        assert (ours.name, ours.state) == (theirs.name, theirs.state)
        for key in metric_keys((1.0, 2.0)):
            assert ours.metric(key) == pytest.approx(theirs.metric(key), rel=1e-6)


def test_folder_is_summed_up(study):
    found = evaluate(study / "a", study / "truth", tolerances_mm=(2.0, 0.5))
    assert [case.case for case in found.cases] == ["case0", "case1", "case2"]
    assert found.title == "a"
    assert found.failures == ()
    dice = next(s for s in found.summaries if (s.name, s.metric) == ("label 1", "dice"))
    assert dice.counted == 3
    assert dice.mean == pytest.approx(
        np.mean([case.labels[0].dice for case in found.cases])
    )
    assert found.settings["tolerances_mm"] == [0.5, 2.0]
    assert {s.metric for s in found.summaries} >= {"surface_dice_0.5mm", "hd95_mm"}
    assert found.settings["labels"][1] == {
        "name": "label 2",
        "prediction": [2],
        "reference": [2],
    }


def test_names_come_from_a_dataset(study):
    (study / "dataset.json").write_text('{"labels": {"background": 0, "liver": 2}}')
    found = evaluate(study / "a", study / "truth")
    assert [label.name for label in found.cases[0].labels] == ["label 1", "liver"]


def test_regions_decide_what_is_compared(study):
    regions = Regions((Region("whole", (1, 2), (1, 2)),), (7,))
    found = evaluate(study / "a", study / "truth", regions=regions)
    assert {s.name for s in found.summaries} == {"whole"}
    assert found.settings["labels"] == regions.to_dict()["regions"]
    assert found.settings["ignore_reference"] == [7]


def test_bad_cases_are_named_and_the_others_done(study):
    (study / "a" / "case0.nii.gz").write_bytes(b"no image")
    shifted = dataclasses.replace(GRID, origin=(-31.5, 12.25, 81.0))
    (study / "a" / "case1.nii.gz").unlink()
    save(maps(1)[0], study / "a" / "case1.nii.gz", shifted)
    save(maps(3)[0], study / "a" / "more.nii.gz")
    found = evaluate(study / "a", study / "truth")
    assert [case.case for case in found.cases] == ["case2"]
    failures = dict(found.failures)
    assert set(failures) == {"case0", "case1", "more"}
    assert "within 0.01 mm, but it lies up to 1.00 mm away" in failures["case1"]


@pytest.mark.parametrize(
    ("grid", "sentence"),
    [
        (VoxelGrid((9, 14, 11), (3.1, 0.7, 1.1)), r"\(3.1, 0.7, 1.1\) and not \(3.0,"),
        (VoxelGrid((9, 14, 10), (3.0, 0.7, 1.1)), r"\(9, 14, 10\) and not \(9, 14, 11"),
    ],
)
def test_other_grids_are_named(tmp_path, grid, sentence):
    save(np.ones(grid.shape), tmp_path / "p.nii.gz", grid)
    save(np.ones(GRID.shape), tmp_path / "r.nii.gz")
    found = evaluate(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz")
    assert found.cases == ()
    with pytest.raises(InputError, match=sentence):
        raise InputError(found.failures[0][1])


@pytest.mark.parametrize(("gap_mm", "fits"), [(0.009, True), (0.011, False)])
def test_grids_may_differ_by_what_headers_round(tmp_path, gap_mm, fits):
    moved = dataclasses.replace(GRID, origin=(-31.5 + gap_mm, 12.25, 80.0))
    save(np.ones(GRID.shape), tmp_path / "p.mha", moved)
    save(np.ones(GRID.shape), tmp_path / "r.mha")
    assert bool(evaluate(tmp_path / "p.mha", tmp_path / "r.mha").cases) == fits


def test_same_voxels_in_another_order_are_turned(tmp_path):
    prediction, reference = maps(4)
    flipped = VoxelGrid(
        GRID.shape[::-1],
        GRID.spacing[::-1],
        tuple(GRID.to_world(np.array((0, 0, GRID.shape[2] - 1)))),
        tuple(map(tuple, GRID.matrix[:, ::-1] * (1, 1, -1))),
    )
    save(prediction[:, :, ::-1].transpose(2, 1, 0), tmp_path / "p.nii.gz", flipped)
    save(reference, tmp_path / "r.nii.gz")
    (case,) = evaluate(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz").cases
    assert case.notes == ("the prediction was stored in another order, and turned",)
    theirs = evaluate_arrays(prediction, reference, GRID.spacing)
    assert [each.dice for each in case.labels] == [each.dice for each in theirs]


def test_resampling_takes_the_nearest_voxel(tmp_path):
    prediction, reference = maps(4)
    # Twice as fine along z, so that each slice stands for two of them.
    fine = dataclasses.replace(
        GRID,
        shape=(18, 14, 11),
        spacing=(1.5, 0.7, 1.1),
        origin=tuple(GRID.to_world(np.array((-0.25, 0.0, 0.0)))),
    )
    save(prediction, tmp_path / "p.nii.gz")
    save(np.repeat(reference, 2, axis=0), tmp_path / "r.nii.gz", fine)
    (case,) = evaluate(
        tmp_path / "p.nii.gz", tmp_path / "r.nii.gz", resample=True
    ).cases
    assert "resampled to the reference" in case.notes[0]
    theirs = evaluate_arrays(prediction, reference, GRID.spacing)
    assert [each.dice for each in case.labels] == [each.dice for each in theirs]
    assert [each.volume_ml for each in case.labels] == pytest.approx(
        [each.volume_ml for each in theirs]
    )


def test_several_channels_are_refused(tmp_path):
    from napari_mednext.formats import save_volume
    from napari_mednext.volume import Volume

    save_volume(
        Volume(np.ones((2, *GRID.shape), dtype=np.uint8), GRID), tmp_path / "p.mha"
    )
    save(np.ones(GRID.shape), tmp_path / "r.mha")
    found = evaluate(tmp_path / "p.mha", tmp_path / "r.mha")
    assert "a prediction must have one channel, got 2" in found.failures[0][1]


def test_empty_masks_are_a_case_with_a_note(tmp_path):
    save(np.zeros(GRID.shape), tmp_path / "p.nii.gz")
    save(np.zeros(GRID.shape), tmp_path / "r.nii.gz")
    (case,) = evaluate(tmp_path / "p.nii.gz", tmp_path / "r.nii.gz").cases
    assert case.labels == ()
    assert case.notes == ("both masks are empty, so nothing is counted",)


def test_two_models_are_compared(study):
    (study / "b" / "case2.nii.gz").unlink()
    found = evaluate(study / "a", study / "truth", other=study / "b")
    assert (found.title, found.other.title) == ("a", "b")
    assert [name for name, _ in found.other.failures] == ["case2"]
    dice = next(c for c in found.comparisons if c.metric == "dice")
    assert (dice.pairs, dice.p_value) == (2, None)
    gaps = [
        two.labels[0].dice - one.labels[0].dice
        for one, two in zip(found.cases[:2], found.other.cases, strict=True)
    ]
    assert dice.difference == pytest.approx(np.mean(gaps))


def test_models_of_one_name_are_told_apart_by_their_paths(study):
    (study / "x").mkdir()
    (study / "b").rename(study / "x" / "a")
    found = evaluate(study / "a", study / "truth", other=study / "x" / "a")
    assert (found.title, found.other.title) == (
        str(study / "a"),
        str(study / "x" / "a"),
    )


def test_progress_ends_with_all_cases_of_both_models(study):
    seen = []
    evaluate(study / "a", study / "truth", other=study / "b", on_progress=seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert (seen[0].done, seen[-1].done) == (0, 6)
    assert {progress.total for progress in seen} == {6}
    assert seen[-1].remaining_s == 0


def test_cancel_stops_within_a_case(study):
    cancel, seen = threading.Event(), []

    def on_progress(progress):
        seen.append(progress)
        if len(seen) == 2:  # after the first label
            cancel.set()

    with pytest.raises(Cancelled):
        evaluate(study / "a", study / "truth", on_progress=on_progress, cancel=cancel)
    assert len(seen) == 2


@pytest.mark.parametrize("tolerances", [(), (-1.0,), (float("nan"),)])
def test_impossible_tolerances_are_refused(study, tolerances):
    with pytest.raises(InputError, match="at least 0 mm, got"):
        evaluate(study / "a", study / "truth", tolerances_mm=tolerances)


def test_json_and_back_is_the_same(study, tmp_path):
    save(np.zeros(GRID.shape), study / "a" / "empty.nii.gz")
    save(np.ones(GRID.shape), study / "truth" / "empty.nii.gz")
    save(np.ones(GRID.shape), study / "a" / "odd.nii.gz")
    found = evaluate(study / "a", study / "truth", other=study / "b")
    path = write_json(found, tmp_path / "e.json")
    assert read_json(path) == found
    assert json.loads(path.read_text())["schema"] == 1
    with pytest.raises(StorageError, match="exists already"):
        write_json(found, path)
    assert write_json(found, path, overwrite=True) == path


def test_csv_has_a_row_for_each_case_and_label_of_both_models(study, tmp_path):
    save(np.zeros(GRID.shape), study / "a" / "empty.nii.gz")
    save(np.ones(GRID.shape), study / "truth" / "empty.nii.gz")
    found = evaluate(study / "a", study / "truth", other=study / "b")
    with write_csv(found, tmp_path / "e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 + 1 + 3 * 2
    first = found.cases[0].labels[0]
    assert float(rows[0]["dice"]) == first.dice
    assert float(rows[0]["surface_dice_1mm"]) == first.surface_dice[1.0]
    assert (rows[0]["model"], rows[-1]["model"]) == ("a", "b")
    empty = next(row for row in rows if row["case"] == "empty")
    assert (empty["state"], empty["dice"]) == ("missing", "0.0")
    with pytest.raises(StorageError, match="exists already"):
        write_csv(found, tmp_path / "e.csv")


def test_json_that_is_no_evaluation_is_refused(study, tmp_path):
    good = evaluate(study / "a", study / "truth").to_dict()
    bad = {
        "must be 1, got 2": {**good, "schema": 2},
        "an evaluation must be an object, got 3": 3,
        "'title' is missing": {k: v for k, v in good.items() if k != "title"},
        "'extra' is unknown": {**good, "extra": 1},
        "cases must be a list, got 3": {**good, "cases": 3},
        "a CaseResult|CaseResult must be an object": {**good, "cases": [3]},
        "a failure must be a name and a sentence": {**good, "failures": [["a"]]},
    }
    for sentence, values in bad.items():
        with pytest.raises(InputError, match=sentence):
            Evaluation.from_dict(values)
    label = good["cases"][0]["labels"][0]
    for key, value, sentence in [
        ("dice", float("nan"), "dice must be a finite number or null, got nan"),
        ("dice", "1", "got '1'"),
        ("hd95_mm", float("inf"), "hd95_mm must be a finite number or null, got inf"),
        ("state", "lost", "both, missing, extra or absent, got 'lost'"),
        ("surface_dice", [1], "surface_dice must be an object"),
    ]:
        kept, label[key] = label[key], value
        with pytest.raises(InputError, match=sentence):
            Evaluation.from_dict(good)
        label[key] = kept
    (tmp_path / "e.json").write_text("{")
    with pytest.raises(InputError, match="must be an evaluation in JSON, got"):
        read_json(tmp_path / "e.json")


def test_every_metric_has_a_title_and_an_unknown_one_a_sentence(study):
    found = evaluate(study / "a", study / "truth")
    keys = dict.fromkeys(summary.metric for summary in found.summaries)
    assert [metric_title(key) for key in keys] == [
        "Dice",
        "surface Dice, 1 mm",
        "surface Dice, 2 mm",
        "HD95 (mm)",
        "volume error (mL)",
        "volume error (%)",
        "absolute volume error (mL)",
    ]
    with pytest.raises(InputError, match=r"one of dice, .*, got 'iou'"):
        found.cases[0].labels[0].metric("iou")
