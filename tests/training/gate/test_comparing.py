"""Verdicts on hand-made and on drawn cases, and their report."""

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_mednext.errors import InputError, StorageError
from napari_mednext.labels import LabelSet
from napari_mednext.training.gate import (
    GateCase,
    GateReport,
    Suspicion,
    Verdict,
    compare_gate,
    read_report,
    write_report,
)
from tests.training.gate import phantoms

LABELS = LabelSet.from_names({1: "liver", 2: "spleen", 7: "tumour"})
SHAPE = (5, 20, 25)
SPACING = (3.0, 1.0, 1.0)


def stripe(**lengths):
    """A label map with bars of so many voxels: bars of 100 have a Dice by hand."""
    result = np.zeros(SHAPE, np.uint8)
    for row, (name, length) in enumerate(lengths.items()):
        value = {"liver": 1, "spleen": 2, "tumour": 7}[name]
        flat = result[:, 4 * row : 4 * row + 4].reshape(-1)
        flat[:length] = value
        result[:, 4 * row : 4 * row + 4] = flat.reshape(5, 4, 25)
    return result


def case(name, before, after, reference=None, group="corrected"):
    full = dict.fromkeys(before, 200)
    reference = stripe(**(reference or full))
    known = np.ones(SHAPE, bool)
    return GateCase(
        name, group, reference, known, stripe(**before), stripe(**after), SPACING
    )


def dice(length):
    return 2 * length / (200 + length)


def test_better_names_the_numbers_and_the_best_label():
    cases = [
        case(f"c{n}", {"liver": 150, "spleen": 100}, {"liver": 150, "spleen": 160 + n})
        for n in range(3)
    ]
    report = compare_gate(cases, LABELS)
    verdict = report.verdict
    assert verdict.outcome == "better"
    spleen = np.mean([dice(160 + n) for n in range(3)])
    assert verdict.before == pytest.approx((dice(150) + dice(100)) / 2)
    assert verdict.after == pytest.approx((dice(150) + spleen) / 2)
    assert verdict.reason == (
        "Better: mean Dice 0.76 -> 0.87 on 3 held-out cases; spleen gains most "
        "(0.67 -> 0.89)."
    )
    assert (verdict.may_promote, verdict.may_promote_alone) == (True, True)
    assert (verdict.units, verdict.unit_kind) == (3, "cases")
    liver, row, tumour = verdict.per_label
    assert (liver.change, liver.low, liver.high) == (0.0, 0.0, 0.0)
    assert row.low <= row.change <= row.high
    assert (tumour.before, tumour.units) == (None, 0)
    assert [each.name for each in report.label_rows()] == ["liver", "spleen"]
    assert len(report.case_rows()) == 6
    assert report.case_rows()[1].change == pytest.approx(dice(160) - dice(100))


def test_swapping_the_models_turns_better_to_worse():
    cases = [case(f"c{n}", {"liver": 150}, {"liver": 160 + n}) for n in range(4)]
    assert compare_gate(cases, LABELS).verdict.outcome == "better"
    turned = [replace(each, before=each.after, after=each.before) for each in cases]
    verdict = compare_gate(turned, LABELS).verdict
    assert verdict.outcome == "worse"
    assert verdict.reason == "Worse: mean Dice falls on corrected cases (0.89 -> 0.86)."
    assert not verdict.may_promote


