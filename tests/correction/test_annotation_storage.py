"""A case on a disk that is full, read-only, or was left by a killed session."""

import errno
import os

import numpy as np
import pytest

from napari_mednext.correction import journal as journal_module
from napari_mednext.correction.annotation import AnnotationFiles, open_annotation
from napari_mednext.correction.change import Change
from napari_mednext.errors import StorageError
from napari_mednext.formats import open_volume, placing, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.volume import Volume, VoxelGrid, reorient

LABELS = LabelSet.from_names({1: "one", 2: "two", 3: "three"})
#: Stored with x to the right and slices downwards.
GRID = VoxelGrid(
    (6, 9, 7), (3.0, 0.9, 1.1), direction=((-1, 0, 0), (0, 1, 0), (0, 0, -1))
)
BOX = (slice(1, 3), slice(2, 5), slice(4, 6))
REASONS = [errno.ENOSPC, errno.EROFS, errno.EACCES]


@pytest.fixture
def volume(tmp_path):
    array = np.arange(np.prod(GRID.shape), dtype=np.int16).reshape(GRID.shape)
    path = save_volume(Volume(array, GRID, "case"), tmp_path / "case.nii.gz")
    return reorient(open_volume(path), "LPS")


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "annotations"
    folder.mkdir()
    return AnnotationFiles(
        folder / "labels.nii.gz",
        folder / "provenance.nii.gz",
        folder / "case.journal",
    )


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


