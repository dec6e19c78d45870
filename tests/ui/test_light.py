"""Opening the dock is quick, in a process that has imported nothing of ours yet."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, time
import napari.layers
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
application = QApplication([])
viewer = ViewerModel()
wall, busy = time.perf_counter(), time.process_time()
from napari_mednext.ui.segment_dock import SegmentDock
dock = SegmentDock(viewer)
wall, busy = time.perf_counter() - wall, time.process_time() - busy
from napari_mednext.ui.batch_dock import BatchDock
batch = BatchDock(viewer)
assert "torch" not in sys.modules
print(min(wall, busy))
"""


def test_the_dock_opens_in_half_a_second_without_torch():
    environment = dict(os.environ, QT_QPA_PLATFORM="offscreen")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 0.5


def test_no_module_of_the_windows_imports_torch():
    code = (
        "import pkgutil, importlib, sys, napari_mednext.ui as ui\n"
        "for m in pkgutil.iter_modules(ui.__path__, 'napari_mednext.ui.'):\n"
        "    m.name.endswith('__main__') or importlib.import_module(m.name)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[2],
        env=dict(os.environ, QT_QPA_PLATFORM="offscreen"),
    )
