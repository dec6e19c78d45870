"""A study is what stands on disk: made, opened, moved, listed and changed."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from napari_mednext.errors import InputError, StorageError
from napari_mednext.study import Case, CaseEntry, CaseState, Study, StudyFolder
from napari_mednext.study.worklist import matching, ordered
from tests.study.makers import LABELS, entry, make_study

NEW, PREDICTED, IN_PROGRESS, ACCEPTED, FLAGGED = CaseState


@pytest.fixture
def study(tmp_path):
    with make_study(tmp_path / "study") as study:
        yield study


def names(cases):
    return [case.name for case in cases]


class TestFolder:
    def test_what_was_given_is_there_when_it_is_opened(self, tmp_path):
        folder = tmp_path / "study"
        given = entry(
            "x",
            labels=tmp_path / "elsewhere" / "x.nii.gz",
            prediction=folder / "old" / "x.nii.gz",
            state="flagged",
            comment="why",
            patient="P7",
        )
        before = datetime.now(UTC)
        Study.create(
            folder, entries=[given], labels=LABELS, channel_names=("T1", "T2")
        ).close()
        with Study.open(folder) as study:
            assert (study.name, study.path) == ("study", folder)
            assert study.labels == LABELS
            assert study.channel_names == ("T1", "T2")
            (case,) = study.cases()
            assert (case.name, case.images) == ("x", given.images)
            assert (case.labels, case.prediction) == (given.labels, given.prediction)
            assert (case.state, case.former) == (FLAGGED, PREDICTED)
            assert (case.comment, case.patient) == ("why", "P7")
            assert (case.model, case.doubt) == (None, None)
            assert before <= case.created == case.changed <= datetime.now(UTC)
        with Study.open(folder / "study.sqlite") as study:
            assert len(study.cases()) == 1

    def test_a_study_moves_with_its_files(self, tmp_path):
        old, new = tmp_path / "old", tmp_path / "new"
        inside, outside = old / "raw" / "a.nrrd", tmp_path / "b.nrrd"
        entries = [entry("a", images=(inside,)), entry("b", images=(outside,))]
        Study.create(old, entries=entries).close()
        shutil.move(old, new)
        with Study.open(new) as study:
            assert study.case("a").images == (new / "raw" / "a.nrrd",)
            assert study.case("b").images == (outside,)

    def test_paths_are_kept_relative_inside_only(self, tmp_path):
        folder = StudyFolder(tmp_path / "study")
        folder.make()
        (tmp_path / "link").symlink_to(folder.path)
        for path, stored in {
            folder.path / "x.nii": "x.nii",
            folder.path / "sub" / "x.nii": "sub/x.nii",
            tmp_path / "link" / "sub" / "x.nii": "sub/x.nii",
            folder.path / ".." / "x.nii": (tmp_path / "x.nii").as_posix(),
            tmp_path / "study2" / "x.nii": (tmp_path / "study2/x.nii").as_posix(),
            Path(tmp_path.anchor) / "x.nii": f"{Path(tmp_path.anchor).as_posix()}x.nii",
        }.items():
            assert folder.stored(path) == stored
            assert folder.stored(folder.found(stored)) == stored

    def test_many_images_name_their_folder_once(self, tmp_path):
        folder = StudyFolder(tmp_path)
        inside = tuple(tmp_path / "dicom" / f"IM{i}" for i in range(300))
        mixed = (tmp_path / "a" / "x_0000.nii.gz", tmp_path / "b" / "x_0001.nii.gz")
        for images in (inside, mixed, mixed[:1]):
            stored = folder.stored_images(images)
            assert folder.found_images(stored) == images
            assert str(tmp_path) not in stored
        assert folder.stored_images(inside).count("dicom") == 1

    def test_paths_of_a_case(self, study):
        root, code = study.path, study.model_code("my/model", "f00")
        paths = study.paths("a")
        assert paths.annotation == root / "annotations" / "a.nii.gz"
        assert paths.provenance == root / "annotations" / "a.provenance.nii.gz"
        assert paths.training == root / "labelsTr" / "a.nii.gz"
        assert paths.journal == root / "journal" / "a.journal"
        assert (paths.prediction, paths.doubt) == (None, None)
        study.set_prediction("a", code)
        paths = study.paths(study.case("a"))
        assert paths.prediction == root / "predictions" / "my_model-2" / "a.nii.gz"
        assert paths.doubt == root / "predictions" / "my_model-2" / "a.doubt.nii.gz"
        other = study.model_code("my:model", "f00")
        assert study.paths("a", model=other).prediction.parent.name == "my_model-3"
        for path in vars(paths).values():
            assert path.parent.is_dir()

    @pytest.mark.parametrize(
        "name", ["../x", "a b", ".hidden", "a/b", "x.provenance", "X.DOUBT", "x."]
    )
    def test_names_that_would_be_other_files(self, study, name):
        with pytest.raises(InputError, match="a case name must be made of letters"):
            study.add([entry("good"), CaseEntry(name, (Path("x.nii"),))])
        assert names(study.cases()) == ["a", "b", "c"]

    def test_create_refuses(self, tmp_path, study):
        with pytest.raises(InputError, match="holds a study already: open it"):
            make_study(study.path)
        (tmp_path / "nnunet").mkdir()
        (tmp_path / "nnunet" / "dataset.json").write_text("{}")
        with pytest.raises(InputError, match="holds a dataset already: choose a new"):
            make_study(tmp_path / "nnunet")
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match="a study must be a folder, got the"):
            make_study(tmp_path / "file")
        (tmp_path / "lost").mkdir()
        (tmp_path / "lost" / "study.sqlite.backup").write_bytes(b"")
        with pytest.raises(InputError, match="holds the backup of a study already: re"):
            make_study(tmp_path / "lost")
        with pytest.raises(InputError, match="name for every channel, got \\(\\)"):
            make_study(tmp_path / "s", channel_names=())
        with pytest.raises(InputError, match="a case name must be"):
            make_study(tmp_path / "s", names=["a/b"])
        assert not (tmp_path / "s").exists()

    def test_open_refuses_what_is_no_study(self, tmp_path):
        with pytest.raises(InputError, match=r"must hold a 'study.sqlite': choose"):
            Study.open(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_folders_that_cannot_be_made(self, study, monkeypatch):
        def refuse(self, *args, **kwargs):
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(StorageError, match="cannot be made \\(Read-only file"):
            study.paths("a")


class TestAdding:
    def test_known_images_are_left_out_and_names_kept_apart(self, study):
        again = entry("a")
        other = replace(again, images=(Path("/other/a.nii.gz").absolute(),))
        upper = entry("A", images=(Path("/other/A.nii.gz").absolute(),))
        added = study.add([again, other, other, upper, entry("d")])
        assert names(added) == ["a_2", "A_3", "d"]
        assert names(study.cases()) == ["a", "b", "c", "a_2", "A_3", "d"]
        assert study.case("a_2").images == other.images

    def test_nothing_is_added(self, study):
        assert study.add([]) == ()
        assert study.add([entry("b")]) == ()


class TestListing:
    @pytest.fixture
    def study(self, tmp_path):
        listed = ["case_10", "case_9", "Case_1b", "other"]
        with make_study(tmp_path / "study", listed) as study:
            study.set_state("case_9", FLAGGED, comment="Große Läsion")
            study.add([entry("p", patient="Meier 7")])
            study.set_figures("other", {1: 0.2, 2: 0.4}, {1: 5.0})
            study.set_figures("Case_1b", {1: 0.9}, {1: 0.0})
            study.set_figures("case_9", {}, {1: 0.0})
            yield study

    def test_orders(self, study):
        assert names(study.cases()) == ["case_10", "case_9", "Case_1b", "other", "p"]
        by_name = ["Case_1b", "case_9", "case_10", "other", "p"]
        assert names(study.cases(order="name")) == by_name
        by_doubt = ["Case_1b", "other", "case_10", "case_9", "p"]
        assert names(study.cases(order="doubt")) == by_doubt
        assert study.case("other").doubt == pytest.approx(0.3)
        random = names(study.cases(order="random"))
        assert random == names(study.cases(order="random"))
        # Where the model found nothing comes last.
        assert set(random[3:]) == {"case_9", "Case_1b"}

    def test_random_order_shuffles(self, study):
        cases = [replace(study.case("p"), name=f"c{i:03d}") for i in range(200)]
        first = names(ordered(cases, "random", seed="1", empty=()))
        second = names(ordered(cases, "random", seed="2", empty=()))
        assert sorted(first) == sorted(second) == names(cases)
        assert first != second
        ascents = sum(a < b for a, b in pairwise(first))
        assert 70 < ascents < 130

    def test_filters(self, study):
        assert names(study.cases(FLAGGED)) == ["case_9"]
        assert names(study.cases("new", "CASE")) == ["case_10", "Case_1b"]
        assert names(study.cases(["new", FLAGGED], "case")) == [
            "case_10",
            "case_9",
            "Case_1b",
        ]
        assert names(study.cases(text="GROSSE läsion")) == ["case_9"]
        assert names(study.cases(text="7 mei")) == ["p"]
        assert study.cases(text="nothing like this") == ()
        with pytest.raises(ValueError, match="'undone' is not a valid CaseState"):
            study.cases("undone")

    def test_counts(self, study):
        assert study.counts() == {
            NEW: 4,
            PREDICTED: 0,
            IN_PROGRESS: 0,
            ACCEPTED: 0,
            FLAGGED: 1,
        }

    def test_next_and_previous_walk_the_list(self, study):
        for order, state in product(("given", "doubt", "random"), (None, NEW)):
            listed = study.cases(state, order=order)
            for one, other in pairwise(listed):
                assert study.next(one.name, state=state, order=order) == other
                assert study.previous(other.name, state=state, order=order) == one
            first, last = listed[0].name, listed[-1].name
            assert study.next(last, state=state, order=order) is None
            assert study.previous(first, state=state, order=order) is None
            wrapped = study.next(last, state=state, order=order, wrap=True)
            assert wrapped == listed[0]
            wrapped = study.previous(first, state=state, order=order, wrap=True)
            assert wrapped == listed[-1]

    def test_next_of_a_case_that_the_filter_hides(self, study):
        assert study.next("case_9", state=NEW).name == "Case_1b"
        assert study.previous("case_9", state=NEW).name == "case_10"
        assert study.next("case_10", state=FLAGGED, wrap=True).name == "case_9"
        assert study.next("case_9", state=FLAGGED, wrap=True) is None

    def test_unknown_cases(self, study):
        for ask in (study.case, study.next, study.previous, study.paths, study.unflag):
            with pytest.raises(InputError, match="must have the case that is asked"):
                ask("nobody")
        with pytest.raises(InputError, match="got 'nobody': choose one of its list"):
            study.set_state("nobody", ACCEPTED)

    def test_matching_keeps_the_order(self, study):
        cases = study.cases(order="name")
        assert names(matching(cases, NEW)) == ["Case_1b", "case_10", "other", "p"]


ALLOWED = {
    NEW: {PREDICTED, IN_PROGRESS, ACCEPTED},
    PREDICTED: {NEW, IN_PROGRESS, ACCEPTED},
    IN_PROGRESS: {NEW, PREDICTED, ACCEPTED},
    ACCEPTED: {IN_PROGRESS},
}


class TestStates:
    def at(self, study, name, state):
        """A case in some state, whatever it was."""
        case = study.case(name)
        if case.state == FLAGGED:
            case = study.unflag(name)
        if case.state == ACCEPTED != state:
            study.set_state(name, IN_PROGRESS)
        return study.set_state(name, state)

    @pytest.mark.parametrize("former", ALLOWED)
    @pytest.mark.parametrize("flagged", [False, True])
    def test_transitions(self, study, former, flagged):
        for state in set(CaseState) - {FLAGGED}:
            self.at(study, "b", former)
            if flagged:
                case = study.set_state("b", FLAGGED, comment="look")
                assert (case.state, case.former) == (FLAGGED, former)
            if state in ALLOWED[former] | {former}:
                case = study.set_state("b", state)
                assert (case.state, case.former) == (state, None)
                assert study.case("b") == case
            else:
                with pytest.raises(InputError, match=f"cannot become '{state}'"):
                    study.set_state("b", state)
        assert study.case("a").state == NEW

    def test_flags(self, study):
        with pytest.raises(InputError, match="flagged case must have a comment"):
            study.set_state("a", "flagged")
        with pytest.raises(InputError, match="but 'a' has none: say what"):
            study.set_state("a", "flagged", comment="  ")
        study.set_state("a", "in progress", comment="half done")
        study.set_state("a", "flagged")
        case = study.set_state("a", FLAGGED, comment="odd")
        assert (case.comment, case.former) == ("odd", IN_PROGRESS)
        with pytest.raises(InputError, match="flagged case must have a comment"):
            study.set_comment("a", "")
        case = study.unflag("a")
        assert (case.state, case.former, case.comment) == (IN_PROGRESS, None, "odd")
        assert study.unflag("a") == case
        assert study.set_comment("a", "").comment == ""

    def test_a_prediction_makes_a_new_case_predicted(self, study):
        code = study.model_code("m", "1")
        case = study.set_prediction("a", code)
        assert (case.state, case.model.name) == (PREDICTED, "m")
        study.set_state("b", FLAGGED, comment="x")
        case = study.set_prediction("b", code)
        assert (case.state, case.former) == (FLAGGED, PREDICTED)
        study.set_state("c", ACCEPTED)
        assert study.set_prediction("c", code).state == ACCEPTED
        with pytest.raises(InputError, match="code of a model version, got 99"):
            study.set_prediction("c", 99)

    def test_a_change_is_dated(self, study):
        before = study.case("a")
        after = study.set_comment("a", "x")
        assert after.changed >= before.changed == before.created == after.created
        assert study.case("b").changed == study.case("b").created


class TestRest:
    def test_figures(self, study):
        study.set_figures("a", {2: 0.5, 9: 0.1}, {2: 12.5})
        study.set_figures("b", {}, {9: 0.0})
        figures = study.figures()
        assert figures["a"].doubt == {2: 0.5, 9: 0.1}
        assert figures["a"].ml == {2: 12.5}
        assert (figures["b"].doubt, figures["b"].ml) == ({}, {9: 0.0})
        assert study.case("b").doubt is None
        study.set_figures("a", {9: 0.3}, {})
        assert study.figures()["a"].doubt == {9: 0.3}
        assert "c" not in study.figures()
        numbers = {np.int64(2): np.float32(0.5), np.uint8(9): np.nan}
        study.set_figures("c", numbers, numbers)
        assert study.case("c").doubt == 0.5
        assert study.figures()["c"].ml == {2: 0.5}

    def test_model_codes(self, study):
        codes = [study.model_code(f"m{i % 3}", str(i)) for i in range(126)]
        assert codes == list(range(2, 128))
        assert [m.code for m in study.models()] == codes
        assert study.model_code("m2", "5") == 7
        assert (study.model(7).name, study.model(7).sha256) == ("m2", "5")
        with pytest.raises(InputError, match="126 model versions apart, got one more"):
            study.model_code("m0", "other")
        with pytest.raises(InputError, match="code of a model version, got 1"):
            study.model(1)

    def test_spots(self, study):
        study.mark_spot("a", 3, (10, 20, 30), model=2)
        study.mark_spot("a", 1, (1, 2, 3), model=2)
        study.mark_spot("a", 1, (9, 9, 9))
        study.mark_spot("a", 3, (10, 20, 31), model=2, seen=False)
        found = [(s.number, s.center, s.seen) for s in study.spots("a", model=2)]
        assert found == [(1, (1, 2, 3), True), (3, (10, 20, 31), False)]
        assert [s.center for s in study.spots("a")] == [(9, 9, 9)]
        assert study.spots("b", model=2) == ()

    def test_case_is_a_value(self, study):
        assert study.case("a") == study.case("a")
        assert isinstance(study.case("a"), Case)
        with pytest.raises(AttributeError):
            study.case("a").name = "b"
