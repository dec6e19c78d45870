import math

import numpy as np
import pytest
import torch

from napari_mednext.labels import Label, LabelSet
from napari_mednext.training.losses import dice_cross_entropy
from napari_mednext.training.tuning.classes import IGNORE_HEAD, class_map
from napari_mednext.training.tuning.losses import (
    Objective,
    coarse_target,
    distillation,
    partial_dice_cross_entropy,
)
from napari_mednext.training.tuning.origins import Hearing, allowed_table, hear
from napari_mednext.training.tuning.tuner import Batch

IGNORE = IGNORE_HEAD


def labels(**values):
    return LabelSet(tuple(Label(v, n, (0, 0, 0)) for n, v in values.items()))


def random_case(seed, classes=4, shape=(6, 4, 8), known=0.6):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, *shape, generator=generator, dtype=torch.float64)
    target = torch.randint(0, classes, (2, *shape), generator=generator)
    looked = torch.rand(target.shape, generator=generator) < known
    return logits.float(), torch.where(looked, target, IGNORE)


def test_with_nothing_merged_it_is_the_loss_of_nnunet():
    logits, target = random_case(1)
    ours = partial_dice_cross_entropy(
        logits, target, background=(0,), foreground=(1, 2, 3)
    )
    assert ours.item() == pytest.approx(
        dice_cross_entropy(logits, target, ignore=IGNORE).item(), abs=1e-5
    )


def test_merged_background_against_a_slow_sum():
    logits, target = random_case(2, classes=5)
    target[(target == 3) | (target == 4)] = 0  # the study has no label for them
    p = torch.softmax(logits, 1).numpy().astype(float)
    values = target.numpy()
    entropy, count = 0.0, 0
    overlap, predicted, present = np.zeros(5), np.zeros(5), np.zeros(5)
    for index in np.argwhere(values != IGNORE):
        n, z, y, x = index
        row, value = p[n, :, z, y, x], values[n, z, y, x]
        right = row[0] + row[3] + row[4] if value == 0 else row[value]
        entropy -= math.log(right)
        count += 1
        predicted += row
        present[value] += 1
        overlap[value] += row[value]
    dice = (2 * overlap + 1e-5) / (predicted + present + 1e-5)
    slow = entropy / count + 1 - dice[[1, 2]].mean()
    ours = partial_dice_cross_entropy(
        logits, target, background=(0, 3, 4), foreground=(1, 2)
    )
    assert ours.item() == pytest.approx(slow, abs=1e-5)


def test_what_nobody_saw_has_no_gradient():
    logits, target = random_case(3)
    logits.requires_grad_()
    partial_dice_cross_entropy(
        logits, target, background=(0,), foreground=(1, 2, 3)
    ).backward()
    unseen = (target == IGNORE)[:, None].expand_as(logits)
    assert logits.grad[unseen].abs().max() == 0
    assert logits.grad[~unseen].abs().min() > 0


def test_a_patch_that_nobody_saw_teaches_nothing():
    logits, target = random_case(4, known=0)
    logits.requires_grad_()
    loss = partial_dice_cross_entropy(logits, target, background=(0,), foreground=(1,))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_a_student_that_says_what_the_teacher_says_is_not_corrected():
    classes = class_map(labels(a=1, b=2), labels(a=1, b=2))
    logits, target = random_case(5, classes=3)
    logits.requires_grad_()
    loss = distillation(logits, logits.detach(), target, classes)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-7


