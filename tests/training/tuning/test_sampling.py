import concurrent.futures
import dataclasses
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from napari_mednext.preprocessing import preprocess
from napari_mednext.preprocessing.pipeline import plan_geometry
from napari_mednext.training.losses import dice_cross_entropy
from napari_mednext.training.tuning import places, sampling
from napari_mednext.training.tuning.lattice import (
    place_lattice,
    read_image,
    read_target,
)
from napari_mednext.training.tuning.places import find_places
from napari_mednext.training.tuning.sampling import PatchSampler, TuningCase

SPACING = (2.0, 1.5, 1.2)
#: Odd numbers, so that no point lies just between two voxels.
OBLIQUE = np.array(
    [[0.8137, -0.3191, 0.1043], [0.4213, 1.0171, -0.2519], [-0.0527, 0.3041, 1.1083]]
)
MATRICES = {
    "plain": np.eye(3),
    "mirrored": np.diag([-1.0, 1.0, -1.0]),
    "oblique": OBLIQUE,
    "oblique and mirrored": OBLIQUE * [1, -1, 1],
}


def make_case(seed=0, *, native=(21, 34, 27), grid=(17, 25, 31), channels=1, **changes):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 5, native).astype(np.uint8)
    target[: native[0] // 3] = 255
    target = changes.get("target", target)
    arguments = {
        "name": "a",
        "data": rng.standard_normal((channels, *grid)).astype(np.float32),
        "target": target,
        "changed": np.argwhere(target == 3)[::5].astype(np.int32),
        "share": 1.0,
        "spacing": SPACING,
    }
    return TuningCase(**(arguments | changes))


def make_plan(spacing, transpose):
    return SimpleNamespace(
        spacing=spacing,
        transpose_forward=transpose,
        normalization_schemes=("NoNormalization",),
        use_mask_for_norm=(False,),
        intensity_properties=({},),
        resampling_data=SimpleNamespace(order=1, order_z=0, force_separate_z=None),
    )


def make_sampler(*cases, patch=(16, 12, 16), **changes):
    arguments = {
        "augment": True,
        "changed_share": 0.5,
        "mirror_axes": (0, 1, 2),
        "seed": 7,
    }
    return PatchSampler(cases, patch, **(arguments | changes))


@pytest.fixture
def still(monkeypatch):
    """Leave brightness alone, so that images can be told from positions."""
    monkeypatch.setattr(sampling, "augment_intensity", lambda *_: None)


# --- where targets and images are read ------------------------------------------------


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_targets_are_the_labels_at_the_points(matrix):
    """Against a loop that goes through millimetres, of a turned and cropped scan."""
    rng = np.random.default_rng(3)
    image = np.zeros((1, 24, 19, 30), np.float32)
    image[0, 3:22, 2:18, 5:27] = rng.uniform(1, 2, (19, 16, 22))
    labels = rng.integers(0, 200, image.shape[1:]).astype(np.uint8)
    spacing = (1.0, 2.5, 0.8)
    plan = make_plan((1.3, 1.1, 1.7), (1, 2, 0))
    geometry = plan_geometry(image, spacing, plan)
    assert geometry.new_shape != geometry.cropped_shape
    cropped = labels.transpose(1, 2, 0)[geometry.slices]
    patch = (8, 9, 7)
    for _ in range(6):
        lattice = place_lattice(
            rng.integers(cropped.shape),
            cropped.shape,
            grid=geometry.new_shape,
            patch=patch,
            matrix=matrix,
            rng=rng,
        )
        found = read_target(cropped, geometry.new_shape, lattice, ignore=255)
        compared = 0
        for p in np.ndindex(patch):
            place = np.array(p) + lattice.offset - (np.array(patch) - 1) / 2
            place = lattice.centre + matrix @ place
            index, is_outside, tie = [0, 0, 0], False, False
            for k in range(3):
                axis = (1, 2, 0)[k]
                start, stop = geometry.box[k]
                extent_mm = (stop - start) * spacing[axis]
                mm = (place[k] + 0.5) * extent_mm / geometry.new_shape[k]
                position = mm / spacing[axis]  # voxel i reaches from i to i + 1
                is_outside |= not 0 <= position < stop - start
                index[axis] = start + int(np.floor(position))
                tie |= abs(position - round(position)) < 1e-4
            if not tie:
                assert found[p] == (255 if is_outside else labels[tuple(index)])
                compared += 1
        # With sizes of small ratio whole planes lie just between two voxels.
        assert compared > 0.5 * found.size


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("grid", [(17, 25, 31), (5, 7, 40), (1, 30, 9)])
def test_images_are_interpolated_linearly(matrix, grid):
    rng = np.random.default_rng(1)
    data = rng.standard_normal((2, *grid)).astype(np.float32)
    patch = (9, 12, 11)
    for _ in range(4):
        lattice = place_lattice(
            rng.integers(grid), grid, grid=grid, patch=patch, matrix=matrix, rng=rng
        )
        found = read_image(data, lattice)
        p = np.stack(np.meshgrid(*map(np.arange, patch), indexing="ij"))
        middle = (np.array(patch) - 1)[:, None, None, None] / 2
        place = np.einsum("ij,j...->i...", matrix, p - middle)
        place += lattice.centre[:, None, None, None]
        size = np.array(grid)[:, None, None, None]
        outside = ((place < -0.5) | (place >= size - 0.5)).any(0)
        for channel, truth in zip(found, data, strict=True):
            expected = ndimage.map_coordinates(truth, place, order=1, mode="nearest")
            expected[outside] = 0
            if lattice.is_plain:
                assert np.array_equal(channel, expected)
            else:
                assert np.allclose(channel, expected, atol=2e-5)
    assert found.flags.c_contiguous
    assert not np.shares_memory(found, data)


def test_a_scan_that_cannot_be_written_can_be_read():
    case = make_case()
    case.data.flags.writeable = False
    case.target.flags.writeable = False
    sampler = make_sampler(case)
    for index in range(20):
        image, target, _ = sampler.draw(0, index)
        image.add_(1)
        target.add_(1)


def test_the_drawn_voxel_is_met_in_its_middle():
    """Whatever the grids and the map: some target is read exactly there."""
    rng = np.random.default_rng(5)
    for _ in range(300):
        native = tuple(int(n) for n in rng.integers(1, 50, 3))
        grid = tuple(int(n) for n in rng.integers(1, 50, 3))
        patch = tuple(int(n) for n in rng.integers(1, 33, 3))
        matrix = list(MATRICES.values())[rng.integers(4)]
        voxel = rng.integers(native)
        lattice = place_lattice(
            voxel, native, grid=grid, patch=patch, matrix=matrix, rng=rng
        )
        assert (np.abs(lattice.offset) <= 0.5).all()
        place = (voxel + 0.5) * np.array(grid) / native - 0.5
        p = np.linalg.solve(matrix, place - lattice.first_target)
        assert np.allclose(p, np.round(p), atol=1e-5)
        assert (np.round(p) >= 0).all()
        assert (np.round(p) < patch).all()
        numbers = np.arange(np.prod(native)).reshape(native).astype(np.uint16)
        found = read_target(numbers, grid, lattice, ignore=65535)
        assert found[tuple(np.round(p).astype(int))] == numbers[tuple(voxel)]


def test_plain_patches_stay_inside_the_scan():
    rng = np.random.default_rng(6)
    grid, patch = (30, 40, 21), (8, 40, 20)
    starts = set()
    for _ in range(300):
        lattice = place_lattice(
            rng.integers(grid), grid, grid=grid, patch=patch, matrix=np.eye(3), rng=rng
        )
        start = lattice.first
        assert (start == np.round(start)).all()
        assert (start >= 0).all()
        assert (start + patch <= grid).all()
        starts.add(int(start[0]))
    assert starts == set(range(30 - 8 + 1))


@pytest.mark.parametrize("augment", [False, True])
def test_image_and_target_are_aligned(still, augment):
    """Channels that hold their own position say where each label must come from."""
    grid, native, patch = (23, 30, 26), (29, 21, 40), (12, 14, 10)
    own = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij")) + 1000
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 200, native).astype(np.uint8)
    case = make_case(data=own.astype(np.float32), target=labels)
    sampler = make_sampler(case, patch=patch, augment=augment)
    p = np.stack(np.meshgrid(*map(np.arange, patch), indexing="ij")).reshape(3, -1)
    rows = np.vstack([p, np.ones(p.shape[1])])
    turned = mirrored = 0
    for index in range(40):
        image, target, offset = (np.asarray(part) for part in sampler.draw(0, index))
        place = image.reshape(3, -1) - 1000.0
        sure = ((place > 0.01) & (place < np.array(grid)[:, None] - 1.01)).all(0)
        affine = np.linalg.lstsq(rows[:, sure].T, place[:, sure].T, rcond=None)[0].T
        assert np.allclose(affine @ rows[:, sure], place[:, sure], atol=2e-3)
        turned += np.abs(affine[:, :3] - np.diag(affine.diagonal())).max() > 0.01
        mirrored += affine[0, 0] < 0
        point = affine @ np.vstack([p + offset[:, None], np.ones(p.shape[1])])
        position = (point + 0.5) * (np.array(native) / grid)[:, None]
        whole = np.floor(position).astype(int)
        tie = (np.abs(position - np.round(position)) < 5e-3).any(0)
        outside = ((whole < 0) | (whole >= np.array(native)[:, None])).any(0)
        z, y, x = np.clip(whole, 0, np.array(native)[:, None] - 1)
        expected = np.where(outside, 255, labels[z, y, x])
        assert (target.reshape(-1) == expected)[~tie].all()
        assert tie.mean() < 0.5  # those that are met in the middle are no ties
    if augment:
        assert turned >= 2
        assert mirrored >= 10
    else:
        assert turned == mirrored == 0


