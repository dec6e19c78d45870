"""The list of a study's cases: filtered, searched and ordered; a double click opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.app.case_order import case_order
from napari_mednext.errors import MednextError
from napari_mednext.study import CaseState
from napari_mednext.ui.case_adding import CaseAdding
from napari_mednext.ui.case_table import STATE_TITLES, CaseTable, state_picture
from napari_mednext.ui.controls import allow, labelled
from napari_mednext.ui.flow_base import Phase, timer
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.model_choice import ModelChoice
from napari_mednext.ui.single_job import SingleJob

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtGui import QKeyEvent, QShowEvent

    from napari_mednext.study import Case, Order
    from napari_mednext.ui.keys import KeyBinder
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["ORDER_TITLES", "CaseListPanel"]

#: Order -> what people read.
ORDER_TITLES = {
    "given": "As given",
    "doubt": "Most doubtful first",
    "random": "Random, foreground first",
    "name": "By name",
}
_ORDER_HINTS = {
    "given": "As the cases were added",
    "doubt": "What the model doubts most; labels that few cases had before count more",
    "random": "Shuffled, cases with foreground and rare labels more likely first",
    "name": "By name, 2 before 10",
}
#: What is typed is looked for when nothing was typed for so long, in ms.
_TYPING_MS = 150
#: Changes that come so close together are shown as one, in ms.
_TOGETHER_MS = 30
_NO_STUDY = "no study is open"
#: Who opens a study goes on with the first case that is in none of these.
_DONE = (CaseState.ACCEPTED, CaseState.FLAGGED)
_TOOLTIP = int(Qt.ItemDataRole.ToolTipRole)


class SearchLine(QLineEdit):
    """A line to search in; Return and the arrow down go on to the list."""

    leftDownwards = Signal()  # noqa: N815 - Qt's way of writing signals

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Clear by Escape, go on by Return or the arrow down, type otherwise."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Down):
            self.leftDownwards.emit()
        elif event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)
            return
        event.accept()


class CaseListPanel(QWidget):
    """The cases of the study, the model that segments them, and ways in and out.

    What the list shows is what next and previous go through: it sets ``flow.filter``.

    Parameters
    ----------
    flow : StudyFlow
        Whose study is shown.
    parent : QWidget
        The dock.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self.search = SearchLine(self)
        self.states = QComboBox(self)
        self._ordering = SingleJob(self)
        self.orders = QComboBox(self)
        self.table = CaseTable(self)
        self.count = QLabel(self)
        self.model = ModelChoice(flow.session, self)
        self.adding = CaseAdding(flow, self)
        self.export = QPushButton("&Export…", self)
        self.effort = QPushButton("E&ffort…", self)
        self._is_stale = False
        self._typing = timer(self, _TYPING_MS, self._on_filter, single=True)
        self._together = timer(self, _TOGETHER_MS, self._refresh, single=True)
        self._build()
        self._connect()
        self._on_study()

    def model_of(self, folder: Path) -> Path | str | None:
        """Return the model that a study remembers, None where it remembers none."""
        from napari_mednext.app.chosen_model import remembered_model

        return remembered_model(folder, self._flow.session.models())

    def list_versions(self) -> None:
        """Offer the versions that the study has of its model now."""
        study = self._flow.study
        self.model.set_study(None if study is None else study.path)

    def first_open(self) -> str | None:
        """Return the first case of the list that is not done, else its first."""
        study = self._flow.study
        if study is None:
            return None
        cases = study.cases(**self._flow.filter)
        waiting = (case.name for case in cases if case.state not in _DONE)
        return next(waiting, cases[0].name if cases else None)

    def bind_keys(self, binder: KeyBinder) -> None:
        """Have the lists leave the keys of the plugin to the window."""
        for widget in (self.table, self.states, self.orders, self.model.models):
            binder.let_through(widget)

    def _build(self) -> None:
        """Lay the parts out."""
        self.search.setPlaceholderText("Search name, comment, patient")
        self.search.setToolTip("Words that all occur in name, comment or patient")
        self.search.setAccessibleName("Search")
        self.search.setClearButtonEnabled(True)
        self.states.setToolTip("Which cases are shown; next and previous follow")
        self.states.setAccessibleName("State of the cases")
        self.states.addItem("All", "")
        for state, title in STATE_TITLES.items():
            self.states.addItem(QIcon(state_picture(state)), title, state.value)
        self.orders.setToolTip("In which order; next and previous follow")
        self.orders.setAccessibleName("Order of the cases")
        for order, title in ORDER_TITLES.items():
            self.orders.addItem(title, order)
            row = self.orders.count() - 1
            self.orders.setItemData(row, _ORDER_HINTS[order], _TOOLTIP)
        for combo in (self.states, self.orders):
            combo.setMinimumContentsLength(8)
            combo.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        self.export.setToolTip("Write masks to files, each on the grid of its scan")
        self.effort.setToolTip("What correcting has cost, by case and by model")
        choices = QHBoxLayout()
        choices.setSpacing(6)
        choices.addWidget(self.states, 1)
        choices.addWidget(self.orders, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.adding.button, self.export, self.effort):
            buttons.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(labelled("&Model", self.model))
        layout.addWidget(self.search)
        layout.addLayout(choices)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.count)
        layout.addWidget(self.adding)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        """Wire the parts."""
        flow = self._flow
        flow.studyChanged.connect(self._on_study)
        flow.casesChanged.connect(self._on_cases)
        flow.caseOpened.connect(self._on_opened)
        flow.caseClosed.connect(lambda _: self.table.cases.set_open(None))
        self.search.textChanged.connect(lambda _: self._typing.start())
        self.search.leftDownwards.connect(self._on_down)
        self.states.activated.connect(lambda _: self._on_filter())
        self.orders.activated.connect(lambda _: self._on_filter())
        self.table.caseWanted.connect(self._on_wanted)
        self.model.modelChosen.connect(self._on_model)
        self.model.refused.connect(lambda text: flow.said.emit(text, "error"))
        self._ordering.failed.connect(lambda text: flow.said.emit(text, "error"))
        self.export.clicked.connect(self._on_export)
        self.effort.clicked.connect(self._on_effort)

    def showEvent(self, event: QShowEvent) -> None:
        """Show what changed while nobody looked."""
        super().showEvent(event)
        if self._is_stale:
            self._refresh()

    def _on_study(self) -> None:
        """Begin with the whole list of another study."""
        desk = self._flow.desk
        self.search.blockSignals(True)
        self.search.clear()
        self.search.blockSignals(False)
        self.states.setCurrentIndex(0)
        self.model.set_path(None if desk is None else desk.model)
        self.list_versions()
        reason = _NO_STUDY if desk is None else None
        self.model.allow(reason)
        for control in (self.search, self.states, self.orders):
            allow(control, reason)
        for button in (self.export, self.effort):
            allow(button, reason)
        self._on_filter()

    def _on_filter(self) -> None:
        """Show other cases; next and previous go through them from now on."""
        self._typing.stop()
        self._flow.filter = {
            "state": self.states.currentData() or None,
            "text": self.search.text(),
            "order": "given",
        }
        study, order = self._flow.study, self.orders.currentData()
        if study is None or order not in ("doubt", "random"):
            self._use_order(order)
            return
        self._ordering.start(
            lambda _: case_order(study, order), "MedNeXt: ordering", self._use_order
        )

    def _use_order(self, order: Order) -> None:
        """Show the cases in an order that was found."""
        self._flow.filter = self._flow.filter | {"order": order}
        self._refresh()

    def _on_cases(self) -> None:
        """Show changes once for all that come together, and only to who looks."""
        if self.isVisible():
            self._together.start()
        else:
            self._is_stale = True

    def _refresh(self) -> None:
        """Show the cases as they stand in the study."""
        self._is_stale = False
        study = self._flow.study
        shown: tuple[Case, ...] = ()
        counts: dict[CaseState, int] = {}
        try:
            if study is not None:
                shown, counts = study.cases(**self._flow.filter), study.counts()
        except MednextError as error:
            self._flow.said.emit(explain(error), "error")
            return
        whole = sum(counts.values())
        self.states.setItemText(0, f"All ({whole})")
        for row, (state, title) in enumerate(STATE_TITLES.items(), start=1):
            self.states.setItemText(row, f"{title} ({counts.get(state, 0)})")
        self.table.empty_text = (
            "No case matches: search for less, or show all."
            if whole
            else "The study has no cases yet: add scans."
        )
        self.table.set_cases(shown)
        text = f"{whole} case{'' if whole == 1 else 's'}"
        if len(shown) != whole:
            text = f"{len(shown)} of {text}"
        done = counts.get(CaseState.ACCEPTED, 0)
        self.count.setText(f"{text} · {done} accepted" if whole else "")

    def _on_opened(self, case: Case) -> None:
        """Mark the open case, and bring it into sight."""
        self.table.cases.set_open(case.name)
        self.table.choose(case.name)
        row = self.table.cases.row(case.name)
        if row >= 0:
            self.table.scrollTo(self.table.cases.index(row, 0))

    def _on_down(self) -> None:
        """Go from the search line to the first case of the list."""
        self._on_filter()
        if self.table.cases.rowCount():
            self.table.selectRow(0)
            self.table.setFocus()

    def _on_wanted(self, name: str) -> None:
        if self._flow.phase is Phase.IDLE:
            self._flow.open_case(name)
        else:
            self._flow.said.emit("Wait until what is running has ended.", "info")

    def _on_model(self) -> None:
        """Segment with another model from now on, and remember it in the study."""
        from napari_mednext.app.chosen_model import remember_model

        desk, model = self._flow.desk, self.model.chosen()
        if desk is None:
            return
        desk.use_model(self.model.path())
        try:
            remember_model(
                desk.study.path,
                name=model.name if model else "",
                path=self.model.path(),
            )
        except MednextError as error:
            self._flow.said.emit(explain(error), "error")

    def _on_export(self) -> None:
        from napari_mednext.ui.export_dialog import ExportDialog

        ExportDialog(self._flow, self).open()

    def _on_effort(self) -> None:
        from napari_mednext.ui.effort_dialog import EffortDialog

        study = self._flow.study
        if study is not None:
            EffortDialog(study, self).open()