@pytest.mark.parametrize("origin", [0, 2])
def test_a_new_class_may_take_from_its_origin_and_from_nothing_else(origin):
    """All of the origin's probability may move to the new class at no cost."""
    classes = class_map(labels(a=1, b=2), labels(a=1, b=2, new=3))
    teacher, target = random_case(6, classes=3, known=0)
    teacher[:, origin] += 20  # what it says everywhere
    log_p = torch.log_softmax(teacher, 1)
    heard = Hearing({3: {0: 0.5, origin: 0.5}})
    for share in (0.0, 0.3, 0.999):
        rest = log_p.clone()
        rest[:, origin] += math.log(1 - share)
        new = log_p[:, origin : origin + 1] + math.log(max(share, 1e-30))
        student = torch.cat([rest, new], 1)
        loss = distillation(student, teacher, target, classes, heard)
        assert loss.item() == pytest.approx(0, abs=1e-5)
    only_one = Hearing({3: {1: 1.0}})
    other = distillation(student, teacher, target, classes, only_one)
    assert origin == 0 or other.item() > 1  # the background is always an origin


def test_distillation_counts_what_is_unseen_and_what_the_study_does_not_label():
    classes = class_map(labels(a=1, b=2), labels(a=5))
    teacher = torch.zeros(1, 3, 2, 2, 2)
    teacher[:, 2] = 4  # sure of b, which the study does not label
    student = torch.zeros(1, 3, 2, 2, 2, requires_grad=True)
    target = torch.full((1, 2, 2, 2), 1)
    target[0, 0, 0, 0] = 0
    target[0, 1, 1, 1] = IGNORE
    distillation(student, teacher, target, classes).backward()
    touched = student.grad.abs().sum(1)[0] > 0
    assert touched.nonzero().tolist() == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize("trust", [(), (0.9, 0.2, 0.6)])
def test_distillation_against_a_slow_sum(trust):
    classes = class_map(labels(a=1, b=2), labels(a=1, b=2, new=3))
    logits, target = random_case(7, classes=4)
    teacher, _ = random_case(8, classes=3)
    p = torch.softmax(logits.double(), 1).numpy()
    q = torch.softmax(teacher.double(), 1).numpy()
    sums, counts = np.zeros(3), np.zeros(3)
    for n, z, y, x in np.argwhere(target.numpy() == IGNORE):
        mine = p[n, :, z, y, x]
        his = q[n, :, z, y, x]
        new, mine = mine[3], mine[:3].copy()
        if his.argmax() in (0, 2):
            mine[his.argmax()] += new
        sureness = 1 + (his * np.log(his)).sum() / math.log(3)
        sureness *= trust[his.argmax()] ** 4 if trust else 1
        sums[his.argmax()] += sureness * (his * np.log(his / mine)).sum()
        counts[his.argmax()] += 1
    heard = Hearing({3: {0: 0.5, 2: 0.5}}, trust)
    ours = distillation(logits, teacher, target, classes, heard)
    expected = (sums / (counts + 100)).sum() / (counts / (counts + 100)).sum()
    assert ours.item() == pytest.approx(expected, rel=1e-4)


def test_a_small_class_counts_in_the_distillation_as_a_large_one():
    """10 000 voxels of background, 1000 of a class, each wrong to the same degree."""
    classes = class_map(labels(a=1), labels(a=1))
    teacher = torch.full((1, 2, 11, 10, 100), -3.0)
    teacher[:, 0, :10] = teacher[:, 1, 10:] = 3.0
    target = torch.full((1, 11, 10, 100), IGNORE)
    wrong = []
    for part in (slice(0, 10), slice(10, 11)):
        student = teacher.clone()
        student[:, :, part] = 0
        wrong.append(distillation(student, teacher, target, classes).item())
    large, small = wrong
    assert small == pytest.approx(large, rel=0.1)


def test_origins_are_what_the_old_model_says_of_the_new_class():
    classes = class_map(labels(a=1, b=2), labels(a=1, b=2, new=3, other=4))
    said = torch.zeros(1, 3, 4, 4, 4)
    said[:, 1, :2] = 1
    said[:, 2, 2:] = 1
    target = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    target[0, 0] = target[0, 3, 0] = 3
    batch = Batch(torch.zeros(1, 1, 4, 4, 4), target, torch.zeros(1, 3))
    found = hear(classes, lambda _: batch, lambda _: said).origins
    assert found == {3: {1: 0.8, 2: 0.2}, 4: {}}
    assert allowed_table(classes, found).tolist() == [
        [True, True],
        [True, False],
        [True, False],
    ]


