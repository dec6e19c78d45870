"""Planned memory against what torch allocates, and laws of what a training costs.

What the whole process takes is measured by ``benchmarks/improve_cost.py``. Planned and
measured peaks in MB, the old model asked in all but the last but one:

====== ========= ===== ======= ========= ======= ========
preset patch     heads part    recompute planned measured
====== ========= ===== ======= ========= ======= ========
tiny   48x64x48      3 full    no           1166     1172
tiny   48x64x48     60 full    no           1498     1436
tiny   48x64x48     11 decoder no            993     1010
tiny   48x64x48     11 head    no            657      714
tiny   64x80x64     11 full    no           1977     2123
tiny   64x80x64     60 full    no           2683     2686
tiny   64x80x64     60 full    yes          1873     1882
small  48x64x48     11 full    no           2197     2050
small  48x64x48     60 full    yes          1683     1540
small  48x64x48      3 decoder no           1627     1461
base   32x32x32      3 full    no           3289     3219
====== ========= ===== ======= ========= ======= ========
"""

import dataclasses
import subprocess
import sys

import pytest

from napari_mednext.errors import ModelError, ResourceError
from napari_mednext.models.network_shape import NetworkShape
from napari_mednext.models.training_cost import (
    CaseSize,
    TrainingWork,
    calibrated,
    training_cost,
)
from napari_mednext.models.training_fit import fit, reductions
from napari_mednext.models.training_memory import Update, forward_peak, update_peak

KWARGS = {
    "width": 8,
    "blocks": (1, 2, 1, 1, 2, 1, 2, 1, 1),
    "ratios": (2, 3, 4, 4, 2, 4, 3, 3, 2),
    "kernel_size": 3,
    "grn": "mean",
}
SHAPE = NetworkShape.from_kwargs(KWARGS, channels=2, heads=5)
PATCH = (32, 48, 32)
GB = 10**9


def counter():
    """Count the bytes of storages that are made; torch is loaded by then."""
    from napari_mednext.inference.footprint import _LiveBytes

    class Counter(_LiveBytes):
        def leave_out(self, tensors):
            self.held = [tensor.untyped_storage() for tensor in tensors]
            self._known |= {storage._cdata for storage in self.held}

    return Counter()


def network(heads=5, deep_supervision=True, **changes):
    import torch

    from napari_mednext.network import MedNeXt

    with torch.random.fork_rng():
        return MedNeXt(
            2, heads, deep_supervision=deep_supervision, **{**KWARGS, **changes}
        )


def counted(part="full", heads=5, *, asks=False, deep_supervision=True, **changes):
    """Peak of an update in bytes, without parameters, their gradients and the patch."""
    import torch

    from napari_mednext.training.tuning.classes import ClassMap
    from napari_mednext.training.tuning.losses import Objective
    from napari_mednext.training.tuning.parts import freeze_all_but

    net = network(heads, deep_supervision, **changes).train()
    teacher = network(heads, False) if asks else None
    names = tuple(str(n) for n in range(1, heads))
    classes = ClassMap(
        names, ((0, 0, 0),) * len(names), heads, {n: n for n in range(1, heads)}, ()
    )
    objective = Objective(classes, 0.3)
    learning = freeze_all_but(net, part)
    for parameter in learning:
        parameter.grad = torch.zeros_like(parameter)
    image = torch.zeros(1, 2, *PATCH)
    target = torch.zeros(1, *PATCH, dtype=torch.uint8)
    offset = torch.full((1, 3), 0.3)
    outside = [image, target, *net.parameters(), *(p.grad for p in learning)]
    outside += [] if teacher is None else teacher.parameters()
    with counter() as live:
        live.leave_out(outside)
        said = None
        if teacher is not None:
            with torch.no_grad():
                said = teacher(image)
        answer = net(image)
        outputs = answer if deep_supervision else [answer]
        objective(outputs, target, offset, said).backward()
    return live.peak


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        ({}, {}),
        ({"checkpointing": "expansion"}, {}),
        ({"part": "decoder"}, {}),
        ({"part": "decoder", "checkpointing": "expansion"}, {}),
        ({"part": "head"}, {}),
        ({"teacher_heads": 60}, {"heads": 60}),
        ({"part": "head", "teacher_heads": 5}, {}),
        ({"deep_supervision": False}, {}),
        ({}, {"grn": "none"}),
        ({}, {"kernel_size": 5}),
    ],
)
def test_planned_peak_of_an_update_is_what_torch_allocates(given, changes):
    heads = changes.get("heads", 5)
    shape = NetworkShape.from_kwargs(KWARGS | changes, channels=2, heads=heads)
    planned = update_peak(Update(shape, PATCH, **given))
    options = {k: v for k, v in given.items() if k != "teacher_heads"}
    real = counted(asks="teacher_heads" in given, **options, **changes)
    assert planned == pytest.approx(real, rel=0.08)


