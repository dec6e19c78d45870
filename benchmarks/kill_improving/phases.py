"""Where a process is: what it says of itself in its log, and how long that takes."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from napari_mednext.jobs.event_log import read_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

__all__ = ["Course", "Moment"]

_POLL_S = 0.001


class Moment:
    """A moment in the life of a process: so many seconds into a phase of its work.

    Parameters
    ----------
    phase : str
        One of a course; the first one begins with the process.
    delay_s : float
        After its beginning.
    """

    def __init__(self, phase: str, delay_s: float) -> None:
        self.phase, self.delay_s = phase, delay_s


class Course:
    """The phases of a process that nobody disturbs, in their order.

    Parameters
    ----------
    first : str
        What to call the time before its first word.
    name : callable
        Event -> the phase that it begins, None for others.
    """

    def __init__(
        self, first: str, name: Callable[[dict[str, Any]], str | None]
    ) -> None:
        self._name = name
        self.seconds: dict[str, float] = {first: 0.0}

    @property
    def phases(self) -> tuple[str, ...]:
        """In their order."""
        return tuple(self.seconds)

    def learn(self, log: Path, begun: float, ended: float) -> None:
        """Measure the phases, from a log of events and the clock."""
        marks = [(self.phases[0], begun)]
        for event in read_events(log)[0]:
            name = self._name(event)
            if name is not None:
                marks.append((name, event["time"]))
        marks.append(("", ended))
        for (name, at), (_, until) in pairwise(marks):
            self.seconds[name] = until - at

    def draw(self, rng: np.random.Generator) -> Moment:
        """Return a random moment: any phase, anywhere in it."""
        phase = str(rng.choice(self.phases))
        return Moment(phase, float(rng.uniform(0, self.seconds[phase])))

    def wait(
        self, moment: Moment, log: Path, offset: int, is_alive: Callable[[], bool]
    ) -> str | None:
        """Wait for a moment.

        A phase that is done already counts as its successor.

        Parameters
        ----------
        moment : Moment
            The one to wait for.
        log : Path
            Of events.
        offset : int
            Where in it this process begins.
        is_alive : callable
            Whether there is something to wait for.

        Returns
        -------
        str or None
            The phase in which the process is; None when it has ended before.
        """
        order = {phase: number for number, phase in enumerate(self.phases)}
        wanted, here = order[moment.phase], self.phases[0]
        until = time.monotonic() + moment.delay_s if wanted == 0 else None
        looked = time.monotonic()
        while until is None or time.monotonic() < until:
            events, offset = read_events(log, offset)
            for event in events:
                name = self._name(event)
                here = here if name is None else name
                if until is None and order.get(here, -1) >= wanted:
                    until = time.monotonic() + moment.delay_s
            if time.monotonic() - looked > 0.2:
                looked = time.monotonic()
                if not is_alive():
                    return None
            time.sleep(_POLL_S)
        return here if is_alive() else None


def trainer_phase(event: dict[str, Any]) -> str | None:
    """Return the phase of a trainer that an event begins."""
    if event["event"] == "promoted":
        return "promoted"
    if event["event"] != "phase":
        return None
    if event["phase"] == "preparing":
        return "preparing"
    if event["phase"] == "training":
        return f"training, {event['text']}"
    return str(event["phase"])