def test_an_old_model_is_trusted_as_far_as_it_was_right():
    """Of 1000 voxels that it calls a, 400 are; all that it calls b are or became new;
    what it calls c is background here, for the study has no label for it."""
    classes = class_map(labels(a=1, b=2, c=3), labels(a=1, b=2, new=4))
    said = torch.zeros(1, 4, 3, 10, 100)
    target = torch.full((1, 3, 10, 100), IGNORE)
    for plane, head in enumerate((1, 2, 3)):
        said[0, head, plane] = 5
    target[0, 0, :4], target[0, 0, 4:] = 1, 0
    target[0, 1, :5], target[0, 1, 5:9] = 2, 4
    target[0, 2, 2:] = 0
    batch = Batch(torch.zeros(1, 1, 3, 10, 100), target, torch.zeros(1, 3))
    asked = []

    def draw(step):
        asked.append(step)
        return batch

    heard = hear(classes, draw, lambda _: said)
    assert asked == list(range(8))
    assert heard.origins == {4: {2: 1.0}}
    benefit = 500
    a = (8 * 400 + benefit) / (8 * 1000 + benefit)
    assert heard.trust == pytest.approx((1.0, a, 1.0, 1.0))


def test_where_nothing_is_known_everything_is_trusted():
    classes = class_map(labels(a=1), labels(a=1))
    blind = torch.full((1, 4, 4, 4), IGNORE)
    batch = Batch(torch.zeros(1, 1, 4, 4, 4), blind, torch.zeros(1, 3))
    heard = hear(classes, lambda _: batch, lambda _: torch.zeros(1, 2, 4, 4, 4))
    assert heard == Hearing({}, (1.0, 1.0))


def test_coarse_targets_are_every_second_voxel_where_all_is_known():
    target = torch.randint(0, 5, (2, 8, 4, 12))
    assert torch.equal(coarse_target(target, 2), target[:, ::2, ::2, ::2])
    assert torch.equal(coarse_target(target, 4), target[:, ::4, ::4, ::4])


def test_a_single_slice_is_not_missed_at_coarse_resolutions():
    target = torch.full((1, 16, 16, 16), IGNORE)
    target[0, 5] = torch.randint(0, 3, (16, 16))
    for stride in (2, 4, 8, 16):
        coarse = coarse_target(target, stride)
        seen = (coarse != IGNORE).any(dim=(2, 3))[0]
        assert seen.nonzero()[:, 0].tolist() == [5 // stride]
        assert torch.equal(coarse[0, 5 // stride], target[0, 5, ::stride, ::stride])


def test_the_objective_weighs_resolutions_by_halves():
    classes = class_map(labels(a=1, b=2), labels(a=1, b=2))
    fine, target = random_case(9, classes=3, shape=(4, 4, 4))
    coarse = torch.randn(2, 3, 2, 2, 2)
    offset = torch.zeros(2, 3)
    whole = Objective(classes, 0.0)([fine, coarse], target, offset)
    parts = [
        partial_dice_cross_entropy(x, t, background=(0,), foreground=(1, 2))
        for x, t in ((fine, target), (coarse, coarse_target(target, 2)))
    ]
    assert whole.item() == pytest.approx((2 * parts[0] + parts[1]).item() / 3, rel=1e-5)


def test_the_teacher_counts_by_its_weight():
    classes = class_map(labels(a=1, b=2), labels(a=1, b=2))
    fine, target = random_case(10, classes=3)
    teacher, _ = random_case(11, classes=3)
    offset = torch.zeros(2, 3)
    plain = Objective(classes, 0.0)([fine], target, offset, teacher)
    both = Objective(classes, 0.5)([fine], target, offset, teacher)
    expected = plain + 0.5 * distillation(fine, teacher, target, classes)
    assert both.item() == pytest.approx(expected.item(), rel=1e-5)
