import pytest
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_mednext.ui.painting import drawn_later


def test_a_window_draws_in_the_next_turn(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    part = QWidget(window)
    with drawn_later(part):
        assert not window.updatesEnabled()
        with drawn_later(window):
            assert not window.updatesEnabled()
    assert not window.updatesEnabled()
    qtbot.waitUntil(window.updatesEnabled, timeout=2000)


def test_a_failure_does_not_leave_the_window_still(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    with pytest.raises(ValueError, match="inside"), drawn_later(window):
        raise ValueError("inside")  # noqa: EM101 - a stand-in
    qtbot.waitUntil(window.updatesEnabled, timeout=2000)


def test_without_a_window_nothing_is_put_off(qtbot):
    with drawn_later(None):
        pass
    with drawn_later(QObject()):
        pass
