"""A study is an nnU-Net dataset, field by field, at every moment."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from napari_mednext.errors import Cancelled, StorageError
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.models.dataset import read_dataset
from napari_mednext.models.documents import Node
from napari_mednext.study import CaseEntry, Study
from napari_mednext.study.dataset_json import dataset_document, training_names
from napari_mednext.volume import Segmentation, Volume
from tests.formats.makers import make_array, make_grid
from tests.study.makers import LABELS, make_study

GRID = make_grid((4, 5, 3), (3.0, 0.9, 1.1), degrees=(4.0, 0.0, -7.0))


def check_dataset(folder):
    """What nnU-Net 2 asks of a raw dataset, by its documentation; returns its cases."""
    document = json.loads((folder / "dataset.json").read_text())
    channels = document["channel_names"]
    assert list(channels) == [str(i) for i in range(len(channels))]
    values = list(document["labels"].values())
    assert values == list(range(len(values)))
    first, *_, last = document["labels"]
    assert (first, last) == ("background", "ignore")
    assert document["file_ending"] == ".nii.gz"
    assert document["numTraining"] == len(document["dataset"])
    for name, files in document["dataset"].items():
        label = folder / files["label"]
        assert label == folder / "labelsTr" / f"{name}.nii.gz"
        images = [folder / image for image in files["images"]]
        assert len(images) == len(channels)
        mask = open_volume(label)
        assert set(np.unique(mask.array)) <= set(values)
        for image in images:
            assert open_volume(image).grid.is_close(mask.grid)
    return document


def scan(path, value=0):
    path.parent.mkdir(exist_ok=True)
    save_volume(Volume(make_array(GRID.shape) + np.int16(value), GRID), path)
    return path


def mask_of(value):
    return Segmentation(np.full(GRID.shape, value, np.uint8), GRID)


REVIEWED = np.full(GRID.shape, 0x82, np.uint8)


class TestDocument:
    def test_every_field(self):
        document = dataset_document(
            name="n",
            channel_names=("T1", "T2"),
            labels=LABELS,
            training={"a": (["x_0000.nii.gz", "/y.nii.gz"], "labelsTr/a.nii.gz")},
        )
        assert document == {
            "name": "n",
            "channel_names": {"0": "T1", "1": "T2"},
            "labels": {"background": 0, "liver": 1, "spleen": 2, "ignore": 3},
            "training_values": {"2": 1, "9": 2},
            "numTraining": 1,
            "file_ending": ".nii.gz",
            "dataset": {
                "a": {
                    "images": ["x_0000.nii.gz", "/y.nii.gz"],
                    "label": "labelsTr/a.nii.gz",
                }
            },
        }

    def test_our_own_reader_takes_it(self):
        document = dataset_document(
            name="n", channel_names=("T1",), labels=LABELS, training={}
        )
        read = read_dataset(Node(document, "dataset.json"))
        assert read.labels.names == {1: "liver", 2: "spleen"}
        assert (read.ignore_label, read.num_heads) == (3, 3)
        assert read.channel_names == ("T1",)

    def test_names_are_told_apart(self):
        labels = LabelSet.from_names(
            {1: "x", 2: "x", 3: "x (2)", 4: "background", 5: "ignore", 6: "x"}
        )
        names = training_names(labels)
        assert names[1] == "x"
        assert names[2] == "x (2)"
        assert (names[4], names[6]) == ("background (4)", "x (6)")
        taken = [*names.values(), "background", "ignore"]
        assert len(set(taken)) == len(taken)


class TestInStep:
    @pytest.fixture
    def study(self, tmp_path):
        entries = [
            CaseEntry("a", (scan(tmp_path / "scans" / "a.nii.gz"),)),
            CaseEntry("b", (scan(tmp_path / "scans" / "b.nrrd", 5),)),
            CaseEntry("dicom", tuple(tmp_path / "dicom" / f"IM{i}" for i in range(4))),
        ]
        with Study.create(
            tmp_path / "study", entries=entries, labels=LABELS, channel_names=("CT",)
        ) as study:
            yield study

    def test_from_the_start(self, study):
        document = check_dataset(study.path)
        assert document["numTraining"] == 0
        for name in ("imagesTr", "labelsTr"):
            assert (study.path / name).is_dir()

    def test_training_labels_are_counted(self, study):
        study.write_training_label("a", mask_of(9), REVIEWED)
        study.write_training_label("b", mask_of(2), REVIEWED)
        document = check_dataset(study.path)
        assert list(document["dataset"]) == ["a", "b"]
        assert document["numTraining"] == len(list((study.path / "labelsTr").iterdir()))
        study.remove_training_label("a")
        assert list(check_dataset(study.path)["dataset"]) == ["b"]
        assert not study.paths("a").training.exists()
        study.remove_training_label("a")

    def test_dicom_is_no_image_for_nnunet(self, study):
        study.write_training_label("dicom", mask_of(9), REVIEWED)
        assert study.paths("dicom").training.is_file()
        assert check_dataset(study.path)["numTraining"] == 0

    def test_labels_of_other_numbering_wait(self, study):
        study.write_training_label("a", mask_of(9), REVIEWED)
        study.rename_label(9, "Milz")
        assert check_dataset(study.path)["labels"]["Milz"] == 2
        assert study.stale_training_labels() == ()
        study.add_label("tumour")
        document = check_dataset(study.path)
        assert document["labels"]["ignore"] == 4
        assert document["numTraining"] == 0
        assert study.stale_training_labels() == ("a",)
        study.write_training_label("a", mask_of(9), REVIEWED)
        assert check_dataset(study.path)["numTraining"] == 1
        assert study.stale_training_labels() == ()
        # Back to the labels that were: the file of today does not fit them.
        study.set_labels(LABELS)
        assert check_dataset(study.path)["numTraining"] == 0

    def test_opening_mends_it(self, study):
        study.write_training_label("a", mask_of(9), REVIEWED)
        study.paths("a").training.unlink()
        study.folder.dataset.write_bytes(b"\xff")
        with Study.open(study.path):
            assert check_dataset(study.path)["numTraining"] == 0

    def test_it_is_not_written_without_need(self, study):
        before = study.folder.dataset.stat()
        with Study.open(study.path):
            after = study.folder.dataset.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_a_training_label_that_cannot_be_deleted(self, study, monkeypatch):
        study.write_training_label("a", mask_of(9), REVIEWED)

        def refuse(self, **_):
            raise PermissionError(13, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            with pytest.raises(StorageError, match="must be deleted, got Permission"):
                study.remove_training_label("a")


class TestCopies:
    def entries(self, folder):
        return [
            CaseEntry("a", (scan(folder / "a.nii.gz", 1),)),
            CaseEntry("b", (scan(folder / "b.nrrd", 2),)),
            CaseEntry("lost", (folder / "lost.nii.gz",)),
            CaseEntry("broken", (folder / "broken.mha",)),
        ]

    def test_images_are_copied_as_nnunet_names_them(self, tmp_path, caplog):
        seen = []
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw" / "broken.mha").write_text("no image")
        entries = self.entries(tmp_path / "raw")
        with Study.create(
            tmp_path / "s",
            entries=entries,
            labels=LABELS,
            copy_images=True,
            on_progress=seen.append,
        ) as study:
            copies = sorted(p.name for p in (study.path / "imagesTr").iterdir())
            assert copies == ["a_0000.nii.gz", "b_0000.nii.gz"]
            for name, value in (("a", 1), ("b", 2)):
                (image,) = study.case(name).images
                assert image == study.path / "imagesTr" / f"{name}_0000.nii.gz"
                volume = open_volume(image)
                assert volume.grid.is_close(GRID)
                assert (volume.array[0] == make_array(GRID.shape) + value).all()
            assert [(p.done, p.total) for p in seen] == [(i, 4) for i in (1, 2, 3, 4)]
            assert study.case("lost").images == entries[2].images
            assert re.search("lost.*must be there to be copied", caplog.text)
            problems = study.copy_images()
            assert set(problems) == {"lost", "broken"}
            study.write_training_label("b", mask_of(9), REVIEWED)
            document = check_dataset(study.path)
            images = document["dataset"]["b"]["images"]
            assert images == ["imagesTr/b_0000.nii.gz"]
            # The same scans are known, though their images lie elsewhere now.
            assert study.add(entries) == ()
            extra = CaseEntry("c", (scan(tmp_path / "raw" / "c.mha"),))
            (case,) = study.add([extra])
            assert case.images == (study.path / "imagesTr" / "c_0000.nii.gz",)
        moved = (tmp_path / "s").rename(tmp_path / "moved")
        with Study.open(moved):
            assert check_dataset(moved)["numTraining"] == 1

    def test_channels(self, tmp_path):
        raw = tmp_path / "raw"
        files = (scan(raw / "t1.nii.gz", 1), scan(raw / "t2.nii.gz", 2))
        mixed = (scan(raw / "t1.mha", 3), scan(raw / "t2.nii.gz.nrrd", 4))
        entries = [
            CaseEntry("files", files),
            CaseEntry("mixed", mixed),
            CaseEntry("one", files[:1]),
        ]
        with Study.create(
            tmp_path / "s", entries=entries, labels=LABELS, channel_names=("T1", "T2")
        ) as study:
            assert study.case("files").images == files
            problems = study.copy_images(["files", "mixed", "one"])
            assert list(problems) == ["one"]
            assert "must have 2 channels, as the study says, got 1" in problems["one"]
            for name, first in (("files", 1), ("mixed", 3)):
                for channel, image in enumerate(study.case(name).images):
                    assert image.name == f"{name}_{channel:04d}.nii.gz"
                    array = open_volume(image).array[0]
                    assert (array == make_array(GRID.shape) + first + channel).all()
            study.write_training_label("mixed", mask_of(2), REVIEWED)
            study.write_training_label("one", mask_of(2), REVIEWED)
            assert list(check_dataset(study.path)["dataset"]) == ["mixed"]

    def test_cancelled(self, tmp_path):
        class Flag:
            asked = 0

            def is_set(self):
                self.asked += 1
                return self.asked > 1

        entries = self.entries(tmp_path / "raw")[:2]
        with pytest.raises(Cancelled):
            Study.create(
                tmp_path / "s", entries=entries, copy_images=True, cancel=Flag()
            )
        with Study.open(tmp_path / "s") as study:
            inside = [c.images[0].is_relative_to(study.path) for c in study.cases()]
            assert inside == [True, False]

    def test_no_room(self, tmp_path, monkeypatch):
        entries = self.entries(tmp_path / "raw")[:1]

        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        with make_study(tmp_path / "s", names=()) as study:
            study.add(entries)
            monkeypatch.setattr("shutil.copyfile", refuse)
            with pytest.raises(StorageError, match="must be readable: check its perm"):
                study.copy_images()
            assert study.case("a").images == entries[0].images
            assert list((study.path / "imagesTr").iterdir()) == []
