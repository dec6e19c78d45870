"""From case to case: nothing is lost, mixed up or left locked, whatever fails."""

import gc
import threading
import weakref

import numpy as np
import pytest

from napari_mednext.app import rescue
from napari_mednext.app.recent_studies import recent
from napari_mednext.correction.change import Change
from napari_mednext.correction.journal import Journal
from napari_mednext.errors import StorageError
from napari_mednext.formats import open_volume
from napari_mednext.study import CaseState, Study
from napari_mednext.study.database import Database
from napari_mednext.ui.flow_base import Phase
from napari_mednext.volume import reorient
from tests.app.desk_parts import make_study
from tests.ui.study_parts import Desktop

BOX = (slice(1, 3), slice(2, 5), slice(4, 6))


def version(desk):
    if desk.model is None:
        return None
    return desk.study.model(desk.study.model_code(str(desk.model), "digest"))


class Bench(Desktop):
    """A study of three cases, the first of them open."""

    def __init__(self, qtbot, until, folder):
        super().__init__(qtbot)
        self.until = until
        self.study = make_study(folder)
        self.flow.use(self.study, model="any")

    def open(self, name):
        self.flow.open_case(name)
        self.until(lambda: self.flow.phase is not Phase.OPENING)
        return self.flow.case

    def rest(self):
        self.until(
            lambda: not self.flow.is_busy_behind
            and self.flow.phase is not Phase.OPENING
        )

    def errors(self):
        return [text for text, level in self.said if level == "error"]

    def state(self, name):
        return self.study.case(name).state

    def is_free(self, name):
        with self.study.lock(name) as lock:
            return lock.held

    def on_disk(self, name):
        path = self.study.paths(name).annotation
        return reorient(open_volume(path), "LPS").array[0]


