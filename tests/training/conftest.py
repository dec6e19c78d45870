import json

import numpy as np
import pytest
import torch

from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training.label_maps import LabelMaps
from napari_mednext.training.mapping_table import MappingTable


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


#: A network that learns in milliseconds.
SMALL = {"width": 2, "blocks": (1,) * 9, "ratios": (1,) * 9, "grn": "mean"}


@pytest.fixture(autouse=True)
def _small_network(monkeypatch):
    for module in ("learner", "publish"):
        monkeypatch.setattr(
            f"napari_mednext.training.{module}.preset", lambda name: dict(SMALL)
        )


@pytest.fixture
def table_path(tmp_path):
    """A table with a brain (classes 1 and 2) in a head (class 3)."""
    table = {
        "classes": [
            {"value": 1, "name": "shell", "sources": [3]},
            {"value": 2, "name": "core", "sources": [2], "color": [1, 2, 3]},
            {"value": 3, "name": "head", "sources": [500]},
        ],
        "ignore": [30],
        "tissues": {"white": [2], "grey": [3]},
        "outside": [500],
        "held_out": ["b"],
        "card": {"name": "toy", "title": "A toy", "modality": "MR"},
    }
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table))
    return path


@pytest.fixture
def table(table_path):
    return MappingTable.load(table_path)


@pytest.fixture
def maps():
    """Nested ellipsoids off the centre of boxes with three different edges."""
    arrays = {}
    for i, name in enumerate("ab"):
        shape = (44 + 3 * i, 53, 39)
        grid = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
        offsets = [n / 2 + 2 - i for n in shape]
        axes = zip(grid, offsets, (18, 22, 15), strict=True)
        radius = sum(((g - o) / r) ** 2 for g, o, r in axes)
        arrays[name] = np.select([radius < 0.3, radius < 0.7, radius < 1], [1, 2, 3])
        arrays[name][0, 0, 0] = 4
        arrays[name] = arrays[name].astype(np.uint8)
    values = np.array([0, 2, 3, 500, 30])
    return LabelMaps(arrays, values, np.arange(5), 4.0)


@pytest.fixture
def settings():
    return FromLabelsSettings(
        spacing_mm=8.0,
        patch_z=16,
        patch_y=32,
        patch_x=16,
        oversampling=1,
        steps=6,
        warmup_steps=2,
        validate_every=3,
    )
