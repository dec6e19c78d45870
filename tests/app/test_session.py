"""The session hands on to the layers below, and the package offers its names."""

import sys

import numpy as np
import pytest

from napari_mednext import app
from napari_mednext.app import Session
from napari_mednext.app.service import SegmentService
from napari_mednext.errors import ResourceError, StorageError
from napari_mednext.formats import save_volume
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

GRID = VoxelGrid((5, 4, 3), spacing=(3.0, 1.0, 2.0), origin=(1.0, 2.0, 3.0))


class Service:
    closed = 0

    def close(self):
        self.closed += 1


def test_open_save_and_open_again(tmp_path):
    scan = tmp_path / "scan.nii.gz"
    save_volume(Volume(np.ones((1, *GRID.shape), np.float32), GRID), scan)
    service = Service()
    with Session(service=service) as session:
        volume = session.open(scan)
        labels = np.arange(60, dtype=np.uint8).reshape(GRID.shape)
        mask = Segmentation(labels, volume.grid, source=volume.source)
        path = session.save_mask(mask, tmp_path / "mask.nii.gz")
        np.testing.assert_array_equal(session.open(path).array[0], labels)
        with pytest.raises(StorageError, match="exists already"):
            session.save_mask(mask, path)
        session.save_mask(mask, path, overwrite=True)
    assert service.closed == 1


def test_models_are_the_installed_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDNEXT_MODELS", str(tmp_path))
    with Session() as session:
        names = [info.name for info in session.models()]
        assert session.service.pid is None, "a session must not start a process"
    assert names == sorted(names)


def test_series_of_a_folder_without_any(tmp_path):
    with Session(service=Service()) as session:
        assert session.series(tmp_path) == ()


def test_public_names_are_there_and_no_others():
    assert {name: getattr(app, name).__name__ for name in app.__all__}
    assert dir(app) == sorted(app.__all__)
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        _ = app.bogus


def test_system_that_starts_no_process_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ResourceError, match="must be started, the system answered 'No"):
        SegmentService().start()
