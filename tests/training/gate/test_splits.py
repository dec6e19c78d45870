"""Nobody is on both sides, and who judges once, judges always."""

import json

import numpy as np
import pytest

from napari_mednext.training.gate import ReviewedCase, Split, split_cases

PLENTY = 50_000


def case(name, patient="", digest="", voxels=PLENTY):
    return ReviewedCase(name, patient, digest, voxels, 0.5)


def drawn(rng, count):
    """Cases of fewer patients, some of them copies, some hardly reviewed."""
    cases = []
    for number in range(count):
        patient = rng.choice(["", f"P{rng.integers(1, count + 1)}"])
        digest = rng.choice(["", f"D{rng.integers(1, 2 * count)}"])
        voxels = int(rng.choice([10, PLENTY, 2 * PLENTY]))
        cases.append(case(f"c{number:02d}", str(patient), str(digest), voxels))
    return cases


def joined(cases):
    """Slow oracle: pairs of cases that share a patient or an image, closed."""
    names = [each.name for each in cases]
    links = np.array(
        [
            [
                a.person == b.person or (a.digest != "" and a.digest == b.digest)
                for b in cases
            ]
            for a in cases
        ]
    ).reshape(len(cases), len(cases))
    for _ in cases:
        links = links | (links.astype(int) @ links.astype(int) > 0)
    return {
        (names[i], names[j])
        for i in range(len(names))
        for j in range(len(names))
        if links[i, j]
    }


@pytest.mark.parametrize("seed", range(60))
def test_no_patient_or_image_on_both_sides(seed):
    rng = np.random.default_rng(seed)
    cases = drawn(rng, int(rng.integers(1, 14)))
    pairs = joined(cases)
    split = split_cases(cases, seed=seed, locked=(), trained=())
    assert all(
        (one, other) not in pairs
        for fold in split.folds
        for one in fold.train
        for other in fold.judged
    )
    shuffled = [cases[i] for i in rng.permutation(len(cases))]
    assert split_cases(shuffled, seed=seed, locked=(), trained=()) == split
    big = {each.name for each in cases if each.voxels >= PLENTY}
    judged = [name for fold in split.folds for name in fold.judged]
    assert set(judged) <= big
    assert len(set(judged)) == len(judged)


@pytest.mark.parametrize("seed", range(25))
def test_adding_cases_moves_no_patient(seed):
    rng = np.random.default_rng(seed)
    cases = drawn(rng, 14)
    locked, trained = frozenset(), set()
    for count in range(1, 15):
        split = split_cases(cases[:count], seed=1, locked=locked, trained=trained)
        assert locked <= split.locked
        by_name = {each.name: each.person for each in cases}
        now = {by_name[name] for name in split.train}
        assert not now & split.locked
        # Only a copy of a locked image takes a patient out of training again.
        assert not (split.locked - locked) & trained or split.duplicates
        locked, trained = split.locked, trained | now


@pytest.mark.parametrize(("patients", "count"), [(4, 1), (6, 2), (8, 2), (12, 3)])
def test_about_a_quarter_is_locked_by_name_and_seed(patients, count):
    cases = [case(f"c{n}", f"P{n}") for n in range(patients)]
    split = split_cases(cases, seed=7, locked=(), trained=())
    assert split.scheme == "hold-out"
    assert len(split.locked) == count
    assert split.folds[0].is_final
    assert len(split.train) == patients - count
    seeds = {
        split_cases(cases, seed=seed, locked=(), trained=()).locked
        for seed in range(30)
    }
    assert len(seeds) > 3


def test_two_or_three_patients_judge_each_other():
    cases = [case("a1", "A"), case("a2", "A"), case("b", "B"), case("c", "C")]
    split = split_cases(cases, seed=0, locked=(), trained=("A",))
    assert split.scheme == "leave-one-out"
    sides = {fold.judged: set(fold.train) for fold in split.folds}
    assert sides == {
        ("a1", "a2"): {"b", "c"},
        ("b",): {"a1", "a2", "c"},
        ("c",): {"a1", "a2", "b"},
    }
    assert split.seen == ("a1", "a2")
    assert set(split.train) == {"a1", "a2", "b", "c"}
    assert split.locked == frozenset()


def test_patients_that_were_trained_on_are_not_locked():
    cases = [case(f"c{n}", f"P{n}") for n in range(5)]
    trained = ("P0", "P3", "P4")
    split = split_cases(cases, seed=0, locked=(), trained=trained)
    assert split.locked < {"P1", "P2"}
    assert len(split.locked) == 1
    everyone = split_cases(cases, seed=0, locked=(), trained=("P1", "P2", *trained))
    assert (everyone.scheme, len(everyone.folds)) == ("leave-one-out", 3)


@pytest.mark.parametrize("seed", range(5))
def test_the_only_new_patient_teaches(seed):
    """One new case a round: the fourth must be learned like the three before."""
    cases = [case(f"c{n}", f"P{n}") for n in range(4)]
    trained = ("P0", "P1", "P2")
    split = split_cases(cases, seed=seed, locked=(), trained=trained)
    assert (split.scheme, split.locked) == ("leave-one-out", frozenset())
    assert "c3" in split.train
    assert "c3" in {name for fold in split.folds for name in fold.judged}
    wanted = split_cases(
        cases, seed=seed, locked=(), trained=trained, scheme="hold-out"
    )
    assert wanted.locked == {"P3"}


def test_what_the_user_wants_is_done():
    cases = [case(f"c{n}", f"P{n}") for n in range(6)]
    wanted = split_cases(cases, seed=0, locked=(), trained=(), scheme="leave-one-out")
    assert wanted.scheme == "leave-one-out"
    assert sorted(n for f in wanted.folds for n in f.judged) == [
        f"c{n}" for n in range(6)
    ]
    two = split_cases(cases[:2], seed=0, locked=(), trained=(), scheme="hold-out")
    assert (two.scheme, len(two.locked)) == ("hold-out", 1)


def test_locked_patient_without_training_cases_judges_nothing():
    split = split_cases([case("a", "A")], seed=0, locked=("A",), trained=())
    assert (split.scheme, split.train, split.folds) == ("none", (), ())


def test_one_patient_is_cut_and_its_copy_hides_the_same():
    known = np.ones((9, 40, 31), bool)
    cases = [case("a", "A", "D", 2 * PLENTY), case("copy", "B", "D"), case("few", "F")]
    cases[2] = case("few", "F", voxels=10)
    split = split_cases(
        cases, seed=0, locked=(), trained=(), load=lambda name: (known, None)
    )
    assert split.scheme == "blocks"
    assert split.duplicates == (("a", "copy"),)
    assert len(split.folds) == 3
    for fold in split.folds:
        assert fold.judged == ("a",)
        assert fold.train == ("a", "copy", "few")
        judged = fold.judged_mask("a", known)
        assert not (fold.trained_mask("copy", known) & judged).any()
        assert fold.trained_mask("few", known).all()
    whole = sum(fold.judged_mask("a", known).astype(int) for fold in split.folds)
    assert (whole == 1).all()


def test_a_split_survives_json():
    known = np.ones((9, 40, 31), bool)
    for cases in (
        [case("a")],
        [case("a", "", "D"), case("b", "", "D"), case("c")],
        [case(f"c{n}") for n in range(5)],
    ):
        split = split_cases(
            cases, seed=0, locked=(), trained=("c",), load=lambda name: (known, None)
        )
        assert Split.from_dict(json.loads(json.dumps(split.to_dict()))) == split
