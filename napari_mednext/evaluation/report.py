"""The report of an evaluation: one page that needs nothing beside it.

It holds its style, charts (SVG) and pictures (PNG) itself, has no script, and tells the
browser to fetch nothing: it can be mailed, archived and printed.
"""

from __future__ import annotations

import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.evaluation.markup import Markup, join, tag
from napari_mednext.evaluation.report_cases import cases_part
from napari_mednext.evaluation.report_comparison import comparison_part
from napari_mednext.evaluation.report_methods import methods_part
from napari_mednext.evaluation.report_numbers import (
    SHOWN_LABELS,
    charts_of,
    folded,
    names_worst_first,
    summary_table,
    value_text,
    volumes_part,
)
from napari_mednext.evaluation.statistics import summarise
from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.evaluation.results import CaseResult, Evaluation, Summary

__all__ = ["report_html", "write_report"]

#: Charts of volumes that are shown before the rest is folded away.
_SHOWN_VOLUMES = 6
#: A p value below this is called a difference.
_SIGNIFICANT = 0.05
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_DISCLAIMER = "Research use; not a medical device."


def write_report(evaluation: Evaluation, path: Path, *, pictures: bool = True) -> Path:
    """Write the report of an evaluation as one HTML file, replacing an older one.

    Parameters
    ----------
    evaluation : Evaluation
        Its files are opened again for the pictures.
    path : Path
        Its folder exists.
    pictures : bool
        Whether the worst slices are drawn.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    html = report_html(evaluation, pictures=pictures)
    with placed(Path(path)) as draft:
        draft.write_text(html, encoding="utf-8", newline="\n")
    return Path(path)


def report_html(evaluation: Evaluation, *, pictures: bool = True) -> str:
    """Return the report of an evaluation as HTML.

    Parameters
    ----------
    evaluation : Evaluation
        Its files are opened again for the pictures.
    pictures : bool
        Whether the worst slices are drawn.

    Returns
    -------
    str
        A whole document.
    """
    sections = _sections(evaluation, pictures=pictures)
    style = files("napari_mednext.evaluation").joinpath("report.css")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", evaluation.title),
        tag("style", Markup(style.read_text(encoding="utf-8"))),
    )
    links = [tag("a", title, href=f"#{anchor}") for anchor, title, _ in sections]
    body = tag(
        "main",
        tag("h1", evaluation.title),
        tag("p", _byline(evaluation), class_="byline"),
        tag("p", summary_text(evaluation), class_="lead"),
        _failures(evaluation),
        tag("nav", join(links, " "), aria_label="Sections"),
        join(
            tag("section", tag("h2", title), content, id=anchor)
            for anchor, title, content in sections
        ),
        tag("footer", tag("strong", _DISCLAIMER)),
    )
    page = tag("html", head, tag("body", body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def summary_text(evaluation: Evaluation) -> str:
    """Return what came out, in a few sentences."""
    names = names_worst_first(evaluation.summaries)
    cases = _many(len(evaluation.cases), "case")
    text = [f"{cases} with {_many(len(names), 'label')} against a reference."]
    dice = {s.name: s for s in evaluation.summaries if s.metric == "dice"}
    counted = [name for name in names if dice[name].mean is not None]
    if len(counted) == 1:
        mean = value_text(dice[counted[0]].mean, "dice")
        text.append(f"The mean Dice of {counted[0]} is {mean}.")
    elif counted:
        low, high = (value_text(dice[counted[i]].mean, "dice") for i in (0, -1))
        text.append(
            f"The mean Dice lies between {low} ({counted[0]}) and {high} "
            f"({counted[-1]})."
        )
    text += _gaps(evaluation)
    if evaluation.failures:
        text.append(
            f"{_many(len(evaluation.failures), 'case')} could not be evaluated."
        )
    text += _difference_text(evaluation)
    return " ".join(text)


def _gaps(evaluation: Evaluation) -> list[str]:
    """Return sentences about labels that one side lacks."""
    states: list[str] = [
        label.state for case in evaluation.cases for label in case.labels
    ]
    found = []
    for state, what in (
        ("missing", "the prediction lacks a label that the reference has"),
        ("extra", "the prediction has a label that the reference lacks"),
    ):
        number = states.count(state)
        if number:
            found.append(f"{_many(number, 'time')} {what}.")
    return found


def _difference_text(evaluation: Evaluation) -> list[str]:
    """Return a sentence about the comparison of two models."""
    if evaluation.other is None:
        return []
    dice = [c for c in evaluation.comparisons if c.metric == "dice"]
    tested = [c for c in dice if c.p_value is not None]
    if not tested:
        return [
            f"{evaluation.other.title} is compared on the same cases; they are too few "
            "to tell a difference from chance."
        ]
    sure = [c for c in tested if _corrected(c.p_adjusted, c.p_value) < _SIGNIFICANT]
    better = sum((c.difference or 0) > 0 for c in sure)
    if not sure:
        return [
            f"{evaluation.other.title} is compared on the same cases; no difference in "
            "Dice is more than chance could give."
        ]
    return [
        f"{evaluation.other.title} has a higher Dice in {better}, a lower one in "
        f"{len(sure) - better} of {_many(len(dice), 'label')} (p < {_SIGNIFICANT}, "
        "corrected); in the others the difference may be chance."
    ]


def _corrected(adjusted: float | None, plain: float | None) -> float:
    """Return the corrected p value where there is one."""
    return next((p for p in (adjusted, plain) if p is not None), 1.0)


def _sections(
    evaluation: Evaluation, *, pictures: bool
) -> list[tuple[str, str, Markup]]:
    """Return anchor, title and content of every section."""
    sections = []
    if evaluation.cases:
        sections.append(("results", "Results per label", _results(evaluation)))
    groups = _groups(evaluation)
    if len(groups) > 1:
        parts = [_group(name, cases) for name, cases in groups.items()]
        sections.append(("groups", "Results per group", join(parts)))
    compared = comparison_part(evaluation)
    if compared is not None:
        sections.append(("comparison", "Comparison of two models", compared))
    if evaluation.cases:
        content = cases_part(evaluation, pictures=pictures)
        sections.append(("cases", "Cases, the worst first", content))
    sections.append(("methods", "How this was made", methods_part(evaluation)))
    return sections


def _results(evaluation: Evaluation) -> Markup:
    """Return the tables and charts of all cases."""
    names = names_worst_first(evaluation.summaries)
    shown = _tables(evaluation.cases, evaluation.summaries, names)
    if len(evaluation.cases) == 1:  # a chart of one dot says nothing
        return shown
    volumes = [
        tag("h3", "Volumes"),
        tag(
            "p",
            "Difference of the volumes against their mean (Bland and Altman). Full "
            "line: mean difference; dashed: limits of agreement, between which 95 % of "
            "differences are expected.",
            class_="caption",
        ),
        volumes_part(evaluation.cases, names[:_SHOWN_VOLUMES]),
    ]
    rest = names[_SHOWN_VOLUMES:]
    if rest:
        volumes.append(
            folded(
                f"Volumes of {_many(len(rest), 'more label')}",
                volumes_part(evaluation.cases, rest),
            )
        )
    return join([shown, *volumes])


def _tables(
    cases: Sequence[CaseResult], summaries: Sequence[Summary], names: Sequence[str]
) -> Markup:
    """Return the summary table and the charts; many labels are folded."""
    first, rest = names[:SHOWN_LABELS], names[SHOWN_LABELS:]
    several = len(cases) > 1
    order = "the label with the lowest Dice first."
    if several:
        order = f"Mean over cases with its 95 % interval, median below; {order}"
    parts: list[Markup | None] = [
        tag("p", order[:1].upper() + order[1:], class_="caption"),
        summary_table(summaries, first),
    ]
    if several:
        key = (
            "A dot is a case, the diamond the mean, the bar its 95 % interval; a cross "
            "is a case where one side lacks the label."
        )
        parts.append(tag("p", key, class_="caption"))
        parts.append(charts_of(cases, summaries, first))
    if rest:
        parts.append(
            folded(
                _many(len(rest), "more label"),
                summary_table(summaries, rest),
                charts_of(cases, summaries, rest) if several else None,
            )
        )
    return join(parts)


def _groups(evaluation: Evaluation) -> dict[str, list[CaseResult]]:
    """Return the cases of every group, in the order of the cases."""
    groups: dict[str, list[CaseResult]] = {}
    for case in evaluation.cases:
        groups.setdefault(case.group, []).append(case)
    return groups


def _group(name: str, cases: list[CaseResult]) -> Markup:
    """Return the results of one group."""
    summaries = summarise(cases)
    names = names_worst_first(summaries)
    return join(
        [
            tag("h3", f"{name or 'no group'} ({_many(len(cases), 'case')})"),
            summary_table(summaries, names[:SHOWN_LABELS]),
            folded("Charts", charts_of(cases, summaries, names[:SHOWN_LABELS]))
            if len(cases) > 1
            else None,
        ]
    )


def _failures(evaluation: Evaluation) -> Markup | None:
    """Return the cases that could not be evaluated, each with its sentence."""
    if not evaluation.failures:
        return None
    items = [
        tag("li", tag("strong", name), f": {sentence}")
        for name, sentence in evaluation.failures
    ]
    title = f"Not evaluated: {_many(len(items), 'case')}"
    shown, rest = items[:SHOWN_LABELS], items[SHOWN_LABELS:]
    more = folded(f"{len(rest)} more", tag("ul", join(rest))) if rest else None
    return tag("div", tag("h3", title), tag("ul", join(shown)), more, class_="failures")


def _byline(evaluation: Evaluation) -> str:
    """Return when and with what the report was made."""
    version = evaluation.software.get("napari-mednext", "")
    made = f"napari-mednext {version}".strip()
    parts = ["Segmentation report", _time(evaluation.created), made]
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)


def _time(created: str) -> str:
    """Return a time for people; the text itself where it is none."""
    try:
        at = datetime.datetime.fromisoformat(created)
    except ValueError:
        return created
    return f"{at:%Y-%m-%d %H:%M} {at.tzname() or ''}".strip()


def _many(number: int, what: str) -> str:
    """Return a number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
