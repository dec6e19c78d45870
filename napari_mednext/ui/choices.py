"""Questions asked while a volume is opened: which series, which frame."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QThread
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.errors import Cancelled, ChannelError
from napari_mednext.ui.wording import TIMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_mednext.formats import Series, Source
    from napari_mednext.volume import Volume

__all__ = [
    "FrameDialog",
    "ListDialog",
    "ask_frame",
    "ask_series",
    "ask_source",
    "open_with_choices",
    "series_line",
]


def series_line(series: Series) -> str:
    """Return a series as one line: description, modality, size."""
    size = f" {TIMES} ".join(str(n) for n in reversed(series.shape))
    parts = [series.description or "(no description)", series.modality, size]
    return " · ".join(part for part in parts if part)


class ListDialog(QDialog):
    """Lists what can be opened; Enter or a double click opens the chosen line."""

    def __init__(
        self,
        question: str,
        lines: Sequence[str],
        *,
        hints: Sequence[str] = (),
        first: int = 0,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Choose a volume")
        self.setMinimumWidth(460)
        self.list = QListWidget(self)
        self.list.setToolTip("Enter opens the chosen line")
        self.list.setAccessibleName(question)
        for line, hint in zip_longest(lines, hints, fillvalue=""):
            item = QListWidgetItem(line)
            item.setToolTip(hint)
            self.list.addItem(item)
        self.list.setCurrentRow(first)
        self.list.itemActivated.connect(self.accept)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(question))
        layout.addWidget(self.list)
        layout.addWidget(_buttons(self))

    def chosen(self) -> int:
        """Return the index of the chosen line."""
        return int(self.list.currentRow())


class FrameDialog(QDialog):
    """Asks for one frame of a volume that changes over time."""

    def __init__(self, frames: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Choose a frame")
        self.frame = QSpinBox(self)
        self.frame.setRange(1, frames)
        self.frame.setToolTip(f"Which of the {frames} frames to open, from 1")
        self.frame.setAccessibleName("Frame")
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"This file holds {frames} frames. Open which one?"))
        layout.addWidget(self.frame)
        layout.addWidget(_buttons(self))

    def chosen(self) -> int:
        """Return the index of the chosen frame, from 0."""
        return int(self.frame.value()) - 1


def ask_series(series: Sequence[Series], parent: QWidget | None = None) -> str:
    """Return the uid of the series to open; asks when there are several.

    Where nobody can be asked it is the one with the most files.

    Raises
    ------
    Cancelled
        If the question was closed without an answer.
    """
    sizes = [len(one.files) for one in series]
    largest = sizes.index(max(sizes))
    if len(series) == 1 or not _can_ask():
        return series[largest].uid
    dialog = ListDialog(
        f"This folder holds {len(series)} series. Open which one?",
        [series_line(one) for one in series],
        hints=["\n".join([f"{len(one.files)} files", *one.notes]) for one in series],
        first=largest,
        parent=parent,
    )
    return series[_answer(dialog)].uid


def ask_source(sources: Sequence[Source], parent: QWidget | None = None) -> Source:
    """Return the volume to open of those found in a folder; asks.

    Raises
    ------
    Cancelled
        If the question was closed without an answer.
    """
    dialog = ListDialog(
        f"This folder holds {len(sources)} volumes. Open which one?",
        [source.name for source in sources],
        hints=["\n".join(str(p) for p in source.paths[:5]) for source in sources],
        parent=parent,
    )
    return sources[_answer(dialog)]


def ask_frame(frames: int, parent: QWidget | None = None) -> int:
    """Return the index of the frame to open; asks.

    Raises
    ------
    Cancelled
        If the question was closed without an answer.
    """
    return _answer(FrameDialog(frames, parent))


def open_with_choices(paths: Sequence[Path], parent: QWidget | None = None) -> Volume:
    """Open a volume and ask what has to be asked; blocks until it is read.

    Parameters
    ----------
    paths : sequence of Path
        One file, one DICOM folder, or the files of the channels.
    parent : QWidget, optional
        Where questions appear.

    Returns
    -------
    Volume
        In its native orientation.

    Raises
    ------
    Cancelled
        If a question was closed without an answer.
    FormatError
        If there is no volume that can be read.
    ChannelError
        If a frame has to be chosen and nobody can be asked.
    """
    from napari_mednext import formats

    target = list(paths) if len(paths) > 1 else paths[0]
    series = None
    if len(paths) == 1 and paths[0].is_dir():
        found = formats.list_series(paths[0])
        series = ask_series(found, parent) if found else None
    try:
        return formats.open_volume(target, series=series)
    except ChannelError as error:
        if error.frames < 2 or not _can_ask():
            raise
        frame = ask_frame(error.frames, parent)
    return formats.open_volume(target, series=series, frame=frame)


def _answer(dialog: ListDialog | FrameDialog) -> int:
    """Show a question and return what was chosen."""
    if dialog.exec() != QDialog.DialogCode.Accepted:
        msg = "nothing was chosen"
        raise Cancelled(msg)
    return dialog.chosen()


def _buttons(dialog: QDialog) -> QDialogButtonBox:
    """Return Open and Cancel, wired to a dialog."""
    buttons = QDialogButtonBox(
        QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
    )
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons


def _can_ask() -> bool:
    """Whether this is the thread of a running application with windows."""
    application = QCoreApplication.instance()
    return (
        isinstance(application, QApplication)
        and QThread.currentThread() is application.thread()
    )
