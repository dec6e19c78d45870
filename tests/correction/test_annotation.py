"""Opening a case as it was left, whenever it was left."""

import numpy as np
import pytest

from napari_mednext.correction import annotation as annotation_module
from napari_mednext.correction.annotation import AnnotationFiles, open_annotation
from napari_mednext.correction.change import Change
from napari_mednext.errors import FormatError, GeometryError, StorageError
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.volume import Volume, VoxelGrid, reorient

LABELS = LabelSet.from_names({1: "one", 2: "two", 3: "three"})
#: Stored with rows to the right and slices downwards, turned about x.
C, S = np.cos(0.2), np.sin(0.2)
GRID = VoxelGrid(
    (6, 9, 7),
    (3.0, 0.9, 1.1),
    (5.0, -8.0, 11.0),
    ((-1.0, 0.0, 0.0), (0.0, C, S), (0.0, S, -C)),
)
BOX = (slice(1, 3), slice(2, 5), slice(4, 6))


@pytest.fixture
def volume(tmp_path):
    array = np.arange(np.prod(GRID.shape), dtype=np.int16).reshape(GRID.shape)
    path = save_volume(Volume(array, GRID, "case"), tmp_path / "case.nii.gz")
    return reorient(open_volume(path), "LPS")


@pytest.fixture
def files(tmp_path):
    return AnnotationFiles(
        tmp_path / "labels.nii.gz",
        tmp_path / "provenance.nii.gz",
        tmp_path / "case.journal",
    )


def paint(annotation, value, box=BOX):
    shape = annotation.editing.labels[box].shape
    change = Change(box, np.full(shape, value, annotation.editing.labels.dtype))
    return annotation.editing.apply(change, f"paint {value}")


def state(annotation):
    return annotation.editing.labels.copy(), annotation.editing.provenance.copy()


def same(annotation, expected):
    np.testing.assert_array_equal(annotation.editing.labels, expected[0])
    np.testing.assert_array_equal(annotation.editing.provenance, expected[1])


def titles(annotation):
    return [edit.title for edit in annotation.editing.history.done]


def test_steps_that_were_never_saved_are_there_again(volume, files):
    first = open_annotation(volume, files)
    paint(first, 1)
    paint(first, 2, (slice(0, 6), slice(0, 1), slice(0, 7)))
    first.editing.undo()
    expected = state(first)
    first.close()
    again = open_annotation(volume, files)
    same(again, expected)
    assert titles(again) == ["paint 1"]
    again.editing.redo()
    assert (again.editing.labels[:, 0] == 2).all()
    again.editing.undo()
    again.editing.undo()
    assert not again.editing.labels.any()
    again.close()


def test_saved_labels_lie_on_the_grid_of_the_scan(volume, files):
    annotation = open_annotation(volume, files)
    paint(annotation, 3)
    annotation.save(LABELS)
    annotation.close()
    mask = open_volume(files.labels)
    assert mask.grid.is_close(volume.source.grid)
    turned = reorient(mask, "LPS").array[0]
    np.testing.assert_array_equal(turned, annotation.editing.labels)


def test_steps_after_a_save_are_replayed_and_those_before_can_be_undone(volume, files):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    annotation.save(LABELS)
    paint(annotation, 2)
    annotation.editing.undo()
    annotation.editing.undo()
    annotation.editing.redo()
    expected = state(annotation)
    annotation.close()
    again = open_annotation(volume, files)
    same(again, expected)
    again.editing.undo()
    assert not again.editing.labels.any()
    again.editing.redo()
    again.editing.redo()
    assert (again.editing.labels[BOX] == 2).all()
    again.close()


def test_nothing_is_replayed_that_a_file_already_has(volume, files, monkeypatch):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    annotation.save(LABELS)
    annotation.close()
    expected = state(annotation)
    monkeypatch.setattr(
        annotation_module.Edit, "blocks", lambda _: pytest.fail("replayed")
    )
    again = open_annotation(volume, files)
    same(again, expected)
    again.close()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("files_written", [0, 1, 2])
def test_killed_while_saving(volume, files, monkeypatch, files_written):
    """At any point between the two marks, labels, provenance and history are whole."""
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    annotation.save(LABELS)
    annotation.editing.predict(np.full(GRID.shape, 2, np.uint8), 2)
    paint(annotation, 3)
    expected, done = state(annotation), titles(annotation)
    written = []
    save = annotation_module.save_segmentation

    def saving(segmentation, path, *, overwrite):
        if len(written) == files_written:
            raise Killed
        written.append(save(segmentation, path, overwrite=overwrite))

    monkeypatch.setattr(annotation_module, "save_segmentation", saving)
    if files_written < 2:
        with pytest.raises(Killed):
            annotation.save(LABELS)
    else:
        monkeypatch.setattr(
            annotation.editing.journal,
            "append",
            lambda head, edit=None, real=annotation.editing.journal.append: (
                real(head, edit) if head["kind"] != "folded" else None
            ),
        )
        annotation.save(LABELS)
    annotation.close()
    again = open_annotation(volume, files)
    same(again, expected)
    assert titles(again) == done
    again.close()


