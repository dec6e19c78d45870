"""The ``study`` commands, in this process: exit codes, one JSON document, files."""

import json
import shutil
import signal

import numpy as np
import pytest

from napari_mednext.app.chosen_model import remembered_model
from napari_mednext.app.desk import Desk
from napari_mednext.app.recent_studies import recent
from napari_mednext.cli.entry import run
from napari_mednext.correction.change import Change
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.formats.tables import write_table
from napari_mednext.models import installed_models
from napari_mednext.study import Study
from napari_mednext.volume import reorient
from tests.app.desk_parts import GRID, LABELS, DeskSession, make_study, scan

BOX = (slice(1, 3), slice(2, 5), slice(4, 6))


@pytest.fixture
def call(capfd):
    """Run a command with --json; returns the exit code and the one document."""

    def call(*arguments):
        code = run(["study", *map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        document = json.loads(out)
        assert document["exit_code"] == code
        assert "Traceback" not in err
        document["stderr"] = err
        return code, document

    return call


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for seed in range(2):
        save_volume(scan(seed), folder / f"case{seed}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with scans, and a study of them with three accepted cases."""
    folder = tmp_path_factory.mktemp("template")
    with make_study(folder) as study:
        desk = Desk(DeskSession(), study)
        for number, name in enumerate(("case0", "case1", "case2")):
            case = desk.open(name)
            labels = np.full((2, 3, 2), number % 2 + 1, np.uint8)
            case.editing.apply(Change(BOX, labels), "brush")
            desk.accept(case)
            case.close()
        desk.close()
    return folder


@pytest.fixture
def study(template, tmp_path):
    """The folder of a study of one's own."""
    return shutil.copytree(template / "study", tmp_path / "study")


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_help_names_the_commands(capfd):
    assert run(["study", "--help"]) == 0
    out = capfd.readouterr().out
    assert all(word in out for word in ("init", "add", "status", "export"))


class TestInit:
    def test_labels_of_a_table_and_a_model(self, call, scans, tmp_path):
        table = tmp_path / "labels.txt"
        write_table(LABELS, table)
        code, document = call(
            "init", tmp_path / "s", "--from", scans, "--labels", table,
            "--model", "brain_mr", "--name", "Livers",
        )  # fmt: skip
        assert (code, document["status"]) == (0, "done")
        assert document["command"] == "study init"
        assert (document["cases"], document["notes"]) == (2, [])
        assert document["study"]["labels"] == {"1": "dark", "2": "bright"}
        with Study.open(tmp_path / "s") as study:
            assert study.name == "Livers"
            assert study.labels.names == LABELS.names
            assert study.case("case0").images == (scans / "case0.nii.gz",)
        installed = installed_models()
        chosen = remembered_model(tmp_path / "s", installed)
        assert str(chosen) == document["study"]["model"]
        assert chosen in [info.path for info in installed]
        assert recent()[0] == tmp_path / "s"

    def test_images_are_copied_if_wished(self, call, scans, tmp_path):
        code, _ = call("init", tmp_path / "s", "--from", scans, "--copy-images")
        assert code == 0
        copies = listing(tmp_path / "s" / "imagesTr")
        assert copies == ["case0_0000.nii.gz", "case1_0000.nii.gz"]

    def test_an_image_that_cannot_be_copied_is_named(self, call, scans, tmp_path):
        (scans / "bad.nii").write_bytes(b"not an image at all")
        code, document = call("init", tmp_path / "s", "--from", scans, "--copy-images")
        assert (code, document["status"]) == (1, "some failed")
        assert document["error"].startswith("images were not copied: bad: ")
        assert [each["case"] for each in document["not_copied"]] == ["bad"]
        assert document["cases"] == 3

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--from", "gone"], "gone"),
            ([], "Missing option"),
            (["--from", "scans", "--model", "nobody"], "a model must be"),
            (["--from", "scans", "--labels", "scans"], "dataset.json"),
        ],
    )
    def test_bad_input_is_refused(
        self, call, scans, tmp_path, monkeypatch, options, words
    ):
        monkeypatch.chdir(tmp_path)
        code, document = call("init", tmp_path / "s", *options)
        assert (code, document["status"]) == (2, "refused")
        assert words in document["error"]
        assert not (tmp_path / "s").exists()

    def test_a_study_that_is_there_is_kept(self, call, study, scans):
        code, document = call("init", study, "--from", scans)
        assert code == 2
        assert "holds a study already" in document["error"]

    @pytest.mark.usefixtures("_interrupting")
    def test_an_interrupt_leaves_nothing(self, call, scans, tmp_path):
        code, document = call("init", tmp_path / "s", "--from", scans, "--copy-images")
        assert (code, document["status"]) == (130, "interrupted")
        assert not (tmp_path / "s").exists()


@pytest.fixture
def _interrupting(monkeypatch):
    """Press Ctrl-C while the first case is copied."""
    from napari_mednext.study import image_copies

    copy = image_copies._copy_file

    def pressed(image, target):
        signal.raise_signal(signal.SIGINT)
        copy(image, target)

    monkeypatch.setattr(image_copies, "_copy_file", pressed)


class TestAdd:
    def test_new_cases_only(self, call, study, template, tmp_path):
        new = save_volume(scan(5), tmp_path / "new.nii.gz")
        code, document = call("add", study, template / "scans", new)
        assert code == 0
        assert document["command"] == "study add"
        assert (document["added"], document["known"]) == (["new"], 3)
        with Study.open(study) as opened:
            assert opened.case("new").images == (new,)

    def test_some_failed(self, call, study, tmp_path):
        new = save_volume(scan(5), tmp_path / "new.nii.gz")
        gone = tmp_path / "gone"
        code, document = call("add", study, gone, new)
        assert (code, document["status"]) == (1, "some failed")
        assert document["added"] == ["new"]
        assert [each["source"] for each in document["refused"]] == [str(gone)]
        assert document["error"].startswith(f"{gone}: ")

    def test_all_failed(self, call, study, tmp_path):
        code, document = call("add", study, tmp_path / "a", tmp_path / "b")
        assert code == 2
        assert document["error"].startswith("2 of 2 failed: ")
        assert document["stderr"].count(": failed: ") == 2

    def test_no_study(self, call, tmp_path, scans):
        code, document = call("add", tmp_path, scans)
        assert code == 2
        assert "must hold a 'study.sqlite'" in document["error"]

    @pytest.mark.usefixtures("_interrupting")
    def test_an_interrupt_keeps_what_is_added(self, call, scans, tmp_path, monkeypatch):
        from napari_mednext.app.studies import make_study as make
        from napari_mednext.app.studies import read_source

        one = read_source(scans / "case0.nii.gz")
        with monkeypatch.context() as patch:
            patch.setattr(
                "napari_mednext.study.image_copies._copy_file", lambda *_: None
            )
            make(tmp_path / "s", one, copy_images=True).study.close()
        for seed in (5, 6):
            save_volume(scan(seed), scans / f"new{seed}.nii.gz")
        code, document = call("add", tmp_path / "s", scans)
        assert (code, document["status"]) == (130, "interrupted")
        assert document["error"] == "interrupted, 3 cases were added"
        assert document["added"] == ["case1", "new5", "new6"]


class TestStatus:
    def test_counts_cases_and_effort(self, call, study):
        with Study.open(study) as opened:
            code = opened.model_code("liver", "0a1b2c3d4e5f")
            opened.add_effort("case2", model=code, seconds=90.0, strokes=3, dice={1: 1})
            opened.set_state("case1", "flagged", comment="look at\nthe border")
        code, document = call("status", study)
        assert (code, document["command"]) == (0, "study status")
        counts = document["counts"]
        assert (counts["accepted"], counts["flagged"], counts["new"]) == (2, 1, 0)
        assert sum(counts.values()) == 3
        case = document["cases"][1]
        assert (case["name"], case["state"]) == ("case1", "flagged")
        assert case["comment"] == "look at\nthe border"
        by_hand, liver = document["effort"]
        assert (by_hand["model"], by_hand["cases"]) == (None, 3)
        assert (liver["model"], liver["mean_minutes"]) == ("liver", 1.5)
        assert liver["mean_dice"] == 1.0

    def test_for_people(self, capfd, study):
        with Study.open(study) as opened:
            opened.set_state("case1", "flagged", comment="look at\nthe border")
        assert run(["study", "status", str(study)]) == 0
        lines = capfd.readouterr().out.splitlines()
        assert lines[0] == "study: 3 cases: 2 accepted, 1 flagged"
        assert lines[-2] == "case1  flagged            look at the border"
        assert len(lines) == 5

    def test_no_study(self, call, tmp_path):
        code, document = call("status", tmp_path / "gone")
        assert code == 2
        assert "must hold a 'study.sqlite'" in document["error"]


class TestExport:
    def test_all_that_are_accepted(self, call, study, tmp_path):
        with Study.open(study) as opened:
            opened.set_state("case1", "flagged", comment="why")
        out = tmp_path / "out"
        code, document = call("export", study, "-o", out)
        assert (code, document["command"]) == (0, "study export")
        saved = [each["output"] for each in document["results"]]
        assert saved == [str(out / f"case{n}.nii.gz") for n in (0, 2)]
        assert (out / "case0_provenance.json").is_file()
        mask = open_volume(saved[0])
        assert mask.grid.is_close(GRID)
        expected = np.zeros(reorient(mask, "LPS").array.shape[1:], np.uint8)
        expected[BOX] = 1
        np.testing.assert_array_equal(reorient(mask, "LPS").array[0], expected)

    def test_one_damaged_case_is_named_and_the_others_are_done(
        self, call, study, tmp_path
    ):
        damaged = study / "annotations" / "case1.nii.gz"
        damaged.write_bytes(b"damaged")
        code, document = call("export", study, "-o", tmp_path / "out")
        assert (code, document["status"]) == (1, "some failed")
        assert document["error"].startswith("case1: ")
        states = [each["state"] for each in document["results"]]
        assert states == ["saved", "failed", "saved"]
        assert document["results"][1]["error"] in document["error"]
        assert open_volume(tmp_path / "out" / "case2.nii.gz").grid.is_close(GRID)

    def test_everything_failed(self, call, study, tmp_path):
        line = ("export", study, "-o", tmp_path / "out")
        assert call(*line)[0] == 0
        code, document = call(*line)
        assert code == 2
        assert document["error"] == "3 of 3 failed: case0, case1, case2"
        assert document["stderr"].count("exists already") == 3
        assert call(*line, "--overwrite")[0] == 0

    def test_cases_names_and_format(self, call, study, tmp_path):
        out = tmp_path / "out"
        code, document = call(
            "export", study, "-o", out, "--case", "case2", "--case", "case0",
            "--pattern", "{number}_{case}", "--format", "nrrd", "--no-provenance",
        )  # fmt: skip
        assert code == 0
        assert [each["case"] for each in document["results"]] == ["case2", "case0"]
        assert listing(out) == ["0001_case0.nrrd", "0003_case2.nrrd"]

    def test_states(self, call, study, tmp_path):
        with Study.open(study) as opened:
            opened.set_state("case1", "in progress")
        line = ("export", study, "--no-provenance", "-o")
        code, document = call(*line, tmp_path / "a", "--state", "in-progress")
        assert (code, len(document["results"])) == (0, 1)
        code, document = call(*line, tmp_path / "b", "--state", "all")
        assert (code, len(document["results"])) == (0, 3)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--case", "nobody"], "must have the case"),
            (["--state", "done"], "a state must be one of 'new'"),
            (["--state", "flagged"], "none is flagged"),
            (["--state", "all", "--case", "case0"], "leave one out"),
            (["--pattern", "{who}"], "naming pattern"),
            (["--format", "png"], "format must be one of"),
        ],
    )
    def test_bad_input_is_refused(self, call, study, tmp_path, options, words):
        code, document = call("export", study, "-o", tmp_path / "out", *options)
        assert (code, document["status"]) == (2, "refused")
        assert words in document["error"]
        assert not (tmp_path / "out").exists()

    def test_an_interrupt_keeps_what_is_written(
        self, call, study, tmp_path, monkeypatch
    ):
        from napari_mednext.app import exporting

        write = exporting._write

        def pressed(*arguments, **options):
            signal.raise_signal(signal.SIGINT)
            write(*arguments, **options)

        monkeypatch.setattr(exporting, "_write", pressed)
        code, document = call("export", study, "-o", tmp_path / "out")
        assert (code, document["status"]) == (130, "interrupted")
        assert document["error"] == "interrupted, 1 masks were saved"
        assert [each["state"] for each in document["results"]] == ["saved"]
        assert open_volume(tmp_path / "out" / "case0.nii.gz").grid.is_close(GRID)

    def test_for_people(self, capfd, study, tmp_path):
        out = tmp_path / "out"
        assert run(["study", "export", str(study), "-o", str(out), "-v"]) == 0
        printed, said = capfd.readouterr()
        assert printed.splitlines() == [str(out / f"case{n}.nii.gz") for n in range(3)]
        assert "exporting case1" in said