def test_planned_peak_of_a_forward_pass_is_what_torch_allocates():
    import torch

    net = network(deep_supervision=False).eval()
    image = torch.zeros(1, 2, *PATCH)
    with counter() as live, torch.inference_mode():
        live.leave_out([image, *net.parameters()])
        net(image)
    assert forward_peak(SHAPE, PATCH) == pytest.approx(live.peak, rel=0.08)


@pytest.mark.parametrize("deep_supervision", [True, False])
@pytest.mark.parametrize("changes", [{}, {"grn": "none"}, {"kernel_size": 5}])
def test_parameters_are_counted_exactly(changes, deep_supervision):
    from napari_mednext.training.tuning.parts import freeze_all_but

    shape = NetworkShape.from_kwargs(KWARGS | changes, channels=2, heads=5)
    net = network(5, deep_supervision, **changes)
    for part in ("full", "decoder", "head"):
        learned = sum(p.numel() for p in freeze_all_but(net, part))
        every = sum(p.numel() for p in net.parameters())
        known = shape.parameters(part, deep_supervision=deep_supervision)
        assert known == (every, learned)


def test_memory_grows_with_patch_batch_and_classes_and_falls_with_what_saves_it():
    plain = Update(SHAPE, (64, 80, 64))
    change = dataclasses.replace
    more = [
        change(plain, patch=(80, 80, 64)),
        change(plain, batch_size=2),
        change(plain, shape=change(SHAPE, heads=90)),
    ]
    less = [
        change(plain, checkpointing="expansion"),
        change(plain, part="decoder"),
        change(plain, part="head"),
    ]
    peak = update_peak(plain)
    assert min(update_peak(each) for each in more) > 1.1 * peak
    assert max(update_peak(each) for each in less) < 0.9 * peak
    assert update_peak(change(plain, batch_size=2)) == pytest.approx(2 * peak, rel=0.01)
    assert update_peak(plain, gpu=True) < 0.75 * peak


def work(patch=(96, 96, 96), **changes):
    update = Update(SHAPE, patch, teacher_heads=5)
    return TrainingWork(update, (CaseSize(30_000_000, 4_000_000, 2),), **changes)


def test_every_part_of_the_cost_counts():
    plain = training_cost(work())
    assert plain.gpu_bytes is None
    two = training_cost(dataclasses.replace(work(), cases=work().cases * 2))
    # In memory labels, what is known and the target; scans lie on the disk.
    assert two.ram_bytes - plain.ram_bytes == 30_000_000 * 4
    assert two.seconds_per_step == plain.seconds_per_step
    scans, masks = (30_000_000 + 4_000_000) * 2 * 4, 12_000_000
    assert two.disk_bytes - plain.disk_bytes == pytest.approx(scans + masks)
    folds = training_cost(work(folds=3))
    once = scans + masks + 5_000_000
    assert folds.disk_bytes - once > 2 * (plain.disk_bytes - once)
    assert folds.ram_bytes == plain.ram_bytes
    gpu = training_cost(work(device="gpu"))
    assert gpu.ram_bytes < plain.ram_bytes
    assert gpu.gpu_bytes > update_peak(work().update, gpu=True)
    assert gpu.seconds_per_step < plain.seconds_per_step / 5


def test_a_segmentation_that_takes_more_than_an_update_decides():
    small = Update(SHAPE, (32, 32, 32), part="head")
    some = CaseSize(10**6, 10**6, 2)
    least = training_cost(TrainingWork(small, (some,), tile=(32, 32, 32)))
    tiles = training_cost(TrainingWork(small, (some,), tile=(160, 160, 160)))
    assert tiles.ram_bytes > least.ram_bytes + 10**8