def test_a_step_made_while_saving_is_in_the_file_or_replayed(
    volume, files, monkeypatch
):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    save = annotation_module.save_segmentation

    def saving(segmentation, path, *, overwrite):
        paint(annotation, 2 if path == files.labels else 3)
        return save(segmentation, path, overwrite=overwrite)

    monkeypatch.setattr(annotation_module, "save_segmentation", saving)
    annotation.save(LABELS)
    expected = state(annotation)
    annotation.close()
    again = open_annotation(volume, files)
    same(again, expected)
    again.close()


def test_labels_of_another_program_are_taken_and_told(volume, files):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    annotation.save(LABELS)
    annotation.close()
    other = np.zeros(GRID.shape, np.uint8)
    other[5] = 3
    mask = Volume(other, volume.grid, "mask", volume.source)
    save_volume(mask, files.labels, overwrite=True)
    again = open_annotation(volume, files)
    np.testing.assert_array_equal(again.editing.labels, other)
    assert "changed by another program" in again.notes[0]
    assert not again.editing.history.done
    again.close()


def test_a_second_window_reads_and_writes_nothing(volume, files):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    annotation.editing.journal.flush()
    before = files.journal.read_bytes()
    second = open_annotation(volume, files, read_only=True)
    same(second, state(annotation))
    second.save(LABELS)
    second.close()
    assert not files.labels.exists()
    assert files.journal.read_bytes() == before
    annotation.close()


def test_wide_labels_keep_their_width(volume, files):
    annotation = open_annotation(volume, files, dtype=np.uint16)
    paint(annotation, 300)
    annotation.save(LabelSet.from_names({300: "far"}))
    paint(annotation, 2)
    annotation.close()
    again = open_annotation(volume, files, dtype=np.uint16)
    same(again, state(annotation))
    again.editing.undo()
    assert (again.editing.labels[BOX] == 300).all()
    again.close()
    with pytest.raises(GeometryError, match="whole numbers up to 255, got 0 to 300"):
        open_annotation(volume, files, dtype=np.uint8)


def test_refuses_files_of_another_scan(volume, files, tmp_path):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    annotation.save(LABELS)
    annotation.close()
    array = np.zeros((2, 9, 7), np.int16)
    grid = VoxelGrid((2, 9, 7), volume.grid.spacing)
    path = save_volume(Volume(array, grid), tmp_path / "other.nii.gz")
    other = reorient(open_volume(path), "LPS")
    with pytest.raises(GeometryError, match="must lie on the grid of the scan"):
        open_annotation(other, files)
    files.labels.unlink()
    files.provenance.unlink()
    with pytest.raises(FormatError, match="must belong to a scan of shape"):
        open_annotation(other, files)


def test_a_save_that_fails_loses_nothing(volume, files, monkeypatch):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)

    def full(*_, **__):
        msg = "the disk is full"
        raise StorageError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(annotation_module, "save_segmentation", full)
        with pytest.raises(StorageError, match="full"):
            annotation.save(LABELS)
    expected = state(annotation)
    annotation.save(LABELS)
    annotation.close()
    again = open_annotation(volume, files)
    same(again, expected)
    again.close()


def test_the_labels_to_export_are_a_copy_with_names(volume, files):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    segmentation = annotation.segmentation(LABELS)
    paint(annotation, 2)
    assert (segmentation.array[BOX] == 1).all()
    assert segmentation.names == LABELS.names
    assert segmentation.source.grid == volume.source.grid
    annotation.close()


def test_a_second_window_that_opens_during_a_save_sees_one_state(
    volume, files, monkeypatch
):
    with_journal = open_annotation(volume, files)
    paint(with_journal, 1)
    with_journal.save(LABELS)
    read = annotation_module._read_mask

    def read_during_a_save(path, *arguments):
        if path == files.labels:
            paint(with_journal, 2)
            with_journal.save(LABELS)
            paint(with_journal, 3)
            with_journal.save(LABELS)
        return read(path, *arguments)

    monkeypatch.setattr(annotation_module, "_read_mask", read_during_a_save)
    other = open_annotation(volume, files, read_only=True)
    same(other, state(with_journal))
    assert titles(other) == ["paint 1", "paint 2", "paint 3"]
    with_journal.close()
