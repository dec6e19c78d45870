"""The part of a report that shows cases, the worst first, with pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mednext.errors import MednextError
from napari_mednext.evaluation import drawing
from napari_mednext.evaluation.markup import Markup, join, tag
from napari_mednext.evaluation.pictures import SlicePicture, draw_case
from napari_mednext.evaluation.regions import Region
from napari_mednext.evaluation.report_numbers import folded, table, value_cell
from napari_mednext.evaluation.results import metric_keys, metric_title

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_mednext.evaluation.results import CaseResult, Evaluation, LabelResult

__all__ = ["cases_part", "mean_dice", "pictured", "regions_of", "worst_first"]

#: How many cases have pictures: the worst, then one in the middle and the best.
_WORST_PICTURED = 10
#: Pictures of a report have so many bytes together; as text they need a third more.
_PICTURE_BYTES = 5_500_000
#: Rows of tables of cases that are shown, and that are kept when folded.
_SHOWN_CASES, _KEPT_ROWS = 25, 4000
_STATES = {
    "both": "",
    "missing": "missing in the prediction",
    "extra": "not in the reference",
    "absent": "in neither, not counted",
}


def mean_dice(case: CaseResult) -> float | None:
    """Return the mean Dice over the labels that count; None where none does."""
    counted = [label.dice for label in case.labels if label.dice is not None]
    return sum(counted) / len(counted) if counted else None


def worst_first(cases: Sequence[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases, the lowest mean Dice first; cases without one come last."""

    def rank(case: CaseResult) -> tuple[bool, float, str]:
        mean = mean_dice(case)
        return mean is None, mean or 0.0, case.case

    return tuple(sorted(cases, key=rank))