@pytest.mark.parametrize("seed", range(6))
def test_verdict_is_symmetric_and_monotone_on_drawn_cases(seed):
    rng = np.random.default_rng(seed)
    order = ["worse", "same", "better"]
    cases = []
    for number in range(int(rng.integers(1, 4))):
        reference = phantoms.truth(rng, 2)
        before = phantoms.bend(rng, reference, rng.uniform(0.5, 2.0))
        after = phantoms.bend(rng, reference, rng.uniform(0.5, 2.0))
        known = phantoms.reviewed(rng, reference)
        group = str(rng.choice(["corrected", "old"]))
        args = reference, known, before, after, phantoms.SPACING
        cases.append(GateCase(f"c{number}", group, *args))
    labels = LabelSet.from_names({1: "liver", 2: "spleen"})
    verdict = compare_gate(cases, labels).verdict
    turned = [replace(each, before=each.after, after=each.before) for each in cases]
    other = compare_gate(turned, labels).verdict
    assert other.change == pytest.approx(-verdict.change)
    if verdict.outcome == "better" and verdict.change > 0.005:
        assert other.outcome == "worse"
    assert {verdict.outcome, other.outcome} != {"better"}
    ranks = [order.index(verdict.outcome)]
    draw = rng.random(phantoms.SHAPE)
    for share in (0.3, 0.6, 1.0):
        mended = [
            replace(each, after=np.where(draw < share, each.reference, each.after))
            for each in cases
        ]
        ranks.append(order.index(compare_gate(mended, labels).verdict.outcome))
    assert ranks == sorted(ranks)
    assert ranks[-1] == 2


def test_a_fall_on_old_cases_is_worse_however_much_others_gain():
    cases = [
        case("new", {"liver": 100}, {"liver": 190}),
        case("old", {"liver": 190}, {"liver": 187}, group="old"),
    ]
    verdict = compare_gate(cases, LABELS).verdict
    assert verdict.outcome == "worse"
    assert "falls on old cases (0.974 -> 0.966)" in verdict.reason
    cases[1] = case("old", {"liver": 190}, {"liver": 189}, group="old")
    assert compare_gate(cases, LABELS).verdict.outcome == "better"


def test_a_fall_of_one_label_counts_where_it_is_large_enough():
    def verdict(length, size):
        reference = {"liver": 200, "spleen": size}
        before = {"liver": 120, "spleen": size}
        after = {"liver": 180, "spleen": length}
        cases = [case(f"c{n}", before, after, reference) for n in range(2)]
        return compare_gate(cases, LABELS).verdict

    assert verdict(96, 100).outcome == "worse"
    assert verdict(96, 100).reason.startswith("Worse: spleen falls (1.00 -> 0.98)")
    assert verdict(97, 100).outcome == "better"
    assert verdict(38, 40).outcome == "better"  # 80 voxels say nothing


def test_a_fall_within_noise_is_no_fall_unless_large():
    def verdict(lengths):
        cases = [
            case(f"c{n}", {"liver": 120, "spleen": 180}, {"liver": 150, "spleen": each})
            for n, each in enumerate(lengths)
        ]
        return compare_gate(cases, LABELS).verdict

    assert verdict([181, 182, 150]).outcome == "better"  # mean -0.03, low to above 0
    assert verdict([172, 171, 170]).outcome == "worse"
    assert verdict([181, 182, 120]).outcome == "worse"  # mean -0.06


def ball_cases(after_of, drawn_share):
    """Two cases with a spleen that a model drew and a tumour that it missed."""
    z, y, x = np.indices((16, 40, 40))
    distance = np.sqrt(((z - 8) * 1.5) ** 2 + (y - 14) ** 2 + (x - 14) ** 2)
    spleen = (distance < 9).astype(np.uint8) * 2
    reference = spleen.copy()
    reference[4:12, 28:36, 28:36] = 7
    after = after_of(distance)
    after[4:12, 28:34, 28:36] = 7
    drawn = reference == 7
    touched = np.flatnonzero(spleen)
    drawn.reshape(-1)[touched[: round(drawn_share * touched.size)]] = True
    known = np.ones(spleen.shape, bool)
    first = GateCase(
        "c0", "corrected", reference, known, spleen, after, (1.5, 1, 1), drawn=drawn
    )
    return [first, replace(first, name="c1")]


def other_border(distance):
    """The same organ with a border half a voxel further in."""
    return (distance < 8.5).astype(np.uint8) * 2


def half_of_it(distance):
    """The same organ, but for one half."""
    made = other_border(distance)
    made[:8] = 0
    return made


