"""Questions asked while a volume is opened: which series, which frame."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_mednext.formats import Series
    from napari_mednext.volume import Volume

__all__ = [
    "FrameDialog",
    "SeriesDialog",
    "ask_frame",
    "ask_series",
    "open_with_choices",
    "series_line",
]


def series_line(series: Series) -> str:
    """Return a series as one line: description, modality, size."""
    size = " × ".join(str(n) for n in reversed(series.shape))
    parts = [series.description or "(no description)", series.modality, size]
    return " · ".join(part for part in parts if part)


class SeriesDialog(QDialog):
    """Lists the series of a DICOM folder, the largest one chosen."""

    def __init__(self, series: Sequence[Series], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Choose a series")
        self.setMinimumWidth(460)
        self.list = QListWidget(self)
        self.list.setToolTip("The series in this folder; Enter opens the chosen one")
        self.list.setAccessibleName("Series")
        for one in series:
            item = QListWidgetItem(series_line(one))
            item.setToolTip("\n".join([f"{len(one.files)} files", *one.notes]))
            self.list.addItem(item)
        sizes = [len(one.files) for one in series]
        self.list.setCurrentRow(sizes.index(max(sizes)) if sizes else 0)
        self.list.itemActivated.connect(self.accept)
        heading = QLabel(f"This folder holds {len(series)} series. Open which one?")
        layout = QVBoxLayout(self)
        layout.addWidget(heading)
        layout.addWidget(self.list)
        layout.addWidget(_buttons(self))

    def chosen(self) -> int:
        """Return the index of the chosen series."""
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

    Raises
    ------
    Cancelled
        If the question was closed without an answer.
    """
    if len(series) == 1 or not _can_ask():
        return series[0].uid
    dialog = SeriesDialog(series, parent)
    if dialog.exec() != QDialog.DialogCode.Accepted:
        msg = "no series was chosen"
        raise Cancelled(msg)
    return series[dialog.chosen()].uid


def ask_frame(frames: int, parent: QWidget | None = None) -> int:
    """Return the index of the frame to open; asks.

    Raises
    ------
    Cancelled
        If the question was closed without an answer.
    """
    dialog = FrameDialog(frames, parent)
    if dialog.exec() != QDialog.DialogCode.Accepted:
        msg = "no frame was chosen"
        raise Cancelled(msg)
    return dialog.chosen()


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
        frames = getattr(error, "frames", 0)
        if frames < 2 or not _can_ask():
            raise
        return formats.open_volume(
            target, series=series, frame=ask_frame(frames, parent)
        )


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
