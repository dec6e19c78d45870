"""Ticks of slices and cases, and the history beside them."""

import threading

import numpy as np
import pytest

from napari_mednext.correction.change import Change
from napari_mednext.correction.provenance import HUMAN, is_reviewed
from napari_mednext.ui import review_panel
from napari_mednext.ui.review_panel import ReviewPanel
from tests.app.desk_parts import make_study
from tests.ui.study_parts import Desktop

BOX = (slice(1, 3), slice(2, 5), slice(4, 6))


@pytest.fixture
def panel(qtbot, until, tmp_path):
    desktop = Desktop(qtbot)
    panel = ReviewPanel(desktop.flow, desktop.top)
    desktop.flow.use(make_study(tmp_path))
    desktop.flow.open_case("case0")
    until(lambda: desktop.flow.case is not None)
    yield panel
    desktop.close(until)


def test_ticks_measures_and_history(panel, until, monkeypatch):
    flow = panel._flow
    editing, threads = flow.case.editing, []

    def watched(provenance):
        threads.append(threading.current_thread())
        return is_reviewed(provenance)

    monkeypatch.setattr(review_panel, "is_reviewed", watched)
    flow.viewer.dims.set_current_step(0, 3)
    panel.slice.click()
    assert is_reviewed(editing.provenance[3]).all()
    assert is_reviewed(editing.provenance).sum() == editing.provenance[3].size
    until(lambda: panel.line.text() == "14 % reviewed")  # one slice of seven
    flow.viewer.dims.set_current_step(0, 2)
    assert not panel.slice.isChecked()
    panel.shown.click()
    until(lambda: "reviewed" in [layer.name for layer in flow.viewer.layers])
    layer = flow.viewer.layers["reviewed"]
    np.testing.assert_array_equal(layer.data, is_reviewed(editing.provenance))
    editing.apply(Change(BOX, np.full((2, 3, 2), 1, np.uint8)), "brush")
    until(lambda: layer.data[BOX].all())
    panel.shown.click()
    assert not layer.visible
    assert panel.last.text() == "2: brush"
    panel.undo.click()
    panel.undo.click()
    until(lambda: panel.line.text() == "0 % reviewed")
    assert "nothing was done yet" in panel.undo.toolTip()
    panel.redo.click()
    panel.whole.click()
    until(lambda: panel.line.text() == "100 % reviewed")
    panel.slice.click()
    assert not is_reviewed(editing.provenance[2]).any()
    assert HUMAN not in editing.provenance
    assert threads
    assert threading.main_thread() not in threads
