"""Keeps the CT window, the opacity and the outlines from one case to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from napari_mednext.ui.look import Look
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["KeptLook"]


class KeptLook(QObject):
    """Remembers how the case in hand looks, and shows the next one like it.

    A window is kept over scans that are no CT; one that was set by hand is not.

    Parameters
    ----------
    flow : StudyFlow
        Whose cases come and go.
    look : Look
        Of the same viewer.
    parent : QObject
        The dock.
    """

    def __init__(self, flow: StudyFlow, look: Look, parent: QObject) -> None:
        super().__init__(parent)
        self._flow = flow
        self._look = look
        self._window: str | None = None
        self._labels: tuple[float, int] | None = None
        look.changed.connect(self._on_changed)
        flow.caseOpened.connect(self._on_opened)

    def _on_changed(self) -> None:
        """Remember what is shown, while all layers of a case are there."""
        layers, look = self._flow.layers, self._look
        if layers is None or not layers.are_there:
            return
        # In 3D the scan is hidden and there are no outlines.
        if look.is_3d:
            return
        if len(look.windows) > 1:
            self._window = look.window
        self._labels = float(layers.labels.opacity), int(layers.labels.contour)

    def _on_opened(self, _: object) -> None:
        """Show the case that was opened as the one before."""
        layers, look = self._flow.layers, self._look
        window, labels = self._window, self._labels
        if layers is None:
            return
        if window is not None and window in look.windows and window != look.window:
            look.window_preset(window)
        if labels is not None:
            opacity, contour = labels
            layers.labels.opacity = opacity
            if not look.is_3d:
                layers.labels.contour = contour
