"""What a training of an improvement begins with: patches, a network, and a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_mednext.network import build
from napari_mednext.training.device import autocast
from napari_mednext.training.trimming import give_memory_back
from napari_mednext.training.tuning.losses import Objective
from napari_mednext.training.tuning.origins import Hearing, hear, seed_new_heads
from napari_mednext.training.tuning.probing import fit_heads
from napari_mednext.training.tuning.sampling import PatchSampler
from napari_mednext.training.tuning.student import head_rows, make_student
from napari_mednext.training.tuning.tuner import Batch, Student, Tuner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_mednext.models import ModelFolder
    from napari_mednext.training.gate.splits import Fold, Split
    from napari_mednext.training.tuning.classes import ClassMap
    from napari_mednext.training.tuning.loading import LearnedCase
    from napari_mednext.training.tuning.order import ImproveOrder
    from napari_mednext.training.tuning.step_plan import StepPlan

__all__ = ["Makings"]

#: Batches to which new heads are fitted before the network learns: one for so many
#: updates, but not fewer or more than these. A batch costs a third of an update.
_UPDATES_A_PROBE, _FEWEST_PROBED, _MOST_PROBED = 4, 8, 24
#: Held-out patients from which one can be spared to say when to stop.
_ENOUGH_TO_SPARE = 3


class Makings:
    """What the trainings of one improvement are made of.

    Parameters
    ----------
    order : ImproveOrder
        What is wanted.
    teacher, start : ModelFolder
        The version in use, and whose weights the training starts from.
    classes : ClassMap
        Of the teacher and the study.
    device : torch.device
        Where it learns.
    check : callable
        Called between parts that take long; may raise to end it all.
    """

    def __init__(
        self,
        order: ImproveOrder,
        teacher: ModelFolder,
        start: ModelFolder,
        classes: ClassMap,
        device: torch.device,
        check: Callable[[], None],
    ) -> None:
        self.order = order
        self.settings = order.settings
        self.teacher = teacher
        self.start = start
        self.classes = classes
        self.device = device
        self._check = check

    def patch(self) -> tuple[int, ...]:
        """Return the size of a training patch, (z, y, x) voxels."""
        return self.order.patch or self.settings.patch_of(
            self.start.plan.patch_size, self._multiple()
        )

    def samplers(
        self,
        cases: Mapping[str, LearnedCase],
        split: Split,
        fold: Fold | None,
        patch: tuple[int, ...],
    ) -> tuple[PatchSampler, PatchSampler, str]:
        """Return what is learned from, what is watched, and what to call that."""
        if fold is None:
            learning = self._sampler(
                cases, split.train, lambda _: None, patch, for_learning=True
            )
            final = next((each for each in split.folds if each.is_final), None)
            if final is None:
                watched = self._sampler(
                    cases, split.train, lambda _: None, patch, for_learning=False
                )
                return learning, watched, "training cases"
            names = self.spared(split) or final.judged
            watched = self._sampler(
                cases, names, lambda _: None, patch, for_learning=False
            )
            return learning, watched, "held-out cases"

        def untrained(name: str) -> NDArray[np.bool_]:
            return ~fold.trained_mask(name, cases[name].looked.known)

        def unjudged(name: str) -> NDArray[np.bool_]:
            return ~fold.judged_mask(name, cases[name].looked.known)

        learning = self._sampler(cases, fold.train, untrained, patch, for_learning=True)
        watched = self._sampler(cases, fold.judged, unjudged, patch, for_learning=False)
        return learning, watched, "held-out cases"

    def spared(self, split: Split) -> tuple[str, ...]:
        """Return held-out cases that say when to stop, and so do not judge.

        All of one patient: the others of that patient would not be independent.
        """
        final = next((fold for fold in split.folds if fold.is_final), None)
        if final is None or not self.settings.early_stop:
            return ()
        person = {each.name: each.patient or each.name for each in self.order.cases}
        if len({person[name] for name in final.judged}) < _ENOUGH_TO_SPARE:
            return ()
        spared = person[final.judged[0]]
        return tuple(name for name in final.judged if person[name] == spared)

    def drawing(self, sampler: PatchSampler) -> Callable[[int], Batch]:
        """Return what draws the batch of a step."""
        count = self.settings.batch_size

        def draw(step: int) -> Batch:
            with torch.no_grad():
                patches = [sampler.draw(step, index) for index in range(count)]
            return Batch(*(torch.stack(parts) for parts in zip(*patches, strict=True)))

        return draw

    def tuner(
        self, plan: StepPlan, draw: Callable[[int], Batch], *, is_final: bool
    ) -> Tuner:
        """Return what learns, before its first update.

        Parameters
        ----------
        plan : StepPlan
            How long it will learn.
        draw : callable
            Step -> batch, of the training.
        is_final : bool
            Whether it is the new model itself, and not a stand-in.
        """
        student = self._student(plan.checkpointing)
        heard = self._heard(student, draw)
        seed_new_heads(student.network, heard.origins)
        if self.settings.probe:
            network = student.network.to(self.device)
            steps = plan.final if is_final else plan.fold
            probed = max(_FEWEST_PROBED, steps // _UPDATES_A_PROBE)
            batches = map(self._drawn(draw), range(min(probed, _MOST_PROBED)))
            rows = head_rows(self.start, self.classes)
            new = [head for head, row in enumerate(rows) if row is None]
            fit_heads(network, self.classes, batches, new=new, origins=heard.origins)
        give_memory_back()
        return self._tuner_of(student, heard, plan, is_final=is_final)

    def trial_tuner(self, plan: StepPlan) -> Tuner:
        """Return a tuner whose updates cost what those of the real one cost.

        Where new heads come from takes time to find and costs an update nothing.
        """
        return self._tuner_of(self._student(plan.checkpointing), Hearing(), plan)

    def _student(self, checkpointing: str) -> Student:
        torch.manual_seed(self.settings.seed)
        return make_student(
            self.start,
            self.teacher,
            self.classes,
            self.order.channels,
            kernel_size=self.settings.kernel_size,
            deep_supervision=self.settings.deep_supervision,
            checkpointing=checkpointing,
        )

    def _sampler(
        self,
        cases: Mapping[str, LearnedCase],
        names: Iterable[str],
        hidden: Callable[[str], NDArray[np.bool_] | None],
        patch: tuple[int, ...],
        *,
        for_learning: bool,
    ) -> PatchSampler:
        """Return what draws patches of some cases."""
        names = [name for name in names if name in cases]
        settings = self.settings
        shares = _shares(
            {name: cases[name].frozen.is_replay for name in names},
            settings.replay_share if for_learning else None,
        )
        return PatchSampler(
            [
                cases[name].to_draw_from(
                    self.classes, share=shares[name], hidden=hidden(name)
                )
                for name in names
            ],
            patch,
            augment=settings.augment and for_learning,
            changed_share=settings.changed_share if for_learning else 0.0,
            mirror_axes=self.classes.mirror_axes(self.start.mirror_axes),
            seed=settings.seed,
        )

    def _multiple(self) -> int:
        """Return what patches must be a multiple of."""
        network = build(
            self.start.plan.network_class_name,
            input_channels=1,
            num_classes=2,
            arch_kwargs=self.start.plan.arch_kwargs,
        )
        return int(getattr(network, "downsampling", 32))

    def _heard(self, student: Student, draw: Callable[[int], Batch]) -> Hearing:
        """Return what the old model's answers are worth, where that matters."""
        has_new = self.classes.count > self.classes.known
        if student.teacher is None or not (has_new or self.settings.distill_weight):
            return Hearing()
        # Some patches are asked: on a CPU beside a GPU that would take minutes.
        teacher = student.teacher.to(self.device)
        channels = list(student.teacher_channels)

        @torch.no_grad()
        def ask(image: torch.Tensor) -> torch.Tensor:
            self._check()
            with autocast(self.device):
                answer = teacher(image[:, channels].to(self.device))
            said = answer if isinstance(answer, torch.Tensor) else answer[0]
            return said.float()

        return hear(self.classes, draw, ask)

    def _drawn(self, draw: Callable[[int], Batch]) -> Callable[[int], Batch]:
        """Return what draws onto the device, and ends when the job is cancelled."""

        def drawn(step: int) -> Batch:
            self._check()
            return Batch(*(part.to(self.device) for part in draw(step)))

        return drawn

    def _tuner_of(
        self,
        student: Student,
        heard: Hearing,
        plan: StepPlan,
        *,
        is_final: bool = True,
    ) -> Tuner:
        return Tuner(
            student,
            self.settings.train,
            Objective(self.classes, self.settings.distill_weight, heard),
            plan.schedule(self.settings, is_final=is_final),
            self.settings.weight_decay,
            self.device,
            head_rate=self.settings.head_rate,
        )


def _shares(is_replay: Mapping[str, bool], replay: float | None) -> dict[str, float]:
    """Return the weight of every case among others."""
    old = [name for name, each in is_replay.items() if each]
    new = [name for name, each in is_replay.items() if not each]
    if replay is None or not old or not new:
        # Without replay nothing old is drawn, as long as there is anything new.
        return dict.fromkeys(is_replay, 1.0)
    return dict.fromkeys(old, replay / len(old)) | dict.fromkeys(
        new, (1 - replay) / len(new)
    )
