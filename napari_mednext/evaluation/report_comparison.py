"""The part of a report that compares two models on the same cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.evaluation.charts import Strip, strip_chart
from napari_mednext.evaluation.markup import Markup, join, tag
from napari_mednext.evaluation.report_numbers import (
    LOWER_IS_BETTER,
    SHOWN_LABELS,
    capital,
    decimals,
    folded,
    signed,
    table,
    value_cell,
    value_text,
)
from napari_mednext.evaluation.results import metric_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_mednext.evaluation.results import CaseResult, Comparison, Evaluation

__all__ = ["comparison_part", "p_text"]

_NONE, _TO = "\N{EN DASH}", ", "


def comparison_part(evaluation: Evaluation) -> Markup | None:
    """Return tables and charts of the paired differences; None without a comparison."""
    other = evaluation.other
    if other is None:
        return None
    parts: list[Markup] = []
    for number, metric in enumerate(_metrics(evaluation.comparisons)):
        of_metric = [c for c in evaluation.comparisons if c.metric == metric]
        strips = _difference_strips(evaluation.cases, other.cases, of_metric)
        chart = strip_chart(
            strips,
            title=f"Paired differences in {metric_title(metric)}",
            axis=f"difference in {metric_title(metric)}",
            zero=True,
        )
        title = capital(metric_title(metric))
        parts.append(
            folded(
                f"{title}: {other.title} against {evaluation.title}",
                tag("h3", title) if number == 0 else None,
                _comparison_table(evaluation, other, of_metric),
                tag(
                    "figure",
                    chart,
                    tag("figcaption", _favour(metric, other.title)),
                    class_="single",
                ),
                fold=number > 0 or len(of_metric) > SHOWN_LABELS,
            )
        )
    return join(parts)


def p_text(value: float | None) -> str:
    """Return a p value for people."""
    if value is None:
        return _NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _metrics(comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """Return the keys of the metrics that were compared, each once."""
    return tuple(dict.fromkeys(comparison.metric for comparison in comparisons))


def _comparison_table(
    first: Evaluation, other: Evaluation, comparisons: Sequence[Comparison]
) -> Markup:
    """Return the means of both models, their difference and whether it is chance."""
    means = [{(s.name, s.metric): s.mean for s in e.summaries} for e in (first, other)]
    head = [
        tag("th", text, scope="col")
        for text in (
            "label",
            f"mean, {first.title}",
            f"mean, {other.title}",
            "difference [95 % interval]",
            "pairs",
            "p",
            "p, corrected",
        )
    ]
    rows, notes = [], dict.fromkeys(c.note for c in comparisons if c.note)
    for c in comparisons:
        cells = [value_cell(m.get((c.name, c.metric)), c.metric) for m in means]
        cells.append(_difference(c))
        cells.append(tag("data", c.pairs, value=c.pairs))
        cells += [_p_cell(p) for p in (c.p_value, c.p_adjusted)]
        row = [tag("td", cell) for cell in cells]
        rows.append(tag("tr", tag("th", c.name, scope="row"), join(row)))
    tests = ", ".join(dict.fromkeys(c.test for c in comparisons if c.test))
    text = "; ".join([text for text in (tests, *notes) if text])
    return join([table(head, rows), tag("p", f"Test: {text}.", class_="caption")])


def _difference(c: Comparison) -> Markup:
    """Return a mean difference with its interval."""
    if c.difference is None:
        return tag("span", _NONE)
    digits = decimals(value_text(c.difference, c.metric))
    values = [v for v in (c.difference, c.low, c.high) if v is not None]
    cells = [tag("data", signed(v, digits), value=repr(float(v))) for v in values]
    if len(cells) < 3:
        return cells[0]
    return join([cells[0], " [", cells[1], _TO, cells[2], "]"])


def _p_cell(value: float | None) -> Markup:
    """Return a p value with its whole number."""
    if value is None:
        return tag("span", p_text(value), title="no p value, see below the table")
    return tag("data", p_text(value), value=repr(float(value)))


def _difference_strips(
    cases: Sequence[CaseResult],
    others: Sequence[CaseResult],
    comparisons: Sequence[Comparison],
) -> list[Strip]:
    """Return the paired differences of every label as rows of a chart."""
    theirs = {
        (case.case, label.name): label for case in others for label in case.labels
    }
    points: dict[tuple[str, str], list[tuple[str, float, bool]]] = {}
    metrics = dict.fromkeys(c.metric for c in comparisons)
    for case in cases:
        for label in case.labels:
            pair = theirs.get((case.case, label.name))
            if pair is None:
                continue
            for metric in metrics:
                one, two = label.metric(metric), pair.metric(metric)
                if one is not None and two is not None:
                    found = points.setdefault((label.name, metric), [])
                    found.append((case.case, two - one, False))
    return [
        Strip(c.name, points.get((c.name, c.metric), []), c.difference, c.low, c.high)
        for c in comparisons
    ]


def _favour(metric: str, title: str) -> str:
    """Return which sign is good for the other model."""
    sign = "Negative" if metric in LOWER_IS_BETTER else "Positive"
    return f"A dot is a case. {sign}: {title} is better."
