"""Dataset folders as nnU-Net documents them."""

import json

import pytest

from napari_mednext.errors import FormatError, StorageError
from napari_mednext.labels import LabelSet
from napari_mednext.study import CaseEntry
from napari_mednext.study.lists import read_cases, write_cases
from tests.study.listing import by_name, put_json, touch, touch_all

PROSTATE = {
    "channel_names": {"0": "T2", "1": "ADC"},
    "labels": {"background": 0, "PZ": 1, "TZ": 2, "ignore": 3},
    "numTraining": 2,
    "file_ending": ".nii.gz",
}


def prostate(folder):
    put_json(folder / "dataset.json", PROSTATE)
    for case in ("a_1", "b"):
        touch_all(folder / "imagesTr", f"{case}_0000.nii.gz", f"{case}_0001.nii.gz")
    touch(folder / "labelsTr" / "a_1.nii.gz")
    touch_all(folder / "imagesTs", "t_0000.nii.gz", "t_0001.nii.gz")
    touch_all(folder / "imagesTr", "a_1.json", "other_0000.nrrd", ".hidden_0000.nii.gz")
    return folder


def test_a_dataset_of_version_2(tmp_path):
    folder = prostate(tmp_path / "Dataset005_Prostate")
    cases = read_cases(folder)
    assert cases.kind == "nnU-Net"
    assert cases.channel_names == ("T2", "ADC")
    assert cases.labels.names == {1: "PZ", 2: "TZ"}
    assert cases.notes == ("the value 3 of 'dataset.json' marks ignored voxels",)
    assert cases.entries == (
        CaseEntry(
            "a_1",
            (
                folder / "imagesTr" / "a_1_0000.nii.gz",
                folder / "imagesTr" / "a_1_0001.nii.gz",
            ),
            labels=folder / "labelsTr" / "a_1.nii.gz",
            state="accepted",
        ),
        CaseEntry(
            "b",
            (
                folder / "imagesTr" / "b_0000.nii.gz",
                folder / "imagesTr" / "b_0001.nii.gz",
            ),
        ),
        CaseEntry(
            "t",
            (
                folder / "imagesTs" / "t_0000.nii.gz",
                folder / "imagesTs" / "t_0001.nii.gz",
            ),
        ),
    )
    assert read_cases(folder / "dataset.json") == cases


@pytest.mark.parametrize("modality", [{"0": "CT"}, ["CT"]])
@pytest.mark.parametrize("suffix", ["", "_0000"])
def test_a_dataset_of_the_decathlon(tmp_path, modality, suffix):
    dataset = {"modality": modality, "labels": {"0": "background", "1": "liver"}}
    put_json(tmp_path / "dataset.json", dataset)
    touch(tmp_path / "imagesTr" / f"liver_3{suffix}.nii.gz")
    touch(tmp_path / "labelsTr" / "liver_3.nii.gz")
    cases = read_cases(tmp_path)
    assert cases.channel_names == ("CT",)
    assert cases.labels.names == {1: "liver"}
    (entry,) = cases.entries
    assert (entry.name, entry.state) == ("liver_3", "accepted")
    assert entry.labels == tmp_path / "labelsTr" / "liver_3.nii.gz"


def test_one_file_may_hold_all_channels(tmp_path):
    put_json(tmp_path / "dataset.json", PROSTATE)
    touch(tmp_path / "imagesTr" / "a.nii.gz")
    (entry,) = read_cases(tmp_path).entries
    assert len(entry.images) == 1


def test_a_dataset_of_explicit_paths(tmp_path, monkeypatch):
    folder, far = tmp_path / "set", tmp_path / "far away"
    monkeypatch.setenv("SCANS", str(far))
    images = touch_all(far, "x.nrrd", "y.nrrd")
    touch_all(folder, "masks/x.nrrd", "deep/z_0000.nrrd")
    mapping = {
        "x": {"images": [str(images[0])], "label": "masks/x.nrrd"},
        "y": {"images": ["$SCANS/y.nrrd"], "label": "masks/y.nrrd"},
        "z": {"images": ["deep/z_0000.nrrd", "gone.nrrd"], "label": "masks/x.nrrd"},
    }
    put_json(folder / "dataset.json", PROSTATE | {"dataset": mapping})
    cases = read_cases(folder)
    found = by_name(cases)
    assert list(found) == ["x", "y"]
    assert found["x"].images == (images[0],)
    assert found["x"].labels == folder / "masks" / "x.nrrd"
    assert found["y"].images == (images[1],)
    assert (found["y"].labels, found["y"].state) == (None, "new")
    notes = "\n".join(cases.notes)
    assert "of the case 'y' is not there" in notes
    assert f"'z' is left out: the image {str(folder / 'gone.nrrd')!r} is not" in notes


