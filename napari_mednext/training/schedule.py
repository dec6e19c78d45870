"""How many updates there are, and how fast each of them learns."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from napari_mednext.settings.from_labels import FromLabelsSettings

__all__ = ["Schedule", "Scheduled", "Speed", "fitted", "learning_rate", "mean_decay"]

#: Power of the fall of the learning rate, and its share below which it does not fall.
_POWER = 0.9
_LEAST = 1e-3
#: Part of the time that is planned with; the rest is for what nobody foresees.
_PLANNED = 0.95
#: Fewer updates teach nothing.
_LEAST_STEPS = 10


class Scheduled(Protocol):
    """What decides the learning rate and the mean of the weights."""

    @property
    def steps(self) -> int:
        """Updates in all."""
        ...

    @property
    def warmup_steps(self) -> int:
        """Updates over which the rate rises."""
        ...

    @property
    def learning_rate(self) -> float:
        """The highest rate."""
        ...

    @property
    def ema_decay(self) -> float:
        """Decay of the running mean of the weights."""
        ...


@dataclass(frozen=True)
class Schedule:
    """A plain :class:`Scheduled`."""

    steps: int
    warmup_steps: int
    learning_rate: float
    ema_decay: float


@dataclass(frozen=True)
class Speed:
    """What parts of a training take on this machine, in seconds."""

    step: float
    validation: float


def learning_rate(settings: Scheduled, step: int) -> float:
    """Return the rate of a step: a linear rise, then a fall with power 0.9.

    Parameters
    ----------
    settings : Scheduled
        Of the training.
    step : int
        Updates done before this one.

    Returns
    -------
    float
    """
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    rest = max(1, settings.steps - settings.warmup_steps)
    done = (step - settings.warmup_steps) / rest
    return float(settings.learning_rate * max(1 - done, _LEAST) ** _POWER)


def mean_decay(settings: Scheduled, step: int) -> float:
    """Return the decay of the mean of the weights after so many updates.

    It is lower at first, so that the random weights are soon forgotten.
    """
    return min(settings.ema_decay, (1 + step) / (10 + step))


def fitted(
    settings: FromLabelsSettings, speed: Speed, seconds: float
) -> FromLabelsSettings:
    """Return settings whose training, with its validations, ends in time.

    Only ``steps`` is changed, and ``warmup_steps`` where it would be more than a tenth
    of them.

    Parameters
    ----------
    settings : FromLabelsSettings
        Of the training.
    speed : Speed
        On this machine.
    seconds : float
        Time that is left.

    Returns
    -------
    FromLabelsSettings

    Raises
    ------
    InputError
        If there is no time for even a few updates.
    """
    left = seconds * _PLANNED - speed.validation  # the last step is validated always
    pace = speed.step + speed.validation / settings.validate_every
    steps = int(left / pace)
    if steps < _LEAST_STEPS:
        msg = (
            f"the time must be enough for at least {_LEAST_STEPS} updates, but an "
            f"update takes {speed.step:.2g} s here, a validation "
            f"{speed.validation:.2g} s, and {max(seconds, 0):.0f} s are left: allow "
            "more minutes or choose a smaller patch"
        )
        raise InputError(msg)
    warmup = min(settings.warmup_steps, steps // 10)
    return dataclasses.replace(settings, steps=steps, warmup_steps=warmup)
