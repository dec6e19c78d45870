"""The labels layer of a case: one history, and one copy of what a stroke changed."""

import numpy as np
import pytest

from napari_mednext.correction.change import Change
from napari_mednext.correction.editing import Editing
from napari_mednext.ui.corrected_layer import Labels

SHAPE = (5, 17, 13)


@pytest.fixture
def editing():
    return Editing(np.zeros(SHAPE, np.uint8))


@pytest.fixture
def layer(editing):
    layer = Labels(editing.labels, scale=(3.0, 0.9, 1.1))
    layer.follow(editing)
    return layer


def test_napari_keeps_no_second_history(layer, editing):
    """A bucket in 3D would keep a mask of the whole scan, a hundred times."""
    layer.n_edit_dimensions = 3
    for value in range(1, 4):
        layer.fill((0, 0, 0), value)
    layer.paint((2, 8, 6), 5)
    assert len(editing.history.done) == 4
    assert not layer._undo_history
    for _ in range(4):
        layer.undo()
    assert not layer.data.any()


def test_a_layer_on_its_own_has_the_history_of_napari(layer, editing):
    layer.unfollow()
    layer.paint((2, 8, 6), 5)
    assert not editing.history.done
    layer.undo()
    assert not layer.data.any()


@pytest.mark.parametrize(("at", "drawn"), [(0, 1), (1, 1), (2, 0), (4, 0)])
def test_only_what_is_shown_is_drawn_again(layer, editing, at, drawn):
    drawings = []
    layer.events.set_data.connect(drawings.append)
    box = (slice(at, at + 1), slice(3, 6), slice(2, 4))
    assert layer._slice_input.world_slice.point[0] == 0.0  # a neighbour is drawn too
    editing.apply(Change(box, np.full((1, 3, 2), 4, np.uint8)), "tool")
    assert len(drawings) == drawn
