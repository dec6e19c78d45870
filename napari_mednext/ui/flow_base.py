"""What every part of the way through a study needs: state, signals, workers."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_mednext.ui.jobs import Job, explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.app import Session
    from napari_mednext.app.desk import Desk
    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.study import Study
    from napari_mednext.ui.case_layers import CaseLayers
    from napari_mednext.ui.corrected_layer import Labels

__all__ = ["FlowBase", "Phase", "timer"]

#: Progress of a worker is looked at this often, in ms.
TICK_MS = 100


class Phase(Enum):
    """What the flow is doing."""

    EMPTY = auto()
    IDLE = auto()
    OPENING = auto()
    WORKING = auto()


class FlowBase(QObject):
    """State, signals and workers of a study in a window.

    Signals: ``studyChanged`` after a study was opened or closed, ``caseOpened`` and
    ``caseClosed`` with the case, ``labelsChanged`` a moment after any change of its
    labels, ``casesChanged`` when states in the list may differ, ``phaseChanged``,
    ``progressed`` with the progress of a worker, ``savedChanged`` when more or fewer
    steps may be on disk, ``said`` with a sentence and one of info, done, warning,
    error.

    Parameters
    ----------
    viewer : napari viewer
    session : Session
        Whose engine segments.
    parent : QObject
        Goes with it.
    """

    studyChanged = Signal()  # noqa: N815 - Qt's way of writing signals
    caseOpened = Signal(object)  # noqa: N815
    caseClosed = Signal(object)  # noqa: N815
    labelsChanged = Signal()  # noqa: N815
    casesChanged = Signal()  # noqa: N815
    phaseChanged = Signal()  # noqa: N815
    progressed = Signal(object)
    savedChanged = Signal()  # noqa: N815
    said = Signal(str, str)

    def __init__(self, viewer: Any, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.session = session
        self.desk: Desk | None = None
        self.case: OpenCase | None = None
        self.layers: CaseLayers | None = None
        self._phase = Phase.EMPTY
        self._job: Job | None = None
        self._background: list[Job] = []
        self._tick = timer(self, TICK_MS, self._on_tick)

    @property
    def phase(self) -> Phase:
        """What the flow is doing."""
        return self._phase

    @property
    def study(self) -> Study | None:
        """The open study."""
        return self.desk.study if self.desk is not None else None

    @property
    def layer(self) -> Labels | None:
        """The labels layer of the case in hand, None when it is not on screen."""
        if self.layers is None or not self.layers.are_there:
            return None
        return self.layers.labels

    @property
    def pending(self) -> int:
        """How many steps are not on disk yet."""
        journal = self.case.editing.journal if self.case is not None else None
        return journal.pending if journal is not None else 0

    def why_not_editable(self) -> str | None:
        """Return why the labels cannot be changed now, None when they can."""
        if self.case is None:
            return "no case is open"
        if self.case.is_read_only:
            return self.case.holder
        if self.layer is None:
            return "the labels layer was removed, open the case again"
        if self._phase is Phase.WORKING:
            return "something is being computed"
        return None

    def cancel(self) -> None:
        """Stop what is being opened or computed."""
        if self._job is not None:
            self._job.cancel()

    def _run(
        self,
        work: Callable[[Job], Any],
        title: str,
        then: Callable[[Any], object],
        phase: Phase,
        *,
        unwanted: Callable[[Any], object] | None = None,
    ) -> None:
        """Do work that the window waits for; ``unwanted`` gets what comes too late."""
        task = _Task(work, then, unwanted)
        job = Job(task, title)
        self._job = job

        def is_wanted() -> bool:
            """Be idle again; False when nobody waits for this job any more."""
            if self._job is not job:
                return False
            self._forget_job()
            self._set_phase(Phase.IDLE)
            return True

        def succeeded(value: Any) -> None:
            # Idle first, so that what comes next can begin.
            tell = task.then if is_wanted() else task.otherwise
            if tell is not None:
                tell(value)

        def say(text: str, level: str) -> None:
            if is_wanted():
                self.said.emit(text, level)

        def ended() -> None:
            is_wanted()  # where napari has stopped it, nothing else is told
            task.clear()

        job.succeeded.connect(succeeded)
        job.failed.connect(lambda error: say(explain(error), "error"))
        job.cancelled.connect(lambda: say("Cancelled.", "info"))
        job.ended.connect(ended)
        self._set_phase(phase)
        self._tick.start()
        job.start()

    def _forget_job(self) -> None:
        """Wait for no job any more."""
        self._job = None
        self._tick.stop()

    def _in_background(
        self,
        work: Callable[[Job], Any],
        title: str,
        then: Callable[[Any], object],
        failed: Callable[[BaseException], object] | None = None,
    ) -> None:
        """Do work that nobody waits for; told of while the study is open."""
        task, desk = _Task(work, then, failed), self.desk
        job = Job(task, title)

        def succeeded(value: Any) -> None:
            if self.desk is desk and task.then is not None:
                task.then(value)

        def went_wrong(error: BaseException) -> None:
            if self.desk is not desk:
                return
            if task.otherwise is not None:
                task.otherwise(error)
            else:
                self.said.emit(explain(error), "error")

        def ended() -> None:
            self._background.remove(job)
            task.clear()

        self._background.append(job)
        job.succeeded.connect(succeeded)
        job.failed.connect(went_wrong)
        job.ended.connect(ended)
        job.start()

    @property
    def is_busy_behind(self) -> bool:
        """Whether something is saved or made ready in the background."""
        return bool(self._background)

    def _on_tick(self) -> None:
        progress = self._job.take_progress() if self._job is not None else None
        if progress is not None:
            self.progressed.emit(progress)

    def _set_phase(self, phase: Phase) -> None:
        if phase is not self._phase:
            self._phase = phase
            self.phaseChanged.emit()


class _Task:
    """Work and what follows it; forgotten at its end, since Qt may keep jobs longer.

    With them it would keep whole cases in memory.
    """

    def __init__(
        self,
        work: Callable[[Job], Any],
        then: Callable[[Any], object],
        otherwise: Callable[[Any], object] | None,
    ) -> None:
        self._work: Callable[[Job], Any] | None = work
        self.then: Callable[[Any], object] | None = then
        self.otherwise = otherwise

    def __call__(self, job: Job) -> Any:
        return self._work(job) if self._work is not None else None

    def clear(self) -> None:
        """Forget everything."""
        self._work = self.then = self.otherwise = None


def timer(
    parent: QObject,
    interval_ms: int,
    slot: Callable[[], object],
    *,
    single: bool = False,
) -> QTimer:
    """Return a timer that is not started."""
    timer = QTimer(parent)
    timer.setInterval(interval_ms)
    timer.setSingleShot(single)
    timer.timeout.connect(slot)
    return timer