@pytest.mark.parametrize(
    ("after", "drawn", "outcome"),
    [
        (other_border, 0.0, "better"),
        (other_border, 0.05, "worse"),
        (half_of_it, 0.0, "worse"),
        (half_of_it, 0.05, "worse"),
    ],
)
def test_what_a_person_let_stand_is_right_to_within_its_border(after, drawn, outcome):
    """Held against its own answer, the old model cannot lose, but for a lost organ."""
    verdict = compare_gate(ball_cases(after, drawn), LABELS).verdict
    row = next(each for each in verdict.per_label if each.name == "spleen")
    assert row.before == 1.0
    assert row.change < -0.02
    assert (row.drawn >= 0.02 * row.voxels) == bool(drawn)
    assert verdict.outcome == outcome, verdict.reason


def test_what_a_person_took_away_counts_as_drawn():
    one, _ = ball_cases(other_border, 0.0)
    taken = one.before.copy()
    taken[0, 20:28, 30:38] = 2  # the old model's mistake, which a person removed
    drawn = one.drawn | (taken != one.reference)
    verdict = compare_gate([replace(one, before=taken, drawn=drawn)], LABELS).verdict
    row = next(each for each in verdict.per_label if each.name == "spleen")
    assert row.drawn == 64


def test_equal_models_are_the_same():
    verdict = compare_gate([case("c", {"liver": 150}, {"liver": 150})], LABELS).verdict
    assert verdict.outcome == "same"
    assert (verdict.may_promote, verdict.may_promote_alone) == (True, False)


def test_a_rise_that_one_of_many_cases_makes_is_the_same():
    lengths = [150] * 4 + [200]
    cases = [
        case(f"c{n}", {"liver": 152}, {"liver": each}) for n, each in enumerate(lengths)
    ]
    verdict = compare_gate(cases, LABELS).verdict
    assert verdict.change > 0.002
    assert verdict.low < -0.002
    assert verdict.outcome == "same"
    assert verdict.reason.endswith("but not in all of them.")


def test_a_new_label_counts_from_zero_and_cannot_fall():
    full = {"liver": 200, "tumour": 200}
    cases = [case("c", {"liver": 150}, {"liver": 150, "tumour": 100}, full)]
    verdict = compare_gate(cases, LABELS, new_labels={7}).verdict
    assert verdict.outcome == "better"
    assert verdict.reason.endswith("tumour is new (0.00 -> 0.67).")
    assert verdict.per_label[2].is_new
    fallen = [case("c", {"liver": 150}, {"liver": 140, "tumour": 200}, full)]
    assert compare_gate(fallen, LABELS, new_labels={7}).verdict.outcome == "worse"


def test_a_label_that_the_reference_lacks_must_not_be_added():
    flooded = {"liver": 200, "spleen": 200}
    cases = [
        case("a", flooded, flooded),
        case("b", {"liver": 200}, flooded, {"liver": 200}),
    ]
    verdict = compare_gate(cases, LABELS).verdict
    # As much as its size elsewhere: a half is taken from the one label of that case.
    assert verdict.after == pytest.approx((1.0 + 0.5) / 2)
    assert verdict.per_label[1].after == pytest.approx(0.5)
    assert verdict.outcome == "worse"
    nowhere = [case("b", {"liver": 200}, flooded, {"liver": 200})]
    assert compare_gate(nowhere, LABELS).verdict.outcome == "worse"
    empty = [case("b", {"spleen": 200}, {}, {"spleen": 0})]
    assert compare_gate(empty, LABELS).verdict.outcome == "better"


def test_a_suspicion_is_worse_whatever_the_numbers_say():
    doubt = Suspicion("swapped", "liver and spleen seem to be swapped", "c")
    cases = [case("c", {"liver": 100}, {"liver": 200})]
    verdict = compare_gate(cases, LABELS, suspicions=[doubt, doubt]).verdict
    assert verdict.outcome == "worse"
    assert verdict.reason == (
        "Worse: liver and spleen seem to be swapped (and 1 more)."
    )
    assert not verdict.may_promote
    # Nobody becomes able to promote by editing the outcome alone.
    assert not replace(verdict, outcome="better").may_promote_alone


