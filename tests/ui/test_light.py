"""Opening a dock is quick, in a process that has imported nothing of ours yet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, time
import napari.layers
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
application = QApplication([])
viewer = ViewerModel()
wall, busy = time.perf_counter(), time.process_time()
from napari_mednext.ui.{module} import {dock}
dock = {dock}(viewer)
wall, busy = time.perf_counter() - wall, time.process_time() - busy
assert "torch" not in sys.modules
print(min(wall, busy))
"""


@pytest.mark.parametrize("dock", ["SegmentDock", "BatchDock", "ImproveDock"])
def test_a_dock_opens_in_half_a_second_without_torch(dock):
    environment = dict(os.environ, QT_QPA_PLATFORM="offscreen")
    module = dock.replace("Dock", "_dock").lower()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(module=module, dock=dock)],
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