# --- thin reviewed slices -------------------------------------------------------------


def one_slice(plane, *, axis=0):
    """A scan with planes of half the network's, and one that was looked at."""
    native, grid = (40, 36, 44), [20, 18, 22]
    target = np.full(native, 255, np.uint8)
    where = [slice(None)] * 3
    where[axis] = plane
    target[tuple(where)] = 1
    changed = np.argwhere(target == 1)[::7].astype(np.int32)
    data = np.zeros((1, *grid), np.float32)
    return make_case(data=data, target=target, changed=changed, spacing=(2, 2, 2))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_reviewed_slice_is_always_met_as_a_whole(axis):
    size = (12, 8, 10)
    for plane in (0, 1, 14, 17, 35):
        case = one_slice(plane, axis=axis)
        sampler = make_sampler(case, patch=size, augment=False, changed_share=1)
        for index in range(6):
            _, target, offset = sampler.draw(0, index)
            others = [k for k in range(3) if k != axis]
            known = (target != 255).sum(others)
            assert sorted(known.tolist())[-2:] == [0, size[others[0]] * size[others[1]]]
            assert abs(float(offset[axis])) == pytest.approx(0.25)


def test_a_single_reviewed_slice_is_met_however_the_patch_lies():
    sampler = make_sampler(one_slice(14), patch=(12, 8, 10), changed_share=1)
    for index in range(150):
        assert (sampler.draw(0, index).target != 255).any()


