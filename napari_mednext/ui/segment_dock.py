"""The dock "MedNeXt: Segment"."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QFrame,
    QScrollArea,
    QShortcut,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.errors import MednextError
from napari_mednext.settings import InferenceSettings
from napari_mednext.ui.bridge import volume_of
from napari_mednext.ui.controls import Rule, allow, collapsible
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.live_labels import load_what_labels_need
from napari_mednext.ui.model_picker import ModelPicker
from napari_mednext.ui.opening import Opening
from napari_mednext.ui.result_panel import ResultPanel
from napari_mednext.ui.run_panel import RunPanel
from napari_mednext.ui.scan_picker import ScanPicker
from napari_mednext.ui.segmenting import Segmenting, Task
from napari_mednext.ui.settings_form import SettingsForm
from napari_mednext.ui.sharing import shared_session
from napari_mednext.ui.view import looked_at
from napari_mednext.ui.wording import duration, sentence, short_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from qtpy.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent

    from napari_mednext.app import Session
    from napari_mednext.labels import LabelSet
    from napari_mednext.ui.live_labels import LiveLabels

__all__ = ["Phase", "SegmentDock"]

#: How often the dock looks whether the engine has found its devices, in ms.
DEVICES_MS = 300

ADVANCED_HINT = "How tiles are laid, mirroring, engine and memory"


class Phase(Enum):
    """What the dock is doing."""

    IDLE = auto()
    OPENING = auto()
    SEGMENTING = auto()
    STOPPING = auto()
    SAVING = auto()


#: Why most controls wait in a phase.
BUSY = {
    Phase.OPENING: "a scan is being opened",
    Phase.SEGMENTING: "a segmentation is running",
    Phase.STOPPING: "a segmentation is being stopped",
    Phase.SAVING: "a mask is being saved",
}
CANCELLED = (
    "Cancelled. The labels so far are rough and not complete; press Segment to start "
    "again."
)


class SegmentDock(QWidget):
    """Opens a scan, segments it with one click, shows and saves what was found.

    Parameters
    ----------
    napari_viewer : napari viewer
    session : Session, optional
        Shared by the docks of the application when left out.
    """

    phaseChanged = Signal()  # noqa: N815 - Qt's way of writing signals
    _was_docked = False

    def __init__(self, napari_viewer: Any, session: Session | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = session if session is not None else shared_session(self)
        self._run: Segmenting | None = None
        self._last: LiveLabels | None = None
        self._last_scan = ""
        self._started_s = 0.0
        self._is_warm = False
        self._warming: Job | None = None
        self._phase = Phase.IDLE
        self.scan = ScanPicker(napari_viewer, self)
        self.model = ModelPicker(self._session, self)
        self.form: SettingsForm[InferenceSettings] | None = None
        self.advanced = collapsible("Advanced", ADVANCED_HINT, self)
        self.run = RunPanel("&Segment", "Segment the chosen scan", self)
        self.result = ResultPanel(napari_viewer, self._session, self)
        self.opening = Opening(self._session, self)
        self._devices_timer = QTimer(self)
        self._build()
        self._connect()
        self.set_phase(Phase.IDLE)

    def _build(self) -> None:
        """Lay the parts out in a column that scrolls when the window is low."""
        self.setAcceptDrops(True)
        self.setMinimumWidth(330)
        self.result.hide()
        column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(10, 10, 10, 10)
        layout.setSpacing(10)
        for part in (
            self.scan,
            Rule(),
            self.model,
            self.advanced,
            Rule(),
            self.run,
            self.result,
        ):
            layout.addWidget(part)
        layout.addStretch(1)
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(column)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    def _connect(self) -> None:
        """Wire the parts."""
        self.scan.scanChanged.connect(self._refresh)
        self.scan.openRequested.connect(self.open_paths)
        self.scan.sampleRequested.connect(self.open_sample)
        self.model.modelChanged.connect(self._refresh)
        self.advanced.toggled.connect(self._on_advanced)
        self.run.start.clicked.connect(self.segment)
        self.run.cancel.clicked.connect(self.cancel)
        self.result.savingStarted.connect(lambda: self.set_phase(Phase.SAVING))
        self.result.savingEnded.connect(lambda: self.set_phase(Phase.IDLE))
        self.result.saved.connect(self._on_saved)
        self.result.failed.connect(self._complain)
        self.opening.opened.connect(self._on_opened)
        self.opening.failed.connect(self._on_open_failed)
        self.opening.cancelled.connect(lambda: self.set_phase(Phase.IDLE))
        self._devices_timer.setInterval(DEVICES_MS)
        self._devices_timer.timeout.connect(self._on_devices)
        save = QShortcut(QKeySequence(QKeySequence.StandardKey.Save), self)
        save.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        save.activated.connect(self.result.save.click)

    @property
    def phase(self) -> Phase:
        """What the dock is doing."""
        return self._phase

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open files or a folder as layers."""
        self._open(lambda: self.opening.start(paths))

    def open_sample(self, read: Callable[[], list[Any]]) -> None:
        """Open a shipped sample."""
        self._open(lambda: self.opening.start_reading(read))

    def segment(self) -> None:
        """Segment the chosen scan, what is on screen first."""
        layer, model = self.scan.layer(), self.model.model()
        if self._phase is not Phase.IDLE or layer is None or model is None:
            return
        try:
            volume = volume_of(layer, self._viewer.layers)
            settings = self._settings()
        except MednextError as error:
            self._complain(explain(error))
            return
        task = Task(
            volume=volume,
            model=model.path,
            labels=model.sides.all if model.sides is not None else model.labels,
            settings=settings,
            focus=looked_at(self._viewer, layer),
            name=f"{volume.name} labels",
            sides=self.model.tells_sides(),
        )
        self._begin(task, f"{layer.unique_id} {model.path}")

    def cancel(self) -> None:
        """Stop what is running."""
        if self._run is not None:
            self._run.cancel()
            self.set_phase(Phase.STOPPING)

    def set_phase(self, phase: Phase) -> None:
        """Enable, disable and show what fits a phase; nothing else does."""
        has_changed = phase is not self._phase
        self._phase = phase
        busy = BUSY.get(phase)
        runs = phase in (Phase.SEGMENTING, Phase.STOPPING)
        self.run.allow_start(busy or self.scan.problem() or self.model.problem())
        stopping = BUSY[phase] if phase is Phase.STOPPING else "nothing is running"
        self.run.allow_cancel(None if phase is Phase.SEGMENTING else stopping)
        for control in (
            self.scan.open_file,
            self.scan.open_folder,
            self.scan.drop,
            self.model.models,
            self.model.open_folder,
            self.model.sides,
            self.model.devices,
        ):
            allow(control, busy)
        self.result.allow_save(busy)
        if not runs:
            self.run.set_busy(is_busy=phase is not Phase.IDLE, text="")
        if phase is Phase.OPENING:
            self.run.set_busy(is_busy=True, text="Opening…")
        if has_changed:
            self.phaseChanged.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """Get the engine ready while the user looks around."""
        super().showEvent(event)
        if not self._is_warm:
            self._is_warm = True
            QTimer.singleShot(0, self._warm)

    def event(self, event: QEvent) -> bool:
        """End with the dock: napari only takes its parent away when it is closed."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.deleteLater()
            self._was_docked = self.parent() is not None
        return bool(super().event(event))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept local files and folders anywhere on the dock."""
        if self._phase is Phase.IDLE:
            self.scan.dragEnterEvent(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Stop showing that something would be taken."""
        self.scan.dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped anywhere on the dock."""
        self.scan.dropEvent(event)

    def _warm(self) -> None:
        """Start the engine's process, and load what a first labels layer needs."""
        model = self.model.model()
        self._session.service.start(
            model=model.path if model is not None else None,
            device=self.model.device(),
        )
        self._devices_timer.start()
        self._warming = Job(lambda _: load_what_labels_need(), "MedNeXt: getting ready")
        self._warming.start()

    def _settings(self) -> InferenceSettings:
        """Return the settings; the defaults while nobody looked at the form."""
        device = self.model.device()
        if self.form is None:
            return InferenceSettings(device=device)
        return self.form.settings(device=device)

    def _begin(self, task: Task, scan: str) -> None:
        """Start a task, into the layer of the last one when that is left untouched."""
        last = self._last
        is_same = last is not None and last.is_reusable and self._last_scan == scan
        reused = last.layer if last is not None and is_same else None
        run = Segmenting(self._viewer, self._session, task, reused, self)
        run.progressed.connect(self.run.show_progress)
        run.named.connect(self._on_named)
        run.counted.connect(self.result.set_volumes)
        run.judged.connect(self.result.quality.tell)
        run.succeeded.connect(self._on_succeeded)
        run.failed.connect(self._complain)
        run.cancelled.connect(self._on_cancelled)
        run.ended.connect(self._on_ended)
        self._run, self._last_scan = run, scan
        self._started_s = time.monotonic()
        self.result.set_labels(self.model.labels())
        self.result.show()
        self.run.set_busy(is_busy=True, text="Getting the model ready…")
        self.set_phase(Phase.SEGMENTING)
        run.start()

    def _open(self, start: Callable[[], object]) -> None:
        """Begin to open something."""
        if self._phase is Phase.IDLE:
            self.set_phase(Phase.OPENING)
            start()

    def _on_opened(self, layers: Sequence[tuple[Any, dict[str, Any], str]]) -> None:
        added = None
        for array, options, kind in layers:
            layer = getattr(self._viewer, f"add_{kind}")(array, **options)
            added = layer if kind == "image" and added is None else added
        if added is not None:
            self.scan.choose(added)
        self.set_phase(Phase.IDLE)

    def _on_open_failed(self, text: str) -> None:
        self._complain(text)
        self.set_phase(Phase.IDLE)

    def _on_advanced(self, is_open: bool) -> None:  # noqa: FBT001 - a Qt slot
        """Make the form when it is first looked at: magicgui takes a while to load."""
        if is_open and self.form is None:
            self.form = SettingsForm(InferenceSettings, leave_out=["device"])
            self.advanced.addWidget(self.form)
            QTimer.singleShot(0, lambda: self.advanced.expand(animate=False))

    def _on_named(self, labels: LabelSet) -> None:
        if labels != self.result.table.labels.labels():
            self.result.set_labels(labels)

    def _on_succeeded(self, notes: list[str]) -> None:
        took = duration(time.monotonic() - self._started_s)
        lines = [f"Done in {took}. Correct it with napari's tools, then save the mask."]
        lines += [sentence(note) for note in notes]
        self.run.notice.say("\n".join(lines), "done")

    def _on_cancelled(self) -> None:
        self.run.notice.say(CANCELLED, "warning")

    def _on_ended(self) -> None:
        if self._run is not None and self._run.live is not None:
            self._last = self._run.live
            self.result.follow(self._last)
        self._run = None
        self.set_phase(Phase.IDLE)

    def _complain(self, text: str) -> None:
        """Show one sentence about what went wrong, here and as a notification."""
        from napari.utils.notifications import show_error

        self.run.notice.say(text, "error")
        show_error(text)

    def _on_devices(self) -> None:
        names = self._session.service.devices
        if names is not None:
            self._devices_timer.stop()
            self.model.set_devices(names)

    def _on_saved(self, path: Path) -> None:
        self.run.notice.say(f"Saved {short_path(path)} on the scanner's grid.", "done")

    def _refresh(self) -> None:
        """Look again at what can be done."""
        self.set_phase(self._phase)
