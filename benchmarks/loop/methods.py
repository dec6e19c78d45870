"""How a model learns from corrections: nothing, as nnU-Net, ours, ours without a part.

``ours`` is the path of the window: the job of :mod:`napari_mednext.app.improve` in its
own process, then the promotion of its candidate.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_mednext.app.chosen_model import remember_model
from napari_mednext.models import find_model
from napari_mednext.settings.improve import ImproveSettings

if TYPE_CHECKING:
    from napari_mednext.study import Study

__all__ = ["METHODS", "Budget", "Improved", "Method"]

_POLL_S = 1.0


@dataclass(frozen=True)
class Budget:
    """What every method may spend on a round.

    Parameters
    ----------
    steps : int
        Updates of one patch.
    patch : (z, y, x) voxels
    patch_share : float
        The same patch, as a share of the shipped model's.
    seed : int
    gate : str
        How ours is judged inside a round; "none" where only the model counts.
    """

    steps: int = 150
    patch: tuple[int, int, int] = (64, 80, 64)
    patch_share: float = 1.0
    seed: int = 0
    gate: str = "none"


@dataclass(frozen=True)
class Improved:
    """A model after a round, and what is known of the way there."""

    model: Path | str
    notes: Mapping[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A way from corrections to the next model."""

    def improve(
        self, study: Study, model: Path | str, budget: Budget, *, round_: int
    ) -> Improved:
        """Return the model after a round; ``model`` is the one before."""
        ...


@dataclass(frozen=True)
class Nothing:
    """No fine-tuning: what the annotator has today."""

    def improve(
        self,
        study: Study,  # noqa: ARG002 - as the protocol has it
        model: Path | str,
        budget: Budget,  # noqa: ARG002
        *,
        round_: int,  # noqa: ARG002
    ) -> Improved:
        """Return the model as it is."""
        return Improved(model)


@dataclass(frozen=True)
class Plain:
    """Fine-tuning as nnU-Net does it."""

    def improve(
        self, study: Study, model: Path | str, budget: Budget, *, round_: int
    ) -> Improved:
        """Return the model that plain fine-tuning makes."""
        from benchmarks.loop.plain_tuning import fine_tune

        out = study.path / "models" / f"plain_{round_}"
        folder = fine_tune(
            find_model(model),
            study,
            out,
            steps=budget.steps,
            patch=budget.patch,
            seed=budget.seed * 1000 + round_,
        )
        remember_model(study.path, name=folder.name, path=folder.path)
        return Improved(folder.path)


@dataclass(frozen=True)
class Ours:
    """The job of the window.

    Parameters
    ----------
    changes : mapping
        Fields of the settings that differ from their defaults.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, budget: Budget) -> ImproveSettings:
        """Return the settings of a round."""
        base = ImproveSettings(
            steps=budget.steps,
            patch_share=budget.patch_share,
            seed=budget.seed,
            gate=budget.gate,  # type: ignore[arg-type]  # checked by the settings
            device="cpu",
        )
        return replace(base, **self.changes)

    def improve(
        self,
        study: Study,
        model: Path | str,
        budget: Budget,
        *,
        round_: int,  # noqa: ARG002 - as the protocol has it
    ) -> Improved:
        """Run the job to its end, and make its candidate the model of the study."""
        from napari_mednext.app.improve import start_improve
        from napari_mednext.app.versions import promote

        job = start_improve(study, self.settings(budget), model=model)
        while not (view := job.view()).is_over:
            time.sleep(_POLL_S)
        candidate = job.path / "model"
        if view.state != "done" or not candidate.is_dir():
            msg = f"the job {job.id} ended as {view.state}: {view.message}"
            raise RuntimeError(msg)
        return Improved(promote(study, candidate), {"job": job.id, **view.result})


#: Name -> method; those that begin with "ours" but for "ours" itself are the ablation.
METHODS: Mapping[str, Method] = {
    "none": Nothing(),
    "nnunet": Plain(),
    "ours": Ours(),
    "ours, no probe": Ours({"probe": False}),
    "ours, no replay": Ours({"replay_share": 0.0}),
    "ours, no distillation": Ours({"distill_weight": 0.0}),
    "ours, no changed patches": Ours({"changed_share": 0.0}),
    "ours, no mean of weights": Ours({"ema_decay": 0.0}),
    "ours, no augmentation": Ours({"augment": False}),
    "ours, no deep supervision": Ours({"deep_supervision": False}),
    "ours, half of the old weights": Ours({"interpolation": 0.5}),
    "ours, from base": Ours({"start": "base"}),
    "ours, decoder only": Ours({"train": "decoder"}),
    "ours, head only": Ours({"train": "head"}),
}
