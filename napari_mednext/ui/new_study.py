"""Asking what a new study is made from, and making it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.labels import LabelSet
from napari_mednext.study import Study
from napari_mednext.ui.controls import IconButton, Notice, Rule, allow, labelled
from napari_mednext.ui.labels_choice import LabelsChoice
from napari_mednext.ui.model_choice import ModelChoice
from napari_mednext.ui.run_panel import RunPanel
from napari_mednext.ui.shown_job import ShownJob
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.wording import sentence, short_path

if TYPE_CHECKING:
    from napari_mednext.app import Session
    from napari_mednext.app.studies import MadeStudy
    from napari_mednext.study import CaseList
    from napari_mednext.ui.jobs import Job

__all__ = ["NewStudy", "NewStudyDialog", "ask_new_study"]

#: So many notes are told; more would fill the window.
_TOLD_NOTES = 4
_SOURCE_HINT = (
    "A folder of scans, of an nnU-Net dataset or of MONAI Label; or a list of cases "
    "of 3D Slicer (CSV) or MITK (JSON)"
)
_NO_SOURCE = "choose the scans, or a list of them"
_MAKING = "the study is being made"


@dataclass(frozen=True)
class NewStudy:
    """A study that was made: open, with the model that segments its cases, if any."""

    study: Study
    model: Path | None


def ask_new_study(
    session: Session, source: Path | None, parent: QWidget | None
) -> NewStudy | None:
    """Ask what a new study is made from, and make it; blocks until the window closes.

    Parameters
    ----------
    session : Session
        Whose installed models are offered.
    source : Path, optional
        What to begin with.
    parent : QWidget, optional
        The window it belongs to.

    Returns
    -------
    NewStudy or None
        None when it was cancelled.
    """
    dialog = NewStudyDialog(session, parent)
    if source is not None:
        dialog.use_source(source)
    dialog.exec()
    dialog.deleteLater()
    return dialog.made


class NewStudyDialog(QDialog):
    """The form of a new study.

    Parameters
    ----------
    session : Session
        Whose installed models are offered.
    parent : QWidget, optional
        As for any dialog.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        #: The study, once it is made.
        self.made: NewStudy | None = None
        self._cases: CaseList | None = None
        self._read: str = ""
        self._reading = SingleJob(self)
        self._making = ShownJob(self)
        self.source = QLineEdit(self)
        self.source_folder = IconButton("folder", "Choose a folder of scans", self)
        self.source_file = IconButton("file", "Choose a list of cases", self)
        self.found = QLabel(self)
        self.notes = Notice(self)
        self.folder = QLineEdit(self)
        self.folder_button = IconButton("folder", "Choose where the study goes", self)
        self.name = QLineEdit(self)
        self.model = ModelChoice(session, self)
        self.labels = LabelsChoice(self)
        self.copy = QCheckBox("&Copy the images into the study", self)
        self.run = RunPanel("&Make study", "Make the study", self)
        self._build()
        self._connect()
        self._offer_labels()
        self.refresh()

    def _build(self) -> None:
        """Lay the parts out."""
        self.setWindowTitle("New study")
        self.setMinimumWidth(380)
        self.resize(460, 420)
        for line, hint, placeholder in (
            (self.source, _SOURCE_HINT, "Folder of scans, or a list of cases"),
            (self.folder, "Folder of the study; made when it is missing", ""),
            (self.name, "What the study is called", "As its folder"),
        ):
            line.setToolTip(hint)
            line.setAccessibleName(hint)
            line.setPlaceholderText(placeholder)
        self.copy.setToolTip(
            "Otherwise they stay where they are, and the study points to them"
        )
        self.run.cancel.setToolTip("Close without a study; stops what is running")
        self.found.setWordWrap(True)
        self.found.setTextFormat(Qt.TextFormat.PlainText)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addLayout(
            labelled("&Scans", self.source, self.source_folder, self.source_file)
        )
        layout.addWidget(self.found)
        layout.addWidget(self.notes)
        layout.addWidget(self.copy)
        layout.addWidget(Rule())
        layout.addLayout(labelled("&Folder", self.folder, self.folder_button))
        layout.addLayout(labelled("&Name", self.name))
        layout.addLayout(labelled("M&odel", self.model))
        layout.addLayout(labelled("&Labels", self.labels))
        layout.addWidget(self.labels.line)
        layout.addWidget(Rule())
        layout.addWidget(self.run)
        layout.addStretch(1)

    def _connect(self) -> None:
        """Wire the parts."""
        self.source.editingFinished.connect(self._on_source)
        self.source_folder.clicked.connect(self._on_source_folder)
        self.source_file.clicked.connect(self._on_source_file)
        self.folder.textChanged.connect(lambda _: self.refresh())
        self.folder_button.clicked.connect(self._on_folder)
        self.model.modelChosen.connect(self._offer_labels)
        self.model.refused.connect(lambda text: self.run.notice.say(text, "error"))
        self.labels.told.connect(self.run.notice.say)
        self.run.start.clicked.connect(self.make)
        self.run.cancel.clicked.connect(self.reject)
        self._reading.failed.connect(self._on_unreadable)
        self._reading.changed.connect(self.refresh)
        self._making.changed.connect(self._on_making)
        self._making.progressed.connect(self.run.show_progress)
        self._making.failed.connect(lambda text: self.run.notice.say(text, "error"))
        self._making.cancelled.connect(
            lambda: self.run.notice.say("Cancelled: nothing was made.", "info")
        )

    # ---- what a user does ----

    def use_source(self, path: Path) -> None:
        """Read the cases of a folder or a list, and propose a folder and a name."""
        from napari_mednext.app.studies import read_source

        path = path.expanduser().absolute()
        self._cases, self._read = None, short_path(path)
        self.source.setText(self._read)
        self.found.setText("Reading…")
        self.notes.say("")
        stem = path.name.split(".")[0] if path.is_file() else path.name
        if not self.folder.isModified():
            self.folder.setText(short_path(_free(path.with_name(f"{stem}_study"))))
        if not self.name.isModified():
            self.name.setText(stem)
        self._reading.start(
            lambda _: read_source(path), f"MedNeXt: reading {stem}", self._on_read
        )

    def make(self) -> None:
        """Make the study; once it is made, close."""
        if self.made is not None:
            self.accept()
            return
        cases = self._cases
        if cases is None or self._making.is_busy or not self.run.start.isEnabled():
            return
        from napari_mednext.app.studies import make_study

        folder = Path(self.folder.text().strip())
        options: dict[str, Any] = {
            "labels": self.labels.labels(),
            "model": self.model.path(),
            "name": self.name.text().strip(),
            "copy_images": self.copy.isChecked(),
        }

        def work(job: Job) -> MadeStudy:
            return make_study(
                folder, cases, on_progress=job.report, cancel=job, **options
            )

        self._making.start(work, "MedNeXt: making a study", self._on_made)

    def reject(self) -> None:
        """Stop the making while it runs, else close."""
        if self._making.is_busy:
            self._making.cancel()
            self.run.allow_cancel("the making is being stopped")
            return
        self._reading.drop()
        super().reject()

    def closeEvent(self, event: Any) -> None:
        """Stop the making first; the window stays until it has stopped."""
        if self._making.is_busy:
            event.ignore()
        self.reject()

    def refresh(self) -> None:
        """Say what is found, and allow what can be done now."""
        is_busy = self._making.is_busy
        self.found.setVisible(bool(self.found.text()))
        reason = None
        if self._cases is None:
            reason = "the scans are being read" if self._reading.is_busy else _NO_SOURCE
        elif not self.folder.text().strip():
            reason = "choose a folder for the study"
        self.run.allow_start(_MAKING if is_busy else reason)
        if not is_busy:
            self.run.allow_cancel(None)
        for control in (
            self.source,
            self.source_folder,
            self.source_file,
            self.folder,
            self.folder_button,
            self.name,
            self.copy,
        ):
            allow(control, _MAKING if is_busy else None)
        for choice in (self.model, self.labels):
            choice.allow(_MAKING if is_busy else None)

    # ---- inside ----

    def _offer_labels(self) -> None:
        """Offer the labels of what is chosen now."""
        listed = self._cases.labels if self._cases is not None else LabelSet()
        self.labels.offer(listed, self.model.chosen())

    def _on_source(self) -> None:
        text = self.source.text().strip()
        if text and text != self._read:
            self.use_source(Path(text))

    def _on_source_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of scans")
        if chosen:
            self.use_source(Path(chosen))

    def _on_source_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "List of cases")
        if chosen:
            self.use_source(Path(chosen))

    def _on_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of the study")
        if chosen:
            self.folder.setText(short_path(Path(chosen)))
            self.folder.setModified(True)

    def _on_read(self, cases: CaseList) -> None:
        """Say what was found."""
        self._cases = cases
        count = len(cases.entries)
        kind = cases.kind[:1].upper() + cases.kind[1:]
        self.found.setText(f"{kind}: {count} case{'' if count == 1 else 's'}.")
        told = [sentence(note) for note in cases.notes[:_TOLD_NOTES]]
        if len(cases.notes) > _TOLD_NOTES:
            told.append(f"And {len(cases.notes) - _TOLD_NOTES} more notes.")
        self.notes.say("\n".join(told), "warning")
        self._offer_labels()
        self.refresh()

    def _on_unreadable(self, text: str) -> None:
        self.found.clear()
        self.notes.say(text, "error")
        self.refresh()

    def _on_making(self) -> None:
        self.run.set_busy(is_busy=self._making.is_busy, text="Making the study…")
        self.refresh()

    def _on_made(self, made: MadeStudy) -> None:
        """Close, or say first which images could not be copied."""
        self.made = NewStudy(made.study, self.model.path())
        if not made.not_copied:
            self.accept()
            return
        told = [f"{n}: {sentence(why)}" for n, why in made.not_copied.items()]
        lines = ["The study is made. These images stay where they are:", *told]
        self.run.notice.say("\n".join(lines[: _TOLD_NOTES + 1]), "warning")
        self.run.start.setText("&Open study")


def _free(path: Path) -> Path:
    """Return a path, with a number where it is taken."""
    free, number = path, 2
    while free.exists():
        free, number = path.with_name(f"{path.name}_{number}"), number + 1
    return free
