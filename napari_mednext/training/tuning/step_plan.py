"""How many updates fit into the minutes, decided once and kept with the job."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from napari_mednext.training.schedule import Schedule
from napari_mednext.training.tuning.notes import keep_note, kept_note

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.settings.improve import ImproveSettings
    from napari_mednext.training.tuning.tuner import Batch, Tuner

__all__ = ["StepPlan", "measured_step_s", "plan_steps"]

#: Fewer updates teach nothing; more than these overfit a few cases.
FEWEST, MOST = 20, 20_000
#: The final training gets so many times the updates of one that stands in for it.
FINAL_WEIGHT = 2
#: Updates before a measurement, and those that are measured.
_WARM_UP, _MEASURED = 2, 4


@dataclass(frozen=True)
class StepPlan:
    """What was decided before the first update; a job that goes on keeps it.

    Parameters
    ----------
    final, fold : int
        Updates of the final training and of each that stands in for it.
    seconds_per_step : float
        Measured here; 0 where it was not.
    threads : int
        Of the CPU: sums depend on their number.
    patch : (z, y, x) voxels
        Of the training.
    checkpointing : str
        "none" or "expansion".
    """

    final: int
    fold: int
    seconds_per_step: float
    threads: int
    patch: tuple[int, ...]
    checkpointing: str

    def schedule(self, settings: ImproveSettings, *, is_final: bool) -> Schedule:
        """Return steps and rates of one training."""
        steps = self.final if is_final else self.fold
        return Schedule(
            steps,
            round(settings.warmup * steps),
            settings.learning_rate,
            settings.ema_decay,
        )

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the plan of a file, None where there is none."""
        values = kept_note(path)
        if values is None:
            return None
        values["patch"] = tuple(values["patch"])
        return cls(**values)

    def write(self, path: Path) -> None:
        """Write the plan, beside its place first."""
        keep_note(path, asdict(self))


def plan_steps(
    settings: ImproveSettings, seconds_per_step: float, *, minutes: float, folds: int
) -> tuple[int, int]:
    """Return the updates of the final training and of each fold.

    Parameters
    ----------
    settings : ImproveSettings
        Fixed steps count; else what fits.
    seconds_per_step : float
        Of one update here.
    minutes : float
        For all trainings together.
    folds : int
        Trainings that stand in for the final one.

    Returns
    -------
    (int, int)
    """
    if settings.steps is not None:
        return settings.steps, max(1, round(settings.steps / FINAL_WEIGHT))
    shares = FINAL_WEIGHT + folds
    fold = int(60 * minutes / max(seconds_per_step, 1e-6) / shares)
    fold = min(max(fold, FEWEST // FINAL_WEIGHT), MOST // FINAL_WEIGHT)
    return FINAL_WEIGHT * fold, fold


def measured_step_s(tuner: Tuner, draw: Callable[[int], Batch]) -> float:
    """Return the seconds of an update; the tuner is of no use afterwards."""
    times = []
    for step in range(_WARM_UP + _MEASURED):
        begun = time.monotonic()
        float(tuner.update(draw(step)))  # waits for the device
        times.append(time.monotonic() - begun)
    return sum(times[_WARM_UP:]) / _MEASURED
