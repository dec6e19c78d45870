"""Work in a thread, with its outcome brought back to the thread of the windows.

Workers are napari's, so that closing the window asks before work is lost and stops it.
Progress and previews are not sent but fetched: the dock looks at them a few times a
second, however fast they come.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_mednext.errors import Cancelled, MednextError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.progress import Progress

__all__ = ["Job", "explain"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Outcome:
    """How work ended: with a value or with an error."""

    value: object = None
    error: BaseException | None = None


class Job(QObject):
    """One piece of work; ends exactly once, then ``ended`` follows.

    A job is its own cancel flag (``is_set``). It must be made and started in the
    thread of the windows.

    Parameters
    ----------
    work : callable taking the job
        Runs in a thread. It must not touch widgets or layers.
    title : str
        Shown when the window is closed while this runs.
    """

    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()

    def __init__(self, work: Callable[[Job], Any], title: str) -> None:
        super().__init__()
        self._work = work
        self._title = title
        self._cancel = threading.Event()
        self._progress: Progress | None = None
        self._previews: deque[Any] = deque()
        self._worker: Any = None
        self._is_over = False

    def __str__(self) -> str:
        return self._title

    __repr__ = __str__

    def start(self) -> None:
        """Start the work in a thread."""
        from napari.qt.threading import create_worker

        worker = create_worker(_Call(self), _ignore_errors=True)
        worker.returned.connect(self._on_returned)
        worker.finished.connect(self._on_finished)
        self._worker = worker
        worker.start()

    def cancel(self) -> None:
        """Ask the work to stop; it does so within one tile."""
        self._cancel.set()

    def is_set(self) -> bool:
        """Whether the work should stop: cancelled here, or the window was closed."""
        return self._cancel.is_set() or bool(self._worker.abort_requested)

    @property
    def is_over(self) -> bool:
        """Whether the work has ended and its outcome was delivered."""
        return self._is_over

    def report(self, progress: Progress) -> None:
        """Keep the newest progress; called by the work."""
        self._progress = progress

    def show(self, preview: Any) -> None:
        """Keep a preview until it is fetched; called by the work."""
        self._previews.append(preview)

    def take_progress(self) -> Progress | None:
        """Return the newest progress once, None when nothing is new."""
        progress, self._progress = self._progress, None
        return progress

    @property
    def previews(self) -> deque[Any]:
        """The previews that came and were not taken yet, the oldest first."""
        return self._previews

    def outcome(self) -> _Outcome:
        """Do the work, in the thread: the one place where any error is caught."""
        try:
            return _Outcome(self._work(self))
        except Exception as error:
            if not isinstance(error, MednextError):
                logger.exception("%s failed", self._title)
            return _Outcome(error=error)

    def _on_returned(self, outcome: _Outcome) -> None:
        self._is_over = True
        if outcome.error is None:
            self.succeeded.emit(outcome.value)
        elif isinstance(outcome.error, Cancelled):
            self.cancelled.emit()
        else:
            self.failed.emit(outcome.error)

    def _on_finished(self) -> None:
        self._is_over = True
        self.ended.emit()


class _Call:
    """The function of a worker; its text is what napari shows on closing."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self) -> _Outcome:
        return self._job.outcome()

    def __repr__(self) -> str:
        return str(self._job)


def explain(error: BaseException) -> str:
    """Return an error as the one sentence that a user sees."""
    from napari_mednext.ui.wording import sentence

    if isinstance(error, MednextError):
        return sentence(error)
    kind = type(error).__name__
    return sentence(f"something unexpected happened ({kind}: {error}), see the log")
