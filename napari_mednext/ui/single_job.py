"""One piece of work at a time for a panel; what is started last is what counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.wording import progress_line

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SingleJob"]

#: How often progress is looked at, in ms.
_LOOK_MS = 200


class SingleJob(QObject):
    """Runs jobs for a panel: delivers the outcome of the newest, drops that of others.

    ``changed`` follows whenever work begins or ends, ``progressed`` and ``failed``
    bring a sentence.
    """

    changed = Signal()
    progressed = Signal(str)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._newest = 0
        # Those that were dropped are kept until they end: a QObject must not be deleted
        # by the thread that lets go of it last.
        self._jobs: dict[int, Job] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._on_look)

    @property
    def is_busy(self) -> bool:
        """Whether the newest work has not ended."""
        return self._newest in self._jobs

    def start(
        self, work: Callable[[Job], Any], title: str, then: Callable[[Any], None]
    ) -> None:
        """Start work in a thread, and drop what runs.

        Parameters
        ----------
        work : callable taking the job
            Must not touch widgets or layers.
        title : str
            Shown when the window is closed while this runs.
        then : callable
            Gets what the work returns, in the thread of the windows.
        """
        self.drop()
        number = self._newest
        job = Job(work, title)
        self._jobs[number] = job
        job.succeeded.connect(lambda value: self._deliver(number, then, value))
        job.failed.connect(
            lambda error: self._deliver(number, self.failed.emit, explain(error))
        )
        job.ended.connect(lambda: self._on_ended(number))
        job.start()
        self._timer.start()
        self.changed.emit()

    def drop(self) -> None:
        """Cancel what runs; its outcome is not delivered."""
        was_busy = self.is_busy
        if was_busy:
            self._jobs[self._newest].cancel()
        self._newest += 1
        if was_busy:
            self._timer.stop()
            self.changed.emit()

    def _deliver(self, number: int, then: Callable[[Any], None], value: Any) -> None:
        if number == self._newest:
            then(value)

    def _on_ended(self, number: int) -> None:
        self._jobs.pop(number, None)
        if number == self._newest:
            self._timer.stop()
            self.changed.emit()

    def _on_look(self) -> None:
        job = self._jobs.get(self._newest)
        progress = job.take_progress() if job is not None else None
        if progress is not None:
            self.progressed.emit(progress_line(progress))
