"""One button that improves the model, what it will cost, and how it may be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.errors import SettingsError
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.ui.controls import (
    Notice,
    PrimaryButton,
    allow,
    collapsible,
    scrolled,
)
from napari_mednext.ui.improve_wording import EFFORTS, plan_cases, plan_cost
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.settings_form import SettingsForm
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_mednext.ui.improving import Improving

__all__ = ["ImprovePanel"]

_HINT = (
    "Train the model further with what you corrected. You can go on working, and even "
    "close the window; the model in use stays until you choose the new one"
)
#: The form scrolls: all of it would push the jobs out of sight.
_FORM_HEIGHT = 260
_ENDURES = "Training goes on when the window is closed."


class ImprovePanel(QWidget):
    """How long to train, what that means, and the button.

    Parameters
    ----------
    improving : Improving
    parent : QWidget, optional
        As for any widget.
    """

    def __init__(self, improving: Improving, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._improving = improving
        self._is_looking = False
        self.efforts: dict[str, QRadioButton] = {}
        self._group = QButtonGroup(self)
        self.button = PrimaryButton("&Improve model", "play", self)
        self.cost = _line("What the training will cost", self)
        self.cases = _line("What the training learns from, and is judged by", self)
        self.warnings = Notice(self)
        self.problems = Notice(self)
        self.more = collapsible(
            "More", "How it is trained, judged and taken over", self
        )
        self.form: SettingsForm[ImproveSettings] | None = None
        self.form_notice = Notice(self)
        self._build()
        self.button.clicked.connect(improving.start)
        self._group.buttonClicked.connect(lambda _: self._on_settings())
        self.more.toggled.connect(self._on_more)
        improving.studyChanged.connect(self._on_study)
        improving.planChanged.connect(self._refresh)
        improving.busyChanged.connect(self._refresh)
        self._on_study()

    def _build(self) -> None:
        """Lay the parts out."""
        self.button.setToolTip(_HINT)
        efforts = QHBoxLayout()
        efforts.setSpacing(10)
        for effort, (title, hint) in EFFORTS.items():
            button = QRadioButton(title, self)
            button.setToolTip(hint)
            button.setAccessibleDescription(hint)
            self.efforts[effort] = button
            self._group.addButton(button)
            efforts.addWidget(button)
        efforts.addStretch(1)
        self.more.addWidget(self.form_notice)
        endures = QLabel(_ENDURES, self)
        endures.setEnabled(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(efforts)
        layout.addWidget(self.cost)
        layout.addWidget(self.cases)
        layout.addWidget(self.warnings)
        layout.addWidget(self.problems)
        layout.addWidget(self.button)
        layout.addWidget(endures)
        layout.addWidget(self.more)

    def showEvent(self, event: QShowEvent) -> None:
        """Have plans made from now on."""
        super().showEvent(event)
        if not self._is_looking:
            self._is_looking = True
            self._improving.look(is_looking=True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Have no plans made any more."""
        super().hideEvent(event)
        if self._is_looking:
            self._is_looking = False
            self._improving.look(is_looking=False)

    def _on_more(self, is_open: bool) -> None:  # noqa: FBT001 - a Qt slot
        """Make the form when it is first looked at: magicgui takes a while to load."""
        if not is_open or self.form is not None:
            return
        self.form = SettingsForm(ImproveSettings, leave_out=["effort"])
        self._show_settings()
        for control in self.form.controls.values():
            control.changed.connect(lambda _: self._on_settings())
        column = scrolled((self.form,))
        column.setFixedHeight(_FORM_HEIGHT)
        self.more.addWidget(column)
        QTimer.singleShot(0, self._open_more)

    def _open_more(self) -> None:
        self.more.expand(animate=False)

    def _on_study(self) -> None:
        self._show_settings()
        self._refresh()

    def _show_settings(self) -> None:
        """Show the settings that were used last."""
        settings = self._improving.settings
        self.efforts[settings.effort].setChecked(True)
        if self.form is None:
            return
        for name, control in self.form.controls.items():
            value: Any = getattr(settings, name)
            with control.changed.blocked():
                control.value = 0 if value is None else value

    def _on_settings(self) -> None:
        """Plan with what is set now; what is out of its domain is refused."""
        effort = next(e for e, button in self.efforts.items() if button.isChecked())
        try:
            if self.form is not None:
                settings = self.form.settings(effort=effort)
            else:
                values = self._improving.settings.to_dict() | {"effort": effort}
                settings = ImproveSettings.from_dict(values)
        except SettingsError as error:
            self.form_notice.say(explain(error), "error")
            self._refresh()
            return
        self.form_notice.say("")
        self._improving.use_settings(settings)
        self._refresh()

    def _refresh(self) -> None:
        """Show the plan, and whether the button can be pressed."""
        improving, plan = self._improving, self._improving.plan
        problems = list(plan.problems) if plan is not None else []
        if improving.plan_problem:
            problems.append(improving.plan_problem)
        is_here = improving.desk is not None
        if plan is not None:
            self.cost.setText(plan_cost(plan))
            self.cases.setText(plan_cases(plan))
        else:
            waits = improving.is_planning
            text = "Looking at what was corrected…" if waits else ""
            self.cost.setText(text if is_here else "")
            self.cases.setText("")
        for line in (self.cost, self.cases):
            line.setVisible(bool(line.text()))
        warnings = [sentence(text) for text in plan.warnings] if plan else []
        self.warnings.say("\n".join(warnings), "warning")
        reason = improving.why_not_start()
        if reason is not None and is_here and not improving.is_starting:
            problems.insert(0, reason)
        self.problems.say("\n".join(sentence(text) for text in problems), "error")
        if self.form_notice.level:
            reason = reason or "a setting under More is out of its range"
        first = problems[0].rstrip(".") if problems else None
        allow(self.button, reason or first)
        title = "Starting…" if improving.is_starting else "&Improve model"
        self.button.setText(title)
        for button in self.efforts.values():
            allow(button, None if is_here else reason)
        self.more.setEnabled(is_here)


def _line(name: str, parent: QWidget) -> QLabel:
    """Return a line of text that wraps."""
    label = QLabel(parent)
    label.setWordWrap(True)
    label.setToolTip(name)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    return label