@pytest.fixture
def bench(qtbot, until, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_mednext.app.desk.Desk.version", version)
    bench = Bench(qtbot, until, tmp_path)
    bench.open("case0")
    yield bench
    bench.session.service.hold.set()
    bench.close(until)


def paint(case, value=2):
    shape = case.editing.labels[BOX].shape
    return case.editing.apply(Change(BOX, np.full(shape, value, np.uint8)), "brush")


def full(*_, **__):
    msg = "the disk is full"
    raise StorageError(msg)


class TestRemembering:
    def test_the_study_is_the_newest_of_the_recent_ones(self, bench, tmp_path):
        bench.rest()
        assert recent()[0] == bench.study.path
        (tmp_path / "other").mkdir()
        other = make_study(tmp_path / "other")
        bench.flow.use(other)
        bench.rest()
        assert recent()[:2] == (other.path, bench.study.path)


class TestFromCaseToCase:
    def test_going_back_at_once_gives_a_case_that_can_be_edited(self, bench):
        paint(bench.flow.case)
        bench.open("case1")
        bench.open("case0")
        bench.open("case1")
        bench.rest()
        assert not bench.flow.case.is_read_only
        assert not bench.open("case0").is_read_only
        assert bench.errors() == []
        assert (bench.flow.case.editing.labels[BOX] == 2).all()

    def test_each_case_keeps_its_own_labels(self, bench):
        seen = {}
        for turn in range(2):
            for number in range(3):
                case = bench.open(f"case{number}")
                if turn == 0:
                    paint(case, number)
                    seen[case.name] = case.editing.labels.copy()
                np.testing.assert_array_equal(case.editing.labels, seen[case.name])
                assert bench.flow.layer.data is case.editing.labels
        bench.flow.close_study()
        with Study.open(bench.study.path) as bench.study:
            for name, labels in seen.items():
                np.testing.assert_array_equal(bench.on_disk(name), labels)

    def test_a_case_that_was_left_is_not_kept_in_memory(self, bench):
        paint(bench.flow.case)
        left = weakref.ref(bench.flow.case)
        bench.open("case1")
        bench.rest()

        def is_gone():
            gc.collect()
            return left() is None

        bench.until(is_gone)

    def test_a_case_without_its_scan_is_one_sentence_and_next_goes_on(self, bench):
        bench.study.case("case1").images[0].unlink()
        bench.rest()
        bench.flow.next_case()
        bench.rest()
        assert bench.flow.case is None
        assert bench.flow.phase is Phase.IDLE
        assert len(bench.errors()) == 1
        assert "case1.nii.gz" in bench.errors()[0]
        bench.flow.next_case()
        bench.rest()
        assert bench.flow.case.name == "case2"

    def test_a_cancelled_opening_leaves_the_case_free(self, bench):
        bench.rest()
        bench.session.service.hold.clear()
        bench.flow.open_case("case2")
        bench.until(lambda: "case2" in bench.session.service.runs)
        bench.flow.cancel()
        bench.rest()
        assert bench.flow.case is None
        assert bench.said[-1] == ("Cancelled.", "info")
        assert bench.is_free("case2")
        bench.session.service.hold.set()
        assert not bench.open("case2").is_read_only

    def test_a_case_of_another_window_is_opened_again_when_it_is_free(self, bench):
        bench.rest()
        bench.flow.desk.yield_engine()
        lock = bench.study.lock("case2")
        assert bench.open("case2").is_read_only
        lock.release()
        assert not bench.open("case2").is_read_only

    def test_what_was_painted_and_not_handed_in_is_not_lost(self, bench):
        bench.flow.case.editing.labels[BOX] = 2
        bench.open("case1")
        case = bench.open("case0")
        assert (case.editing.labels[BOX] == 2).all()

    def test_labels_that_another_program_sets_become_a_step(self, bench):
        case, layer = bench.flow.case, bench.flow.layer
        other = np.zeros(case.editing.labels.shape, np.int64)
        other[BOX] = 2
        layer.data = other
        assert layer.data is case.editing.labels
        np.testing.assert_array_equal(case.editing.labels, other)
        assert case.editing.history.last_done.title == "replace"
        layer.undo()
        assert case.editing.labels.any()
        with pytest.raises(Exception, match="whole numbers from 0"):
            layer.data = -other

    def test_a_removed_layer_comes_back_with_the_case(self, bench):
        paint(bench.flow.case)
        bench.flow.viewer.layers.remove(bench.flow.layer)
        assert bench.flow.layer is None
        case = bench.open("case0")
        assert bench.flow.layer is not None
        assert (case.editing.labels[BOX] == 2).all()
        assert len(bench.flow.viewer.layers) == 2

    def test_other_layers_stay(self, bench):
        mine = bench.flow.viewer.add_points([[1, 2, 3]], name="mine")
        bench.open("case1")
        bench.flow.close_study()
        assert list(bench.flow.viewer.layers) == [mine]


class TestStates:
    def test_the_first_step_puts_a_case_in_progress(self, bench):
        paint(bench.flow.case)
        bench.rest()
        assert bench.state("case0") is CaseState.IN_PROGRESS

    def test_taking_a_step_back_of_an_accepted_case_reopens_it(self, bench):
        bench.flow.accept_next()
        bench.rest()
        assert bench.state("case0") is CaseState.ACCEPTED
        bench.open("case0")
        bench.flow.layer.undo()
        bench.rest()
        assert bench.state("case0") is CaseState.IN_PROGRESS

    def test_a_stroke_and_accept_at_once_is_accepted(self, bench):
        paint(bench.flow.case)
        bench.flow.accept_next()
        bench.rest()
        assert bench.state("case0") is CaseState.ACCEPTED
        assert bench.flow.case.name == "case1"

    def test_what_was_painted_under_a_flag_counts_when_it_is_gone(self, bench):
        bench.flow.flag("look")
        paint(bench.flow.case)
        bench.rest()
        assert bench.state("case0") is CaseState.FLAGGED
        bench.flow.unflag()
        bench.rest()
        assert bench.state("case0") is CaseState.IN_PROGRESS

    def test_minutes_of_looking_count(self, bench):
        case = bench.flow.case
        case.clock.now = iter(np.arange(100, 200, 10.0)).__next__
        case.clock._last = None
        bench.flow.viewer.dims.set_current_step(0, 1)
        bench.flow.viewer.dims.set_current_step(0, 2)
        bench.flow.accept_next()
        bench.rest()
        (row,) = [row for row in bench.study.effort() if row.case == "case0"]
        assert row.seconds >= 20
        assert row.strokes == 0


class TestFailures:
    def fail_to_accept(self, bench, monkeypatch):
        paint(bench.flow.case)
        with monkeypatch.context() as patch:
            patch.setattr(bench.study, "write_training_label", full)
            bench.flow.accept_next()
            bench.rest()
        assert bench.flow.unsaved == ("case0",)
        assert "case0 is not saved" in bench.errors()[0]
        assert bench.state("case0") is not CaseState.ACCEPTED
        assert not bench.is_free("case0")

    def test_saving_again_accepts_what_could_not_be(self, bench, monkeypatch):
        self.fail_to_accept(bench, monkeypatch)
        assert bench.flow.case.name == "case1"
        bench.flow.save()
        bench.rest()
        assert bench.flow.unsaved == ()
        assert bench.state("case0") is CaseState.ACCEPTED
        assert (bench.on_disk("case0")[BOX] == 2).all()
        assert bench.is_free("case0")

    def test_it_can_be_saved_without_a_case_in_hand(self, bench, monkeypatch):
        bench.open("case2")
        bench.flow.filter = {"state": "accepted"}
        with monkeypatch.context() as patch:
            patch.setattr(bench.study, "write_training_label", full)
            bench.flow.accept_next()
            bench.rest()
        assert bench.flow.case is None
        bench.flow.save()
        bench.rest()
        assert bench.state("case2") is CaseState.ACCEPTED

    def test_it_can_be_opened_again_as_it_was(self, bench, monkeypatch):
        self.fail_to_accept(bench, monkeypatch)
        with monkeypatch.context() as patch:
            patch.setattr(bench.study, "write_training_label", full)
            case = bench.open("case0")
        assert not case.is_read_only
        assert (case.editing.labels[BOX] == 2).all()
        assert bench.flow.unsaved == ()
        paint(case, 1)
        bench.flow.accept_next()
        bench.rest()
        assert bench.state("case0") is CaseState.ACCEPTED
        assert (bench.on_disk("case0")[BOX] == 1).all()

    def test_one_that_fails_keeps_no_other_from_being_saved(self, bench, monkeypatch):
        self.fail_to_accept(bench, monkeypatch)
        paint(bench.flow.case)
        write = bench.study.write_training_label

        def some(name, *arguments):
            full() if name == "case1" else write(name, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(bench.study, "write_training_label", some)
            bench.flow.save()
            bench.rest()
        assert bench.state("case0") is CaseState.ACCEPTED
        assert "full" in bench.errors()[-1].casefold()

    def test_a_study_that_cannot_be_read_is_a_sentence(self, bench, monkeypatch):
        paint(bench.flow.case)
        bench.rest()
        with monkeypatch.context() as patch:
            patch.setattr(Database, "rows", full)
            patch.setattr(Database, "change", full)
            assert bench.flow.listed() is None
            for act in (bench.flow.next_case, bench.flow.accept_next):
                act()
                assert bench.errors()[-1] == "The disk is full."
            bench.flow.flag("look")
            bench.flow.unflag()
            assert len(bench.errors()) == 4
        assert bench.flow.case.name == "case0"
        assert bench.flow.listed().state is CaseState.IN_PROGRESS

    def test_a_full_disk_while_the_next_case_is_made_ready_is_no_news(self, bench):
        bench.rest()
        bench.flow._on_problem("case1", "the disk is full")
        bench.flow._on_watch()
        assert bench.flow.problem is None
        bench.open("case1")
        assert bench.flow.problem is None
        bench.flow._on_problem("case1", "the disk is full")
        bench.flow._on_watch()
        assert bench.errors() == ["Case1: the disk is full."]
        bench.flow._on_problem("case1", None)
        bench.flow._on_watch()
        assert bench.said[-1] == ("All steps are on disk again.", "done")

    def test_a_study_stays_open_while_steps_are_in_memory_only(
        self, bench, monkeypatch
    ):
        def no_room(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "_write", no_room)
            patch.setattr(Journal, "_write_many", no_room, raising=False)
            paint(bench.flow.case)
            assert not bench.flow.close_study()
            assert bench.flow.study is not None
            assert bench.flow.unsaved == ("case0",)
            assert "make room" in bench.errors()[-1]
        assert bench.flow.close_study()
        with Study.open(bench.study.path) as bench.study:
            assert (bench.on_disk("case0")[BOX] == 2).all()
            assert bench.is_free("case0")

    def test_a_window_that_goes_with_a_full_disk_leaves_the_labels_elsewhere(
        self, bench, tmp_path, monkeypatch
    ):
        def no_room(*_):
            raise OSError(28, "No space left on device")

        told = []
        monkeypatch.setattr(rescue, "rescue_folder", lambda: tmp_path / "rescued")
        monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
        labels = bench.flow.case.editing.labels
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "_write", no_room)
            paint(bench.flow.case)
            assert bench.flow.close_study(at_once=True)
        (path,) = (tmp_path / "rescued").glob("case0-*[0-9].nii.gz")
        assert str(path) in told[0]
        mask = reorient(open_volume(path), "LPS").array[0]
        np.testing.assert_array_equal(mask, labels)
        assert (mask[BOX] == 2).all()
        beside = path.with_name(path.name.replace(".nii", "_reviewed.nii"))
        reviewed = reorient(open_volume(beside), "LPS").array[0]
        np.testing.assert_array_equal(reviewed[BOX] == 1, mask[BOX] == 2)
        bench.study = Study.open(bench.study.path)


class TestClosing:
    def test_a_study_that_closes_during_an_acceptance_waits_for_it(
        self, bench, monkeypatch
    ):
        paint(bench.flow.case)
        began, write = threading.Event(), bench.study.write_training_label

        def slow(*arguments):
            began.set()
            threading.Event().wait(0.2)
            write(*arguments)

        monkeypatch.setattr(bench.study, "write_training_label", slow)
        bench.flow.accept_next()
        bench.until(began.is_set)
        bench.flow.close_study()
        bench.rest()
        assert bench.errors() == []
        with Study.open(bench.study.path) as bench.study:
            assert bench.state("case0") is CaseState.ACCEPTED
            assert all(bench.is_free(f"case{n}") for n in range(3))

    def test_an_acceptance_that_no_worker_began_is_made_when_closing(self, bench):
        paint(bench.flow.case)
        bench.flow.accept_next()
        bench.flow.close_study()
        with Study.open(bench.study.path) as bench.study:
            assert bench.state("case0") is CaseState.ACCEPTED
        bench.rest()

    def test_closing_while_a_case_is_opened_leaves_it_free(self, bench):
        bench.rest()
        bench.session.service.hold.clear()
        bench.flow.open_case("case2")
        bench.until(lambda: "case2" in bench.session.service.runs)
        bench.flow.close_study()
        assert bench.flow.phase is Phase.EMPTY
        bench.session.service.hold.set()
        bench.rest()
        with Study.open(bench.study.path) as bench.study:
            assert all(bench.is_free(f"case{n}") for n in range(3))
        assert bench.errors() == []

    def test_a_case_of_the_former_study_never_comes_into_the_next(
        self, bench, tmp_path, monkeypatch
    ):
        (tmp_path / "other").mkdir()
        other = make_study(tmp_path / "other")
        bench.rest()
        late, read, desk = threading.Event(), threading.Event(), bench.flow.desk
        open_late = desk.open

        def slow(*arguments, **options):
            case = open_late(*arguments, **{**options, "cancel": None})
            read.set()
            late.wait(10)
            return case

        monkeypatch.setattr(desk, "open", slow)
        bench.flow.open_case("case1")
        bench.until(read.is_set)
        bench.flow.use(other)
        bench.flow.open_case("case2")
        late.set()
        bench.rest()
        assert bench.flow.case.name == "case2"
        assert bench.flow.case.case.folder == other.path
        names = [layer.name for layer in bench.flow.viewer.layers]
        assert not any("case1" in name for name in names)
        with Study.open(bench.study.path) as study, study.lock("case1") as lock:
            assert lock.held

    def test_a_flow_that_is_gone_is_told_nothing(self, bench, qtbot):
        paint(bench.flow.case)
        bench.flow.accept_next()
        bench.flow.close_study(at_once=True)
        with qtbot.capture_exceptions() as raised:
            bench.flow.setParent(None)
            bench.flow.deleteLater()
            qtbot.wait(50)
            bench.rest()
        assert raised == []
        bench.flow = Desktop(qtbot).flow
