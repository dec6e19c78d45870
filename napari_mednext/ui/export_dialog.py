"""Writing the masks of a study to files: which, where to, under which names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.app.exporting import PATTERN, file_names
from napari_mednext.app.outputs import FILE_FORMATS
from napari_mednext.errors import MednextError
from napari_mednext.study import CaseState
from napari_mednext.ui.case_table import STATE_TITLES
from napari_mednext.ui.controls import (
    NOTICE_COLORS,
    IconButton,
    Rule,
    allow,
    labelled,
)
from napari_mednext.ui.flow_base import timer
from napari_mednext.ui.icons import pixmap
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.run_panel import RunPanel
from napari_mednext.ui.shown_job import ShownJob
from napari_mednext.ui.wording import sentence, short_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.app.exporting import Exported, ExportReport
    from napari_mednext.study import Case
    from napari_mednext.ui.jobs import Job
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["ExportDialog", "ExportTable"]

_SHOWN = "shown"
_OPENED = "opened"
#: The states of cases that can have labels; a new one was never opened.
_WITH_LABELS = tuple(state for state in CaseState if state is not CaseState.NEW)
_PATTERN_HINT = (
    "File name without its ending. {case}, {patient}, {number} (place in the study), "
    "{state} and {study} stand for what they say"
)
_NO_FOLDER = "choose the folder for the masks"
_NO_CASE = "no case is chosen: choose others"
_RUNNING = "the export is running"
#: So many failures are told below the button; the table has them all.
_TOLD = 2
_TYPING_MS = 150
_ROW_HEIGHT = 24


class ExportDialog(QDialog):
    """Exports masks of the study in the window.

    Parameters
    ----------
    flow : StudyFlow
        Whose study is exported; it has one.
    parent : QWidget, optional
        As for any dialog.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._flow = flow
        self._chosen: tuple[Case, ...] = ()
        self._problem: str | None = None
        self._job = ShownJob(self)
        self.folder = QLineEdit(self)
        self.folder_button = IconButton("folder", "Choose the folder for the masks")
        self.which = QComboBox(self)
        self.pattern = QLineEdit(PATTERN, self)
        self.example = QLabel(self)
        self.file_format = QComboBox(self)
        self.overwrite = QCheckBox("&Replace files that exist", self)
        self.provenance = QCheckBox("Write &who made each voxel beside", self)
        self.run = RunPanel("&Export", "Write the masks", self)
        self.table = ExportTable(self)
        self._typing = timer(self, _TYPING_MS, self.refresh, single=True)
        self._build()
        self._connect()
        self._fill_which()
        self.refresh()

    def _build(self) -> None:
        """Lay the parts out."""
        self.setWindowTitle("Export masks")
        self.setMinimumWidth(380)
        self.resize(440, 520)
        self.folder.setToolTip("Folder for the masks; made when it is missing")
        self.folder.setAccessibleName("Folder for the masks")
        self.folder.setPlaceholderText("Choose or type a folder")
        self.which.setToolTip("Whose masks are written")
        self.which.setAccessibleName("Cases to export")
        self.pattern.setToolTip(_PATTERN_HINT)
        self.pattern.setAccessibleName("Naming pattern")
        self.example.setTextFormat(Qt.TextFormat.PlainText)
        self.example.setWordWrap(True)
        self.example.setToolTip("How the first mask will be called")
        self.file_format.addItems(FILE_FORMATS)
        self.file_format.setToolTip("File format of the masks")
        self.file_format.setAccessibleName("File format of the masks")
        self.overwrite.setToolTip(
            "Without this a case whose file is there already is left alone and said so"
        )
        self.provenance.setToolTip(
            "NAME_provenance: for each voxel the model, or a person, and whether "
            "somebody has looked at it"
        )
        self.provenance.setChecked(True)
        self.run.cancel.setText("&Close")
        self.run.cancel.setToolTip("Stop after this case, or close; files stay")
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addLayout(labelled("&Folder", self.folder, self.folder_button))
        layout.addLayout(labelled("C&ases", self.which))
        layout.addLayout(labelled("&Names", self.pattern))
        layout.addWidget(self.example)
        layout.addLayout(labelled("F&ormat", self.file_format))
        layout.addWidget(self.overwrite)
        layout.addWidget(self.provenance)
        layout.addWidget(Rule())
        layout.addWidget(self.run)
        layout.addWidget(self.table, 1)
        layout.addStretch(0)

    def _connect(self) -> None:
        """Wire the parts."""
        self.folder.textChanged.connect(lambda _: self._allow())
        self.folder_button.clicked.connect(self._on_folder)
        self.which.activated.connect(lambda _: self.refresh())
        self.pattern.textChanged.connect(lambda _: self._typing.start())
        self.file_format.activated.connect(lambda _: self.refresh())
        self.run.start.clicked.connect(self.export)
        self.run.cancel.clicked.connect(self.reject)
        self._job.changed.connect(self._on_changed)
        self._job.progressed.connect(self.run.show_progress)
        self._job.previewed.connect(self.table.add)
        self._job.failed.connect(lambda text: self.run.notice.say(text, "error"))

    def _fill_which(self) -> None:
        """Offer groups of cases, with how many each has."""
        study = self._flow.study
        counts = study.counts() if study is not None else {}
        for state in reversed(_WITH_LABELS[:-1]):
            title = f"{STATE_TITLES[state]} ({counts.get(state, 0)})"
            self.which.addItem(title, state.value)
        flagged = CaseState.FLAGGED
        self.which.addItem(
            f"{STATE_TITLES[flagged]} ({counts.get(flagged, 0)})", flagged.value
        )
        shown = len(study.cases(**self._flow.filter)) if study is not None else 0
        self.which.addItem(f"Shown in the list ({shown})", _SHOWN)
        opened = sum(counts.get(state, 0) for state in _WITH_LABELS)
        self.which.addItem(f"All but new ones ({opened})", _OPENED)

    def refresh(self) -> None:
        """Show the first name, and allow what can be done now."""
        self._typing.stop()
        self._problem = self._look()
        self._allow()

    def export(self) -> None:
        """Write the masks of the chosen cases."""
        self.refresh()
        study = self._flow.study
        if study is None or self._job.is_busy or not self.run.start.isEnabled():
            return
        from napari_mednext.app.exporting import export_study

        names = [case.name for case in self._chosen]
        out = Path(self.folder.text().strip())
        options: dict[str, Any] = {
            "pattern": self.pattern.text(),
            "file_format": self.file_format.currentText(),
            "overwrite": self.overwrite.isChecked(),
            "provenance": self.provenance.isChecked(),
        }

        def work(job: Job) -> ExportReport:
            return export_study(
                study,
                out,
                cases=names,
                on_progress=job.report,
                on_result=job.show,
                cancel=job,
                **options,
            )

        self.table.setRowCount(0)
        self._job.start(work, "MedNeXt: exporting masks", self._on_done)

    def reject(self) -> None:
        """Stop the export while it runs, else close."""
        if self._job.is_busy:
            self._job.cancel()
            self.run.allow_cancel("the export is being stopped")
            return
        super().reject()

    def closeEvent(self, event: Any) -> None:
        """Stop the export first; the window stays until it has stopped."""
        if self._job.is_busy:
            event.ignore()
            self.reject()
            return
        super().closeEvent(event)

    def _allow(self) -> None:
        """Allow what can be done now."""
        if self._job.is_busy:
            return
        missing = None if self.folder.text().strip() else _NO_FOLDER
        self.run.allow_start(self._problem or missing)
        self.run.allow_cancel(None)

    def _look(self) -> str | None:
        """Find the chosen cases and how they are named; return why that fails."""
        study = self._flow.study
        if study is None:
            return "no study is open"
        which = self.which.currentData()
        try:
            if which == _SHOWN:
                self._chosen = study.cases(**self._flow.filter)
            else:
                wanted = _WITH_LABELS if which == _OPENED else which
                self._chosen = study.cases(state=wanted)
            names = file_names(study, self._chosen, self.pattern.text())
        except MednextError as error:
            self.example.setText(explain(error))
            return "the names cannot be used: see below them"
        if not names:
            self.example.setText("No case is chosen.")
            return _NO_CASE
        text = f"{names[0]}.{self.file_format.currentText()}"
        more = f", and {len(names) - 1} more" if len(names) > 1 else ""
        self.example.setText(f"{text}{more}")
        return None

    def _on_changed(self) -> None:
        """Lock the form while the export runs."""
        is_busy = self._job.is_busy
        self.run.set_busy(is_busy=is_busy, text="Reading…")
        self.run.cancel.setText("&Cancel" if is_busy else "&Close")
        if is_busy:
            self.run.allow_start(_RUNNING)
        for control in (
            self.folder,
            self.folder_button,
            self.which,
            self.pattern,
            self.file_format,
            self.overwrite,
            self.provenance,
        ):
            allow(control, _RUNNING if is_busy else None)
        self.table.setVisible(self.table.rowCount() > 0 or is_busy)
        self.refresh()

    def _on_done(self, report: ExportReport) -> None:
        """Say how it went; failures are named."""
        folder = short_path(Path(self.folder.text().strip()).expanduser())
        saved, failed = len(report.saved), len(report.failed)
        text = f"{saved} of {len(self._chosen)} masks saved in {folder}."
        if report.was_cancelled:
            self.run.notice.say(f"Cancelled. {text}", "warning")
        elif failed:
            told = [f"{r.case}: {sentence(r.sentence)}" for r in report.failed[:_TOLD]]
            if failed > _TOLD:
                told.append(f"{failed - _TOLD} more failed, see the table.")
            self.run.notice.say("\n".join([text, *told]), "warning")
        else:
            self.run.notice.say(text, "done")

    def _on_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the masks")
        if chosen:
            self.folder.setText(short_path(Path(chosen)))


class ExportTable(QTableWidget):
    """How the export of each case ended: its file, or the sentence why not."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self.setHorizontalHeaderLabels(["Case", "File or reason"])
        self.setAccessibleName("Exported cases")
        self.setToolTip("How each case ended")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.resizeSection(0, 130)
        self._icons = {
            level: QIcon(pixmap(level, NOTICE_COLORS[level]))
            for level in ("done", "error")
        }
        self.hide()

    def add(self, result: Exported) -> None:
        """Add the case that ended last."""
        row = self.rowCount()
        self.insertRow(row)
        path = result.path
        text = sentence(result.sentence) if path is None else path.name
        full = text if path is None else str(path)
        icon = self._icons["error" if path is None else "done"]
        name, what = QTableWidgetItem(icon, result.case), QTableWidgetItem(text)
        for column, item in enumerate((name, what)):
            item.setToolTip(f"{result.case}\n{full}")
            self.setItem(row, column, item)
        self.scrollToBottom()

    def texts(self) -> list[tuple[str, str]]:
        """Return what the rows say."""
        rows: Sequence[int] = range(self.rowCount())
        return [(self.item(row, 0).text(), self.item(row, 1).text()) for row in rows]