def test_without_changes_only_patches_from_anywhere_may_miss_the_slice():
    empty = np.empty((0, 3), np.int32)
    case = dataclasses.replace(one_slice(14), changed=empty)
    sampler = make_sampler(case, patch=(4, 8, 10))
    missed = sum(not bool((sampler.draw(0, i).target != 255).any()) for i in range(300))
    assert 0 < missed <= stats.binom.ppf(1 - 1e-6, 300, places.ANYWHERE)


# --- what patches are drawn around ----------------------------------------------------


def known_and_changed():
    """Four classes of very different size; what was changed lies apart."""
    target = np.full((30, 40, 50), 255, np.uint8)
    target[5:20] = 0
    target[8:12, 10:20] = 1
    target[9, 30, :4] = 2
    target[15, 1, 1] = 7
    target[20, :, :] = 0
    target[20, :3, :5] = 4
    changed = np.argwhere(target[20:21] != 255) + [20, 0, 0]
    return target, changed.astype(np.int32)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.95, 1.0])
def test_changed_voxels_are_drawn_in_the_promised_share(share):
    target, changed = known_and_changed()
    found = find_places(target, changed, ignore=255, seed=0)
    rng = np.random.default_rng(0)
    n = 3000
    drawn = np.array([found.draw(rng, changed_share=share) for _ in range(n)])
    hits = int((drawn[:, 0] == 20).sum())
    by_chance = 1 / 30 + 1 / 16 + 1 / 5  # at most: anywhere, known, a rare class
    low = stats.binom.ppf(1e-6, n, share)
    high = stats.binom.ppf(1 - 1e-6, n, share + (1 - share) * by_chance)
    assert low <= hits <= high
    # Each class of the changed voxels as often as the other: 4 has one in 133 of them.
    here = drawn[drawn[:, 0] == 20]
    rare = int((target[tuple(here.T)] == 4).sum())
    assert rare >= stats.binom.ppf(1e-6, n, share / 2)


