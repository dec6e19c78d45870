"""Examples and the log: the newest is shown, unless somebody looks elsewhere."""

import numpy as np
import pytest
from PIL import Image

from napari_mednext.ui.job_examples import JobExamples
from napari_mednext.ui.job_log import JobLog


@pytest.fixture
def pictures(tmp_path):
    """Pictures whose red tells their step."""
    made = []
    for step in range(1, 6):
        path = tmp_path / f"step_{step:06}.png"
        Image.fromarray(np.full((9, 16, 3), (step * 40, 0, 0), np.uint8)).save(path)
        made.append((step, path))
    return made


@pytest.fixture
def examples(qtbot):
    widget = JobExamples()
    qtbot.addWidget(widget)
    widget.resize(300, 200)
    widget.show()
    return widget


def shown(examples):
    """The step whose picture is in the middle, 0 without one."""
    if examples.picture.is_empty:
        return 0
    image = examples.picture.grab().toImage()
    middle = image.pixelColor(image.width() // 2, image.height() // 2)
    return round(middle.red() / 40)


def test_the_newest_is_shown_until_somebody_goes_back(examples, pictures, until):
    assert examples.empty.isVisible()
    examples.show_examples(pictures[:2])
    until(lambda: shown(examples) == 2)
    assert examples.step.text() == "Step 2"
    examples.show_examples(pictures[:3])
    until(lambda: shown(examples) == 3)
    examples.slider.setValue(0)
    until(lambda: shown(examples) == 1)
    examples.show_examples(pictures)
    assert examples.step.text() == "Step 1"
    examples.slider.setValue(4)
    until(lambda: shown(examples) == 5)


def test_another_job_begins_with_its_newest(examples, pictures, until, tmp_path):
    examples.show_examples(pictures[:3])
    examples.slider.setValue(0)
    examples.show_examples(pictures[3:])
    until(lambda: shown(examples) == 5)
    examples.show_examples(())
    assert examples.picture.is_empty
    assert examples.empty.isVisible()
    examples.show_examples([(7, tmp_path / "gone.png")])
    until(lambda: not examples._reading.is_busy)
    assert examples.picture.is_empty


def test_the_log_follows_its_end_unless_somebody_reads(qtbot):
    log = JobLog()
    qtbot.addWidget(log)
    log.resize(200, 100)
    log.show()
    lines = "\n".join(f"line {n}" for n in range(60))
    log.show_log(lines)
    bar = log.verticalScrollBar()
    bar.setValue(bar.maximum())
    log.show_log(lines + "\nlast")
    assert log.toPlainText() == lines + "\nlast"
    assert bar.value() == bar.maximum()
    bar.setValue(3)
    log.show_log(lines + "\nlast\none more")
    assert bar.value() == 3
    log.show_log("another job")
    assert log.toPlainText() == "another job"
