"""What an improvement of a study would learn, who would judge it, and what it takes.

Nothing here needs torch: the training is a process of its own.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_mednext.app.chosen_model import remembered_model
from napari_mednext.app.held_out import held_out
from napari_mednext.app.improve_cost import Cost, improvement_cost
from napari_mednext.app.pseudonyms import Pseudonyms
from napari_mednext.app.reviewed import Reviewed, known_and_labels, reviewed_cases
from napari_mednext.errors import InputError, MednextError
from napari_mednext.jobs import JobStore
from napari_mednext.models import find_model, installed_models
from napari_mednext.training.gate import ReviewedCase, Split, split_cases
from napari_mednext.training.gate.blocks import LEAST_VOXELS
from napari_mednext.training.tuning.classes import class_map
from napari_mednext.training.tuning.order import FrozenCase, ImproveOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from napari_mednext.models import ModelFolder
    from napari_mednext.settings.improve import ImproveSettings
    from napari_mednext.study import Study

__all__ = ["ImproveDraft", "ImprovePlan", "PlannedCase", "frozen_paths"]

Role = Literal["train", "hold-out", "replay"]

#: With fewer reviewed voxels there is nothing to learn.
FEWEST_REVIEWED = 200
#: Cases that were learned before and are learned again, at most: the newest.
_MOST_REPLAYED = 20
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_GIB = 2**30


@dataclass(frozen=True)
class PlannedCase:
    """What a case is for.

    Parameters
    ----------
    name, patient : str
        As in the study.
    role : str
        "train" for what is new, "replay" for what an earlier version has learned,
        "hold-out" for what judges and is never learned.
    reviewed, changed : int
        Voxels that somebody looked at, and drew.
    share : float
        Reviewed part of the scan, 0..1.
    """

    name: str
    patient: str
    role: Role
    reviewed: int
    changed: int
    share: float


@dataclass(frozen=True)
class ImprovePlan:
    """What an improvement would do and take.

    Parameters
    ----------
    model : str
        Name of the model that is improved; empty for none.
    cases : tuple of PlannedCase
        In the order of the study.
    scheme : str
        How the new model is judged: "hold-out", "leave-one-out", "blocks" or "none".
    new_labels : tuple of str
        Labels of the study that the model does not know.
    steps : int
        Updates of the final training, about.
    seconds : float
        In all, about.
    ram_bytes : int
        Main memory at most.
    gpu_bytes : int or None
        GPU memory; None where none is used.
    disk_bytes : int
        On the disk of the study.
    device : str
        "cpu" or "cuda".
    problems : tuple of str
        Sentences; it cannot start as long as there is one.
    warnings : tuple of str
        Sentences.
    """

    model: str
    cases: tuple[PlannedCase, ...] = ()
    scheme: str = "none"
    new_labels: tuple[str, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    ram_bytes: int = 0
    gpu_bytes: int | None = None
    disk_bytes: int = 0
    device: str = "cpu"
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def frozen_paths(name: str) -> tuple[Path, Path]:
    """Return where a job keeps labels and provenance of a case, in its folder."""
    return Path("data", f"{name}.nii.gz"), Path("data", f"{name}.provenance.nii.gz")


class ImproveDraft:
    """Everything that is known of an improvement before it starts."""

    def __init__(
        self,
        study: Study,
        settings: ImproveSettings,
        model: str | Path | None,
        check: Callable[[], None] | None,
    ) -> None:
        self.study = study
        self.settings = settings
        self.lacks_resources = False
        self.split: Split | None = None
        self.used: tuple[Reviewed, ...] = ()
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._known_cost = Cost()
        self._pseudonyms = Pseudonyms(study.seed)
        self._model = self._found(model)
        self.plan = self._plan(check)

    def _found(self, model: str | Path | None) -> ModelFolder | None:
        wanted = model
        if wanted is None:
            wanted = remembered_model(self.study.path, installed_models())
        if wanted is None:
            self._problems.append(
                "a study must have a model before it can be improved, it has none: "
                "choose one in the list of models"
            )
            return None
        try:
            return find_model(wanted)
        except MednextError as error:
            self._problems.append(str(error))
            return None

    def _plan(self, check: Callable[[], None] | None) -> ImprovePlan:
        model = self._model
        if model is None:
            return ImprovePlan("", problems=tuple(self._problems))
        new_labels = self._new_labels(model)
        reviewed = reviewed_cases(self.study, check=check)
        is_replay = self._replayed(model, reviewed)
        reviewed = _without_the_oldest(reviewed, is_replay, held_out(self.study.path))
        self.used, self._is_replay = reviewed, is_replay
        cases: tuple[PlannedCase, ...] = ()
        cost = Cost()
        if sum(each.voxels for each in reviewed) < FEWEST_REVIEWED:
            self._problems.append(
                f"an improvement must have at least {FEWEST_REVIEWED} reviewed voxels "
                f"to learn from, there are {sum(each.voxels for each in reviewed)}: "
                "correct a slice and tick it as reviewed, or accept a case"
            )
        elif not self._problems:
            self.split = self._split(model, reviewed)
            cases = tuple(self._planned(each) for each in reviewed)
            self._judge_the_split(reviewed)
            cost = self._cost(model, reviewed)
        return ImprovePlan(
            model.name,
            cases,
            "none" if self.split is None else self.split.scheme,
            new_labels,
            cost.steps,
            cost.seconds,
            cost.ram_bytes,
            cost.gpu_bytes,
            cost.disk_bytes,
            cost.device,
            tuple(self._problems),
            tuple(self._warnings),
        )

    def _new_labels(self, model: ModelFolder) -> tuple[str, ...]:
        """Return the labels that the model must learn anew; notes what forbids it."""
        if model.regions is not None:
            self._problems.append(
                "a model can be improved when its labels exclude each other, those of "
                f"{model.name!r} are overlapping regions: choose another model"
            )
            return ()
        if len(self.study.channel_names) < model.input_channels:
            self._problems.append(
                f"a study must have as many channels as its model, "
                f"{model.input_channels}, it has {len(self.study.channel_names)}: "
                "choose another model"
            )
        try:
            return class_map(model.labels, self.study.labels).new_names
        except InputError as error:
            self._problems.append(str(error))
            return ()

    def _lineage(self, model: ModelFolder) -> Mapping[str, Any]:
        """Return what a model says of this study, nothing if it comes from another."""
        lineage = model.card.lineage
        return lineage if lineage.get("study_key") == self._pseudonyms.study else {}

    def _trained(self, model: ModelFolder) -> tuple[str, ...]:
        """Return the patients that a model has learned from, of those that are here."""
        learned = set(self._lineage(model).get("patients", ()))
        here = {case.patient or case.name for case in self.study.cases()}
        return tuple(
            sorted(each for each in here if self._pseudonyms.patient(each) in learned)
        )

    def _replayed(
        self, model: ModelFolder, reviewed: tuple[Reviewed, ...]
    ) -> dict[str, bool]:
        """Return which cases the model has learned or been judged on as they are."""
        known = self._lineage(model).get("cases", {})
        if self.settings.start == "base":
            known = {}
        return {
            each.case.name: known.get(self._pseudonyms.case(each.case.name))
            == each.sha256
            for each in reviewed
        }

    def _split(self, model: ModelFolder, reviewed: tuple[Reviewed, ...]) -> Split:
        by_name = {each.case.name: each for each in reviewed}
        gate = self.settings.gate
        return split_cases(
            [
                ReviewedCase(
                    each.case.name, each.case.patient, "", each.voxels, each.share
                )
                for each in reviewed
            ],
            seed=self.study.seed,
            locked=held_out(self.study.path),
            trained=self._trained(model),
            load=lambda name: known_and_labels(by_name[name]),
            scheme="auto" if gate == "none" else gate,
        )

    def _planned(self, reviewed: Reviewed) -> PlannedCase:
        case, split = reviewed.case, self.split
        role: Role = "replay" if self._is_replay[case.name] else "train"
        if split is not None and case.name not in split.train:
            role = "hold-out"
        return PlannedCase(
            case.name,
            case.patient,
            role,
            reviewed.voxels,
            reviewed.changed,
            reviewed.share,
        )

    def _judge_the_split(self, reviewed: tuple[Reviewed, ...]) -> None:
        """Note what the split does not allow."""
        split = self.split
        if split is None:
            return
        if not split.train:
            self._problems.append(
                "an improvement must have a case to learn from, but all reviewed "
                "cases are held out: review another one"
            )
        if self.settings.gate == "none" or split.scheme == "none":
            self._warnings.append(
                "nothing is left to judge the new model by, so nobody can say whether "
                f"it is better: review at least {LEAST_VOXELS} voxels of two cases, or "
                "more slices"
            )
        learned = [each for each in reviewed if each.case.name in split.train]
        if learned and all(self._is_replay[each.case.name] for each in learned):
            self._warnings.append(
                "the model has learned all these corrections already: nothing is new"
            )

    def _cost(self, model: ModelFolder, reviewed: tuple[Reviewed, ...]) -> Cost:
        split = self.split
        folds = 0 if split is None else sum(not f.is_final for f in split.folds)
        judged = () if split is None else {n for f in split.folds for n in f.judged}
        cost = improvement_cost(
            model,
            self.settings,
            channels=len(self.study.channel_names),
            classes=class_map(model.labels, self.study.labels).count,
            shapes={each.case.name: each.shape for each in reviewed},
            spacings={each.case.name: each.spacing for each in reviewed},
            judged=tuple(judged),
            folds=folds,
            store=JobStore(self.study.path / "jobs"),
        )
        free = shutil.disk_usage(self.study.path).free
        if free < cost.disk_bytes:
            self._problems.append(
                f"an improvement must have {cost.disk_bytes / _GIB:.1f} GB of disk for "
                f"checkpoints and masks, {free / _GIB:.1f} GB are free: make room"
            )
        self._problems += cost.problems
        self._warnings += cost.warnings
        self.lacks_resources = bool(cost.problems) or free < cost.disk_bytes
        self._known_cost = cost
        return cost

    def order(self) -> ImproveOrder:
        """Return what the job is asked to do."""
        model, split = self._model, self.split
        if model is None or split is None:
            msg = "an improvement must have a plan without problems to be ordered"
            raise InputError(msg)
        study, lineage = self.study, self._lineage(model)
        root = lineage.get("root") or {"name": model.name, "sha256": model.sha256}
        number = int(lineage.get("round", 0)) + 1
        slug = _UNSAFE.sub("_", study.name).strip("_").lower() or "study"
        stem = f"{str(root['name'])[:50]}-{slug[:30]}"
        base = self._base(root, model)
        names = self._pseudonyms
        people = {
            names.patient(each.case.patient or each.case.name)
            for each in self.used
            if each.case.name in split.train
        }
        return ImproveOrder(
            study=study.name,
            study_seed=study.seed,
            labels=study.labels,
            channels=tuple(study.channel_names),
            model=model.path,
            base=base,
            model_sha256=model.sha256,
            name=f"{stem}-v{number}",
            title=f"{root.get('title') or model.title} · {study.name} {number}",
            round=number,
            cases=tuple(
                FrozenCase(
                    each.case.name,
                    each.case.patient,
                    each.case.images,
                    *frozen_paths(each.case.name),
                    is_replay=self._is_replay[each.case.name],
                )
                for each in self.used
            ),
            locked=tuple(sorted(split.locked)),
            settings=self.settings,
            patch=self._known_cost.patch,
            checkpointing=self._known_cost.checkpointing,
            planned_step_s=self._known_cost.planned_step_s,
            home=study.path,
            trained=self._trained(model),
            lineage={
                "parent": model.name,
                "parent_sha256": model.sha256,
                "root": {"title": model.title, **root},
                "study": study.name,
                "study_key": names.study,
                "round": number,
                "cases": {
                    **lineage.get("cases", {}),
                    **{names.case(each.case.name): each.sha256 for each in self.used},
                },
                "patients": sorted(people | set(lineage.get("patients", ()))),
            },
        )

    def _base(self, root: Mapping[str, Any], model: ModelFolder) -> Path:
        """Return the folder of the model that all versions descend from."""
        for info in installed_models():
            if info.name == root["name"]:
                return info.path
        if self.settings.start == "base" and model.name != root["name"]:
            msg = (
                f"the base model {root['name']!r} must be installed to start from it, "
                "but it is not: start from the current version"
            )
            raise InputError(msg)
        return model.path


def _without_the_oldest(
    reviewed: tuple[Reviewed, ...],
    is_replay: Mapping[str, bool],
    locked: Collection[str],
) -> tuple[Reviewed, ...]:
    """Leave out all but the newest of the cases that were learned before.

    Those that judge stay: nobody changes them, so they would be the first to go.
    """
    old = [
        each
        for each in reviewed
        if is_replay[each.case.name]
        and (each.case.patient or each.case.name) not in locked
    ]
    newest = sorted(old, key=lambda each: each.case.changed)[-_MOST_REPLAYED:]
    gone = {each.case.name for each in old} - {each.case.name for each in newest}
    return tuple(each for each in reviewed if each.case.name not in gone)
