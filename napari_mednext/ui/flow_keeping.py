"""Bringing cases to disk behind the annotator's back, and keeping those that fail."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_mednext.app.leaving import Leaving
from napari_mednext.errors import MednextError
from napari_mednext.ui.flow_base import timer
from napari_mednext.ui.flow_edits import FlowEdits
from napari_mednext.ui.jobs import explain
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

    from napari_mednext.app import Session
    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.ui.jobs import Job

__all__ = ["FlowKeeping"]

_LOG = logging.getLogger(__name__)
#: The window looks this often whether steps could be written, in ms.
WATCH_MS = 500
#: What fails with one case must keep no other case from being saved.
_WORLD = (MednextError, OSError, MemoryError)


class FlowKeeping(FlowEdits):
    """Saves the case in hand, and puts away the one that is left."""

    def __init__(self, viewer: Any, session: Session, parent: QObject) -> None:
        super().__init__(viewer, session, parent)
        #: Cases on their way to disk, and those of them that could not be saved.
        self._leaving: dict[str, Leaving] = {}
        self._unsaved: list[str] = []
        #: Name of a case -> why its newest steps are not on disk.
        self._problems: dict[str, str] = {}
        self._told_problem: str | None = None
        self._watch = timer(self, WATCH_MS, self._on_watch)

    @property
    def unsaved(self) -> tuple[str, ...]:
        """Names of cases that were left and could not be saved; :meth:`save` tries."""
        return tuple(self._unsaved)

    @property
    def problem(self) -> str | None:
        """Why the newest steps of a case that was in hand are not on disk, or None."""
        names = [*([self.case.name] if self.case is not None else []), *self._leaving]
        found = (self._problems.get(name) for name in names)
        return next((text for text in found if text is not None), None)

    def savers(self) -> list[Callable[[], None]]:
        """Return what brings all cases to disk; to be called in a worker, each once.

        ``StorageError`` when a case cannot be saved.
        """
        desk, case = self.desk, self.case
        tasks: list[Callable[[], None]] = [
            leaving.finish for leaving in self._leaving.values()
        ]
        if desk is not None and case is not None and not case.is_read_only:
            self._take_rest()
            tasks.append(partial(desk.save, case))
        return tasks

    def save(self) -> None:
        """Fold the steps into the label file; also tries again what failed."""
        desk, case = self.desk, self.case
        if desk is None:
            return
        waiting = [self._leaving[name] for name in self._unsaved]
        tasks: list[Callable[[], None]] = [each.finish for each in waiting]
        names = [each.case.name for each in waiting]
        if case is not None and not case.is_read_only:
            self._take_rest()
            tasks.insert(0, partial(desk.save, case))
            names.insert(0, case.name)
        if not tasks:
            return

        def done(_: object) -> None:
            tidy()
            verb = "is" if len(names) == 1 else "are"
            self.said.emit(f"{', '.join(names)} {verb} saved.", "done")

        def failed(error: BaseException) -> None:
            tidy()
            self.said.emit(explain(error), "error")

        def tidy() -> None:
            for each in waiting:
                if each.is_over:
                    self._forget(each)
            self.savedChanged.emit()
            self.casesChanged.emit()

        title = f"MedNeXt: saving {', '.join(names)}"
        self._in_background(lambda _: _do_all(tasks), title, done, failed)

    def _leave(self, *, accept: bool) -> None:
        """Take the case in hand off the window, and put it away in the background."""
        leaving = self._begin_to_leave(accept=accept)
        if leaving is None:
            return
        name = leaving.case.name

        def work(_: Job) -> None:
            leaving.finish()

        def failed(error: BaseException) -> None:
            if self._leaving.get(name) is leaving and name not in self._unsaved:
                self._unsaved.append(name)
            self.said.emit(f"{name} is not saved: {explain(error)}", "error")
            self.savedChanged.emit()
            self.casesChanged.emit()

        def done(_: object) -> None:
            if self._leaving.get(name) is leaving:
                self._forget(leaving)
                if accept:
                    self.said.emit(f"{name} is accepted.", "done")
            self.casesChanged.emit()

        self._in_background(work, f"MedNeXt: saving {name}", done, failed)

    def _begin_to_leave(self, *, accept: bool) -> Leaving | None:
        """Take the case in hand off the window; somebody must bring it to disk."""
        desk, case = self.desk, self._take_case_off()
        if desk is None or case is None:
            return None
        leaving = self._leaving[case.name] = Leaving(desk, case, accept=accept)
        return leaving

    def _take_case_off(self) -> OpenCase | None:
        """Take the case in hand off the window."""
        if self.case is not None:
            self._take_rest()
            self.case.clock.event()
        case, self.case = self.case, None
        layers, self.layers = self.layers, None
        if case is None:
            return None
        if layers is not None:
            layers.remove()
        # From here on a worker has it, and panels must not hear of its steps.
        case.editing.on_change.clear()
        self.caseClosed.emit(case)
        return case

    def _take_rest(self) -> None:
        """Make a step of what is on screen and was not handed in."""
        if self.layers is not None:
            self.layers.labels.take_rest()

    def _finish_all(self) -> bool:
        """Bring all that were left to disk, here and now; False if steps would be lost.

        Says what could not be saved.
        """
        for name, leaving in tuple(self._leaving.items()):
            try:
                leaving.finish()
            except _WORLD as error:
                self.said.emit(f"{name} is not saved: {explain(error)}", "error")
        left = {n: each for n, each in self._leaving.items() if not each.is_over}
        self._leaving = left
        self._unsaved = list(left)
        return all(leaving.is_in_journal for leaving in left.values())

    def _give_up_all(self) -> None:
        """Let go of what cannot be saved; its steps are in the journal, or lost."""
        for name, leaving in self._leaving.items():
            try:
                leaving.give_up()
            except _WORLD as error:
                self.said.emit(f"{name}: {explain(error)}", "error")
                self._rescue(leaving.case)
        self._leaving, self._unsaved = {}, []
        self._problems.clear()
        self._told_problem = None

    def _rescue(self, case: OpenCase) -> None:
        """Write labels elsewhere that are in memory only and will be gone soon."""
        from napari_mednext.app.rescue import rescue_case

        try:
            path = rescue_case(case)
        except _WORLD as error:
            _LOG.exception("the labels of %s were lost", case.name)
            self.said.emit(f"{case.name} is lost: {explain(error)}", "error")
            return
        text = f"the labels of {case.name} could not be saved in the study: they are in"
        _LOG.error("%s %s", text, path)
        from napari.utils.notifications import show_error

        show_error(sentence(f"{text} {path}"))

    def _take_back(self, leaving: Leaving) -> OpenCase | None:
        """Return a case that could not be saved, to go on with it."""
        case = leaving.take_back()
        self._forget(leaving)
        return case

    def _forget(self, leaving: Leaving) -> None:
        """Have nothing to do with a case any more that is on disk, or in hand."""
        name = leaving.case.name
        if self._leaving.get(name) is leaving:
            del self._leaving[name]
            self._unsaved = [each for each in self._unsaved if each != name]

    def _on_problem(self, name: str, sentence: str | None) -> None:
        """Keep what the journal's thread says; the window looks at it."""
        if sentence is None:
            self._problems.pop(name, None)
        else:
            self._problems[name] = f"{name}: {sentence}"

    def _on_watch(self) -> None:
        """Tell of steps that cannot be written, once for each reason."""
        problem = self.problem
        if problem != self._told_problem:
            self._told_problem = problem
            if problem is not None:
                self.said.emit(sentence(problem), "error")
            else:
                self.said.emit("All steps are on disk again.", "done")
        self.savedChanged.emit()


def _do_all(tasks: list[Callable[[], None]]) -> None:
    """Do every task, and raise what the first of those that failed raised."""
    problems: list[Exception] = []
    for task in tasks:
        try:
            task()
        except _WORLD as error:
            problems.append(error)
    if problems:
        raise problems[0]
