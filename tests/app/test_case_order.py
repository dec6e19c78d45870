"""Orders of a study's cases, from what the model said of them."""

import pytest

from napari_mednext.app.case_order import case_order
from napari_mednext.study import CaseState
from tests.app.desk_parts import make_study


@pytest.fixture
def study(tmp_path):
    with make_study(tmp_path, count=5) as study:
        study.set_figures("case1", {1: 0.5}, {1: 9.0})
        study.set_figures("case2", {1: 0.4}, {1: 9.0})
        study.set_figures("case3", {2: 0.3}, {2: 1.0})
        yield study


def names(study, order):
    return [case.name for case in study.cases(order=order)]


def test_a_label_that_was_not_chosen_yet_comes_before_more_doubt_of_one_that_was(study):
    order = case_order(study, "doubt")
    assert order == ("case1", "case3", "case2")
    assert names(study, order) == ["case1", "case3", "case2", "case0", "case4"]


def test_accepted_cases_count_as_chosen_and_come_last(study):
    study.set_state("case1", CaseState.ACCEPTED)
    assert case_order(study, "doubt") == ("case3", "case2", "case1")


def test_next_and_previous_follow_the_order(study):
    order = case_order(study, "doubt")
    assert study.next("case1", order=order).name == "case3"
    assert study.previous("case2", order=order).name == "case3"
    assert study.next("case4", order=order) is None


def test_the_random_order_is_one_for_everybody_and_has_every_case(study):
    order = case_order(study, "random")
    assert order == case_order(study, "random")
    assert sorted(order) == ["case1", "case2", "case3"]
    assert len(names(study, order)) == 5


def test_other_orders_are_those_of_the_study(study):
    assert case_order(study, "name") == "name"
    assert case_order(study, "given") == "given"
