"""Orders of cases: laws, small ones by hand, and frequencies of random ones."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_mednext.correction.order import (
    CaseFigures,
    draw_chances,
    holding,
    order_by_doubt,
    order_foreground_random,
)
from napari_mednext.errors import SettingsError


def case(doubt, ml=None):
    return CaseFigures(doubt, dict.fromkeys(doubt, 5.0) if ml is None else ml)


def random_figures(cases=40, labels=7, seed=0):
    rng = np.random.default_rng(seed)
    figures = {}
    for index in rng.permutation(cases):
        values = [v for v in range(1, labels + 1) if rng.random() < 0.5]
        doubt = {v: float(rng.random()) for v in values}
        figures[f"case {index}"] = case(doubt)
    return figures


def slow_order(figures, chosen=None):
    """Greedy by the definition, one case at a time."""
    covered, left, order = dict(chosen or {}), dict(figures), []
    while left:
        score = {
            name: sum(d / (1 + covered.get(v, 0)) for v, d in each.doubt.items())
            for name, each in left.items()
        }
        best = min(left, key=lambda name: (-round(score[name], 12), name))
        for value in left.pop(best).doubt:
            covered[value] = covered.get(value, 0) + 1
        order.append(best)
    return tuple(order)


def test_doubtful_cases_come_first():
    figures = {"a": case({1: 0.1}), "b": case({1: 0.4}), "c": case({1: 0.3})}
    assert order_by_doubt(figures) == ("b", "c", "a")


def test_a_label_that_was_not_chosen_yet_comes_before_more_of_the_same():
    figures = {
        "liver 1": case({1: 0.6}),
        "liver 2": case({1: 0.5}),
        "liver 3": case({1: 0.45}),
        "spleen": case({2: 0.3}),
        "spleen less": case({2: 0.28}),
    }
    wanted = ("liver 1", "spleen", "liver 2", "liver 3", "spleen less")
    assert order_by_doubt(figures) == wanted
    # Ten livers are done: they are worth an eleventh.
    done = order_by_doubt(figures, chosen={1: 10})
    assert done[:2] == ("spleen", "spleen less")
    assert done[2:] == ("liver 1", "liver 2", "liver 3")


@pytest.mark.parametrize("seed", range(5))
def test_order_is_greedy_and_holds_every_case_once(seed):
    figures = random_figures(seed=seed)
    order = order_by_doubt(figures, chosen={1: 3, 4: 1})
    assert sorted(order) == sorted(figures)
    assert order == slow_order(figures, {1: 3, 4: 1})


@pytest.mark.parametrize("label", [1, 5])
def test_of_two_equal_cases_the_one_with_more_doubt_in_a_new_label_is_first(label):
    base = {2: 0.2, 3: 0.7}
    figures = {"a": case({**base, label: 0.3}), "b": case({**base, label: 0.31})}
    assert order_by_doubt(figures, chosen={2: 4, 3: 9})[0] == "b"


def test_equal_cases_come_by_name_in_any_order_of_the_mapping():
    figures = {name: case({1: 0.1, 2: 0.2, 3: 0.7}) for name in "cadb"}
    for names in itertools.permutations(figures):
        again = {name: figures[name] for name in names}
        assert order_by_doubt(again) == ("a", "b", "c", "d")
    nothing = {name: CaseFigures() for name in ("z", "y")}
    assert order_by_doubt(nothing) == ("y", "z")
    assert order_by_doubt({}) == ()


def test_a_label_without_volume_is_not_there():
    figures = {
        "phantom": case({1: 0.9}, ml={1: 0.0, 2: 3.0}),
        "real": case({1: 0.2}),
        "background": case({0: 0.99}, ml={0: 900.0}),
    }
    assert order_by_doubt(figures) == ("real", "background", "phantom")
    assert holding(figures) == {1: 1, 2: 1}


def test_holding_counts_cases():
    figures = {"a": case({1: 0.1, 2: 0.1}), "b": case({2: 0.5}), "c": CaseFigures()}
    assert holding(figures) == {1: 1, 2: 2}
    assert holding({}) == {}


FIGURES = {
    "common 1": case({1: 0.1}),
    "common 2": case({1: 0.1}),
    "rare": case({1: 0.1, 7: 0.1}),
    "empty": CaseFigures(),
}


def test_chances_are_those_of_drawing_a_label_first():
    chances = draw_chances(FIGURES, foreground=0.6)
    # Label 1: three cases; label 7: one. Each label has half of the 0.6.
    assert chances == pytest.approx(
        {
            "common 1": 0.1 + 0.1,
            "common 2": 0.1 + 0.1,
            "rare": 0.1 + 0.3 + 0.1,
            "empty": 0.1,
        }
    )
    assert draw_chances(FIGURES, foreground=0) == dict.fromkeys(FIGURES, 0.25)
    assert sum(draw_chances(random_figures()).values()) == pytest.approx(1)
    nothing = {name: CaseFigures() for name in "ab"}
    assert draw_chances(nothing) == {"a": 0.5, "b": 0.5}
    assert draw_chances({}) == {}


def test_first_draws_have_their_chances():
    runs = 4000
    firsts = dict.fromkeys(FIGURES, 0)
    for seed in range(runs):
        firsts[order_foreground_random(FIGURES, seed)[0]] += 1
    for name, chance in draw_chances(FIGURES).items():
        spread = np.sqrt(chance * (1 - chance) / runs)
        assert abs(firsts[name] / runs - chance) < 4 * spread


def test_a_case_that_is_never_drawn_comes_last():
    for seed in range(20):
        order = order_foreground_random(FIGURES, seed, foreground=1)
        assert order[-1] == "empty"
        assert sorted(order) == sorted(FIGURES)


def test_a_seed_gives_one_order_everywhere():
    figures = random_figures()
    order = order_foreground_random(figures, 11)
    assert sorted(order) == sorted(figures)
    assert order_foreground_random(dict(reversed(figures.items())), 11) == order
    assert order_foreground_random(figures, 12) != order
    code = (
        "from tests.correction.test_order import *\n"
        "print('|'.join(order_foreground_random(random_figures(), 11)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert tuple(done.stdout.strip().split("|")) == order


def test_a_case_that_is_added_leaves_the_others_where_they_are():
    figures = {f"case {n}": case({1: 0.2}) for n in range(30)}
    before = order_foreground_random(figures, 5)
    after = order_foreground_random({**figures, "another": case({1: 0.2})}, 5)
    assert tuple(name for name in after if name != "another") == before


@pytest.mark.parametrize("part", [-0.01, 1.01, float("nan")])
def test_a_part_outside_its_range_is_refused(part):
    with pytest.raises(SettingsError, match=rf"between 0 and 1, got {part}: choose"):
        order_foreground_random(FIGURES, 1, foreground=part)
    assert draw_chances(FIGURES, foreground=1)["empty"] == 0
