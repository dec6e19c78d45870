"""Work whose progress a panel shows, and which a person can cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_mednext.ui.jobs import Job, explain

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ShownJob"]

#: How often progress and previews are looked at, in ms.
_LOOK_MS = 100


class ShownJob(QObject):
    """Runs one piece of work at a time for a panel.

    ``changed`` follows when work begins or has ended, ``progressed`` brings a
    `Progress`, ``previewed`` what the work gave to ``job.show``, and one of ``failed``
    with a sentence and ``cancelled`` tells of work that came to nothing.

    Parameters
    ----------
    parent : QObject
        Goes with it; the work is cancelled then.
    """

    changed = Signal()
    progressed = Signal(object)
    previewed = Signal(object)
    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._then: Callable[[Any], object] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._on_look)

    @property
    def is_busy(self) -> bool:
        """Whether the work has not ended."""
        return self._job is not None

    def start(
        self, work: Callable[[Job], Any], title: str, then: Callable[[Any], object]
    ) -> None:
        """Start work in a thread; does nothing while other work runs.

        Parameters
        ----------
        work : callable taking the job
            Must not touch widgets or layers.
        title : str
            Shown when the window is closed while this runs.
        then : callable
            Gets what the work returns, in the thread of the windows.
        """
        if self._job is not None:
            return
        job = Job(work, title)
        self._job, self._then = job, then
        job.succeeded.connect(self._on_succeeded)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)
        job.ended.connect(self._on_ended)
        self.destroyed.connect(job.cancel)
        job.start()
        self._timer.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Ask the work to stop; ``changed`` follows when it has."""
        if self._job is not None:
            self._job.cancel()

    def _on_succeeded(self, value: object) -> None:
        self._on_look()
        if self._then is not None:
            self._then(value)

    def _on_failed(self, error: BaseException) -> None:
        self._on_look()
        self.failed.emit(explain(error))

    def _on_cancelled(self) -> None:
        self._on_look()
        self.cancelled.emit()

    def _on_ended(self) -> None:
        self._timer.stop()
        self._job = self._then = None
        self.changed.emit()

    def _on_look(self) -> None:
        """Pass on what came since the last look."""
        job = self._job
        if job is None:
            return
        waiting = job.previews
        for _ in range(len(waiting)):
            self.previewed.emit(waiting.popleft())
        progress = job.take_progress()
        if progress is not None:
            self.progressed.emit(progress)