class Disk:
    """Refuses what touches it for as long as there is a reason."""

    def __init__(self, monkeypatch):
        self.journal = self.masks = None
        self.drafts_left = 0
        write, make = journal_module._write_whole, placing.tempfile.mkdtemp

        def writing(file, content):
            if self.journal is not None:
                write(file, content[: len(content) // 2])
                raise OSError(self.journal, os.strerror(self.journal))
            write(file, content)

        def making(*args, **kwargs):
            if self.masks is not None and self.drafts_left <= 0:
                raise OSError(self.masks, os.strerror(self.masks))
            self.drafts_left -= 1
            return make(*args, **kwargs)

        monkeypatch.setattr(journal_module, "_write_whole", writing)
        monkeypatch.setattr(placing.tempfile, "mkdtemp", making)


def paint(annotation, value, box=BOX):
    shape = annotation.editing.labels[box].shape
    return annotation.editing.apply(
        Change(box, np.full(shape, value, np.uint8)), f"paint {value}"
    )


def state(annotation):
    return annotation.editing.labels.copy(), annotation.editing.provenance.copy()


def same(annotation, expected):
    np.testing.assert_array_equal(annotation.editing.labels, expected[0])
    np.testing.assert_array_equal(annotation.editing.provenance, expected[1])


def titles(annotation):
    return [edit.title for edit in annotation.editing.history.done]


def is_one_sentence(problem):
    return "\n" not in problem and ". " not in problem and not problem[0].isupper()


def reopened_equals(annotation, volume, files):
    expected, done = state(annotation), titles(annotation)
    annotation.close()
    again = open_annotation(volume, files)
    same(again, expected)
    assert titles(again) == done
    assert again.notes == ()
    while again.editing.undo() is not None:
        pass
    assert not again.editing.labels.any()
    again.close()


@pytest.mark.parametrize("reason", REASONS)
def test_steps_on_a_full_disk_are_kept_and_saved_by_a_retry(
    volume, files, disk, reason
):
    told = []
    annotation = open_annotation(volume, files, on_problem=told.append)
    paint(annotation, 1)
    annotation.save(LABELS)
    disk.journal = reason
    paint(annotation, 2)
    paint(annotation, 3, (slice(0, 6), slice(0, 1), slice(0, 7)))
    annotation.editing.undo()
    expected = state(annotation)
    with pytest.raises(StorageError, match=os.strerror(reason).lower()) as raised:
        annotation.save(LABELS)
    assert is_one_sentence(str(raised.value))
    assert str(raised.value) == annotation.editing.journal.problem == told[0]
    same(annotation, expected)
    annotation.editing.undo()  # steps of memory can be undone while the disk is full
    annotation.editing.redo()
    same(annotation, expected)
    disk.journal = None
    annotation.save(LABELS)
    assert annotation.editing.journal.problem is None
    assert told[1:] == [None]
    reopened_equals(annotation, volume, files)


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("written", [0, 1])
def test_a_mask_that_cannot_be_written_leaves_the_older_files(
    volume, files, disk, reason, written
):
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    annotation.save(LABELS)
    older = files.labels.read_bytes(), files.provenance.read_bytes()
    paint(annotation, 2)
    expected = state(annotation)
    disk.masks, disk.drafts_left = reason, written
    with pytest.raises(StorageError, match=os.strerror(reason).lower()) as raised:
        annotation.save(LABELS)
    assert is_one_sentence(str(raised.value))
    assert (files.labels.read_bytes() == older[0]) == (written == 0)
    assert files.provenance.read_bytes() == older[1]
    annotation.editing.journal.flush()
    copy = open_annotation(volume, files, read_only=True)
    same(copy, expected)
    disk.masks = None
    annotation.save(LABELS)
    reopened_equals(annotation, volume, files)


def test_a_case_opened_on_a_full_disk_keeps_what_is_done(volume, files, disk):
    disk.journal = errno.ENOSPC
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    with pytest.raises(StorageError, match="kept in memory, make room and save again"):
        annotation.editing.journal.flush()
    assert (annotation.editing.labels[BOX] == 1).all()
    disk.journal = None
    annotation.editing.journal.flush()
    reopened_equals(annotation, volume, files)


def test_drafts_of_a_save_that_was_killed_are_removed(volume, files):
    """Only those of this case: another window may be saving another one."""
    with placing.placed(files.labels.parent / "x") as draft:
        draft.write_bytes(b"a file of any kind")
        prefix = draft.parent.name[: len(".saving-")]
    left = []
    for number, path in enumerate((files.labels, files.provenance)):
        folder = path.parent / f"{prefix}{number}"
        folder.mkdir()
        (folder / path.name).write_bytes(b"half of a mask")
        left.append(folder)
    other = files.labels.parent / f"{prefix}other"
    other.mkdir()
    (other / "another case.nii.gz").write_bytes(b"half of a mask")
    open_annotation(volume, files, read_only=True)
    assert all(folder.exists() for folder in left)
    open_annotation(volume, files).close()
    assert not any(folder.exists() for folder in left)
    assert list(other.iterdir())


@pytest.mark.parametrize("is_saved", [False, True])
def test_history_begins_anew_where_another_program_wrote(volume, files, is_saved):
    """Undoing an older step would write its box over the other program's labels."""
    annotation = open_annotation(volume, files)
    paint(annotation, 1)
    annotation.save(LABELS)
    annotation.close()
    other = np.full(GRID.shape, 3, np.uint8)
    save_volume(
        Volume(other, volume.grid, "mask", volume.source), files.labels, overwrite=True
    )
    taken = open_annotation(volume, files)
    assert "changed by another program" in taken.notes[0]
    paint(taken, 2)
    if is_saved:
        taken.save(LABELS)
    expected = state(taken)
    taken.close()
    again = open_annotation(volume, files)
    same(again, expected)
    assert again.notes == ()
    assert titles(again) == ["paint 2"]
    again.editing.undo()
    np.testing.assert_array_equal(again.editing.labels, other)
    again.close()


def test_steps_over_a_mask_that_was_there_first_can_be_undone(volume, files):
    other = np.full(GRID.shape, 3, np.uint8)
    save_volume(Volume(other, volume.grid, "mask", volume.source), files.labels)
    annotation = open_annotation(volume, files)
    assert annotation.notes == ()
    paint(annotation, 2)
    expected = state(annotation)
    annotation.close()
    again = open_annotation(volume, files)
    same(again, expected)
    assert again.notes == ()
    assert titles(again) == ["paint 2"]
    again.editing.undo()
    np.testing.assert_array_equal(again.editing.labels, other)
    again.close()
