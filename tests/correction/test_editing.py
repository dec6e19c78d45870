"""Steps of correction: what they change, and who is named for it."""

import numpy as np
import pytest

from napari_mednext.correction.change import Change
from napari_mednext.correction.editing import Editing
from napari_mednext.correction.provenance import (
    HUMAN,
    REVIEWED,
    is_reviewed,
    reviewed_slices,
    source_names,
)
from napari_mednext.errors import GeometryError, InputError

SHAPE = (5, 9, 7)
MODEL = 2


@pytest.fixture
def editing():
    return Editing(np.zeros(SHAPE, np.uint8))


def block(value=3, shape=(2, 3, 2)):
    return np.full(shape, value, np.uint8)


BOX = (slice(1, 3), slice(2, 5), slice(4, 6))


def test_what_was_painted_becomes_a_step_of_a_person(editing):
    editing.labels[BOX] = 3
    edit = editing.take((slice(None), slice(0, 9), slice(3, 7)), "brush")
    assert edit.box == BOX
    assert edit.voxels == 12
    expected = np.zeros(SHAPE, np.uint8)
    expected[BOX] = HUMAN
    np.testing.assert_array_equal(editing.provenance, expected)


def test_painting_what_is_there_already_is_no_step(editing):
    editing.apply(Change(BOX, block()), "fill")
    editing.labels[BOX] = 3
    assert editing.take(BOX, "brush") is None
    assert len(editing.history.done) == 1


def test_take_all_finds_what_another_program_wrote(editing):
    editing.labels[4, 8, 6] = 9
    editing.labels[0, 0, 0] = 1
    edit = editing.take_all("other")
    assert edit.voxels == 2
    editing.undo()
    assert not editing.labels.any()


def test_undo_and_redo_bring_back_labels_and_provenance(editing):
    editing.predict(np.full(SHAPE, 1, np.uint8), MODEL)
    editing.apply(Change(BOX, block()), "fill")
    done = editing.labels.copy(), editing.provenance.copy()
    editing.undo()
    assert (editing.labels == 1).all()
    assert (editing.provenance == MODEL).all()
    editing.undo()
    assert not editing.labels.any()
    assert not editing.provenance.any()
    assert editing.undo() is None
    editing.redo()
    editing.redo()
    assert editing.redo() is None
    np.testing.assert_array_equal(editing.labels, done[0])
    np.testing.assert_array_equal(editing.provenance, done[1])


def test_a_step_after_an_undo_ends_the_undone_ones(editing):
    editing.apply(Change(BOX, block(1)), "one")
    editing.undo()
    editing.apply(Change(BOX, block(2)), "two")
    assert editing.redo() is None
    assert [edit.title for edit in editing.history.done] == ["two"]


def test_a_person_wins_over_a_model(editing):
    editing.apply(Change(BOX, block()), "fill")
    editing.review((slice(0, 1), slice(None), slice(None)))
    editing.predict(np.full(SHAPE, 7, np.uint8), MODEL)
    expected = np.full(SHAPE, 7)
    expected[BOX] = 3
    expected[0] = 0
    np.testing.assert_array_equal(editing.labels, expected)
    assert (editing.provenance[0] == REVIEWED).all()
    editing.undo()
    editing.predict(np.full(SHAPE, 7, np.uint8), MODEL, keep_reviewed=False)
    assert (editing.labels == 7).all()
    assert (editing.provenance == MODEL).all()


def test_a_model_writes_in_its_box_only(editing):
    editing.predict(block(5), MODEL, box=BOX)
    assert editing.labels.sum() == 5 * 12
    assert (editing.provenance > 0).sum() == 12


def test_a_review_keeps_the_source_and_can_be_taken_back(editing):
    editing.predict(np.full(SHAPE, 1, np.uint8), MODEL)
    editing.apply(Change(BOX, block()), "fill")
    editing.review((slice(1, 2), slice(None), slice(None)))
    np.testing.assert_array_equal(
        reviewed_slices(editing.provenance, 0), [False, True, False, False, False]
    )
    editing.review(is_reviewed=False)
    assert not reviewed_slices(editing.provenance, 0).any()
    np.testing.assert_array_equal(
        is_reviewed(editing.provenance), editing.provenance == HUMAN
    )
    assert set(np.unique(editing.provenance)) == {MODEL, HUMAN}
    assert editing.review(is_reviewed=False) is None


def test_an_answer_taken_back_is_confirmed(editing):
    answer = np.full(SHAPE, 4, np.uint8)
    editing.apply(Change(BOX, block()), "fill")
    editing.accept_answer(answer, MODEL, BOX)
    assert (editing.labels[BOX] == 4).all()
    assert (editing.provenance[BOX] == MODEL | REVIEWED).all()
    assert editing.labels.sum() == 4 * 12


def test_an_imported_mask_names_its_makers_everywhere(editing):
    mask = np.zeros(SHAPE, np.uint8)
    mask[BOX] = 2
    editing.replace(mask, HUMAN, "import")
    assert (editing.provenance == HUMAN).all()
    np.testing.assert_array_equal(editing.labels, mask)


def test_the_box_of_every_change_is_told(editing):
    told = []
    editing.on_change.append(told.append)
    editing.apply(Change(BOX, block()), "fill")
    editing.undo()
    editing.redo()
    assert told == [BOX] * 3


def test_strokes_and_voxels_are_counted_for_people_only(editing):
    editing.predict(np.full(SHAPE, 1, np.uint8), MODEL)
    assert (editing.strokes, editing.voxels_changed) == (0, 0)
    editing.apply(Change(BOX, block()), "fill")
    assert (editing.strokes, editing.voxels_changed) == (1, 12)
    editing.review()  # a tick is no stroke
    assert (editing.strokes, editing.voxels_changed) == (1, 12)


@pytest.mark.parametrize("array", [np.zeros(SHAPE, np.int32), np.zeros((3, 3))])
def test_refuses_what_is_no_label_array(array):
    with pytest.raises(GeometryError, match="array of uint8 or uint16"):
        Editing(array)


def test_refuses_a_provenance_of_another_shape():
    with pytest.raises(GeometryError, match="provenance must be uint8 of shape"):
        Editing(np.zeros(SHAPE, np.uint8), np.zeros((1, 2, 3), np.uint8))


def test_refuses_changes_that_do_not_fit(editing):
    with pytest.raises(GeometryError, match="must have the shape of its box"):
        editing.apply(Change(BOX, block(shape=(1, 1, 1))), "fill")
    with pytest.raises(GeometryError, match="must be at most 255, got 300"):
        editing.apply(Change(BOX, block().astype(np.uint16) + 297), "fill")
    with pytest.raises(GeometryError, match="answer must have the shape"):
        editing.accept_answer(block(), MODEL, BOX)
    with pytest.raises(InputError, match="number from 2 to 127, got 1"):
        editing.predict(np.zeros(SHAPE, np.uint8), 1)


def test_every_value_of_a_provenance_has_a_name():
    names = source_names({2: "brain 1"})
    assert names[0] == "nobody"
    assert names[HUMAN] == "human"
    assert names[2] == "brain 1"
    assert names[2 | REVIEWED] == "brain 1, confirmed"