def test_kinds_are_drawn_in_their_shares():
    target, changed = known_and_changed()
    found = find_places(target, changed[:0], ignore=255, seed=0)
    rng = np.random.default_rng(1)
    n = 6000
    drawn = np.array([found.draw(rng, changed_share=0.5) for _ in range(n)])
    values = target[tuple(drawn.T)]
    inside = (target != 255).mean()
    expected = dict.fromkeys((0, 1, 2, 4, 7), 0.0)
    counts = {k: int((target == k).sum()) for k in expected}
    for k in expected:
        expected[k] = 0.1 * counts[k] / target.size
        expected[k] += 0.9 * 2 / 3 * counts[k] / sum(counts.values())
        expected[k] += 0.9 / 3 / 4 * (k > 0)
    expected[255] = 0.1 * (1 - inside)
    assert sum(expected.values()) == pytest.approx(1)
    for k, share in expected.items():
        low, high = stats.binom.ppf([1e-6, 1 - 1e-6], n, share)
        assert low <= int((values == k).sum()) <= high


def test_places_fall_back_to_what_there_is():
    rng = np.random.default_rng(0)
    none = np.empty((0, 3), np.int32)
    unknown = np.full((3, 4, 5), 255, np.uint8)
    found = find_places(unknown, none, ignore=255, seed=0)
    drawn = {found.draw(rng, changed_share=1.0) for _ in range(1500)}
    assert drawn == set(np.ndindex(3, 4, 5))
    unknown[1, 2, 3] = 0  # background alone
    found = find_places(unknown, none, ignore=255, seed=0)
    drawn = [found.draw(rng, changed_share=1.0) for _ in range(500)]
    assert drawn.count((1, 2, 3)) >= stats.binom.ppf(1e-6, 500, 0.9)
    # A change that is not known any more, as in the held-out part of a scan.
    found = find_places(unknown, np.array([[0, 0, 0]]), ignore=255, seed=0)
    assert len(found.changed.classes) == 0


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_voxels_of_each_class_are_found(monkeypatch, kind):
    monkeypatch.setattr(places, "MOST_VOXELS", 50)
    monkeypatch.setattr(places, "_SLAB_VOXELS", 100)
    ignore = int(np.iinfo(kind).max)
    rng = np.random.default_rng(0)
    values = np.array([0, 1, 2, 250, ignore], kind)
    target = rng.choice(values, (13, 9, 7), p=[0.5, 0.02, 0.2, 0.08, 0.2])
    target[4:9] = ignore
    changed = np.argwhere(target >= 2)
    found = find_places(target.astype(kind), changed, ignore=ignore, seed=0)
    for part, wanted in ((found.known, (0, 1, 2, 250)), (found.changed, (2, 250))):
        assert part.classes.tolist() == list(wanted)
        for k, count, voxels in zip(
            part.classes, part.counts, part.voxels, strict=True
        ):
            truth = np.flatnonzero(target == k)
            assert count == len(truth)
            assert len(voxels) == min(50, len(truth))
            assert np.isin(voxels, truth).all()
            assert (np.diff(voxels) > 0).all()
    big = found.known.voxels[0]
    spread = np.flatnonzero(target == 0)
    assert stats.kstest(
        np.searchsorted(spread, big) / len(spread), "uniform"
    ).pvalue > (1e-4)


def test_cases_are_drawn_by_their_share():
    cases = [
        make_case(name=str(k), share=share, data=np.full((1, 9, 9, 9), k, np.float32))
        for k, share in enumerate((1.0, 0.0, 3.0))
    ]
    sampler = make_sampler(*cases, patch=(4, 4, 4), augment=False)
    drawn = [int(sampler.draw(step, 0).image[0, 0, 0, 0]) for step in range(400)]
    assert 1 not in drawn
    low, high = stats.binom.ppf([1e-6, 1 - 1e-6], 400, 0.75)
    assert low <= drawn.count(2) <= high


# --- patches --------------------------------------------------------------------------


def test_a_small_odd_scan_lies_in_the_middle():
    case = make_case(native=(5, 14, 3), grid=(7, 9, 5))
    image, target, _ = make_sampler(case, patch=(16, 8, 16), augment=False).draw(0, 0)
    assert image.shape == (1, 16, 8, 16)
    inside = torch.zeros(16, 8, 16, dtype=torch.bool)
    inside[4:11, :, 5:10] = True  # the odd voxel of the difference is at the high end
    assert (image[0][~inside] == 0).all()
    assert (image[0][inside] != 0).all()
    assert (target[:4] == 255).all()
    assert (target[..., 11:] == 255).all()
    assert (target[:, :, 5:10] != 255).any()


