"""What an annotator chose to see stays from one case to the next."""

from types import SimpleNamespace

import pytest
from qtpy.QtCore import QObject, Signal

from napari_mednext.ui.kept_look import KeptLook

CT = ["automatic", "soft tissue", "lung"]


class Flow(QObject):
    caseOpened = Signal(object)  # noqa: N815 - as in the flow
    layers = None

    def open(self, look, windows):
        """Open a case: its layers come with the usual look."""
        self.layers = None
        look.windows, look.window = windows, "automatic"
        look.changed.emit()
        labels = SimpleNamespace(opacity=0.6, contour=0)
        self.layers = SimpleNamespace(labels=labels, are_there=True)
        self.caseOpened.emit(None)
        look.changed.emit()


class FakeLook(QObject):
    changed = Signal()
    is_3d = False

    def __init__(self):
        super().__init__()
        self.windows, self.window = [], None

    def window_preset(self, name):
        self.window = name
        self.changed.emit()


@pytest.fixture
def scene(qapp):
    flow, look = Flow(), FakeLook()
    kept = KeptLook(flow, look, flow)
    flow.open(look, CT)
    return flow, look, kept


def choose(flow, look, window, opacity, contour):
    flow.layers.labels.opacity, flow.layers.labels.contour = opacity, contour
    look.window_preset(window)


def shown(flow, look):
    return look.window, flow.layers.labels.opacity, flow.layers.labels.contour


def test_the_first_case_looks_as_usual(scene):
    flow, look, _ = scene
    assert shown(flow, look) == ("automatic", 0.6, 0)


def test_the_next_case_looks_like_the_one_before(scene):
    flow, look, _ = scene
    choose(flow, look, "lung", 0.8, 1)
    flow.open(look, CT)
    assert shown(flow, look) == ("lung", 0.8, 1)
    look.window_preset("automatic")
    flow.open(look, CT)
    assert shown(flow, look) == ("automatic", 0.8, 1)


def test_a_window_is_kept_over_scans_that_are_no_ct(scene):
    flow, look, _ = scene
    choose(flow, look, "soft tissue", 0.4, 0)
    flow.open(look, ["automatic"])
    assert shown(flow, look) == ("automatic", 0.4, 0)
    flow.open(look, CT)
    assert shown(flow, look) == ("soft tissue", 0.4, 0)


def test_a_window_set_by_hand_is_not_kept(scene):
    flow, look, _ = scene
    choose(flow, look, None, 0.6, 0)
    flow.open(look, CT)
    assert look.window == "automatic"


def test_what_3d_hides_is_not_taken_for_a_choice(scene):
    flow, look, _ = scene
    choose(flow, look, "lung", 0.8, 1)
    look.is_3d, look.windows, flow.layers.labels.contour = True, [], 0
    look.changed.emit()
    flow.open(look, [])
    assert flow.layers.labels.contour == 0
    look.is_3d = False
    look.changed.emit()


def test_layers_that_go_one_by_one_change_nothing(scene):
    flow, look, _ = scene
    choose(flow, look, "lung", 0.8, 1)
    flow.layers.are_there = False
    flow.layers.labels.opacity = 0.1
    look.changed.emit()
    flow.open(look, CT)
    assert shown(flow, look) == ("lung", 0.8, 1)
