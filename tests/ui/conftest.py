"""What the GUI tests share, and the guards that fail a test which leaves windows."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# napari's fixtures reset the settings file that this names; it is read on import.
os.environ.setdefault(
    "NAPARI_CONFIG", str(Path(tempfile.mkdtemp(prefix="napari-config-"), "napari.yaml"))
)

# Mesa's software renderer then draws in the thread that asks for it, and no pause of
# the window is a wait for other threads on a busy machine.
os.environ.setdefault("LP_NUM_THREADS", "0")

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

from napari_mednext.formats import save_volume
from napari_mednext.volume import Volume, VoxelGrid
from tests.ui.fake_engine import FakeSession

#: How long anything in these tests may take, in ms.
PATIENCE_MS = 60_000
#: napari 0.9.2 and npe2 0.10 themselves do what newer libraries frown upon.
FOREIGN = (
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    "ignore::DeprecationWarning:npe2.*",
    "ignore::DeprecationWarning:vispy.*",
    "ignore::DeprecationWarning:napari.*",
)
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            for warning in FOREIGN:
                item.add_marker(pytest.mark.filterwarnings(warning), append=False)


@pytest.fixture(autouse=True)
def _no_leftover_work(qapp):
    """Fail a test whose workers still run, or whose windows stay open."""
    before = {id(widget) for widget in QApplication.topLevelWidgets()}
    yield
    assert QThreadPool.globalInstance().waitForDone(5000), "a worker still runs"
    qapp.processEvents()
    left = [
        widget
        for widget in QApplication.topLevelWidgets()
        if id(widget) not in before and widget.isVisible()
    ]
    assert not left, f"the test left windows: {left}"


@pytest.fixture
def until(qtbot):
    """Wait in the event loop until a condition holds."""

    def wait(condition):
        qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE_MS)

    return wait


@pytest.fixture
def session():
    """A session whose engine needs no torch, in a real child process."""
    with FakeSession("quick", "refuse", "endless", "notes") as session:
        yield session


def oblique_grid(shape=(20, 61, 55), angle_deg=12.0):
    """An anisotropic grid, turned about x and stored with rows to the right."""
    angle = np.radians(angle_deg)
    c, s = np.cos(angle), np.sin(angle)
    direction = np.array([[-1, 0, 0], [0, c, -s], [0, s, c]], dtype=float)
    return VoxelGrid(
        shape, (2.5, 0.8, 1.1), (33.0, -20.5, 7.25), tuple(map(tuple, direction))
    )


def scan(shape=(20, 61, 55), seed=3):
    """A volume of grey values that are unlike under any flip."""
    z, y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    rng = np.random.default_rng(seed)
    array = 300 * z + 500 * y**2 + 200 * x + rng.normal(0, 5, shape)
    return Volume(array.astype(np.int16), oblique_grid(shape), "case")


@pytest.fixture
def scan_file(tmp_path):
    """An oblique scan on disk."""
    return save_volume(scan(), tmp_path / "case.nii.gz")
