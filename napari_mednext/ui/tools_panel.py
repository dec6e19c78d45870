"""The tools in the window: a grid of buttons, and what they keep to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from napari_mednext.ui.controls import Heading, allow, pressing
from napari_mednext.ui.drawing import Drawing
from napari_mednext.ui.tool_button import ToolButton
from napari_mednext.ui.tool_limits import ToolLimits
from napari_mednext.ui.tool_modes import ToolModes
from napari_mednext.ui.tool_options import ToolOptions
from napari_mednext.ui.tool_runs import ToolRuns
from napari_mednext.ui.tool_table import COLUMNS, SECTIONS, TOOLS, USUAL_WIDTH, WIDTHS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.correction import Scope
    from napari_mednext.ui.keys import KeyBinder
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["ToolsPanel"]

#: Tools that need a model, and those that need what it said of the case.
NEED_MODEL = ("segment_box",)
NEED_ANSWER = ("answer_box", "answer_slice")


class ToolsPanel(QWidget):
    """Buttons for every tool, and the options that they share.

    Parameters
    ----------
    flow : StudyFlow
        Whose case is corrected.
    parent : QWidget
        The dock.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self.limits = ToolLimits(flow, self)
        self.options = ToolOptions(flow, self)
        self.drawing = Drawing(flow)
        self.runs = ToolRuns(flow, self.limits, self.options)
        self.modes = ToolModes(flow, self.drawing, self.limits, self.options, self.runs)
        self.buttons = {
            entry.name: ToolButton(entry.text, entry.icon, entry.tooltip, self)
            for entry in TOOLS.values()
        }
        self._build()
        self._connect()
        self._refresh()

    def scope(self) -> Scope:
        """Return what a tool may touch, as it is set now.

        ``InputError`` when no case is open, or the selected label is the background.
        """
        return self.limits.scope()

    def bind_keys(self, binder: KeyBinder) -> None:
        """Bind the keys of the tools to their buttons."""
        for entry in TOOLS.values():
            if entry.key and entry.name != "disc":
                binder.bind(entry.key, self._press_of(entry.name))

    def action(self, name: str) -> Callable[[], None]:
        """Return what a tool of the table does.

        Raises
        ------
        KeyError
            If there is no such tool.
        """
        owner = self.modes if hasattr(self.modes, TOOLS[name].name) else self.runs
        found: Callable[[], None] = getattr(owner, name)
        return found

    def _press_of(self, name: str) -> Callable[[], None]:
        """Return what the key of a tool does: as its button, and says why it cannot."""
        button = self.buttons[name]

        def press() -> None:
            if name == "ball":
                self.modes.next_brush()
            else:
                pressing(button, TOOLS[name].text, self._flow.said.emit)()

        return press

    def _build(self) -> None:
        """Lay the sections out, each a grid."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(Heading("Change only"))
        layout.addWidget(self.limits)
        self.limits.line.addWidget(self.options.other, 1)
        for title, rows in SECTIONS.items():
            layout.addSpacing(4)
            layout.addWidget(Heading(title))
            layout.addLayout(self._grid(rows))
        self.setMinimumWidth(300)

    def _grid(self, rows: tuple[tuple[str, ...], ...]) -> QGridLayout:
        """Return rows of buttons and options."""
        grid = QGridLayout()
        grid.setSpacing(4)
        for row, names in enumerate(rows):
            column = 0
            for name in names:
                widget = self.buttons.get(name) or self.options.controls[name]
                policy = widget.sizePolicy()
                policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
                widget.setSizePolicy(policy)
                width = WIDTHS.get(name, USUAL_WIDTH)
                grid.addWidget(widget, row, column, 1, width)
                column += width
        for column in range(COLUMNS):
            grid.setColumnStretch(column, 1)
        return grid

    def _connect(self) -> None:
        """Wire the parts."""
        flow, drawing = self._flow, self.drawing
        for name, button in self.buttons.items():
            button.setCheckable(TOOLS[name].is_mode)
            button.clicked.connect(self._click_of(name))
        self.limits.from_spot.clicked.connect(self.modes.spot)
        for signal in (flow.caseOpened, flow.caseClosed, flow.phaseChanged):
            signal.connect(self._refresh)
        flow.studyChanged.connect(self._refresh)
        drawing.on_change.append(self._refresh)
        # Not a method of this object, which is gone by then.
        self.destroyed.connect(lambda: drawing.close())

    def _click_of(self, name: str) -> Callable[[], None]:
        """Return what a click does; the button is checked while its mode is on."""
        action = self.action(name)

        def click() -> None:
            action()
            self._refresh_checks()

        return click

    def _refresh(self, *_: object) -> None:
        """Enable, disable and check what fits."""
        flow = self._flow
        reason = flow.why_not_editable()
        no_model = no_answer = None
        if flow.desk is not None and flow.desk.model is None:
            no_model = "no model is chosen"
        if flow.case is not None and flow.case.answer is None:
            no_answer = "no model has seen this case"
        for name, button in self.buttons.items():
            more = None
            if name in NEED_MODEL:
                more = no_model
            elif name in NEED_ANSWER:
                more = no_answer
            allow(button, reason or more)
        self.limits.refresh()
        self._refresh_checks()

    def _refresh_checks(self) -> None:
        """Check the button of the mode that is on."""
        for name, button in self.buttons.items():
            if button.isCheckable():
                button.setChecked(name == self.drawing.name)
