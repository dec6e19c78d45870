"""The keys of the plugin: one table, and what binds it to a window.

They work while the canvas has the focus, and while a dock has it: napari's docks pass
on the keys that their widgets leave. Text fields keep what is typed into them; lists
and tables would search for a letter, :meth:`KeyBinder.let_through` has them leave it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QMainWindow, QMenu

from napari_mednext.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtpy.QtWidgets import QWidget

__all__ = ["KEYS", "Key", "KeyBinder", "hint", "owner_of"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """One key: its name in the code, in napari, for people, and what it does."""

    name: str
    key: str
    text: str
    does: str


def _key(name: str, text: str, does: str) -> Key:
    """Return a key; napari puts dashes where people put plus signs."""
    return Key(name, text.replace("+", "-"), text, does)


#: All keys by name. napari 0.9.2 itself uses Shift+V and Ctrl+Alt+P, hence Y and B.
KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        *(_key(f"label_{n}", f"Alt+{n}", f"choose label {n}") for n in range(1, 10)),
        _key("next_spot", "Shift+N", "go to the next doubtful spot"),
        _key("previous_spot", "Shift+B", "go to the previous doubtful spot"),
        _key("next_case", "Ctrl+Alt+N", "open the next case"),
        _key("previous_case", "Ctrl+Alt+B", "open the previous case"),
        _key("accept", "Ctrl+Alt+A", "accept the case and open the next one"),
        _key("flag", "Ctrl+Alt+F", "flag the case"),
        _key("ball_brush", "Shift+D", "change between the disc and the ball brush"),
        _key("interpolate", "Shift+I", "interpolate between drawn slices"),
        _key("grow", "Shift+G", "grow from scribbles"),
        _key("snap", "Shift+E", "snap the outline to edges"),
        _key("keep_largest", "Shift+K", "keep the largest island"),
        _key("fill_holes", "Shift+H", "fill holes"),
        _key("smooth", "Shift+S", "smooth the surface"),
        _key("lasso", "Shift+X", "cut with a lasso through all slices"),
        _key("copy_onward", "Shift+C", "copy the slice to the next one"),
        _key("mirror", "Shift+M", "mirror left to right"),
        _key("resegment", "Shift+Q", "segment a box again"),
        _key("restore", "Shift+R", "take the model's answer back"),
        _key("review_slice", "Shift+T", "tick the slice as reviewed"),
        _key("next_plane", "Shift+A", "show the next plane: axial, coronal, sagittal"),
        _key("next_window", "Shift+W", "show the next CT window"),
        _key("outline", "Shift+O", "show labels as outlines or filled"),
        _key("opacity", "Shift+L", "show labels stronger, then from faint again"),
        _key("view_3d", "Shift+Y", "show the volume in 3D and back"),
        _key("toggle_doubt", "Shift+U", "show or hide the doubt"),
    )
}


def hint(name: str, text: str | None = None) -> str:
    """Return a tooltip that ends with the key: ``"Fill holes (Shift+H)"``.

    Parameters
    ----------
    name : str
        A key of the table.
    text : str, optional
        What the tooltip says; what the key does by default.

    Raises
    ------
    KeyError
        If the table has no such key.
    """
    key = KEYS[name]
    return f"{text or key.does[0].upper() + key.does[1:]} ({key.text})"


def owner_of(viewer: Any, key: str) -> str | None:
    """Return who uses a key in a window already; None if it is free.

    Looks at the viewer, at what napari binds to viewers, Labels and Image layers, and
    at the menus of the windows that are open. napari knows its own keys once a window
    exists.

    Parameters
    ----------
    viewer : napari viewer
        It, or the proxy of it that a dock is given.
    key : str
        As napari writes it, ``"Shift-N"``.
    """
    from napari.layers import Image, Labels
    from napari.utils.key_bindings import coerce_keybinding

    wanted = coerce_keybinding(key)
    if wanted in viewer.keymap:
        return "this window"
    # A dock is handed a proxy of the viewer, whose type() is that of the proxy.
    for kind, owner in (
        (viewer.__class__, "napari's viewer"),
        (Labels, "napari's Labels layers"),
        (Image, "napari's Image layers"),
    ):
        keymaps = [getattr(part, "class_keymap", {}) for part in kind.__mro__]
        if any(wanted in keymap for keymap in keymaps):
            return owner
    if QKeySequence(key.replace("-", "+")) in _menu_keys():
        return "napari's menu"
    return None


class KeyBinder:
    """Binds the keys of the table to what they do in one window, until it is closed.

    Parameters
    ----------
    viewer : napari viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._bound: dict[str, Key] = {}
        self._relay = _Relay(self._bound)

    @property
    def bound(self) -> dict[str, Key]:
        """The keys that are bound by this binder, by name."""
        return dict(self._bound)

    def bind(self, name: str, action: Callable[[], object]) -> None:
        """Have a key do something; again under the same name, something else.

        Parameters
        ----------
        name : str
            A key of the table.
        action : callable
            Called without arguments, once a press: napari does not repeat held keys.

        Raises
        ------
        KeyError
            If the table has no such key.
        SettingsError
            If napari or another part of the window uses the key.
        """
        key = KEYS[name]
        self.unbind(name)
        owner = owner_of(self._viewer, key.key)
        if owner is not None:
            msg = (
                f"a key of the plugin must be free, {key.text} ({key.does}) is used by "
                f"{owner}: free it under File > Preferences, or use the button"
            )
            raise SettingsError(msg)

        def press(_: Any) -> None:
            action()

        self._viewer.bind_key(key.key, press)
        self._bound[name] = key

    def bind_all(self, actions: Mapping[str, Callable[[], object]]) -> list[str]:
        """Bind many keys; those that are taken are left out and logged.

        Returns
        -------
        list of str
            One sentence for each key that was left out.

        Raises
        ------
        KeyError
            If the table has no such key.
        """
        refused = []
        for name, action in actions.items():
            try:
                self.bind(name, action)
            except SettingsError as error:
                logger.warning("%s", error)
                refused.append(str(error))
        return refused

    def unbind(self, name: str) -> None:
        """Free a key; nothing happens if it was not bound by this binder."""
        key = self._bound.pop(name, None)
        if key is not None:
            self._viewer.bind_key(key.key, None)

    def let_through(self, widget: QWidget) -> None:
        """Have a list, table or combo box leave the bound keys to the window."""
        widget.installEventFilter(self._relay)

    def close(self) -> None:
        """Free all keys."""
        for name in list(self._bound):
            self.unbind(name)


class _Relay(QObject):
    """Turns the bound keys away from a widget, so that they go on to its parents."""

    def __init__(self, bound: Mapping[str, Key]) -> None:
        super().__init__()
        self._bound = bound

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Refuse a key press in the name of the widget."""
        del watched
        if event.type() != QEvent.Type.KeyPress:
            return False
        pressed = QKeySequence(event.keyCombination()).toString()
        if all(pressed != key.text for key in self._bound.values()):
            return False
        event.ignore()
        return True


def _menu_keys() -> list[QKeySequence]:
    """Return the keys of the menus of all windows."""
    return [
        shortcut
        for window in QApplication.topLevelWidgets()
        if isinstance(window, QMainWindow)
        for menu in window.findChildren(QMenu)
        for action in menu.actions()
        for shortcut in action.shortcuts()
    ]
