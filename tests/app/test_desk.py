"""Opening, preparing, saving and accepting the cases of a study."""

import threading

import numpy as np
import pytest

from napari_mednext.app import case_keeping
from napari_mednext.app import desk as desk_module
from napari_mednext.app.desk import Desk
from napari_mednext.app.open_case import dice_by_label, renumbered
from napari_mednext.correction.change import Change
from napari_mednext.correction.provenance import HUMAN, REVIEWED
from napari_mednext.errors import Cancelled, GeometryError, InputError, StorageError
from napari_mednext.formats import open_volume, save_segmentation
from napari_mednext.labels import LabelSet
from napari_mednext.study import CaseState
from napari_mednext.volume import Segmentation, Volume, VoxelGrid, reorient
from tests.app.desk_parts import GRID, LABELS, DeskSession, make_study, scan

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


def expected(seed):
    turned = reorient(scan(seed), "LPS").array[0]
    return np.digitize(turned, (50, 120))


def paint(case, value=2):
    shape = case.editing.labels[BOX].shape
    case.editing.apply(Change(BOX, np.full(shape, value, np.uint8)), "brush")


def test_a_fresh_case_opens_segmented(desk, study):
    case = desk.open("case0")
    np.testing.assert_array_equal(case.editing.labels, expected(0))
    assert (case.editing.provenance == case.code).all()
    assert study.case("case0").state is CaseState.PREDICTED
    assert study.case("case0").model.name == "any"
    paths = study.paths("case0")
    assert open_volume(paths.prediction).grid.is_close(GRID)
    assert study.figures()["case0"].ml[1] == pytest.approx(
        (expected(0) == 1).sum() * 2.97 / 1000
    )
    case.close()


def test_a_case_is_segmented_once(desk):
    desk.open("case0").close()
    case = desk.open("case0")
    assert desk.session.service.runs == ["case0"]
    np.testing.assert_array_equal(case.answer.labels, expected(0))
    np.testing.assert_array_equal(case.answer.doubt == 200, expected(0) == 1)
    assert [edit.title for edit in case.editing.history.done] == ["segment"]
    case.close()


def test_the_case_made_ready_opens_without_work(desk, monkeypatch):
    desk.prepare("case1")
    assert desk.prepared == "case1"
    monkeypatch.setattr(desk_module, "open_volume", lambda *_: pytest.fail("read"))
    case = desk.open("case1")
    np.testing.assert_array_equal(case.editing.labels, expected(1))
    assert desk.prepared is None
    case.close()


def test_preparing_another_case_lets_the_former_go(desk, study):
    desk.prepare("case1")
    desk.prepare("case2")
    assert desk.prepared == "case2"
    lock = study.lock("case1")
    assert lock.held
    lock.release()


def test_opening_waits_for_the_case_that_is_being_made_ready(desk):
    engine = desk.session.service
    engine.hold.clear()
    thread = threading.Thread(target=desk.prepare, args=("case1",))
    thread.start()
    while not engine.runs:
        threading.Event().wait(0.005)
    threading.Timer(0.1, engine.hold.set).start()
    case = desk.open("case1")
    assert engine.runs == ["case1"]
    case.close()
    thread.join()


def test_opening_another_case_stops_the_one_that_is_being_made_ready(desk):
    engine = desk.session.service
    engine.hold.clear()
    thread = threading.Thread(target=desk.prepare, args=("case1",))
    thread.start()
    while not engine.runs:
        threading.Event().wait(0.005)
    desk.yield_engine()
    thread.join()
    engine.hold.set()
    desk.open("case0").close()
    desk.open("case1").close()
    assert engine.runs == ["case1", "case0", "case1"]


def test_a_wait_can_be_cancelled(desk):
    engine, cancel = desk.session.service, threading.Event()
    engine.hold.clear()
    thread = threading.Thread(target=desk.prepare, args=("case1",))
    thread.start()
    while not engine.runs:
        threading.Event().wait(0.005)
    cancel.set()
    with pytest.raises(Cancelled):
        desk.open("case1", cancel=cancel)
    thread.join()


def test_a_cancelled_case_is_free_again(desk, study):
    desk.session.service.hold.clear()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        desk.open("case0", cancel=cancel)
    with study.lock("case0") as lock:
        assert lock.held


def test_a_case_that_cannot_be_made_ready_is_tried_when_it_is_opened(desk, study):
    image = study.case("case1").images[0]
    hidden = image.rename(image.with_name("hidden.nii.gz"))
    desk.prepare("case1")
    assert desk.prepared is None
    hidden.rename(image)
    desk.open("case1").close()


def test_a_second_window_looks_only(desk, study):
    first = desk.open("case0")
    paint(first)
    first.editing.journal.flush()
    second = desk.open("case0")
    assert second.is_read_only
    assert "can be looked at only" in second.holder
    np.testing.assert_array_equal(second.editing.labels, first.editing.labels)
    desk.save(second)
    second.close()
    first.close()
    third = desk.open("case0")
    assert not third.is_read_only
    third.close()


def test_a_step_puts_a_case_in_progress(desk, study):
    case = desk.open("case0")
    desk.touch(case)
    assert study.case("case0").state is CaseState.IN_PROGRESS
    case.close()


