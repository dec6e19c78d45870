"""Folders as MONAI Label lays them out."""

import json

import pytest

from napari_mednext.errors import FormatError, StorageError
from napari_mednext.study import CaseEntry
from napari_mednext.study.lists import read_cases, write_cases
from tests.study.listing import by_name, put_json, touch, touch_all


def data(ext=".nii.gz", **info):
    return {"ext": ext, "info": {"ts": 1642170799, "name": "x"} | info}


STORE = {
    "name": "new-dataset",
    "description": "New Dataset",
    "images_dir": ".",
    "labels_dir": "labels",
    "objects": {
        "untouched": {"image": data(), "labels": {}},
        "predicted": {
            "image": data(),
            "labels": {
                "original": data(
                    ".seg.nrrd",
                    params={"label_names": {"spleen": 1, "background": 0, "liver": 2}},
                )
            },
        },
        "submitted": {
            "image": data(".nrrd"),
            "labels": {
                "original": data(),
                "final": data(
                    label_info=[{"name": "Spleen", "idx": 1}, {"name": "X", "id": 7}]
                ),
                "version_1": data(),
            },
        },
        "flagged": {
            "image": data(),
            "labels": {
                "final": data(
                    segmentationMeta={"status": "flagged", "comment": "left is right"}
                )
            },
        },
        "gone": {"image": data(), "labels": {}},
    },
}


def studies(folder):
    put_json(folder / "datastore_v2.json", STORE)
    touch_all(folder, "untouched.nii.gz", "predicted.nii.gz", "submitted.nrrd")
    touch_all(folder, "flagged.nii.gz", "dropped in.nii.gz", ".lock", "notes.txt")
    touch_all(folder / "labels" / "original", "predicted.seg.nrrd", "submitted.nii.gz")
    touch_all(folder / "labels" / "final", "submitted.nii.gz", "flagged.nii.gz")
    touch(folder / "labels" / "final" / "untouched.nii.gz")
    return folder


def test_a_folder_of_monai_label(tmp_path):
    folder = studies(tmp_path)
    cases = read_cases(folder)
    labels = folder / "labels"
    assert cases.kind == "MONAI Label"
    assert cases.entries == (
        # Its mask is not listed; the program would find it too.
        CaseEntry(
            "untouched",
            (folder / "untouched.nii.gz",),
            labels=labels / "final" / "untouched.nii.gz",
            state="accepted",
        ),
        CaseEntry(
            "predicted",
            (folder / "predicted.nii.gz",),
            prediction=labels / "original" / "predicted.seg.nrrd",
            state="predicted",
        ),
        CaseEntry(
            "submitted",
            (folder / "submitted.nrrd",),
            labels=labels / "final" / "submitted.nii.gz",
            prediction=labels / "original" / "submitted.nii.gz",
            state="accepted",
        ),
        CaseEntry(
            "flagged",
            (folder / "flagged.nii.gz",),
            labels=labels / "final" / "flagged.nii.gz",
            state="flagged",
            comment="left is right",
        ),
        CaseEntry("dropped_in", (folder / "dropped in.nii.gz",)),
    )
    assert cases.labels.names == {1: "spleen", 2: "liver", 7: "X"}
    assert any("'gone' is left out: the image" in note for note in cases.notes)
    assert "1 older versions of masks were left out" in cases.notes
    assert read_cases(folder / "datastore_v2.json") == cases


def test_a_folder_without_its_file_is_known_by_its_masks(tmp_path):
    touch_all(tmp_path, "a.nii.gz", "labels/final/a.nii.gz", "labels/original/a.nii.gz")
    cases = read_cases(tmp_path)
    assert cases.kind == "MONAI Label"
    assert by_name(cases)["a"].state == "accepted"


def test_images_and_masks_may_lie_elsewhere(tmp_path):
    store = STORE | {
        "images_dir": str(tmp_path / "scans"),
        "labels_dir": "masks",
        "objects": {"a": {"image": data(), "labels": {"final": data()}}},
    }
    put_json(tmp_path / "list" / "datastore_v2.json", store)
    image = touch(tmp_path / "scans" / "a.nii.gz")
    mask = touch(tmp_path / "list" / "masks" / "final" / "a.nii.gz")
    (entry,) = read_cases(tmp_path / "list").entries
    assert (entry.images, entry.labels) == ((image,), mask)


def test_older_files_keep_the_verdict_with_the_image(tmp_path):
    meta = {"status": "flagged", "comment": ""}
    objects = {"a": {"image": data(segmentationMeta=meta), "labels": {}}}
    put_json(tmp_path / "datastore_v2.json", STORE | {"objects": objects})
    touch(tmp_path / "a.nii.gz")
    (entry,) = read_cases(tmp_path).entries
    # A flag always says something.
    assert (entry.state, entry.comment) == ("flagged", "flagged in MONAI Label")


