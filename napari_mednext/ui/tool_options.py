"""The sizes and ways of the tools, as they are set beside their buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QWidget

from napari_mednext.ui.tool_button import size_box

if TYPE_CHECKING:
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["CUTS", "METHODS", "ToolOptions"]

#: How to grow, by what is shown.
METHODS = {
    "Grow along paths (geodesic)": "geodesic",
    "Grow by random walks": "walker",
}
#: What a lasso cuts away, by what is shown: inside or outside, and on how many slices.
CUTS = {
    "inside, all slices": (True, False),
    "outside, all slices": (False, False),
    "inside, this slice": (True, True),
    "outside, this slice": (False, True),
}
NO_OTHER = "no other label"


class ToolOptions:
    """The controls beside the buttons, and what they say.

    Parameters
    ----------
    flow : StudyFlow
        Whose labels can be chosen.
    parent : QWidget
        The panel.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        self._flow = flow
        self.radius = size_box(
            5.0, "mm", "Radius of the ball and the disc", parent, before="radius"
        )
        self.size = size_box(
            2.0,
            "mm",
            "How much to smooth, dilate or erode",
            parent,
            before="smooth, dilate, erode by",
        )
        self.reach = size_box(
            3.0, "mm", "How far an outline may snap", parent, before="edges within"
        )
        self.island = size_box(
            0.5,
            "mL",
            "Smaller islands are small ones",
            parent,
            step=0.1,
            least=0.01,
            digits=2,
            most=10_000,
            before="below",
        )
        self.depth = size_box(
            20.0,
            "mm",
            "How far a box reaches to both sides of the slice that it is drawn on",
            parent,
            step=5.0,
            least=0.0,
            most=1000.0,
            before="depth \N{PLUS-MINUS SIGN}",
            digits=0,
        )
        self.contours = QCheckBox("from outlines", parent)
        self.method = QComboBox(parent)
        self.cut = QComboBox(parent)
        self.other = QComboBox(parent)
        self._fill()
        flow.caseOpened.connect(self.refresh_labels)
        flow.studyChanged.connect(self.refresh_labels)

    @property
    def controls(self) -> dict[str, QWidget]:
        """The controls by name."""
        return {
            "radius": self.radius,
            "size": self.size,
            "reach": self.reach,
            "island": self.island,
            "depth": self.depth,
            "contours": self.contours,
            "method": self.method,
            "cut": self.cut,
            "other": self.other,
        }

    @property
    def other_label(self) -> int | None:
        """The label that what is cut off, split or mirrored becomes, None for none."""
        value = self.other.currentData()
        return None if value is None else int(value)

    def refresh_labels(self, *_: object) -> None:
        """Offer the labels of the case in hand; the chosen one stays chosen."""
        chosen = self.other_label
        self.other.clear()
        self.other.addItem(NO_OTHER, None)
        case: Any = self._flow.case
        for label in case.labels if case is not None else ():
            self.other.addItem(f"other: {label.value} {label.name}", label.value)
        self.other.setCurrentIndex(max(0, self.other.findData(chosen)))

    def _fill(self) -> None:
        """Fill the lists, and say what the controls are for."""
        for text, method in METHODS.items():
            self.method.addItem(text, method)
        for text, cut in CUTS.items():
            self.cut.addItem(text, cut)
        for control, name, text in (
            (
                self.contours,
                "Interpolate from outlines",
                "The drawn slices hold outlines: fill them first",
            ),
            (
                self.method,
                "How to grow",
                "Paths stop at edges; random walks are smoother and hold where edges "
                "have gaps",
            ),
            (self.cut, "What the lasso cuts away", "What the lasso cuts away"),
            (
                self.other,
                "Other label",
                "What is cut off, split off or mirrored becomes this label. Without "
                "one, cuts remove and mirror images join the label.",
            ),
        ):
            control.setAccessibleName(name)
            control.setToolTip(text)
        for box in (self.method, self.cut, self.other):
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.setMinimumContentsLength(8)
        self.refresh_labels()
