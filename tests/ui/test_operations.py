"""Random operations keep three copies equal: layer, journal, and a model of its own.

``OPERATIONS=20000`` asks for more of them than the everyday run.
"""

import os

import numpy as np
import pytest
from napari import layers

from napari_mednext.correction.annotation import AnnotationFiles, open_annotation
from napari_mednext.correction.scope import Scope
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.labels import LabelSet
from napari_mednext.ui.corrected_layer import Labels
from napari_mednext.volume import Volume, VoxelGrid, reorient
from tests.correction.editing_model import Model

COUNT = int(os.environ.get("OPERATIONS", "1000"))
SHAPE = (5, 17, 13)
NAMES = LabelSet.from_names({n: f"label {n}" for n in range(1, 6)})
WEIGHTS = {
    "paint": 30,
    "erase": 6,
    "fill": 6,
    "polygon": 5,
    "setitem": 8,
    "tool": 14,
    "review": 5,
    "predict": 3,
    "undo": 14,
    "redo": 7,
    "save": 1,
    "reload": 1,
}


class Session:
    """One case edited three ways at once."""

    def __init__(self, folder, seed):
        grid = VoxelGrid(
            SHAPE, (2.5, 0.8, 1.1), direction=((-1, 0, 0), (0, 1, 0), (0, 0, -1))
        )
        scan = Volume(np.zeros(SHAPE, np.int16), grid, "case")
        path = save_volume(scan, folder / "case.nii.gz")
        self.volume = reorient(open_volume(path), "LPS")
        self.files = AnnotationFiles(
            folder / "labels.nii.gz", folder / "prov.nii.gz", folder / "case.journal"
        )
        self.rng = np.random.default_rng(seed)
        self.model = Model(SHAPE)
        self.plain = layers.Labels(np.zeros(SHAPE, np.uint8), scale=grid.spacing)
        self.open()

    def open(self):
        self.annotation = open_annotation(self.volume, self.files)
        editing = self.annotation.editing
        self.layer = Labels(editing.labels, scale=self.volume.grid.spacing)
        self.layer.follow(editing)

    def point(self):
        return tuple(int(self.rng.integers(n)) for n in SHAPE)

    def box(self):
        ranges = []
        for n in SHAPE:
            start = int(self.rng.integers(n))
            ranges.append(slice(start, int(self.rng.integers(start, n)) + 1))
        return tuple(ranges)

    def on_both(self, operation):
        """The same stroke on our layer and on a plain one of napari with a copy."""
        self.plain.data[...] = self.model.labels
        for layer in (self.layer, self.plain):
            operation(layer)
        return self.plain.data.copy()

    def stroke(self, operation):
        after = self.on_both(operation)
        labels, provenance = self.model.labels, self.model.provenance.copy()
        provenance[after != labels] = 0x81
        if (after != labels).any():
            self.model.add(after, provenance)

    def paint(self, value=None):
        points = [self.point() for _ in range(self.rng.integers(1, 4))]
        value = int(self.rng.integers(1, 6)) if value is None else value
        size = int(self.rng.integers(1, 6))
        dims = int(self.rng.integers(2, 4))

        def operation(layer):
            layer.brush_size, layer.n_edit_dimensions = size, dims
            with layer.block_history():
                for point in points:
                    layer.paint(point, value)

        self.stroke(operation)

    def erase(self):
        self.paint(0)

    def fill(self):
        point, value = self.point(), int(self.rng.integers(0, 6))
        dims, contiguous = int(self.rng.integers(2, 4)), bool(self.rng.integers(2))

        def operation(layer):
            layer.n_edit_dimensions, layer.contiguous = dims, contiguous
            layer.fill(point, value)

        self.stroke(operation)

    def polygon(self):
        z = self.rng.integers(SHAPE[0])
        ends = self.rng.uniform(0, 1, (5, 2)) * (np.array(SHAPE[1:]) - 1)
        points = [[z, *end] for end in ends]
        value = int(self.rng.integers(1, 6))

        def operation(layer):
            layer.n_edit_dimensions = 2
            layer.paint_polygon(points, value)

        self.stroke(operation)

    def setitem(self):
        count = int(self.rng.integers(1, 9))
        indices = tuple(self.rng.integers(0, n, count) for n in SHAPE)
        value = int(self.rng.integers(0, 6))
        self.stroke(lambda layer: layer.data_setitem(indices, value))

    def tool(self):
        box, label = self.box(), int(self.rng.integers(1, 6))
        mask = self.rng.random(SHAPE)[box] < 0.5
        protect = bool(self.rng.integers(2))
        editing = self.annotation.editing
        scope = Scope(label, protect=protect)
        editing.apply(scope.change(editing.labels, mask, box), "tool")
        labels = self.model.labels.copy()
        part = labels[box]
        own = part == label
        free = own | (part == 0) | (not protect)
        part[mask & free] = label
        part[own & ~mask] = 0
        provenance = self.model.provenance.copy()
        provenance[labels != self.model.labels] = 0x81
        if (labels != self.model.labels).any():
            self.model.add(labels, provenance)

    def review(self):
        box, on = self.box(), bool(self.rng.random() < 0.7)
        self.annotation.editing.review(box, is_reviewed=on)
        self.model.review(box, on=on)

    def predict(self):
        answer = self.rng.integers(0, 6, SHAPE).astype(np.uint8)
        code, keep = int(self.rng.integers(2, 5)), bool(self.rng.random() < 0.8)
        self.annotation.editing.predict(answer, code, keep_reviewed=keep)
        self.model.predict(answer, code, keep=keep)

    def undo(self):
        self.layer.undo()
        self.model.undo()

    def redo(self):
        self.layer.redo()
        self.model.redo()

    def save(self):
        self.annotation.save(NAMES)

    def reload(self):
        self.layer.unfollow()
        self.annotation.close()
        self.open()

    def check(self):
        editing = self.annotation.editing
        np.testing.assert_array_equal(self.layer.data, self.model.labels)
        np.testing.assert_array_equal(editing.provenance, self.model.provenance)
        assert len(editing.history.done) == self.model.at
        assert len(editing.history.undone) == len(self.model.states) - 1 - self.model.at

    def check_replay(self):
        self.annotation.editing.journal.flush()
        copy = open_annotation(self.volume, self.files, read_only=True)
        np.testing.assert_array_equal(copy.editing.labels, self.model.labels)
        np.testing.assert_array_equal(copy.editing.provenance, self.model.provenance)


@pytest.mark.slow
def test_layer_journal_and_model_stay_equal(tmp_path, qapp):
    seed = int(os.environ.get("SEED", "7"))
    session = Session(tmp_path, seed)
    names = list(WEIGHTS)
    chances = np.array([WEIGHTS[name] for name in names], dtype=float)
    plan = session.rng.choice(names, size=COUNT, p=chances / chances.sum())
    for number, name in enumerate(plan):
        getattr(session, name)()
        try:
            session.check()
            if number % 50 == 0:
                session.check_replay()
        except AssertionError as error:
            error.add_note(f"after operation {number}, {name}")
            raise
    session.check_replay()
    session.annotation.close()
    assert set(plan) == set(names)
