"""The dock "MedNeXt: Batch"."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.errors import MednextError
from napari_mednext.progress import Progress
from napari_mednext.settings import InferenceSettings
from napari_mednext.ui.batch_table import BatchTable
from napari_mednext.ui.controls import IconButton, Rule, allow, collapsible, labelled
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.model_picker import ModelPicker
from napari_mednext.ui.run_panel import RunPanel
from napari_mednext.ui.settings_form import SettingsForm
from napari_mednext.ui.sharing import shared_session
from napari_mednext.ui.wording import duration, sentence, short_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_mednext.app import BatchReport, Session
    from napari_mednext.formats import Source

__all__ = ["BatchDock"]

#: How often events of the batch are shown, in ms.
TICK_MS = 100
#: Endings that masks can have.
FORMATS = ("nii.gz", "nrrd", "mha")
ADVANCED_HINT = "How tiles are laid, mirroring, engine and memory"
#: So many failures are told below the button; the table has them all.
TOLD_FAILURES = 2
NO_FOLDER = "choose the folder with the scans"
NO_OUTPUT = "choose the folder for the masks"


class BatchDock(QWidget):
    """Segments every scan of a folder, one mask each, and names the ones that fail.

    Parameters
    ----------
    napari_viewer : napari viewer
        Not used; napari hands it to every dock.
    session : Session, optional
        Shared by the docks of the application when left out.
    """

    _was_docked = False

    def __init__(
        self, napari_viewer: Any = None, session: Session | None = None
    ) -> None:
        del napari_viewer
        super().__init__()
        self._session = session if session is not None else shared_session(self)
        self._job: Job | None = None
        self._sources: tuple[Source, ...] = ()
        self._searched: Path | None = None
        self._is_running = False
        self.source = _folder_line("Folder with the scans; DICOM folders may be inside")
        self.output = _folder_line("Folder for the masks; made when it is missing")
        self.source_button = IconButton("folder", "Choose the folder with the scans")
        self.output_button = IconButton("folder", "Choose the folder for the masks")
        self.model = ModelPicker(self._session, self)
        self.file_format = QComboBox(self)
        self.overwrite = QCheckBox("&Replace masks that exist", self)
        self.form: SettingsForm[InferenceSettings] | None = None
        self.advanced = collapsible("Advanced", ADVANCED_HINT, self)
        self.run = RunPanel("&Segment all", "Segment every scan of the folder", self)
        self.found = QLabel(self)
        self.table = BatchTable(self)
        self._timer = QTimer(self)
        self._build()
        self._connect()
        self._refresh()

    def _build(self) -> None:
        """Lay the parts out."""
        self.setAcceptDrops(True)
        self.setMinimumWidth(330)
        self.file_format.addItems(FORMATS)
        self.file_format.setToolTip("File format of the masks")
        self.file_format.setAccessibleName("File format of the masks")
        self.overwrite.setToolTip(
            "Without this a scan whose mask is there already is left alone and said so"
        )
        self.found.setWordWrap(True)
        self.found.setTextFormat(Qt.TextFormat.PlainText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 10, 10, 10)
        layout.setSpacing(8)
        layout.addLayout(labelled("Sc&ans", self.source, self.source_button))
        layout.addLayout(labelled("Mas&ks", self.output, self.output_button))
        layout.addLayout(labelled("&Format", self.file_format))
        layout.addWidget(self.overwrite)
        layout.addWidget(Rule())
        layout.addWidget(self.model)
        layout.addWidget(self.advanced)
        layout.addWidget(Rule())
        layout.addWidget(self.run)
        layout.addWidget(self.found)
        layout.addWidget(self.table, 1)

    def _connect(self) -> None:
        """Wire the parts."""
        self.source.editingFinished.connect(self._on_source)
        self.output.textChanged.connect(self._refresh)
        self.source_button.clicked.connect(self._on_choose_source)
        self.output_button.clicked.connect(self._on_choose_output)
        self.model.modelChanged.connect(self._refresh)
        self.advanced.toggled.connect(self._on_advanced)
        self.run.start.clicked.connect(self.segment_all)
        self.run.cancel.clicked.connect(self.cancel)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._on_tick)

    def use_folder(self, folder: Path) -> None:
        """Look for scans in a folder, and propose where the masks go."""
        from napari_mednext.app.outputs import find_inputs

        self._searched = folder
        self.source.setText(short_path(folder))
        if not self.output.text():
            self.output.setText(short_path(folder.with_name(f"{folder.name}_masks")))
        self._sources = ()
        job = Job(lambda _: find_inputs([folder]), f"MedNeXt: looking in {folder.name}")
        job.succeeded.connect(self._on_found)
        job.failed.connect(self._on_failed)
        self._start(job, "Looking for scans…")

    def segment_all(self) -> None:
        """Segment every scan that was found."""
        from napari_mednext.app import run_batch

        model = self.model.model()
        if self._is_running or model is None or not self._sources:
            return
        try:
            settings = self._settings()
        except MednextError as error:
            self.run.notice.say(explain(error), "error")
            return
        sources, output = self._sources, Path(self.output.text()).expanduser()
        file_format = self.file_format.currentText()
        overwrite, sides = self.overwrite.isChecked(), self.model.tells_sides()

        def work(job: Job) -> BatchReport:
            return run_batch(
                sources,
                output,
                model=model.path,
                settings=settings,
                file_format=file_format,
                overwrite=overwrite,
                sides=sides,
                segmenter=self._session.service,
                on_event=job.show,
                cancel=job,
            )

        job = Job(work, f"MedNeXt: segmenting {len(sources)} scans")
        job.succeeded.connect(self._on_done)
        job.failed.connect(self._on_failed)
        self.table.scans.set_names([source.name for source in sources])
        self._start(job, "Getting the model ready…")

    def cancel(self) -> None:
        """Stop within one tile; masks that are written stay."""
        if self._job is not None:
            self._job.cancel()
            self.run.allow_cancel("the batch is being stopped")

    def event(self, event: QEvent) -> bool:
        """End with the dock: napari only takes its parent away when it is closed."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.deleteLater()
            self._was_docked = self.parent() is not None
        return bool(super().event(event))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept one folder."""
        if _folder_of(event) is not None and not self._is_running:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Use the folder that was dropped."""
        folder = _folder_of(event)
        if folder is not None:
            event.acceptProposedAction()
            self.use_folder(folder)

    def _settings(self) -> InferenceSettings:
        """Return the settings; the defaults while nobody looked at the form."""
        device = self.model.device()
        if self.form is None:
            return InferenceSettings(device=device)
        return self.form.settings(device=device)

    def _start(self, job: Job, text: str) -> None:
        """Run a job and show that it does."""
        job.ended.connect(self._on_ended)
        self.destroyed.connect(job.cancel)
        self._job = job
        self._is_running = True
        self.run.set_busy(is_busy=True, text=text)
        self._refresh()
        self._timer.start()
        job.start()

    def _refresh(self) -> None:
        """Enable, disable and show what fits; nothing else does."""
        busy = "a batch is running" if self._is_running else None
        reason = busy or self.model.problem()
        if reason is None and not self._sources:
            reason = NO_FOLDER if self._searched is None else "the folder has no scans"
        if reason is None and not self.output.text().strip():
            reason = NO_OUTPUT
        self.run.allow_start(reason)
        self.run.allow_cancel(None if self._is_running else "nothing is running")
        for control in (
            self.source,
            self.source_button,
            self.output,
            self.output_button,
            self.file_format,
            self.overwrite,
            self.model.models,
            self.model.open_folder,
            self.model.sides,
            self.model.devices,
        ):
            allow(control, busy)
        self.table.setVisible(self.table.scans.rowCount() > 0)
        self.found.setVisible(bool(self.found.text()))

    def _on_advanced(self, is_open: bool) -> None:  # noqa: FBT001 - a Qt slot
        """Make the form when it is first looked at: magicgui takes a while to load."""
        if is_open and self.form is None:
            self.form = SettingsForm(InferenceSettings, leave_out=["device"])
            self.advanced.addWidget(self.form)
            QTimer.singleShot(0, lambda: self.advanced.expand(animate=False))

    def _on_source(self) -> None:
        text = self.source.text().strip()
        folder = Path(text).expanduser()
        if text and folder != self._searched and not self._is_running:
            self.use_folder(folder)

    def _on_choose_source(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder with the scans")
        if chosen:
            self.use_folder(Path(chosen))

    def _on_choose_output(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the masks")
        if chosen:
            self.output.setText(short_path(Path(chosen)))

    def _on_found(self, found: tuple[Sequence[Source], Sequence[Any]]) -> None:
        sources, refused = found
        self._sources = tuple(sources)
        self.table.scans.set_names([source.name for source in sources])
        plural = "" if len(sources) == 1 else "s"
        lines = [f"{len(sources)} scan{plural} found."]
        lines += [f"{one.path.name}: {sentence(one.sentence)}" for one in refused]
        self.found.setText("\n".join(lines))

    def _on_tick(self) -> None:
        """Show what happened since the last tick."""
        waiting = self._job.previews if self._job is not None else deque()
        events = [waiting.popleft() for _ in range(len(waiting))]
        row = -1
        for event in events:
            row = self.table.scans.apply(event)
        if not events:
            return
        last = events[-1]
        self.table.scrollTo(self.table.scans.index(row, 0))
        part = 0.0
        if last.progress is not None and last.progress.total > 0:
            part = last.progress.done / last.progress.total
        self.run.show_progress(
            Progress(
                round(100 * (last.done + part)),
                100 * last.total,
                "",
            )
        )
        left = (
            "" if last.remaining_s is None else f" · {duration(last.remaining_s)} left"
        )
        self.run.line.setText(f"{last.done} of {last.total} scans{left}")

    def _on_done(self, report: BatchReport) -> None:
        self._on_tick()
        folder = short_path(Path(self.output.text()).expanduser())
        saved, failed = len(report.saved), len(report.failed)
        text = f"{saved} of {len(report.results)} masks saved in {folder}."
        if report.was_cancelled:
            self.run.notice.say(f"Cancelled. {text}", "warning")
        elif failed:
            lines = [f"{r.item.name}: {sentence(r.sentence)}" for r in report.failed]
            more = [f"{failed - TOLD_FAILURES} more failed, see the table."]
            told = lines[:TOLD_FAILURES] + more * (failed > TOLD_FAILURES)
            self.run.notice.say("\n".join([text, *told]), "warning")
        elif doubted := sum(bool(r.quality.warnings) for r in report.saved):
            text += f" {doubted} should be looked at: see the warnings in the table."
            self.run.notice.say(text, "warning")
        else:
            self.run.notice.say(text, "done")

    def _on_failed(self, error: BaseException) -> None:
        from napari.utils.notifications import show_error

        text = explain(error)
        self.run.notice.say(text, "error")
        show_error(text)

    def _on_ended(self) -> None:
        self._timer.stop()
        self._is_running = False
        self.run.set_busy(is_busy=False)
        self._refresh()


def _folder_line(tooltip: str) -> QLineEdit:
    """Return a line for the path of a folder."""
    line = QLineEdit()
    line.setToolTip(tooltip)
    line.setAccessibleName(tooltip)
    line.setPlaceholderText("Choose or drop a folder")
    line.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return line


def _folder_of(event: Any) -> Path | None:
    """Return the folder of a drag, None when it is none."""
    for url in event.mimeData().urls():
        path = Path(url.toLocalFile())
        if url.isLocalFile() and path.is_dir():
            return path
    return None
