"""Task lists as MITK documents them."""

import json

import pytest

from napari_mednext.errors import FormatError, StorageError
from napari_mednext.labels import LabelSet
from napari_mednext.study import CaseEntry
from napari_mednext.study.lists import read_cases, write_cases
from tests.study.listing import by_name, put_json, touch, touch_all

HEAD = {"FileFormat": "MITK Segmentation Task List", "Version": 1}
TASKS = HEAD | {
    "Name": "Organs",
    "Defaults": {"Image": "images/pic.nrrd", "LabelNameSuggestions": "s/labels.json"},
    "Tasks": [
        {
            "Name": "Liver",
            "LabelName": "Liver",
            "Description": "the whole liver",
            "Result": "results/liver.nrrd",
        },
        {
            "Name": "Spleen",
            "Segmentation": "start/spleen.nrrd",
            "Result": "results/spleen.nrrd",
        },
        {
            "Name": "Liver",
            "Image": "images\\us.nrrd",
            "Result": "results/us.nrrd",
            "Dynamic": False,
        },
        {"Name": "Lost", "Image": "images/lost.nrrd", "Result": "results/lost.nrrd"},
        {"Image": "images/us.nrrd", "Result": "results/nameless.nrrd"},
    ],
}
SUGGESTIONS = [{"name": "Liver", "color": "red"}, {"name": "Spleen"}]


def organs(folder):
    touch_all(folder, "images/pic.nrrd", "images/us.nrrd", "start/spleen.nrrd")
    touch(folder / "results" / "liver.nrrd")
    put_json(folder / "s" / "labels.json", SUGGESTIONS)
    return put_json(folder / "tasks.json", TASKS)


def test_a_task_list(tmp_path):
    cases = read_cases(organs(tmp_path))
    assert cases.kind == "MITK"
    assert cases.entries == (
        CaseEntry(
            "Liver",
            (tmp_path / "images" / "pic.nrrd",),
            labels=tmp_path / "results" / "liver.nrrd",
            state="accepted",
            comment="the whole liver",
        ),
        CaseEntry(
            "Spleen",
            (tmp_path / "images" / "pic.nrrd",),
            prediction=tmp_path / "start" / "spleen.nrrd",
            state="predicted",
        ),
        CaseEntry("images_Liver", (tmp_path / "images" / "us.nrrd",)),
        CaseEntry("us", (tmp_path / "images" / "us.nrrd",)),
    )
    assert cases.labels.names == {1: "Liver", 2: "Spleen"}
    assert cases.labels.colors[1] == (255, 0, 0)
    (note,) = cases.notes
    assert "the case 'Lost' is left out: the image" in note


def test_scenes_are_left_out(tmp_path):
    touch(tmp_path / "a.nrrd")
    tasks = [
        {"Name": "s", "Scene": {"Path": "x.mitk", "Image": "CT"}, "Result": "r.nrrd"},
        {"Name": "a", "Image": "a.nrrd", "Result": "a.seg.nrrd", "LabelName": "Tumour"},
        {"Result": "b.nrrd"},
    ]
    path = put_json(tmp_path / "t.json", HEAD | {"Version": 3, "Tasks": tasks})
    cases = read_cases(path)
    assert list(by_name(cases)) == ["a"]
    assert cases.labels.names == {1: "Tumour"}
    assert cases.notes == (
        "task 1 ('s') is left out: it opens a scene",
        "task 3 ('') is left out: it names no image",
    )


def test_odd_suggestions_leave_the_names_of_the_tasks(tmp_path):
    path = organs(tmp_path)
    (tmp_path / "s" / "labels.json").write_text("{")
    cases = read_cases(path)
    assert cases.labels.names == {1: "Liver"}
    assert any("the label suggestions were left out: " in note for note in cases.notes)
    tasks = [*TASKS["Tasks"], {"Result": "x", "LabelNameSuggestions": "other.json"}]
    put_json(path, TASKS | {"Tasks": tasks})
    notes = read_cases(path).notes
    assert any("of 2 files of suggestions the first was read" in note for note in notes)


