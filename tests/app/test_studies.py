"""Making studies and adding to them: what is read, what is left when it fails."""

import json
import threading

import numpy as np
import pytest

from napari_mednext.app.studies import (
    add_cases,
    make_study,
    read_source,
    read_sources,
)
from napari_mednext.errors import (
    Cancelled,
    FormatError,
    InputError,
    ModelError,
    StorageError,
)
from napari_mednext.formats import open_volume, save_segmentation, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.models import find_model
from napari_mednext.study import Study
from napari_mednext.volume import Segmentation
from tests.app.desk_parts import GRID, LABELS, scan


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for seed in range(3):
        save_volume(scan(seed), folder / f"case{seed}.nii.gz")
    return folder


def dataset(folder):
    """A dataset as nnU-Net has it, of one case with a mask."""
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    save_volume(scan(7), folder / "imagesTr" / "anna_0000.nii.gz")
    array = np.zeros(GRID.shape, np.uint8)
    array[2, 3:5, 4] = 1
    mask = Segmentation(array, GRID, source=scan(7).source)
    save_segmentation(mask, folder / "labelsTr" / "anna.nii.gz")
    document = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, "liver": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(document))
    return folder


def names(study):
    return [case.name for case in study.cases()]


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_becomes_a_study(scans, tmp_path):
    cases = read_source(scans)
    made = make_study(tmp_path / "s", cases, labels=LABELS, name="Livers")
    with made.study as study:
        assert names(study) == ["case0", "case1", "case2"]
        assert study.name == "Livers"
        assert study.labels == LABELS
        assert study.channel_names == ("scan",)
        assert study.case("case1").images == (scans / "case1.nii.gz",)
    assert made.not_copied == {}


def test_the_labels_of_a_list_come_before_those_of_the_model(scans, tmp_path):
    cases = read_source(dataset(tmp_path / "Dataset001"))
    with make_study(tmp_path / "s", cases, model="brain_mr").study as study:
        assert study.labels.names == {1: "liver"}
        assert study.channel_names == ("T1",)
    model = find_model("brain_mr")
    made = make_study(tmp_path / "t", read_source(scans), model="brain_mr")
    with made.study as study:
        assert study.labels == model.labels
        assert study.channel_names == model.channel_names


def test_files_of_scans_find_their_channels(tmp_path):
    files = [tmp_path / f"anna_000{n}.nii.gz" for n in range(2)]
    for number, file in enumerate(files):
        save_volume(scan(number), file)
    ((found,), refused) = read_sources(files)
    assert [entry.images for entry in found.entries] == [tuple(files)]
    assert not refused
    with make_study(tmp_path / "s", found).study as study:
        assert study.channel_names == ("scan 1", "scan 2")


def test_one_scan_is_a_list_too(scans):
    found = read_source(scans / "case2.nii.gz")
    assert [entry.name for entry in found.entries] == ["case2"]
    with pytest.raises(FormatError, match="nowhere"):
        read_source(scans / "nowhere.csv")


def test_sources_that_cannot_be_read_are_named(scans, tmp_path):
    bad = tmp_path / "notes.txt"
    bad.write_text("nothing of use")
    gone = tmp_path / "gone.nii.gz"
    found, refused = read_sources([bad, scans, gone])
    assert [len(each.entries) for each in found] == [3]
    assert list(refused) == [bad, gone]
    assert "looks like none of them" in refused[bad]
    assert "gone.nii.gz" in refused[gone]


def test_cases_must_have_the_same_channels(scans, tmp_path):
    for number in range(2):
        save_volume(scan(9), scans / f"two_000{number}.nii.gz")
    with pytest.raises(InputError, match="must have the same channels, got 1 in"):
        make_study(tmp_path / "s", read_source(scans))
    assert not (tmp_path / "s").exists()


def test_nothing_is_left_of_a_study_that_was_cancelled(scans, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "notes.txt").write_text("mine")
    cancel = threading.Event()
    told = []

    def tell(progress):
        told.append(progress.done)
        cancel.set()

    for folder in (tmp_path / "s", tmp_path / "t"):
        cancel.clear()
        with pytest.raises(Cancelled):
            make_study(
                folder,
                read_source(scans),
                copy_images=True,
                on_progress=tell,
                cancel=cancel,
            )
    assert told == [1, 1]
    assert listing(tmp_path / "s") == ["notes.txt"]
    assert not (tmp_path / "t").exists()
    made = make_study(tmp_path / "s", read_source(scans))
    made.study.close()


def test_a_study_that_fails_takes_no_older_file_with_it(scans, tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    older = folder / "study.sqlite.damaged"
    older.write_bytes(b"kept")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        make_study(folder, read_source(scans), copy_images=True, cancel=cancel)
    assert [path.name for path in folder.iterdir()] == [older.name]


def test_a_study_that_is_there_is_kept(scans, tmp_path):
    make_study(tmp_path / "s", read_source(scans)).study.close()
    before = listing(tmp_path / "s")
    with pytest.raises(InputError, match="holds a study already"):
        make_study(tmp_path / "s", read_source(scans))
    with pytest.raises(ModelError, match="nobody"):
        make_study(tmp_path / "t", read_source(scans), model="nobody")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="must be a folder"):
        make_study(tmp_path / "file", read_source(scans))
    assert listing(tmp_path / "s") == before
    with Study.open(tmp_path / "s") as study:
        assert len(study.cases()) == 3


def test_images_that_cannot_be_copied_are_named(scans, tmp_path):
    (scans / "case1.nii").write_bytes(b"not an image at all")
    cases = read_source(scans)
    made = make_study(tmp_path / "s", cases, copy_images=True)
    with made.study as study:
        (bad,) = made.not_copied
        assert study.case(bad).images == (scans / "case1.nii",)
        copy = study.case("case0").images[0]
        assert copy == study.path / "imagesTr" / "case0_0000.nii.gz"
        np.testing.assert_array_equal(open_volume(copy).array, scan(0).array)


def test_cases_that_are_there_are_not_added_again(scans, tmp_path):
    with make_study(tmp_path / "s", read_source(scans), labels=LABELS).study as study:
        save_volume(scan(5), scans / "case5.nii.gz")
        added = add_cases(study, read_source(scans))
        assert [case.name for case in added.cases] == ["case5"]
        assert (added.known, added.notes) == (3, ())
        other = add_cases(study, read_source(dataset(tmp_path / "Dataset001")))
        assert "labels of the list differ" in other.notes[-1]
        study.set_labels(LabelSet.from_names({1: "liver"}))
        again = add_cases(study, read_source(tmp_path / "Dataset001"))
        assert (again.cases, again.known, again.notes) == ((), 1, ())
