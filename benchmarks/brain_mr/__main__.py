"""The report on the shipped brain model, by one command.

Real scans that the model was not trained on, the same scan recorded in many ways, scans
that it does not know, and SAMSEG on the same scans::

    python -m benchmarks.brain_mr --data FOLDER -o docs/brain_mr [--samseg run_samseg]

``FOLDER`` holds the scans under the names in ``scans.py``. SAMSEG takes ten minutes a
scan; its results are kept in ``--work`` and used again, those of the model are not.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import napari_mednext as nm
from benchmarks.brain_mr.measuring import judge, segment
from benchmarks.brain_mr.page import Figures, write_page
from benchmarks.brain_mr.samseg import run_samseg
from benchmarks.brain_mr.scans import (
    changed_scans,
    compared_scans,
    unlabelled_scans,
)
from napari_mednext.app import picture
from napari_mednext.evaluation import (
    CaseResult,
    Evaluation,
    compare,
    summarise,
    write_json,
)
from napari_mednext.evaluation.report import write_report
from napari_mednext.training.mapping_table import MappingTable

if TYPE_CHECKING:
    from napari_mednext.inference.model import Model

RECIPE = Path(__file__).parents[2] / "resources" / "recipes" / "brain_mr.json"
COMPARED = "Scans with a reference"
CHANGED = "Colin27, recorded otherwise"


def _ours(model: Model, data: Path, work: Path, figures: Figures) -> list[CaseResult]:
    """Judge the model on the scans with references, without and with mirroring."""
    cases = []
    for scan in compared_scans(data):
        for mirror in (True, False):
            kind = "mirrored" if mirror else "plain"
            found = segment(model, scan, work / kind / "mask", mirror=mirror)
            case = judge(scan, found.segmentation.array, work / kind, group=COMPARED)
            figures.add(kind, replace(case, seconds=found.processor_s))
            if not mirror:
                cases.append(case)
        print(scan.name, figures.last("plain"), flush=True)
    return cases


def _theirs(command: str, data: Path, work: Path, figures: Figures) -> list[CaseResult]:
    """Judge SAMSEG on the same scans."""
    table, cases = MappingTable.load(RECIPE), []
    for scan in compared_scans(data):
        folder = work / "samseg" / scan.name.replace(" ", "_")
        labels, seconds = run_samseg(command, scan.volume, folder, table)
        case = judge(scan, labels.array[0], work / "samseg", group=COMPARED)
        figures.add("samseg", replace(case, seconds=seconds))
        cases.append(case)
        print("SAMSEG", scan.name, figures.last("samseg"), flush=True)
    return cases


def _changed(
    model: Model, data: Path, work: Path, figures: Figures
) -> list[CaseResult]:
    """Judge the model on Colin27, recorded otherwise."""
    cases = []
    for scan in changed_scans(data):
        found = segment(model, scan, work / "changed" / "mask", mirror=False)
        case = judge(scan, found.segmentation.array, work / "changed", group=CHANGED)
        figures.add("changed", replace(case, seconds=found.processor_s))
        cases.append(case)
        print(scan.name, figures.last("changed"), flush=True)
    return cases


def _unlabelled(
    model: Model, data: Path, work: Path, out: Path, figures: Figures
) -> None:
    """Segment scans that the model does not know, and keep pictures of them."""
    for scan in unlabelled_scans(data):
        found = segment(model, scan, work / "unlabelled" / "mask", mirror=False)
        title = f"{scan.name}: {scan.about}"
        page = picture.draw(scan.volume, found.segmentation, title=title)
        picture.save(page, out / f"{scan.name}.png")
        figures.add_unlabelled(scan, found)
        print(scan.name, found.findings, flush=True)


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/brain_mr"))
    parser.add_argument("--work", type=Path, default=Path("brain_mr_work"))
    parser.add_argument("--model", default="brain_mr")
    parser.add_argument("--samseg", help="the program run_samseg")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    data, out, work = arguments.data, arguments.output, arguments.work
    out.mkdir(parents=True, exist_ok=True)
    model = nm.load_model(arguments.model, device=arguments.device)
    figures = Figures()
    ours = _ours(model, data, work, figures)
    cases = [*ours, *_changed(model, data, work, figures)]
    _unlabelled(model, data, work, out, figures)
    evaluation = Evaluation(
        title="The shipped brain model on scans it has never seen",
        cases=tuple(cases),
        summaries=summarise(cases),
        settings={"model": arguments.model, "mirroring": False},
    )
    if arguments.samseg:
        theirs = _theirs(arguments.samseg, data, work, figures)
        other = Evaluation(
            title="SAMSEG", cases=tuple(theirs), summaries=summarise(theirs)
        )
        evaluation = replace(
            evaluation, other=other, comparisons=compare(cases, theirs)
        )
    write_json(evaluation, out / "evaluation.json", overwrite=True)
    write_report(evaluation, out / "report.html")
    (out / "figures.json").write_text(json.dumps(figures.document(), indent=1) + "\n")
    write_page(figures, out / "README.md")
    print(out / "README.md")


if __name__ == "__main__":
    main()
