"""What correcting costs: minutes, strokes and changed voxels, per case and model."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "IDLE_S",
    "ActivityClock",
    "EffortRow",
    "EffortSummary",
    "effort_csv",
    "summarise_effort",
]

#: Somebody who does nothing for longer has left the desk.
IDLE_S = 60.0


@dataclass
class ActivityClock:
    """Counts the time in which somebody works, from the events of their work.

    The time between two events counts, but never more than ``idle_s`` of it.

    Parameters
    ----------
    idle_s : float
        The most seconds that count between two events.
    now : callable
        Returns seconds that never run backwards.
    """

    idle_s: float = IDLE_S
    now: Callable[[], float] = time.monotonic
    _last: float | None = field(default=None, init=False)
    _seconds: float = field(default=0.0, init=False)

    def event(self) -> None:
        """Say that something was done at this moment."""
        now = self.now()
        if self._last is not None:
            self._seconds += min(max(now - self._last, 0.0), self.idle_s)
        self._last = now

    def pause(self) -> None:
        """Say that the work ends here: time until the next event does not count."""
        if self._last is not None:
            self.event()
        self._last = None

    @property
    def seconds(self) -> float:
        """Active seconds up to the last event that were not taken."""
        return self._seconds

    def take(self) -> float:
        """Return the active seconds and count from 0 again, to store them piecewise."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds


@dataclass(frozen=True)
class EffortRow:
    """What one case cost after the prediction of one model version.

    Parameters
    ----------
    case : str
        Its name.
    model, version : str
        Name of the model and digest of its weights; empty for a case that was drawn
        from nothing.
    seconds : float
        Active time.
    strokes, voxels_changed : int
        Strokes and steps of tools; voxels that they changed, counted each time.
    dice : mapping of label value to Dice
        Between the prediction and what was accepted; empty until it was.
    accepted_at : datetime or None
        In UTC.
    """

    case: str
    model: str
    version: str
    seconds: float
    strokes: int
    voxels_changed: int
    dice: Mapping[int, float]
    accepted_at: datetime | None

    @property
    def mean_dice(self) -> float | None:
        """Mean over the labels; None where there is none."""
        return fmean(self.dice.values()) if self.dice else None


@dataclass(frozen=True)
class EffortSummary:
    """What the accepted cases of one model version cost: a point of a learning curve.

    Means are over cases. ``mean_dice`` is None where no case has a Dice.
    """

    model: str
    version: str
    cases: int
    mean_minutes: float
    median_minutes: float
    mean_strokes: float
    mean_voxels_changed: float
    mean_dice: float | None


def dice_text(dice: Mapping[int, float]) -> str:
    """Return Dice per label as JSON; labels that are in neither mask have none."""
    return json.dumps({str(k): float(v) for k, v in dice.items() if math.isfinite(v)})


def read_dice(text: str) -> dict[int, float]:
    """Return what `dice_text` wrote."""
    return {int(k): float(v) for k, v in json.loads(text).items()}


def summarise_effort(rows: Iterable[EffortRow]) -> tuple[EffortSummary, ...]:
    """Return a summary per model version, in the order of first acceptance.

    Parameters
    ----------
    rows : iterable of EffortRow
        Those of cases that are not accepted yet are left out.

    Returns
    -------
    tuple of EffortSummary
    """
    done = [(row.accepted_at, row) for row in rows if row.accepted_at is not None]
    groups: dict[tuple[str, str], list[EffortRow]] = {}
    for _, row in sorted(done, key=lambda pair: (pair[0], pair[1].case)):
        groups.setdefault((row.model, row.version), []).append(row)
    return tuple(_summary(group) for group in groups.values())


def _summary(rows: Sequence[EffortRow]) -> EffortSummary:
    minutes = [row.seconds / 60.0 for row in rows]
    dice = [row.mean_dice for row in rows if row.mean_dice is not None]
    return EffortSummary(
        model=rows[0].model,
        version=rows[0].version,
        cases=len(rows),
        mean_minutes=fmean(minutes),
        median_minutes=median(minutes),
        mean_strokes=fmean(row.strokes for row in rows),
        mean_voxels_changed=fmean(row.voxels_changed for row in rows),
        mean_dice=fmean(dice) if dice else None,
    )


def effort_csv(
    rows: Iterable[EffortRow], names: Mapping[int, str] | None = None
) -> str:
    """Return the ledger as CSV with a header, one line per row and one Dice per label.

    Parameters
    ----------
    rows : iterable of EffortRow
        In the order of the lines.
    names : mapping of label value to name, optional
        For the titles of the columns.

    Returns
    -------
    str
        With commas and points; a cell is empty where nothing is known.
    """
    rows, names = list(rows), names or {}
    labels = sorted({value for row in rows for value in row.dice})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        [
            "case",
            "model",
            "version",
            "minutes",
            "strokes",
            "voxels_changed",
            "mean_dice",
            "accepted_at",
            *(f"dice {names.get(value, f'label {value}')}" for value in labels),
        ]
    )
    for row in rows:
        accepted = row.accepted_at
        table.writerow(
            [
                row.case,
                row.model,
                row.version,
                f"{row.seconds / 60.0:.3f}",
                row.strokes,
                row.voxels_changed,
                _number(row.mean_dice),
                accepted.isoformat(timespec="seconds") if accepted else "",
                *(_number(row.dice.get(value)) for value in labels),
            ]
        )
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
