"""What becomes of a case on its way to disk, also when that fails half-way."""

import threading

import numpy as np
import pytest

from napari_mednext.app.desk import Desk
from napari_mednext.app.leaving import Leaving
from napari_mednext.correction.change import Change
from napari_mednext.errors import GeometryError, InputError, StorageError
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.study import CaseState
from napari_mednext.volume import Volume, reorient
from tests.app.desk_parts import GRID, DeskSession, make_study, scan

BOX = (slice(1, 3), slice(2, 5), slice(4, 6))


@pytest.fixture
def study(tmp_path):
    with make_study(tmp_path) as study:
        yield study


@pytest.fixture
def desk(study, monkeypatch):
    desk = Desk(DeskSession(), study, model="any")

    def version():
        return study.model(study.model_code("any", "digest"))

    monkeypatch.setattr(desk, "version", version)
    yield desk
    desk.close()


def paint(case, value=2):
    shape = case.editing.labels[BOX].shape
    case.editing.apply(Change(BOX, np.full(shape, value, np.uint8)), "brush")
    case.is_worked_on = True


def fail(*_, **__):
    msg = "the disk is full"
    raise StorageError(msg)


def on_disk(study, name):
    return reorient(open_volume(study.paths(name).annotation), "LPS").array[0]


def test_a_case_of_another_window_is_not_accepted(desk, study):
    first = desk.open("case0")
    first.editing.journal.flush()
    second = desk.open("case0")
    with pytest.raises(StorageError, match="be accepted in the window that has it"):
        desk.accept(second)
    assert study.case("case0").state is CaseState.PREDICTED
    assert second.editing.history.last_done.title != "accept"
    second.close()
    first.close()


def test_effort_that_cannot_be_written_is_booked_later(desk, study, monkeypatch):
    case = desk.open("case0")
    case.clock.now = iter([0.0, 7.0, 9.0]).__next__
    case.clock.event()
    case.clock.event()
    paint(case)
    with monkeypatch.context() as patch:
        patch.setattr(study, "add_effort", fail)
        with pytest.raises(StorageError, match="full"):
            desk.save(case)
    desk.save(case)
    (row,) = study.effort()
    assert (row.seconds, row.strokes) == (7.0, 1)
    assert row.voxels_changed > 0
    case.close()


def test_a_case_that_was_left_is_not_saved_again(desk, study):
    case = desk.open("case0")
    desk.put_away(case)
    before = study.paths("case0").annotation.stat().st_mtime_ns
    desk.save(case)
    desk.put_away(case)
    assert study.paths("case0").annotation.stat().st_mtime_ns == before


def test_putting_away_waits_for_a_save_that_runs(desk, study, monkeypatch):
    case = desk.open("case0")
    paint(case)
    may_go, began, closed = threading.Event(), threading.Event(), []
    write = study.write_training_label

    def slow(*arguments):
        began.set()
        may_go.wait(10)
        closed.append(case.is_closed)
        write(*arguments)

    monkeypatch.setattr(study, "write_training_label", slow)
    saving = threading.Thread(target=desk.save, args=(case,))
    saving.start()
    began.wait(10)
    leaving = threading.Thread(target=desk.put_away, args=(case,))
    leaving.start()
    leaving.join(0.2)
    may_go.set()
    saving.join()
    leaving.join()
    assert closed == [False, False]
    assert case.is_closed


def test_work_is_noted_with_the_save_even_if_nobody_noted_it_before(desk, study):
    case = desk.open("case0")
    paint(case)
    desk.put_away(case)
    assert study.case("case0").state is CaseState.IN_PROGRESS


def test_a_note_of_work_that_comes_late_does_not_undo_the_acceptance(desk, study):
    case = desk.open("case0")
    paint(case)
    Leaving(desk, case, accept=True).finish()
    desk.touch(case)
    assert study.case("case0").state is CaseState.ACCEPTED


def test_a_flagged_case_can_be_accepted(desk, study):
    case = desk.open("case0")
    desk.flag(case, "a lesion?")
    paint(case)
    desk.save(case)
    assert study.case("case0").state is CaseState.FLAGGED
    Leaving(desk, case, accept=True).finish()
    assert study.case("case0").state is CaseState.ACCEPTED
    assert study.case("case0").comment == "a lesion?"


def test_taking_all_steps_back_survives_a_kill(desk):
    case = desk.open("case0")
    case.editing.undo()
    case.editing.journal.flush()
    case.close()  # nothing was saved
    again = desk.open("case0")
    assert not again.editing.labels.any()
    assert [edit.title for edit in again.editing.history.undone] == ["segment"]
    again.close()


def test_a_failed_acceptance_is_made_good_by_the_next_try(desk, study, monkeypatch):
    case = desk.open("case0")
    paint(case)
    leaving = Leaving(desk, case, accept=True)
    with monkeypatch.context() as patch:
        patch.setattr(study, "write_training_label", fail)
        with pytest.raises(StorageError, match="full"):
            leaving.finish()
    assert not leaving.is_over
    assert study.case("case0").state is not CaseState.ACCEPTED
    with study.lock("case0") as lock:
        assert not lock.held
    leaving.finish()
    assert leaving.is_over
    assert study.case("case0").state is CaseState.ACCEPTED
    np.testing.assert_array_equal(on_disk(study, "case0"), case.editing.labels)
    with study.lock("case0") as lock:
        assert lock.held


def test_a_case_that_could_not_be_saved_can_be_taken_back(desk, study, monkeypatch):
    case = desk.open("case0")
    paint(case)
    leaving = Leaving(desk, case, accept=False)
    with monkeypatch.context() as patch:
        patch.setattr(study, "write_training_label", fail)
        with pytest.raises(StorageError, match="full"):
            leaving.finish()
    assert leaving.take_back() is case
    leaving.finish()
    assert not case.is_closed
    desk.put_away(case)


def test_a_case_that_is_on_disk_is_not_taken_back(desk):
    leaving = Leaving(desk, desk.open("case0"), accept=False)
    leaving.finish()
    assert leaving.take_back() is None


def test_a_case_that_is_given_up_lets_go(desk, study, monkeypatch):
    case = desk.open("case0")
    paint(case)
    leaving = Leaving(desk, case, accept=False)
    monkeypatch.setattr(study, "write_training_label", fail)
    with pytest.raises(StorageError, match="full"):
        leaving.finish()
    assert leaving.is_in_journal
    leaving.give_up()
    with study.lock("case0") as lock:
        assert lock.held


def test_a_case_with_labels_opens_without_the_model(desk, study, monkeypatch):
    desk.open("case0").close()

    def gone():
        msg = "the model is not installed"
        raise InputError(msg)

    monkeypatch.setattr(desk, "version", gone)
    case = desk.open("case0")
    assert case.editing.labels.any()
    assert case.answer.version.name == "any"
    case.close()
    with pytest.raises(InputError, match="not installed"):
        desk.open("case1")
    with study.lock("case1") as lock:
        assert lock.held


@pytest.mark.parametrize("values", [(-1, 1), (0, 0.5), (0, 70000)])
def test_a_mask_must_hold_labels(tmp_path, values):
    path = tmp_path / "mask.nii.gz"
    array = np.where(scan(0).array[0] > 80, *values[::-1]).astype(np.float32)
    save_volume(Volume(array, GRID, "mask"), path)
    with make_study(tmp_path, labels=path) as study:
        desk = Desk(DeskSession(), study)
        with pytest.raises(GeometryError, match="must hold whole numbers from 0"):
            desk.open("case0")
        desk.close()