def test_a_case_without_one_of_its_channels_is_left_out(tmp_path):
    folder = prostate(tmp_path)
    (folder / "imagesTr" / "a_1_0001.nii.gz").unlink()
    (folder / "imagesTr" / "b_0000.nii.gz").unlink()
    cases = read_cases(folder)
    # A first channel alone may be a file with both of them.
    assert list(by_name(cases)) == ["a_1", "t"]
    assert "the case 'b' is left out: its channel 0 is not there" in cases.notes


def test_regions_leave_labels_without_names(tmp_path):
    folder = prostate(tmp_path)
    labels = {"background": 0, "whole": [1, 2], "core": [2]}
    put_json(folder / "dataset.json", PROSTATE | {"labels": labels})
    cases = read_cases(folder)
    assert len(cases.entries) == 3
    assert len(cases.labels) == 0
    assert "'whole' of 'dataset.json' is a region" in cases.notes[0]


def test_a_folder_without_its_file(tmp_path):
    touch_all(tmp_path, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    cases = read_cases(tmp_path)
    assert by_name(cases)["a"].state == "accepted"
    assert "has no dataset.json: its labels have no names" in cases.notes[0]


def test_what_is_written_is_read_back(tmp_path):
    folder, far = tmp_path / "set", tmp_path / "far"
    folder.mkdir()
    inside = touch_all(folder, "scans/a.nii.gz", "masks/a.nii.gz")
    outside = touch_all(far, "b_t1.nii.gz", "b_t2.nii.gz", "b_seg.nii.gz")
    entries = (
        CaseEntry("a", (inside[0],), labels=inside[1], state="accepted"),
        CaseEntry("b", tuple(outside[:2]), labels=outside[2], state="accepted"),
        CaseEntry("c", (inside[0],)),
    )
    labels = LabelSet.from_names({1: "liver", 2: "spleen"})
    notes = write_cases(entries, folder, "nnU-Net", labels=labels, channel_names=["T1"])
    cases = read_cases(folder)
    assert cases.entries == entries[:2]
    assert cases.labels == labels
    assert cases.channel_names == ("T1",)
    assert "1 cases without labels were left out" in notes
    written = json.loads((folder / "dataset.json").read_text())
    assert written["numTraining"] == 2
    assert written["file_ending"] == ".nii.gz"
    assert written["dataset"]["a"] == {
        "images": ["scans/a.nii.gz"],
        "label": "masks/a.nii.gz",
    }
    with pytest.raises(StorageError, match=r"dataset.json' exists already: choose"):
        write_cases(entries, folder, "nnU-Net")
    write_cases(entries, folder / "dataset.json", "nnU-Net", overwrite=True)
    assert read_cases(folder).channel_names == ("channel 0", "channel 1")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("[]", r"the whole of 'dataset.json' must be an object, got \[\]: correct"),
        ('{"channel_names": 3}', r"\"channel_names\" of 'dataset.json' must be an obj"),
        ('{"dataset": {"a": 1}}', r"\"dataset/a\" of .* must be an object, got 1"),
        ('{"dataset": {"a": {}}}', r"\"dataset/a\"/images of .* must be a list, got N"),
        ('{"dataset": {"a": {"images": [1]}}}', r"\"dataset/a\" .* be a text, got 1"),
        (
            '{"dataset": {"a": {"images": [], "label": "x"}}}',
            r"list a case whose images are there, .* an image, but none is named",
        ),
        ('{"labels": {"a": 1}}', r"must list a case whose images are there, but it li"),
        ('{"file_ending": true}', r"/file_ending of 'dataset.json' must be a text"),
    ],
)
def test_a_dataset_that_cannot_be_read_is_refused(tmp_path, dataset, message):
    (tmp_path / "dataset.json").write_text(dataset)
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(FormatError, match=message):
        read_cases(tmp_path)


def test_a_dataset_that_cannot_be_written_is_refused(tmp_path):
    nii, nrrd, png = touch_all(tmp_path, "a.nii", "a.nrrd", "a.png")
    for entry, message in (
        (CaseEntry("a", (nii,)), r"hold cases with labels, but none of 1 has any"),
        (CaseEntry("a", (nii,), labels=nrrd), r"must end alike, got .nii, .nrrd"),
        (CaseEntry("a", (nii,), labels=png), r"must end in one of .*, got 'a.png'"),
    ):
        with pytest.raises(FormatError, match=message):
            write_cases([entry], tmp_path, "nnU-Net")