def test_nothing_to_judge_on_is_unproven():
    verdict = compare_gate([], LABELS).verdict
    assert (verdict.outcome, verdict.may_promote) == ("unproven", False)
    assert "no label was judged" in verdict.reason
    few = case("c", {"liver": 100}, {"liver": 200})
    known = np.zeros(SHAPE, bool)
    known.reshape(-1)[:999] = True
    verdict = compare_gate([replace(few, known=known)], LABELS).verdict
    assert verdict.outcome == "unproven"
    assert "999 voxels were judged" in verdict.reason
    known.reshape(-1)[:1000] = True
    verdict = compare_gate([replace(few, known=known)], LABELS).verdict
    assert verdict.outcome == "better"
    background = [case("c", {}, {}, {"liver": 0})]
    assert compare_gate(background, LABELS).verdict.outcome == "unproven"


def test_the_only_case_has_an_interval_over_its_slices():
    rng = np.random.default_rng(3)
    reference = phantoms.truth(rng, 2)
    before = phantoms.bend(rng, reference, 2.0)
    known = np.ones(reference.shape, bool)
    only = GateCase(
        "c", "corrected", reference, known, before, reference, phantoms.SPACING
    )
    report = compare_gate([only], LABELS)
    verdict = report.verdict
    assert (verdict.units, verdict.unit_kind) == (5, "slices")
    assert "5 runs of slices of 1 held-out case" in verdict.reason
    assert verdict.low <= verdict.change
    assert verdict.low > 0
    liver = verdict.per_label[0]
    assert liver.before == report.cases[0].labels[1].before
    assert any("runs of its slices" in note for note in report.notes)
    assert any("within 2.5 mm" in note for note in report.notes)


def test_parts_of_a_case_are_units():
    one = case("c", {"liver": 150}, {"liver": 180})
    parts = [replace(one, part=f"part {n}") for n in (1, 2)]
    report = compare_gate(parts, LABELS)
    assert "on 2 held-out parts of cases" in report.verdict.reason
    assert [row.part for row in report.case_rows()] == ["part 1", "part 2"]
    with pytest.raises(InputError, match="got 'c' twice"):
        compare_gate([one, one], LABELS)


@pytest.fixture
def report():
    cases = [
        case("a", {"liver": 150}, {"liver": 160, "tumour": 10}),
        case("b", {"liver": 150, "spleen": 3}, {"liver": 170}, group="old"),
    ]
    doubt = Suspicion("shifted", "the labels seem to be moved", "a")
    return compare_gate(cases, LABELS, new_labels={7}, suspicions=[doubt])


def test_a_report_survives_json(report, tmp_path):
    path = write_report(report, tmp_path / "comparison.json")
    assert read_report(path) == report
    assert write_report(report, path) == path
    assert [each.name for each in tmp_path.iterdir()] == ["comparison.json"]
    assert Verdict.from_dict(json.loads(json.dumps(report.verdict.to_dict()))) == (
        report.verdict
    )


def test_a_report_of_another_version_is_refused(report, tmp_path):
    path = tmp_path / "comparison.json"
    for change, match in (
        ({"schema": 2}, "must have schema 1, got 2"),
        ({"cases": [{}]}, "must be whole, got KeyError"),
        ({"cases": 3}, "must be whole"),
        ({"verdict": {}}, "a Verdict must have the keys .* is missing"),
        ({"verdict": {**report.verdict.to_dict(), "x": 1}}, "'x' is unknown"),
        (
            {"verdict": {**report.verdict.to_dict(), "outcome": "fine"}},
            "better, same, worse or unproven, got 'fine'",
        ),
    ):
        path.write_text(json.dumps({**report.to_dict(), **change}))
        with pytest.raises(InputError, match=match):
            read_report(path)
    path.write_text("{")
    with pytest.raises(InputError, match="must be a comparison in JSON"):
        read_report(path)
    with pytest.raises(InputError, match="got None"):
        GateReport.from_dict([])
    with pytest.raises(StorageError, match="must exist"):
        write_report(report, tmp_path / "nowhere" / "comparison.json")


def test_reading_a_report_and_naming_the_rest_loads_no_torch():
    import subprocess
    import sys

    code = (
        "import sys; from napari_mednext.training.gate import read_report; "
        "from napari_mednext.training.gate import compare_gate, split_cases; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
