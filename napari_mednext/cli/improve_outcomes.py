"""What an improvement would take and what came of it, as JSON content and as text."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from napari_mednext.cli.columns import aligned
from napari_mednext.training.page import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.app.improve import ImprovePlan
    from napari_mednext.training.gate import GateReport

__all__ = ["comparison_text", "plan_facts", "plan_line", "plan_text"]

_GIB, _MIB = 2**30, 2**20
_SCHEMES = {
    "hold-out": "on cases that are never learned",
    "leave-one-out": "by leaving each patient out once",
    "blocks": "on parts of cases that are left out once",
    "none": "by nothing",
}


def plan_facts(plan: ImprovePlan) -> dict[str, Any]:
    """Return a plan as JSON content."""
    return dataclasses.asdict(plan)


def plan_line(plan: ImprovePlan) -> str:
    """Return the shortest account of a plan: model, cases, time and memory."""
    learned = sum(case.role != "hold-out" for case in plan.cases)
    held = len(plan.cases) - learned
    cases = f"{learned} {'case' if learned == 1 else 'cases'}"
    judged = f", {held} held out" if held else ""
    return f"{plan.model}: learns from {cases}{judged}; {_cost(plan)}"


def plan_text(plan: ImprovePlan) -> str:
    """Return a plan as text for people; its problems are not in there."""
    gpu = "" if plan.gpu_bytes is None else f", {_size(plan.gpu_bytes)} of the GPU"
    facts = {
        "model": plan.model or "none",
        "new labels": ", ".join(plan.new_labels),
    }
    if plan.steps:
        facts |= {
            "time": f"about {duration(plan.seconds)}: {plan.steps} steps on "
            f"{plan.device}, and the comparison",
            "memory": _size(plan.ram_bytes) + gpu,
            "disk": _size(plan.disk_bytes),
            "judged": _SCHEMES.get(plan.scheme, plan.scheme),
        }
    lines = [f"{key:<11} {value}" for key, value in facts.items() if value]
    if plan.cases:
        head = ("case", "patient", "use", "reviewed voxels", "drawn", "of the scan")
        rows = [
            (
                case.name,
                case.patient,
                case.role,
                str(case.reviewed),
                str(case.changed),
                f"{100 * case.share:.1f} %",
            )
            for case in plan.cases
        ]
        lines += ["", aligned([head, *rows], left=(0, 1, 2))]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines)


def comparison_text(report: GateReport) -> str:
    """Return both models side by side, then the verdict and what it rests on."""
    verdict = report.verdict
    rows = [
        _row(
            f"{each.name} (new)" if each.is_new else each.name,
            each.units,
            (each.before, each.after, each.change, each.low, each.high),
            (each.surface_before, each.surface_after, each.surface_change),
        )
        for each in report.label_rows()
    ]
    rows += [
        _row(
            f"mean of {each.group} cases",
            each.units,
            (each.before, each.after, each.change, each.low, each.high),
            (None, None, None),
        )
        for each in verdict.groups
    ]
    head = (
        "Dice", "before", "after", "change", "95 % interval", verdict.unit_kind,
        "surface: before", "after", "change",
    )  # fmt: skip
    lines = [aligned([head, *rows]), ""] if rows else []
    lines.append(verdict.reason)
    # The first suspicion is the reason already.
    lines += [f"also: {each.sentence}" for each in verdict.suspicions[1:]]
    lines += [f"note: {note}" for note in report.notes]
    return "\n".join(lines)


def _row(
    name: str,
    units: int,
    dice: Sequence[float | None],
    surface: Sequence[float | None],
) -> tuple[str, ...]:
    """Return a line of the table; Dice: before, after, change, ends of its interval."""
    before, after, change, low, high = dice
    interval = "" if low is None or high is None else f"{low:+.3f} .. {high:+.3f}"
    return (
        name,
        _number(before),
        _number(after),
        _number(change, "+"),
        interval,
        str(units),
        _number(surface[0]),
        _number(surface[1]),
        _number(surface[2], "+"),
    )


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def _cost(plan: ImprovePlan) -> str:
    """Return time and memory in a few words."""
    where = "on the CPU" if plan.device == "cpu" else f"on {plan.device}"
    return f"about {duration(plan.seconds)} {where}, {_size(plan.ram_bytes)} of memory"


def _size(number: int) -> str:
    """Return a number of bytes for people."""
    if number < _GIB:
        return f"{number / _MIB:.0f} MB"
    return f"{number / _GIB:.1f} GB"
