"""The jobs of a study: where each stands, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QRectF,
    Qt,
    QUrl,
)
from qtpy.QtGui import QColor, QDesktopServices, QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.controls import ACCENT, NOTICE_COLORS, IconButton, allow
from napari_mednext.ui.icons import pixmap
from napari_mednext.ui.improve_wording import STATES, share_done
from napari_mednext.ui.wording import duration, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.jobs import JobView
    from napari_mednext.ui.improving import Improving

__all__ = ["JobListPanel", "JobModel", "JobTable"]

_SHARE_ROLE = int(Qt.ItemDataRole.UserRole)
_ROW_HEIGHT = 24
#: The table shows so many rows before it scrolls.
_ROWS_SHOWN = 4
_ICONS = {
    "done": "done",
    "stopped": "done",
    "failed": "error",
    "cancelled": "warning",
    "interrupted": "warning",
}
_COLUMNS = ("Job", "State", "Progress", "Left")
_BAR = 2
_BAR_HEIGHT = 3


class JobModel(QAbstractTableModel):
    """Jobs as rows; title, state, progress and the time left as columns."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: tuple[JobView, ...] = ()

    def set_jobs(self, jobs: Sequence[JobView]) -> None:
        """Show other jobs; a selection stays where the same jobs are only further."""
        same = [job.id for job in jobs] == [job.id for job in self._jobs]
        if same:
            self._jobs = tuple(jobs)
            if jobs:
                last = self.index(len(jobs) - 1, len(_COLUMNS) - 1)
                self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self._jobs = tuple(jobs)
        self.endResetModel()

    def job(self, row: int) -> JobView | None:
        """Return the job of a row."""
        return self._jobs[row] if 0 <= row < len(self._jobs) else None

    def row(self, identity: str | None) -> int:
        """Return the row of a job, -1 where it is not shown."""
        return next((r for r, job in enumerate(self._jobs) if job.id == identity), -1)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of jobs."""
        return 0 if parent is not None and parent.isValid() else len(self._jobs)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return four."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        job = self._jobs[index.row()]
        state = str(job.state)
        if role == Qt.ItemDataRole.DisplayRole:
            return _texts(job)[index.column()]
        if role == _SHARE_ROLE and index.column() == _BAR:
            return None if job.is_over else share_done(job)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 1:
            level = _ICONS.get(state)
            return pixmap(level, NOTICE_COLORS[level]) if level else None
        if role in (
            Qt.ItemDataRole.ToolTipRole,
            Qt.ItemDataRole.AccessibleTextRole,
        ):
            return "\n".join(text for text in _told(job) if text)
        return None


def _texts(job: JobView) -> tuple[str, ...]:
    """Return the texts of a row."""
    state = str(job.state)
    shown = STATES.get(state, state)
    if state in ("running", "queued") and job.waiting_for:
        shown = "Waiting"
    if job.is_over:
        done = f"{job.step} of {job.total}" if job.total else ""
    elif job.total and job.phase in ("", "training"):
        done = f"{job.step} of {job.total}"
    else:
        done = job.phase
    left = ""
    if not job.is_over and job.remaining_s is not None:
        left = duration(job.remaining_s)
    return job.title, shown, done, left


def _told(job: JobView) -> tuple[str, ...]:
    """Return all that is known of a job, one line each."""
    waits = f"Waits for {job.waiting_for}." if job.waiting_for else ""
    again = f"Started {job.attempts} times." if job.attempts > 1 else ""
    said = sentence(job.message) if job.message else ""
    title, state, done, left = _texts(job)
    left = f"{left} left" if left else ""
    return title, state, done, left, waits, said, again, f"Begun {job.created}"


class _BarDelegate(QStyledItemDelegate):
    """Paints how much is done below the text."""

    def paint(
        self,
        painter: QPainter | None,
        option: QStyleOptionViewItem,
        index: QModelIndex,
    ) -> None:
        """Paint the text, then the bar: a chosen row would hide it."""
        super().paint(painter, option, index)
        share = index.data(_SHARE_ROLE)
        if painter is not None and share is not None:
            box = QRectF(option.rect).adjusted(3, 0, -3, -2)
            box.setTop(box.bottom() - _BAR_HEIGHT)
            color = QColor(ACCENT)
            color.setAlpha(90)
            painter.fillRect(box, color)
            box.setWidth(box.width() * share)
            painter.fillRect(box, ACCENT.lighter(120))


class JobTable(QTableView):
    """Shows a :class:`JobModel`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.jobs = JobModel()
        self.setModel(self.jobs)
        self.setItemDelegateForColumn(_BAR, _BarDelegate(self))
        self.setAccessibleName("Jobs of the study")
        self.setToolTip("Trainings of this study, the newest first")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, width in ((1, 88), (2, 84), (3, 66)):
            header.resizeSection(column, width)

    def fit(self) -> None:
        """Be as high as the rows need, up to a few."""
        rows = min(max(1, self.jobs.rowCount()), _ROWS_SHOWN)
        head = self.horizontalHeader().sizeHint().height()
        self.setFixedHeight(head + rows * _ROW_HEIGHT + 2 * self.frameWidth())


