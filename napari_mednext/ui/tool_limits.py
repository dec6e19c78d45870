"""What all tools keep to: grey values, other labels, and the selected label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.correction import Scope, whole_box
from napari_mednext.correction.tools.brush import footprint
from napari_mednext.correction.tools.extent import label_box, overlap, within
from napari_mednext.errors import InputError
from napari_mednext.ui.controls import IconButton, allow
from napari_mednext.ui.jobs import explain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["ToolLimits"]

#: The grey values of a label, without its brightest and darkest ones.
PERCENTILES = (5.0, 95.0)
#: Around a spot that was clicked on, in mm.
SPOT_MM = 3.0
#: About so many voxels are looked at.
SAMPLED = 200_000
#: Grey values that the boxes can hold.
WIDEST = 1e7


class ToolLimits(QWidget):
    """Check boxes and grey values; makes the scope of a tool.

    Parameters
    ----------
    flow : StudyFlow
        Whose case and label.
    parent : QWidget
        The panel.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self.window_on = QCheckBox("Grey", self)
        self.low = QDoubleSpinBox(self)
        self.high = QDoubleSpinBox(self)
        self.from_label = IconButton(
            "histogram", "Take the grey values of the selected label", self
        )
        self.from_spot = IconButton(
            "pick", "Click on a spot to take the grey values around it", self
        )
        self.protect = QCheckBox("Protect other labels", self)
        #: The line of the check box, with room for more.
        self.line = QHBoxLayout()
        self._build()
        self.from_label.clicked.connect(self.take_from_label)
        flow.caseOpened.connect(self._on_case)

    def scope(self) -> Scope:
        """Return what a tool may touch now.

        Raises
        ------
        InputError
            If no case is open, the selected label is 0, or the grey values do not run
            from low to high.
        """
        case, label = self._selected()
        window = None
        if self.window_on.isChecked():
            window = self.low.value(), self.high.value()
        image = case.volume.array[0]
        return Scope(label, case.spacing, image, window, self.protect.isChecked())

    def set_window(self, low: float, high: float) -> None:
        """Let tools change only voxels with these grey values."""
        self.low.setValue(low)
        self.high.setValue(high)
        self.window_on.setChecked(True)

    def take_from_label(self) -> None:
        """Take the grey values inside the selected label, but for the outermost."""
        try:
            case, label = self._selected()
        except InputError as error:
            self._flow.said.emit(explain(error), "warning")
            return
        labels = case.editing.labels
        box = label_box(labels, label)
        if box is None:
            self._flow.said.emit(f"Label {label} is not drawn yet.", "warning")
            return
        self._take(case.volume.array[0][box][labels[box] == label])

    def take_from_spot(self, at: tuple[float, float, float]) -> None:
        """Take the grey values in a small ball around a voxel.

        Parameters
        ----------
        at : (z, y, x) voxels
            Outside of the volume, nothing happens.
        """
        case = self._flow.case
        if case is None:
            return
        image = case.volume.array[0]
        ball = footprint(case.spacing, SPOT_MM)
        voxel = np.floor(np.asarray(at) + 0.5).astype(int)
        if ((voxel < 0) | (voxel >= image.shape)).any():
            self._flow.said.emit("Click on the scan.", "warning")
            return
        z, y, x = (
            slice(int(v - n // 2), int(v + n // 2) + 1)
            for v, n in zip(voxel, ball.shape, strict=True)
        )
        box = overlap((z, y, x), whole_box(image.shape))
        if box is not None:
            values = image[box][ball[within(box, (z, y, x))]]
            self._take(values, float(image[tuple(voxel)]))

    def _selected(self) -> tuple[OpenCase, int]:
        """Return the case in hand and the selected label.

        Raises
        ------
        InputError
            If there is no case, or the background is selected.
        """
        case, layer = self._flow.case, self._flow.layer
        if case is None or layer is None:
            msg = "a tool must have a case to work on, none is open: open one"
            raise InputError(msg)
        label = int(layer.selected_label)
        if label == 0:
            msg = (
                "a tool must work on a label, the selected one is 0, the background: "
                "choose a label first"
            )
            raise InputError(msg)
        return case, label

    def _take(self, values: NDArray[Any], spot: float | None = None) -> None:
        """Take the grey values that most of some voxels have, and that of a spot."""
        sample = values[:: max(1, values.size // SAMPLED)].astype(np.float64)
        sample = sample[np.isfinite(sample)]
        if sample.size == 0:
            return
        low, high = (float(value) for value in np.percentile(sample, PERCENTILES))
        if spot is not None and np.isfinite(spot):
            low, high = min(low, spot), max(high, spot)
        self.set_window(low, high)

    def _build(self) -> None:
        """Lay the controls out."""
        self.window_on.setToolTip("Tools change only voxels with these grey values")
        self.window_on.setAccessibleName("Only grey values in a range")
        for box, end in ((self.low, "Lowest"), (self.high, "Highest")):
            box.setRange(-WIDEST, WIDEST)
            box.setDecimals(0)
            box.setToolTip(f"{end} grey value that tools change")
            box.setAccessibleName(f"{end} grey value")
            box.setMinimumWidth(56)
            box.valueChanged.connect(lambda _: self.window_on.setChecked(True))
        self.low.setValue(0)
        self.high.setValue(100)
        self.window_on.setChecked(False)
        self.protect.setToolTip("Tools leave voxels of other labels as they are")
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.window_on)
        row.addWidget(self.low, 1)
        row.addWidget(QLabel("to", self))
        row.addWidget(self.high, 1)
        row.addWidget(self.from_label)
        row.addWidget(self.from_spot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        self.line.addWidget(self.protect)
        layout.addLayout(self.line)

    def refresh(self) -> None:
        """Enable what can be used."""
        for button in (self.from_label, self.from_spot):
            allow(button, None if self._flow.case is not None else "no case is open")

    def _on_case(self, case: OpenCase) -> None:
        """Show as many digits as the grey values of a scan have."""
        image = case.volume.array[0]
        digits = 0
        if image.dtype.kind == "f":
            sample = image.reshape(-1)[:: max(1, image.size // SAMPLED)]
            spread = float(np.nanmax(sample) - np.nanmin(sample)) or 1.0
            digits = int(np.clip(3 - np.log10(spread), 0, 6))
        for box in (self.low, self.high):
            box.setDecimals(digits)
            box.setSingleStep(10.0**-digits if digits else 10.0)
