"""What happened in a training, read from its events.

An event is a JSON object in a line of its own; "time" is when, in seconds since 1970,
and "event" says its kind:

- ``start``: a run begins or goes on; step, steps, classes, device, settings, notes
- ``step``: step, loss and seconds (means since the event before), rate
- ``validation``: step, dice (class -> Dice), seconds
- ``end``: step, state ("done", "stopped" or "failed"), note

A history is a pure function of the events, so that a terminal, a page and a dock show
the same. It needs no torch.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Event", "History", "StepPoint", "ValidationPoint", "read_events"]

Event = Mapping[str, Any]

#: Share of the newest loss in the smoothed one.
SMOOTHING = 0.1
#: So many of the last speeds tell the time that is left.
_RECENT = 20


@dataclass(frozen=True)
class StepPoint:
    """Loss, learning rate and seconds a step, up to and with ``step``."""

    step: int
    loss: float
    rate: float | None
    seconds: float


@dataclass(frozen=True)
class ValidationPoint:
    """Dice of every class on synthetic scans of held-out maps."""

    step: int
    dice: Mapping[str, float]
    seconds: float


@dataclass
class History:
    """A training so far.

    A run that was interrupted repeats the steps after its last checkpoint; what the
    first attempt said of them is forgotten.
    """

    state: str = "waiting"
    """waiting, running, done, stopped or failed."""
    total: int = 0
    """Steps in all."""
    step: int = 0
    """The last step that is known to be done."""
    device: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    points: list[StepPoint] = field(default_factory=list)
    validations: list[ValidationPoint] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Return the history that some events tell, oldest first."""
        history = cls()
        for event in events:
            history.add(event)
        return history

    def add(self, event: Event) -> None:
        """Take one more event; those of unknown kinds change nothing."""
        match event.get("event"):
            case "start":
                self._start(event)
            case "step":
                rate = event.get("rate")
                point = StepPoint(
                    int(event["step"]),
                    float(event["loss"]),
                    None if rate is None else float(rate),
                    float(event["seconds"]),
                )
                self._forget(point.step - 1)
                self.points.append(point)
                self.step = point.step
            case "validation":
                dice = {str(k): float(v) for k, v in event["dice"].items()}
                seconds = float(event.get("seconds", 0))
                self.step = int(event["step"])
                self.validations = [v for v in self.validations if v.step < self.step]
                self.validations.append(ValidationPoint(self.step, dice, seconds))
            case "end":
                self.state, self.step = str(event["state"]), int(event["step"])
                if event.get("note"):
                    self.notes += (str(event["note"]),)

    def _start(self, event: Event) -> None:
        self.state = "running"
        self.step, self.total = int(event["step"]), int(event["steps"])
        self.device = str(event.get("device", ""))
        self.settings = dict(event.get("settings", {}))
        self.notes = tuple(map(str, event.get("notes", ())))
        self._forget(self.step)

    def _forget(self, step: int) -> None:
        """Drop what was said of later steps."""
        while self.points and self.points[-1].step > step:
            self.points.pop()
        while self.validations and self.validations[-1].step > step:
            self.validations.pop()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that were ever validated, in order of appearance."""
        names = (name for v in self.validations for name in v.dice)
        return tuple(dict.fromkeys(names))

    def smoothed(self) -> list[float]:
        """Return a running mean of the loss, one a point, without a bias to 0."""
        means: list[float] = []
        mean = weight = 0.0
        for point in self.points:
            if math.isfinite(point.loss):
                mean += SMOOTHING * (point.loss - mean)
                weight += SMOOTHING * (1 - weight)
            means.append(mean / weight if weight else point.loss)
        return means

    @property
    def seconds_a_step(self) -> float | None:
        """Median of the last speeds, validations not counted; None before the first."""
        recent = [p.seconds for p in self.points[-_RECENT:]]
        return statistics.median(recent) if recent else None

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the last step; None as long as nobody can know."""
        speed = self.seconds_a_step
        if speed is None or self.state != "running":
            return None
        left = max(0, self.total - self.step)
        every = int(self.settings.get("validate_every", 0))
        pauses = left / every if every else 0.0
        pause = statistics.median([v.seconds for v in self.validations] or [0.0])
        return left * speed + pauses * pause

    def last_dice(self) -> dict[str, tuple[float, float | None]]:
        """Return class -> the Dice of the last validation and its change.

        The change is from the validation before that, None where it has none.
        """
        if not self.validations:
            return {}
        before = self.validations[-2].dice if len(self.validations) > 1 else {}
        return {
            name: (value, value - before[name] if name in before else None)
            for name, value in self.validations[-1].dice.items()
        }


def read_events(path: Path) -> list[dict[str, Any]]:
    """Read a log of events; a line that an interrupt cut short is left out.

    Parameters
    ----------
    path : Path
        May be missing: no events.

    Returns
    -------
    list of dict
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
