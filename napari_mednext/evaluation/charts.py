"""Charts as SVG that stands in a page: dots for cases, means with intervals, volumes.

Colours and fonts are classes that the page's style sheet fills, so that a chart follows
light, dark and print. Every chart has a title and a description for screen readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mednext.evaluation.markup import Markup, join, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Strip", "agreement_chart", "number_text", "strip_chart", "ticks"]

_WIDTH, _NAMES_PX, _RIGHT_PX = 520, 168, 22
_TOP_PX, _AXIS_PX = 8, 42
_ROW_PX, _DENSE_ROW_PX, _DENSE_ROWS = 32, 20, 12
#: Names are cut to so many letters; the whole name is in the tooltip.
_NAME_LETTERS = 20
#: Up to so many dots of a chart have a tooltip each.
_TOOLTIPS = 400
_AGREEMENT_PX = (300, 230)
#: Normal differences lie within so many standard deviations with 95 % probability.
_LIMITS_SD = 1.96


@dataclass(frozen=True)
class Strip:
    """One row of a chart: a label, its cases, and their mean with an interval.

    ``points`` holds the name of each case, its value, and whether it is marked, as
    where a label is missing. ``mean``, ``low`` and ``high`` may be None.
    """

    name: str
    points: Sequence[tuple[str, float, bool]]
    mean: float | None
    low: float | None = None
    high: float | None = None


def strip_chart(
    strips: Sequence[Strip],
    *,
    title: str,
    axis: str,
    limits: tuple[float, float] | None = None,
    zero: bool = False,
) -> Markup:
    """Draw a row of dots for every strip, with its mean and interval.

    Parameters
    ----------
    strips : sequence of Strip
        In the order of the rows.
    title : str
        For screen readers and the tooltip.
    axis : str
        What the axis shows, with its unit.
    limits : (low, high), optional
        Ends of the axis; values beyond are drawn at the end with an arrow. From the
        values when left out.
    zero : bool
        Whether a line marks zero.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    row_px = _ROW_PX if len(strips) <= _DENSE_ROWS else _DENSE_ROW_PX
    low, high = limits or _limits(_numbers(strips, zero=zero))
    marks = ticks(low, high, 6)
    left, right = _NAMES_PX, _WIDTH - _RIGHT_PX
    bottom = _TOP_PX + row_px * len(strips)
    height = bottom + _AXIS_PX
    scale = (right - left) / (high - low)

    def x(value: float) -> float:
        return left + (min(max(value, low), high) - low) * scale

    parts: list[Markup] = [
        _line(x(mark), _TOP_PX, x(mark), bottom, "grid") for mark in marks
    ]
    if zero and low <= 0 <= high:
        parts.append(_line(x(0), _TOP_PX, x(0), bottom, "zero"))
    total = sum(len(strip.points) for strip in strips)
    for number, strip in enumerate(strips):
        y = _TOP_PX + row_px * (number + 0.5)
        parts.append(_row_name(strip.name, left - 10, y))
        places = [
            (name, x(value), y - row_px * 0.16 + _jitter(order, row_px), value, marked)
            for order, (name, value, marked) in enumerate(strip.points)
        ]
        parts.extend(_dots(places, tooltips=total <= _TOOLTIPS))
        parts.extend(_mean(strip, x, y + row_px * 0.24, row_px))
    parts.extend(
        tag("text", number_text(mark), x=_px(x(mark)), y=bottom + 17, class_="tick")
        for mark in marks
    )
    middle = (left + right) / 2
    parts.append(tag("text", axis, x=_px(middle), y=bottom + 36, class_="axis"))
    means = "; ".join(
        f"{strip.name}: mean {number_text(strip.mean, 3)}"
        for strip in strips[:_DENSE_ROWS]
        if strip.mean is not None
    )
    return _svg(parts, _WIDTH, height, title, means or "no case counts")


