"""Tables of volumes against numbers counted by hand."""

import numpy as np
import pytest

from napari_mednext.app.table import csv_text, plain_text, rows
from napari_mednext.labels import default_color
from napari_mednext.volume import Segmentation, VoxelGrid


@pytest.fixture
def table():
    array = np.zeros((2, 3, 5), np.uint8)
    array[0, 0, :] = 3
    array[1, 1:, 1:3] = 7
    grid = VoxelGrid((2, 3, 5), spacing=(10.0, 2.0, 5.0))  # 0.1 mL a voxel
    return rows(Segmentation(array, grid, {3: "left, big", 5: "none"}, {3: (1, 2, 3)}))


def test_every_label_has_a_row(table):
    assert [(row.value, row.name, row.voxels) for row in table] == [
        (3, "left, big", 5),
        (5, "none", 0),
        (7, "label 7", 4),
    ]
    assert [row.volume_ml for row in table] == pytest.approx([0.5, 0.0, 0.4])
    assert [row.color for row in table] == [
        (1, 2, 3),
        default_color(5),
        default_color(7),
    ]


def test_csv_quotes_commas(table):
    assert csv_text(table).splitlines() == [
        "value,name,voxels,volume_ml",
        '3,"left, big",5,0.500',
        "5,none,0,0.000",
        "7,label 7,4,0.400",
    ]


def test_plain_text_is_aligned(table):
    assert plain_text(table).splitlines() == [
        "label  name        mL",
        "    3  left, big  0.5",
        "    5  none       0.0",
        "    7  label 7    0.4",
    ]


def test_nothing_labelled_is_a_head_only():
    empty = Segmentation(np.zeros((1, 2, 2), np.uint8), VoxelGrid((1, 2, 2)))
    assert rows(empty) == ()
    assert plain_text(()) == "label  name  mL"
