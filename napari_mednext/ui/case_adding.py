"""Adding scans to the study in the window: which ones, and how it went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QWidget,
)

from napari_mednext.ui.controls import IconButton, allow
from napari_mednext.ui.shown_job import ShownJob
from napari_mednext.ui.wording import progress_line, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.app.studies import Added
    from napari_mednext.progress import Progress
    from napari_mednext.ui.jobs import Job
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["CaseAdding"]

#: So many notes are told; more would fill the dock.
_TOLD = 4
_HINT = "Add scans, a folder of them, or a list of cases of another program"


class CaseAdding(QWidget):
    """A line that is there while scans are added, and the button that asks which.

    Parameters
    ----------
    flow : StudyFlow
        Whose study gets the scans.
    parent : QWidget
        As for any widget.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self._job = ShownJob(self)
        self.button = QPushButton("&Add scans…", parent)
        self.button.setToolTip(_HINT)
        menu = QMenu(self.button)
        menu.addAction("A folder…", self._on_folder)
        menu.addAction("Files or a list…", self._on_files)
        self.button.setMenu(menu)
        self.line = QLabel(self)
        self.line.setWordWrap(True)
        self.cancel = IconButton("stop", "Stop adding; what was added stays", self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.cancel)
        self.cancel.clicked.connect(self._job.cancel)
        self._job.changed.connect(self._on_changed)
        self._job.progressed.connect(self._on_progress)
        self._job.failed.connect(lambda text: flow.said.emit(text, "error"))
        self._job.cancelled.connect(
            lambda: flow.said.emit("Cancelled: what was added stays.", "info")
        )
        flow.studyChanged.connect(self._on_study)
        self.hide()
        self.refresh()

    @property
    def is_busy(self) -> bool:
        """Whether scans are being added."""
        return self._job.is_busy

    def refresh(self) -> None:
        """Allow the button, or say why it cannot be pressed."""
        reason = None if self._flow.study is not None else "no study is open"
        allow(self.button, "scans are being added" if self.is_busy else reason)

    def add(self, paths: Sequence[Path]) -> None:
        """Add the cases of files, folders and lists to the study."""
        study = self._flow.study
        if study is None or not paths:
            return
        from napari_mednext.app.studies import add_cases, read_sources

        def work(job: Job) -> tuple[list[Added], dict[Path, str]]:
            found, refused = read_sources(paths)
            added = [
                add_cases(study, cases, on_progress=job.report, cancel=job)
                for cases in found
            ]
            return added, refused

        self.line.setText(f"Reading {paths[0].name}…")
        self._job.start(work, "MedNeXt: adding scans", self._on_added)

    def _on_added(self, outcome: tuple[list[Added], dict[Path, str]]) -> None:
        """Say what was added, what was there, and what was refused."""
        added, refused = outcome
        count = sum(len(each.cases) for each in added)
        known = sum(each.known for each in added)
        lines = [f"{count} case{'' if count == 1 else 's'} added."]
        if known:
            lines[0] += f" {known} {'was' if known == 1 else 'were'} there already."
        told = [f"{path.name}: {sentence(why)}" for path, why in refused.items()]
        told += [sentence(note) for each in added for note in each.notes]
        lines += told[:_TOLD]
        if len(told) > _TOLD:
            lines.append(f"And {len(told) - _TOLD} more notes.")
        level = "error" if not added else "warning" if told else "done"
        self._flow.said.emit("\n".join(lines), level)

    def _on_study(self) -> None:
        self._job.cancel()
        self.refresh()

    def _on_changed(self) -> None:
        self.setVisible(self.is_busy)
        self.refresh()
        if not self.is_busy:
            self._flow.casesChanged.emit()

    def _on_progress(self, progress: Progress) -> None:
        self.line.setText(progress_line(progress))

    def _on_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder with scans")
        if chosen:
            self.add([Path(chosen)])

    def _on_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Scans, or a list of cases")
        self.add([Path(name) for name in chosen])
