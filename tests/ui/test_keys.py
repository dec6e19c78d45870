import logging
import re

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.settings import get_settings
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit, QPushButton, QTableWidget, QVBoxLayout, QWidget

from napari_mednext.errors import SettingsError
from napari_mednext.ui import keys
from napari_mednext.ui.keys import KEYS, Key, KeyBinder, hint, owner_of

#: Keys of napari 0.9.2 for viewers and Labels, written down by hand.
NAPARI_KEYS = """
1 2 3 4 5 6 7 E P F L Z M X B [ ] - = V Space Left Right Up Down
Ctrl+Z Ctrl+Shift+Z Ctrl+Y Ctrl+E Ctrl+T Ctrl+R Ctrl+G Ctrl+Alt+T Ctrl+Alt+P
Shift+V Shift+Up Shift+Down Alt+Up Alt+Down Ctrl+Up Ctrl+Down Alt+S Alt+C
Ctrl+Shift+T Ctrl+Shift+C Ctrl+Shift+P Ctrl+Alt+/ Ctrl+Alt+O Ctrl+Alt+S
"""


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((5, 9, 7), dtype=np.int16), scale=(3.0, 0.9, 1.1))
    viewer.add_labels(np.zeros((5, 9, 7), dtype=np.uint8), scale=(3.0, 0.9, 1.1))
    return viewer


def press(widget, key):
    """Press a key given in words, as a person does."""
    combination = QKeySequence(key)[0]
    QTest.keyClick(widget, combination.key(), combination.keyboardModifiers())


def canvas(viewer):
    return viewer.window._qt_viewer.canvas.native


def test_the_table_is_in_order():
    assert [key.name for key in KEYS.values()] == list(KEYS)
    assert len({key.key for key in KEYS.values()}) == len(KEYS)
    assert not {key.text for key in KEYS.values()} & set(NAPARI_KEYS.split())
    assert KEYS["label_3"] == Key("label_3", "Alt-3", "Alt+3", "choose label 3")
    for key in KEYS.values():
        assert QKeySequence(key.text).toString() == key.text
        assert key.key == key.text.replace("+", "-")


def test_a_hint_ends_with_the_key():
    assert hint("fill_holes") == "Fill holes (Shift+H)"
    assert hint("grow", "Grow") == "Grow (Shift+G)"
    with pytest.raises(KeyError, match="none"):
        hint("none")


def test_all_keys_work_on_the_canvas_and_none_is_napari_s(viewer):
    taken = {
        str(key)
        for shortcuts in (
            get_settings().shortcuts.shortcuts[name]
            for name in get_settings().shortcuts.shortcuts
            if "shape" not in name and "points" not in name
        )
        for key in shortcuts
    } - {"Shift+A", "Shift+L"}  # of Points and Shapes layers only
    assert not {key.text for key in KEYS.values()} & taken
    pressed = []
    binder = KeyBinder(viewer)
    actions = {name: lambda name=name: pressed.append(name) for name in KEYS}
    assert binder.bind_all(actions) == []
    assert binder.bound == KEYS
    for layer in [*viewer.layers, None]:
        viewer.layers.selection.active = layer
        pressed.clear()
        for key in KEYS.values():
            press(canvas(viewer), key.text)
        assert pressed == list(KEYS)

    labels = viewer.layers[1]
    viewer.layers.selection.active = labels
    before = {kind: dict(kind.class_keymap) for kind in (Labels, Image)}
    press(canvas(viewer), "2")
    assert labels.mode == "paint"
    labels.data_setitem((np.array([1]), np.array([2]), np.array([3])), 4)
    press(canvas(viewer), "Ctrl+Z")
    assert labels.data.max() == 0
    assert before == {kind: dict(kind.class_keymap) for kind in (Labels, Image)}

    binder.close()
    assert binder.bound == {}
    assert not viewer.keymap
    pressed.clear()
    press(canvas(viewer), "Shift+N")
    assert pressed == []


def test_keys_of_napari_and_its_menus_are_not_taken(viewer, monkeypatch, caplog):
    for key in ("E", "[", "Ctrl-Z", "Shift-V", "Ctrl-Y", "Alt-Up", "Ctrl-Alt-P"):
        assert owner_of(viewer, key) is not None, key
    assert owner_of(viewer, "Ctrl-Z") == "napari's Labels layers"
    assert owner_of(viewer, "C") == "napari's Image layers"
    assert owner_of(viewer, "Ctrl-Y") == "napari's viewer"
    assert owner_of(viewer, "Ctrl-Alt-P") == "napari's menu"
    assert owner_of(viewer, "Shift-N") is None

    binder = KeyBinder(viewer)
    monkeypatch.setitem(keys.KEYS, "grow", Key("grow", "Shift-V", "Shift+V", "grow"))
    message = re.escape("Shift+V (grow) is used by napari's viewer: free it under")
    with pytest.raises(SettingsError, match=message):
        binder.bind("grow", list)
    with caplog.at_level(logging.WARNING):
        refused = binder.bind_all({"grow": list, "smooth": list})
    assert len(refused) == 1
    assert refused[0] in caplog.text
    assert list(binder.bound) == ["smooth"]
    assert owner_of(PublicOnlyProxy(viewer), "Ctrl-Y") == "napari's viewer"
    assert owner_of(PublicOnlyProxy(viewer), "Shift-S") == "this window"

    other = KeyBinder(viewer)
    with pytest.raises(SettingsError, match="is used by this window"):
        other.bind("smooth", list)
    other.close()
    binder.unbind("none of ours")
    binder.bind("smooth", list)  # again, in its own place
    with pytest.raises(KeyError, match="no such key"):
        binder.bind("no such key", list)


def test_keys_reach_the_viewer_from_a_dock(viewer):
    dock = QWidget()
    button, table, field = QPushButton("a"), QTableWidget(2, 2), QLineEdit()
    layout = QVBoxLayout(dock)
    for widget in (button, table, field):
        layout.addWidget(widget)
    viewer.window.add_dock_widget(dock, name="dock")
    pressed = []
    binder = KeyBinder(viewer)
    binder.bind("next_spot", lambda: pressed.append("spot"))
    binder.bind("label_2", lambda: pressed.append("label"))

    press(button, "Shift+N")
    press(button, "Alt+2")
    assert pressed == ["spot", "label"]
    pressed.clear()
    press(table, "Shift+N")
    assert pressed == []  # the table looks for a row that begins with N
    binder.let_through(table)
    press(table, "Shift+N")
    press(table, "Alt+2")
    press(table, "Down")
    assert pressed == ["spot", "label"]
    pressed.clear()
    QTest.keyClick(field, "N", Qt.KeyboardModifier.ShiftModifier)
    assert pressed == []
    assert field.text().upper() == "N"
    binder.close()
    press(table, "Shift+N")
    assert pressed == []
