"""The parts of a report that hold numbers: tables and charts of labels and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.evaluation.charts import Strip, agreement_chart, strip_chart
from napari_mednext.evaluation.markup import Markup, join, tag
from napari_mednext.evaluation.results import metric_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_mednext.evaluation.results import (
        CaseResult,
        LabelResult,
        Summary,
    )

__all__ = [
    "LOWER_IS_BETTER",
    "SHOWN_LABELS",
    "SIGNED",
    "capital",
    "charts_of",
    "decimals",
    "folded",
    "metrics_of",
    "names_worst_first",
    "signed",
    "summary_table",
    "table",
    "value_cell",
    "value_text",
    "volumes_part",
]

#: Labels that are shown before the rest is folded away.
SHOWN_LABELS = 25
_MINUS, _NONE, _TO = "\N{MINUS SIGN}", "\N{EN DASH}", ", "
LOWER_IS_BETTER = ("hd95_mm", "absolute_volume_error_ml")
SIGNED = ("volume_error_ml", "volume_error_percent")
#: Only for comparing models; in other tables the signed error says more.
_FOR_MODELS = "absolute_volume_error_ml"


def value_text(value: float | None, metric: str) -> str:
    """Return a value of a metric for people, with the digits that it deserves."""
    if value is None:
        return _NONE
    if metric in SIGNED:
        return signed(value, 1 if metric.endswith("percent") else _ml_digits(value))
    if metric.endswith("_ml"):
        return f"{value:.{_ml_digits(value)}f}"
    return f"{value:.{2 if metric == 'hd95_mm' else 3}f}"


def value_cell(value: float | None, metric: str) -> Markup:
    """Return the same as an element that holds the whole number too."""
    text = value_text(value, metric)
    if value is None:
        return tag("span", text, title="not defined here")
    return tag("data", text, value=repr(float(value)))


def metrics_of(summaries: Iterable[Summary]) -> tuple[str, ...]:
    """Return the keys of the metrics of a table, each once, in their order."""
    keys = dict.fromkeys(summary.metric for summary in summaries)
    return tuple(key for key in keys if key != _FOR_MODELS)


def names_worst_first(summaries: Iterable[Summary]) -> tuple[str, ...]:
    """Return the names of the labels, the lowest mean Dice first, undefined last."""
    means = {s.name: s.mean for s in summaries if s.metric == "dice"}
    return tuple(
        sorted(means, key=lambda name: (means[name] is None, means[name] or 0))
    )


def folded(title: str, *content: object, fold: bool = True) -> Markup:
    """Return content that is folded away under a title, or as it is."""
    if not fold:
        return join(content)
    return tag("details", tag("summary", title), join(content))


def summary_table(
    summaries: Sequence[Summary], names: Sequence[str] | None = None
) -> Markup:
    """Return a table with a row for every label: means, intervals, medians, counts.

    Parameters
    ----------
    summaries : sequence of Summary
        Of all labels and metrics.
    names : sequence of str, optional
        The labels to show, in this order; all when left out.

    Returns
    -------
    Markup
    """
    metrics = metrics_of(summaries)
    by_key = {(s.name, s.metric): s for s in summaries}
    names = names or tuple(dict.fromkeys(s.name for s in summaries))
    head = [tag("th", "label", scope="col"), tag("th", "cases", scope="col")]
    head += [tag("th", capital(metric_title(m)), scope="col") for m in metrics]
    rows = []
    for name in names:
        of_name = [by_key.get((name, metric)) for metric in metrics]
        first = next((s for s in of_name if s is not None), None)
        cells = [_summary_cell(s, first) for s in of_name]
        rows.append(
            tag("tr", tag("th", name, scope="row"), _count_cell(first), join(cells))
        )
    wanted = set(names)
    notes = dict.fromkeys(s.note for s in summaries if s.note and s.name in wanted)
    text = "; ".join(notes)
    below = tag("p", f"{capital(text)}.", class_="caption") if text else None
    return join([table(head, rows), below])


def charts_of(
    cases: Sequence[CaseResult], summaries: Sequence[Summary], names: Sequence[str]
) -> Markup:
    """Return a chart for every overlap and distance: cases as dots, mean, interval."""
    by_key = {(s.name, s.metric): s for s in summaries}
    by_name = _by_name(cases)
    drawn = []
    for metric in metrics_of(summaries):
        if metric in SIGNED:
            continue
        strips = [
            _strip(name, _points(by_name[name], metric), by_key.get((name, metric)))
            for name in names
        ]
        title = capital(metric_title(metric))
        chart = strip_chart(
            strips,
            title=f"{title} per label",
            axis=_axis(metric),
            limits=_limits(strips, metric),
        )
        drawn.append(tag("figure", tag("figcaption", title), chart))
    return tag("div", join(drawn), class_="charts")


def volumes_part(cases: Sequence[CaseResult], names: Sequence[str]) -> Markup:
    """Return a chart of the agreement of volumes for every label (Bland-Altman)."""
    by_name = _by_name(cases)
    drawn = []
    for name in names:
        points = [
            (case, label.volume_ml, label.reference_ml)
            for case, label in by_name[name]
            if label.state != "absent"
        ]
        if points:
            drawn.append(tag("figure", agreement_chart(points, title=name)))
    return tag("div", join(drawn), class_="panels")


def _summary_cell(summary: Summary | None, first: Summary | None) -> Markup:
    """Return mean and interval, and below them the median."""
    if summary is None or summary.mean is None:
        return tag("td", tag("span", _NONE, title="no case counts"))
    mean, *ends = _interval(summary.mean, summary.low, summary.high, summary.metric)
    below = [tag("small", end) for end in ends]
    if summary.median is not None and summary.counted > 1:
        digits = decimals(value_text(summary.mean, summary.metric))
        write = signed if summary.metric in SIGNED else _plain
        text = write(summary.median, digits)
        median = tag("data", text, value=repr(float(summary.median)))
        below.append(tag("small", "median ", median))
    if first is not None and summary.counted != first.counted:
        below.append(tag("small", _cases(summary.counted)))
    return tag("td", mean, join(below))


def _count_cell(summary: Summary | None) -> Markup:
    """Return how many cases count, and what happened in the others."""
    if summary is None:
        return tag("td", _NONE)
    notes = [
        f"{number} {what}"
        for number, what in (
            (summary.left_out, "left out"),
            (summary.missing, "missing"),
            (summary.extra, "extra"),
        )
        if number
    ]
    small = join(tag("small", note) for note in notes)
    return tag("td", tag("data", summary.counted, value=summary.counted), small)


def _interval(
    value: float, low: float | None, high: float | None, metric: str
) -> list[Markup]:
    """Return a mean, and ``[low, high]`` with as many digits where there are both."""
    digits = decimals(value_text(value, metric))
    write = signed if metric in SIGNED else _plain

    def cell(number: float) -> Markup:
        return tag("data", write(number, digits), value=repr(float(number)))

    if low is None or high is None:
        return [cell(value)]
    return [cell(value), join(["[", cell(low), _TO, cell(high), "]"])]


def _by_name(cases: Iterable[CaseResult]) -> dict[str, list[tuple[str, LabelResult]]]:
    """Return the results of every label, each with the name of its case."""
    found: dict[str, list[tuple[str, LabelResult]]] = {}
    for case in cases:
        for label in case.labels:
            found.setdefault(label.name, []).append((case.case, label))
    return found


def _points(
    results: Iterable[tuple[str, LabelResult]], metric: str
) -> list[tuple[str, float, bool]]:
    """Return case, value and whether the label lacks on one side."""
    values = [(case, label, label.metric(metric)) for case, label in results]
    return [
        (case, value, label.state != "both")
        for case, label, value in values
        if value is not None
    ]


def _strip(
    name: str, points: Sequence[tuple[str, float, bool]], summary: Summary | None
) -> Strip:
    """Return a row of a chart."""
    if summary is None:
        return Strip(name, points, None)
    return Strip(name, points, summary.mean, summary.low, summary.high)


def _limits(strips: Sequence[Strip], metric: str) -> tuple[float, float] | None:
    """Return the ends of the axis of a metric."""
    values = [v for strip in strips for _, v, marked in strip.points if not marked]
    if metric in LOWER_IS_BETTER:  # a missing label, far away, would squeeze the rest
        means = [v for s in strips for v in (s.mean, s.high) if v is not None]
        return 0.0, max([*values, *means, 1.0]) * 1.06
    ends = [v for strip in strips for _, v, _ in strip.points]
    lowest = min([*ends, *(s.low for s in strips if s.low is not None), 1.0])
    return max(0.0, int(lowest * 10 - 0.2) / 10), 1.0


def _axis(metric: str) -> str:
    """Return what an axis shows, and which way is better."""
    better = "lower" if metric in LOWER_IS_BETTER else "higher"
    return f"{metric_title(metric)}, {better} is better"


def table(head: Sequence[Markup], rows: Sequence[Markup]) -> Markup:
    """Return a table that scrolls by itself on narrow screens."""
    table = tag("table", tag("thead", tag("tr", join(head))), tag("tbody", join(rows)))
    return tag(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label="table"
    )


def _ml_digits(value: float) -> int:
    """Return the decimals of a volume in mL."""
    return next(
        (d for d, least in ((0, 1000), (1, 10), (2, 1)) if abs(value) >= least), 3
    )


def decimals(text: str) -> int:
    """Return how many decimals a number has."""
    return len(text.partition(".")[2])


def _plain(value: float, digits: int) -> str:
    """Return a number with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", _MINUS)


def signed(value: float, digits: int) -> str:
    """Return a number with its sign; none where it rounds to zero."""
    text = f"{value:+.{digits}f}".replace("-", _MINUS)
    return text[1:] if float(f"{value:.{digits}f}") == 0 else text


def capital(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[:1].upper() + text[1:]


def _cases(number: int) -> str:
    """Return how many cases."""
    return "1 case" if number == 1 else f"{number} cases"
