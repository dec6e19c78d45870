"""The way of an annotator through a study: open, correct, accept, next.

Everything that reads, segments or writes runs in a worker; this object brings what
came out of it to the window, and tells the panels.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import MednextError
from napari_mednext.ui.case_layers import CaseLayers
from napari_mednext.ui.flow_base import Phase, timer
from napari_mednext.ui.flow_edits import FlowEdits
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.live_labels import load_what_labels_need
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtCore import QObject

    from napari_mednext.app import Session
    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.correction import Box
    from napari_mednext.settings import InferenceSettings
    from napari_mednext.study import Case, Study

__all__ = ["Phase", "StudyFlow"]

#: Panels hear of changed labels this long after the last change, in ms.
SETTLE_MS = 400
#: The window looks this often whether steps could be written, in ms.
WATCH_MS = 500


class StudyFlow(FlowEdits):
    """One study in one window, and the case in hand.

    Parameters
    ----------
    viewer : napari viewer
    session : Session
        Whose engine segments.
    parent : QObject
        Goes with it.
    """

    def __init__(self, viewer: Any, session: Session, parent: QObject) -> None:
        super().__init__(viewer, session, parent)
        #: How the case list is filtered and ordered; next and previous follow it.
        self.filter: dict[str, Any] = {}
        #: Cases on their way to disk, and cases that could not be saved.
        self._leaving: dict[str, threading.Event] = {}
        self._unsaved: list[OpenCase] = []
        self._told_problem: str | None = None
        self._settle = timer(self, SETTLE_MS, self._on_settled, single=True)
        self._watch = timer(self, WATCH_MS, self._on_watch)

    def use(
        self,
        study: Study,
        *,
        model: str | Path | None = None,
        settings: InferenceSettings | None = None,
    ) -> None:
        """Work on a study; one that was open before is closed, and saved."""
        from napari_mednext.app.desk import Desk

        self.close_study()
        self.desk = Desk(
            self.session,
            study,
            model=model,
            settings=settings,
            on_problem=self._on_problem,
        )
        self._watch.start()
        self._set_phase(Phase.IDLE)
        self.studyChanged.emit()
        self.casesChanged.emit()

    def open_study(
        self,
        folder: Path,
        *,
        model: str | Path | None = None,
        settings: InferenceSettings | None = None,
    ) -> None:
        """Open the study of a folder."""
        from napari_mednext.study import Study

        try:
            study = Study.open(folder)
        except MednextError as error:
            self.said.emit(explain(error), "error")
            return
        self.use(study, model=model, settings=settings)

    def close_study(self) -> None:
        """Save the case in hand and close the study; waits for what is written."""
        if self.desk is None:
            return
        desk, self.desk = self.desk, None
        if self._job is not None:
            self._job.cancel()
        self._watch.stop()
        case = self._take_case_off()
        desk.close()
        waiting = [*self._unsaved, *([case] if case is not None else [])]
        self._unsaved = []
        for each in waiting:
            try:
                desk.put_away(each)
            except MednextError as error:
                # Steps are in the journal; what is not even there cannot be kept.
                self.said.emit(f"{each.name}: {explain(error)}", "error")
        desk.study.close()
        self._set_phase(Phase.EMPTY)
        self.studyChanged.emit()

    def open_case(self, name: str) -> None:
        """Put the case in hand away and open another one."""
        desk = self.desk
        if desk is None or self._phase not in (Phase.IDLE,):
            return
        if self.case is not None and self.case.name == name and self.layer is not None:
            return
        self._leave(accept=False)
        kept = [case for case in self._unsaved if case.name == name]
        leaving = self._leaving.get(name)

        def work(job: Job) -> OpenCase:
            load_what_labels_need()
            if kept:
                return kept[0]
            if leaving is not None:
                leaving.wait()  # it is being saved at this moment
            return desk.open(name, on_progress=job.report, cancel=job)

        self._run(work, f"MedNeXt: opening {name}", self._on_opened, Phase.OPENING)

    def next_case(self) -> None:
        """Open the case after this one, in the order of the list."""
        self._open_neighbour(self._neighbour(forward=True), "last")

    def previous_case(self) -> None:
        """Open the case before this one, in the order of the list."""
        self._open_neighbour(self._neighbour(forward=False), "first")

    def accept_next(self) -> None:
        """Count the case in hand as done, and open the next one."""
        if self.case is None or self._phase is not Phase.IDLE:
            return
        if self.case.is_read_only:
            self.said.emit(
                f"This case cannot be accepted: {self.case.holder}.", "error"
            )
            return
        following = self._neighbour(forward=True)
        self._leave(accept=True)
        if following is not None:
            self.open_case(following.name)
        else:
            self.said.emit("That was the last case of the list.", "done")

    def flag(self, comment: str) -> None:
        """Set the case in hand aside with a comment."""
        desk, case = self.desk, self.case
        if desk is None or case is None:
            return
        try:
            desk.flag(case, comment)
        except MednextError as error:
            self.said.emit(explain(error), "error")
            return
        self.casesChanged.emit()
        self.said.emit(f"{case.name} is flagged.", "done")

    def unflag(self) -> None:
        """Take the flag of the case in hand away."""
        if self.desk is not None and self.case is not None:
            self.desk.study.unflag(self.case.name)
            self.casesChanged.emit()

    def save(self) -> None:
        """Fold the steps into the label file; also tries again what failed."""
        desk, case = self.desk, self.case
        if desk is None or case is None or case.is_read_only:
            return
        waiting = [case, *self._unsaved]

        def work(_: Job) -> None:
            for each in waiting:
                desk.save(each)

        def done(_: object) -> None:
            for each in [each for each in self._unsaved if each in waiting]:
                self._unsaved.remove(each)
                each.close()
            self._problem = None
            self.savedChanged.emit()
            self.said.emit(f"{case.name} is saved.", "done")

        self._in_background(work, f"MedNeXt: saving {case.name}", done)

    def _neighbour(self, *, forward: bool) -> Case | None:
        """Return the case after or before the one in hand, in the list as filtered."""
        if self.study is None or self.case is None:
            return None
        search = self.study.next if forward else self.study.previous
        return search(self.case.name, **self.filter)

    def _open_neighbour(self, case: Case | None, end: str) -> None:
        """Open a case of the list, or say that there is none."""
        if case is not None:
            self.open_case(case.name)
        elif self.case is not None:
            self.said.emit(f"This is the {end} case of the list.", "info")

    def _leave(self, *, accept: bool) -> None:
        """Take the case in hand off the window, and put it away in the background."""
        desk, case = self.desk, self._take_case_off()
        if desk is None or case is None:
            return

        gone = self._leaving[case.name] = threading.Event()

        def work(_: Job) -> None:
            try:
                if accept:
                    desk.accept(case)
                    case.close()
                else:
                    desk.put_away(case)
            finally:
                gone.set()

        def failed(error: BaseException) -> None:
            self._unsaved.append(case)
            self.said.emit(f"{case.name} is not saved: {explain(error)}", "error")

        def done(_: object) -> None:
            self.casesChanged.emit()
            if accept:
                self.said.emit(f"{case.name} is accepted.", "done")

        self._in_background(work, f"MedNeXt: saving {case.name}", done, failed)

    def _take_case_off(self) -> OpenCase | None:
        """Take the case in hand off the window."""
        case, self.case = self.case, None
        layers, self.layers = self.layers, None
        if case is None:
            return None
        if layers is not None:
            layers.remove()
        # From here on a worker has it, and panels must not hear of its steps.
        case.editing.on_change.clear()
        self._settle.stop()
        self.caseClosed.emit(case)
        return case

    def _on_opened(self, case: OpenCase) -> None:
        if self.desk is None:
            case.close()
            return
        if case in self._unsaved:
            self._unsaved.remove(case)
        is_first = self.layers is None and not len(self.viewer.layers)
        self.case = case
        self.layers = CaseLayers(self.viewer, case)
        case.editing.on_change.append(self._on_changed)
        if is_first:
            self.viewer.reset_view()
        self.caseOpened.emit(case)
        self.casesChanged.emit()
        self.labelsChanged.emit()
        if case.is_read_only:
            self.said.emit(f"{case.name}: {case.holder}.", "warning")
        elif case.notes:
            self.said.emit("\n".join(sentence(note) for note in case.notes), "warning")
        self._prepare_next()

    def _prepare_next(self) -> None:
        """Make the next case of the list ready in the background."""
        desk, following = self.desk, self._neighbour(forward=True)
        if desk is not None and following is not None:
            name = following.name
            self._in_background(
                lambda _: desk.prepare(name),
                f"MedNeXt: making {name} ready",
                lambda _: self.casesChanged.emit(),
            )

    def _on_changed(self, _: Box) -> None:
        case, desk = self.case, self.desk
        if case is None or desk is None:
            return
        case.clock.event()
        self._settle.start()
        self.savedChanged.emit()
        if case.editing.strokes == 1 and not case.is_read_only:
            self._in_background(
                lambda _: desk.touch(case),
                f"MedNeXt: noting work on {case.name}",
                lambda _: self.casesChanged.emit(),
            )

    def _on_settled(self) -> None:
        if self.case is not None:
            self.labelsChanged.emit()

    def _on_problem(self, name: str, sentence: str | None) -> None:
        """Keep what the journal's thread says; the window looks at it."""
        self._problem = None if sentence is None else f"{name}: {sentence}"

    def _on_watch(self) -> None:
        """Tell of steps that cannot be written, once for each reason."""
        if self._problem != self._told_problem:
            self._told_problem = self._problem
            if self._problem is not None:
                self.said.emit(sentence(self._problem), "error")
            else:
                self.said.emit("All steps are on disk again.", "done")
        self.savedChanged.emit()
