"""``python -m napari_mednext.ui`` in a process of its own, with a fast engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from qtpy.QtGui import QImage

SCRIPT = """
import sys
import napari_mednext.app as app
from tests.ui.fake_engine import FakeSession
app.Session = FakeSession
from napari_mednext.ui.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def run_main(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=Path(__file__).parents[2],
            env=dict(os.environ, NAPARI_CONFIG=str(tmp_path / "settings.yaml")),
        )

    return run


def test_the_demo_ends_with_a_picture_of_labels(run_main, tmp_path):
    target = tmp_path / "window.png"
    done = run_main("--demo", "--screenshot", str(target))
    assert done.returncode == 0, done.stderr
    picture = QImage(str(target))
    assert picture.width() > 1000
    middle = picture.pixelColor(picture.width() // 2, picture.height() // 2)
    assert middle.saturation() > 40, "no label is drawn in the middle of the window"


def test_a_bad_file_ends_with_one_sentence(run_main, tmp_path):
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"nothing")
    done = run_main(str(bad), "--screenshot", str(tmp_path / "window.png"))
    assert done.returncode == 1
    assert "bad.nii.gz" in done.stderr
    assert "Traceback" not in done.stderr
