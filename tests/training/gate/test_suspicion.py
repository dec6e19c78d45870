"""Poisoned corrections are noticed, honest ones are not."""

import numpy as np
import pytest
from scipy import ndimage

from napari_mednext.errors import GeometryError
from napari_mednext.training.gate import (
    correction_of,
    suspicions,
    suspicions_over_cases,
)
from napari_mednext.training.gate.shifts import best_shift
from tests.training.gate import phantoms
from tests.training.gate.phantoms import HONEST, LABELS, POISONS, SPACING

#: Draws of every kind: in the everyday run, and in the slow one that states the rates.
FEW, MANY = 4, 50


def kinds(drawn):
    return [
        each.kind
        for each in suspicions(drawn.answer, drawn.labels, drawn.known, SPACING, LABELS)
    ]


def generator(kind, seed):
    return np.random.default_rng([seed, *kind.encode()])


def honest_failures(kind, draws):
    return [
        seed
        for seed in range(draws)
        if kinds(phantoms.honest(generator(kind, seed), kind))
    ]


def poison_misses(kind, draws):
    return [
        seed
        for seed in range(draws)
        if not kinds(phantoms.poisoned(generator(kind, seed), kind))
    ]


@pytest.mark.parametrize("kind", HONEST)
def test_honest_corrections_pass(kind):
    assert honest_failures(kind, FEW) == []


@pytest.mark.parametrize("kind", POISONS)
def test_poisoned_corrections_are_noticed(kind):
    assert poison_misses(kind, 2 * FEW) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", HONEST)
def test_rate_of_honest_corrections_that_pass(kind):
    """Of 220 draws of every kind one at most was suspected; here are fewer."""
    assert len(honest_failures(kind, MANY)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", POISONS)
def test_rate_of_poisoned_corrections_that_are_noticed(kind):
    """Of 220 draws of every kind all were noticed; here are fewer."""
    assert len(poison_misses(kind, MANY)) <= 1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("step", [-10, 10])
@pytest.mark.parametrize("planes", [None, [15, 16, 17]])
def test_a_shift_is_found_where_it_is(axis, step, planes):
    rng = np.random.default_rng(4)
    reference = phantoms.truth(rng, 3)
    offset = [0, 0, 0]
    offset[axis] = step
    moved = np.roll(np.pad(reference, 10), offset, (0, 1, 2))[10:-10, 10:-10, 10:-10]
    known = np.ones(reference.shape, bool)
    if planes is not None:
        known[:] = False
        known[[plane + offset[0] for plane in planes]] = True
    found = best_shift(reference, moved, known)
    assert found.offset == tuple(offset)
    assert found.dice == 1.0
    assert found.dice_unmoved < 0.9
    (doubt,) = suspicions(reference, moved, known, SPACING, LABELS, case="c")
    assert doubt.kind == "shifted"
    mm = 10 * SPACING[axis]
    assert (
        f"in 'c' seem to be moved by 10 voxels ({mm:.0f} mm) along {'zyx'[axis]}"
        in (doubt.sentence)
    )


def test_swapped_labels_are_named():
    rng = np.random.default_rng(2)
    reference = phantoms.truth(rng, 3)
    table = np.array([0, 3, 2, 1])
    known = np.ones(reference.shape, bool)
    (doubt,) = suspicions(reference, table[reference], known, SPACING, LABELS, case="c")
    assert (doubt.kind, doubt.case) == ("swapped", "c")
    assert doubt.sentence.startswith("liver and left kidney seem to be swapped in 'c'")
    ring = np.array([0, 2, 3, 1])[reference]
    (doubt,) = suspicions(reference, ring, known, SPACING, LABELS)
    assert doubt.sentence.startswith("liver, left kidney and spleen seem") or (
        doubt.sentence.startswith("liver, spleen and left kidney seem")
    )


def test_a_swap_of_which_every_case_shows_one_side_is_seen_over_all():
    corrections = []
    for mine, other in ((1, 2), (2, 1)):
        answer, labels = np.zeros((2, 15, 21, 18), np.uint8)
        answer[3:12, 4:17, 2:15] = mine
        labels[3:12, 4:17, 2:15] = other
        known = labels >= 0
        found = correction_of(answer, labels, known, SPACING, LABELS)
        assert found.suspicions == ()
        corrections.append(found)
    assert suspicions_over_cases(corrections[:1], LABELS) == ()
    (doubt,) = suspicions_over_cases(corrections, LABELS)
    assert doubt.sentence.startswith("liver and spleen seem to be swapped: each")


def test_a_mask_turned_inside_out_is_swapped_with_the_background():
    reference = np.zeros((15, 21, 18), np.uint8)
    reference[3:12, 4:17, 2:15] = 1
    known = np.ones(reference.shape, bool)
    (doubt,) = suspicions(reference, 1 - reference, known, SPACING, LABELS)
    assert doubt.sentence.startswith("background and liver seem to be swapped")


def test_labels_wiped_where_little_was_reviewed_are_noticed():
    rng = np.random.default_rng(5)
    reference = phantoms.truth(rng, 1)
    known = np.zeros(reference.shape, bool)
    known[16:18] = True
    labels = np.where(known, 0, reference)
    (doubt,) = suspicions(reference, labels, known, SPACING, LABELS)
    assert doubt.kind == "emptied"
    # Specks besides the largest piece are not counted.
    pieces, _ = ndimage.label(reference)
    largest = pieces == np.bincount(pieces[pieces > 0]).argmax()
    seen = np.count_nonzero(largest[16:18])
    assert f"where the model saw {seen} voxels" in doubt.sentence


def test_a_label_lost_in_every_case_is_suspicious_in_several_only():
    rng = np.random.default_rng(6)
    corrections = []
    for number in range(3):
        reference = phantoms.truth(rng, 3)
        labels = np.where(reference == 2, 0, reference)
        known = np.ones(reference.shape, bool)
        found = correction_of(
            reference, labels, known, SPACING, LABELS, case=f"c{number}"
        )
        assert found.suspicions == ()
        assert (found.large, found.lost) == ({1, 2, 3}, {2})
        corrections.append(found)
    assert suspicions_over_cases(corrections[:1], LABELS) == ()
    (doubt,) = suspicions_over_cases(corrections, LABELS)
    assert doubt.sentence.startswith("spleen became background in all 3 cases")
    kept = correction_of(reference, reference, known, SPACING, LABELS)
    assert suspicions_over_cases([*corrections, kept], LABELS) == ()


def test_nothing_reviewed_and_nothing_labelled_is_no_suspicion():
    zeros = np.zeros((5, 6, 7), np.uint8)
    for known in (zeros > 0, zeros == 0):
        assert suspicions(zeros, zeros, known, SPACING, LABELS) == ()
    assert best_shift(zeros, zeros, zeros == 0) is None


def test_arrays_of_other_shapes_are_refused():
    zeros = np.zeros((5, 6, 7), np.uint8)
    with pytest.raises(GeometryError, match=r"one \(z, y, x\) shape, got \(5, 6, 7\)"):
        suspicions(zeros, zeros[1:], zeros > 0, SPACING, LABELS)
