"""The dock "MedNeXt: Improve": a better model from the corrections of the study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.comparison_panel import ComparisonPanel
from napari_mednext.ui.controls import DropArea, Notice, Rule, scrolled
from napari_mednext.ui.improve_panel import ImprovePanel
from napari_mednext.ui.improve_wording import phase_line
from napari_mednext.ui.improving_shared import shared_improving
from napari_mednext.ui.job_examples import JobExamples
from napari_mednext.ui.job_list import JobListPanel
from napari_mednext.ui.job_log import JobLog
from napari_mednext.ui.job_plots import JobPlots
from napari_mednext.ui.versions_panel import VersionsPanel
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from napari_mednext.app import Session
    from napari_mednext.ui.improving import Improving

__all__ = ["IMPROVE", "ImproveDock", "show_improve_dock"]

PLUGIN = "napari-mednext"
IMPROVE = "MedNeXt: Improve"
_STUDY = "MedNeXt: Study"
#: Good news are shown so long, in ms.
HUSH_MS = 8000
_PROGRESS, _COMPARISON, _VERSIONS = range(3)


class ImproveDock(QWidget):
    """Starting improvements, watching them, and deciding about what they made.

    It shows the study that "MedNeXt: Study" has open in the same window.

    Parameters
    ----------
    napari_viewer : napari viewer
    session : Session, optional
        Taken for the sake of all docks; nothing is segmented here.
    improving : Improving, optional
        Shared by the docks of the window when left out.
    """

    _was_docked = False

    def __init__(
        self,
        napari_viewer: Any,
        session: Session | None = None,
        *,
        improving: Improving | None = None,
    ) -> None:
        super().__init__()
        del session
        self._viewer = napari_viewer
        if improving is None:
            improving = shared_improving(napari_viewer, self)
        self.improving = improving
        self.welcome = DropArea(
            "No study is open",
            f"Open one in “{_STUDY}”: its corrections improve the model.",
            self,
        )
        self.open_button = QPushButton("&Open study…", self)
        self.panel = ImprovePanel(improving, self)
        self.jobs = JobListPanel(improving, self)
        self.plots = JobPlots(self._color_of, self)
        self.examples = JobExamples(self)
        self.phase = QLabel(self)
        self.notes = Notice(self)
        self.comparison = ComparisonPanel(improving, self)
        self.versions = VersionsPanel(improving, self)
        self.log = JobLog(self)
        self.notice = Notice(self)
        self.tabs = QTabWidget(self)
        self.pages = QStackedWidget(self)
        self._hush = QTimer(self, singleShot=True, interval=HUSH_MS)
        self._build()
        self._connect()
        self._on_study()

    def _build(self) -> None:
        """Lay the parts out: what starts and what runs above, what came of it below."""
        self.setMinimumWidth(380)
        # Without it napari gives most of the height to an empty space below.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.open_button.setToolTip(f"Show “{_STUDY}”")
        self.welcome.buttons.addWidget(self.open_button)
        self.phase.setWordWrap(True)
        self.phase.setAlignment(Qt.AlignmentFlag.AlignTop)
        going = QWidget(self)
        column = QVBoxLayout(going)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.phase)
        column.addWidget(self.notes)
        column.addWidget(self.plots, 3)
        column.addWidget(self.examples, 2)
        for title, part, hint in (
            ("Progress", going, "Loss, Dice, and examples as the model learns"),
            ("Comparison", self.comparison, "Whether the new model is better"),
            ("Versions", self.versions, "All versions of the model; where to go back"),
        ):
            index = self.tabs.addTab(scrolled((part,)), title)
            self.tabs.setTabToolTip(index, hint)
        index = self.tabs.addTab(self.log, "Log")
        self.tabs.setTabToolTip(index, "What the training wrote")
        self.tabs.setDocumentMode(True)
        # Its base is a pale bar beside the tabs in napari's themes.
        self.tabs.tabBar().setDrawBase(False)
        first, second = QWidget(self), QWidget(self)
        start = QVBoxLayout(first)
        start.addWidget(self.welcome)
        start.addStretch(1)
        layout = QVBoxLayout(second)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.panel)
        layout.addWidget(Rule(second))
        layout.addWidget(self.jobs)
        layout.addWidget(self.tabs, 1)
        self.pages.addWidget(first)
        self.pages.addWidget(second)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.pages, 1)
        beside = QVBoxLayout()
        beside.setContentsMargins(8, 0, 8, 4)
        beside.addWidget(self.notice)
        outer.addLayout(beside)

    def _connect(self) -> None:
        """Wire the parts."""
        improving = self.improving
        improving.studyChanged.connect(self._on_study)
        improving.said.connect(self._on_said)
        improving.wanted.connect(self._on_wanted)
        improving.watch.detailChanged.connect(self._on_detail)
        improving.watch.changed.connect(self._on_detail)
        improving.watch.jobEnded.connect(self._on_ended)
        self.open_button.clicked.connect(self._on_open)
        self._hush.timeout.connect(lambda: self.notice.say(""))

    def event(self, event: QEvent) -> bool:
        """End with the dock: napari only takes its parent away when it is closed."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.deleteLater()
            self._was_docked = self.parent() is not None
        return bool(super().event(event))

    def _on_study(self) -> None:
        self.pages.setCurrentIndex(0 if self.improving.desk is None else 1)
        self.notice.say("")
        self._on_detail()

    def _on_said(self, text: str, level: str) -> None:
        """Show a sentence; good news go after a while, the rest stays."""
        self.notice.say(text, level)
        if level in ("info", "done"):
            self._hush.start()
        else:
            self._hush.stop()

    def _on_wanted(self) -> None:
        """Show what a person asked for: the comparison when there is one to look at."""
        offer = self.improving.watch.reading.offer
        if offer is not None:
            self.improving.watch.choose(offer.job)
        has_result = offer is not None and self.improving.watch.running is None
        self.tabs.setCurrentIndex(_COMPARISON if has_result else _PROGRESS)

    def _on_ended(self, job: Any) -> None:
        if job.id == self.improving.watch.reading.chosen and job.result is not None:
            shown = self.improving.watch.reading.comparison
            self.tabs.setCurrentIndex(_PROGRESS if shown is None else _COMPARISON)

    def _on_detail(self) -> None:
        """Show how the chosen job goes."""
        watch = self.improving.watch
        detail, job = watch.reading.detail, watch.chosen
        self.plots.setVisible(job is not None)
        self.examples.setVisible(job is not None)
        self.plots.show_detail(detail)
        self.examples.show_examples(detail.examples if detail is not None else ())
        self.log.show_log(detail.log if detail is not None else "")
        text = ""
        if job is None:
            text = "Curves and examples are shown here as the model learns."
        elif detail is not None and not job.is_over:
            text = phase_line(detail.text, detail.part)
        self.phase.setText(text)
        self.phase.setVisible(bool(text))
        notes = detail.notes if detail is not None else ()
        self.notes.say("\n".join(sentence(text) for text in notes), "warning")

    def _color_of(self, name: str) -> tuple[int, int, int] | None:
        """Return the colour of a label of the study."""
        desk = self.improving.desk
        for label in desk.study.labels if desk is not None else ():
            if label.name == name:
                red, green, blue = label.color[:3]
                return int(red), int(green), int(blue)
        return None

    def _on_open(self) -> None:
        show_dock(self._viewer, _STUDY)


def show_improve_dock(viewer: Any) -> None:
    """Open the dock in the window of a viewer, or bring it to the front."""
    show_dock(viewer, IMPROVE)


def show_dock(viewer: Any, name: str) -> None:
    """Open one of the plugin's docks beside the others, or bring it to the front.

    Does nothing for a viewer without a window.

    Parameters
    ----------
    viewer : napari viewer
        It, or the proxy of it that a dock is given.
    name : str
        As the manifest has it.
    """
    window = getattr(viewer, "window", None)
    if window is None:
        return
    from napari_mednext.ui.__main__ import register_plugin

    register_plugin()
    dock, _ = window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
    dock.show()
    dock.raise_()
