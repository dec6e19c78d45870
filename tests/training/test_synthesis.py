import numpy as np
import pytest
import torch

from napari_mednext.training.contrast import draw_contrast
from napari_mednext.training.synthesis import IGNORE, Synthesizer


@pytest.fixture
def synthesizer(maps, table):
    def make(**changes):
        arguments = {
            "names": ["a", "b"],
            "patch": (16, 32, 16),
            "spacing_mm": 8.0,
            "oversampling": 2,
            "device": torch.device("cpu"),
        }
        return Synthesizer(maps, table, **(arguments | changes))

    return make


def test_a_seed_decides_the_pair(synthesizer):
    scan, target, offset = synthesizer().draw(7)
    again, target_again, offset_again = synthesizer().draw(7)
    assert torch.equal(scan, again)
    assert torch.equal(target, target_again)
    assert torch.equal(offset, offset_again)
    other, *_ = synthesizer().draw(8)
    assert not torch.equal(scan, other)


def test_pairs_have_the_patch_and_known_values(synthesizer):
    draws = [synthesizer().draw(seed) for seed in range(12)]
    seen = set()
    for scan, target, _ in draws:
        assert scan.shape == (1, 16, 32, 16)
        assert target.shape == (16, 32, 16)
        assert torch.isfinite(scan).all()
        seen |= set(target.unique().tolist())
    assert {0, 1, 2, 3} <= seen <= {0, 1, 2, 3, IGNORE}


def test_scan_and_target_are_aligned(synthesizer):
    """Brightness differs between classes far more than within them, on average."""
    ratios = []
    for seed in range(10):
        scan, target, _ = synthesizer().draw(seed)
        values = scan[0][target != IGNORE]
        classes = target[target != IGNORE]
        groups = [values[classes == k] for k in classes.unique()]
        between = sum(len(g) * (g.mean() - values.mean()) ** 2 for g in groups)
        ratios.append(float(between / ((values - values.mean()) ** 2).sum()))
        rolled = torch.roll(classes, len(classes) // 3)
        groups = [values[rolled == k] for k in classes.unique()]
        chance = sum(len(g) * (g.mean() - values.mean()) ** 2 for g in groups)
        ratios[-1] -= float(chance / ((values - values.mean()) ** 2).sum())
    assert np.median(ratios) > 0.25


def test_targets_keep_the_size_of_the_anatomy(maps, synthesizer):
    """The mean volume of a class over draws equals that in the maps within 20 %."""
    patch = (48, 64, 48)
    draws = [synthesizer(patch=patch, oversampling=1).draw(s)[1] for s in range(16)]
    got = np.mean([int((t == 2).sum()) for t in draws]) * 8.0**3
    true = np.mean([int((m == 1).sum()) for m in maps.maps.values()]) * 4.0**3
    assert got == pytest.approx(true, rel=0.2)


def test_ordered_contrasts_keep_white_and_grey_apart(maps, table):
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(300):
        contrast = draw_contrast(rng, maps, table)
        gaps.append(float(contrast.mean[1] - contrast.mean[2]))
    brighter = np.mean(np.array(gaps) > 0)
    # T1 is half of the draws; both orders must be frequent.
    assert 0.4 < brighter < 0.75
    assert np.mean(np.abs(gaps) > 0.02) > 0.85
