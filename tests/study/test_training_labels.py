"""What nobody has looked at teaches nothing; what a person saw keeps its label."""

from dataclasses import replace

import numpy as np
import pytest

from napari_mednext.errors import GeometryError, InputError
from napari_mednext.formats import open_volume
from napari_mednext.labels import LabelSet
from napari_mednext.study import TrainingValues, training_labels
from napari_mednext.volume import Segmentation
from tests.formats.makers import make_grid
from tests.study.makers import make_study


def test_by_hand():
    labels = np.array([[[0, 2, 9, 2]], [[9, 0, 2, 9]]], np.uint8)
    #                 nobody, human, model, reviewed model
    provenance = np.array([[[0, 1, 5, 0x85]], [[0x81, 0x80, 0x02, 0xFF]]], np.uint8)
    expected = [[[3, 1, 3, 1]], [[2, 0, 3, 2]]]
    result = training_labels(labels, provenance, {2: 1, 9: 2}, 3)
    assert result.dtype == np.uint8
    assert result.tolist() == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_against_a_slow_version(dtype):
    rng = np.random.default_rng(1)
    values = np.array([0, 3, 7, 200], dtype)
    labels = rng.choice(values, (3, 7, 5))
    provenance = rng.integers(0, 256, labels.shape).astype(np.uint8)
    labels.flags.writeable = provenance.flags.writeable = False
    mapping = {3: 1, 7: 2, 200: 3}
    result = training_labels(labels, provenance, mapping, 4)
    for index in np.ndindex(labels.shape):
        seen = provenance[index] >= 128 or provenance[index] % 128 == 1
        label = int(labels[index])
        assert result[index] == ((mapping[label] if label else 0) if seen else 4)


@pytest.mark.parametrize(("ignore", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_type_is_as_small_as_the_values_allow(ignore, dtype):
    labels = np.array([[[0, 60000]]], np.uint16)
    provenance = np.array([[[0, 1]]], np.uint8)
    result = training_labels(labels, provenance, {60000: ignore - 1}, ignore)
    assert result.dtype == dtype
    assert result.tolist() == [[[ignore, ignore - 1]]]


def test_no_labels_at_all():
    none = np.zeros((2, 3, 1), np.uint8)
    assert training_labels(none, none, {}, 1).tolist() == np.ones_like(none).tolist()


def test_unknown_labels_matter_where_they_are_kept():
    labels = np.array([[[4, 4, 6, 2]]], np.uint8)
    provenance = np.array([[[0, 7, 2, 1]]], np.uint8)
    assert training_labels(labels, provenance, {2: 1}, 2).tolist() == [[[2, 2, 2, 1]]]
    with pytest.raises(InputError, match=r"one of the study, got \[4, 6\]: add them"):
        training_labels(labels, provenance | 0x80, {2: 1}, 2)


def test_shapes_must_agree():
    with pytest.raises(GeometryError, match=r"\(2, 3, 4\) and provenance \(4, 3, 2\)"):
        training_labels(
            np.zeros((2, 3, 4), np.uint8), np.zeros((4, 3, 2), np.uint8), {}, 1
        )


def test_values_are_counted_through_in_order():
    values = TrainingValues.of(LabelSet.from_names({70: "b", 5: "a", 900: "c"}))
    assert (dict(values.mapping), values.ignore) == ({5: 1, 70: 2, 900: 3}, 4)
    assert TrainingValues.of(LabelSet()).ignore == 1
    other = TrainingValues.of(LabelSet.from_names({5: "x", 70: "y", 900: "z"}))
    assert values.key == other.key
    shorter = TrainingValues.of(LabelSet.from_names({5: "a", 70: "b"}))
    assert values.key != shorter.key


def test_the_file_lies_on_the_grid_of_the_scan(tmp_path):
    grid = make_grid((3, 5, 4), (3.0, 0.9, 1.1), degrees=(5.0, 3.0, -9.0), code="LPS")
    labels = np.zeros(grid.shape, np.uint8)
    labels[1:, 2:4, 1] = 9
    labels[0, 0, :] = 2
    provenance = np.full(grid.shape, 2, np.uint8)
    provenance[1:] |= 0x80
    with make_study(tmp_path / "s") as study:
        mask = Segmentation(labels, grid)
        path = study.write_training_label("b", mask, provenance)
        assert path == study.paths("b").training
        volume = open_volume(path)
        assert volume.grid.is_close(grid)
        expected = np.full(grid.shape, 3)
        expected[1:] = (labels[1:] == 9) * 2
        assert volume.array[0].tolist() == expected.tolist()
        # An older file is replaced.
        study.write_training_label("b", mask, provenance | 0x80)
        again = open_volume(path).array[0]
        assert again.tolist() == ((labels == 9) * 2 + (labels == 2)).tolist()
        before = path.read_bytes()
        unknown = replace(mask, array=labels + np.uint8(1))
        with pytest.raises(InputError, match="every label must be one of the study"):
            study.write_training_label("b", unknown, provenance)
        with pytest.raises(InputError, match="the case that is asked for, got 'x'"):
            study.write_training_label("x", mask, provenance)
        assert path.read_bytes() == before
