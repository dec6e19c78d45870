"""The controls of how a volume and its labels look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from qtpy.QtCore import QRectF, QSignalBlocker, Qt, QTimer
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QComboBox,
    QDockWidget,
    QHBoxLayout,
    QMainWindow,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.controls import ACCENT, Glyph, IconButton, allow, labelled
from napari_mednext.ui.icons import pixmap
from napari_mednext.ui.keys import KEYS, hint
from napari_mednext.ui.panes import Panes
from napari_mednext.ui.planes import PLANES
from napari_mednext.ui.windows import AUTOMATIC, WINDOWS

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_mednext.ui.keys import KeyBinder
    from napari_mednext.ui.look import Look

__all__ = ["LookPanel"]

#: Width of the panes when they open, in pixels.
PANES_WIDTH = 320
PANES_TITLE = "MedNeXt: Planes"
WINDOW_HINT = "Which CT values are black and white"
PANES_HINT = (
    "Show the two other planes as well: click or drag there to go somewhere, click or "
    "paint in the main view to bring them there"
)


class LookPanel(QWidget):
    """Planes, 3D, linked panes, outlines, opacity and CT window, in two rows.

    Shows the state that the viewer is in, whoever changed it.

    Parameters
    ----------
    viewer : napari viewer
    look : Look
    parent : QWidget, optional
    """

    def __init__(self, viewer: Any, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._look = look
        # Lambdas as slots keep this panel until Qt deletes it; it may not keep the
        # canvases of the panes for so long.
        self._panes_ref: ref[Panes] | None = None
        self._width = 0
        self.planes = {
            name: _StateButton(
                name,
                f"{name.capitalize()} slices; {KEYS['next_plane'].text}: next plane",
            )
            for name in PLANES
        }
        self.view_3d = _StateButton("cube", hint("view_3d"))
        self.linked = _StateButton("panes", PANES_HINT)
        self.outline = _StateButton("outline", hint("outline"))
        self.windows = QComboBox(self)
        self.opacity = QSlider(Qt.Orientation.Horizontal, self)
        self._build()
        self._connect()
        self._on_changed()

    def _build(self) -> None:
        """Lay the controls out: where one looks, and how it looks."""
        self.windows.setToolTip(hint("next_window", WINDOW_HINT))
        self.windows.setAccessibleName("CT window")
        self.opacity.setToolTip(hint("opacity", "Opacity of labels"))
        self.opacity.setAccessibleName("Opacity of labels")
        self.opacity.setRange(0, 100)
        self.opacity.setPageStep(20)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(4)
        for button in (*self.planes.values(), self.view_3d, self.linked):
            row.addWidget(button)
        row.addSpacing(8)
        row.addWidget(self.outline)
        row.addWidget(Glyph("opacity", 16))
        row.addWidget(self.opacity, 1)
        rows.addLayout(row)
        rows.addLayout(labelled("Window", self.windows))

    def _connect(self) -> None:
        """Wire the controls and the look."""
        for name, button in self.planes.items():
            button.clicked.connect(lambda _, name=name: self._on_plane(name))
        self.view_3d.clicked.connect(lambda: self._do(self._look.toggle_3d))
        self.outline.clicked.connect(lambda: self._do(self._look.toggle_outline))
        self.linked.clicked.connect(self.toggle_panes)
        self.windows.activated.connect(self._on_window)
        self.opacity.valueChanged.connect(lambda v: self._look.set_opacity(v / 100))
        self._look.changed.connect(self._on_changed)

    def bind_keys(self, keys: KeyBinder) -> None:
        """Bind the keys of the look, and have the controls leave keys to the window.

        Raises
        ------
        SettingsError
            If napari or another part of the window uses one of the keys.
        """
        for name, action in self._look.actions().items():
            keys.bind(name, action)
        for control in (self.windows, self.opacity):
            keys.let_through(control)

    def next_window(self) -> None:
        """Show the scans with the CT window after this one."""
        self._look.next_window()

    def toggle_panes(self) -> None:
        """Open the dock with the two other planes, or close it."""
        if self._panes is not None:
            self._viewer.window.remove_dock_widget(self._panes)
            return
        panes = Panes(self._viewer)
        panes.ended.connect(self._on_panes_ended)
        self._panes_ref = ref(panes)
        self._viewer.window.add_dock_widget(
            panes, name=PANES_TITLE, area="right", add_vertical_stretch=False
        )
        # Qt lays the new dock out first.
        QTimer.singleShot(0, self._place)
        self._on_changed()

    @property
    def _panes(self) -> Panes | None:
        """The panes, while they are open."""
        return self._panes_ref() if self._panes_ref is not None else None

    def _place(self) -> None:
        """Put the panes between the canvas and the dock of this panel."""
        panes = self._panes
        if panes is None:
            return
        window, theirs, own = panes.window(), _dock_of(panes), _dock_of(self)
        if not isinstance(window, QMainWindow) or theirs is None or own is None:
            return
        right = Qt.DockWidgetArea.RightDockWidgetArea
        if own.window() is window and window.dockWidgetArea(own) == right:
            width = own.width()
            window.splitDockWidget(theirs, own, Qt.Orientation.Horizontal)
            window.resizeDocks(
                [theirs, own], [PANES_WIDTH, width], Qt.Orientation.Horizontal
            )

    def _do(self, action: Any) -> None:
        """Do something and show what came of it, also when that was nothing."""
        action()
        self._on_changed()

    def _on_plane(self, name: str) -> None:
        self._do(lambda: self._look.set_plane(name))

    def _on_window(self, index: int) -> None:
        self._look.window_preset(self.windows.itemData(index))

    def _on_panes_ended(self) -> None:
        self._panes_ref = None
        own = _dock_of(self)
        if own is not None:
            self._width = own.width()
            # Qt gives the room of the panes to this dock first.
            QTimer.singleShot(0, self._give_room_back)
        self._on_changed()

    def _give_room_back(self) -> None:
        """Make the dock of this panel as wide as it was beside the panes."""
        own = _dock_of(self)
        window = own.window() if own is not None else None
        if own is not None and isinstance(window, QMainWindow):
            window.resizeDocks([own], [self._width], Qt.Orientation.Horizontal)

    def _on_changed(self) -> None:
        """Show the state of the viewer; the only place that does."""
        look = self._look
        flat = None if self._viewer.dims.ndim >= 3 else "no volume is open"
        for name, button in self.planes.items():
            button.setChecked(name == look.plane)
            allow(button, flat)
        self.view_3d.setChecked(look.is_3d)
        self.linked.setChecked(self._panes is not None)
        allow(self.view_3d, flat)
        allow(self.linked, None if self._panes is not None else flat)
        self._show_windows()
        opacity = look.opacity
        nothing = "there are no labels" if opacity is None else None
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(100 * (opacity or 0.0)))
        self.outline.setChecked(look.is_outline)
        allow(self.opacity, nothing)
        no_outline = "there are no outlines in 3D" if look.is_3d else None
        allow(self.outline, nothing or no_outline)

    def _show_windows(self) -> None:
        """Offer the windows that make sense, and show the chosen one."""
        names = self._look.windows
        offered = [self.windows.itemData(n) for n in range(self.windows.count())]
        if offered != names:
            self.windows.clear()
            for name in names:
                self.windows.addItem(_title(name), name)
        current = self._look.window
        self.windows.setCurrentIndex(names.index(current) if current in names else -1)
        self.windows.setPlaceholderText("Set by hand" if names else "No scan is shown")
        if not names:
            allow(self.windows, "no scan is shown")
        elif names == [AUTOMATIC]:
            allow(self.windows, None)
            self.windows.setToolTip("The scan is no CT: its own range of values")
        else:
            allow(self.windows, None)


class _StateButton(IconButton):
    """An icon that is filled with the accent colour while its state is on."""

    def __init__(self, icon_name: str, tooltip: str) -> None:
        super().__init__(icon_name, tooltip)
        self.setCheckable(True)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the icon, in white on the accent colour while checked."""
        if not self.isChecked():
            super().paintEvent(event)
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(1.0 if self.isEnabled() else 0.35)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ACCENT.lighter(112) if self.underMouse() else ACCENT)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.drawPixmap(6, 6, pixmap(self._icon_name, QColor("#ffffff")))


def _title(name: str) -> str:
    """Return the name of a window with its level and width."""
    title = name[0].upper() + name[1:]
    window = WINDOWS.get(name)
    if window is None:
        return title
    level = f"{window.level:g}".replace("-", "\N{MINUS SIGN}")
    return f"{title}  {level} / {window.width:g}"


def _dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that holds a widget."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent
