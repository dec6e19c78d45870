"""What a job that is over keeps, and what it does not need any more."""

import pytest

from napari_mednext.app.improve_run import clear_scaffold
from napari_mednext.jobs import JobState
from tests.cli.job_parts import end_job, new_job

NEEDED = (
    "data/case.nii.gz",
    "model/card.json",
    "comparison.json",
    "examples/final/step_1.png",
)
SCAFFOLD = (
    "checkpoints/final.pt",
    "models/fold_1_of_3/plans.json",
    "data/arrays/case.npy",
)


@pytest.fixture
def job(tmp_path):
    made = new_job(tmp_path)
    for name in NEEDED + SCAFFOLD:
        path = made.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return made


def left(job, names):
    return [name for name in names if (job.path / name).exists()]


@pytest.mark.parametrize("state", [JobState.DONE, JobState.STOPPED, JobState.CANCELLED])
def test_a_job_that_is_over_keeps_no_states_and_no_stand_ins(job, state):
    end_job(job, state)
    clear_scaffold(job.path)
    assert left(job, NEEDED) == list(NEEDED)
    assert left(job, SCAFFOLD) == []


def test_a_job_that_can_go_on_keeps_all(job):
    clear_scaffold(job.path)
    assert left(job, SCAFFOLD) == list(SCAFFOLD)


def test_a_job_that_failed_keeps_what_may_tell_why(job):
    end_job(job, JobState.FAILED, "the disk must have room, it has none: make some")
    clear_scaffold(job.path)
    assert left(job, SCAFFOLD) == list(SCAFFOLD)