@pytest.mark.parametrize("grid", [(7, 9, 5), (1, 3, 2), (40, 3, 9)])
def test_patches_have_their_size_and_type_whatever_the_scan(grid):
    case = make_case(native=(5, 14, 3), grid=grid, channels=3)
    sampler = make_sampler(case, patch=(16, 8, 15))
    for index in range(40):
        image, target, offset = sampler.draw(1, index)
        assert image.shape == (3, 16, 8, 15)
        assert image.dtype == torch.float32
        assert torch.isfinite(image).all()
        assert target.shape == (16, 8, 15)
        assert target.dtype == torch.uint8
        assert offset.shape == (3,)
        assert offset.dtype == torch.float32


def test_a_loss_can_be_computed_of_narrow_and_wide_targets():
    """The same patch, whether the target has 8 or 16 bits."""
    narrow = make_case()
    wide = narrow.target.astype(np.uint16)
    wide[narrow.target == 255] = 65535
    losses = []
    for case in (narrow, dataclasses.replace(narrow, target=wide)):
        sampler = make_sampler(case)
        image, target, _ = sampler.draw(0, 1)
        assert (target == sampler.ignore).any()
        logits = torch.linspace(-1, 1, 5)[None, :, None, None, None] * image[None]
        losses.append(
            dice_cross_entropy(logits, target[None], ignore=sampler.ignore).item()
        )
    assert (sampler.ignore, target.dtype) == (32767, torch.int16)
    assert losses[0] == losses[1]
    assert np.isfinite(losses[0])
    # Beside a wide case, a narrow one has the wide case's type.
    mixed = make_sampler(narrow, dataclasses.replace(narrow, target=wide, share=1e-9))
    assert torch.equal(mixed.draw(0, 1).target, target)


def test_only_allowed_axes_are_mirrored(still):
    own = np.stack(np.meshgrid(*map(np.arange, (40, 40, 40)), indexing="ij"))
    target = np.full((40, 40, 40), 255, np.uint8)
    target[15:25, 15:25, 15:25] = 0
    case = make_case(data=own.astype(np.float32), target=target)
    sampler = make_sampler(case, patch=(6, 7, 8), mirror_axes=(0, 2))
    mirrored = np.zeros(3, int)
    n = 0
    for index in range(400):
        image, target, _ = sampler.draw(0, index)
        if (target == 255).all():  # from anywhere: it may leave the scan
            continue
        n += 1
        for axis in range(3):
            low, high = image[axis].movedim(axis, 0)[[2, 3], 3, 3]
            mirrored[axis] += bool(high < low)
    assert n > 300
    assert mirrored[1] == 0
    for axis in (0, 2):
        low, high = stats.binom.ppf([1e-6, 1 - 1e-6], n, 0.5)
        assert low <= mirrored[axis] <= high


def bytes_of(patch):
    return b"".join(part.numpy().tobytes() for part in patch)


def test_a_patch_depends_on_its_numbers_alone():
    case = make_case(channels=2)
    numbers = [(step, index) for step in range(12) for index in range(2)]
    truth = {n: bytes_of(make_sampler(case).draw(*n)) for n in numbers[::5]}
    sampler = make_sampler(case)
    before = torch.get_num_threads()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda n: bytes_of(sampler.draw(*n)), numbers[::-1] * 2))
    torch.set_num_threads(2)
    drawn += [bytes_of(sampler.draw(*n)) for n in numbers[::-1]]
    torch.set_num_threads(before)
    for number, each in zip(numbers[::-1] * 3, drawn, strict=True):
        assert truth.setdefault(number, each) == each
    assert len(set(truth.values())) == len(numbers)
    other = make_sampler(case, seed=8)
    assert bytes_of(other.draw(*numbers[0])) != truth[numbers[0]]


