"""An improvement from beginning to end: learn, judge, and write a candidate.

Every part leaves a file behind, and what has its file is not done again: a job that was
killed anywhere goes on. Corrections that look wrong are told of before anything is
learned. The final training comes first, so that whoever stops a job early keeps what it
learned; the trainings that stand in for it follow.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_mednext.errors import Cancelled, InputError, ModelError
from napari_mednext.formats.placing import placed
from napari_mednext.inference.devices import resolve_device
from napari_mednext.jobs import Command
from napari_mednext.models import ModelFolder, replace_card, verify_model
from napari_mednext.network import build
from napari_mednext.training.gate.splits import Fold, ReviewedCase, Split, split_cases
from napari_mednext.training.peak_memory import peak_rss
from napari_mednext.training.trimming import give_memory_back
from napari_mednext.training.tuning.candidate import (
    candidate_plans,
    mixed,
    plan_of_channels,
    write_candidate,
)
from napari_mednext.training.tuning.classes import class_map
from napari_mednext.training.tuning.judging import Judge
from napari_mednext.training.tuning.loading import LearnedCase, load_case
from napari_mednext.training.tuning.makings import Makings
from napari_mednext.training.tuning.notes import keep_note, kept_note
from napari_mednext.training.tuning.pace import Pace
from napari_mednext.training.tuning.run import Told, TuningRun
from napari_mednext.training.tuning.step_plan import (
    StepPlan,
    measured_step_s,
    plan_steps,
)
from napari_mednext.training.tuning.student import (
    channel_rows,
    student_kwargs,
)
from napari_mednext.training.tuning.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_mednext.jobs import JobWorker
    from napari_mednext.training.tuning.order import ImproveOrder
    from napari_mednext.training.tuning.tuner import Tuner

__all__ = ["Improvement"]

#: Patches that are looked at while a network learns.
_WATCHED = 4
#: Batches to which new heads are fitted before the network learns.
_PROBED = 24
#: Held-out patients from which one can be spared to say when to stop.
_ENOUGH_TO_SPARE = 3


class Improvement:
    """One improvement, in its job.

    Parameters
    ----------
    order : ImproveOrder
        What is wanted.
    worker : JobWorker
        The job: its folder, its commands, and who is told.
    """

    def __init__(self, order: ImproveOrder, worker: JobWorker) -> None:
        self.order = order
        self.settings = order.settings
        self._worker = worker
        self._folder: Path = worker.path
        self._is_stopped = False
        self._done = self._total = 0
        self._tuner: Tuner | None = None
        self._warnings: tuple[str, ...] = ()
        self.device = torch.device(resolve_device(order.settings.device))
        self.teacher = ModelFolder.open(order.model)
        if self.teacher.sha256 != order.model_sha256:
            msg = (
                f"the model {self.teacher.name!r} must be the one that the job began "
                "with, but its files were changed: start a new improvement"
            )
            raise ModelError(msg)
        is_anew = order.settings.start == "base"
        self.start = ModelFolder.open(order.base) if is_anew else self.teacher
        self.classes = class_map(self.teacher.labels, order.labels)
        self.makings = Makings(
            order, self.teacher, self.start, self.classes, self.device, self._check
        )

    def run(self) -> dict[str, Any]:
        """Do all that is not done yet.

        Returns
        -------
        dict
            What the job says at its end: the verdict, the candidate, times.

        Raises
        ------
        Cancelled
            If the job was cancelled.
        ModelError
            If the new model cannot be used.
        """
        self._say("preparing", "reading scans and labels")
        cases = self._load()
        split = self._split(cases)
        folds = [fold for fold in split.folds if not fold.is_final]
        plan = self._step_plan(cases, split, len(folds))
        self._total = plan.final + plan.fold * len(folds)
        self._pace = Pace(plan.seconds_per_step)
        judge = Judge(self.order, self._folder, str(self.device), self._check)
        self._say("before", "asking the model in use")
        judge.ask_before(self.teacher, cases, split)
        self._warn(judge, cases)
        candidate = self._learn("final", cases, split, None, plan)
        self._done += plan.final
        models: dict[str, ModelFolder] = {}
        for fold in split.folds:
            if fold.is_final:
                models[fold.name] = candidate
            elif not self._is_stopped:
                stand_in = self._learn(fold.name, cases, split, fold, plan)
                self._done += plan.fold
                # One that was stopped early has hardly left the old model: it must not
                # speak for the new one.
                if not self._is_stopped:
                    models[fold.name] = stand_in
        self._say("after", "asking the new model")
        spared = self.makings.spared(split)
        judge.ask_after(models, cases, split, spared=spared)
        self._say("comparing", "comparing both models")
        report = judge.compare(
            models, cases, split, spared=spared, new_labels=self._new()
        )
        self._say("writing", "writing the new model")
        verdict = report.verdict.to_dict()
        card = candidate.card
        metrics = {**card.metrics, "gate": report.verdict.without_cases().to_dict()}
        candidate = replace_card(candidate, dataclasses.replace(card, metrics=metrics))
        problems = verify_model(candidate, build=build)
        if problems:
            raise ModelError(problems[0])
        self._worker.tell("verdict", **verdict)
        self._worker.tell("memory", peak_rss=peak_rss())
        return {
            "verdict": report.verdict.outcome,
            "reason": report.verdict.reason,
            "may_promote_alone": report.verdict.may_promote_alone,
            "model": "model",
            "name": self.order.name,
            "scheme": split.scheme,
            "device": self.device.type,
            "planned_step_s": self.order.planned_step_s,
            "seconds_per_step": plan.seconds_per_step,
            "steps": plan.final,
            "peak_rss": peak_rss(),
        }

    def _warn(self, judge: Judge, cases: Mapping[str, LearnedCase]) -> None:
        """Tell what looks wrong with the corrections before time is spent on them."""
        path = self._folder / "suspicions.json"
        kept = kept_note(path)
        if kept is None:
            found = [each.sentence for each in judge.suspicions(cases)]
            for sentence in found:
                self._worker.tell("warning", text=sentence)
            kept = {"sentences": found}
            keep_note(path, kept)
        self._warnings = tuple(kept["sentences"])

    def _new(self) -> frozenset[int]:
        """Return the values of labels that the model in use does not know."""
        known = self.classes.known
        return frozenset(v for v, head in self.classes.heads.items() if head >= known)

    # -- what is learned ---------------------------------------------------

    def _load(self) -> dict[str, LearnedCase]:
        """Read every case."""
        rows = channel_rows(self.start.channel_names, self.order.channels)
        plan = plan_of_channels(self.start.plan, rows)
        cases = {}
        for frozen in self.order.cases:
            self._check()
            cases[frozen.name] = load_case(
                frozen,
                self._folder,
                plan,
                channels=len(self.order.channels),
                to_ras=self.start.reorient_to_ras,
            )
        return cases

    def _split(self, cases: Mapping[str, LearnedCase]) -> Split:
        """Decide who learns and who judges; once, and for all that follows.

        Raises
        ------
        InputError
            If nobody is left to learn from.
        """
        path = self._folder / "split.json"
        kept = kept_note(path)
        if kept is not None:
            return Split.from_dict(kept)
        reviewed = [
            ReviewedCase(
                name,
                case.frozen.patient,
                case.digest,
                int(np.count_nonzero(case.looked.known)),
                float(case.looked.known.mean()),
            )
            for name, case in cases.items()
        ]
        scheme = self.settings.gate
        split = split_cases(
            reviewed,
            seed=self.order.study_seed,
            locked=self.order.locked,
            trained=self.order.trained,
            load=lambda name: (cases[name].looked.known, cases[name].looked.labels),
            scheme="auto" if scheme == "none" else scheme,
        )
        if scheme == "none":
            split = Split("none", split.train, (), split.locked, split.duplicates)
        if not split.train:
            msg = (
                "an improvement must have a case to learn from, but all are held out: "
                "review another case, or let one be learned"
            )
            raise InputError(msg)
        keep_note(path, split.to_dict())
        return split

    def _step_plan(
        self, cases: Mapping[str, LearnedCase], split: Split, folds: int
    ) -> StepPlan:
        """Decide how many updates there are; once."""
        path = self._folder / "steps.json"
        known = StepPlan.read(path)
        if known is not None:
            torch.set_num_threads(known.threads)
            return known
        settings, kind = self.settings, self.device.type
        patch = self.makings.patch()
        checkpointing = self.order.checkpointing
        seconds = 0.0
        if settings.steps is None:
            self._say("preparing", "measuring the speed of this machine")
            sampler, _, _ = self.makings.samplers(cases, split, None, patch)
            trial = StepPlan(10, 5, 0, 0, patch, checkpointing)
            tuner = self.makings.trial_tuner(trial)
            seconds = measured_step_s(tuner, self.makings.drawing(sampler))
            del tuner
            give_memory_back()
        final, fold = plan_steps(
            settings,
            seconds,
            minutes=settings.training_minutes(kind),
            folds=folds,
        )
        plan = StepPlan(
            final, fold, seconds, torch.get_num_threads(), patch, checkpointing
        )
        plan.write(path)
        self._worker.tell(
            "plan",
            steps=final,
            fold_steps=fold,
            seconds=seconds * (final + folds * fold),
        )
        return plan

    def _learn(
        self,
        name: str,
        cases: Mapping[str, LearnedCase],
        split: Split,
        fold: Fold | None,
        plan: StepPlan,
    ) -> ModelFolder:
        """Train, unless that is done, and return the model."""
        slug = name.replace(" ", "_")
        path = self._folder / ("model" if fold is None else f"models/{slug}")
        if (path / "plans.json").is_file():
            return ModelFolder.open(path)
        self._say("training", name)
        learning, watched, what = self.makings.samplers(cases, split, fold, plan.patch)
        draw = self.makings.drawing(learning)
        tuner = self._tuner = self.makings.tuner(plan, draw, is_final=fold is None)
        begin = tuner.weights()
        patches = [watched.draw(0, index) for index in range(_WATCHED)]
        run = TuningRun(
            name,
            tuner,
            draw,
            plan.schedule(self.settings, is_final=fold is None),
            self._folder / "checkpoints" / f"{slug}.pt",
            Told(self._worker.tell, self._on_step, partial(self._keep_picture, slug)),
            self.device,
            watch=Watch(patches, self.classes),
            stop_early=fold is None and bool(self.makings.spared(split)),
            facts={
                "classes": list(self.classes.names),
                "settings": self.settings.to_dict(),
                "watched": what,
                "patch": list(plan.patch),
                "notes": list(self._warnings),
            },
        )
        run.run()
        weights = mixed(begin, run.weights(), self.settings.interpolation)
        self._tuner = None
        self._worker.tell("memory", peak_rss=peak_rss())
        return self._write(path, weights, tuner.step, plan, split)

    def _write(
        self,
        path: Path,
        weights: Mapping[str, torch.Tensor],
        steps: int,
        plan: StepPlan,
        split: Split,
    ) -> ModelFolder:
        """Write a model with what is known of its making."""
        rows = channel_rows(self.start.channel_names, self.order.channels)
        kwargs = student_kwargs(self.start, self.settings.kernel_size)
        recipe = {
            "command": "improve",
            **self.settings.to_dict(),
            "steps_done": steps,
            "trained_on": self.device.type,
            "threads": plan.threads,
            "patch": list(plan.patch),
        }
        return write_candidate(
            path,
            self.start,
            self.classes,
            weights,
            plans=candidate_plans(self.start, kwargs, rows),
            channels=self.order.channels,
            facts={
                "name": self.order.name,
                "title": self.order.title,
                "lineage": dict(self.order.lineage),
                "recipe": recipe,
                "seed": self.settings.seed,
                "metrics": {},
                "training_data": (
                    *self.start.card.training_data,
                    {"name": self.order.study, "cases": len(split.train)},
                ),
            },
        )

    # -- who is told and who commands -----------------------------------------

    def _say(self, phase: str, text: str) -> None:
        self._worker.tell("phase", phase=phase, text=text)
        # Steps count on through all trainings, so lists show them as one phase.
        shown = phase if phase == "training" else text
        self._worker.progress(self._done, self._total, phase=shown)
        self._check()

    def _check(self) -> None:
        """Wait while somebody else has the machine; obey a command.

        Raises
        ------
        Cancelled
            If the job was cancelled.
        """
        command = self._worker.checkpoint_gate(self._release, self._return)
        if command is Command.CANCEL:
            msg = "the improvement was cancelled"
            raise Cancelled(msg)
        if command is Command.STOP:
            self._is_stopped = True

    def _on_step(self, step: int) -> bool:
        """Tell how far it is; true when the training shall stop."""
        self._check()
        self._pace.note()
        seconds = self._pace.seconds_for(self._total - self._done - step)
        self._worker.progress(self._done + step, self._total, remaining_s=seconds)
        return self._is_stopped

    def _release(self) -> None:
        """Free the GPU for whoever segments."""
        if self._tuner is not None and self.device.type != "cpu":
            self._tuner.move(torch.device("cpu"))

    def _return(self) -> None:
        if self._tuner is not None and self.device.type != "cpu":
            self._tuner.move(self.device)

    def _keep_picture(self, slug: str, step: int, png: bytes) -> None:
        name = f"examples/{slug}/step_{step:06d}.png"
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with placed(path) as draft:
            draft.write_bytes(png)
        self._worker.tell("examples", step=step, file=name)
