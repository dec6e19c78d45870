"""Intervals and tests, against enumeration and against SciPy."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from napari_mednext.evaluation.results import CaseResult, LabelResult
from napari_mednext.evaluation.statistics import (
    bootstrap_interval,
    compare,
    holm,
    signed_rank_test,
    summarise,
)


def label(name="a", value=1, dice=0.5, state="both", error=0.0):
    return LabelResult(
        name=name,
        value=value,
        state=state,
        dice=dice,
        surface_dice={1.0: dice},
        hd95_mm=None if dice is None else 3.0,
        volume_ml=10.0 + error,
        reference_ml=10.0,
        volume_error_ml=error,
        volume_error_percent=10 * error,
    )


def case(name, *labels):
    return CaseResult(name, "", Path("p"), Path("r"), None, labels)


def cases(values, **rest):
    return [case(f"c{i}", label(dice=value, **rest)) for i, value in enumerate(values)]


def of(found, name, metric):
    return next(each for each in found if (each.name, each.metric) == (name, metric))


def p_by_enumeration(differences):
    """Wilcoxon's p by trying all signs."""
    ranks = scipy.stats.rankdata(np.abs(differences))
    centre = ranks.sum() / 2
    seen = abs(ranks[np.asarray(differences) > 0].sum() - centre)
    signs = itertools.product((0, 1), repeat=len(ranks))
    far = [abs(np.dot(sign, ranks) - centre) >= seen - 1e-9 for sign in signs]
    return np.mean(far)


