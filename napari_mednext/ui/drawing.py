"""Ways of working on the canvas that stay on for a while: one at a time.

A mode takes the mouse over, on the labels layer or on a layer of its own that goes with
it. It ends when it is done, with Escape, when another one begins, in the 3D view, and
when its layers go: with the case, or taken away by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_mednext.errors import MednextError
from napari_mednext.ui.jobs import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["Drawing", "LabelsMode", "Mode"]


class Mode:
    """One way of working.

    Parameters
    ----------
    flow : StudyFlow
        With a case that can be edited.
    name : str
        The button that it belongs to.
    words : str
        Said when it begins.
    """

    #: Whether it ends when another layer is chosen.
    ends_when_left = True

    def __init__(self, flow: StudyFlow, name: str, words: str) -> None:
        self.flow = flow
        self.viewer = flow.viewer
        self.labels: Any = flow.layer
        self.case: Any = flow.case
        self.name = name
        self.words = words
        #: The layer that has the mouse.
        self.layer: Any = self.labels
        self.is_over = False
        self._on_end: Callable[[], None] = lambda: None

    def begin(self, end: Callable[[], None]) -> None:
        """Take the mouse over.

        Parameters
        ----------
        end : callable
            Ends the mode.
        """
        self._on_end = end
        self.layer.bind_key("Escape", lambda _: self.soon(end), overwrite=True)
        self.viewer.layers.selection = {self.layer}

    def finish(self) -> None:
        """Give the mouse back, and take layers away that were for this only."""
        self.is_over = True
        self.layer.bind_key("Escape", None)

    def soon(self, action: Callable[[], object]) -> None:
        """Do something once napari is done with the event that it is in."""
        QTimer.singleShot(0, action)

    @property
    def are_layers_there(self) -> bool:
        """Whether the layers of the mode are still in the viewer."""
        layers = self.viewer.layers
        return self.labels in layers and self.layer in layers


class LabelsMode(Mode):
    """A mode in which the mouse works on the labels layer.

    The layer is in napari's pan and zoom mode meanwhile; choosing another one of
    napari's modes ends this one.
    """

    cursor = "crosshair"
    is_panning = True

    def begin(self, end: Callable[[], None]) -> None:
        """Take the mouse over."""
        layer = self.labels
        self._mode_before = str(layer.mode)
        layer.mode = "pan_zoom"
        super().begin(end)
        layer.mouse_pan = self.is_panning
        layer.cursor = self.cursor
        layer.mouse_drag_callbacks.append(self._on_drag)
        layer.events.mode.connect(self._on_mode)

    def finish(self) -> None:
        """Give the mouse back; the layer is in the mode that it was in."""
        layer = self.labels
        super().finish()
        layer.events.mode.disconnect(self._on_mode)
        if self._on_drag in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._on_drag)
        if str(layer.mode) == "pan_zoom":
            layer.mouse_pan = True
            layer.cursor = "standard"
            layer.mode = self._mode_before

    def _on_mode(self, _: Any) -> None:
        self._on_end()

    def _on_drag(self, layer: Any, event: Any) -> Any:
        """Follow the mouse; what napari calls at a press, and goes on with."""
        raise NotImplementedError


class Drawing:
    """Begins and ends modes.

    Parameters
    ----------
    flow : StudyFlow
        Whose viewer and case; hears what there is to say.
    """

    def __init__(self, flow: StudyFlow) -> None:
        self._flow = flow
        self._viewer = flow.viewer
        self._mode: Mode | None = None
        #: Called after a mode has begun or ended.
        self.on_change: list[Callable[[], object]] = []
        _unbox_circle(self._viewer)
        self._viewer.dims.events.ndisplay.connect(self._on_display)
        layers = self._viewer.layers
        # After napari's own callbacks: layers cannot be removed between them.
        layers.events.removed.connect(self._on_removed, position="last")
        layers.selection.events.active.connect(self._on_active)

    @property
    def mode(self) -> Mode | None:
        """The mode that is on."""
        return self._mode

    @property
    def name(self) -> str:
        """Name of the mode that is on, empty without one."""
        return self._mode.name if self._mode is not None else ""

    def start(self, name: str, make: Callable[[], Mode]) -> None:
        """Begin a mode instead of the one that is on; says why when it cannot.

        Parameters
        ----------
        name : str
            What is begun, for a sentence.
        make : callable
            Makes the mode; called once there is a case to work on.
        """
        self.end()
        said = self._flow.said
        if reason := self._flow.why_not_editable():
            said.emit(f"{name.capitalize()} is not possible: {reason}.", "warning")
            return
        if self._viewer.dims.ndisplay != 2:
            said.emit(
                f"{name.capitalize()} works on slices: leave the 3D view first.",
                "warning",
            )
            return
        try:
            mode = make()
            mode.begin(lambda: self._end_of(mode))
        except MednextError as error:
            said.emit(explain(error), "warning")
            return
        self._mode = mode
        said.emit(mode.words, "info")
        self.tell()

    def end(self) -> None:
        """End the mode that is on; the labels layer is the active one afterwards."""
        mode = self._mode
        if mode is not None:
            self._finish(mode)
            if mode.labels in self._viewer.layers:
                self._viewer.layers.selection = {mode.labels}

    def close(self) -> None:
        """End, and stop following the viewer, which may live longer."""
        self.on_change.clear()
        self.end()
        self._viewer.dims.events.ndisplay.disconnect(self._on_display)
        layers = self._viewer.layers
        layers.events.removed.disconnect(self._on_removed)
        layers.selection.events.active.disconnect(self._on_active)

    def _end_of(self, mode: Mode) -> None:
        """End a mode, unless another one is on by now."""
        if self._mode is mode:
            self.end()

    def _finish(self, mode: Mode) -> None:
        """End a mode; the chosen layer stays as it is."""
        self._mode = None
        mode.finish()
        self.tell()

    def tell(self) -> None:
        """Call whoever shows which mode is on."""
        for tell in tuple(self.on_change):
            tell()

    def _on_display(self, _: Any) -> None:
        if self._viewer.dims.ndisplay != 2:
            self.end()

    def _on_removed(self, _: Any) -> None:
        if self._mode is not None and not self._mode.are_layers_there:
            self.end()

    def _on_active(self, _: Any) -> None:
        """Look a moment later: a layer that is added is active only for a blink."""
        if self._mode is not None and self._mode.ends_when_left:
            self._mode.soon(self._end_if_left)

    def _end_if_left(self) -> None:
        mode = self._mode
        if mode is None or self._viewer.layers.selection.active == mode.layer:
            return
        self._finish(mode)


def _unbox_circle(viewer: Any) -> None:
    """Take the box behind the circle of napari's brush away.

    napari 0.9.2 leaves that box on the canvas once the circle was shown. Where it is
    then drawn before any layer is there, between two cases, Mesa's renderer ends the
    process. Nobody sees the box.
    """
    overlays = viewer.canvas.overlays
    if "_brush_circle" in overlays:
        overlays["_brush_circle"].box = False
