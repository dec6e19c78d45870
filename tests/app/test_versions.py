"""Versions of a model: a tree of whole folders, of which one is chosen."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_mednext.app import version_folders
from napari_mednext.app.chosen_model import (
    earlier_models,
    remember_model,
    remembered_model,
)
from napari_mednext.app.versions import (
    CandidateState,
    candidate_of,
    discard,
    disk_use,
    export_version,
    find_version,
    keep,
    promote,
    remove_version,
    rollback,
    versions,
)
from napari_mednext.errors import InputError, ModelError, StorageError
from napari_mednext.models import ModelFolder
from napari_mednext.study import CaseLock, Study
from tests.app.model_tree import make_candidate, make_empty_study, write_model
from tests.app.tiny_model import write_tiny_model


@pytest.fixture
def library(tmp_path, monkeypatch):
    folder = tmp_path / "library"
    folder.mkdir()
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(folder))
    return folder


@pytest.fixture
def base(library):
    """An installed model, which no version of the study is."""
    return write_model(library / "base", "base", content=b"base")


@pytest.fixture
def study(tmp_path, base):
    folder = make_empty_study(tmp_path / "study")
    remember_model(folder, name="base", path=base.path)
    return folder


def listed(study):
    """Name and depth of everything but what is shipped, and a star at the chosen."""
    return [
        f"{'  ' * each.depth}{each.name}{'*' if each.is_current else ''}"
        for each in versions(study)
        if not each.is_shipped
    ]


def hidden(study):
    """What no user should see, besides the lock."""
    found = [*study.glob("models/.*"), *study.glob("jobs/*/.*")]
    return [path for path in found if path.name != ".lock"]


class TestTree:
    def test_children_follow_their_parent_in_order_of_time(self, study, base):
        models = study / "models"
        first = write_model(
            models / "a", "a", content=b"a", parent=base, created="2026-01-02"
        )
        write_model(models / "c", "c", content=b"c", parent=base, created="2026-01-01")
        second = write_model(models / "b", "b", content=b"b", parent=first)
        make_candidate(study, "7", "d", content=b"d", parent=second)
        assert listed(study) == ["base*", "  c", "  a", "    b", "      d"]
        kinds = {v.name: v.kind for v in versions(study) if not v.is_shipped}
        assert kinds == {
            "base": "base",
            "a": "version",
            "b": "version",
            "c": "version",
            "d": "candidate",
        }

    def test_all_that_the_card_says_is_there(self, study, base):
        made = make_candidate(
            study,
            "7",
            content=b"1",
            parent=base,
            metrics={"dice": {"liver": 0.9}},
            recipe={"steps": 200, "data_sha256": {"case1": "ab"}},
            software={"torch": "2"},
            created="2026-01-01T00:00:00+00:00",
        )
        (version,) = [v for v in versions(study) if v.kind == "candidate"]
        assert (version.job, version.parent) == ("7", "base")
        assert version.parent_sha256 == base.sha256
        assert version.sha256 == made.sha256
        assert version.metrics == {"dice": {"liver": 0.9}}
        assert version.card.recipe["data_sha256"] == {"case1": "ab"}
        assert version.created == "2026-01-01T00:00:00+00:00"
        sizes = [f.stat().st_size for f in made.path.rglob("*") if f.is_file()]
        assert version.bytes == sum(sizes)

    def test_a_model_of_the_parents_name_but_other_weights_is_no_parent(
        self, study, base, tmp_path
    ):
        other = write_model(tmp_path / "other", "base", content=b"another")
        write_model(study / "models" / "a", "a", parent=other)
        assert listed(study) == ["a", "base*"]
        (version,) = [v for v in versions(study) if v.name == "a"]
        assert version.parent == "base"

    def test_a_parent_is_known_by_its_digest_under_another_name(self, study, base):
        lineage = {"parent": "as it was called", "parent_sha256": base.sha256}
        write_model(study / "models" / "a", "a", lineage=lineage)
        assert listed(study) == ["base*", "  a"]

    def test_the_older_form_of_a_lineage_is_read(self, study, base):
        started = {"started_from": {"model": "base", "sha256": base.sha256}}
        write_model(study / "models" / "a", "a", lineage=started)
        assert listed(study) == ["base*", "  a"]

    @pytest.mark.parametrize(
        "lineage", [{"parent": 3}, {"parent": "a"}, {"started_from": "x"}, {}]
    )
    def test_nonsense_is_no_parent(self, study, lineage):
        write_model(study / "models" / "a", "a", lineage=lineage)
        assert listed(study) == ["a", "base*"]

    def test_cards_that_go_in_circles_are_all_listed(self, study):
        for name, parent in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "b")):
            lineage = {"parent": parent}
            write_model(
                study / "models" / name, name, content=name.encode(), lineage=lineage
            )
        names = [line.strip() for line in listed(study)]
        assert sorted(names) == ["a", "b", "base*", "c", "d"]

    def test_a_folder_that_cannot_be_used_is_listed_with_its_reason(self, study):
        write_model(study / "models" / "a", "a")
        (study / "models" / "a" / "plans.json").write_text("{")
        (version,) = [v for v in versions(study) if v.kind == "version"]
        assert "must be JSON" in version.problem
        assert (version.name, version.parent) == ("a", None)

    def test_listing_loads_no_torch(self, study):
        make_candidate(study, "7")
        code = (
            "import sys\n"
            "from napari_mednext.app.versions import disk_use, promote, versions\n"
            f"promote({str(study)!r}, '7'); versions({str(study)!r})\n"
            f"disk_use({str(study)!r})\n"
            "assert not {'torch', 'napari', 'qtpy'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path.cwd())

    def test_an_open_study_will_do(self, study):
        with Study.open(study) as opened:
            assert versions(opened) == versions(study)
            assert versions(study / "study.sqlite") == versions(study)

    def test_without_a_study_it_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"must hold a 'study\.sqlite'"):
            versions(tmp_path)


class TestFinding:
    def test_by_name_job_or_folder(self, study, base):
        write_model(study / "models" / "a", "a", content=b"1", parent=base)
        made = make_candidate(study, "7", "b", content=b"2")
        for word in ("b", "7", str(made.path), str(made.path.parent)):
            assert find_version(study, word).path == made.path
        assert find_version(study, "a").path == study / "models" / "a"
        assert find_version(study, "base").path == base.path

    def test_a_kept_job_leads_to_its_version(self, study):
        make_candidate(study, "7", lineage={"job": ""})
        kept = keep(study, "7")
        assert find_version(study, "7").path == kept

    def test_a_name_of_two_candidates_is_refused(self, study):
        make_candidate(study, "7", content=b"1")
        make_candidate(study, "8", content=b"2")
        with pytest.raises(InputError, match=r"got 'liver' for 2 \(7, 8\)"):
            find_version(study, "liver")

    def test_an_unknown_word_is_told_with_those_that_are_known(self, study):
        with pytest.raises(InputError, match=r"one of .*base.* got 'bass'"):
            find_version(study, "bass")


class TestKeeping:
    def test_a_kept_candidate_is_a_version_that_is_not_chosen(self, study, base):
        made = make_candidate(study, "7", parent=base)
        digest = made.sha256
        kept = keep(study, "7")
        assert kept == study / "models" / "liver"
        assert ModelFolder.open(kept).sha256 == digest
        assert not made.path.exists()
        assert hidden(study) == []
        assert remembered_model(study) == base.path
        assert listed(study) == ["base*", "  liver"]
        note = json.loads((study / "jobs/7/model_moved.json").read_text())
        assert (note["name"], note["path"]) == ("liver", "models/liver")
        assert note["sha256"] == digest
        assert candidate_of(study, "7").path == kept

    def test_a_second_time_it_is_the_same_version(self, study):
        make_candidate(study, "7")
        assert keep(study, "7") == keep(study, study / "jobs" / "7")
        assert len(list((study / "models").glob("*/plans.json"))) == 1

    def test_taken_names_get_a_number_on_the_card_too(self, study):
        for job, name in (
            ("1", "liver"),
            ("2", "Liver"),
            ("3", "liver"),
            ("4", "base"),
        ):
            make_candidate(study, job, name, content=job.encode())
            keep(study, job)
        names = {p.parent.name for p in (study / "models").glob("*/plans.json")}
        assert names == {"liver", "Liver-2", "liver-3", "base-2"}
        assert all(
            ModelFolder.open(study / "models" / name).name == name for name in names
        )

    def test_a_name_of_a_removed_version_is_not_used_again(self, study):
        make_candidate(study, "1", content=b"1")
        remove_version(study, keep(study, "1"))
        make_candidate(study, "2", content=b"2")
        assert keep(study, "2").name == "liver-2"

    def test_a_model_without_a_name_is_called_after_its_job(self, study):
        make_candidate(study, "7", "")
        assert keep(study, "7").name == "model-7"

    def test_a_damaged_candidate_is_refused(self, study):
        made = make_candidate(study, "7")
        (made.path / "fold_0/weights.safetensors").write_bytes(b"other")
        with pytest.raises(ModelError, match=r"of 'liver' must have the SHA-256"):
            keep(study, "7")
        assert listed(study) == ["base*", "liver"]
        assert made.path.exists()

    def test_a_card_cannot_name_files_elsewhere(self, study):
        made = make_candidate(study, "7")
        card = json.loads((made.path / "card.json").read_text())
        card["sha256"]["../../../study.sqlite"] = "0" * 64
        (made.path / "card.json").write_text(json.dumps(card))
        with pytest.raises(ModelError, match=r"inside the model folder, got '\.\./"):
            keep(study, "7")

    @pytest.mark.parametrize("job", ["8", "models", "../jobs"])
    def test_a_job_must_be_there(self, study, job):
        with pytest.raises(InputError, match=f"got '{job}'"):
            keep(study, job)

    def test_a_job_must_have_made_a_model(self, study):
        (study / "jobs" / "7").mkdir(parents=True)
        with pytest.raises(InputError, match=r"'7' must have made a model"):
            keep(study, "7")
        assert candidate_of(study, "7").state is CandidateState.NONE

    def test_too_little_room_is_told_before_anything_is_written(
        self, study, monkeypatch
    ):
        make_candidate(study, "7")
        usage = type("Usage", (), {"free": 3 * 2**20})
        monkeypatch.setattr(version_folders.shutil, "disk_usage", lambda _: usage)
        with pytest.raises(StorageError, match=r"needs 16 MiB .* has 3 MiB free"):
            keep(study, "7")
        assert hidden(study) == []

    def test_a_copy_that_differs_is_no_version(self, study, monkeypatch):
        made = make_candidate(study, "7")

        def copy(source, target):
            target.write_bytes(b"{}")

        monkeypatch.setattr(version_folders.shutil, "copyfile", copy)
        with pytest.raises(ModelError, match=r"must equal its original, got another"):
            keep(study, "7")
        assert hidden(study) == []
        assert made.path.exists()

    def test_one_program_at_a_time(self, study, monkeypatch):
        make_candidate(study, "7")
        monkeypatch.setattr(version_folders, "PATIENCE_S", 0.05)
        with (
            CaseLock(study / "models" / ".lock"),
            pytest.raises(StorageError, match=r"one program at a time .*this computer"),
        ):
            keep(study, "7")
        assert keep(study, "7").is_dir()

    def test_leftovers_of_killed_processes_go(self, study):
        make_candidate(study, "7")
        for name in ("models/.x.1.part", "models/.x.2.gone", "jobs/7/.model.3.gone"):
            (study / name / "fold_0").mkdir(parents=True)
        keep(study, "7")
        assert hidden(study) == []


class TestPromoting:
    def test_forth_and_back_and_forth(self, study, base):
        make_candidate(study, "1", content=b"1", parent=base)
        first = promote(study, study / "jobs" / "1")
        make_candidate(study, "2", content=b"2", parent=ModelFolder.open(first))
        second = promote(study, study / "jobs" / "2" / "model")
        assert listed(study) == ["base", "  liver", "    liver-2*"]
        assert rollback(study) == first
        assert rollback(study) == base.path
        assert remembered_model(study) == base.path
        with pytest.raises(InputError, match=r"chosen before, the study .* has none"):
            rollback(study)
        assert promote(study, second) == second
        assert rollback(study) == base.path

    def test_the_same_again_is_no_step(self, study, base):
        make_candidate(study, "1")
        first = promote(study, "1")
        assert promote(study, first) == promote(study, "1") == first
        assert earlier_models(study) == (base.path,)

    def test_going_back_passes_over_what_is_gone(self, study, base):
        for job in ("1", "2", "3"):
            make_candidate(study, job, content=job.encode())
            promote(study, job)
        remove_version(study, study / "models" / "liver-2")
        assert rollback(study) == study / "models" / "liver"

    def test_going_back_to_a_damaged_model_is_refused(self, study, base):
        make_candidate(study, "1")
        first = promote(study, "1")
        (base.path / "fold_0/weights.safetensors").write_bytes(b"other")
        with pytest.raises(ModelError, match=r"of 'base' must have the SHA-256"):
            rollback(study)
        assert remembered_model(study) == first

    def test_what_is_no_model_is_refused(self, study, base, tmp_path):
        with pytest.raises(ModelError, match="must be a folder"):
            promote(study, tmp_path / "nothing")
        assert remembered_model(study) == base.path

    def test_a_moved_study_finds_its_models(self, study, base, tmp_path):
        for job in ("1", "2"):
            make_candidate(study, job, content=job.encode())
            promote(study, job)
        moved = Path(shutil.move(study, tmp_path / "elsewhere" / "study"))
        assert remembered_model(moved) == moved / "models" / "liver-2"
        assert rollback(moved) == moved / "models" / "liver"
        assert rollback(moved) == base.path

    def test_a_copied_study_uses_its_own_models(self, study, tmp_path):
        make_candidate(study, "1")
        promote(study, "1")
        copy = Path(shutil.copytree(study, tmp_path / "copy"))
        assert remembered_model(copy) == copy / "models" / "liver"


class TestDiscarding:
    def test_a_discarded_candidate_stays_until_it_is_deleted(self, study):
        made = make_candidate(study, "7")
        discard(study, "7")
        (version,) = [v for v in versions(study) if v.kind == "candidate"]
        assert version.is_discarded
        assert candidate_of(study, "7").state is CandidateState.DISCARDED
        discard(study, made.path, delete=True)
        assert not made.path.exists()
        assert hidden(study) == []
        assert listed(study) == ["base*"]
        assert candidate_of(study, "7").path is None
        discard(study, "7")

    def test_it_can_be_kept_after_all(self, study):
        make_candidate(study, "7")
        discard(study, "7")
        kept = keep(study, "7")
        assert candidate_of(study, "7").state is CandidateState.KEPT
        assert not (study / "jobs/7/model_discarded.json").exists()
        with pytest.raises(InputError, match=r"job '7' was kept"):
            discard(study, "7", delete=True)
        assert kept.is_dir()

    def test_the_one_in_use_is_not_deleted(self, study):
        made = make_candidate(study, "7")
        remember_model(study, name="liver", path=made.path)
        with pytest.raises(InputError, match=r"model of job '7' segments"):
            discard(study, "7", delete=True)
        assert made.path.exists()

    def test_there_must_be_a_model(self, study):
        (study / "jobs" / "7").mkdir(parents=True)
        with pytest.raises(InputError, match="must have made a model"):
            discard(study, "7")


class TestRemoving:
    def test_children_hang_below_the_nearest_that_is_left(self, study, base):
        models = study / "models"
        first = write_model(models / "a", "a", content=b"a", parent=base)
        second = write_model(models / "b", "b", content=b"b", parent=first)
        write_model(models / "c", "c", content=b"c", parent=second)
        remove_version(study, models / "a")
        remove_version(study, models / "b")
        assert listed(study) == ["base*", "  c"]
        (version,) = [v for v in versions(study) if v.name == "c"]
        assert version.parent == "b"
        said = json.loads((models / "removed" / "a.json").read_text())
        assert said["card"]["lineage"]["parent"] == "base"
        assert hidden(study) == []

    def test_the_one_in_use_stays(self, study):
        make_candidate(study, "1")
        first = promote(study, "1")
        with pytest.raises(InputError, match=r"version 'liver' segments"):
            remove_version(study, first)
        assert remembered_model(study) == first

    def test_only_versions_of_the_study_are_removed(self, study, base):
        made = make_candidate(study, "1")
        for path in (base.path, made.path, study / "models", study / "models" / "x"):
            with pytest.raises(InputError, match="can be removed, got"):
                remove_version(study, path)
        assert made.path.exists()
        assert base.path.exists()

    def test_a_damaged_version_can_be_removed(self, study):
        write_model(study / "models" / "a", "a")
        (study / "models" / "a" / "card.json").write_text("{")
        remove_version(study, study / "models" / "a")
        assert listed(study) == ["base*"]


def test_disk_use_counts_every_byte_once(study):
    parts = {
        "models": "models/a/w",
        "jobs": "jobs/1/model/w",
        "predictions": "predictions/m/p",
        "annotations": "annotations/a",
        "journal": "journal/j",
        "images": "imagesTr/i",
        "labels": "labelsTr/l",
    }
    before = disk_use(study)
    for size, place in enumerate(parts.values(), start=1):
        (study / place).parent.mkdir(parents=True, exist_ok=True)
        (study / place).write_bytes(b"x" * 10**size)
    after = disk_use(study)
    grown = {part: after[part] - before[part] for part in before}
    expected = {part: 10**size for size, part in enumerate(parts, start=1)}
    assert grown == {**expected, "other": 0}
    files = [each for each in study.rglob("*") if each.is_file()]
    assert sum(after.values()) == sum(each.stat().st_size for each in files)


def test_an_exported_version_is_read_by_nnunet_and_by_us(tmp_path):
    made = write_tiny_model(tmp_path / "tiny")
    out = export_version(made.path, tmp_path / "nnUNetTrainer__Plans__3d_fullres")
    assert (out / "fold_0" / "checkpoint_final.pth").is_file()
    weights = ModelFolder.open(out).load_weights("0")
    assert set(weights) == set(made.load_weights("0"))
    with pytest.raises(StorageError, match="must not replace another"):
        export_version(made.path, out)
    made.weight_file("0").write_bytes(b"")
    with pytest.raises(ModelError, match="must have the SHA-256"):
        export_version(made.path, tmp_path / "second")


class TestReplacing:
    """A new model is better than the one that it was compared with, not than all."""

    def test_the_one_that_it_was_compared_with(self, study, base):
        make_candidate(study, "0001-improve", "liver", parent=base)
        kept = promote(study, "0001-improve", instead_of=base.sha256)
        assert remembered_model(study) == kept
        # A process that was killed afterwards promotes it once more.
        assert promote(study, "0001-improve", instead_of=base.sha256) == kept

    def test_not_one_that_was_promoted_meanwhile(self, study, base):
        for job in ("0001-improve", "0002-improve"):
            make_candidate(study, job, job[:4], content=job.encode(), parent=base)
        first = promote(study, "0001-improve", instead_of=base.sha256)
        with pytest.raises(InputError, match="but '0001' is in use by now"):
            promote(study, "0002-improve", instead_of=base.sha256)
        assert remembered_model(study) == first
        assert candidate_of(study, "0002-improve").state is CandidateState.OPEN
        # By hand it can be done.
        assert promote(study, "0002-improve").name == "0002"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_stopped_anywhere_a_promotion_leaves_whole_folders_and_a_choice(study, step):
    """At calls in turn: ended as by a kill, and refused as by a full disk."""
    make_candidate(study, "1")
    program = Path(__file__).with_name("promote_killed.py")
    done = subprocess.run(
        [sys.executable, str(program), str(study), str(step)],
        check=True,
        cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        text=True,
    )
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    killed = [run for run in runs if run["how"] == "kill"]
    refused = [run for run in runs if run["said"].startswith("refused")]
    assert len(killed) > 25 / step, "fewer calls than there must be"
    assert {run["code"] for run in killed[:-1]} == {9}
    assert {run["chosen"] for run in killed} == {"old", "new"}
    assert len(refused) > 10 / step, "a full disk is told"
    for run in runs:
        assert run["chosen"] in ("old", "new"), run
        assert run["wrong"] == run["wrong_after"] == [], run
        assert run["again"], run
        assert run["left"] == [], run
        assert run["folders"] == 1, run
        assert run["history"] == [True], run
        assert run["back"], run
        assert not run["said"].startswith("fault"), run
    for run in refused:
        assert run["chosen"] == "old", run
