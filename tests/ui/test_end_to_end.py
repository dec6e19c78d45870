"""The dock with the real engine: a tiny network of random weights, in its process."""

import numpy as np
import pytest
import torch
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_mednext.app import Session
from napari_mednext.models import (
    Card,
    make_dataset,
    make_plans,
    write_model_folder,
)
from napari_mednext.models.library import LIBRARY_VARIABLE
from napari_mednext.network import build
from napari_mednext.settings import InferenceSettings
from napari_mednext.ui.bridge import volume_of
from napari_mednext.ui.readers import volume_layers
from napari_mednext.ui.segment_dock import Phase, SegmentDock
from tests.ui.conftest import scan

ARCHITECTURE = {"width": 8, "blocks": [1] * 9, "ratios": [2] * 9}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library that holds one model; the shipped ones stay beside it."""
    plans = make_plans(
        dataset_name="Dataset001_Random",
        spacing=(2.5, 1.0, 1.2),
        patch_size=(16, 32, 32),
        normalization_schemes=["ZScoreNormalization"],
        use_mask_for_norm=[False],
        intensity_properties=[{}],
        arch_kwargs=ARCHITECTURE,
    )
    dataset = make_dataset(
        name="Random",
        channel_names=["MR"],
        labels={"one": 1, "two": 2},
        training_cases=1,
    )
    before = torch.get_rng_state()
    torch.manual_seed(11)
    network = build(
        plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"],
        input_channels=1,
        num_classes=3,
        arch_kwargs=ARCHITECTURE,
    )
    torch.set_rng_state(before)
    weights = {
        name: value * (20 if name.endswith("weight") else 1)
        for name, value in network.state_dict().items()
    }
    card = Card(name="random_v1", title="Random weights", modality="MR")
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / "library"))
    folder = tmp_path / "library" / "random_v1"
    write_model_folder(
        folder, plans=plans, dataset=dataset, card=card, weights={"0": weights}
    )
    return folder


@pytest.mark.slow
def test_the_window_shows_what_the_engine_finds(qtbot, until, library):
    viewer = ViewerModel()
    for array, options, _ in volume_layers(scan()):
        viewer.add_image(array, **options)
    volume = volume_of(viewer.layers[0])
    with Session() as session:
        dock = SegmentDock(viewer, session=session)
        qtbot.addWidget(dock)
        dock.show()
        dock.model.models.setCurrentText("Random weights")
        dock.model.devices.setCurrentIndex(dock.model.devices.findData("cpu"))
        assert "2 labels: one, two." in dock.model.card.text()
        qtbot.mouseClick(dock.run.start, Qt.MouseButton.LeftButton)
        until(lambda: dock.phase is Phase.IDLE)
        assert dock.run.notice.level == "done", dock.run.notice.text()
        until(lambda: dock._warming.is_over)
        want = session.service.segment(
            volume, model=library, settings=InferenceSettings(device="cpu")
        )
    assert np.unique(want.array).size > 1
    assert np.array_equal(viewer.layers[1].data, want.array)
    assert dock.result.table.labels.volumes_ml() == pytest.approx(want.volumes_ml())