def test_what_is_written_is_read_back(tmp_path):
    folder, far = tmp_path / "list", tmp_path / "far"
    folder.mkdir()
    scans = touch_all(folder / "scans", "1.nii.gz", "2.nii.gz")
    masks = touch_all(far, "1.nii.gz", "2.nii.gz", "3.nii.gz")
    entries = (
        CaseEntry(
            "a",
            (scans[0],),
            labels=masks[0],
            prediction=masks[1],
            state="accepted",
            comment='odd, "quoted"; größer',
        ),
        CaseEntry("b", (scans[1],), prediction=masks[1], state="predicted"),
        CaseEntry("c", (scans[0],)),
        CaseEntry("d", (scans[1],), labels=masks[2], state="in progress"),
        CaseEntry("e", tuple(scans)),
    )
    labels = LabelSet.from_names({1: "liver", 2: "spleen"}, {2: (1, 2, 3)})
    path = folder / "tasks.json"
    notes = write_cases(entries, path, "MITK", labels=labels)
    assert "1 cases of several channels have only their first in it" in notes
    cases = read_cases(path)
    assert cases.entries[:3] == entries[:3]
    # What is in progress is what to start from.
    assert (cases.entries[3].prediction, cases.entries[3].state) == (
        masks[2],
        "predicted",
    )
    assert cases.entries[4].images == (scans[0],)
    assert cases.labels == labels
    written = json.loads(path.read_text())
    assert written["Defaults"] == {"LabelNameSuggestions": "tasks.labels.json"}
    assert written["Tasks"][0]["Image"] == "scans/1.nii.gz"
    assert written["Tasks"][0]["Result"] == str(masks[0])
    results = [task["Result"] for task in written["Tasks"]]
    assert len(set(results)) == len(results)
    assert results[1] == "results/b.nrrd"


def test_suggestions_of_others_are_not_replaced(tmp_path):
    scan = touch(tmp_path / "a.nrrd")
    kept = put_json(tmp_path / "t.labels.json", SUGGESTIONS)
    labels = LabelSet.from_names({1: "x"})
    with pytest.raises(StorageError, match=r"t.labels.json' exists already"):
        write_cases(
            [CaseEntry("a", (scan,))], tmp_path / "t.json", "MITK", labels=labels
        )
    assert json.loads(kept.read_text()) == SUGGESTIONS
    assert not (tmp_path / "t.json").exists()
    write_cases([CaseEntry("a", (scan,))], tmp_path / "t.json", "MITK")
    assert "Defaults" not in json.loads((tmp_path / "t.json").read_text())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"FileFormat": "MITK Form"}, r"must say \"FileFormat\": \"MITK Segmentation"),
        (HEAD, r"\"Tasks\" of 't.json' must be a list, got None: correct it there"),
        (HEAD | {"Version": 4}, r"must be of version 1 to 3, got 4: write it in an ol"),
        (HEAD | {"Version": "1"}, r"\"Version\" .* must be a whole number, got '1'"),
        (HEAD | {"Version": True}, r"\"Version\" .* must be a whole number, got True"),
        (HEAD | {"Tasks": []}, r"'t.json' must list a case whose images are there"),
        (HEAD | {"Tasks": [3]}, r"task 1 of 't.json' must be an object, got 3"),
        (HEAD | {"Tasks": [{"Name": 3}]}, r"task 1/Name of .* must be a text, got 3"),
        (HEAD | {"Tasks": [], "Defaults": 1}, r"\"Defaults\" of .* must be an object"),
    ],
)
def test_a_task_list_that_cannot_be_read_is_refused(tmp_path, document, message):
    path = put_json(tmp_path / "t.json", document)
    with pytest.raises(FormatError, match=message):
        read_cases(path)
