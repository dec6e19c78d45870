"""The figures as one page of Markdown, for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.brain_mr.scans import REGIONS, Scan
from napari_mednext.evaluation import CaseResult

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.brain_mr.measuring import Found


__all__ = ["Figures", "write_page"]

_BRAIN = REGIONS["brain"]
_COLIN = "colin27"


@dataclass
class Figures:
    """What was measured, by kind of run and case."""

    cases: dict[str, dict[str, CaseResult]] = field(default_factory=dict)
    unlabelled: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, case: CaseResult) -> None:
        """Keep a case; kinds are plain, mirrored, samseg and changed."""
        self.cases.setdefault(kind, {})[case.case] = case

    def add_unlabelled(self, scan: Scan, found: Found) -> None:
        """Keep what the model made of a scan without a reference."""
        ml = found.segmentation.volumes_ml()
        self.unlabelled.append(
            {
                "scan": scan.name,
                "about": scan.about,
                "brain_ml": round(sum(ml.get(v, 0.0) for v in _BRAIN), 1),
                "findings": list(found.findings),
            }
        )

    def last(self, kind: str) -> dict[str, float]:
        """Return the Dice of the case that was added last."""
        return _dice(list(self.cases[kind].values())[-1])

    def document(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "dice": {
                kind: {name: _dice(case) for name, case in cases.items()}
                for kind, cases in self.cases.items()
            },
            "processor_seconds": {
                kind: {
                    name: round(case.seconds, 1)
                    for name, case in cases.items()
                    if case.seconds is not None
                }
                for kind, cases in self.cases.items()
            },
            "unlabelled": self.unlabelled,
        }


def write_page(figures: Figures, path: Path) -> None:
    """Write the page; pictures of unlabelled scans lie beside it."""
    parts = [
        "# How good the shipped brain model is",
        "Written by `python -m benchmarks.brain_mr`; do not edit. All scans are real, "
        "and the model was trained on none of them: it has learned from synthetic "
        "scans only. With pictures, surface Dice, HD95 and volume errors: "
        "[report.html](report.html). As data: [figures.json](figures.json), "
        "[evaluation.json](evaluation.json).",
        "## Scans with a reference",
        _compared(figures),
        _about_references(figures),
        "## The same head, recorded otherwise",
        "Colin27, without mirroring. *Drop* is the Dice of the brain that is lost "
        "against the scan as it is. *Turned* and *tilted* heads lie so in the array "
        "while the header calls them upright.",
        _changed(figures),
        "## Scans that the model does not know",
        "No reference fits these; what counts is that nothing breaks and that the "
        "result is plausible or warned about.",
        _unlabelled(figures),
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _dice(case: CaseResult) -> dict[str, float]:
    return {r.name: round(r.dice, 4) for r in case.labels if r.dice is not None}


def _compared(figures: Figures) -> str:
    """Return the table of ours, ours mirrored, and SAMSEG."""
    samseg = figures.cases.get("samseg", {})
    rows = []
    for name, case in figures.cases["plain"].items():
        columns = [
            _dice(c) if c is not None else {}
            for c in (case, figures.cases["mirrored"].get(name), samseg.get(name))
        ]
        rows += [
            [name, region, *(_number(column.get(region)) for column in columns)]
            for region in columns[0]
        ]
        rows.append(
            [
                name,
                "processor time",
                *(
                    f"{c.seconds:.0f} s" if c is not None and c.seconds else ""
                    for c in (
                        case,
                        figures.cases["mirrored"].get(name),
                        samseg.get(name),
                    )
                ),
            ]
        )
    head = ["scan", "Dice of", "this model", "with mirroring", "SAMSEG"]
    return _table(head, rows)


def _about_references(figures: Figures) -> str:
    lines = [
        f"- **{name}**: {case.notes[-1]}."
        for name, case in figures.cases["plain"].items()
        if case.notes
    ]
    return "What the references can tell:\n\n" + "\n".join(lines)


def _changed(figures: Figures) -> str:
    base = _dice(figures.cases["plain"][_COLIN])
    rows = []
    for name, case in figures.cases["changed"].items():
        dice = _dice(case)
        drop = base["brain"] - dice["brain"]
        rows.append(
            [
                name,
                *(_number(dice[r]) for r in ("brain", "white matter", "grey matter")),
                f"{drop:+.3f}",
            ]
        )
    return _table(["Colin27", "brain", "white matter", "grey matter", "drop"], rows)


def _unlabelled(figures: Figures) -> str:
    rows = [
        [
            f"[{each['scan']}]({each['scan']}.png)",
            each["about"],
            f"{each['brain_ml']:.0f} mL",
            "<br>".join(each["findings"]) or "none",
        ]
        for each in figures.unlabelled
    ]
    return _table(["scan", "what it is", "brain found", "warnings"], rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