class JobListPanel(QWidget):
    """The jobs, and the buttons for the one that is chosen.

    Parameters
    ----------
    improving : Improving
    parent : QWidget, optional
        As for any widget.
    """

    def __init__(self, improving: Improving, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._improving = improving
        self._is_filling = False
        self.table = JobTable(self)
        self.empty = QLabel("Nothing was trained in this study yet.", self)
        self.message = QLabel(self)
        self.pause = IconButton("pause", "Pause; what was learned is kept", self)
        self.resume = IconButton("play", "Go on with this job", self)
        self.stop = IconButton("stop", "Stop, and keep the best model so far", self)
        self.cancel = IconButton("close", "Cancel; nothing is kept", self)
        self.folder = IconButton("folder", "Show the folder of this job", self)
        self.delete = IconButton("remove", "Remove this job with its folder", self)
        self._build()
        for button, command in (
            (self.pause, "pause"),
            (self.stop, "stop"),
            (self.cancel, "cancel"),
            (self.delete, "delete"),
        ):
            button.clicked.connect(lambda *_, command=command: self._steer(command))
        self.resume.clicked.connect(self._on_resume)
        self.folder.clicked.connect(self._on_folder)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        improving.watch.changed.connect(self._on_jobs)
        improving.busyChanged.connect(self._refresh)
        self._on_jobs()

    def _build(self) -> None:
        """Lay the parts out."""
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.message, 1)
        for button in (
            self.pause,
            self.resume,
            self.stop,
            self.cancel,
            self.folder,
            self.delete,
        ):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.empty)
        layout.addWidget(self.table)
        layout.addLayout(row)

    def job(self) -> JobView | None:
        """Return the job that is chosen."""
        return self._improving.watch.chosen

    def _on_jobs(self) -> None:
        """Show how the jobs stand."""
        watch = self._improving.watch
        self._is_filling = True
        self.table.jobs.set_jobs(watch.jobs)
        row = self.table.jobs.row(watch.reading.chosen)
        if row >= 0 and row != self.table.currentIndex().row():
            self.table.selectRow(row)
        self._is_filling = False
        self.table.fit()
        self.table.viewport().update()
        self._refresh()

    def _on_row(self, now: QModelIndex, _: QModelIndex) -> None:
        job = self.table.jobs.job(now.row())
        if job is not None and not self._is_filling:
            self._improving.watch.choose(job.id)

    def _refresh(self) -> None:
        """Enable what can be done with the job that is chosen."""
        job = self.job()
        is_any = bool(self._improving.watch.jobs)
        self.table.setVisible(is_any)
        self.empty.setVisible(not is_any and self._improving.desk is not None)
        text = ""
        if job is not None:
            waits = f"waits for {job.waiting_for}" if job.waiting_for else ""
            text = sentence(job.message or waits) if job.message or waits else ""
        self.message.setText(text)
        reasons = _reasons(job, self._improving.refusal)
        if self._improving.is_busy:
            reasons = {
                name: reason
                or (None if name == "folder" else "something is being done")
                for name, reason in reasons.items()
            }
        for name, reason in reasons.items():
            button = getattr(self, name)
            allow(button, reason)
            button.setVisible(is_any)
        state = str(job.state) if job is not None else ""
        self.resume.setVisible(is_any and state in ("paused", "interrupted"))
        self.pause.setVisible(is_any and state not in ("paused", "interrupted"))

    def _steer(self, command: str) -> None:
        job = self.job()
        if job is not None:
            self._improving.steer(job.id, command)

    def _on_resume(self) -> None:
        """Go on with a job that pauses, or whose process is gone."""
        job = self.job()
        if job is not None:
            is_gone = str(job.state) == "interrupted"
            self._steer("start" if is_gone else "resume")

    def _on_folder(self) -> None:
        job, desk = self.job(), self._improving.desk
        if job is not None and desk is not None:
            path = desk.folder(job.id)
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


def _reasons(job: JobView | None, refusal: str | None) -> dict[str, str | None]:
    """Return for every button why it cannot be pressed, None where it can."""
    names = ("pause", "resume", "stop", "cancel", "folder", "delete")
    if job is None:
        return dict.fromkeys(names, "no job is chosen")
    state = str(job.state)
    over = "the job is over" if job.is_over else None
    at_work = None if state in ("running", "queued") else "the job is not running"
    waits = None if state in ("paused", "interrupted") else "the job does not pause"
    return {
        "pause": refusal or over or at_work,
        "resume": refusal or over or waits,
        "stop": refusal or over,
        "cancel": refusal or over,
        "folder": None,
        "delete": refusal or (None if job.is_over else "the job is not over"),
    }