def test_accepting_reviews_everything_and_books_the_effort(desk, study):
    case = desk.open("case0")
    paint(case)
    desk.accept(case)
    assert study.case("case0").state is CaseState.ACCEPTED
    assert (case.editing.provenance & REVIEWED).all()
    turned = reorient(open_volume(study.paths("case0").training), "LPS")
    np.testing.assert_array_equal(turned.array[0], case.editing.labels)
    (row,) = study.effort()
    changed = int((expected(0)[BOX] != 2).sum())
    assert (row.strokes, row.voxels_changed) == (1, changed)  # the tick is none
    both = 2 * ((expected(0) == 2) & (case.editing.labels == 2)).sum()
    total = (expected(0) == 2).sum() + (case.editing.labels == 2).sum()
    assert row.dice[2] == pytest.approx(both / total)
    case.close()


def test_saving_makes_what_nobody_looked_at_ignore(desk, study):
    case = desk.open("case0")
    paint(case)
    desk.put_away(case)
    turned = reorient(open_volume(study.paths("case0").training), "LPS").array[0]
    changed = case.editing.provenance == HUMAN
    assert changed.any()
    assert (turned[changed] == 2).all()
    assert (turned[~changed] == 3).all()


def test_a_mask_that_came_with_a_case_is_taken_as_reviewed(tmp_path):
    path = tmp_path / "mask.nii.gz"
    array = (scan(0).array[0] > 80).astype(np.uint8)
    save_segmentation(Segmentation(array, GRID), path)
    with make_study(tmp_path, labels=path) as study:
        desk = Desk(DeskSession(), study)
        case = desk.open("case0")
        turned = reorient(Volume(array, GRID), "LPS").array[0]
        np.testing.assert_array_equal(case.editing.labels, turned)
        assert (case.editing.provenance == HUMAN).all()
        case.close()
        desk.close()


def test_a_prediction_that_came_with_a_case_is_its_answer(tmp_path):
    path = tmp_path / "mask.nii.gz"
    array = (scan(0).array[0] > 80).astype(np.uint8)
    save_segmentation(Segmentation(array, GRID), path)
    with make_study(tmp_path, prediction=path) as study:
        desk = Desk(DeskSession(), study)
        case = desk.open("case0")
        assert case.answer.version.name == "imported prediction"
        assert (case.editing.provenance == case.code).all()
        case.close()
        desk.close()


def test_a_mask_of_another_grid_is_named(tmp_path):
    path = tmp_path / "mask.nii.gz"
    grid = VoxelGrid((3, 4, 5))
    save_segmentation(Segmentation(np.zeros(grid.shape, np.uint8), grid), path)
    with make_study(tmp_path, labels=path) as study:
        desk = Desk(DeskSession(), study)
        with pytest.raises(GeometryError, match="must lie on the grid of the scan"):
            desk.open("case0")
        with study.lock("case0") as lock:
            assert lock.held


def test_without_a_model_a_case_opens_empty(study):
    desk = Desk(DeskSession(), study)
    case = desk.open("case0")
    assert not case.editing.labels.any()
    assert study.case("case0").state is CaseState.NEW
    with pytest.raises(InputError, match="model must be chosen"):
        desk.segment(case)
    case.close()


def test_a_box_is_segmented_and_nothing_changed(desk):
    case = desk.open("case0")
    before = case.editing.labels.copy()
    answer = desk.segment(case, roi=BOX)
    assert not answer.labels[0].any()
    np.testing.assert_array_equal(answer.labels[BOX], expected(0)[BOX])
    np.testing.assert_array_equal(case.editing.labels, before)
    case.close()


def test_a_failed_save_keeps_the_case_open(desk, study, monkeypatch):
    case = desk.open("case0")
    paint(case)

    def full(*_, **__):
        msg = "the disk is full"
        raise StorageError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(study, "write_training_label", full)
        with pytest.raises(StorageError, match="full"):
            desk.accept(case)
        assert study.case("case0").state is CaseState.PREDICTED
    desk.accept(case)
    assert study.case("case0").state is CaseState.ACCEPTED
    case.close()


def test_labels_of_the_model_are_matched_by_name():
    array = np.array([[[0, 1, 2, 3]]], np.uint8)
    names = {1: "Bright", 2: "dark", 3: "other"}
    found, missing = renumbered(array, names, LABELS)
    np.testing.assert_array_equal(found, [[[0, 2, 1, 0]]])
    assert missing == ("other",)
    same, missing = renumbered(array, {1: "dark", 2: "bright"}, LABELS)
    assert same is array
    assert missing == ()


def test_dice_of_a_label_in_neither_is_no_number():
    first = np.array([[[1, 1, 2, 0]]], np.uint8)
    second = np.array([[[1, 2, 2, 9]]], np.uint8)
    labels = LabelSet.from_names({1: "a", 2: "b", 3: "c"})
    dice = dice_by_label(first, second, labels)
    assert dice[1] == pytest.approx(2 / 3)
    assert dice[2] == pytest.approx(2 / 3)
    assert np.isnan(dice[3])


def test_a_closed_desk_prepares_nothing(desk):
    desk.close()
    desk.prepare("case1")
    assert desk.prepared is None
    assert case_keeping.CaseState.NEW == "new"
