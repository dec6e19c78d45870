"""The bar of findings: what it shows, and that it is never in the way."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPainter, QPixmap
from qtpy.QtWidgets import QLabel

from napari_mednext.app.batch import BatchEvent, BatchItem, BatchState, FileResult
from napari_mednext.formats import Source
from napari_mednext.ui.batch_table import BatchModel
from napari_mednext.ui.controls import NOTICE_COLORS
from napari_mednext.ui.quality_bar import QualityBar
from napari_mednext.ui.segment_dock import Phase, SegmentDock
from napari_mednext.volume import Finding, Quality
from tests.ui.conftest import scan
from tests.ui.fake_engine import DOUBTS, FakeSession

NOTICE = Finding("volumes", "notice", "some labels <b>should</b> differ: check them")
WARNING = Finding("modality", "warning", "the model knows MR, got CT: use another")


@pytest.fixture
def bar(qtbot):
    bar = QualityBar()
    qtbot.addWidget(bar)
    bar.resize(320, 80)
    return bar


def ground(bar):
    """The colour of the bar's stripe and whether it is there at all."""
    picture = QPixmap(bar.size())
    picture.fill(QColor("black"))
    painter = QPainter(picture)
    bar.render(painter)
    painter.end()
    return picture.toImage().pixelColor(1, bar.height() // 2)


def test_nothing_to_say_is_nothing_to_see(bar):
    bar.tell(Quality())
    assert bar.isHidden()
    assert bar.level == ""


def test_each_finding_is_one_line_of_plain_text(bar):
    bar.tell(Quality((WARNING, NOTICE)))
    assert not bar.isHidden()
    lines = bar.text().splitlines()
    assert lines == [
        "The model knows MR, got CT: use another.",
        "Some labels <b>should</b> differ: check them.",
    ]
    text = next(w for w in bar.findChildren(QLabel) if w.text() == bar.text())
    assert text.textFormat() == Qt.TextFormat.PlainText
    flags = text.textInteractionFlags()
    assert flags & Qt.TextInteractionFlag.TextSelectableByMouse
    assert flags & Qt.TextInteractionFlag.TextSelectableByKeyboard


@pytest.mark.parametrize(
    ("findings", "level"), [((NOTICE, WARNING), "warning"), ((NOTICE,), "info")]
)
def test_the_colour_says_how_grave_it_is(bar, findings, level):
    bar.tell(Quality(findings))
    assert bar.level == level
    assert ground(bar).name() == NOTICE_COLORS[level].name()


def test_it_can_be_dismissed_with_mouse_and_keys(qtbot, bar):
    bar.tell(Quality((WARNING,)))
    bar.show()
    qtbot.mouseClick(bar.dismiss, Qt.MouseButton.LeftButton)
    assert bar.isHidden()
    bar.tell(Quality((WARNING,)))
    assert not bar.isHidden()
    assert bar.dismiss.focusPolicy() != Qt.FocusPolicy.NoFocus
    qtbot.keyClick(bar.dismiss, Qt.Key.Key_Space)
    assert bar.isHidden()
    assert bar.dismiss.toolTip()


@pytest.fixture
def dock(qtbot, until):
    with FakeSession("quick", "doubtful") as session:
        viewer = ViewerModel()
        dock = SegmentDock(viewer, session=session)
        qtbot.addWidget(dock)
        dock.show()
        volume = scan()
        viewer.add_image(volume.array[0], scale=volume.grid.spacing)
        until(lambda: dock.scan.layer() is not None)
        yield dock
        until(lambda: dock.phase is Phase.IDLE)
        until(lambda: dock._warming is None or dock._warming.is_over)


def run(dock, title, until):
    dock.model.models.setCurrentText(title)
    dock.segment()
    assert dock.phase is Phase.SEGMENTING
    assert dock.result.quality.isHidden(), "findings of another run are not kept"
    until(lambda: dock.phase is Phase.IDLE)


def test_the_dock_shows_findings_of_the_process_and_goes_on(dock, until):
    run(dock, "Fake doubtful", until)
    bar = dock.result.quality
    assert bar.isVisible()
    assert bar.level == "warning"
    assert bar.text().splitlines() == ["It is odd: look at it.", "It is small: look."]
    assert len(DOUBTS) == 2
    assert dock.run.notice.level == "done", "the run itself went well"
    assert dock.result.save.isEnabled()
    assert np.count_nonzero(dock.result.segmentation().array)
    below = dock.result.table.mapTo(dock, dock.result.table.rect().topLeft()).y()
    assert bar.mapTo(dock, bar.rect().bottomLeft()).y() < below
    run(dock, "Fake quick", until)
    assert bar.isHidden()


def ended(quality, sentence=""):
    item = BatchItem(0, Source("a", ()), Path("a_mask.nii.gz"))
    state = BatchState.FAILED if sentence else BatchState.SAVED
    result = FileResult(item, state, sentence, elapsed_s=12.0, quality=quality)
    return BatchEvent(item, state, 1, 1, result=result)


def shown(event):
    scans = BatchModel()
    scans.set_names(["a"])
    scans.apply(event)
    icon = scans.data(scans.index(0, 1), Qt.ItemDataRole.DecorationRole)
    hint = scans.data(scans.index(0, 0), Qt.ItemDataRole.ToolTipRole)
    return scans, icon.toImage(), hint


def test_a_batch_marks_the_scans_to_look_at(qapp):
    plain, done, _ = shown(ended(Quality()))
    scans, icon, hint = shown(ended(Quality((WARNING, NOTICE))))
    assert plain.detail(0) == "12 s"
    assert scans.state(0) == "saved"
    assert scans.detail(0) == "12 s · The model knows MR, got CT: use another."
    assert icon != done
    assert "Some labels <b>should</b> differ: check them." in hint.splitlines()
    failed, _, _ = shown(ended(Quality(), "it is bad"))
    assert failed.detail(0) == "It is bad."
