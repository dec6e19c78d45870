"""The loop: segment, correct, improve, judge on cases that nobody corrects."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks.loop.annotator import (
    Corrected,
    allowed_planes,
    correct,
    errors_by_plane,
    worst_planes,
)
from benchmarks.loop.judging import FAST, judge_model, mean_by_label
from benchmarks.loop.methods import METHODS, Budget
from benchmarks.loop.preparing import SHIPPED, CaseFiles, labels_of, prepare_case
from benchmarks.loop.results import Results
from benchmarks.loop.tasks import Task
from napari_mednext.app.case_keeping import accept_case, read_mask
from napari_mednext.app.chosen_model import remember_model
from napari_mednext.app.desk import Desk
from napari_mednext.app.engine import Engine
from napari_mednext.models import find_model
from napari_mednext.study import CaseEntry, Study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_mednext.app.open_case import OpenCase
    from napari_mednext.app.session import Session

__all__ = ["DENSE", "InProcess", "Loop", "open_desk"]

#: Method name of training on cases that were corrected whole, by ours.
DENSE = "dense"
_SLICES = 5
#: What judging gives.
_FIGURES = ("dice", "old", "new", "judge_s")


@dataclass(frozen=True)
class InProcess:
    """What a desk needs of a session, in this process."""

    service: Engine


def open_desk(study: Study, engine: Engine, model: Path | str) -> Desk:
    """Return the desk of the app, which segments in this process."""
    session = cast("Session", InProcess(engine))
    return Desk(session, study, model=model, settings=FAST)


@dataclass
class Loop:
    """The rounds of one method at one task.

    Parameters
    ----------
    task : Task
    stage : str
    method : str
        One of ``METHODS``, or ``DENSE``.
    budget : Budget
    data, work : Path
        Scans and label maps; where cases, studies and models are kept.
    results : Results
        What is there is not done again.
    slices : int
        The most that are corrected in a round.
    """

    task: Task
    stage: str
    method: str
    budget: Budget
    data: Path
    work: Path
    results: Results
    slices: int = _SLICES

    def run(self, rounds: int = 3) -> None:
        """Do the rounds that are not done yet."""
        self._judge_start()
        names = self.task.stage(self.stage).rounds[:rounds]
        model: Path | str = SHIPPED
        for number, name in enumerate(names, start=1):
            line = self.results.find(**self._key(number))
            if line is None:
                line = self._round(number, self._case(name), model)
                self.results.add(line)
            model = line["model"]

    @property
    def folder(self) -> Path:
        """Where the study is."""
        method = self.method.replace(",", "").replace(" ", "_")
        parts = (self.task.name, self.stage, f"{method}-{self.budget.seed}")
        return self.work.joinpath("loop", *parts)

    def _round(self, number: int, case: CaseFiles, model: Path | str) -> dict[str, Any]:
        """Do one round, from the state that the one before has left."""
        engine = Engine()
        with closing(self._study(number)) as study:
            self._add(study, case, number)
            began = time.monotonic()
            corrected = self._annotate(study, engine, model, case, number)
            annotated = time.monotonic()
            steps = self.budget.steps * (3 if self.method == DENSE else 1)
            how = METHODS["ours" if self.method == DENSE else self.method]
            improved = how.improve(
                study, model, replace(self.budget, steps=steps), round_=number
            )
            ended = time.monotonic()
        return {
            **self._key(number),
            **self._judged(improved.model),
            "case": case.name,
            "corrected": asdict(corrected),
            "seconds": {
                "annotate": round(annotated - began, 1),
                "improve": round(ended - annotated, 1),
            },
            "steps": steps,
            "patch": self.budget.patch,
            "load": round(os.getloadavg()[0], 1),
            "model": str(improved.model),
            "notes": _plain(improved.notes),
        }

    def _judge_start(self) -> None:
        """Judge the shipped model, once for all methods."""
        if self.results.find(**self._start) is None:
            line = {**self._start, **self._judged(SHIPPED), "model": SHIPPED}
            self.results.add(line)

    def _judged(self, model: Path | str) -> dict[str, Any]:
        """Return the Dice on the cases that are never corrected."""
        start = self.results.find(**self._start)
        if model == SHIPPED and start is not None:
            return {name: start[name] for name in _FIGURES}
        tests = [self._case(name) for name in self.task.stage(self.stage).tests]
        began = time.monotonic()
        dice = judge_model(Engine(), model, tests, self.task, labels_of(self.task))
        means = mean_by_label(dice)
        new = [means.pop(name) for name in self.task.new.values() if name in means]
        return {
            "dice": dice,
            "old": round(sum(means.values()) / len(means), 5) if means else None,
            "new": round(sum(new) / len(new), 5) if new else None,
            "judge_s": round(time.monotonic() - began, 1),
        }

    def _annotate(
        self,
        study: Study,
        engine: Engine,
        model: Path | str,
        case: CaseFiles,
        number: int,
    ) -> Corrected:
        """Open, correct and save a case as an annotator does."""
        desk = open_desk(study, engine, model)
        name = self._name(case, number)
        opened = desk.open(name)
        try:
            reference = read_mask(case.reference, opened.volume)
            if self.task.slab and number > 1:
                answer = desk.segment(opened)
                desk.keep_answer(opened, answer)
                opened.editing.predict(answer.labels, opened.code)
            corrected = self._corrected(opened, reference)
            opened.is_worked_on = True
            if self.method == DENSE and not self.task.slab:
                accept_case(study, opened)
            else:
                desk.save(opened)
        finally:
            opened.close()
            desk.close()
        return corrected

    def _corrected(self, opened: OpenCase, reference: Any) -> Corrected:
        """Correct the worst slices, or all that may be corrected."""
        planes = len(reference)
        slab = self.task.slab
        allowed = allowed_planes(planes, slab) if slab else None
        if self.method == DENSE:
            chosen = tuple(
                z for z in range(planes) if allowed is None or bool(allowed[z])
            )
        else:
            sought = set(self.task.new) if self.task.sought else set()
            errors = errors_by_plane(opened.editing.labels, reference, sought=sought)
            chosen = worst_planes(
                errors, count=self.slices, apart=self.task.apart, allowed=allowed
            )
        return correct(opened.editing, reference, chosen)

    def _study(self, number: int) -> Study:
        """Open the study as it was before a round; a round that was killed is undone.

        Its place stays the same, since models and jobs are named by their paths.
        """
        folder, kept = self.folder / "study", self.folder / f"before_{number}"
        if kept.exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(kept, folder)
            return Study.open(folder)
        if number == 1:
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            study = Study.create(folder, labels=labels_of(self.task))
            path = find_model(SHIPPED).path
            remember_model(study.path, name=SHIPPED, path=path)
            study.close()
        for older in self.folder.glob("before_*"):
            shutil.rmtree(older)
        draft = self.folder / ".before"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(folder, draft)
        draft.rename(kept)
        return Study.open(folder)

    def _add(self, study: Study, case: CaseFiles, number: int) -> None:
        """Add the case of a round, if it is not there."""
        name = self._name(case, number)
        if name not in {known.name for known in study.cases()}:
            study.add([CaseEntry(name, (case.image,), patient=case.name)])

    def _name(self, case: CaseFiles, number: int) -> str:  # noqa: ARG002
        return case.name

    def _case(self, name: str) -> CaseFiles:
        return prepare_case(self.task, name, data=self.data, work=self.work)

    @property
    def _start(self) -> dict[str, Any]:
        """What tells the start from all rounds."""
        return {**self._key(0), "method": "start", "seed": 0}

    def _key(self, number: int) -> dict[str, Any]:
        """Return what tells a round from all others."""
        return {
            "kind": "round",
            "task": self.task.name,
            "stage": self.stage,
            "method": self.method,
            "seed": self.budget.seed,
            "round": number,
        }


def _plain(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Return notes as JSON can hold them."""
    kept = (str, int, float, bool, type(None))
    return {k: v if isinstance(v, kept) else str(v) for k, v in notes.items()}
