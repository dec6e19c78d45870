"""Export of a study: the newest labels, on the grid of each scan."""

import json
import threading

import numpy as np
import pytest

from napari_mednext.app.desk import Desk
from napari_mednext.app.exporting import export_study
from napari_mednext.correction.change import Change
from napari_mednext.errors import InputError
from napari_mednext.formats import open_volume
from napari_mednext.study import CaseEntry
from napari_mednext.volume import reorient
from tests.app.desk_parts import GRID, DeskSession, make_study

BOX = (slice(1, 3), slice(2, 5), slice(4, 6))


@pytest.fixture
def study(tmp_path):
    with make_study(tmp_path) as study:
        desk = Desk(DeskSession(), study)
        for number, name in enumerate(("case0", "case1")):
            case = desk.open(name)
            labels = np.full((2, 3, 2), number + 1, np.uint8)
            case.editing.apply(Change(BOX, labels), "brush")
            desk.accept(case)
            case.close()
        desk.close()
        yield study


def expected(value):
    array = np.zeros(reorient(open_volume_like(), "LPS").array.shape[1:], np.uint8)
    array[BOX] = value
    return array


def open_volume_like():
    from tests.app.desk_parts import scan

    return scan(0)


def test_every_accepted_mask_lies_on_the_grid_of_its_scan(study, tmp_path):
    told = []
    report = export_study(study, tmp_path / "out", on_result=told.append)
    assert [each.case for each in report.saved] == ["case0", "case1"]
    assert tuple(told) == report.results
    for value, name in ((1, "case0"), (2, "case1")):
        mask = open_volume(tmp_path / "out" / f"{name}.nii.gz")
        scan = open_volume(study.case(name).images)
        assert mask.grid.is_close(GRID)
        assert mask.source.nifti["sform"] == scan.source.nifti["sform"]
        turned = reorient(mask, "LPS").array[0]
        np.testing.assert_array_equal(turned, expected(value))


def test_who_made_each_voxel_lies_beside(study, tmp_path):
    export_study(study, tmp_path / "out", cases=["case0"])
    beside = open_volume(tmp_path / "out" / "case0_provenance.nii.gz")
    turned = reorient(beside, "LPS").array[0]
    np.testing.assert_array_equal(turned == 0x81, expected(1) == 1)
    meaning = json.loads((tmp_path / "out" / "case0_provenance.json").read_text())
    assert meaning["reviewed"] == 1.0
    assert meaning["values"]["129"] == {"name": "human", "voxels": 12}
    assert sum(v["voxels"] for v in meaning["values"].values()) == expected(1).size


def test_steps_in_the_journal_are_exported_too(study, tmp_path):
    desk = Desk(DeskSession(), study)
    case = desk.open("case0")
    case.editing.apply(Change(BOX, np.full((2, 3, 2), 2, np.uint8)), "brush")
    case.editing.journal.flush()
    export_study(study, tmp_path / "out", cases=["case0"], provenance=False)
    mask = reorient(open_volume(tmp_path / "out" / "case0.nii.gz"), "LPS")
    np.testing.assert_array_equal(mask.array[0], expected(2))
    assert not (tmp_path / "out" / "case0_provenance.nii.gz").exists()
    case.close()


def test_a_case_that_fails_is_named_and_the_others_are_done(study, tmp_path):
    study.paths("case0").annotation.write_bytes(b"damaged")
    report = export_study(study, tmp_path / "out")
    assert [each.case for each in report.failed] == ["case0"]
    assert "case0" in report.failed[0].sentence
    assert [each.case for each in report.saved] == ["case1"]


def test_files_that_are_there_are_kept(study, tmp_path):
    export_study(study, tmp_path / "out")
    before = (tmp_path / "out" / "case0.nii.gz").stat().st_mtime_ns
    report = export_study(study, tmp_path / "out")
    assert [each.case for each in report.failed] == ["case0", "case1"]
    assert "exists already" in report.failed[0].sentence
    assert (tmp_path / "out" / "case0.nii.gz").stat().st_mtime_ns == before
    assert not export_study(study, tmp_path / "out", overwrite=True).failed


def test_names_follow_the_pattern(study, tmp_path):
    report = export_study(
        study,
        tmp_path / "out",
        pattern="{number}-{case}-{patient} {state}",
        file_format="nrrd",
        provenance=False,
    )
    names = [each.path.name for each in report.saved]
    assert names == [
        "0001-case0-unknown_accepted.nrrd",
        "0002-case1-unknown_accepted.nrrd",
    ]


def test_a_case_that_was_never_opened_is_named(study, tmp_path):
    report = export_study(study, tmp_path / "out", cases=["case2"])
    assert "was never opened" in report.failed[0].sentence


def test_a_cancelled_export_keeps_what_is_written(study, tmp_path):
    cancel = threading.Event()
    report = export_study(
        study, tmp_path / "out", on_result=lambda _: cancel.set(), cancel=cancel
    )
    assert report.was_cancelled
    assert [each.case for each in report.saved] == ["case0"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pattern": "{patient}"}, "name of its own"),
        ({"pattern": "{nobody}"}, "must be a file name with the fields"),
        ({"pattern": "a/{case}"}, "must be a file name with the fields"),
        ({"file_format": "png"}, "format must be one of"),
        ({"cases": []}, "must have accepted cases"),
    ],
)
def test_refuses_exports_that_cannot_work(study, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        export_study(study, tmp_path / "out", **options)


def test_no_mask_takes_the_place_of_another_provenance(study, tmp_path):
    study.add([CaseEntry("case0_provenance", (tmp_path / "other.nii.gz",))])
    both = ["case0", "case0_provenance"]
    with pytest.raises(InputError, match="the name of another one's provenance"):
        export_study(study, tmp_path / "out", cases=both)
    assert not (tmp_path / "out").exists()
    report = export_study(study, tmp_path / "out", cases=both, provenance=False)
    assert [each.case for each in report.saved] == ["case0"]
