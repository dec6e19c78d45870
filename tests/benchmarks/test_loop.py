"""The simulated annotator: its choices, scans, figures and tables, without a model."""

import json

import numpy as np
import pytest
import torch

from benchmarks.loop.annotator import (
    allowed_planes,
    correct,
    errors_by_plane,
    worst_planes,
)
from benchmarks.loop.curves import Curve, curve_chart
from benchmarks.loop.judging import dice_of, mean_by_label, old_and_new
from benchmarks.loop.plain_tuning import (
    PlainCase,
    _turned,
    heads_of,
    patch_centre,
    polynomial_rate,
)
from benchmarks.loop.poison import POISONS
from benchmarks.loop.recording import Lesions, Recording, draw_scan, grown_into
from benchmarks.loop.report import find_runs, poison_table, write_report
from benchmarks.loop.results import Results
from benchmarks.loop.tasks import STAGES, TASKS
from napari_mednext.correction.editing import Editing
from napari_mednext.correction.provenance import HUMAN, REVIEWED, is_reviewed
from napari_mednext.labels import LabelSet
from napari_mednext.training.label_maps import LabelMaps
from napari_mednext.training.mapping_table import MappingTable


def test_errors_are_counted_in_each_plane_at_the_sought_labels_only():
    truth = np.zeros((3, 2, 4), np.uint8)
    truth[1] = 5
    truth[2, 0] = 2
    said = np.zeros_like(truth)
    said[0, 0, :3] = 5  # said but not true
    said[2, 0, 0] = 3
    assert errors_by_plane(said, truth).tolist() == [3, 8, 4]
    assert errors_by_plane(said, truth, sought={5}).tolist() == [3, 8, 0]
    assert errors_by_plane(said, truth, sought={2, 3}).tolist() == [0, 0, 4]


def test_worst_planes_are_apart_allowed_and_wrong():
    errors = np.array([9, 8, 7, 0, 9, 1, 0, 2])
    assert worst_planes(errors, count=8, apart=1) == (0, 4, 1, 2, 7, 5)
    assert worst_planes(errors, count=3, apart=2) == (0, 4, 2)
    assert worst_planes(errors, count=5, apart=3) == (0, 4, 7)
    odd = np.arange(8) % 2 == 1
    assert worst_planes(errors, count=5, apart=1, allowed=odd) == (1, 7, 5)
    assert worst_planes(np.zeros(4, int), count=2, apart=1) == ()


def test_slabs_take_turns():
    assert allowed_planes(5, 2).tolist() == [True, True, False, False, True]


def test_correcting_touches_its_planes_only():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 4, (6, 5, 7)).astype(np.uint8)
    said = truth.copy()
    said[1, :2] = 3
    said[4, 2:4, 1:3] = 0
    said[5] = 1
    editing = Editing(np.zeros_like(said))
    editing.predict(said, 2)
    found = correct(editing, truth, (4, 1))
    assert np.array_equal(editing.labels[[1, 4]], truth[[1, 4]])
    assert np.array_equal(editing.labels[[0, 2, 3, 5]], said[[0, 2, 3, 5]])
    reviewed = is_reviewed(editing.provenance)
    assert reviewed[[1, 4]].all()
    assert not reviewed[[0, 2, 3, 5]].any()
    differs = said != truth
    for plane in (1, 4):
        painted = editing.provenance[plane] == HUMAN
        assert np.array_equal(painted, differs[plane])
        assert (editing.provenance[plane][~painted] == 2 | REVIEWED).all()
    assert found.changed == int(differs[[1, 4]].sum())
    assert (found.planes, found.reviewed, found.total) == ((4, 1), 70, 210)


def test_nobody_is_corrected_and_judged_or_chosen_settings_on():
    for stage in STAGES.values():
        people = (*stage.rounds, *stage.tests)
        assert len(set(people)) == len(people)
    dev = {*STAGES["dev"].rounds, *STAGES["dev"].tests}
    for name in ("first", "final"):
        assert not dev & {*STAGES[name].rounds, *STAGES[name].tests}
    assert {"m04", "m19"} <= set(STAGES["final"].tests)
    for task in TASKS.values():
        assert set(task.sources.values()) <= set(task.new)
        for values in task.old.values():
            assert set(values[1:]) <= set(task.new)


def test_an_old_class_is_judged_with_the_part_that_it_gave_away():
    labels = LabelSet.from_names({7: "deep", 8: "other", 11: "thalamus", 12: "putamen"})
    groups = old_and_new(TASKS["nuclei"], labels)
    assert groups == {
        "deep": (7, 11, 12),
        "other": (8,),
        "thalamus": (11,),
        "putamen": (12,),
    }
    assert list(old_and_new(TASKS["heart"], labels)) == ["thalamus"]  # value 11 is new
    said = np.array([[7, 11, 0, 0, 8]])
    truth = np.array([[11, 11, 7, 0, 0]])
    dice = dice_of(said, truth, groups)
    assert dice == {"deep": 0.8, "other": 0.0, "thalamus": 0.66667}
    means = mean_by_label({"a": dice, "b": {"deep": 0.4}})
    assert means == pytest.approx({"deep": 0.6, "other": 0.0, "thalamus": 0.66667})