@pytest.mark.slow
def test_a_patch_is_the_same_in_another_process(tmp_path):
    case = make_case()
    np.savez(tmp_path / "case.npz", data=case.data, target=case.target)
    code = f"""
import hashlib, numpy as np
from napari_mednext.training.tuning import PatchSampler, TuningCase
a = np.load({str(tmp_path / "case.npz")!r})
changed = np.argwhere(a["target"] == 3)[::5]
case = TuningCase("a", a["data"], a["target"], changed, 1.0, {SPACING})
sampler = PatchSampler([case], (16, 12, 16), augment=True, changed_share=0.5,
                       mirror_axes=(0, 1, 2), seed=7)
digest = hashlib.sha256()
for step in range(30):
    for part in sampler.draw(step, 1):
        digest.update(part.numpy().tobytes())
print(digest.hexdigest())
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(said) == 1


def test_drawing_needs_no_memory_of_the_scans_size():
    native = (200, 180, 190)
    target = np.zeros(native[::-1], np.uint8).transpose(2, 1, 0)  # not contiguous
    target[20:60] = 1
    data = np.zeros((1, 150, 140, 160), np.float32)
    case = make_case(data=data, target=target, changed=np.empty((0, 3), np.int32))
    sampler = make_sampler(case, patch=(16, 16, 16))
    tracemalloc.start()
    for index in range(20):
        sampler.draw(0, index)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 16**3 * 4 < target.size / 8


def test_looking_for_places_needs_little_memory():
    target = np.zeros((200, 256, 256), np.uint8)
    target[50:100, 60:200] = 1
    tracemalloc.start()
    found = find_places(target, np.empty((0, 3), np.int32), ignore=255, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # an index of all voxels would take 105 MB
    assert sum(each.nbytes for each in found.known.voxels) == 2 * 8 * 20_000


# --- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": np.zeros((3, 3, 3), np.float32)}, r"\(3, 3, 3\) float32"),
        ({"data": np.zeros((1, 3, 3, 3))}, r"\(1, 3, 3, 3\) float64"),
        ({"target": np.zeros((3, 3, 3), np.int16)}, "int16"),
        ({"target": np.zeros((3, 3), np.uint8)}, r"\(3, 3\) uint8"),
        ({"changed": np.zeros((4, 2), np.int32)}, r"\(4, 2\)"),
        ({"changed": np.zeros(3, np.int32)}, r"\(3,\)"),
        ({"share": -0.5}, "-0.5"),
        ({"share": float("nan")}, "nan"),
    ],
)
def test_cases_of_another_form_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        make_case(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"changed_share": 1.1}, "1.1"),
        ({"changed_share": -0.1}, "-0.1"),
        ({"mirror_axes": (0, 3)}, r"\(0, 3\)"),
    ],
)
def test_samplers_refuse_numbers_outside_their_range(changes, said):
    with pytest.raises(ValueError, match=said):
        make_sampler(make_case(), **changes)


def test_a_sampler_needs_a_case():
    for cases in ([], [make_case(share=0.0)]):
        with pytest.raises(ValueError, match="share above 0, got none"):
            make_sampler(*cases)


def test_the_package_is_light():
    code = (
        "import sys, napari_mednext.training.tuning as t; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_package_says_what_it_lacks():
    from napari_mednext.training import tuning

    assert tuning.PatchSampler is PatchSampler
    with pytest.raises(AttributeError, match="no attribute 'Sampler'"):
        _ = tuning.Sampler


def test_the_map_of_the_grids_is_that_of_preprocessing():
    """A preprocessed ramp holds, at network voxel i, the native position it shows."""
    size, new = 21, 34
    ramp = np.arange(1, size + 1, dtype=np.float32)
    image = np.broadcast_to(ramp[:, None, None], (size, 6, 7))[None].copy()
    plan = make_plan((size / new, 1.0, 1.0), (0, 1, 2))
    prepared = preprocess(image, (1.0, 1.0, 1.0), plan)
    numbers = np.arange(size, dtype=np.uint8)[:, None, None]
    target = np.broadcast_to(numbers, (size, 6, 7)).copy()
    rng = np.random.default_rng(0)
    for plane in range(size):
        lattice = place_lattice(
            (plane, 2, 3),
            target.shape,
            grid=prepared.geometry.new_shape,
            patch=(new, 6, 7),
            matrix=np.eye(3),
            rng=rng,
        )
        found = read_target(target, prepared.geometry.new_shape, lattice, ignore=255)
        shown = prepared.data[0, :, 0, 0] - 1 + lattice.offset[0] * size / new
        inner = slice(2, new - 2)
        assert (np.abs(found[inner, 0, 0] - shown[inner]) <= 0.5 + 1e-3).all()
