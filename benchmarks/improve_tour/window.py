"""A window with the Study dock, as napari's menu opens it, and its pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox

from benchmarks.study_tour.hand import Hand
from napari_mednext.app.case_keeping import read_mask
from napari_mednext.ui.flow_base import Phase
from napari_mednext.ui.improve_dock import ImproveDock

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.improve_tour.heads import Heads

__all__ = ["Window"]


class Window:
    """napari's window on the study, and what a person does in it.

    Parameters
    ----------
    heads : Heads
    pictures : Path
        Folder for the pictures.
    """

    def __init__(self, heads: Heads, pictures: Path) -> None:
        from napari_mednext.ui.__main__ import (
            PLUGIN,
            STUDY,
            WINDOW_SIZE,
            register_plugin,
        )

        register_plugin()
        self.heads = heads
        self.facts: dict[str, Any] = {}
        #: What a person did of a round, apart from correcting.
        self.actions: list[str] = []
        self._pictures = pictures
        self.viewer = napari.Viewer(title="napari · MedNeXt")
        self.viewer.window.resize(*WINDOW_SIZE)
        _, self.dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, STUDY)
        self.hand = Hand(self.viewer)

    @property
    def flow(self) -> Any:
        """The flow of the Study dock."""
        return self.dock.flow

    @property
    def improving(self) -> Any:
        """What the docks share about improving."""
        return self.dock.improve.improving

    @property
    def improve_dock(self) -> ImproveDock:
        """The dock "MedNeXt: Improve", once it is open."""
        main = self.viewer.window._qt_window  # noqa: SLF001 - the dock is looked for
        self.hand.until(lambda: main.findChildren(ImproveDock), "the Improve dock")
        return main.findChildren(ImproveDock)[0]  # type: ignore[no-any-return]

    def open_study(self) -> None:
        """Open the study, and its first case with it."""
        self.dock.open_study(self.heads.study)
        self.wait_for_case()

    def wait_for_case(self, name: str | None = None) -> float:
        """Wait until a case is in hand and nothing is being opened."""
        flow = self.flow
        took = self.hand.until(
            lambda: (
                flow.case is not None
                and flow.phase is Phase.IDLE
                and name in (None, flow.case.name)
            ),
            "a case",
        )
        self.hand.settle(0.3)
        return took

    def rest(self) -> None:
        """Wait until nothing is saved or made ready behind."""
        self.hand.until(lambda: not self.flow.is_busy_behind, "the background")

    def truth(self, name: str) -> NDArray[np.unsignedinteger]:
        """Return the reference of the case in hand, as it lies on screen."""
        return read_mask(self.heads.references[name], self.flow.case.volume)

    def press(self, widget: Any, action: str) -> None:
        """Click on a button; one action of the round."""
        if not (widget.isVisible() and widget.isEnabled()):
            msg = f"{action!r} must be possible, but its button is not"
            raise RuntimeError(msg)
        self.actions.append(action)
        self.hand.click(widget)

    def press_and_confirm(self, widget: Any, action: str) -> None:
        """Click on a button; say yes where the window asks: one more action."""

        def confirm() -> None:
            box = QApplication.activeModalWidget()
            if isinstance(box, QMessageBox):
                self.hand.picture(self._pictures / "asked.png")
                self.actions.append("Yes")
                QTest.mouseClick(
                    box.button(QMessageBox.StandardButton.Yes),
                    Qt.MouseButton.LeftButton,
                )

        QTimer.singleShot(1000, confirm)
        self.press(widget, action)
        self.hand.settle(1.5)

    def key(self, text: str, action: str) -> None:
        """Press a key; one action of the round."""
        self.actions.append(action)
        self.hand.key(text)

    def click_row(self, table: Any, row: int) -> None:
        """Click on a row of a table."""
        index = table.model().index(row, 1)
        table.scrollTo(index)
        place: QPoint = table.visualRect(index).center()
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self.hand.settle()

    def show_plane(self, plane: int) -> None:
        """Look at an axial slice."""
        self.viewer.dims.set_current_step(0, plane)
        self.hand.settle(0.1)

    def picture(self, name: str) -> None:
        """Take a picture of the window."""
        self.hand.picture(self._pictures / f"{name}.png")

    def close(self) -> None:
        """Close the window; nothing is saved or stopped beforehand."""
        QTimer.singleShot(0, self.viewer.close)
        self.hand.settle(1.0)

    def report(self, path: Path) -> None:
        """Write what was found out."""
        said = {"actions": self.actions, **self.facts}
        path.write_text(json.dumps(said, indent=2) + "\n")