def pictured(ranked: Sequence[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases that get pictures: the worst, the middle and the best one."""
    if len(ranked) <= _WORST_PICTURED + 2:
        return tuple(ranked)
    middle = max(len(ranked) // 2, _WORST_PICTURED)
    return (*ranked[:_WORST_PICTURED], ranked[middle], ranked[-1])


def regions_of(evaluation: Evaluation) -> tuple[Region, ...]:
    """Return the regions of an evaluation with the label values behind their names.

    They come from ``settings["labels"]``; a label that is not there is its own value
    on both sides.
    """
    regions = {
        each["name"]: Region(
            each["name"], tuple(each["prediction"]), tuple(each["reference"])
        )
        for each in evaluation.settings.get("labels") or ()
    }
    for case in evaluation.cases:
        for label in case.labels:
            if label.name not in regions and label.value:
                own = (label.value,)
                regions[label.name] = Region(label.name, own, own)
    return tuple(regions.values())


def cases_part(evaluation: Evaluation, *, pictures: bool) -> Markup:
    """Return all cases: pictures and numbers of some, a table of all.

    Parameters
    ----------
    evaluation : Evaluation
        With at least one case.
    pictures : bool
        Whether slices are drawn, which opens the files.

    Returns
    -------
    Markup
    """
    ranked = worst_first(evaluation.cases)
    chosen = pictured(ranked)
    album = _Album(regions_of(evaluation), _ignored(evaluation), _PICTURE_BYTES)
    rows = _Rows(_KEPT_ROWS)
    parts = [_case_table(ranked), _key() if pictures else None]
    places = {case.case: number for number, case in enumerate(ranked, 1)}
    for case in chosen:
        slices = album.slices(case) if pictures else None
        number = places.pop(case.case)
        parts.append(_card(case, number, len(ranked), slices, rows))
    rest = [case for case in ranked if case.case in places]
    if rest:
        details = [_numbers(case, rows) for case in rest]
        parts.append(
            folded(f"Numbers of the other {len(rest)} cases", join(details), fold=True)
        )
    return join(parts)


@dataclass
class _Rows:
    """How many rows of tables may still be written."""

    left: int


@dataclass
class _Album:
    """Draws cases until the pictures are as large together as they may be."""

    regions: tuple[Region, ...]
    ignore: tuple[int, ...]
    left: int

    def slices(self, case: CaseResult) -> Markup:
        """Return the pictures of a case, or the sentence why there are none."""
        lacking = None
        try:
            drawn = self._drawn(case, case.image)
        except (MednextError, OSError) as error:
            if case.image is None:
                return tag("p", f"No pictures: {error}.", class_="caption")
            try:  # without the image, if that is what cannot be shown
                drawn = self._drawn(case, None)
            except (MednextError, OSError) as worse:
                return tag("p", f"No pictures: {worse}.", class_="caption")
            lacking = tag("p", f"Without the image: {error}.", class_="caption")
        size = sum(len(each.outlines) + len(each.errors) for each in drawn)
        if size > self.left:
            text = "No pictures: the report would become too large."
            return tag("p", text, class_="caption")
        self.left -= size
        slices = join(_slice(each, case.case) for each in drawn)
        return join([tag("div", slices, class_="slices"), lacking])

    def _drawn(self, case: CaseResult, image: Path | None) -> tuple[SlicePicture, ...]:
        """Draw a case with an image, or without one."""
        return draw_case(
            case.prediction, case.reference, image, self.regions, ignore=self.ignore
        )


def _ignored(evaluation: Evaluation) -> tuple[int, ...]:
    """Return the reference values at which predictions were not judged."""
    return tuple(int(v) for v in evaluation.settings.get("ignore_reference") or ())


def _slice(picture: SlicePicture, case: str) -> Markup:
    """Return both pictures of a slice with what is wrong on it."""
    where = f"{picture.plane} slice at {picture.place}"
    if picture.wrong_mm2 > 0:
        parts = (
            (picture.missed_mm2, "missed"),
            (picture.added_mm2, "added"),
            (picture.mixed_mm2, "mixed up"),
        )
        kinds = ", ".join(f"{_area(mm2)} {kind}" for mm2, kind in parts if mm2 > 0)
        wrong = f"{_area(picture.wrong_mm2)} wrong: {kinds}; most in"
        text: list[object] = [f"{wrong} {picture.worst_region}"]
    else:
        text = ["nothing wrong"]
    head = f"{picture.plane.capitalize()}, {picture.place}"
    return tag(
        "figure",
        _image(
            picture.outlines,
            picture.size_px,
            f"Case {case}, {where}: prediction outlined in orange, reference dashed in "
            f"blue; {text[0]}",
        ),
        _image(
            picture.errors,
            picture.size_px,
            f"Case {case}, {where}: missed area filled in blue, added in orange, mixed "
            "up in pink",
        ),
        tag("figcaption", tag("strong", head), f" (slice {picture.index}). ", *text),
    )


def _image(png: bytes, size_px: tuple[int, int], text: str) -> Markup:
    """Return a picture that lies in the page itself."""
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return tag("img", src=source, width=size_px[0], height=size_px[1], alt=text)


def _area(mm2: float) -> str:
    """Return an area for people."""
    return f"{mm2 / 100:.1f} cm²" if mm2 >= 1000 else f"{mm2:.3g} mm²"


def _card(
    case: CaseResult, number: int, total: int, slices: Markup | None, rows: _Rows
) -> Markup:
    """Return a case with its pictures and its numbers."""
    facts: list[object] = [f"{number} of {total}"]
    if case.group:
        facts.append(case.group)
    mean = mean_dice(case)
    facts.append(join(["mean Dice ", value_cell(mean, "dice")]))
    worst = _worst_label(case)
    if worst is not None and len(case.labels) > 1:
        facts.append(join([f"worst {worst.name} ", value_cell(worst.dice, "dice")]))
    facts += [
        f"{label.name} {_STATES[label.state]}"
        for label in case.labels[:_SHOWN_CASES]
        if label.state in ("missing", "extra")
    ]
    return tag(
        "article",
        tag("h3", case.case),
        tag("p", join(facts, " \N{MIDDLE DOT} "), class_="facts"),
        slices,
        _numbers(case, rows, title="Numbers of this case"),
        class_="case",
    )


def _worst_label(case: CaseResult) -> LabelResult | None:
    """Return the label with the lowest Dice."""
    counted = [label for label in case.labels if label.dice is not None]
    return min(counted, key=lambda label: label.dice or 0.0, default=None)


def _numbers(case: CaseResult, rows: _Rows, *, title: str = "") -> Markup:
    """Return the folded table of a case, with all labels while there is room."""
    labels = sorted(
        case.labels, key=lambda label: (label.dice is None, label.dice or 0.0)
    )
    shown = labels[: max(rows.left, 3)]
    rows.left -= len(shown)
    keys = metric_keys(tuple(case.labels[0].surface_dice)) if case.labels else ()
    head = [tag("th", text, scope="col") for text in ("label", "reference (mL)")]
    head.append(tag("th", "prediction (mL)", scope="col"))
    head += [tag("th", metric_title(key), scope="col") for key in keys]
    head.append(tag("th", "remark", scope="col", class_="text"))
    body = []
    for label in shown:
        cells = [value_cell(label.reference_ml, "reference_ml")]
        cells.append(value_cell(label.volume_ml, "volume_ml"))
        cells += [value_cell(label.metric(key), key) for key in keys]
        body.append(
            tag(
                "tr",
                tag("th", label.name, scope="row"),
                join(tag("td", cell) for cell in cells),
                tag("td", _STATES[label.state], class_="text"),
                class_="bad" if label.state in ("missing", "extra") else None,
            )
        )
    left_out = len(labels) - len(shown)
    return folded(
        title or f"{case.case}{f' ({case.group})' if case.group else ''}",
        table(head, body),
        _remarks(case, left_out),
    )


def _remarks(case: CaseResult, left_out: int) -> Markup:
    """Return files, notes and what was left out below the table of a case."""
    texts = [f"Prediction {case.prediction.name}, reference {case.reference.name}"]
    if case.image is not None:
        texts[0] += f", image {case.image.name}"
    texts += list(case.notes)
    if left_out:
        texts.append(f"{left_out} more labels are in the JSON and CSV files")
    return tag("p", ". ".join(texts) + ".", class_="caption")


def _case_table(ranked: Sequence[CaseResult]) -> Markup:
    """Return a row for every case, the worst first."""
    grouped = any(case.group for case in ranked)
    names = ["case", "mean Dice", "worst label", "its Dice", "largest HD95 (mm)"]
    if grouped:
        names.insert(1, "group")
    text = ("case", "group", "worst label")
    head = [
        tag("th", name, scope="col", class_="text" if name in text else None)
        for name in names
    ]
    rows = [_case_row(case, grouped=grouped) for case in ranked]
    shown = table(head, rows[:_SHOWN_CASES])
    rest = rows[_SHOWN_CASES:_KEPT_ROWS]
    if not rest:
        return shown
    return join([shown, folded(f"{len(rest)} more cases", table(head, rest))])


def _case_row(case: CaseResult, *, grouped: bool) -> Markup:
    """Return the row of a case."""
    worst = _worst_label(case)
    far = [label.hd95_mm for label in case.labels if label.hd95_mm is not None]
    bad = any(label.state in ("missing", "extra") for label in case.labels)
    return tag(
        "tr",
        tag("th", case.case, scope="row"),
        tag("td", case.group, class_="text") if grouped else None,
        tag("td", value_cell(mean_dice(case), "dice")),
        tag("td", "" if worst is None else worst.name, class_="text"),
        tag("td", value_cell(None if worst is None else worst.dice, "dice")),
        tag("td", value_cell(max(far, default=None), "hd95_mm")),
        class_="bad" if bad else None,
    )


def _key() -> Markup:
    """Return what the colours of the pictures mean."""
    entries = (
        (drawing.PREDICTION, None, "prediction"),
        (drawing.REFERENCE, "5 4", "reference"),
        (drawing.MISSED, "fill", "missed: only the reference has it"),
        (drawing.ADDED, "fill", "added: only the prediction has it"),
        (drawing.MIXED, "fill", "mixed up: both have it, as different labels"),
    )
    items = []
    for colour, style, text in entries:
        paint = f"rgb{colour}"
        if style == "fill":
            shape = tag("rect", width=22, height=12, fill=paint, opacity=0.8)
        else:
            shape = tag(
                "path",
                d="M0 6h22",
                stroke=paint,
                stroke_width=3,
                stroke_dasharray=style,
            )
        swatch = tag("svg", shape, width=22, height=12, aria_hidden="true")
        items.append(tag("li", swatch, text))
    return tag("ul", join(items), class_="key")