def test_interval_of_three_values_is_that_of_all_resamples():
    values = [0.1, 0.5, 0.6]
    means = [np.mean(each) for each in itertools.product(values, repeat=3)]
    low, high = bootstrap_interval(values)
    # 27 equally likely means: the outermost have a chance of 1 in 27 each.
    assert low == pytest.approx(min(means))
    assert high == pytest.approx(max(means))


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).beta(8, 2, size=40)
    theirs = scipy.stats.bootstrap(
        (values,),
        np.mean,
        method="percentile",
        n_resamples=20_000,
        random_state=np.random.default_rng(1),
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx(tuple(theirs), abs=0.004)


def test_interval_is_the_same_every_time_and_whatever_the_size_of_pieces(monkeypatch):
    values = np.linspace(0, 1, 21) ** 2
    first = bootstrap_interval(values)
    assert bootstrap_interval(values) == first
    monkeypatch.setattr("napari_mednext.evaluation.statistics._PIECE", 1000)
    assert bootstrap_interval(values) == pytest.approx(first, abs=1e-12)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_values_have_no_interval(values):
    assert bootstrap_interval(values) is None


def test_equal_values_have_an_interval_of_no_width():
    assert bootstrap_interval([0.25, 0.25, 0.25]) == (0.25, 0.25)


@pytest.mark.parametrize(
    "differences",
    [
        [1, 2, 3, 4, 5, 6],
        [0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.7],
        [1, 1, -1, 2, 2, 3, -3, 1],  # ties
        [-5, -5, -5, -5, -5, -5, -5],
        [1, -1, 2, -2, 3, -3],
    ],
)
def test_p_equals_that_of_all_signs(differences):
    p, test, note = signed_rank_test(differences)
    assert p == pytest.approx(p_by_enumeration(differences))
    assert (test, note) == ("Wilcoxon signed rank, exact", "")


@pytest.mark.parametrize("count", [20, 200, 201])
def test_p_equals_that_of_scipy(count):
    differences = np.random.default_rng(count).normal(0.1, 1, size=count)
    method = "exact" if count <= 200 else "asymptotic"
    p, test, _ = signed_rank_test(differences)
    assert p == pytest.approx(scipy.stats.wilcoxon(differences, method=method).pvalue)
    assert ("exact" in test) == (count <= 200)


def test_six_pairs_are_the_fewest_that_can_be_significant():
    assert signed_rank_test([1, 2, 3, 4, 5, 6])[0] == pytest.approx(2 / 64)
    p, _, note = signed_rank_test([1, 2, 3, 4, 5])
    assert p is None
    assert note == "5 pairs: fewer than 6 cannot give a p below 0.05"
    p, _, note = signed_rank_test([1, 2, 3, 4, 5, 0, 1e-17])
    assert p is None
    assert note == "5 of 7 pairs differ: fewer than 6 cannot give a p below 0.05"


def test_holm_of_a_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_summary_counts_what_counts():
    given = [
        case("a", label(dice=0.8)),
        case("b", label(dice=0.0, state="missing", error=-10.0)),
        case("c", label(dice=None, state="absent")),
        case("d"),
    ]
    dice = of(summarise(given), "a", "dice")
    assert (dice.counted, dice.left_out, dice.missing, dice.extra) == (2, 2, 1, 0)
    assert (dice.mean, dice.median) == (0.4, 0.4)
    assert (dice.low, dice.high) == (0.0, 0.8)
    assert dice.note == "2 cases: the interval is narrower than it should be"
    error = of(summarise(given), "a", "volume_error_ml")
    assert (error.counted, error.mean) == (2, -5.0)
    assert of(summarise(given), "a", "absolute_volume_error_ml").mean == 5.0


def test_one_case_has_a_mean_and_no_interval():
    dice = of(summarise(cases([0.7])), "a", "dice")
    assert (dice.mean, dice.low, dice.high) == (0.7, None, None)
    assert dice.note == "1 case: no interval"


def test_no_case_has_no_summary():
    assert summarise([]) == ()
    assert compare([], []) == ()


def test_labels_come_by_value_and_regions_as_they_come():
    late = [case("a", label("z", 5)), case("b", label("y", 2), label("z", 5))]
    assert [each.name for each in summarise(late)][::6] == ["y", "z"]
    regions = [case("a", label("z", None), label("b", 1))]
    assert [each.name for each in summarise(regions)][::6] == ["z", "b"]


def test_comparison_pairs_cases_by_name():
    first = cases([0.5, 0.6, 0.7, 0.8, 0.4, 0.3, 0.2])
    second = cases([0.6, 0.8, 0.71, 0.85, 0.7, 0.7, 0.7])[:0:-1]
    dice = of(compare(first, second), "a", "dice")
    differences = [0.2, 0.01, 0.05, 0.3, 0.4, 0.5]
    assert dice.pairs == 6
    assert dice.difference == pytest.approx(np.mean(differences))
    assert dice.low > 0
    assert dice.p_value == pytest.approx(2 / 64)
    assert dice.p_adjusted == pytest.approx(2 / 64)


def test_comparison_corrects_over_labels_but_not_over_those_without_a_test():
    names = ("a", "b", "c")

    def model(shift):
        return [
            case(
                f"c{i}",
                label("a", 1, dice=0.5 + shift * (i + 1) / 100),
                label("b", 2, dice=0.5 + shift * (i + 1) / 100),
                label("c", 3, dice=0.5),
            )
            for i in range(6)
        ]

    found = compare(model(0), model(1))
    dice = [of(found, name, "dice") for name in names]
    assert [each.p_adjusted for each in dice[:2]] == pytest.approx([4 / 64] * 2)
    assert (dice[2].p_value, dice[2].p_adjusted) == (None, None)
    assert dice[2].note == (
        "0 of 6 pairs differ: fewer than 6 cannot give a p below 0.05"
    )


def test_volumes_are_compared_by_absolute_errors():
    first = [case("a", label(error=-4.0)), case("b", label(error=3.0))]
    second = [case("a", label(error=1.0)), case("b", label(error=-1.0))]
    found = compare(first, second)
    assert of(found, "a", "absolute_volume_error_ml").difference == -2.5
    assert not [each for each in found if each.metric.startswith("volume_error")]
