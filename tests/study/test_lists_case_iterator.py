"""Tables as Slicer's CaseIterator documents them."""

import csv

import pytest

from napari_mednext.errors import FormatError
from napari_mednext.study import CaseEntry
from napari_mednext.study.lists import read_cases, write_cases
from tests.formats.makers import make_array, make_grid, write_series
from tests.study.listing import by_name, touch, touch_all


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_table_with_the_columns_of_the_documentation(tmp_path, newline):
    for number in (1, 2):
        folder = tmp_path / "data" / f"pat{number}"
        touch_all(folder, "scan.nii.gz", "scan-label.nii.gz")
    (tmp_path / "data" / "pat2" / "scan-label.nii.gz").unlink()
    rows = (
        "path,image,mask",
        f"{tmp_path}/data/pat1,scan.nii.gz,scan-label.nii.gz",
        "../data/pat2,scan.nii.gz,scan-label.nii.gz",
        "",
        "../data/pat3,scan.nii.gz,",
        "../data/pat1,,",
    )
    path = put(tmp_path / "lists" / "cases.csv", newline.join(rows) + newline)
    cases = read_cases(path)
    assert cases.kind == "Slicer CaseIterator"
    first, second = tmp_path / "data" / "pat1", tmp_path / "data" / "pat2"
    assert cases.entries == (
        CaseEntry(
            "scan",
            (first / "scan.nii.gz",),
            labels=first / "scan-label.nii.gz",
            state="in progress",
        ),
        CaseEntry("pat2_scan", (second / "scan.nii.gz",)),
    )
    assert len(cases.notes) == 3
    assert "scan-label.nii.gz' of the case 'scan' is not there" in cases.notes[0]
    assert "the case 'scan' is left out: the image" in cases.notes[1]
    assert cases.notes[2] == "line 6 of 'cases.csv' names no image"


def test_images_without_a_root_and_with_the_name_of_the_patient(tmp_path):
    touch_all(tmp_path, "a.nrrd", "b.nrrd", "b2.nrrd")
    path = put(
        tmp_path / "t.csv",
        'image,patient,image 2\na.nrrd,"Doe, J.",\nb.nrrd,,b2.nrrd\n',
    )
    first, second = read_cases(path).entries
    assert (first.name, first.patient) == ("Doe_J", "Doe, J.")
    assert (second.name, second.images[1]) == ("b", tmp_path / "b2.nrrd")
    path = put(tmp_path / "t.csv", "ID,image\n17,a.nrrd\n")
    (entry,) = read_cases(path).entries
    assert (entry.name, entry.patient) == ("17", "17")


def test_the_first_slice_stands_for_a_series(tmp_path):
    files = write_series(tmp_path / "ct", make_array(), make_grid())
    paths = sorted((tmp_path / "ct").iterdir())
    assert len(paths) > 1
    assert files is not None
    path = put(tmp_path / "t.csv", f"path,image\nct,{paths[1].name}\n,ct\n")
    by_slice, by_folder = read_cases(path).entries
    assert set(by_slice.images) == set(paths)
    assert by_slice.images == by_folder.images
    notes = write_cases([by_slice], path, "Slicer CaseIterator", overwrite=True)
    assert notes == ()
    assert read_cases(path).entries == (by_slice,)


def test_a_table_holds_all_that_a_list_says(tmp_path):
    folder, far = tmp_path / "list", tmp_path / "far"
    folder.mkdir()
    scans = touch_all(folder / "scans", "1.nii.gz", "2.nii.gz", "3.nii.gz")
    beside = touch_all(folder / "masks", "1.nii.gz")
    distant = touch_all(far, "1.nii.gz", "x.nii.gz", "y.nii.gz")
    entries = (
        CaseEntry(
            "a",
            (scans[0],),
            labels=beside[0],
            prediction=distant[0],
            state="accepted",
            comment='odd, "quoted";\ngrößer',
            patient="Doe, John",
        ),
        CaseEntry("b", tuple(scans), prediction=beside[0], state="predicted"),
        CaseEntry("c", (distant[1],), labels=beside[0], state="in progress"),
        CaseEntry("d", (distant[2],), state="flagged", comment="look"),
        CaseEntry("e", (scans[2],)),
    )
    path = folder / "cases.csv"
    assert write_cases(entries, path, "Slicer CaseIterator") == ()
    assert read_cases(path).entries == entries
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert (rows[0]["path"], rows[0]["image"]) == ("scans", "1.nii.gz")
    assert rows[0]["mask"] == "../masks/1.nii.gz"
    assert rows[0]["prediction"] == str(distant[0])
    assert rows[1]["image3"] == "3.nii.gz"
    assert rows[2]["mask"] == str(beside[0])


def test_a_list_can_move_with_its_files(tmp_path):
    touch_all(tmp_path / "old", "s/a.nrrd", "m/a.nrrd")
    entry = CaseEntry(
        "a",
        (tmp_path / "old" / "s" / "a.nrrd",),
        labels=tmp_path / "old" / "m" / "a.nrrd",
        state="accepted",
    )
    write_cases([entry], tmp_path / "old" / "t.csv", "Slicer CaseIterator")
    (tmp_path / "old").rename(tmp_path / "new")
    (moved,) = read_cases(tmp_path / "new" / "t.csv").entries
    assert moved.images == (tmp_path / "new" / "s" / "a.nrrd",)
    assert moved.labels == tmp_path / "new" / "m" / "a.nrrd"


def test_states_that_their_files_do_not_bear_out_fall_back(tmp_path):
    touch(tmp_path / "a.nrrd")
    text = (
        "image,state\na.nrrd,accepted\na.nrrd,predicted\na.nrrd,flagged\na.nrrd,done\n"
    )
    entries = read_cases(put(tmp_path / "t.csv", text)).entries
    assert [entry.state for entry in entries] == ["new", "new", "flagged", "new"]
    assert entries[2].comment == "flagged in Slicer CaseIterator"
    assert len({entry.name for entry in entries}) == 4


def test_names_are_safe_and_told_apart(tmp_path):
    touch(tmp_path / "f" / "a.nrrd")
    names = ["../x", "A b", "a_b", "A-B.", ".hidden", "x.doubt", "-1", "???", "größe"]
    text = "ID,image\n" + "".join(f"{name},f/a.nrrd\n" for name in names)
    found = by_name(read_cases(put(tmp_path / "t.csv", text)))
    assert list(found) == [
        "x",
        "A_b",
        "f_a_b",
        "A-B",
        "hidden",
        "x_doubt",
        "1",
        "case",
        "größe",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('path,image\n,"a.nrrd\n', r"line 2 of 't.csv' must be comma-separated values"),
        (
            "path,image\n",
            r"must list a case whose images are there, but it lists none:",
        ),
        ("path,image\n,b.nrrd\n", r"lists none \(the case 'b' is left out: the image"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        read_cases(put(tmp_path / "t.csv", text))
