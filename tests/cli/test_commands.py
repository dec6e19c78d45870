"""The commands, in this process: exit codes, one JSON document, sentences, files."""

import json
import os
import threading

import numpy as np
import pytest

from napari_mednext.cli.entry import run
from napari_mednext.cli.segment import parse_roi
from napari_mednext.errors import Cancelled, InputError
from napari_mednext.formats import open_volume, save_segmentation, save_volume
from napari_mednext.volume import Volume, VoxelGrid
from tests.app.tiny_model import write_tiny_model

GRID = VoxelGrid((9, 21, 18), spacing=(3.0, 0.9, 1.1), origin=(1.0, 2.0, 3.0))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A folder of models with one good and one broken model."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder / "tiny")
    (folder / "broken").mkdir()
    (folder / "broken" / "plans.json").write_text("{")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_MEDNEXT_MODELS", str(folder))
        yield folder
    torch.set_num_threads(threads)


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for number, name in enumerate(("a", "b")):
        array = np.random.default_rng(number).normal(size=(1, *GRID.shape))
        save_volume(Volume(array.astype(np.float32), GRID), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture
def call(capfd):
    """Run a command with --json; returns the exit code and the document."""

    def call(*arguments):
        code = run([*map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        document = json.loads(out)
        assert document["exit_code"] == code
        if document["error"]:
            assert len(err.strip().splitlines()[-1:]) == 1
            assert "Traceback" not in err
        return code, document

    return call


@pytest.mark.usefixtures("library")
class TestSegment:
    def test_a_folder_of_scans(self, call, scans, tmp_path):
        out = tmp_path / "masks"
        code, document = call(
            "segment", scans, "-o", out, "--model", "tiny", "--no-mirror"
        )
        assert (code, document["status"], document["error"]) == (0, "done", None)
        assert [r["name"] for r in document["results"]] == ["a", "b"]
        assert sorted(path.name for path in out.iterdir()) == ["a.nii.gz", "b.nii.gz"]
        mask = open_volume(out / "a.nii.gz")
        assert mask.grid.is_close(GRID)
        for row in document["results"][0]["volumes"]:
            voxels = int(np.count_nonzero(mask.array == row["value"]))
            assert row["voxels"] == voxels
            assert row["volume_ml"] == pytest.approx(voxels * 2.97e-3, abs=1e-3)

    def test_one_scan_to_a_file_with_probabilities(self, call, scans, tmp_path):
        out = tmp_path / "mask.nrrd"
        code, document = call(
            "segment", scans / "a.nii.gz", "-o", out, "--model", "tiny",
            "--probabilities", "--step", "1", "--roi", "0:5,:,2:",
        )  # fmt: skip
        assert code == 0
        (result,) = document["results"]
        assert result["output"] == str(out)
        scores = open_volume(result["probabilities"])
        assert scores.channels == 3
        mask = open_volume(out).array[0]
        assert not mask[5:].any()
        assert not mask[:, :, :2].any()
        decided = scores.array.argmax(axis=0)[:5, :, 2:]
        assert np.mean(decided == mask[:5, :, 2:]) > 0.999

    def test_some_failed(self, call, scans, tmp_path):
        (scans / "b.nii.gz").write_bytes(b"not an image at all")
        out = tmp_path / "masks"
        missing = tmp_path / "gone.nii.gz"
        code, document = call("segment", scans, missing, "-o", out, "--model", "tiny")
        assert (code, document["status"]) == (1, "some failed")
        assert document["error"] == f"2 of 3 failed: b, {missing}"
        states = [result["state"] for result in document["results"]]
        assert states == ["saved", "failed", "failed"]
        assert all(result["error"] for result in document["results"][1:])
        assert [path.name for path in out.iterdir()] == ["a.nii.gz"]

    def test_existing_output_and_overwrite(self, call, scans, tmp_path):
        out = tmp_path / "mask.nii.gz"
        out.write_bytes(b"precious")
        line = ("segment", scans / "a.nii.gz", "-o", out, "--model", "tiny")
        code, document = call(*line)
        assert code == 2
        assert "must not exist yet" in document["error"]
        assert out.read_bytes() == b"precious"
        code, _ = call(*line, "--overwrite", "--no-mirror")
        assert code == 0
        assert open_volume(out).grid.is_close(GRID)

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (("--format", "dicom-seg"), "DICOM SEG are not available"),
            (("--cluster", "tcp://x"), "cluster is not available"),
            (("--format", "jpg"), "must be one of nii.gz"),
            (("--step", "7"), "step must be"),
            (("--step", "half"), "Invalid value for '--step'"),
            (("--engine", "steam"), "engine must be one of auto"),
            (("--device", "gpu"), "device must be auto, cpu"),
            (("--device", "cuda:63"), "cuda"),
            (("--max-ram", "0"), "max_ram_gb must be"),
            (("--roi", "1:2"), "must be z0:z1,y0:y1,x0:x1"),
            (("--model", "tinny"), "did you mean 'tiny'"),
            (("--model", "broken"), "plans.json"),
            (("--bogus",), "No such option"),
        ],
    )
    def test_bad_usage_is_one_sentence(self, call, scans, tmp_path, options, sentence):
        scan, out = scans / "a.nii.gz", tmp_path / "masks"
        given = () if "--model" in options else ("--model", "tiny")
        code, document = call("segment", scan, "-o", out, *given, *options)
        assert code == 2
        assert sentence in document["error"]
        assert "\n" not in document["error"].strip()
        assert not out.exists() or not list(out.iterdir())

    def test_channels_must_fit_the_model(self, call, tmp_path):
        folder = tmp_path / "imagesTs"
        folder.mkdir()
        for channel in range(2):
            array = np.random.default_rng(channel).normal(size=GRID.shape)
            save_volume(Volume(array, GRID), folder / f"p_{channel:04d}.nii.gz")
        code, document = call(
            "segment", folder, "-o", tmp_path / "m", "--model", "tiny"
        )
        assert code == 2
        assert "channel" in document["error"]


@pytest.mark.usefixtures("library")
class TestModels:
    def test_list(self, call):
        code, document = call("models", "list")
        assert code == 0
        assert document["command"] == "models list"
        (tiny,) = [m for m in document["models"] if m["name"] == "tiny"]
        assert tiny["labels"] == {"1": "cortex", "2": "white"}
        assert document["broken"][0]["path"].endswith("broken")

    def test_info(self, call):
        code, document = call("models", "info", "tiny")
        assert code == 0
        assert document["model"]["spacing_mm"] == [2.0, 1.0, 1.0]
        assert document["model"]["card"]["title"] == "Tiny test model"

    def test_verify_says_which_are_bad(self, call, library, tmp_path):
        assert call("models", "verify", "tiny")[0] == 0
        code, document = call("models", "verify")
        assert code == 1
        problems = {m["name"]: m["problems"] for m in document["models"]}
        assert problems[str(library / "tiny")] == []
        assert problems[str(library / "broken")]
        other = write_tiny_model(tmp_path / "spoilt")
        weights = other.weight_file("0")
        data = bytearray(weights.read_bytes())
        data[-1] ^= 255
        weights.write_bytes(data)
        code, document = call("models", "verify", tmp_path / "spoilt")
        assert code == 2
        assert "SHA-256" in document["models"][0]["problems"][0]


def test_text_output_and_the_sentence_on_stderr(capfd, library, scans, tmp_path):
    out = tmp_path / "m.nii.gz"
    line = ["segment", str(scans / "a.nii.gz"), "-o", str(out), "--model", "tiny"]
    assert run([*line, "--no-mirror"]) == 0
    printed, said = capfd.readouterr()
    assert printed.splitlines()[0] == str(out)
    assert "cortex" in printed
    assert "saved" in said
    assert run(line) == 2
    printed, said = capfd.readouterr()
    assert printed == ""
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("napari-mednext: a: the output must not")
    assert run(["models", "info", str(library / "broken"), "-v"]) == 2
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.usefixtures("library")
def test_every_failed_scan_is_named_with_its_sentence(capfd, scans, tmp_path):
    for path in scans.iterdir():
        path.write_bytes(b"nothing")
    missing = str(tmp_path / "gone.nii.gz")
    line = ["segment", str(scans), missing, "-o", str(tmp_path / "m")]
    assert run([*line, "--model", "tiny"]) == 2
    printed, said = capfd.readouterr()
    assert printed == ""
    lines = said.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        missing,
        "[1/2] a",
        "[2/2] b",
        "napari-mednext",
    ]
    assert lines[-1] == f"napari-mednext: 3 of 3 failed: a, b, {missing}"


