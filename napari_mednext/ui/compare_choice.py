"""The choice of two label maps to compare, and of how near surfaces must lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QVBoxLayout, QWidget

from napari_mednext.ui.controls import IconButton, allow, labelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_mednext.ui.sources import Source

__all__ = ["CompareChoice"]

LARGEST_TOLERANCE_MM = 50.0
#: Wide enough for the longest of the three.
LABEL_PX = 62


class CompareChoice(QWidget):
    """Two boxes of named label maps, a button for a mask from a file, a tolerance.

    ``changed`` follows every other choice, ``openWanted`` the button.
    """

    changed = Signal()
    openWanted = Signal()  # noqa: N815 - Qt's way of writing signals

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._given: dict[str, Source] = {}
        self._opened: dict[str, Source] = {}
        self.first = _box("The label map that is judged", self)
        self.second = _box("The label map that it is compared with", self)
        self.open = IconButton("file", "Open a mask of this scan to compare with", self)
        self.tolerance = QDoubleSpinBox(self)
        self.tolerance.setRange(0.0, LARGEST_TOLERANCE_MM)
        self.tolerance.setDecimals(1)
        self.tolerance.setSingleStep(0.5)
        self.tolerance.setValue(1.0)
        self.tolerance.setSuffix(" mm")
        self.tolerance.setToolTip(
            "Surface Dice counts how much of the surfaces lies within this distance of "
            "each other"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for row in (
            labelled("Fi&rst", self.first),
            labelled("S&econd", self.second, self.open),
            labelled("With&in", self.tolerance),
        ):
            row.itemAt(0).widget().setMinimumWidth(LABEL_PX)
            layout.addLayout(row)
        self.first.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.second.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.tolerance.valueChanged.connect(lambda _: self.changed.emit())
        self.open.clicked.connect(self.openWanted.emit)

    def clear(self) -> None:
        """Offer nothing, also no mask that was opened."""
        self._opened = {}
        self.offer({})

    def offer(self, sources: Mapping[str, Source]) -> None:
        """Offer label maps, and the masks that were opened.

        What was chosen stays so if it is among them; two are chosen that differ where
        there are two.

        Parameters
        ----------
        sources : mapping of name to Source
            The first two are chosen at first.
        """
        self._given = dict(sources)
        names = list(self._all())
        first, second = (
            names.index(title) if title in names else place
            for place, title in enumerate(self.titles())
        )
        if first == second:
            second = 0 if first else 1
        for box, at in ((self.first, first), (self.second, second)):
            box.blockSignals(True)
            box.clear()
            box.addItems(names)
            box.setCurrentIndex(min(at, len(names) - 1))
            box.blockSignals(False)
        self.changed.emit()

    def offer_opened(self, name: str, array: NDArray[Any]) -> None:
        """Offer a mask that was opened, and choose it as the second."""
        kept = array.view()
        kept.setflags(write=False)  # else it would be copied for each comparison
        if name in self._given:
            name = f"{name} (file)"
        self._opened[name] = lambda: kept
        self.offer(self._given)
        self.second.setCurrentText(name)

    def titles(self) -> tuple[str, str]:
        """Return the names of what is chosen."""
        return str(self.first.currentText()), str(self.second.currentText())

    def sources(self) -> tuple[Source, Source]:
        """Return what is chosen."""
        first, second = (self._all()[title] for title in self.titles())
        return first, second

    def tolerance_mm(self) -> float:
        """Return the tolerance of surface Dice."""
        return float(self.tolerance.value())

    def problem(self) -> str | None:
        """Return why there is nothing to compare, None when there is."""
        if not self._all():
            return "nothing is labelled yet"
        if len(self._all()) == 1:
            return "there is only one label map"
        if self.first.currentIndex() == self.second.currentIndex():
            return "both choices are the same"
        return None

    def permit(self, busy: str | None, unreadable: str | None) -> None:
        """Enable the controls, or say why they cannot be used.

        Parameters
        ----------
        busy : str, optional
            Why nothing can be chosen now.
        unreadable : str, optional
            Why no mask can be opened.
        """
        nothing = None if self._all() else "nothing is labelled yet"
        for control in (self.first, self.second):
            allow(control, busy or nothing)
        allow(self.tolerance, busy)
        allow(self.open, busy or unreadable)

    def _all(self) -> dict[str, Source]:
        """Return everything that is offered."""
        return self._given | self._opened


def _box(tooltip: str, parent: QWidget) -> QComboBox:
    """Return a choice that long names do not widen."""
    box = QComboBox(parent)
    box.setToolTip(tooltip)
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(8)
    return box
