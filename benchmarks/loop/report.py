"""Tables and charts of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.loop.curves import Curve, curve_chart
from benchmarks.loop.judging import mean_by_label
from benchmarks.loop.tasks import TASKS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.loop.results import Results

__all__ = ["Run", "find_runs", "poison_table", "write_report"]

Line = Mapping[str, Any]
_DENSE = "dense"
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Run:
    """The rounds of a method with one seed, the start among them.

    Parameters
    ----------
    task, stage, method : str
    seed : int
    lines : sequence of mapping
        In order; the first is the start.
    """

    task: str
    stage: str
    method: str
    seed: int
    lines: Sequence[Line]

    @property
    def measure(self) -> str:
        """What the task is about: "new" labels, or the "old" ones."""
        return "new" if TASKS[self.task].new else "old"

    def dice(self, which: str) -> list[float | None]:
        """Return the mean Dice of "old" or "new" labels after each round."""
        return [line[which] for line in self.lines]

    def summed(self, group: str, name: str) -> list[float]:
        """Return a sum over the rounds until each, 0 at the start."""
        total, sums = 0.0, []
        for line in self.lines:
            total += line.get(group, {}).get(name, 0)
            sums.append(total)
        return sums

    @property
    def share(self) -> float:
        """Reviewed voxels of all voxels of the corrected cases."""
        names = {line["case"] for line in self.lines[1:]}
        size = {line["case"]: line["corrected"]["total"] for line in self.lines[1:]}
        whole = sum(size[name] for name in names)
        return self.summed("corrected", "reviewed")[-1] / whole if whole else 0.0

    @property
    def error_left(self) -> float | None:
        """Error (1 - Dice) at the end as a share of that at the start."""
        first, last = (self.dice(self.measure)[k] for k in (0, -1))
        if first is None or last is None or first == 1:
            return None
        return (1 - last) / (1 - first)

    @property
    def worst_loss(self) -> tuple[str, float] | None:
        """The old label that lost most, and how much Dice it lost."""
        new = set(TASKS[self.task].new.values())
        before, after = (mean_by_label(self.lines[k]["dice"]) for k in (0, -1))
        lost = {
            name: before[name] - after.get(name, 0.0)
            for name in before
            if name not in new
        }
        if not lost:
            return None
        name = max(lost, key=lambda each: lost[each])
        return name, lost[name]


def find_runs(lines: Sequence[Line]) -> list[Run]:
    """Return the runs of results, in the order in which they were begun."""
    rounds = [line for line in lines if line.get("kind") == "round"]
    starts = {(x["task"], x["stage"]): x for x in rounds if x["method"] == "start"}
    groups: dict[tuple[str, str, str, int], list[Line]] = {}
    for line in rounds:
        if line["method"] != "start":
            key = (line["task"], line["stage"], line["method"], line["seed"])
            groups.setdefault(key, []).append(line)
    runs = []
    for key, found in groups.items():
        start = starts.get(key[:2])
        if start is not None:
            ordered = sorted(found, key=lambda line: int(line["round"]))
            runs.append(Run(*key, lines=[start, *ordered]))
    return runs


def write_report(results: Results, folder: Path | None) -> str:
    """Return tables as Markdown; charts are written into a folder, if one is given."""
    lines = results.lines()
    runs = find_runs(lines)
    text = []
    for task, stage in dict.fromkeys((run.task, run.stage) for run in runs):
        chosen = [run for run in runs if (run.task, run.stage) == (task, stage)]
        text += [f"## {TASKS[task].title} ({stage})", "", *_table(chosen), ""]
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name, axis, values in _CHARTS:
                path = folder / f"{task}_{stage}_{name}.svg"
                path.write_text(_chart(chosen, axis, values) + "\n", encoding="utf-8")
                text += [f"![{task}: Dice against {axis}]({path.name})", ""]
    poisoned = [line for line in lines if line.get("kind") == "poison"]
    if poisoned:
        text += ["## Poisoned corrections", "", *poison_table(poisoned), ""]
    return "\n".join(text)


#: File, axis, and where the numbers stand.
_CHARTS = (
    ("voxels", "reviewed voxels", ("corrected", "reviewed")),
    ("seconds", "seconds of improving", ("seconds", "improve")),
)


def _table(runs: Sequence[Run]) -> list[str]:
    """Return the table of one task."""
    measure = runs[0].measure
    dense = [run for run in runs if run.method == _DENSE]
    head = (
        "method", "seed", f"Dice of {measure} labels by round", "error left",
        "old labels", "largest loss of an old label", "slices", "changed voxels",
        "reviewed", "seconds a round", "of dense",
    )  # fmt: skip
    rows = [_row(head), _row(["---"] * len(head))]
    rows += [_row(_cells(run, measure, dense)) for run in runs]
    return rows


def _cells(run: Run, measure: str, dense: Sequence[Run]) -> list[str]:
    """Return the cells of one run."""
    rounds = max(len(run.lines) - 1, 1)
    old = run.dice("old")
    change = _NONE
    if old[0] is not None and old[-1] is not None:
        change = f"{old[-1]:.3f} ({_signed(old[-1] - old[0])})"
    loss = run.worst_loss
    planes = sum(len(x["corrected"]["planes"]) for x in run.lines[1:])
    last = run.dice(measure)[-1]
    best = max((d.dice(measure)[-1] or 0.0 for d in dense), default=0.0)
    return [
        run.method,
        str(run.seed),
        " → ".join(_number(each) for each in run.dice(measure)),
        _number(run.error_left, 2),
        change,
        _NONE if loss is None else f"{loss[0]} {_signed(-loss[1])}",
        str(planes),
        f"{run.summed('corrected', 'changed')[-1]:.0f}",
        f"{run.share:.1%}",
        f"{run.summed('seconds', 'improve')[-1] / rounds:.0f}",
        _number(last / best, 2) if best and last is not None else _NONE,
    ]


def _chart(runs: Sequence[Run], axis: str, place: tuple[str, str]) -> str:
    """Return the chart of one task; the first seed of each method."""
    measure = runs[0].measure
    curves: dict[str, Curve] = {}
    for run in runs:
        points = [
            (x, y)
            for x, y in zip(run.summed(*place), run.dice(measure), strict=True)
            if y is not None
        ]
        curves.setdefault(run.method, Curve(run.method, points))
    return curve_chart(
        list(curves.values()),
        title=TASKS[runs[0].task].title,
        x_axis=axis,
        y_axis=f"Dice of {measure} labels, unseen cases",
    )


def poison_table(lines: Sequence[Line]) -> list[str]:
    """Return how often the gate said what, for honest and for poisoned corrections."""
    outcomes = list(dict.fromkeys(str(line["outcome"]) for line in lines))
    rows = [_row(["corrections", "runs", *outcomes])]
    rows.append(_row(["---"] * (len(outcomes) + 2)))
    for kind in dict.fromkeys(str(line["method"]) for line in lines):
        own = [str(line["outcome"]) for line in lines if line["method"] == kind]
        counts = [str(own.count(outcome)) for outcome in outcomes]
        rows.append(_row([kind, str(len(own)), *counts]))
    return rows


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, digits: int = 3) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
