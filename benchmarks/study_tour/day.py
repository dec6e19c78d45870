"""The steps of the day: open, correct, doubt, accept, go back, flag, export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QInputDialog

from benchmarks.study_tour.hand import Hand
from napari_mednext.ui.flow_base import Phase
from napari_mednext.ui.keys import KEYS
from napari_mednext.ui.study_dock import StudyDock

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["Day"]

#: Slices between the two that are drawn by hand.
GAP = 6


@dataclass
class Day:
    """What an annotator does in one study of at least three scans.

    Parameters
    ----------
    hand : Hand
    dock : StudyDock
    picture : callable
        Called with the name of each step once it is done, and the dialog of the step
        if it has one.
    """

    hand: Hand
    dock: StudyDock
    picture: Callable[..., object]
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def flow(self) -> Any:
        """The flow of the dock."""
        return self.dock.flow

    def open_study(self, folder: Path) -> None:
        """Open the study; its first case comes segmented."""
        self.dock.open_study(folder)
        self.wait_for_case()
        self.facts["first"] = self.flow.case.name
        self.facts["predicted"] = int((self.flow.case.editing.labels > 0).sum())
        self.picture("open")

    def wait_for_case(self) -> float:
        """Wait until a case is in hand and nothing is being opened."""
        took = self.hand.until(
            lambda: self.flow.case is not None and self.flow.phase is Phase.IDLE,
            "a case",
        )
        self.hand.settle(0.1)
        return took

    def wait_for_ready(self) -> None:
        """Wait until the next case is made ready, and everything else is done."""
        self.hand.until(lambda: not self.flow.is_busy_behind, "the background")

    def brush(self) -> None:
        """Draw a ring of the last label on two slices with napari's brush."""
        layer, case = self.flow.layer, self.flow.case
        self.label = max(label.value for label in case.labels)
        self.hand.key(KEYS[f"label_{min(9, len(case.labels))}"].text)
        self.label = int(layer.selected_label)
        z = case.editing.labels.shape[0] // 2
        self.slices = (z - GAP, z)
        layer.mode = "paint"
        layer.n_edit_dimensions = 2
        layer.brush_size = 9
        before = len(case.editing.history.done)
        for index in self.slices:
            self.hand.viewer.dims.set_current_step(0, index)
            self.hand.settle(0.1)
            self.hand.drag(self._ring(index), layer)
        self.facts["strokes"] = len(case.editing.history.done) - before
        self.picture("brush")
        layer.mode = "pan_zoom"

    def interpolate(self) -> None:
        """Fill the slices between the two that were drawn."""
        case = self.flow.case
        between = slice(self.slices[0] + 1, self.slices[1])
        before = int((case.editing.labels[between] == self.label).sum())
        self.hand.viewer.dims.set_current_step(0, self.slices[0] + GAP // 2)
        self.hand.key(KEYS["interpolate"].text)
        self.hand.until(lambda: self.flow.phase is Phase.IDLE, "the tool")
        after = int((case.editing.labels[between] == self.label).sum())
        self.facts["interpolated"] = after - before
        self.picture("interpolate")

    def undo_redo(self) -> None:
        """Take the interpolation back and do it again, with napari's keys."""
        labels = self.flow.case.editing.labels
        now = labels.copy()
        self.hand.key("Ctrl+Z")
        self.facts["undone"] = int((labels != now).sum())
        self.hand.key("Ctrl+Shift+Z")
        self.facts["redone"] = bool(np.array_equal(labels, now))

    def jump(self) -> None:
        """Go to the most doubtful spot."""
        self.dock.tabs.setCurrentIndex(2)
        self.hand.until(lambda: self.dock.spots.spots, "the list of spots")
        before = tuple(self.hand.viewer.dims.point)
        self.hand.key(KEYS["next_spot"].text)
        self.hand.settle(0.2)
        self.facts["spots"] = len(self.dock.spots.spots)
        self.facts["jumped"] = tuple(self.hand.viewer.dims.point) != before
        self.hand.key(KEYS["toggle_doubt"].text)
        layers = self.flow.layers
        self.facts["doubt_shown"] = layers.shows_doubt
        self.picture("doubt")
        self.hand.key(KEYS["toggle_doubt"].text)

    def compare(self) -> None:
        """Compare the labels with the model's answer, and measure them."""
        self.dock.tabs.setCurrentIndex(3)
        self.hand.viewer.dims.set_current_step(0, self.slices[0] + GAP // 2)
        self.hand.viewer.reset_view()
        self.hand.settle(0.1)
        measures = self.dock.measures
        measures.measure.refresh()
        self.hand.until(measures.measure.rows, "the measures")
        measures.compare.run()
        self.hand.until(measures.compare.comparison, "the comparison")
        measures.compare.show_differences.click()
        self.facts["measured"] = len(measures.measure.rows())
        self.picture("compare")
        measures.compare.show_differences.click()

    def accept_next(self) -> None:
        """Accept the case; the next one is there already."""
        self.wait_for_ready()
        first = self.flow.case.name
        self.hand.key(KEYS["accept"].text)
        took = self.hand.until(
            lambda: self.flow.case is not None and self.flow.case.name != first,
            "the next case",
        )
        self.hand.settle(0.1)
        self.seconds["accept and next"] = took
        self.wait_for_ready()
        self.facts["state"] = str(self.flow.study.case(first).state)
        self.picture("accept")

    def back(self) -> None:
        """Go back to the first case: it is as it was left, history included."""
        self.hand.key(KEYS["previous_case"].text)
        self.hand.until(
            lambda: (
                self.flow.case is not None
                and self.flow.case.name == self.facts["first"]
            ),
            "the first case",
        )
        self.wait_for_case()
        self.facts["history"] = [e.title for e in self.flow.case.editing.history.done]
        self.picture("back")

    def flag(self, monkeypatch_text: str = "is this a lesion?") -> None:
        """Go on and flag the next case with a comment."""
        self.wait_for_ready()
        self.hand.key(KEYS["next_case"].text)
        self.hand.until(
            lambda: (
                self.flow.case is not None
                and self.flow.case.name != self.facts["first"]
            ),
            "the next case",
        )
        self.wait_for_case()
        real = QInputDialog.getText
        QInputDialog.getText = lambda *_, **__: (monkeypatch_text, True)
        try:
            self.hand.key(KEYS["flag"].text)
        finally:
            QInputDialog.getText = real
        self.dock.tabs.setCurrentIndex(0)
        self.facts["flagged"] = str(self.flow.study.case(self.flow.case.name).state)
        self.picture("flag")

    def export(self, out: Path) -> None:
        """Export the accepted masks."""
        from napari_mednext.ui.export_dialog import ExportDialog

        self.wait_for_ready()
        dialog = ExportDialog(self.flow, self.dock)
        dialog.show()
        dialog.folder.setText(str(out))
        self.dialog = dialog
        dialog.refresh()
        self.hand.click(dialog.run.start)
        self.hand.until(
            lambda: dialog.table.rowCount() and dialog.run.start.isEnabled(),
            "the export",
        )
        self.hand.settle(0.2)
        self.facts["exported"] = sorted(path.name for path in out.iterdir())
        self.picture("export", dialog)
        dialog.close()

    def _ring(self, index: int) -> list[tuple[float, float, float]]:
        """Return voxels around the middle of a slice."""
        _, rows, columns = self.flow.case.editing.labels.shape
        radius = min(rows, columns) / 7
        angles = np.linspace(0, 2 * np.pi, 25)
        middle = (0.4 * rows, 0.45 * columns)
        return [
            (index, middle[0] + radius * np.sin(a), middle[1] + radius * np.cos(a))
            for a in angles
        ]
