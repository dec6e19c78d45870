"""The way of an annotator through a study: open, correct, accept, next.

Everything that reads, segments or writes runs in a worker; this object brings what
came out of it to the window, and tells the panels.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from napari_mednext.app.leaving import Leaving
from napari_mednext.errors import MednextError
from napari_mednext.progress import check_cancelled
from napari_mednext.ui.case_layers import CaseLayers
from napari_mednext.ui.flow_base import Phase, timer
from napari_mednext.ui.flow_keeping import FlowKeeping
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

_LOG = logging.getLogger(__name__)
#: Panels hear of changed labels this long after the last change, in ms.
SETTLE_MS = 400


class StudyFlow(FlowKeeping):
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
        self._place: str | None = None
        self._settle = timer(self, SETTLE_MS, self._on_settled, single=True)

    @property
    def place(self) -> str | None:
        """The case in hand, or the last one that was wanted: where next starts from."""
        return self._place

    def use(
        self,
        study: Study,
        *,
        model: str | Path | None = None,
        settings: InferenceSettings | None = None,
    ) -> bool:
        """Work on a study; one that was open before is closed, and saved.

        False where :meth:`close_study` is: then the new study is closed at once.
        """
        from napari_mednext.app.desk import Desk
        from napari_mednext.app.recent_studies import remember

        if not self.close_study():
            study.close()
            return False
        self.desk = Desk(
            self.session,
            study,
            model=model,
            settings=settings,
            on_problem=self._on_problem,
        )
        self._watch.start()
        for event in self._looks():
            event.connect(self._on_looked)
        self._set_phase(Phase.IDLE)
        self._in_background(
            lambda _: remember(study.path), "MedNeXt: remembering", lambda _: None
        )
        self.studyChanged.emit()
        self.casesChanged.emit()
        return True

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

    def close_study(self, *, at_once: bool = False) -> bool:
        """Save the case in hand and close the study; waits for what is written.

        Parameters
        ----------
        at_once : bool
            Whether to close it also when steps would be lost.

        Returns
        -------
        bool
            False when steps of a case are in memory only and cannot be written: the
            study stays open, and can be closed later.
        """
        if self.desk is None:
            return True
        self.cancel()
        self._forget_job()
        self._begin_to_leave(accept=False)
        if not self._finish_all() and not at_once:
            self._set_phase(Phase.IDLE)
            self.casesChanged.emit()
            self.savedChanged.emit()
            return False
        desk, self.desk = self.desk, None
        self._watch.stop()
        for event in self._looks():
            event.disconnect(self._on_looked)
        desk.close()
        self._give_up_all()
        desk.study.close()
        self._place = None
        self._set_phase(Phase.EMPTY)
        self.studyChanged.emit()
        return True

    def open_case(self, name: str) -> None:
        """Put the case in hand away and open another one.

        One that can only be looked at is read again: others may have left it.
        """
        desk, case = self.desk, self.case
        if desk is None or self._phase is not Phase.IDLE:
            return
        is_here = case is not None and case.name == name and self.layer is not None
        if case is not None and is_here and not case.is_read_only:
            return
        self._leave(accept=False)
        self._place = name
        leaving = self._leaving.get(name)
        # Here, too: where few threads run, the worker may have to wait for that one.
        desk.yield_engine(name)

        def work(job: Job) -> OpenCase | Leaving:
            load_what_labels_need()
            if leaving is not None:
                try:
                    leaving.finish()
                except MednextError:
                    return leaving
            opened = desk.open(name, on_progress=job.report, cancel=job)
            try:
                check_cancelled(job)
            except BaseException:
                opened.close()
                raise
            return opened

        self._run(
            work,
            f"MedNeXt: opening {name}",
            self._on_opened,
            Phase.OPENING,
            unwanted=_let_go,
        )

    def next_case(self) -> None:
        """Open the case after this one, in the order of the list."""
        self._open_neighbour("last", forward=True)

    def previous_case(self) -> None:
        """Open the case before this one, in the order of the list."""
        self._open_neighbour("first", forward=False)

    def accept_next(self) -> None:
        """Count the case in hand as done, and open the next one."""
        if self.case is None or self._phase is not Phase.IDLE:
            return
        if self.case.is_read_only:
            self.said.emit(
                f"This case cannot be accepted: {self.case.holder}.", "error"
            )
            return
        try:
            following = self._neighbour(forward=True)
        except MednextError as error:
            self.said.emit(explain(error), "error")
            return
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
        if self.desk is None or self.case is None:
            return
        try:
            self.desk.study.unflag(self.case.name)
        except MednextError as error:
            self.said.emit(explain(error), "error")
            return
        self.casesChanged.emit()
        if self.case.is_worked_on:
            self._note_work(self.case)

    def use_model(self, model: str | Path | None) -> None:
        """Segment with another model from now on, the next case first."""
        if self.desk is not None:
            self.desk.use_model(model)
            if self.case is not None:
                self._prepare_next()

    def listed(self) -> Case | None:
        """Return the case in hand as the list has it, None if it cannot be read."""
        if self.study is None or self.case is None:
            return None
        try:
            return self.study.case(self.case.name)
        except MednextError:
            _LOG.info("the list of cases cannot be read", exc_info=True)
            return None

    def _neighbour(self, *, forward: bool) -> Case | None:
        """Return the case after or before the one in hand, in the list as filtered."""
        if self.study is None or self._place is None:
            return None
        search = self.study.next if forward else self.study.previous
        return search(self._place, **self.filter)

    def _open_neighbour(self, end: str, *, forward: bool) -> None:
        """Open a case of the list, or say that there is none."""
        try:
            case = self._neighbour(forward=forward)
        except MednextError as error:
            self.said.emit(explain(error), "error")
            return
        if case is not None:
            self.open_case(case.name)
        elif self._place is not None:
            self.said.emit(f"This is the {end} case of the list.", "info")

    def _take_case_off(self) -> OpenCase | None:
        """Take the case in hand off the window."""
        case = super()._take_case_off()
        self._settle.stop()
        return case

    def _on_opened(self, found: OpenCase | Leaving) -> None:
        case = self._take_back(found) if isinstance(found, Leaving) else found
        if case is None:  # it was saved just now
            if self._place is not None:
                self.open_case(self._place)
            return
        is_first = self.layers is None and not len(self.viewer.layers)
        self.case = case
        self.layers = CaseLayers(self.viewer, case)
        case.editing.on_change.append(self._on_changed)
        case.clock.event()
        # What was made ready and dropped, on a full disk, may have left a problem.
        journal = case.editing.journal
        self._on_problem(case.name, journal.problem if journal is not None else None)
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
        desk = self.desk
        try:
            following = self._neighbour(forward=True)
        except MednextError as error:
            self.said.emit(explain(error), "error")
            return
        if desk is None or following is None or following.name in self._unsaved:
            return
        name, leaving = following.name, self._leaving.get(following.name)

        def work(_: Job) -> None:
            if leaving is not None:
                leaving.finish()
            desk.prepare(name)

        self._in_background(
            work,
            f"MedNeXt: making {name} ready",
            lambda _: self.casesChanged.emit(),
            # Whoever brings that case to disk says what is wrong.
            lambda _: None,
        )

    def _on_changed(self, _: Box) -> None:
        case = self.case
        if case is None:
            return
        case.clock.event()
        self._settle.start()
        self.savedChanged.emit()
        if not case.is_worked_on and not case.is_read_only:
            case.is_worked_on = True
            self._note_work(case)

    def _note_work(self, case: OpenCase) -> None:
        """Say in the study that somebody works on a case."""
        desk = self.desk
        if desk is not None:
            self._in_background(
                lambda _: desk.touch(case),
                f"MedNeXt: noting work on {case.name}",
                lambda _: self.casesChanged.emit(),
            )

    def _looks(self) -> tuple[Any, ...]:
        """Return the events of somebody who looks at a case."""
        dims, camera = self.viewer.dims.events, self.viewer.scene.camera.events
        return dims.current_step, camera.center, camera.zoom

    def _on_looked(self, *_: object) -> None:
        if self.case is not None:
            self.case.clock.event()

    def _on_settled(self) -> None:
        if self.case is not None:
            self.labelsChanged.emit()


def _let_go(found: OpenCase | Leaving) -> None:
    """Close a case that came when its study was left already."""
    if not isinstance(found, Leaving):
        found.close()
