"""A stroke that has not ended: other steps come and go, and it is still a person's."""

import errno
import os
import threading

import numpy as np
import pytest

from napari_mednext.correction.change import Change
from napari_mednext.correction.editing import Editing
from napari_mednext.correction.journal import Journal
from napari_mednext.correction.provenance import HUMAN, REVIEWED
from napari_mednext.errors import StorageError

SHAPE = (5, 9, 7)
STROKE = (slice(2, 3), slice(3, 6), slice(1, 5))
BOX = (slice(1, 4), slice(2, 8), slice(0, 3))
MODEL = 2


@pytest.fixture
def editing():
    """A model's answer, a step of a person, and a stroke that is being drawn."""
    editing = Editing(np.zeros(SHAPE, np.uint8))
    editing.predict(np.full(SHAPE, 1, np.uint8), MODEL)
    editing.apply(Change(BOX, np.full((3, 6, 3), 2, np.uint8)), "fill")
    editing.labels[STROKE] = 5
    return editing


OTHERS = {
    "review": lambda editing: editing.review(),
    "take a review back": lambda editing: editing.review(is_reviewed=False),
    "predict": lambda editing: editing.predict(np.full(SHAPE, 4, np.uint8), MODEL),
    "predict over all": lambda editing: editing.predict(
        np.full(SHAPE, 4, np.uint8), MODEL, keep_reviewed=False
    ),
    "accept": lambda editing: editing.accept_answer(
        np.full(SHAPE, 1, np.uint8), MODEL, BOX
    ),
    "replace": lambda editing: editing.replace(np.full(SHAPE, 1, np.uint8), 0, "load"),
    "undo": lambda editing: editing.undo(),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_stroke_stays_a_stroke_whatever_happens_meanwhile(editing, other):
    before = editing._known.copy()
    # The law: whatever happens happens as without the stroke.
    plain = Editing(before.copy(), editing.provenance.copy())
    if other == "undo":
        plain.labels[BOX], plain.provenance[BOX] = 1, MODEL
    else:
        OTHERS[other](plain)
    OTHERS[other](editing)
    np.testing.assert_array_equal(editing._known, plain.labels)
    np.testing.assert_array_equal(editing.provenance, plain.provenance)
    editing.labels[STROKE] = 5  # napari's layer writes it again
    editing.take(STROKE, "brush")
    stroke = np.zeros(SHAPE, bool)
    stroke[STROKE] = True
    np.testing.assert_array_equal(editing.labels[stroke], 5)
    np.testing.assert_array_equal(editing.labels[~stroke], plain.labels[~stroke])
    assert (editing.provenance[STROKE] == HUMAN).all()


def test_a_review_leaves_on_screen_what_is_being_drawn(editing):
    editing.review()
    assert (editing.labels[STROKE] == 5).all()
    assert editing.labels[0, 0, 0] == 1
    assert editing.provenance[0, 0, 0] == MODEL | REVIEWED


def test_a_copy_for_saving_waits_for_the_record_of_the_step_in_it():
    """Else a file could hold a step that no journal has."""
    in_append, go_on, copied = threading.Event(), threading.Event(), threading.Event()

    class Slow:
        position = 7

        def append(self, head, edit=None):
            in_append.set()
            assert go_on.wait(10)

    editing = Editing(np.zeros(SHAPE, np.uint8), journal=Slow())
    change = Change(BOX, np.full((3, 6, 3), 2, np.uint8))
    steps = threading.Thread(target=editing.apply, args=(change, "fill"))
    steps.start()
    assert in_append.wait(10)
    copies = []

    def copy():
        copies.append(editing.recorded())
        copied.set()

    copying = threading.Thread(target=copy)
    copying.start()
    assert not copied.wait(0.05)
    go_on.set()
    steps.join()
    copying.join()
    assert copies[0][0] == 7
    np.testing.assert_array_equal(copies[0][1], editing.labels)


@pytest.mark.parametrize("name", ["undo", "redo"])
def test_a_step_that_cannot_be_read_stays_where_it_is(tmp_path, name):
    path = tmp_path / "case.journal"
    with Journal(path) as journal:
        editing = Editing(np.zeros(SHAPE, np.uint8), journal=journal)
        editing.apply(Change(BOX, np.full((3, 6, 3), 2, np.uint8)), "fill")
        if name == "redo":
            editing.undo()
        journal.flush()
        before = editing.labels.copy()
        history = editing.history.done, editing.history.undone
        path.rename(tmp_path / "elsewhere")
        with pytest.raises(StorageError, match=os.strerror(errno.ENOENT).lower()):
            getattr(editing, name)()
        np.testing.assert_array_equal(editing.labels, before)
        assert (editing.history.done, editing.history.undone) == history
        (tmp_path / "elsewhere").rename(path)
        getattr(editing, name)()
        assert (editing.labels[BOX] == (0 if name == "undo" else 2)).all()