def agreement_chart(
    points: Sequence[tuple[str, float, float]], *, title: str
) -> Markup:
    """Draw the difference of two volumes against their mean, after Bland and Altman.

    From three cases on, lines show the mean difference and the limits of agreement
    (mean -+ 1.96 standard deviations).

    Parameters
    ----------
    points : sequence of (case, prediction mL, reference mL)
        At least one.
    title : str
        Name of the label.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    width, height = _AGREEMENT_PX
    left, right, top, bottom = 58, width - 12, 30, height - 44
    at = [(guess + true) / 2 for _, guess, true in points]
    gaps = [guess - true for _, guess, true in points]
    lines, text = _agreement_lines(gaps)
    x_low, x_high = _limits(at)
    y_low, y_high = _limits([*gaps, *lines.values(), 0.0])

    def x(value: float) -> float:
        return left + (value - x_low) / (x_high - x_low) * (right - left)

    def y(value: float) -> float:
        return bottom - (value - y_low) / (y_high - y_low) * (bottom - top)

    parts: list[Markup] = []
    for mark in ticks(y_low, y_high, 5):
        parts.append(_line(left, y(mark), right, y(mark), "grid"))
        parts.append(
            tag(
                "text",
                number_text(mark),
                x=left - 7,
                y=_px(y(mark) + 4),
                class_="tick end",
            )
        )
    parts.extend(
        tag("text", number_text(mark), x=_px(x(mark)), y=bottom + 16, class_="tick")
        for mark in ticks(x_low, x_high, 4)
    )
    parts.append(_line(left, y(0), right, y(0), "zero"))
    parts.extend(
        _line(left, y(value), right, y(value), kind) for kind, value in lines.items()
    )
    places = [
        (
            f"{name}: {true:.4g} mL, predicted {guess:.4g} mL",
            x(mean),
            y(gap),
            gap,
            False,
        )
        for (name, guess, true), mean, gap in zip(points, at, gaps, strict=True)
    ]
    parts.extend(_dots(places, tooltips=len(points) <= _TOOLTIPS, with_value=False))
    parts.append(_row_name(title, left, 16, class_="panel", letters=34))
    middle = (left + right) / 2
    parts.append(
        tag("text", "mean of both (mL)", x=middle, y=height - 10, class_="axis")
    )
    parts.append(
        tag(
            "text",
            "prediction - reference (mL)".replace("-", "\N{MINUS SIGN}"),
            class_="axis",
            transform=f"translate(13 {_px((top + bottom) / 2)}) rotate(-90)",
        )
    )
    return _svg(parts, width, height, f"Agreement of volumes, {title}", text)


def ticks(low: float, high: float, wanted: int) -> tuple[float, ...]:
    """Return round numbers from ``low`` to ``high``, about as many as wanted."""
    raw = (high - low) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(round(number * step, 12) + 0.0 for number in range(first, last + 1))


def number_text(value: float | None, digits: int = 4) -> str:
    """Return a number for people: no exponent, a true minus sign."""
    if value is None:
        return "\N{EN DASH}"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(decimals, 12)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}")


def _numbers(strips: Iterable[Strip], *, zero: bool) -> list[float]:
    """Return all numbers of a chart."""
    found = [value for strip in strips for _, value, _ in strip.points]
    for strip in strips:
        ends = (strip.mean, strip.low, strip.high)
        found.extend(value for value in ends if value is not None)
    return [*found, 0.0] if zero else found


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return ends of an axis that hold all values, with some room."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or max(abs(high) * 0.1, 0.5)
    return low - room, high + room


def _agreement_lines(gaps: Sequence[float]) -> tuple[dict[str, float], str]:
    """Return class -> value of the lines, and what they say."""
    if len(gaps) < 3:
        return {}, "too few cases for limits of agreement"
    bias = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - bias) ** 2 for gap in gaps) / (len(gaps) - 1))
    low, high = bias - _LIMITS_SD * spread, bias + _LIMITS_SD * spread
    text = (
        f"mean difference {number_text(bias, 3)} mL, limits of agreement "
        f"{number_text(low, 3)} to {number_text(high, 3)} mL"
    )
    return {"bias": bias, "limit low": low, "limit high": high}, text


def _jitter(order: int, row_px: float) -> float:
    """Return how far a dot lies off the middle of its row; the same every time."""
    golden = (math.sqrt(5) - 1) / 2
    return ((order + 1) * golden % 1.0 - 0.5) * row_px * 0.34


def _dots(
    places: Sequence[tuple[str, float, float, float, bool]],
    *,
    tooltips: bool,
    with_value: bool = True,
) -> list[Markup]:
    """Draw dots; crosses where they are marked."""
    if not tooltips:  # one path for all: a fifth of the bytes
        plain = "".join(
            f"M{_px(x)} {_px(y)}h0" for _, x, y, _, marked in places if not marked
        )
        crosses = "".join(_cross(x, y) for _, x, y, _, marked in places if marked)
        return [
            tag("path", d=path, class_=kind)
            for path, kind in ((plain, "dots"), (crosses, "cross"))
            if path
        ]
    drawn = []
    for name, x, y, value, marked in places:
        text = f"{name}: {number_text(value)}" if with_value else name
        tip = tag("title", text)
        if marked:
            drawn.append(tag("path", tip, d=_cross(x, y), class_="cross"))
        else:
            drawn.append(tag("circle", tip, cx=_px(x), cy=_px(y), r=3.2, class_="dot"))
    return drawn


def _cross(x: float, y: float) -> str:
    """Return the path of a cross."""
    return f"M{_px(x - 3)} {_px(y - 3)}l6 6m0-6l-6 6"


def _mean(
    strip: Strip, x: Callable[[float], float], y: float, row_px: float
) -> list[Markup]:
    """Draw the interval as a bar with ends, and the mean as a diamond."""
    if strip.mean is None:
        return []
    drawn, end = [], row_px * 0.14
    if strip.low is not None and strip.high is not None:
        low, high = x(strip.low), x(strip.high)
        path = (
            f"M{_px(low)} {_px(y)}H{_px(high)}"
            f"M{_px(low)} {_px(y - end)}v{_px(2 * end)}"
            f"M{_px(high)} {_px(y - end)}v{_px(2 * end)}"
        )
        drawn.append(tag("path", d=path, class_="interval"))
    size, at = round(row_px * 0.15, 1), x(strip.mean)
    diamond = f"M{_px(at - size)} {_px(y)}l{size} {-size}l{size} {size}l{-size} {size}z"
    tip = tag("title", f"{strip.name}: mean {number_text(strip.mean)}")
    drawn.append(tag("path", tip, d=diamond, class_="mean"))
    return drawn


def _row_name(
    name: str, x: float, y: float, *, class_: str = "name", letters: int = _NAME_LETTERS
) -> Markup:
    """Write the name of a row, cut where it is long."""
    short = name if len(name) <= letters else name[: letters - 1] + "…"
    tip = tag("title", name) if short != name else None
    return tag("text", short, tip, x=_px(x), y=_px(y + 4), class_=class_)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Draw a straight line."""
    return tag("line", x1=_px(x1), y1=_px(y1), x2=_px(x2), y2=_px(y2), class_=kind)


def _svg(
    parts: Iterable[Markup], width: int, height: float, title: str, text: str
) -> Markup:
    """Return a whole chart."""
    return tag(
        "svg",
        tag("title", title),
        tag("desc", text),
        join(parts),
        viewBox=f"0 0 {width} {_px(height)}",
        role="img",
        aria_label=f"{title}. {text}",
        class_="chart",
    )


def _px(value: float) -> str:
    """Return a coordinate with one decimal."""
    return f"{value:.1f}".removesuffix(".0")
