"""The dock "MedNeXt: Study": cases one after the other, corrected and accepted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.case_list import CaseListPanel
from napari_mednext.ui.controls import (
    DropArea,
    IconButton,
    Notice,
    PrimaryButton,
    allow,
    pressing,
    scrolled,
)
from napari_mednext.ui.kept_look import KeptLook
from napari_mednext.ui.keys import KeyBinder, hint
from napari_mednext.ui.look import Look
from napari_mednext.ui.look_panel import LookPanel
from napari_mednext.ui.review_panel import ReviewPanel
from napari_mednext.ui.sharing import shared_session
from napari_mednext.ui.spots_panel import SpotsPanel
from napari_mednext.ui.study_flow import Phase, StudyFlow
from napari_mednext.ui.study_improve import StudyImprove
from napari_mednext.ui.study_labels_panel import StudyLabelsPanel
from napari_mednext.ui.study_measures import StudyMeasures
from napari_mednext.ui.tools_panel import ToolsPanel
from napari_mednext.ui.window_end import WindowEnd
from napari_mednext.ui.wording import progress_line

if TYPE_CHECKING:
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_mednext.app import Session
    from napari_mednext.progress import Progress

__all__ = ["StudyDock"]

#: Good news are shown so long, in ms.
HUSH_MS = 8000
BUSY = {
    Phase.OPENING: "a case is being opened",
    Phase.WORKING: "something is being computed",
}


class StudyDock(QWidget):
    """A study in the window: its list of cases, the case in hand, and the tools.

    Parameters
    ----------
    napari_viewer : napari viewer
    session : Session, optional
        Shared by the docks of the application when left out.
    """

    _was_docked = False
    _has_ended = False
    _is_of_opening = False

    def __init__(self, napari_viewer: Any, session: Session | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = session if session is not None else shared_session(self)
        self.flow = StudyFlow(napari_viewer, self._session, self)
        self.look = Look(napari_viewer)
        self._kept_look = KeptLook(self.flow, self.look, self)
        self.keys = KeyBinder(napari_viewer)
        self.welcome = DropArea(
            "Open a study",
            "A study is a folder of scans with their labels. Drop one here, or a "
            "folder or list of scans to make one from.",
            self,
        )
        self.open_button = QPushButton("&Open study…", self)
        self.new_button = QPushButton("&New study…", self)
        self.title = QLabel(self)
        self.state = QLabel(self)
        self.saved = QLabel(self)
        self.save = IconButton("save", "Save now; also tries again what failed")
        self.shut = IconButton("close", "Close the study; everything is saved")
        self.previous = IconButton("previous", hint("previous_case"))
        self.next = IconButton("next", hint("next_case"))
        self.flag = IconButton("flag", hint("flag"))
        self.accept = PrimaryButton("&Accept && next", "done", self)
        self.cancel = IconButton("stop", "Stop what is being done")
        self.bar = QProgressBar(self)
        self.line = QLabel(self)
        self.notice = Notice(self)
        self._hush = QTimer(self, singleShot=True, interval=HUSH_MS)
        self.cases = CaseListPanel(self.flow, self)
        self.tools = ToolsPanel(self.flow, self)
        self.review = ReviewPanel(self.flow, self)
        self.labels = StudyLabelsPanel(self.flow, self)
        self.spots = SpotsPanel(self.flow, self)
        self.measures = StudyMeasures(self.flow, self)
        self.looks = LookPanel(napari_viewer, self.look, self)
        self.improve = StudyImprove(napari_viewer, self.flow, self)
        self.tabs = QTabWidget(self)
        self.pages = QStackedWidget(self)
        self._window_end = WindowEnd(self, self.end)
        self._build()
        self._connect()
        self._bind_keys()
        self._refresh()

    def _build(self) -> None:
        """Lay the parts out: a head that stays, and tabs below it."""
        self.setAcceptDrops(True)
        self.setMinimumWidth(360)
        self.open_button.setToolTip("Open the folder of a study")
        self.new_button.setToolTip("Make a study from scans or a list of cases")
        self.welcome.buttons.addWidget(self.open_button)
        self.welcome.buttons.addWidget(self.new_button)
        for title, parts, hint_text in (
            ("Cases", (self.cases,), "The list of cases, filtered and in order"),
            (
                "Correct",
                (self.labels, self.tools, self.review),
                "Labels and the tools that change them",
            ),
            ("Doubt", (self.spots,), "Where to look next"),
            ("Measure", (self.measures,), "Volumes, and what differs"),
        ):
            index = self.tabs.addTab(scrolled(parts), title)
            self.tabs.setTabToolTip(index, hint_text)
        self.tabs.setDocumentMode(True)
        # Its base is a pale bar beside the tabs in napari's themes.
        self.tabs.tabBar().setDrawBase(False)
        first, second = QWidget(self), QWidget(self)
        start = QVBoxLayout(first)
        start.addWidget(self.welcome)
        start.addStretch(1)
        layout = QVBoxLayout(second)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addLayout(self._head())
        layout.addLayout(self._buttons())
        layout.addWidget(self.bar)
        layout.addWidget(self.line)
        layout.addWidget(self.improve)
        layout.addWidget(self.looks)
        layout.addWidget(self.tabs, 1)
        self.pages.addWidget(first)
        self.pages.addWidget(second)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.pages, 1)
        beside = QHBoxLayout()
        beside.setContentsMargins(8, 0, 8, 4)
        beside.addWidget(self.notice)
        outer.addLayout(beside)

    def _head(self) -> QHBoxLayout:
        """Return the line with the case, its state, and whether it is on disk."""
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.title, 1)
        for part in (self.state, self.saved, self.save, self.shut):
            row.addWidget(part)
        return row

    def _buttons(self) -> QHBoxLayout:
        """Return the line of buttons that go from case to case."""
        self.accept.setToolTip(hint("accept"))
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setToolTip("How much is done")
        self.bar.setAccessibleName("Progress")
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.previous)
        row.addWidget(self.next)
        row.addWidget(self.flag)
        row.addWidget(self.accept, 1)
        row.addWidget(self.cancel)
        return row

    def _connect(self) -> None:
        """Wire the parts."""
        flow = self.flow
        flow.said.connect(self._on_said)
        self._hush.timeout.connect(lambda: self.notice.say(""))
        flow.studyChanged.connect(self._on_study)
        flow.caseOpened.connect(self._on_case)
        flow.caseClosed.connect(self._refresh)
        flow.casesChanged.connect(self._refresh)
        flow.phaseChanged.connect(self._refresh)
        flow.savedChanged.connect(self._on_saved)
        flow.labelsChanged.connect(self._on_work)
        flow.progressed.connect(self._on_progress)
        self.improve.improving.modelUsed.connect(self.cases.model.set_path)
        self.improve.improving.versionsChanged.connect(self.cases.list_versions)
        self.open_button.clicked.connect(self._on_open)
        self.new_button.clicked.connect(lambda: self.make_study(None))
        self.save.clicked.connect(flow.save)
        self.shut.clicked.connect(lambda: flow.close_study())
        self.previous.clicked.connect(flow.previous_case)
        self.next.clicked.connect(flow.next_case)
        self.flag.clicked.connect(self._on_flag)
        self.accept.clicked.connect(flow.accept_next)
        self.cancel.clicked.connect(flow.cancel)

    def _bind_keys(self) -> None:
        """Bind the keys of the dock and of its panels."""
        for name, button, title in (
            ("next_case", self.next, "Going to the next case"),
            ("previous_case", self.previous, "Going to the previous case"),
            ("accept", self.accept, "Accepting"),
            ("flag", self.flag, "Flagging"),
        ):
            self.keys.bind(name, pressing(button, title, self.flow.said.emit))
        # The spots come after the look: theirs is the key that shows the doubt.
        for panel in (
            self.looks,
            self.cases,
            self.tools,
            self.review,
            self.labels,
            self.spots,
        ):
            panel.bind_keys(self.keys)

    def end(self) -> None:
        """Save and close the study, and let go of the window."""
        if self._has_ended:
            return
        self._has_ended = True
        self.improve.end()
        self.flow.close_study(at_once=True)
        self.keys.close()
        self.look.stop()

    def open_study(self, folder: Path) -> None:
        """Open the study of a folder, and the first case that is not done."""
        self.flow.open_study(folder, model=self.cases.model_of(folder))

    def make_study(self, source: Path | None) -> None:
        """Ask what a new study is made from, make it, and open it.

        Parameters
        ----------
        source : Path, optional
            A folder of scans, or a list of cases, to begin with.
        """
        from napari_mednext.ui.new_study import ask_new_study

        made = ask_new_study(self._session, source, self)
        if made is not None:
            self.flow.use(made.study, model=made.model)

    def event(self, event: QEvent) -> bool:
        """End with the dock: napari only takes its parent away when it is closed."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.end()
                self.deleteLater()
            self._was_docked = self.parent() is not None
        return bool(super().event(event))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept one folder or file."""
        if len(event.mimeData().urls()) == 1:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open a study that was dropped, or make one from what was."""
        event.acceptProposedAction()
        path = Path(event.mimeData().urls()[0].toLocalFile())
        if (path / "study.sqlite").is_file():
            self.open_study(path)
        else:
            self.make_study(path)

    def _on_said(self, text: str, level: str) -> None:
        """Show a sentence; good news go after a while, the rest stays."""
        self.notice.say(text, level)
        self._is_of_opening = level == "error" and self.flow.case is None
        if level in ("info", "done"):
            self._hush.start()
        else:
            self._hush.stop()

    def _on_work(self) -> None:
        """Let go of an old refusal while work goes on, but not of what is unsaved."""
        flow = self.flow
        if self.notice.level and flow.problem is None and not flow.unsaved:
            self._hush.start()

    def _on_open(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of the study")
        if chosen:
            self.open_study(Path(chosen))

    def _on_flag(self) -> None:
        listed = self.flow.listed()
        if listed is None:
            return
        if listed.state == "flagged":
            self.flow.unflag()
            now = self.flow.listed()
            if now is not None and now.state != "flagged":
                self.flow.said.emit(f"{now.name} is no longer flagged.", "done")
            return
        text, is_given = QInputDialog.getText(
            self, "Flag the case", "What shall somebody look at?", text=listed.comment
        )
        if is_given:
            self.flow.flag(text)

    def _on_study(self) -> None:
        self._window_end.watch()
        self.pages.setCurrentIndex(0 if self.flow.study is None else 1)
        self.tabs.setCurrentIndex(0)
        self._refresh()
        study = self.flow.study
        if study is not None and (case := self.cases.first_open()) is not None:
            self.flow.open_case(case)

    def _on_case(self, _: object) -> None:
        # Why another case could not be opened; a failed save is still to be seen.
        if self._is_of_opening and not self.flow.unsaved:
            self.notice.say("")
        self.tabs.setCurrentIndex(1)
        self._refresh()

    def _on_saved(self) -> None:
        """Say whether all steps are on disk."""
        flow = self.flow
        if flow.unsaved:
            self.saved.setText(f"{len(flow.unsaved)} not saved")
            self.saved.setToolTip(f"{', '.join(flow.unsaved)}: Save tries again")
            return
        if flow.case is None or flow.case.is_read_only:
            self.saved.setText("read-only" if flow.case is not None else "")
            self.saved.setToolTip(flow.case.holder if flow.case is not None else "")
            return
        if flow.problem is not None:
            self.saved.setText(f"{flow.pending} steps not on disk")
            self.saved.setToolTip(flow.problem)
        else:
            self.saved.setText("saving…" if flow.pending else "on disk")
            self.saved.setToolTip("Every step is in the journal of the case")

    def _on_progress(self, progress: Progress) -> None:
        if progress.total > 0:
            self.bar.setRange(0, progress.total)
            self.bar.setValue(progress.done)
        self.line.setText(progress_line(progress))

    def _refresh(self, *_: object) -> None:
        """Enable, disable and show what fits; nothing else does."""
        flow = self.flow
        busy = BUSY.get(flow.phase)
        case, listed = flow.case, flow.listed()
        self.title.setText(case.name if case is not None else "No case is open")
        self.title.setToolTip(self.title.text())
        self.state.setText(str(listed.state) if listed is not None else "")
        self.state.setToolTip(listed.comment if listed is not None else "")
        nothing = "no case is open" if case is None else None
        nowhere = "no case was opened" if flow.place is None else None
        read_only = case.holder if case is not None and case.is_read_only else None
        for control in (self.previous, self.next):
            allow(control, busy or nowhere)
        is_flagged = listed is not None and listed.state == "flagged"
        text = "Take the flag away" if is_flagged else None
        self.flag.setProperty("usualToolTip", hint("flag", text))
        allow(self.flag, busy or nothing)
        allow(self.accept, busy or nothing or read_only)
        allow(self.save, None if flow.unsaved else nothing or read_only)
        allow(self.shut, busy)
        allow(self.cancel, None if busy else "nothing is running")
        self.bar.setVisible(busy is not None)
        self.line.setVisible(busy is not None)
        if busy is not None and not self.line.text():
            self.bar.setRange(0, 0)
        if busy is None:
            self.line.clear()
        self._on_saved()
