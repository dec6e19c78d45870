"""A case with labels and the panel of tools, in a viewer with or without a canvas."""

from __future__ import annotations

import time

import numpy as np
from qtpy.QtWidgets import QApplication, QWidget

from napari_mednext.correction.change import Change, whole_box
from napari_mednext.ui.study_flow import Phase, StudyFlow
from napari_mednext.ui.tools_panel import ToolsPanel
from tests.app.desk_parts import DeskSession, make_study

PATIENCE_S = 60.0


def labels(shape=(7, 12, 9)):
    """Two islands and a speck of label 1, one with holes, and a block of label 2."""
    array = np.zeros(shape, np.uint8)
    array[1:4, 2:7, 1:6] = 1
    array[2, 5, 4] = 0  # closed in on all sides
    array[1:4, 3, 2] = 0  # closed in within each slice
    array[5:7, 2:5, 5:8] = 1
    array[6, 10, 7] = 1
    array[3:5, 8:10, 2:5] = 2
    return array


class ToolsWindow:
    """A study in a viewer, its first case in hand, and the panel."""

    def __init__(self, viewer, folder, count=1, session=None):
        self.viewer = viewer
        self.top = QWidget()
        self.flow = StudyFlow(viewer, session or DeskSession(), self.top)
        self.said = []
        self.flow.said.connect(lambda text, level: self.said.append((text, level)))
        self.panel = ToolsPanel(self.flow, self.top)
        self.study = make_study(folder, count)

    def open(self, name="case0"):
        if self.flow.study is None:
            self.flow.use(self.study, model=None)
        self.flow.open_case(name)
        self.wait(lambda: self.flow.case is not None and self.flow.case.name == name)
        self.idle()
        self.start_with(labels())
        self.settle()

    def wait(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            QApplication.processEvents()
            assert time.monotonic() < end, "it did not happen"

    def idle(self):
        flow = self.flow
        self.wait(
            lambda: flow.phase in (Phase.IDLE, Phase.EMPTY) and not flow.is_busy_behind
        )

    def settle(self):
        """Let what was put off for a moment happen."""
        for _ in range(5):
            QApplication.processEvents()

    def start_with(self, array):
        editing = self.flow.case.editing
        editing.apply(Change(whole_box(array.shape), array), "start")
        self.layer.selected_label = 1
        self.said.clear()

    @property
    def layer(self):
        return self.flow.layer

    @property
    def array(self):
        return self.flow.case.editing.labels

    @property
    def titles(self):
        return [edit.title for edit in self.flow.case.editing.history.done]

    def press(self, name):
        """Press a button, and wait for what it starts."""
        self.panel.buttons[name].click()
        self.idle()

    def close(self):
        self.flow.close_study()
        self.idle()
        self.top.deleteLater()
        QApplication.sendPostedEvents(self.top, 52)  # DeferredDelete
        QApplication.processEvents()


def changed(array, change):
    """Return labels after a change."""
    assert change is not None
    after = array.copy()
    after[change.box] = change.labels
    return after
