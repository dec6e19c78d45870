"""Follows the jobs of a study from the window: by their files, twice a second.

Jobs are processes of their own, which outlive the window: whatever is shown is read
from their folders, in a worker, so that a slow disk stops nobody.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QThreadPool, QTimer, Signal

from napari_mednext.ui.job_reading import JobReader, Reading
from napari_mednext.ui.jobs import explain

if TYPE_CHECKING:
    from napari_mednext.app.improve_desk import ImproveDesk
    from napari_mednext.jobs import JobView

__all__ = ["JobWatch"]

logger = logging.getLogger(__name__)
#: How often the files are read, in ms.
WATCH_MS = 500
#: How soon what was read is fetched, in ms.
FETCH_MS = 50


class _Look:
    """One look at the files; it knows nothing of Qt, which may be gone by its end."""

    def __init__(
        self, reader: JobReader, wanted: str | None, *, is_decided: bool
    ) -> None:
        self._reader = reader
        self._wanted = wanted
        self._is_decided = is_decided
        self._over = threading.Event()
        self.reading: Reading | None = None

    @property
    def is_over(self) -> bool:
        """Whether the files were read."""
        return self._over.is_set()

    def __call__(self) -> None:
        """Read the files; called in a worker."""
        try:
            self.reading = self._reader.read(self._wanted, is_decided=self._is_decided)
        except Exception as error:  # a worker has nobody above it
            logger.exception("the jobs cannot be read")
            self.reading = Reading(problem=explain(error))
        finally:
            self._over.set()


class JobWatch(QObject):
    """What is known of the jobs of a study.

    ``changed`` follows a reading with other jobs or states, ``detailChanged`` one with
    more of the chosen job, ``comparisonChanged`` one with another comparison or offer;
    ``jobEnded`` brings the view of a job that ended while somebody watched, ``failed``
    a sentence when the jobs cannot be read any more.

    Parameters
    ----------
    parent : QObject, optional
        As for any object.
    """

    changed = Signal()
    detailChanged = Signal()  # noqa: N815 - Qt's way of writing signals
    comparisonChanged = Signal()  # noqa: N815
    jobEnded = Signal(object)  # noqa: N815
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.reading = Reading()
        self._reader: JobReader | None = None
        self._wanted: str | None = None
        self._look: _Look | None = None
        self._is_decided = self._is_wanted_again = False
        self._ran: set[str] = set()
        self._watch = QTimer(self)
        self._watch.setInterval(WATCH_MS)
        self._watch.timeout.connect(self._on_watch)
        self._fetch = QTimer(self)
        self._fetch.setInterval(FETCH_MS)
        self._fetch.timeout.connect(self._on_fetch)

    @property
    def jobs(self) -> tuple[JobView, ...]:
        """Where the jobs stand, the newest first."""
        return self.reading.jobs

    @property
    def running(self) -> JobView | None:
        """The job that is at work, else the first one that waits or pauses."""
        open_ones = [job for job in self.jobs if not job.is_over]
        working = [job for job in open_ones if str(job.state) == "running"]
        # Those that wait stand in line: the oldest is the next one.
        return next(iter(working or open_ones[::-1]), None)

    @property
    def chosen(self) -> JobView | None:
        """The job whose curves and comparison are read."""
        wanted = self.reading.chosen
        return next((job for job in self.jobs if job.id == wanted), None)

    def follow(self, desk: ImproveDesk | None) -> None:
        """Watch the jobs of another study, or none."""
        self._reader = JobReader(desk) if desk is not None else None
        self._look = None
        self._wanted = None
        self._ran.clear()
        self._fetch.stop()
        self.reading = Reading()
        if desk is None:
            self._watch.stop()
        else:
            self._watch.start()
            self._on_watch()
        self.changed.emit()
        self.detailChanged.emit()
        self.comparisonChanged.emit()

    def choose(self, identity: str) -> None:
        """Tell of another job from now on."""
        self._wanted = identity
        self.look_now()

    def look_now(self, *, is_decided: bool = False) -> None:
        """Read the files as soon as possible: something was done.

        Parameters
        ----------
        is_decided : bool
            Whether somebody decided about a model.
        """
        self._is_decided = self._is_decided or is_decided
        # What is being read now may be of before.
        self._is_wanted_again = self._look is not None
        self._on_watch()

    def _on_watch(self) -> None:
        if self._reader is None or self._look is not None:
            return
        look = _Look(self._reader, self._wanted, is_decided=self._is_decided)
        self._is_decided = False
        self._look = look
        QThreadPool.globalInstance().start(look)
        self._fetch.start()

    def _on_fetch(self) -> None:
        look = self._look
        if look is None or not look.is_over:
            return
        self._look = None
        self._fetch.stop()
        if look.reading is not None:
            self._take(look.reading)
        if self._is_wanted_again:
            self._is_wanted_again = False
            self._on_watch()

    def _take(self, reading: Reading) -> None:
        """Show a reading, and tell what is new in it."""
        before, self.reading = self.reading, reading
        if reading.problem and reading.problem != before.problem:
            self.failed.emit(reading.problem)
        if reading.jobs != before.jobs or reading.chosen != before.chosen:
            self.changed.emit()
        if reading.detail is not before.detail:
            self.detailChanged.emit()
        now = (reading.comparison, reading.offer)
        if now != (before.comparison, before.offer):
            self.comparisonChanged.emit()
        over = {job.id for job in reading.jobs if job.is_over}
        for job in reading.jobs:
            if job.id in self._ran and job.id in over:
                self.jobEnded.emit(job)
        self._ran = {job.id for job in reading.jobs} - over
