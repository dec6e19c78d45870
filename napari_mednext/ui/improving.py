"""Improving the model of the study in a window: what its docks share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_mednext.errors import MednextError
from napari_mednext.progress import check_cancelled
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.ui.flow_base import Phase, timer
from napari_mednext.ui.improve_wording import ending
from napari_mednext.ui.job_watch import JobWatch
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.single_job import SingleJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.app.improve import ImprovePlan
    from napari_mednext.app.improve_desk import ImproveDesk
    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.jobs import JobView
    from napari_mednext.study import ModelVersion, Study
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["Improving"]

#: Settings and cases that change so close together make one new plan, in ms.
TOGETHER_MS = 400
#: Cases change often while somebody works, and reading them takes a while, in ms.
CASES_MS = 3000
NO_STUDY = "no study is open"
#: Commands that need a word when they were done.
_DONE = {
    "pause": "It pauses at the next step; what it has learned is kept.",
    "resume": "It goes on.",
    "start": "It goes on.",
    "stop": "It stops, and the best model so far is compared.",
    "cancel": "It is being cancelled; nothing of it will be used.",
    "delete": "The job was removed with its folder.",
}


class Improving(QObject):
    """The study in a window, its plan, its jobs and its versions.

    Signals: ``studyChanged`` with another study, ``planChanged`` when a plan is looked
    for or found, ``busyChanged`` when something begins or ends, ``versionsChanged``
    when another version may be in use, ``modelUsed`` with the folder of a model that
    segments from now on, ``said`` with a sentence and its level, ``wanted`` when a
    person asked to see the dock.

    Parameters
    ----------
    parent : QObject, optional
        As for any object.
    make_desk : callable, optional
        Gets a study, returns its ``ImproveDesk``.
    """

    studyChanged = Signal()  # noqa: N815 - Qt's way of writing signals
    planChanged = Signal()  # noqa: N815
    busyChanged = Signal()  # noqa: N815
    versionsChanged = Signal()  # noqa: N815
    modelUsed = Signal(object)  # noqa: N815
    said = Signal(str, str)
    wanted = Signal()

    def __init__(
        self,
        parent: QObject | None = None,
        make_desk: Callable[[Study], ImproveDesk] | None = None,
    ) -> None:
        super().__init__(parent)
        self.watch = JobWatch(self)
        self.flow: StudyFlow | None = None
        self.desk: ImproveDesk | None = None
        self.settings = ImproveSettings()
        self.plan: ImprovePlan | None = None
        self.plan_problem = ""
        self.refusal: str | None = NO_STUDY
        self._make_desk = make_desk
        self._planning = SingleJob(self)
        self._planning.failed.connect(self._on_no_plan)
        self._planning.changed.connect(self.planChanged)
        self._works: list[Job] = []
        self._is_starting = False
        self._lookers = 0
        self._version: ModelVersion | None = None
        self._soon = timer(self, TOGETHER_MS, self.make_plan, single=True)
        self._later = timer(self, CASES_MS, self.make_plan, single=True)
        self.watch.failed.connect(lambda text: self.said.emit(text, "error"))
        self.watch.jobEnded.connect(self._on_job_ended)

    @property
    def is_planning(self) -> bool:
        """Whether a plan is being made."""
        waits = self._soon.isActive() or self._later.isActive()
        return self._planning.is_busy or waits

    @property
    def is_busy(self) -> bool:
        """Whether something is started, promoted, kept or thrown away."""
        return bool(self._works)

    @property
    def is_starting(self) -> bool:
        """Whether a job is being started."""
        return self._is_starting

    def why_not_start(self) -> str | None:
        """Return why no job can be started now, None when one can."""
        if self.desk is None:
            return NO_STUDY
        if self.refusal is not None:
            return self.refusal
        if self._model() is None:
            return "the study has no model yet, choose one under Cases"
        if self._is_starting:
            return "a job is being started"
        return None

    def follow(self, flow: StudyFlow) -> None:
        """Improve the model of whatever study a flow has open."""
        if self.flow is not None:
            self.leave(self.flow)
        self.flow = flow
        flow.studyChanged.connect(self._on_study)
        flow.casesChanged.connect(self._on_cases)
        flow.caseOpened.connect(self._on_case)
        self._on_study()

    def leave(self, flow: StudyFlow) -> None:
        """Have nothing to do with a flow any more; jobs go on."""
        if self.flow is not flow:
            return
        flow.studyChanged.disconnect(self._on_study)
        flow.casesChanged.disconnect(self._on_cases)
        flow.caseOpened.disconnect(self._on_case)
        self.flow = None
        self._on_study()

    def end(self) -> None:
        """Let go of the study; jobs go on, they are processes of their own."""
        self.flow = None
        self._on_study()

    def look(self, *, is_looking: bool) -> None:
        """Make plans while somebody looks at them: it takes reading many files."""
        self._lookers += 1 if is_looking else -1
        if is_looking and self.plan is None:
            self._soon.start()
            self.planChanged.emit()

    def use_settings(self, settings: ImproveSettings) -> None:
        """Improve with other settings from now on."""
        if settings != self.settings:
            self.settings = settings
            self.plan = None
            if self._lookers:
                self._soon.start()
            self.planChanged.emit()

    def make_plan(self) -> None:
        """Find out what an improvement would cost now."""
        desk, settings, model = self.desk, self.settings, self._model()
        self._soon.stop()
        self._later.stop()
        if desk is None:
            return
        self._planning.start(
            lambda job: desk.plan(
                settings, model=model, check=lambda: check_cancelled(job)
            ),
            "MedNeXt: planning",
            self._on_plan,
        )

    def start(self) -> None:
        """Save what is in hand, and start an improvement with the last settings."""
        if reason := self.why_not_start():
            self.said.emit(f"Improving is not possible: {reason}.", "warning")
            return
        desk, flow, settings = self.desk, self.flow, self.settings
        if desk is None:
            return
        model = self._model()
        savers = flow.savers() if flow is not None else []

        def work(_: Job) -> str:
            for save in savers:
                save()
            return desk.start(settings, model=model)

        def done(identity: str) -> None:
            self.watch.choose(identity)
            text = "The model is being improved; go on working meanwhile."
            self.said.emit(text, "done")

        self._is_starting = True
        self._do(work, "starting an improvement", done)

    def steer(self, identity: str, command: str) -> None:
        """Pause, resume, stop, cancel, start or delete a job."""
        desk = self.desk
        if desk is not None:
            self._do(
                lambda _: desk.steer(identity, command),
                f"{command} of a job",
                lambda _: self.said.emit(_DONE[command], "info"),
            )

    def promote(self, identity: str) -> None:
        """Use the model that a job made, from the next case on."""
        desk = self.desk
        if desk is not None:
            self._use(lambda: desk.promote(identity), "promoting a model")

    def use(self, path: Path) -> None:
        """Use another version, from the next case on."""
        desk = self.desk
        if desk is not None:
            self._use(lambda: desk.use(path), "choosing a version")

    def roll_back(self) -> None:
        """Use the version that was in use before."""
        desk = self.desk
        if desk is not None:
            self._use(desk.roll_back, "going back a version")

    def keep(self, identity: str) -> None:
        """Keep what a job made as a version that is not in use."""
        desk = self.desk
        if desk is not None:
            self._do(
                lambda _: desk.keep(identity),
                "keeping a model",
                lambda _: self._on_decided("It is kept under Versions, not in use."),
            )

    def discard(self, identity: str) -> None:
        """Throw away what a job made."""
        desk = self.desk
        if desk is not None:
            self._do(
                lambda _: desk.discard(identity),
                "discarding a model",
                lambda _: self._on_decided("The new model was discarded."),
            )

    def do(
        self, work: Callable[[ImproveDesk], Any], title: str, then: Callable[[Any], Any]
    ) -> None:
        """Do something else with the desk, in a worker."""
        desk = self.desk
        if desk is not None:
            self._do(lambda _: work(desk), title, then)

    def _use(self, choose: Callable[[], Path | None], title: str) -> None:
        """Choose a model in a worker, then have the window use it."""
        desk = self.desk
        if desk is None:
            return

        def work(_: Job) -> tuple[Path | None, ModelVersion | None]:
            path = choose()
            if path is None:
                return None, None
            try:
                return path, desk.model_version(path)
            except MednextError:  # it is in use; only old answers are not told apart
                return path, None

        def done(found: tuple[Path | None, ModelVersion | None]) -> None:
            path, self._version = found
            if path is not None:
                self._take_model(path)
                self._on_decided(f"Cases are segmented with {path.name} from now on.")

        self._do(work, title, done)

    def _take_model(self, path: Path) -> None:
        """Have the window segment with a model."""
        if self.flow is not None:
            self.flow.use_model(path)
        self.modelUsed.emit(path)

    def _on_decided(self, text: str) -> None:
        """Tell all who show versions or plans."""
        self.watch.look_now(is_decided=True)
        self.versionsChanged.emit()
        self.plan = None
        self._on_cases()
        self.said.emit(text, "done")

    def _do(
        self, work: Callable[[Job], Any], title: str, then: Callable[[Any], object]
    ) -> None:
        """Do work in a worker; tell what came of it, unless the study has changed."""
        job, desk = Job(work, f"MedNeXt: {title}"), self.desk

        def ended() -> None:
            self._works.remove(job)
            self._is_starting = self._is_starting and bool(self._works)
            self.watch.look_now()
            self.busyChanged.emit()

        def succeeded(value: Any) -> None:
            if self.desk is desk:
                then(value)

        job.succeeded.connect(succeeded)
        job.failed.connect(lambda error: self.said.emit(explain(error), "error"))
        job.ended.connect(ended)
        self._works.append(job)
        job.start()
        self.busyChanged.emit()

    def _model(self) -> str | Path | None:
        """Return the model that the window segments with."""
        desk = self.flow.desk if self.flow is not None else None
        return desk.model if desk is not None else None

    def _on_study(self) -> None:
        """Begin with another study, or with none."""
        study = self.flow.study if self.flow is not None else None
        self._planning.drop()
        self._soon.stop()
        self._later.stop()
        self.plan, self.plan_problem, self._version = None, "", None
        self.desk = None
        if study is not None:
            from napari_mednext.app.improve_desk import ImproveDesk

            self.desk = (self._make_desk or ImproveDesk)(study)
            self.settings = self.desk.settings()
        self.refusal = NO_STUDY if self.desk is None else self.desk.why_not()
        self.watch.follow(self.desk)
        if self.desk is not None and self._lookers:
            self._soon.start()
        self.studyChanged.emit()
        self.planChanged.emit()
        self.versionsChanged.emit()

    def _on_cases(self) -> None:
        if self.desk is not None and self._lookers:
            self._later.start()

    def _on_case(self, case: OpenCase) -> None:
        """Segment a case again that only an older model has seen."""
        version, flow = self._version, self.flow
        if version is None or flow is None or case.is_read_only or case.answer is None:
            return
        listed = flow.listed()
        is_old = case.answer.version.code != version.code
        if is_old and listed is not None and listed.state == "predicted":
            # The flow is still busy with opening it.
            timer(self, 0, lambda: self._renew(case), single=True).start()

    def _renew(self, case: OpenCase) -> None:
        """Have the model in use segment the case in hand."""
        flow = self.flow
        if flow is not None and flow.case is case and flow.phase is Phase.IDLE:
            flow.segment_box(None)

    def _on_plan(self, plan: ImprovePlan) -> None:
        self.plan, self.plan_problem = plan, ""
        self.planChanged.emit()

    def _on_no_plan(self, text: str) -> None:
        self.plan, self.plan_problem = None, text
        self.planChanged.emit()

    def _on_job_ended(self, job: JobView) -> None:
        """Say how a job ended, wherever people look just now."""
        from napari.utils.notifications import show_error, show_info

        reading = self.watch.reading
        found = [c for c in (reading.comparison, reading.offer) if c is not None]
        comparison = next((c for c in found if c.job == job.id), None)
        text, level = ending(job, comparison)
        (show_error if level == "error" else show_info)(f"MedNeXt: {text}")
        self.said.emit(text, level)
        self.versionsChanged.emit()
        self._on_cases()
        desk = self.desk
        if comparison is not None and comparison.decision == "promoted" and desk:
            self._use(desk.in_use, "using a new model")
