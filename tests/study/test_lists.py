"""The one door of lists of cases."""

import pytest

from napari_mednext.errors import FormatError, InputError, StorageError
from napari_mednext.study import CaseEntry
from napari_mednext.study.lists import LIST_KINDS, read_cases, write_cases
from tests.formats.makers import (
    make_array,
    make_grid,
    write_nifti,
    write_series,
    xyz_ras,
)
from tests.study.listing import put_json, touch, touch_all

GRID = make_grid()


def test_a_folder_of_scans(tmp_path):
    for name in ("a.nii.gz", "deep/b_0000.nii", "deep/b_0001.nii"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_nifti(tmp_path / name, make_array(), xyz_ras(GRID))
    write_series(tmp_path / "ct", make_array(), GRID)
    cases = read_cases(tmp_path)
    assert cases.kind == "folder of scans"
    assert [(e.name, len(e.images)) for e in cases.entries] == [
        ("a", 1),
        ("b", 2),
        ("ct", len(list((tmp_path / "ct").iterdir()))),
    ]
    assert {entry.state for entry in cases.entries} == {"new"}
    assert len(cases.labels) == 0


def test_paths_are_absolute_and_may_be_given_relative(tmp_path, monkeypatch):
    touch(tmp_path / "a.nrrd")
    (tmp_path / "t.csv").write_text("image\na.nrrd\n")
    monkeypatch.chdir(tmp_path)
    for given in ("t.csv", "./t.csv"):
        (entry,) = read_cases(given).entries
        assert entry.images == (tmp_path / "a.nrrd",)


@pytest.mark.parametrize("kind", [kind for kind, file in LIST_KINDS.items() if file])
def test_every_kind_with_a_file_is_known_again(tmp_path, kind):
    scan, mask = touch_all(tmp_path / "data", "s.nii.gz", "m.nii.gz")
    entry = CaseEntry("a", (scan,), labels=mask, state="accepted")
    (tmp_path / "out").mkdir()
    ending = LIST_KINDS[kind]
    path = tmp_path / "out" / (f"list{ending}" if ending.startswith(".") else ending)
    write_cases([entry], path, kind)
    for given in (path, path.parent) if not ending.startswith(".") else (path,):
        cases = read_cases(given)
        assert cases.kind == kind
        (found,) = cases.entries
        assert (found.name, found.state) == ("a", "accepted")
    with pytest.raises(
        StorageError, match=r"exists already: choose another name or al"
    ):
        write_cases([entry], path, kind)
    write_cases([entry], path, kind, overwrite=True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.txt",
            "hello",
            r"a list of cases \(folder of scans, .*\), but it looks lik",
        ),
        ("a.json", "{}", r"looks like none of them: choose another file"),
        ("a.json", "[]", r"looks like none of them: choose another file"),
        ("a.json", '{"a": 1,}', r"'a.json' must be JSON, but line 1 is not"),
        ("a.csv", "path,scan\n", r"looks like none of them: choose another file"),
        ("a.bin", "a\0b", r"must be a text, but it holds other bytes"),
    ],
)
def test_files_of_no_known_kind_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=message):
        read_cases(tmp_path / name)


def test_nothing_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(FormatError, match=r"there must be a file or folder at"):
        read_cases(tmp_path / "no")
    with pytest.raises(FormatError, match=r"must hold a volume or a DICOM series"):
        read_cases(tmp_path)


def test_a_list_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "a.csv").open("wb") as stream:
        stream.truncate(32 * 2**20 + 1)
    with pytest.raises(FormatError, match=r"at most 33554432 bytes, got 33554433"):
        read_cases(tmp_path / "a.csv")


def test_folders_with_several_volumes_are_no_image(tmp_path):
    (tmp_path / "f").mkdir()
    for name in ("a.nii", "b.nii"):
        write_nifti(tmp_path / "f" / name, make_array(), xyz_ras(GRID))
    (tmp_path / "t.csv").write_text("image\nf\n")
    with pytest.raises(FormatError, match=r"the folder .* holds 2 volumes"):
        read_cases(tmp_path / "t.csv")


@pytest.mark.parametrize("kind", ["folder of scans", "Excel", ""])
def test_kinds_without_a_file_cannot_be_written(tmp_path, kind):
    entry = CaseEntry("a", (tmp_path / "a.nii",))
    with pytest.raises(FormatError, match=r"one of nnU-Net, .*, got .*: choose one"):
        write_cases([entry], tmp_path / "x", kind)


def test_lists_of_nothing_cannot_be_written(tmp_path):
    with pytest.raises(FormatError, match=r"must hold a case, got none: choose some"):
        write_cases([], tmp_path / "x.csv", "Slicer CaseIterator")


def test_odd_paths_in_lists_are_missing_images(tmp_path):
    touch(tmp_path / "a.nrrd")
    images = ["a.nrrd", "x" * 5000, "a.nrrd/b", "con\0", "~/x", "http://x/y.nii"]
    tasks = [{"Image": image, "Result": "r"} for image in images]
    head = {"FileFormat": "MITK Segmentation Task List", "Version": 1}
    cases = read_cases(put_json(tmp_path / "t.json", head | {"Tasks": tasks}))
    assert len(cases.entries) == 1
    assert len(cases.notes) == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, r"a case must have a name, got ''"),
        ({"images": ()}, r"must have an image, but 'a' has none: name one"),
        ({"state": "done"}, r"of 'a' must be one of 'new', .*, got 'done': choose one"),
    ],
)
def test_entries_that_cannot_be_are_refused(tmp_path, fields, message):
    with pytest.raises(InputError, match=message):
        CaseEntry(**({"name": "a", "images": (tmp_path / "a.nii",)} | fields))


def test_a_folder_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "labels" / "final").mkdir(parents=True)
    monkeypatch.setattr("napari_mednext.study.lists.monai.read", forbidden)
    with pytest.raises(FormatError, match=r"readable, but one is not \(Permission den"):
        read_cases(tmp_path)