def test_what_is_written_is_read_back_from_copies(tmp_path):
    scans = touch_all(tmp_path / "in", "1.nii.gz", "2.nrrd", "3.nii.gz", "4.nii.gz")
    masks = touch_all(tmp_path / "in" / "m", "1.nii.gz", "2.nrrd", "3.nii.gz")
    (tmp_path / "out").mkdir()
    entries = (
        CaseEntry("a", (scans[0],), labels=masks[0], state="accepted"),
        CaseEntry("b", (scans[1],), prediction=masks[1], state="predicted"),
        CaseEntry(
            "c", (scans[2],), labels=masks[2], state="flagged", comment="look, here"
        ),
        CaseEntry("d", (scans[3],), labels=masks[2], state="in progress"),
        CaseEntry("e", (scans[0],)),
        CaseEntry("f", tuple(scans[:2])),
    )
    notes = write_cases(entries, tmp_path / "out", "MONAI Label")
    assert "1 cases of several files were left out" in notes
    cases = by_name(read_cases(tmp_path / "out"))
    assert list(cases) == ["a", "b", "c", "d", "e"]
    out = tmp_path / "out"
    assert cases["a"].labels == out / "labels" / "final" / "a.nii.gz"
    assert cases["b"].images == (out / "b.nrrd",)
    assert (cases["c"].state, cases["c"].comment) == ("flagged", "look, here")
    # A mask that nobody accepted must not count as submitted.
    assert cases["d"].prediction == out / "labels" / "original" / "d.nii.gz"
    states = [entry.state for entry in cases.values()]
    assert states == ["accepted", "predicted", "flagged", "predicted", "new"]
    assert cases["a"].images[0].read_bytes() == scans[0].read_bytes()
    store = json.loads((out / "datastore_v2.json").read_text())
    assert store["objects"]["e"] == {
        "image": {"ext": ".nii.gz", "info": {"name": "e.nii.gz"}},
        "labels": {},
    }
    assert not list(out.rglob("*.part"))


def test_files_that_lie_there_are_kept(tmp_path):
    folder = studies(tmp_path)
    entries = read_cases(folder).entries
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.nii.gz")}
    write_cases(entries[:1], folder, "MONAI Label", overwrite=True)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.nii.gz")} == before


def test_other_files_are_replaced_only_if_that_is_wished(tmp_path):
    folder = studies(tmp_path / "out")
    (folder / "datastore_v2.json").unlink()
    other = touch(tmp_path / "far" / "x.nii.gz")
    other.write_bytes(b"newer")
    entry = CaseEntry("untouched", (other,))
    with pytest.raises(StorageError, match=r"untouched.nii.gz' exists already"):
        write_cases([entry], folder, "MONAI Label")
    assert (folder / "untouched.nii.gz").read_bytes() != b"newer"
    write_cases([entry], folder, "MONAI Label", overwrite=True)
    assert (folder / "untouched.nii.gz").read_bytes() == b"newer"


def test_slices_cannot_be_written(tmp_path):
    slice_ = touch(tmp_path / "a" / "1.dcm")
    with pytest.raises(FormatError, match=r"single files, but '1.dcm' is one of DICOM"):
        write_cases([CaseEntry("a", (slice_,))], tmp_path, "MONAI Label")


def test_a_full_disk_leaves_no_part_of_a_copy(tmp_path, monkeypatch):
    def full(source, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    scan = touch(tmp_path / "in" / "a.nii.gz")
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match=r"no space left on device"):
        write_cases([CaseEntry("a", (scan,))], tmp_path / "out", "MONAI Label")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ({"objects": []}, r"\"objects\" of 'datastore_v2.json' must be an object"),
        ({"objects": {"a": 1}}, r"\"objects/a\" of .* must be an object, got 1"),
        ({"objects": {"a": {}}}, r"\"objects/a\"/image of .* must be an object"),
        ({"objects": {}}, r"must list a case whose images are there"),
        ({"images_dir": 3}, r"/images_dir of .* must be a text, got 3"),
        (
            {"objects": {"a": {"image": {"ext": ".nii", "info": 3}}}},
            r"\"objects/a\"/info of .* must be an object, got 3",
        ),
    ],
)
def test_a_store_that_cannot_be_read_is_refused(tmp_path, store, message):
    put_json(tmp_path / "datastore_v2.json", store)
    with pytest.raises(FormatError, match=message):
        read_cases(tmp_path)
