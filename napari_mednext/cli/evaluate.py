"""``evaluate``: masks against references, and one model against another."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads it when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from napari_mednext.cli.outcome import (
    DeviceOption,
    ExitCode,
    JsonOption,
    Outcome,
    VerboseOption,
)
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_mednext.evaluation import Evaluation

__all__ = ["evaluate"]

_ENDINGS = (".html", ".json", ".csv")
#: The last line names at most so many cases that failed.
_NAMED = 5


def evaluate(
    predictions: Annotated[
        Path,
        typer.Argument(help="A mask, or a folder of masks.", metavar="PREDICTIONS"),
    ],
    references: Annotated[
        Path,
        typer.Argument(
            help="The true mask, or a folder of masks of the same names.",
            metavar="REFERENCES",
        ),
    ],
    *,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="A report (.html), everything (.json), or a table (.csv); may be "
            "given several times.",
            metavar="OUT",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Scans, for the pictures of the report.", metavar="PATH"),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            help="JSON file that says what to compare; every label when left out.",
            metavar="FILE",
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            help="Masks of a second model, tested against the first in pairs.",
            metavar="PREDICTIONS_B",
        ),
    ] = None,
    tolerance: Annotated[
        list[float] | None,
        typer.Option(
            help="For surface Dice; may be given several times (1 and 2 when left "
            "out).",
            metavar="MM",
        ),
    ] = None,
    resample: Annotated[
        bool,
        typer.Option("--resample", help="Bring masks to the grid of their references."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Measure masks: Dice, surface Dice, HD95 and volume error of every label."""
    del as_json, device, verbose
    outputs = output or []
    _check_outputs(outputs, overwrite=overwrite)
    from napari_mednext.cli.display import step_display
    from napari_mednext.cli.interrupts import cancel_on_interrupt
    from napari_mednext.evaluation import Regions
    from napari_mednext.evaluation import evaluate as run

    chosen = None if regions is None else Regions.load(regions)
    with cancel_on_interrupt() as cancel, step_display() as show:
        evaluation = run(
            predictions,
            references,
            images=images,
            regions=chosen,
            other=compare,
            tolerances_mm=tuple(tolerance or (1.0, 2.0)),
            resample=resample,
            on_progress=show,
            cancel=cancel,
        )
    failures = _failures(evaluation)
    if len(failures) > 1:
        for name, sentence in failures:
            sys.stderr.write(f"{name}: failed: {sentence}\n")
    document = {"evaluation": evaluation.to_dict(), "outputs": []}
    if not evaluation.cases:
        return Outcome(ExitCode.REFUSED, document, error=_sentence(failures))
    for path in outputs:
        _writers()[path.suffix.lower()](evaluation, path)
    document["outputs"] = [str(path) for path in outputs]
    text = "\n".join(
        [*map(str, outputs), *([""] if outputs else []), _text(evaluation)]
    )
    code = ExitCode.SOME_FAILED if failures else ExitCode.DONE
    return Outcome(code, document, text, _sentence(failures) if failures else "")


def _check_outputs(outputs: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse outputs before any work is done.

    Raises
    ------
    InputError
        If an ending is unknown.
    StorageError
        If a file exists, or its folder is missing or cannot be written to.
    """
    from napari_mednext.formats import check_output

    for path in outputs:
        if path.suffix.lower() not in _ENDINGS:
            msg = (
                f"an output must end in one of {', '.join(_ENDINGS)}, got "
                f"{path.name!r}: choose one of them"
            )
            raise InputError(msg)
        check_output(path, overwrite=overwrite)


def _writers() -> dict[str, Callable[[Evaluation, Path], Path]]:
    """Return the writers by the ending of the file; the outputs were checked before."""

    def report(evaluation: Evaluation, path: Path) -> Path:
        from napari_mednext.evaluation.report import write_report

        return write_report(evaluation, path)

    from napari_mednext.evaluation import write_csv, write_json

    return {
        ".html": report,
        ".json": lambda evaluation, path: write_json(evaluation, path, overwrite=True),
        ".csv": lambda evaluation, path: write_csv(evaluation, path, overwrite=True),
    }


def _failures(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the failures of both models; a reference may lack both predictions."""
    other = () if evaluation.other is None else evaluation.other.failures
    return list(dict.fromkeys((*evaluation.failures, *other)))


def _sentence(failures: Sequence[tuple[str, str]]) -> str:
    """Return one line about what failed; several were told one by one already."""
    if len(failures) == 1:
        name, sentence = failures[0]
        return f"{name}: {sentence}"
    names = ", ".join(name for name, _ in failures[:_NAMED])
    more = f" and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
    return f"{len(failures)} could not be evaluated: {names}{more}"


def _text(evaluation: Evaluation) -> str:
    """Return the means of every label as aligned lines, and the comparison of Dice."""
    from napari_mednext.evaluation.results import metric_title

    metrics = list(dict.fromkeys(s.metric for s in evaluation.summaries))
    means = {(s.name, s.metric): s for s in evaluation.summaries}
    names = list(dict.fromkeys(s.name for s in evaluation.summaries))
    table = [["label", "cases", *map(metric_title, metrics)]]
    table += [
        [
            name,
            str(means[name, "dice"].counted),
            *(_number(means[name, metric].mean, metric) for metric in metrics),
        ]
        for name in names
    ]
    lines = _aligned(table) if names else ["no label in any case"]
    if evaluation.other is None:
        return "\n".join(lines)
    table = [["label", "pairs", "Dice B - A", "95 % from", "to", "p (Holm)"]]
    table += [
        [
            each.name,
            str(each.pairs),
            *(_number(n, "dice") for n in (each.difference, each.low, each.high)),
            _number(each.p_adjusted, "dice"),
        ]
        for each in evaluation.comparisons
        if each.metric == "dice"
    ]
    heading = f"B = {evaluation.other.title} against A = {evaluation.title}"
    return "\n".join([*lines, "", heading, *_aligned(table)])


def _number(value: float | None, metric: str) -> str:
    """Return a number with the digits that it deserves, "-" where there is none."""
    digits = 3 if "dice" in metric else 1 if metric.endswith("percent") else 2
    return "-" if value is None else f"{value:.{digits}f}"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with columns of equal width, the first one to the left."""
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, wide, strict=True))
        )
        for row in table
    ]