@pytest.fixture
def person():
    """A head of four tissues: white 2, grey 3, a vessel 30 and bone 511."""
    values = np.array([0, 2, 3, 30, 511])
    array = np.zeros((48, 42, 45), np.uint8)
    array[4:44, 4:38, 4:41] = 4
    array[10:38, 9:33, 10:36] = 2
    array[15:35, 14:30, 15:33] = 1
    array[20:24, 19:22, 19:25] = 3
    maps = LabelMaps({"m01": array}, values, np.arange(5))
    table = MappingTable(
        LabelSet.from_names({1: "grey", 2: "white", 3: "bone"}),
        targets={3: 1, 2: 2, 511: 3},
        ignore=frozenset({30}),
        tissues={"white": frozenset({2}), "grey": frozenset({3})},
        outside=frozenset({511}),
        held_out=frozenset(),
    )
    return maps, table


LEVELS = {"white": 0.8, "grey": 0.5}


def test_a_person_is_always_recorded_alike(person):
    maps, table = person
    recording = Recording(LEVELS, spacing_mm=(4.0, 1.6, 1.5))
    draw = lambda seed: draw_scan(  # noqa: E731
        maps, table, "m01", recording, table.targets, seed=seed
    )
    first, again, other = draw(1), draw(1), draw(2)
    assert np.array_equal(first.scan.array, again.scan.array)
    assert not np.array_equal(first.scan.array, other.scan.array)
    assert np.array_equal(first.reference, other.reference)
    # 28 + 2 * 8 planes of brain and margin in mm, cut at the ends of the map.
    assert first.reference.shape == (44 // 4, int(40 / 1.6), int(42 / 1.5))
    assert first.scan.grid.spacing == (4.0, 1.6, 1.5)
    assert first.scan.grid.direction[0][0] == -1


def test_reference_and_brightness_belong_together(person):
    maps, table = person
    recording = Recording(LEVELS, bias=0, noise=0.001, texture=0.001)
    drawn = draw_scan(maps, table, "m01", recording, table.targets, seed=1)
    image, labels = drawn.scan.array[0] / 1000, drawn.reference
    inside = labels.copy()
    for axis in range(3):  # away from borders, where voxels are mixtures
        for step in (-1, 1):
            inside[labels != np.roll(labels, step, axis)] = 255
    assert image[inside == 2].mean() == pytest.approx(0.8, abs=0.05)
    assert image[inside == 1].mean() == pytest.approx(0.5, abs=0.05)
    # The vessel is white matter, as all around it, and volumes are kept.
    ml = (labels == 2).sum() * 1.6**3 / 1000
    assert ml == pytest.approx(20 * 16 * 18 / 1000, rel=0.03)


def test_lesions_lie_in_the_cerebrum_and_in_the_reference(person):
    maps, table = person
    lesions = Lesions(9, 0.1, count=(1, 1), radius_mm=(5.0, 6.0))
    recording = Recording(LEVELS, noise=0.001, bias=0, lesions=lesions)
    drawn = draw_scan(maps, table, "m01", recording, table.targets, seed=3)
    plain = draw_scan(
        maps, table, "m01", Recording(LEVELS, bias=0), table.targets, seed=3
    )
    where = drawn.reference == 9
    assert 30 < where.sum() < 400
    assert np.isin(plain.reference[where], (1, 2)).all()
    assert np.median(drawn.scan.array[0][where]) < 250


def test_holes_get_their_nearest_neighbour():
    values = np.array([[1, 0, 0, 0, 2]])
    assert grown_into(values, values == 0)[0, [1, 3]].tolist() == [1, 2]
    assert grown_into(values, values == 9) is values


def test_poisons_do_what_they_are_called():
    truth = np.arange(2 * 13 * 3).reshape(2, 13, 3).astype(np.uint8) % 4
    exchanged = POISONS["labels swapped"](truth)
    assert ((exchanged == 1) == (truth == 2)).all()
    assert ((exchanged == 2) == (truth == 1)).all()
    assert ((exchanged == 3) == (truth == 3)).all()
    moved = POISONS["shifted by 10 voxels"](truth)
    assert np.array_equal(moved[:, 10:], truth[:, :3])
    assert not moved[:, :10].any()
    assert not POISONS["all background"](truth).any()


def test_results_survive_a_kill_and_the_later_line_counts(tmp_path):
    path = tmp_path / "new" / "results.jsonl"
    results = Results(path)
    key = {"kind": "round", "task": "t", "stage": "dev", "method": "m", "seed": 0}
    assert results.find(**key, round=1) is None
    results.add({**key, "round": 1, "old": 0.5})
    with path.open("a") as file:
        file.write('{"kind": "round", "ta')  # cut off by a kill
    results.add({**key, "round": 2, "old": 0.6})
    results.add({**key, "round": 1, "old": 0.7})
    assert [line["old"] for line in results.lines()] == [0.7, 0.6]
    assert results.find(**key, round=2)["old"] == 0.6
    assert json.loads(path.read_text().splitlines()[-1])["old"] == 0.7


def _line(round_, method, *, old, new, **more):
    return {
        "kind": "round",
        "task": "nuclei",
        "stage": "dev",
        "method": method,
        "seed": 0,
        "round": round_,
        "old": old,
        "new": new,
        "dice": {"m10": {"deep": old, "thalamus": new, "putamen": new}},
        **more,
    }


def _round(number, method, *, old, new, planes=5):
    corrected = {
        "planes": list(range(planes)),
        "changed": 100,
        "reviewed": planes * 10,
        "total": 1000,
    }
    return _line(
        number,
        method,
        old=old,
        new=new,
        case=f"m{number:02d}",
        corrected=corrected,
        seconds={"improve": 50.0},
    )


def test_report_sums_over_the_rounds(tmp_path):
    lines = [
        _line(0, "start", old=0.9, new=0.0),
        _round(2, "ours", old=0.897, new=0.6),
        _round(1, "ours", old=0.9, new=0.4),
        _round(1, "dense", old=0.9, new=0.75, planes=100),
    ]
    ours, dense = find_runs(lines)
    assert ours.dice("new") == [0.0, 0.4, 0.6]
    assert ours.summed("corrected", "reviewed") == [0, 50, 100]
    assert ours.share == pytest.approx(100 / 2000)
    assert dense.share == pytest.approx(1)
    assert ours.error_left == pytest.approx(0.4)
    assert ours.worst_loss == ("deep", pytest.approx(0.003))
    results = Results(tmp_path / "results.jsonl")
    for line in lines:
        results.add(line)
    text = write_report(results, tmp_path / "charts")
    row = next(line for line in text.splitlines() if line.startswith("| ours "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:4] == ["0.000 → 0.400 → 0.600", "0.40"]
    assert cells[6:] == ["10", "200", "5.0%", "50", "0.80"]
    assert len(list((tmp_path / "charts").glob("nuclei_dev_*.svg"))) == 2


def test_poisoned_runs_are_counted_by_outcome():
    said = [("honest", "better"), ("honest", "same"), ("swapped", "worse")] * 2
    lines = [{"method": method, "outcome": outcome} for method, outcome in said]
    assert poison_table(lines)[2:] == [
        "| honest | 4 | 2 | 2 | 0 |",
        "| swapped | 2 | 0 | 0 | 2 |",
    ]


def test_chart_puts_higher_values_higher_and_escapes_names():
    curves = [Curve("a<b", [(0, 0.2), (10, 0.8)]), Curve("flat", [(0, 0.5), (5, 0.5)])]
    svg = curve_chart(curves, title="t", x_axis="x", y_axis="y")
    assert "a&lt;b" in svg
    first, second = svg.split('points="')[1:]
    start, end = (
        tuple(map(float, p.split(","))) for p in first.split('"')[0].split(" ")
    )
    assert end[0] > start[0]
    assert end[1] < start[1]
    flat = [tuple(map(float, p.split(","))) for p in second.split('"')[0].split(" ")]
    assert flat[0][1] == flat[1][1] == pytest.approx((start[1] + end[1]) / 2, abs=0.06)


def test_heads_continue_those_of_the_model():
    own = {1: "Cortex", 2: "white"}
    wanted = {4: "thalamus", 9: "cortex"}
    assert heads_of(own, wanted) == {1: "Cortex", 2: "white", 3: "thalamus"}


def test_plain_patches_lie_where_somebody_looked():
    target = np.full((5, 7, 9), 255, np.uint8)
    target[2, 1:6, 2:8] = 0
    target[2, 3, 4] = 6
    case = PlainCase(np.zeros((1, 5, 7, 9), np.float32), target)
    rng = np.random.default_rng(1)
    centres = [tuple(patch_centre(case, rng)) for _ in range(600)]
    assert all(target[c] != 255 for c in centres)
    # A third around the only voxel of a class, and one in thirty of the others.
    share = centres.count((2, 3, 4)) / len(centres)
    assert share == pytest.approx(1 / 3 + 2 / 3 / 30, abs=0.06)


def test_plain_rate_falls_from_a_hundredth():
    assert polynomial_rate(0, 100) == pytest.approx(0.01)
    assert polynomial_rate(50, 100) == pytest.approx(0.01 * 0.5**0.9)
    assert polynomial_rate(99, 100) > 0


def test_plain_augmentation_moves_scan_and_labels_together():
    rng = np.random.default_rng(2)
    target = torch.zeros(1, 12, 16, 10, dtype=torch.uint8)
    target[0, 3:8, 4:12, 2:7] = 1
    image = 5.0 * target[:, None].float()
    same = _turned(image, target, rng, turns=False, scales=False)
    assert torch.allclose(same[0], image, atol=1e-4)
    assert torch.equal(same[1], target)
    moved, labels = _turned(image, target, rng, turns=True, scales=True)
    known = labels != 255
    wrong = ((moved[:, 0] > 2.5) != (labels == 1)) & known
    assert not torch.equal(labels, target)
    assert wrong.sum() < 0.1 * (labels == 1).sum()
