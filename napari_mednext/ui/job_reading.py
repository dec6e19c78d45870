"""What the files of a study's jobs say, read in a worker and ready to be shown."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.app.improve_outcome import Comparison
from napari_mednext.errors import MednextError
from napari_mednext.jobs import JobView
from napari_mednext.training.history import History
from napari_mednext.ui.jobs import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.app.improve_desk import ImproveDesk

__all__ = ["Curve", "JobDetail", "JobReader", "Reading", "thinned"]

_LOG = logging.getLogger(__name__)
#: A curve is drawn with so many points at most.
MOST_POINTS = 500
#: So many of the newest jobs that ended are looked at for a model to decide about.
LOOKED_AT = 5
#: States in which a job may have made a model.
_WITH_MODEL = ("done", "stopped")


@dataclass(frozen=True)
class Curve:
    """Values over steps, thinned for drawing."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JobDetail:
    """How a job went so far.

    ``part`` is what is trained now, ``examples`` are steps with their pictures, the
    oldest first; ``text`` is the phase in words.
    """

    job: str
    part: str = ""
    text: str = ""
    total: int = 0
    loss: Curve | None = None
    smooth: Curve | None = None
    dice: Mapping[str, Curve] = field(default_factory=dict)
    examples: tuple[tuple[int, Path], ...] = ()
    log: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Reading:
    """All that is shown of the jobs of a study at one moment.

    ``comparison`` is that of the chosen job, ``offer`` the newest that nobody has
    decided about; ``detail`` is the same object as before when nothing happened.
    """

    jobs: tuple[JobView, ...] = ()
    chosen: str | None = None
    detail: JobDetail | None = None
    comparison: Comparison | None = None
    offer: Comparison | None = None
    problem: str = ""


class _Trace:
    """The events of one job, read on from where the last look ended."""

    def __init__(self, job: str) -> None:
        self.job = job
        self._offset = 0
        self._history = History()
        self._part = self._text = ""
        self._examples: dict[int, Path] = {}
        self._log = ""
        self._detail: JobDetail | None = None

    def read(self, desk: ImproveDesk) -> JobDetail:
        """Read on; the same object as before when nothing happened."""
        events, self._offset = desk.events(self.job, self._offset)
        log = desk.log(self.job)
        if self._detail is not None and not events and log == self._log:
            return self._detail
        self._log = log
        folder = desk.folder(self.job)
        for event in events:
            self._take(event, folder)
        self._detail = self._told()
        return self._detail

    def _take(self, event: dict[str, Any], folder: Path) -> None:
        """Take one event; a damaged one is left out."""
        try:
            self._history.add(event)
            match event.get("event"):
                case "start":
                    self._part = str(event.get("part", ""))
                case "phase":
                    self._text = str(event.get("text") or event.get("phase", ""))
                case "examples":
                    self._examples[int(event["step"])] = folder / str(event["file"])
        except (KeyError, TypeError, ValueError):
            _LOG.info("an event of %s is damaged", self.job, exc_info=True)

    def _told(self) -> JobDetail:
        """Return what is known by now."""
        history = self._history
        steps = [point.step for point in history.points]
        loss = smooth = None
        if steps:
            loss = thinned(steps, [point.loss for point in history.points])
            smooth = thinned(steps, history.smoothed())
        dice = {}
        for name in history.classes:
            seen = [v for v in history.validations if name in v.dice]
            dice[name] = thinned([v.step for v in seen], [v.dice[name] for v in seen])
        return JobDetail(
            self.job,
            self._part,
            self._text,
            history.total,
            loss,
            smooth,
            dice,
            tuple(sorted(self._examples.items())),
            self._log,
            tuple(history.notes),
        )


def thinned(
    steps: Sequence[float], values: Sequence[float], most: int = MOST_POINTS
) -> Curve:
    """Return a curve with few points: means of neighbours, the ends kept in place.

    Parameters
    ----------
    steps, values : (n,) sequences of numbers
        Values that are not finite are left out.
    most : int
        Points at most.
    """
    x, y = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    is_known = np.isfinite(y)
    x, y = x[is_known], y[is_known]
    if len(x) <= most:
        return Curve(x, y)
    edges = np.linspace(0, len(x), most + 1).astype(int)
    counts = np.diff(edges)
    means = [np.add.reduceat(each, edges[:-1]) / counts for each in (x, y)]
    # The newest value must be seen as it is.
    means[0][-1], means[1][-1] = x[-1], y[-1]
    return Curve(means[0], means[1])


class JobReader:
    """Reads the jobs of a study; used by one thread at a time.

    Parameters
    ----------
    desk : ImproveDesk
    """

    def __init__(self, desk: ImproveDesk) -> None:
        self._desk = desk
        self._trace: _Trace | None = None
        self._comparisons: dict[str, Comparison | None] = {}
        self._was: dict[str, str] = {}
        self._is_first = True

    def read(self, wanted: str | None, *, is_decided: bool = False) -> Reading:
        """Return what there is.

        Parameters
        ----------
        wanted : str, optional
            The job to tell of; the newest by default, and where it is gone.
        is_decided : bool
            Whether somebody decided about a model since the last reading.
        """
        try:
            return self._read(wanted, is_decided=is_decided)
        except (MednextError, OSError) as error:
            return Reading(problem=explain(error))

    def _read(self, wanted: str | None, *, is_decided: bool) -> Reading:
        problem = ""
        if self._is_first:
            self._is_first = False
            try:
                self._desk.revive()
            except (MednextError, OSError) as error:
                problem = explain(error)
        jobs = self._desk.jobs()
        states = {job.id: str(job.state) for job in jobs}
        if is_decided or states != self._was:
            self._comparisons.clear()
            self._was = states
        chosen = wanted if wanted in states else (jobs[0].id if jobs else None)
        detail = comparison = None
        if chosen is not None:
            detail = self._detail(chosen)
            if states[chosen] in _WITH_MODEL:
                comparison = self._comparison(chosen)
        return Reading(jobs, chosen, detail, comparison, self._offer(jobs), problem)

    def _detail(self, job: str) -> JobDetail | None:
        """Return how a job went; None where its folder has just been removed."""
        if self._trace is None or self._trace.job != job:
            self._trace = _Trace(job)
        try:
            return self._trace.read(self._desk)
        except (MednextError, OSError):
            _LOG.info("%s cannot be read", job, exc_info=True)
            return None

    def _offer(self, jobs: Sequence[JobView]) -> Comparison | None:
        """Return the newest comparison that nobody has decided about."""
        over = [job.id for job in jobs if str(job.state) in _WITH_MODEL]
        for job in over[:LOOKED_AT]:
            found = self._comparison(job)
            if found is not None and found.decision == "open":
                return found
        return None

    def _comparison(self, job: str) -> Comparison | None:
        """Return the comparison of a job, read once until something changes."""
        if job not in self._comparisons:
            try:
                self._comparisons[job] = self._desk.comparison(job)
            except (MednextError, OSError, LookupError, ValueError):
                _LOG.warning("the comparison of %s cannot be read", job, exc_info=True)
                self._comparisons[job] = None
        return self._comparisons[job]