def test_time_follows_work_threads_and_earlier_jobs():
    one = training_cost(work(threads=1)).seconds_per_step
    assert one / 2 < training_cost(work(threads=2)).seconds_per_step < one
    head = dataclasses.replace(work().update, part="head", teacher_heads=0)
    alone = training_cost(TrainingWork(head)).seconds_per_step
    assert alone < training_cost(work()).seconds_per_step / 3
    slowness = calibrated([(1.0, 9.0), (1.0, 3.0), (2.0, 4.0), (1.0, 2.5), (0.0, 1.0)])
    assert slowness == 2.5, "the median of the last three that can be used"
    slow = training_cost(work(), slowness=slowness)
    assert slow.seconds_per_step == 2.5 * training_cost(work()).seconds_per_step
    assert calibrated([]) == 1.0


def test_what_fits_is_left_alone():
    assert fit(work(), available_ram=100 * GB) == work()
    assert reductions(work(), available_ram=100 * GB) == ()


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_largest_patch_that_fits_is_found(device):
    given = work((96, 112, 80), device=device)
    need = training_cost(given)
    least = work((32, 32, 32), device=device)
    low = training_cost(dataclasses.replace(least, tile=(96, 112, 80)))
    shares = []
    for share in (0.95, 0.7, 0.4, 0.2, 0.05):
        ram, gpu = 100 * GB, None
        if device == "gpu":
            gpu = round(
                (low.gpu_bytes + share * (need.gpu_bytes - low.gpu_bytes)) / 0.9
            )
        else:
            ram = round(
                (low.ram_bytes + share * (need.ram_bytes - low.ram_bytes)) / 0.9
            )
        found = fit(given, available_ram=ram, available_gpu=gpu)
        cost = training_cost(found)
        assert cost.ram_bytes <= 0.9 * ram
        assert gpu is None or cost.gpu_bytes <= 0.9 * gpu
        patch = found.update.patch
        assert all(edge % 16 == 0 and edge >= 32 for edge in patch)
        longer = [
            tuple(edge + 16 * (i == axis) for i, edge in enumerate(patch))
            for axis in range(3)
            if patch[axis] < given.update.patch[axis]
        ]
        costs = [
            training_cost(
                dataclasses.replace(
                    found, update=dataclasses.replace(found.update, patch=other)
                )
            )
            for other in longer
        ]
        too_much = [
            cost.ram_bytes > 0.9 * ram or (cost.gpu_bytes or 0) > 0.9 * (gpu or 0)
            for cost in costs
        ]
        assert not longer or any(too_much)
        shares.append(found.update.checkpointing)
    assert shares[0] == "none"
    assert shares[-1] == "expansion"
    assert max(patch) <= 80


def test_what_never_fits_is_refused_in_one_sentence():
    with pytest.raises(ResourceError, match=r"at least \d\.\d GB of main.*0\.5 GB may"):
        fit(work(), available_ram=GB // 2)
    with pytest.raises(ResourceError, match=r"at least .* of GPU memory, 0\.5 GB"):
        fit(work(device="gpu"), available_ram=100 * GB, available_gpu=GB // 2)


def test_each_reduction_that_is_offered_fits_alone():
    need = training_cost(work()).ram_bytes
    found = reductions(work(), available_ram=round(0.99 * need / 0.9))
    assert [words.partition(":")[0] for words in found] == [
        "set checkpointing to expansion",
        "train the decoder only",
        "lower the patch to 80 x 96 x 96 voxels",
    ]
    assert reductions(work(), available_ram=GB // 2) == ()


@pytest.mark.parametrize(
    "kwargs", [{}, KWARGS | {"blocks": (1, 2)}, KWARGS | {"ratios": "many"}]
)
def test_other_networks_are_refused(kwargs):
    with pytest.raises(ModelError, match=r"a width, 9 blocks and 9 ratios, got \["):
        NetworkShape.from_kwargs(kwargs, channels=1, heads=2)


def test_planning_loads_no_torch():
    code = (
        "import sys, napari_mednext.models.training_fit; print('torch' in sys.modules)"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.strip() == "False"
