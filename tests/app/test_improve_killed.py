"""An improvement that is killed goes on, and nothing of it is different."""

import numpy as np
import pytest

from benchmarks.kill_improving.study import Place, environment
from benchmarks.kill_improving.trainers import kill_trainers, undisturbed
from benchmarks.kill_improving.windows import kill_windows, undisturbed_window
from napari_mednext.app.improve_run import _clear_drafts


@pytest.fixture
def place(tmp_path):
    with environment(tmp_path):
        yield Place(tmp_path)


@pytest.mark.slow
def test_a_killed_trainer_goes_on_to_the_same_weights_and_verdict(place):
    wanted, course = undisturbed(place)
    found = kill_trainers(place, wanted, course, np.random.default_rng(3), 3)
    assert sum(found.phases.values()) == 3
    assert sum(found.jobs) == 3


@pytest.mark.slow
def test_a_killed_window_disturbs_no_trainer(place):
    wanted, course = undisturbed_window(place)
    found = kill_windows(place, wanted, course, np.random.default_rng(3), 2)
    assert sum(found.phases.values()) == sum(found.rounds) == 2


def test_only_drafts_are_cleared(tmp_path):
    drafts = (
        ".saving-x/split.json",
        "before/.saving-y/case.nii.gz",
        ".model.z.part/plans.json",
        "model/.card.json.part",
        "checkpoints/final.part",
    )
    # What is taken away belongs to who holds the lock of the versions.
    others = (
        "state.json",
        ".model.z.gone/model/plans.json",
        "model/card.json",
        "checkpoints/final.pt",
        "data/part.nii.gz",
    )
    for name in drafts + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    _clear_drafts(tmp_path)
    left = {
        path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()
    }
    assert {str(path) for path in left} == set(others)