def test_whatever_prints_to_stdout_stays_out_of_the_document(call, monkeypatch):
    def noisy():
        os.write(1, b"a C library prints\n")
        os.system("echo a program prints")
        return ()

    monkeypatch.setattr("napari_mednext.models.installed_models", noisy)
    assert call("models", "list")[0] == 0


def test_a_fault_of_ours_is_one_line_too(call, monkeypatch):
    def broken():
        return 1 / 0

    monkeypatch.setattr("napari_mednext.models.installed_models", broken)
    code, document = call("models", "list")
    assert code == 2
    assert "unexpected ZeroDivisionError: division by zero" in document["error"]


@pytest.mark.parametrize("words", [("bogus",), ("segment",), ("models", "infos")])
def test_unknown_words_are_bad_usage(call, words):
    code, document = call(*words)
    assert code == 2
    assert document["error"].endswith("(see --help)")


def test_doctor_fails_on_a_missing_device(call):
    code, document = call("doctor", "--device", "cuda:63")
    assert code == 1
    levels = {f["what"]: f["level"] for f in document["findings"]}
    assert levels["cuda:63"] == "bad"
    assert levels["torch"] in ("ok", "warn")


def test_without_a_display_napari_is_refused(call, monkeypatch):
    monkeypatch.setattr("napari_mednext.app.doctor.has_display", lambda: False)
    code, document = call()
    assert code == 2
    assert "needs a display" in document["error"]


def test_with_a_display_a_window_is_a_process(call, monkeypatch, tmp_path):
    """The window's process is seen starting; its exit code is passed on."""
    started = []

    class Ended:
        returncode = 0

    def start(line, **_):
        started.append(line[1:])
        return Ended

    monkeypatch.setattr("napari_mednext.app.doctor.has_display", lambda: True)
    monkeypatch.setattr("subprocess.run", start)
    assert call()[0] == 0
    assert run(["demo", "-o", str(tmp_path)]) == 0
    assert started == [
        ["-m", "napari_mednext.ui"],
        ["-m", "napari_mednext.ui", "--demo"],
    ]
    Ended.returncode = 3
    code, document = call()
    assert code == 2
    assert "exit code 3" in document["error"]


@pytest.mark.usefixtures("library")
def test_demo_without_a_display_writes_files(call, monkeypatch, scans, tmp_path):
    monkeypatch.setattr("napari_mednext.app.doctor.has_display", lambda: False)
    monkeypatch.setattr(
        "napari_mednext.app.demo.sample_path", lambda: scans / "a.nii.gz"
    )
    monkeypatch.setattr("napari_mednext.app.demo.DEMO_MODEL", "tiny")
    code, document = call("demo", "-o", tmp_path / "demo-output")
    assert code == 0
    assert open_volume(document["mask"]).grid.is_close(GRID)
    assert [row["name"] for row in document["volumes"]] == ["cortex", "white"]
    assert sorted(path.name for path in (tmp_path / "demo-output").iterdir()) == [
        "a_mask.nii.gz",
        "a_picture.png",
        "a_volumes.csv",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled("stopped")])
def test_interrupt_is_130_with_a_document(call, monkeypatch, error):
    def interrupted():
        raise error

    monkeypatch.setattr("napari_mednext.models.installed_models", interrupted)
    code, document = call("models", "list")
    assert (code, document["status"]) == (130, "interrupted")


@pytest.mark.usefixtures("library")
def test_interrupt_tells_what_was_saved(call, monkeypatch, scans, tmp_path):
    real = save_segmentation

    def save(segmentation, path, **rest):
        if path.name == "b.nii.gz":
            raise KeyboardInterrupt
        return real(segmentation, path, **rest)

    monkeypatch.setattr("napari_mednext.formats.save_segmentation", save)
    code, document = call("segment", scans, "-o", tmp_path / "m", "--model", "tiny")
    assert code == 130
    assert [result["name"] for result in document["results"]] == ["a"]
    assert document["error"] == "interrupted, 1 masks were saved"


def test_version(capfd):
    assert run(["--version"]) == 0
    assert capfd.readouterr().out.startswith("napari-mednext ")


def test_roi_is_read_in_the_order_z_y_x():
    assert parse_roi("1:5, 0:7,2:3") == (slice(1, 5), slice(0, 7), slice(2, 3))
    assert parse_roi(":,4:,:9") == (slice(None), slice(4, None), slice(None, 9))


@pytest.mark.parametrize("text", ["", "1:2,3:4", "1:2,3:4,5", "-1:2,:,:", "a:b,:,:"])
def test_roi_must_be_three_ranges(text):
    with pytest.raises(InputError, match=f"must be z0:z1,y0:y1,x0:x1 .*got '{text}'"):
        parse_roi(text)


@pytest.mark.parametrize(("text", "axis"), [("5:5,:,:", "z"), (":,:,:0", "x")])
def test_roi_must_not_be_empty(text, axis):
    with pytest.raises(InputError, match=f"must end after it begins.*along {axis}"):
        parse_roi(text)


def test_commands_run_outside_the_main_thread(capfd):
    """Where no signal handler can be set, everything else works."""
    from napari_mednext.cli import main

    codes = []
    thread = threading.Thread(target=lambda: codes.append(main(["--version"])))
    thread.start()
    thread.join()
    assert codes == [0]
    assert capfd.readouterr().out


@pytest.mark.usefixtures("library")
def test_findings_are_told_in_json_and_on_stderr(scans, tmp_path, capfd):
    flat = np.zeros((1, *GRID.shape), np.int16)
    save_volume(Volume(flat, GRID), scans / "a.nii.gz", overwrite=True)
    out = tmp_path / "m.nii.gz"
    code = run(
        ["segment", str(scans / "a.nii.gz"), "-o", str(out), "--model", "tiny",
         "--step", "1", "--json"]
    )  # fmt: skip
    written, told = capfd.readouterr()
    (result,) = json.loads(written)["results"]
    assert (code, result["state"]) == (0, "saved"), "a finding stops nothing"
    first = result["warnings"][0]
    assert (first["code"], first["severity"]) == ("constant", "warning")
    assert "channel 0 holds one value only" in first["sentence"]
    assert told.count(f"  warning: {first['sentence']}\n") == 1
    assert result["quality"]["not_finite"] == 0.0
